//! What must be there before: more than anybody would make by requests for it.

use pipeline::constants::MEMORY_BYTES;
use serde_json::json;

use crate::{Error, client::Client, product::Product};

/// A user may keep a thousand; what is measured needs room for its own.
const MEMORIES: usize = 940;
/// Idle conversations, one an invocation of the archive stage with its warm-ups, and some for the schedule.
pub(super) const CONVERSATIONS: usize = 60;
/// Messages of a conversation: as many as an archive message removes.
pub(super) const MESSAGES: usize = 500;
/// Bytes of each.
pub(super) const MESSAGE_BYTES: usize = 2_048;

/// Vectors of a document that is being evicted: more than all runs of the schedule remove together.
const EVICTED_VECTORS: usize = 1_000_000;

/// Plants it while the Workers are down.
pub(super) fn plant(product: &mut Product, client: &Client) -> Result<(), Error> {
    client.post("/api/memory", &json!({ "text": "One memory, from which the others are made." }))?.success()?;
    product.kill_workers();
    product.fill(&format!(
        "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {MEMORIES})
         INSERT INTO memories (id, user_id, kind, text, hash, confidence, state, pinned, embedding, created_at)
         SELECT 'mem_' || printf('%026d', n), user_id, kind,
                substr(n || replace(hex(zeroblob({MEMORY_BYTES})), '00', ' One of many memories'), 1, {MEMORY_BYTES}),
                hex(randomblob(32)), confidence, state, pinned, embedding, created_at
         FROM memories, n;
         WITH RECURSIVE c (c) AS (SELECT 1 UNION ALL SELECT c + 1 FROM c WHERE c < {CONVERSATIONS})
         INSERT INTO conversations (user_id, id, title, origin, created_at, updated_at, last_number,
                                    summarised_through)
         SELECT (SELECT user_id FROM memories LIMIT 1), 'con_' || printf('%026d', c), 'Long ago', 'chat', c, c,
                {MESSAGES}, 0
         FROM c;
         WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {MESSAGES})
         INSERT INTO turns (user_id, conversation_id, number, id, role, content, created_at)
         SELECT conversations.user_id, conversations.id, n, 'trn_' || printf('%026d', n),
                CASE WHEN n % 2 THEN 'user' ELSE 'assistant' END,
                substr(replace(hex(zeroblob({MESSAGE_BYTES})), '00', 'What was said '), 1, {MESSAGE_BYTES}), n
         FROM conversations, n;
         INSERT INTO documents (user_id, id, type, media_type, tags, created_at, uploaded_at, bytes, latest,
                                latest_item, current, current_item, chunk_count, evicted_at, evicting)
         VALUES ('nobody', 'doc_000000000000000000000001', 'doc', 'text/plain', '[]', 0, 0, 0, 1, 0, 1, 0,
                 {EVICTED_VECTORS}, 0, 1);"
    ))?;
    product.restart_workers()
}
