//! The numbers that the platform sets, and those of ours that several places share.
//!
//! Platform numbers carry the page of Cloudflare's documentation that states them, as read in
//! autumn 2026. Our own carry the reason for their size.

use std::time::Duration;

use crate::time::Span;

pub mod paid;

// --- Vectorize: https://developers.cloudflare.com/vectorize/platform/limits/

/// Longest id of a vector, in bytes.
pub const VECTOR_ID_BYTES: usize = 64;
/// Most results of a query that returns neither values nor metadata.
pub const VECTOR_TOP_K: usize = 100;
/// Most vectors in one upsert from a Worker.
pub const VECTORS_PER_UPSERT: usize = 1_000;
/// Most ids in one delete, and in one read by ids. The page does not say it; the platform does: "too many ids in
/// payload; max id count is 100" (`VECTOR_DELETE_ERROR`, code 40007).
pub const VECTORS_PER_DELETE: usize = 100;
/// After this what was upserted is found, but for one write in a hundred; half of all are after 30 seconds.
/// <https://developers.cloudflare.com/vectorize/best-practices/insert-vectors/>
pub const VECTORS_VISIBLE_AFTER: Span = Span::minutes(2);
/// Most metadata of one vector, in bytes of JSON.
pub const VECTOR_METADATA_BYTES: usize = 10 * 1024;
/// Bytes of a metadata string that a metadata index looks at.
pub const VECTOR_INDEXED_BYTES: usize = 64;
/// Most namespaces of an index on the Free plan.
pub const VECTOR_NAMESPACES: usize = 1_000;
/// Of them, those that users share when all others are somebody's own.
pub const VECTOR_NAMESPACES_SHARED: usize = 10;
/// Stored dimensions on the Free plan. <https://developers.cloudflare.com/vectorize/platform/pricing>/
pub const VECTOR_STORED_DIMENSIONS: u64 = 5_000_000;
/// Queried dimensions on the Free plan per month. <https://developers.cloudflare.com/vectorize/platform/pricing>/
pub const VECTOR_QUERIED_DIMENSIONS_PER_MONTH: u64 = 30_000_000;

// --- Queues: https://developers.cloudflare.com/queues/platform/limits/

/// Most messages in one `send_batch`.
pub const MESSAGES_PER_SEND: usize = 100;
/// A queue operation is counted per message and this many bytes of it.
/// <https://developers.cloudflare.com/queues/platform/pricing>/
pub const QUEUE_OPERATION_BYTES: usize = 64 * 1024;
/// Operations a message costs when all goes well: one write, one read, one delete.
pub const OPERATIONS_PER_MESSAGE: u64 = 3;
/// Queue operations on the Free plan per day. <https://developers.cloudflare.com/queues/platform/pricing>/
pub const QUEUE_OPERATIONS_PER_DAY: u64 = 10_000;
/// Longest delay of a retry.
pub const QUEUE_DELAY: Span = Span::days(1);
/// Most retries of a message before its queue gives it up.
pub const QUEUE_RETRIES: u32 = 100;

// --- Workers AI: https://developers.cloudflare.com/workers-ai/platform/pricing/

/// Neurons on the Free plan per day.
pub const NEURONS_PER_DAY: u64 = 10_000;
/// Most texts in one embedding call.
/// <https://developers.cloudflare.com/workers-ai/models/bge-small-en-v1.5>/
pub const TEXTS_PER_EMBEDDING_CALL: usize = 100;

// --- D1, KV, R2, Workers

