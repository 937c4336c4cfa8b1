//! One row for every invocation, and one for many that were refused: the table `usage_log`.

use const_format::formatcp;

use crate::{budget::usage::Usage, ids::UserId, platform::transaction::Write, store::usage::COUNTED, time::Timestamp};

/// A usage row that is to be inserted.
#[derive(Clone, Copy, Debug)]
pub struct NewUsage<'a> {
    /// When the invocation ended.
    pub at: Timestamp,
    /// The invocation's own name.
    pub invocation: &'a str,
    /// Whose invocation it was, once known.
    pub user: Option<&'a UserId>,
    /// The API key it was made with, if there was one.
    pub key: Option<&'a str>,
    /// Route or stage.
    pub source: &'a str,
    /// How many requests the row stands for.
    pub requests: u64,
    /// What they used.
    pub usage: Usage,
}

/// Inserts the usage row of one invocation. Keyed by time and name: the same row twice is once, but one of
/// another time is another row.
pub fn insert(new: NewUsage<'_>) -> Write {
    let usage = new.usage;
    Write::new(formatcp!(
        "INSERT OR IGNORE INTO usage_log (at, id, user_id, source, {COUNTED}, key_id, requests)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)"
    ))
    .bind(new.at)
    .bind(new.invocation)
    .bind(new.user)
    .bind(new.source)
    .bind(usage.neurons)
    .bind(usage.d1_rows_read)
    .bind(usage.d1_rows_written)
    .bind(usage.kv_reads)
    .bind(usage.kv_writes)
    .bind(usage.r2_class_a)
    .bind(usage.r2_class_b)
    .bind(usage.queue_operations)
    .bind(usage.vectors_queried)
    .bind(usage.vectors_upserted)
    .bind(usage.object_requests)
    .bind(usage.object_rows_read)
    .bind(usage.object_rows_written)
    .bind(usage.object_awake)
    .bind(new.key)
    .bind(new.requests)
}

/// Inserts a usage row for each reservation made before `before`, whose invocation cannot be alive any more.
/// Before [`release_abandoned`](super::budget::release_abandoned), in the same transaction.
pub fn insert_abandoned(before: Timestamp, now: Timestamp) -> Write {
    Write::new(formatcp!(
        "INSERT OR IGNORE INTO usage_log (at, id, user_id, source, {COUNTED})
         SELECT ?1, id, user_id, 'abandoned', neurons, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 FROM reservations
         WHERE made_at < ?2"
    ))
    .bind(now)
    .bind(before)
}
