//! What an invocation used, counted as the Free plan counts it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Operations on the platform, in the units of its allowances.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Usage {
    /// Workers AI neurons, from the price table.
    pub neurons: f64,
    /// Rows D1 scanned.
    pub d1_rows_read: u64,
    /// Rows D1 wrote, index entries included.
    pub d1_rows_written: u64,
    /// KV reads, misses included.
    pub kv_reads: u64,
    /// KV writes.
    pub kv_writes: u64,
    /// R2 puts and lists.
    pub r2_class_a: u64,
    /// R2 gets and heads.
    pub r2_class_b: u64,
    /// Queue writes, reads and deletes, per 64 KB.
    pub queue_operations: u64,
    /// Vectorize queries.
    pub vectors_queried: u64,
    /// Vectors upserted into Vectorize.
    pub vectors_upserted: u64,
    /// Requests to Durable Objects.
    #[serde(default)]
    pub object_requests: u64,
    /// Rows Durable Objects read.
    #[serde(default)]
    pub object_rows_read: u64,
    /// Rows Durable Objects wrote, alarms that were set included.
    #[serde(default)]
    pub object_rows_written: u64,
    /// Milliseconds for which Durable Objects were awake.
    #[serde(default)]
    pub object_milliseconds: u64,
}