/// Rows read on the Free plan per day. <https://developers.cloudflare.com/d1/platform/pricing>/
pub const D1_ROWS_READ_PER_DAY: u64 = 5_000_000;
/// Rows written on the Free plan per day. <https://developers.cloudflare.com/d1/platform/pricing>/
pub const D1_ROWS_WRITTEN_PER_DAY: u64 = 100_000;
/// Longest string, BLOB or row, a bound parameter included. <https://developers.cloudflare.com/d1/platform/limits/>
pub const D1_VALUE_BYTES: usize = 2_000_000;
/// Most parameters of one statement. <https://developers.cloudflare.com/d1/platform/limits/>
pub const D1_PARAMETERS: usize = 100;
/// Longest text of one statement. <https://developers.cloudflare.com/d1/platform/limits/>
pub const D1_STATEMENT_BYTES: usize = 100_000;
/// KV reads on the Free plan per day. <https://developers.cloudflare.com/kv/platform/limits>/
pub const KV_READS_PER_DAY: u64 = 100_000;
/// KV writes on the Free plan per day. <https://developers.cloudflare.com/kv/platform/limits>/
pub const KV_WRITES_PER_DAY: u64 = 1_000;
/// R2 class A operations on the Free plan per month. <https://developers.cloudflare.com/r2/pricing>/
pub const R2_CLASS_A_PER_MONTH: u64 = 1_000_000;
/// R2 class B operations on the Free plan per month. <https://developers.cloudflare.com/r2/pricing>/
pub const R2_CLASS_B_PER_MONTH: u64 = 10_000_000;
/// Requests on the Free plan per day. <https://developers.cloudflare.com/workers/platform/limits>/
pub const REQUESTS_PER_DAY: u64 = 100_000;
/// Requests to Durable Objects on the Free plan per day.
/// <https://developers.cloudflare.com/durable-objects/platform/pricing>/
pub const OBJECT_REQUESTS_PER_DAY: u64 = 100_000;
/// Rows read in Durable Objects on the Free plan per day.
/// <https://developers.cloudflare.com/durable-objects/platform/pricing>/
pub const OBJECT_ROWS_READ_PER_DAY: u64 = 5_000_000;
/// Rows written in Durable Objects on the Free plan per day; an alarm that is set counts as one.
/// <https://developers.cloudflare.com/durable-objects/platform/pricing>/
pub const OBJECT_ROWS_WRITTEN_PER_DAY: u64 = 100_000;
/// GB-seconds for which Durable Objects may be awake on the Free plan per day.
/// <https://developers.cloudflare.com/durable-objects/platform/pricing>/
pub const OBJECT_GB_SECONDS_PER_DAY: u64 = 13_000;
/// GB that a Durable Object is billed for while it is awake, whatever it uses.
/// <https://developers.cloudflare.com/durable-objects/platform/pricing>/
pub const OBJECT_GB: f64 = 0.128;
/// Incoming WebSocket messages that count as one request to a Durable Object.
/// <https://developers.cloudflare.com/durable-objects/platform/pricing>/
pub const MESSAGES_PER_OBJECT_REQUEST: u64 = 20;
/// How long a Durable Object without work stays awake before it hibernates.
/// <https://developers.cloudflare.com/durable-objects/concepts/durable-object-lifecycle>/
pub const OBJECT_HIBERNATES_AFTER: Span = Span::seconds(10);
/// Most keys in one R2 delete. <https://developers.cloudflare.com/r2/api/workers/workers-api-reference>/
pub const OBJECTS_PER_DELETE: usize = 1_000;
/// Most keys in one R2 list. <https://developers.cloudflare.com/r2/api/workers/workers-api-reference>/
pub const OBJECTS_PER_LIST: usize = 1_000;

/// Bytes stored in R2 on the Free plan. <https://developers.cloudflare.com/r2/pricing>/
pub const R2_STORED_BYTES: u64 = 10_000_000_000;
/// Size of a D1 database on the Free plan. <https://developers.cloudflare.com/d1/platform/limits/>
pub const D1_DATABASE_BYTES: u64 = 500_000_000;

// --- One invocation on the Free plan: https://developers.cloudflare.com/workers/platform/limits/

