//! What is different on Workers Paid: what it includes, what one invocation may do, and how much of ours it does.
//!
//! What is beyond is billed, not refused; a day's thirtieth of the month is where this product stops by itself,
//! unless `LIMITS` says more.

use std::time::Duration;

// --- Included in a month

/// Requests. <https://developers.cloudflare.com/workers/platform/pricing/>
pub const REQUESTS_PER_MONTH: u64 = 10_000_000;
/// Queue operations. <https://developers.cloudflare.com/queues/platform/pricing/>
pub const QUEUE_OPERATIONS_PER_MONTH: u64 = 1_000_000;
/// Rows that D1 reads. <https://developers.cloudflare.com/d1/platform/pricing/>
pub const D1_ROWS_READ_PER_MONTH: u64 = 25_000_000_000;
/// Rows that D1 writes. <https://developers.cloudflare.com/d1/platform/pricing/>
pub const D1_ROWS_WRITTEN_PER_MONTH: u64 = 50_000_000;
/// Bytes that are stored in D1. <https://developers.cloudflare.com/d1/platform/pricing/>
pub const D1_STORED_BYTES: u64 = 5_000_000_000;
/// KV reads. <https://developers.cloudflare.com/kv/platform/pricing/>
pub const KV_READS_PER_MONTH: u64 = 10_000_000;
/// KV writes. <https://developers.cloudflare.com/kv/platform/pricing/>
pub const KV_WRITES_PER_MONTH: u64 = 1_000_000;
/// Requests to Durable Objects. <https://developers.cloudflare.com/durable-objects/platform/pricing/>
pub const OBJECT_REQUESTS_PER_MONTH: u64 = 1_000_000;
/// Rows that Durable Objects read. <https://developers.cloudflare.com/durable-objects/platform/pricing/>
pub const OBJECT_ROWS_READ_PER_MONTH: u64 = 25_000_000_000;
/// Rows that Durable Objects write. <https://developers.cloudflare.com/durable-objects/platform/pricing/>
pub const OBJECT_ROWS_WRITTEN_PER_MONTH: u64 = 50_000_000;
/// GB-seconds for which Durable Objects are awake. A day's part is 13,333, where the Free plan gives 13,000.
/// <https://developers.cloudflare.com/durable-objects/platform/pricing/>
pub const OBJECT_GB_SECONDS_PER_MONTH: u64 = 400_000;
/// Dimensions that Vectorize queries. <https://developers.cloudflare.com/vectorize/platform/pricing/>
pub const VECTOR_QUERIED_DIMENSIONS_PER_MONTH: u64 = 50_000_000;
/// Dimensions that Vectorize stores. <https://developers.cloudflare.com/vectorize/platform/pricing/>
pub const VECTOR_STORED_DIMENSIONS: u64 = 10_000_000;

// --- One invocation

/// CPU time, of messages and triggers too, without a setting.
/// <https://developers.cloudflare.com/workers/platform/limits/>
pub const CPU_OF_AN_INVOCATION: Duration = Duration::from_secs(30);

/// Most D1 queries. <https://developers.cloudflare.com/d1/platform/limits/>
pub const D1_QUERIES_PER_INVOCATION: u64 = 1_000;
/// Most requests to Cloudflare's services, and to servers of others.
/// <https://developers.cloudflare.com/workers/platform/limits/>
pub const SUBREQUESTS_PER_INVOCATION: u64 = 10_000;
/// Size of a D1 database. <https://developers.cloudflare.com/d1/platform/limits/>
pub const D1_DATABASE_BYTES: u64 = 10_000_000_000;

// --- Work units: our own, four times the Free plan's. Larger ones would save little, and a
// message that fails is done again whole, within a lease of a minute.

/// Source text in one pack.
pub const PACK_BYTES: usize = 4 * super::PACK_BYTES;
/// Source text in one batch of packs: about 180 windows, two embedding calls.
pub const BATCH_BYTES: usize = 3 * PACK_BYTES;
/// Bytes of a streamed upload that one unpack message reads.
pub const RANGE_BYTES: u64 = 2 * BATCH_BYTES as u64;
/// Windows that one embed message sends to the model, in calls of a hundred.
pub const WINDOWS_PER_MESSAGE: usize = 200;
/// Vectors that one purge message removes, in calls of a hundred.
pub const VECTORS_PER_PURGE: usize = 10 * super::VECTORS_PER_DELETE;
/// Superseded revisions that one purge message looks at.
pub const PURGED_PER_MESSAGE: i64 = 10 * super::PURGED_PER_MESSAGE;
/// As [`super::LONGEST_PAUSE_SHARE`]: a wait of a minute looks every second in the end, not every four.
pub const LONGEST_PAUSE_SHARE: f64 = 1.0 / 60.0;
