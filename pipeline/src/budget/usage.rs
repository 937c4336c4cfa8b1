//! What an invocation used, counted as the Free plan counts it.

use std::ops::AddAssign;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::{Span, whole_milliseconds};

/// Operations on the platform, in the units of its allowances.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
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
    #[serde(default, rename = "object_milliseconds", with = "whole_milliseconds")]
    #[schemars(with = "u64")]
    pub object_awake: Span,
}

impl AddAssign for Usage {
    fn add_assign(&mut self, more: Self) {
        self.neurons += more.neurons;
        self.d1_rows_read += more.d1_rows_read;
        self.d1_rows_written += more.d1_rows_written;
        self.kv_reads += more.kv_reads;
        self.kv_writes += more.kv_writes;
        self.r2_class_a += more.r2_class_a;
        self.r2_class_b += more.r2_class_b;
        self.queue_operations += more.queue_operations;
        self.vectors_queried += more.vectors_queried;
        self.vectors_upserted += more.vectors_upserted;
        self.object_requests += more.object_requests;
        self.object_rows_read += more.object_rows_read;
        self.object_rows_written += more.object_rows_written;
        self.object_awake += more.object_awake;
    }
}

/// Sums of usage, and over how many invocations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "UsageTotals")]
pub struct Totals {
    /// Invocations, each a request of the plan's.
    pub invocations: u64,
    /// What they used together.
    #[serde(flatten)]
    pub usage: Usage,
}

impl Totals {
    /// Adds others.
    pub fn add_all(&mut self, more: Self) {
        self.invocations += more.invocations;
        self.usage += more.usage;
    }

    /// Adds an invocation.
    pub fn add(&mut self, usage: Usage) {
        self.invocations += 1;
        self.usage += usage;
    }
}