/// CPU time of an invocation on the Free plan. <https://developers.cloudflare.com/workers/platform/limits/>
pub const CPU_OF_AN_INVOCATION: Duration = Duration::from_millis(10);
/// How long a Worker's global scope may take to run, on either plan.
/// <https://developers.cloudflare.com/workers/platform/limits/#worker-startup-time>
pub const START_OF_A_WORKER: Duration = Duration::from_secs(1);
/// Most D1 queries. Whether each statement of a transaction is one is not said: each is counted.
/// <https://developers.cloudflare.com/d1/platform/limits/>
pub const D1_QUERIES_PER_INVOCATION: u64 = 50;
/// Most requests to Cloudflare's own services.
pub const SUBREQUESTS_PER_INVOCATION: u64 = 1_000;
/// Most requests to servers of others. Six connections may wait for headers at once, in either direction:
/// the runtime holds a seventh back instead of refusing it, so nothing here has to know.
pub const OUTSIDE_REQUESTS_PER_INVOCATION: u64 = 50;

// --- Requests: our own

/// Largest upload that is read at once and answered with what became of each of its documents. A larger one
/// goes into R2 as it comes, without a byte in wasm: reading it would cost more than an invocation has.
pub const READ_AT_ONCE_BYTES: usize = 256 * 1024;
/// Largest upload: the platform's own limit on the Free plan.
/// <https://developers.cloudflare.com/workers/platform/limits>/
pub const UPLOAD_BYTES: usize = 100 * 1000 * 1000;
/// Most that a compressed upload may unfold to: as much as it might be, sent plain.
pub const INFLATED_BYTES: usize = UPLOAD_BYTES;
/// How long an upload may take to arrive; nothing that is older and belongs to no job is on its way.
pub const UPLOAD_TIME: Span = Span::hours(1);
/// How long an upload that could not be unpacked is kept, so that its owner can try again.
pub const FAILED_UPLOAD_KEPT: Span = Span::days(1);
/// Largest body that is neither an upload nor a history: the longest text a field takes, six times over because JSON
/// may escape every byte of it, and room for the fields beside it.
pub const JSON_BYTES: usize = 8 * CHAT_MESSAGE_BYTES;
/// Largest body of a chat whose client keeps the history and sends all of it along each time. What of it a model
/// reads is held to its window in tokens, 32,000 of them or about 130 KB of prose; in other scripts, and with what
/// JSON escapes, that is several times as much.
pub const HISTORY_BODY_BYTES: usize = 1024 * 1024;
/// Largest document. Twice the largest page of the Rust standard library's documentation.
pub const DOCUMENT_BYTES: usize = 4 * 1024 * 1024;
/// Most documents in one request that is read at once: keeps its transaction and its answer small.
pub const DOCUMENTS_PER_REQUEST: usize = 1_000;
/// Most documents that one request deletes, in one transaction: it writes four rows of D1 for each, at most.
pub const DOCUMENTS_PER_DELETE: usize = 1_000;
/// Longest title and external id, in bytes.
pub const TITLE_BYTES: usize = 1_024;
/// Most tags of one document.
pub const TAGS: usize = 32;
/// Longest tag and language name, in bytes; what a metadata index of Vectorize looks at.
pub const TAG_BYTES: usize = VECTOR_INDEXED_BYTES;
/// Largest metadata of one document, as JSON.
pub const METADATA_BYTES: usize = 4 * 1024;
/// Longest search query, in bytes. The embedding model reads 512 word pieces, about 2 KB.
pub const QUERY_BYTES: usize = 8 * 1024;
/// Most hits of one search.
pub const TOP_K: usize = 100;
/// The longest pause between two looks of a wait, as a share of the wait: looks are at most 25 then, whatever the
/// wait is.
pub const LONGEST_PAUSE_SHARE: f64 = 1.0 / 15.0;
/// Longest `Prefer: wait`.
pub const WAIT: Span = Span::seconds(60);
/// The share of the day's neurons that indexing may use; chat and search keep the rest.
pub const INGEST_SHARE: f64 = 0.7;
/// The share of the day's neurons that one user may spend while there are others: whoever begins first must not
/// leave nothing. All of it for whoever is alone.
pub const USER_SHARE: f64 = 0.5;
/// The share of D1's and of R2's space at which indexing waits: in a full database nothing can be asked, deleted or
/// parked any more, and what is under way still writes.
pub const STORED_SHARE: f64 = 0.95;
/// Requests one API key may make a day: a fifth of everybody's.
pub const REQUESTS_PER_KEY_AND_DAY: u64 = 20_000;
/// Over how long a burst is counted: a period the rate-limit binding knows.
/// <https://developers.cloudflare.com/workers/runtime-apis/bindings/rate-limit>/
pub const BURST_PERIOD: Span = Span::seconds(10);
/// Requests of one API key in that time. As in `wrangler.toml`, where the binding is configured.
pub const BURST_PER_KEY: u32 = 100;
/// Requests of one address in that time: several people may share one.
pub const BURST_PER_ADDRESS: u32 = 300;
/// Refused requests of one caller in a minute; who goes on is banned.
pub const REFUSALS_BEFORE_BAN: u32 = 50;
/// How long a ban lasts.
pub const BAN: Span = Span::minutes(10);
/// After this a conversation nobody continued is archived.
pub const ARCHIVE_AFTER: Span = Span::days(30);
/// Longest `Idempotency-Key`, in bytes.
pub const IDEMPOTENCY_KEY_BYTES: usize = 255;
/// Most entries on one page of a list.
pub const PAGE: usize = 100;

