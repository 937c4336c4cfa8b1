//! What was used, what the day has cost, and who must hear of it: the tables `usage_log`, `usage_hourly`,
//! `usage_daily`, `usage_of_users`, `budget`, `reservations` and `alerts`.
//!
//! An invocation writes one row of the log; hours are summed up from the log, days from the hours, and a
//! finished month of days goes into an archive. Whatever is summed up is removed in the same transaction,
//! so that everything counts once. What each user took of the day is summed up beside that, and nothing removed.

pub mod alerts;
pub mod budget;
pub mod daily;
pub mod log;
pub mod sums;

/// The columns that count what was used, in the order of all four usage tables.
const COUNTED: &str = "neurons, d1_rows_read, d1_rows_written, kv_reads, kv_writes, r2_class_a, r2_class_b, \
     queue_operations, vectors_queried, vectors_upserted, object_requests, object_rows_read, object_rows_written, \
     object_milliseconds";
