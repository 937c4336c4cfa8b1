//! What an invocation used, counted as the Free plan counts it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{budget::ledger::Entry, ids::UserId, platform::statement::Statement, time::Timestamp};

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
}

impl Usage {
    /// The usage row of one invocation. Keyed, so that writing it twice changes nothing.
    pub fn row(&self, at: Timestamp, id: &str, entry: Entry<'_>) -> Statement {
        Statement::new(
            "INSERT OR IGNORE INTO usage_log (at, id, user_id, source, neurons, d1_rows_read, d1_rows_written,
                 kv_reads, kv_writes, r2_class_a, r2_class_b, queue_operations, vectors_queried, vectors_upserted, object_requests, key_id)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
        )
        .bind(at)
        .bind(id)
        .bind(entry.user)
        .bind(entry.source)
        .bind(self.neurons)
        .bind(count(self.d1_rows_read))
        .bind(count(self.d1_rows_written))
        .bind(count(self.kv_reads))
        .bind(count(self.kv_writes))
        .bind(count(self.r2_class_a))
        .bind(count(self.r2_class_b))
        .bind(count(self.queue_operations))
        .bind(count(self.vectors_queried))
        .bind(count(self.vectors_upserted))
        .bind(count(self.object_requests))
        .bind(entry.key)
    }
}

/// Sums of usage, and over how many invocations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
pub struct Totals {
    /// Invocations, each a request of the Free plan's.
    pub invocations: u64,
    /// What they used together.
    #[serde(flatten)]
    pub usage: Usage,
}

impl Totals {
    /// The statement that sums everything since a full hour: hours that are summed up already, and
    /// the rows of those that are not. Of one user, or of all.
    pub fn select(since: Timestamp, user: Option<&UserId>) -> Statement {
        Statement::new(
            "SELECT coalesce(sum(invocations), 0) AS invocations, total(neurons) AS neurons,
                    coalesce(sum(d1_rows_read), 0) AS d1_rows_read, coalesce(sum(d1_rows_written), 0) AS d1_rows_written,
                    coalesce(sum(kv_reads), 0) AS kv_reads, coalesce(sum(kv_writes), 0) AS kv_writes,
                    coalesce(sum(r2_class_a), 0) AS r2_class_a, coalesce(sum(r2_class_b), 0) AS r2_class_b,
                    coalesce(sum(queue_operations), 0) AS queue_operations,
                    coalesce(sum(vectors_queried), 0) AS vectors_queried,
                    coalesce(sum(vectors_upserted), 0) AS vectors_upserted,
                    coalesce(sum(object_requests), 0) AS object_requests
             FROM (SELECT invocations, neurons, d1_rows_read, d1_rows_written, kv_reads, kv_writes, r2_class_a, r2_class_b,
                          queue_operations, vectors_queried, vectors_upserted, object_requests
                   FROM usage_hourly WHERE hour >= ?1 AND (?2 IS NULL OR user_id = ?2)
                   UNION ALL
                   SELECT 1, neurons, d1_rows_read, d1_rows_written, kv_reads, kv_writes, r2_class_a, r2_class_b,
                          queue_operations, vectors_queried, vectors_upserted, object_requests
                   FROM usage_log WHERE at >= ?1 AND (?2 IS NULL OR user_id = ?2))",
        )
        .bind(since)
        .bind(user)
    }
}

fn count(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