/// Longest chat message, in bytes: about a fourth of it in tokens, within every route's window.
pub const CHAT_MESSAGE_BYTES: usize = 16 * 1024;
/// Longest memory, in bytes.
pub const MEMORY_BYTES: usize = 2 * 1024;
/// Most memories of one user that hold, superseded ones not counted: recall compares them all.
pub const MEMORIES: i64 = 1_000;
/// Most superseded memories of one user; the oldest go when there are more.
pub const SUPERSEDED_MEMORIES: i64 = 1_000;
/// Most memories that one is answered to be like.
pub const SIMILAR_MEMORIES: usize = 3;
/// Largest profile, as JSON.
pub const PROFILE_BYTES: usize = 8 * 1024;

// --- Hooks of Claude Code: our own

/// Tokens of what a session is told when it begins, where nobody says another number.
pub const HOOK_TOKENS: usize = 1_200;
/// Most memories, and most places, that a prompt is answered with: a look at each must be worth it.
pub const HOOK_MEMORIES: usize = 3;
/// The same of places.
pub const HOOK_PLACES: usize = 3;
/// Bytes of the names of what a session was told: some 400, the oldest of which are forgotten.
pub const HOOK_TOLD_BYTES: usize = 16 * 1024;
/// Bytes of what was said in a session and is not captured so far: those of one job, too.
pub const HOOK_SAID_BYTES: usize = 16 * 1024;
/// Most memories that are proposed of one session: a person looks at each.
pub const HOOK_PROPOSALS: i64 = 5;
/// How often what was said in one session is handed to the stage capture.
pub const HOOK_CAPTURES: i64 = 20;
/// What was said sooner after that waits for what is said next, unless the session ends.
pub const HOOK_CAPTURE_PAUSE: Span = Span::minutes(1);
/// How long a session is known after it was last heard of.
pub const HOOK_SESSION_KEPT: Span = Span::days(30);

// --- Live sessions: our own

