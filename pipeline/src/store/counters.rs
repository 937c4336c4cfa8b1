//! Numbers of the whole deployment, a row each: the table `counters`.
//!
//! `item` is the last number that was given to a job item, `steps_due` which steps of the schedule are due and
//! not done (a bit each), and `kv_writes` the KV writes that caches did on one day. Of what is stored they say what
//! there was when it was last counted: `vectors_stored` of the index, `r2_bytes` of documents in R2, `documents` how
//! many rows were looked at for it, those of deleted documents too, and `stored_counted_at` when that was.

use serde::Deserialize;

use crate::{
    ids::{JobId, UserId},
    platform::transaction::{Query, Write},
    time::{DAY, Timestamp},
};

/// Takes the item numbers that the job's row plans; none if there is no such row.
pub fn take_item_numbers(job: &JobId, count: usize) -> Write {
    Write::new(
        "UPDATE counters SET value = value + ?2
         WHERE name = 'item' AND EXISTS (SELECT 1 FROM jobs WHERE id = ?1 AND first_item = counters.value + 1)",
    )
    .bind(job)
    .bind(count)
}

/// What is stored.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct Stored {
    /// Bytes in R2: of documents as they were last counted, and of uploads as they are: few.
    pub r2_bytes: f64,
    /// Vectors as they were last counted.
    pub vectors: f64,
    /// Rows of documents as they were last counted, those of deleted ones too.
    pub documents: i64,
    /// When they were; `None` before the first time.
    pub counted_at: Option<Timestamp>,
}

/// Reads what is stored: one row, whatever there is.
pub fn stored() -> Query<Stored> {
    // What was never counted is nothing, but for the time. Uploads come and go between two counts, so that they are
    // counted here.
    Query::new(
        "SELECT coalesce((SELECT value FROM counters WHERE name = 'r2_bytes'), 0)
                + (SELECT total(bytes) FROM uploads WHERE cleared_at IS NULL) AS r2_bytes,
                coalesce((SELECT value FROM counters WHERE name = 'vectors_stored'), 0) AS vectors,
                coalesce((SELECT value FROM counters WHERE name = 'documents'), 0) AS documents,
                (SELECT value FROM counters WHERE name = 'stored_counted_at') AS counted_at",
    )
}

/// Counts what is stored anew: a look at every row of a document, deleted or not. Archives are not in the bytes: they
/// are packed, and few. A document that is being evicted has the vectors that are not removed so far.
pub fn count_stored(now: Timestamp) -> Write {
    // One look at the rows for all three sums. A deleted document has no bytes and no vectors any more, one that was
    // never published has no vectors yet; of one that is evicted none are left but those that eviction has not come to.
    // Then a counter for each sum and one for the time, those that are there overwritten; `WHERE true`, since SQLite
    // would take ON CONFLICT behind a SELECT for a join's condition.
    Write::new(
        "WITH counted AS MATERIALIZED (
             SELECT count(*) AS documents, total(CASE WHEN deleted_at IS NULL THEN bytes END) AS bytes,
                    total(CASE WHEN deleted_at IS NOT NULL OR current IS NULL THEN 0
                               WHEN evicted_at IS NULL THEN chunk_count
                               WHEN evicting IS NOT NULL THEN chunk_count - evicting + 1 END) AS vectors
             FROM documents)
         INSERT INTO counters (name, value)
         SELECT name, value FROM (
             SELECT 'documents' AS name, documents AS value FROM counted
             UNION ALL SELECT 'r2_bytes', bytes FROM counted
             UNION ALL SELECT 'vectors_stored', vectors FROM counted
             UNION ALL SELECT 'stored_counted_at', ?1)
         WHERE true
         ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    )
    .bind(now)
}

/// The space that there is in R2, and who takes it.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct Space {
    /// Bytes that are stored: of documents as last counted, and of uploads that are not unpacked.
    pub stored: f64,
    /// Of them, those of the user's uploads.
    pub own: f64,
    /// 1 if somebody else has a key that is good.
    pub others: i64,
}

/// Reads who takes the space in R2: one row, whatever there is.
pub fn space(user: &UserId) -> Query<Space> {
    // One look at the uploads that are not removed from R2, everybody's and the user's own.
    // Somebody else is who could come with an upload: one good key is enough.
    Query::new(
        "SELECT coalesce((SELECT value FROM counters WHERE name = 'r2_bytes'), 0) + u.stored AS stored, u.own,
                EXISTS (SELECT 1 FROM api_keys WHERE user_id <> ?1 AND revoked_at IS NULL) AS others
         FROM (SELECT total(bytes) AS stored, total(CASE WHEN user_id = ?1 THEN bytes END) AS own
               FROM uploads WHERE cleared_at IS NULL) u",
    )
    .bind(user)
}

/// Takes `writes` of the `most` KV writes that caches may do a day; changes nothing if they are not left.
///
/// The value is the day's number times 10,000 plus the writes of that day.
pub fn take_kv_writes(writes: i64, most: f64, now: Timestamp) -> Write {
    // A new day begins with what is taken; on the same day it is added, if that is not more than there may be.
    Write::new(
        "INSERT INTO counters (name, value) VALUES ('kv_writes', ?1 * 10000 + ?2)
         ON CONFLICT (name) DO UPDATE SET value = CASE WHEN value / 10000 = ?1 THEN value ELSE ?1 * 10000 END + ?2
         WHERE value / 10000 <> ?1 OR value % 10000 + ?2 <= ?3",
    )
    .bind(now.start_of_day().milliseconds() / DAY.as_milliseconds())
    .bind(writes)
    .bind(most)
}

/// Steps of the schedule that are due, a bit each.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct StepsDue {
    /// The bits.
    pub value: i64,
}

/// Notes that these steps are due, beside those that are.
pub fn note_due_steps(steps: i64) -> Query<StepsDue> {
    Query::new(
        "INSERT INTO counters (name, value) VALUES ('steps_due', ?1)
         ON CONFLICT (name) DO UPDATE SET value = value | excluded.value RETURNING value",
    )
    .bind(steps)
}

/// Reads the steps that are due and not done.
pub fn due_steps() -> Query<StepsDue> {
    Query::new("SELECT value FROM counters WHERE name = 'steps_due'")
}

/// Notes that these steps are done.
pub fn note_done_steps(steps: i64) -> Write {
    Write::new("UPDATE counters SET value = value & ~?1 WHERE name = 'steps_due'").bind(steps)
}
