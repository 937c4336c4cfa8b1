//! Numbers of the whole deployment, a row each: the table `counters`.
//!
//! `item` is the last number that was given to a job item, `steps_due` which steps of the schedule are due and
//! not done (a bit each), `vectors_stored` how many vectors the index held and `r2_bytes` how many bytes R2 held of
//! documents when they were last counted, and `kv_writes` the KV writes that caches did on one day.

use serde::Deserialize;

use crate::{
    ids::JobId,
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

/// How many vectors the index holds.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct StoredVectors {
    /// How many.
    pub value: f64,
}

/// The vectors as they were last counted; no row before the first time.
pub fn stored_vectors() -> Query<StoredVectors> {
    Query::new("SELECT value FROM counters WHERE name = 'vectors_stored'")
}

/// Counts the vectors anew: a look at every document.
pub fn count_stored_vectors() -> Query<StoredVectors> {
    Query::new(
        "INSERT INTO counters (name, value)
         SELECT 'vectors_stored', total(chunk_count) FROM documents
         WHERE current IS NOT NULL AND deleted_at IS NULL AND (evicted_at IS NULL OR evicting = 1)
         ON CONFLICT (name) DO UPDATE SET value = excluded.value RETURNING value",
    )
}

/// How many bytes R2 holds: of documents, and of uploads as they came.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct StoredBytes {
    /// How many.
    pub value: f64,
}

/// The bytes of documents as they were last counted, none before the first time, and of uploads as they are: few.
pub fn stored_bytes() -> Query<StoredBytes> {
    Query::new(
        "SELECT coalesce((SELECT value FROM counters WHERE name = 'r2_bytes'), 0)
                + (SELECT total(bytes) FROM uploads WHERE cleared_at IS NULL) AS value",
    )
}

/// Counts the bytes of documents anew: a look at each. Archives are not in them: they are packed, and few.
pub fn count_stored_bytes() -> Write {
    Write::new(
        "INSERT INTO counters (name, value) SELECT 'r2_bytes', total(bytes) FROM documents WHERE deleted_at IS NULL
         ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    )
}

/// Takes `writes` of the `most` KV writes that caches may do a day; changes nothing if they are not left.
///
/// The value is the day's number times 10,000 plus the writes of that day.
pub fn take_kv_writes(writes: i64, most: f64, now: Timestamp) -> Write {
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

/// The steps that are due and not done.
pub fn due_steps() -> Query<StepsDue> {
    Query::new("SELECT value FROM counters WHERE name = 'steps_due'")
}

/// Notes that these steps are done.
pub fn note_done_steps(steps: i64) -> Write {
    Write::new("UPDATE counters SET value = value & ~?1 WHERE name = 'steps_due'").bind(steps)
}