/// Most participants of one session.
pub const PARTICIPANTS: usize = 32;
/// Largest frame a participant may send, in bytes.
pub const FRAME_BYTES: usize = 32 * 1024;
/// Frames a participant may send in [`FRAME_WINDOW`]; more closes the connection.
pub const FRAMES_PER_WINDOW: u32 = 100;
/// Frames that asking for a page of events counts for.
pub const FRAMES_PER_PAGE: u32 = 20;
/// The time over which frames are counted.
pub const FRAME_WINDOW: Span = Span::seconds(10);
/// Largest shared text, in bytes.
pub const SCRATCH_BYTES: usize = 128 * 1024;
/// Most parts of one edit: an editor that replaces a word everywhere in a long text sends some hundred.
pub const EDIT_PARTS: usize = 512;
/// How many edits an edit may lag behind the text; who is further behind asks for the text again. A
/// participant who types while disconnected for a minute is a few dozen behind.
pub const EDITS_BEHIND: usize = 256;
/// Bytes of other edits that one is rebased over at most.
pub const REBASE_BYTES: usize = 64 * 1024;
/// Parts looked at to rebase one edit: about a millisecond of CPU. 256 edits of a few words take 3,000.
pub const REBASE_STEPS: usize = 20_000;
/// Events a channel keeps for those who come back; older ones are forgotten.
pub const CHANNEL_EVENTS: i64 = 2_000;
/// Bytes of events a channel keeps: of 32 KB each, it keeps thirty-two.
pub const CHANNEL_BYTES: i64 = 1024 * 1024;
/// Most events that are read and sent at once: to somebody who joins, or who asks for what they missed.
pub const PAGE_EVENTS: usize = 200;
/// Bytes of events from which on a page ends.
pub const PAGE_BYTES: usize = 128 * 1024;
/// The time after which a session nobody is in is persisted.
pub const SESSION_IDLE: Span = Span::minutes(5);
/// The time after which the channel of a session nobody is in forgets what D1 has, and all its events.
pub const SESSION_FORGOTTEN: Span = Span::days(7);
/// The time after which the channel of a single turn is forgotten: D1 has the answer.
pub const TURN_CHANNEL_LIFE: Span = Span::hours(1);
/// Questions that guests of one owner's sessions may ask in a minute.
pub const GUEST_QUESTIONS_PER_MINUTE: i64 = 6;
/// Questions that guests of one owner's sessions may ask in a day. On the smallest route, where one costs up to
/// ten neurons, all together take a tenth of the day.
pub const GUEST_QUESTIONS_PER_DAY: i64 = 100;
/// How long an invitation is good for.
pub const TICKET_LIFE: Span = Span::seconds(30);

// --- Work units: our own

