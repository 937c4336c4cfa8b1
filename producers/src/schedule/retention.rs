//! Enforce retention: what users do not want to keep any longer, by kind (`retention` of their profile), is
//! removed.
//!
//! A document goes as if its owner had deleted it, and its job's receipt says what was removed.

use pipeline::{
    failure::Failure,
    ids::{ConversationId, DocumentId, UserId},
    platform::{
        ports::{Clock, Database, Queue, Random},
        statement::Statement,
    },
    time::{DAY, Timestamp},
};
use serde::{Deserialize, Serialize};

use crate::api::{conversations, documents};

/// Of each kind in one night; the next night goes on.
const AT_ONCE: i64 = 100;

/// What one run removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// Documents.
    pub documents: usize,
    /// Conversations.
    pub conversations: usize,
    /// Memories.
    pub memories: u64,
}

/// Removes what is older than its owner wants.
pub async fn enforce_retention<P: Database + Queue + Clock + Random>(ports: &P) -> Result<Removed, Failure> {
    #[derive(Deserialize)]
    struct DocumentRow {
        user_id: UserId,
        id: DocumentId,
    }
    #[derive(Deserialize)]
    struct ConversationRow {
        user_id: UserId,
        id: ConversationId,
    }
    let now = ports.now();
    let answers = ports.batch(vec![old_documents(now), old_conversations(now)]).await?;
    let mut removed = Removed::default();
    for row in answers.at(0)?.all::<DocumentRow>()? {
        removed.documents += usize::from(documents::remove(ports, &row.user_id, &row.id).await?.is_some());
    }
    for row in answers.at(1)?.all::<ConversationRow>()? {
        removed.conversations += usize::from(conversations::remove(ports, &row.user_id, &row.id).await?.is_some());
    }
    removed.memories = forget_memories(ports, now).await?;
    Ok(removed)
}

fn old_documents(now: Timestamp) -> Statement {
    Statement::new(
        "SELECT d.user_id, d.id FROM users u CROSS JOIN documents d ON d.user_id = u.id
         WHERE u.profile ->> '$.retention.document_days' > 0 AND d.deleted_at IS NULL
           AND d.uploaded_at < ?1 - (u.profile ->> '$.retention.document_days') * ?2 LIMIT ?3",
    )
    .bind(now)
    .bind(DAY)
    .bind(AT_ONCE)
}

fn old_conversations(now: Timestamp) -> Statement {
    Statement::new(
        "SELECT c.user_id, c.id FROM users u CROSS JOIN conversations c ON c.user_id = u.id
         WHERE u.profile ->> '$.retention.conversation_days' > 0
           AND c.updated_at < ?1 - (u.profile ->> '$.retention.conversation_days') * ?2 LIMIT ?3",
    )
    .bind(now)
    .bind(DAY)
    .bind(AT_ONCE)
}

/// Pinned memories stay.
async fn forget_memories<P: Database>(ports: &P, now: Timestamp) -> Result<u64, Failure> {
    let words = Statement::new(
        "DELETE FROM memories_fts WHERE rowid IN (
             SELECT m.number FROM users u JOIN memories m ON m.user_id = u.id
             WHERE u.profile ->> '$.retention.memory_days' > 0 AND m.pinned = 0
               AND m.created_at < ?1 - (u.profile ->> '$.retention.memory_days') * ?2)",
    );
    let rows = Statement::new(
        "DELETE FROM memories WHERE number IN (
             SELECT m.number FROM users u JOIN memories m ON m.user_id = u.id
             WHERE u.profile ->> '$.retention.memory_days' > 0 AND m.pinned = 0
               AND m.created_at < ?1 - (u.profile ->> '$.retention.memory_days') * ?2)",
    );
    let versions = Statement::new(
        "UPDATE users SET index_version = index_version + 1
         WHERE profile ->> '$.retention.memory_days' > 0 AND EXISTS (
             SELECT 1 FROM memories m WHERE m.user_id = users.id AND m.pinned = 0
               AND m.created_at < ?1 - (users.profile ->> '$.retention.memory_days') * ?2)",
    );
    let statements = [versions, words, rows].map(|statement| statement.bind(now).bind(DAY)).to_vec();
    Ok(ports.batch(statements).await?.at(2)?.changes)
}