/// Source text in one pack: what chunking reads, splits and writes within half of the 10 ms of CPU that a message
/// may use, on machines half as fast as those it was measured on (`make bench`).
pub const PACK_BYTES: usize = 24 * 1024;
/// Source text in one batch of packs: about 45 windows, one embedding call, one message each for embed and
/// upsert. 1,000 files of 2 KB are then 84 + 28 + 28 messages: 420 queue operations.
pub const BATCH_BYTES: usize = 3 * PACK_BYTES;
/// Bytes of a streamed upload that one unpack message reads, unless a document is longer: two full batches.
pub const RANGE_BYTES: u64 = 2 * BATCH_BYTES as u64;
/// Most documents that one unpack message takes out of its range: what they cost beside their bytes.
pub const DOCUMENTS_PER_RANGE: usize = 100;
/// Most documents of one streamed upload, of a kilobyte each if it is as large as any: what compresses well could
/// name millions, and each costs rows and messages.
pub const DOCUMENTS_PER_UPLOAD: u64 = 100_000;
/// How many documents of a streamed upload may be rejected beyond those that are taken before the rest is not read:
/// the objects of a repository that stand in front of its sources are passed over, and what was never meant to be
/// documents ends some day.
pub const REJECTED_PER_UPLOAD: u64 = 10_000;
/// Most bytes that a byte of DEFLATE unfolds to: <https://zlib.net/zlib_tech.html>
pub const INFLATED_PER_BYTE: u64 = 1_032;
/// Most documents whose results are in one row: an earlier version took as many out of a range.
pub const DOCUMENTS_PER_RESULT_ROW: usize = 2 * DOCUMENTS_PER_RANGE;
/// Most bytes of one document as it stands in an upload: where JSON is written in ASCII alone, a character of two
/// bytes takes six (`\u0436`), and one of four takes twelve.
pub const WRITTEN_DOCUMENT_BYTES: u64 = 3 * DOCUMENT_BYTES as u64 + RANGE_BYTES;
/// A document of an upload from this length on is left out by the last attempt at unpacking it, if all others ended
/// without a result: reading, hashing and storing it may be what they died of (5 ms for each MB of text).
pub const COSTLY_DOCUMENT_BYTES: usize = 1024 * 1024;
/// Longest block of a compressed upload, in bytes that it unfolds to: what is inflated again by whoever goes on
/// inside of it. gzip, zlib and what is made like them end a block after 16,383 symbols, which are 4.2 MB at most;
/// miniz after 21,000, which are 5.4 MB.
pub const INFLATED_BLOCK_BYTES: usize = 6 * 1024 * 1024;
/// The same in compressed bytes: a block of gzip's has at most 100 KB.
pub const COMPRESSED_BLOCK_BYTES: u64 = 1024 * 1024;
/// Bytes of a compressed upload, read and inflated together, after which one unpack message leaves off if it has
/// not come to a document so far.
pub const INFLATED_PER_MESSAGE: u64 = 1024 * 1024;
/// Bytes of a compressed upload that are read from R2 at first, and at once.
pub const COMPRESSED_READ_BYTES: (u64, u64) = (64 * 1024, 512 * 1024);
/// Bytes of a streamed upload for each item number that its job has to itself: more numbers than any upload
/// needs, however often its unpacking breaks off. They are not written anywhere.
pub const BYTES_PER_ITEM_NUMBER: u64 = 128;
/// Source that one chunk message of a long document works through.
pub const CHUNK_SLICE_BYTES: usize = PACK_BYTES;
/// Windows one embed message sends to the model: their vectors are parsed from JSON, 0.1 ms each.
pub const WINDOWS_PER_MESSAGE: usize = 50;

// --- Chunks: our own. The model reads 512 word pieces; a longer chunk is embedded as several windows.

/// A chunk is filled to at least this many cl100k tokens where the text allows.
pub const CHUNK_TOKENS_MIN: usize = 500;
/// And never beyond this many.
pub const CHUNK_TOKENS_MAX: usize = 1_000;

// --- Retries: our own. With a crash in ten at every call, six attempts give up 2.5 % of healthy work:
// docs/protocol.md.

/// Attempts without progress before an item is given up.
pub const ATTEMPTS: i64 = 16;
/// Attempts before an item is given up for a failure that looks like a bug.
pub const ATTEMPTS_AFTER_BUG: i64 = 3;
/// Deliveries after which a message whose item is held by another is left to the sweep. An attempt whose worker
/// dies takes two, one that claims and one that finds the dead worker's lease; as many again are for outages.
pub const DELIVERIES_BEFORE_SWEEP: u32 = 64;
/// First ceiling of the backoff.
pub const BACKOFF_BASE: Span = Span::seconds(1);
/// Last ceiling of the backoff: all attempts together outlast an hour in which a service is out.
pub const BACKOFF_CEILING: Span = Span::minutes(20);
/// How long a claim holds: above the slowest stage, below what a user would call stuck.
pub const LEASE: Span = Span::seconds(60);
/// A message is taken for lost when its item was not claimed for this long after it was sent.
pub const MESSAGE_LOST_AFTER: Span = Span::seconds(90);
/// The longest an invocation can live (15 minutes) and a margin: after it, nothing unseen still writes.
/// <https://developers.cloudflare.com/workers/platform/limits>/
pub const MAX_WRITER_LIFE: Span = Span::minutes(17);
/// Items one sweep looks at.
pub const SWEEP_ITEMS: i64 = 100;
/// Superseded revisions one purge message removes, if they have no more than [`VECTORS_PER_DELETE`] vectors.
pub const PURGED_PER_MESSAGE: i64 = 50;
