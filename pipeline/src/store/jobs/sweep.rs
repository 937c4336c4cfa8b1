//! What the schedule reads and mends: stuck items, uploads that never ended, rows that have served.

use const_format::formatcp;
use serde::Deserialize;

use crate::{
    constants,
    failure::Failure,
    ids::{ItemId, JobId, UserId},
    job::{item::ItemState, message::Stage},
    platform::{
        statement::json,
        transaction::{Query, Write},
    },
    store::conditions::TERMINAL,
    time::Timestamp,
};

/// An item that is due and was not claimed, or whose claim ran out.
#[derive(Debug, Deserialize)]
pub struct StuckItem {
    /// The item.
    pub id: ItemId,
    /// The stage it waits for.
    pub stage: Stage,
    /// Its owner.
    pub user_id: UserId,
    /// Attempts since its last progress.
    pub attempts: i64,
}

/// Reads stuck items: those with attempts left before those without, the oldest first, one of each user before the
/// second of any.
pub fn stuck_items(now: Timestamp) -> Query<StuckItem> {
    // Only accepted jobs that are unfinished and due are looked into, by their index.
    // Queued: its time has come, and no message was sent, or so long ago that it counts as lost.
    // Parked: its time has come. Running: its lease ran out.
    // The turn of an item is how many its owner has up to it: the first of every user comes before any second.
    Query::new(
        "SELECT i.id, i.stage, i.user_id, i.attempts,
                row_number() OVER (PARTITION BY i.user_id ORDER BY i.id) AS turn
         FROM jobs j JOIN job_items i ON i.id BETWEEN j.first_item AND j.last_item
         WHERE j.finished_at IS NULL AND j.due_at <= ?1 AND j.accepted_at IS NOT NULL
           AND ((i.state = 'queued' AND i.next_at <= ?1 AND (i.sent_at IS NULL OR max(i.sent_at, i.next_at) < ?2))
                OR (i.state = 'parked' AND i.next_at <= ?1)
                OR (i.state = 'running' AND i.lease < ?1))
         ORDER BY i.attempts >= ?4, turn, i.id LIMIT ?3",
    )
    .bind(now)
    .bind(now.plus(-constants::MESSAGE_LOST_AFTER))
    .bind(constants::SWEEP_ITEMS)
    .bind(constants::ATTEMPTS)
}

/// Notes that the messages of items are sent again.
///
/// # Errors
/// A bug if the data cannot be written as JSON.
pub fn note_sent(items: &[ItemId], now: Timestamp) -> Result<Write, Failure> {
    Ok(Write::new("UPDATE job_items SET sent_at = ?2 WHERE id IN (SELECT value FROM json_each(?1))")
        .bind(json(&items)?)
        .bind(now))
}

/// An upload whose packs were never all stored.
#[derive(Debug, Deserialize)]
pub struct AbandonedUpload {
    /// Its job.
    pub id: JobId,
    /// Its owner.
    pub user_id: UserId,
    /// Its first item.
    pub first_item: ItemId,
    /// Its last item.
    pub last_item: ItemId,
}

/// Reads uploads that cannot be alive any more and were never accepted.
pub fn abandoned_uploads(now: Timestamp) -> Query<AbandonedUpload> {
    Query::new(
        "SELECT id, user_id, first_item, last_item FROM jobs
         WHERE finished_at IS NULL AND due_at <= ?1 AND accepted_at IS NULL AND created_at < ?2 LIMIT 10",
    )
    .bind(now)
    .bind(now.plus(-constants::MAX_WRITER_LIFE))
}

/// Refuses an upload that was not accepted so far: from here on it cannot be.
pub fn refuse_upload(job: &JobId, now: Timestamp) -> Write {
    Write::new("UPDATE jobs SET cancelled_at = ?2 WHERE id = ?1 AND accepted_at IS NULL").bind(job).bind(now)
}

/// Removes an upload's items; its job is removed by [`delete_job`] after them.
pub fn delete_items(upload: &AbandonedUpload) -> Write {
    Write::new("DELETE FROM job_items WHERE id BETWEEN ?1 AND ?2 AND job_id = ?3")
        .bind(upload.first_item)
        .bind(upload.last_item)
        .bind(&upload.id)
}

/// Removes a job's row.
pub fn delete_job(job: &JobId) -> Write {
    Write::new("DELETE FROM jobs WHERE id = ?1").bind(job)
}

/// The number of an item.
#[derive(Debug, Deserialize)]
pub struct ReadingItem {
    /// The item.
    pub id: ItemId,
}

/// Reads which of these items are those that may still read what they stored in R2.
///
/// # Errors
/// A bug if the data cannot be written as JSON.
pub fn items_that_read(items: &[ItemId]) -> Result<Query<ReadingItem>, Failure> {
    Ok(Query::new(
        "SELECT id FROM job_items WHERE id IN (SELECT value FROM json_each(?1)) AND state NOT IN ('done', 'cancelled')",
    )
    .bind(json(&items)?))
}

/// Removes finished jobs and their items that ended before `before`, in this order. Jobs of indexing stay
/// as long as one of their packs holds a document: the pack's row says where in it. A purge that failed stays as long
/// as it has something to remove, which would be there for good without it.
pub fn expire(before: Timestamp) -> [Write; 4] {
    // Items first: their numbers are found by the job's row. All kinds but indexing, then indexing, of which a job
    // goes whole when none of its packs holds a document any more.
    [
        "DELETE FROM job_items WHERE id IN (
             SELECT i.id FROM jobs j JOIN job_items i ON i.id BETWEEN j.first_item AND j.last_item
             WHERE j.finished_at < ?1 AND j.kind <> 'index'
               AND NOT EXISTS (SELECT 1 FROM garbage g WHERE g.retire_item BETWEEN j.first_item AND j.last_item))",
        "DELETE FROM jobs WHERE finished_at < ?1 AND kind <> 'index'
           AND NOT EXISTS (SELECT 1 FROM garbage g WHERE g.retire_item BETWEEN first_item AND last_item)",
        "DELETE FROM job_items WHERE id IN (
             SELECT i.id FROM jobs j JOIN job_items i ON i.id BETWEEN j.first_item AND j.last_item
             WHERE j.finished_at < ?1 AND j.kind = 'index'
               AND NOT EXISTS (
                   SELECT 1 FROM job_items p
                   WHERE p.id BETWEEN j.first_item AND j.last_item AND p.documents <> '[]'))",
        "DELETE FROM jobs WHERE finished_at < ?1 AND kind = 'index'
           AND NOT EXISTS (
               SELECT 1 FROM job_items p
               WHERE p.id BETWEEN jobs.first_item AND jobs.last_item AND p.documents <> '[]')",
    ]
    .map(|sql| Write::new(sql).bind(before))
}

/// Unfinished work of one stage in one state.
#[derive(Debug, Deserialize)]
pub struct WorkRow {
    /// The stage.
    pub stage: Stage,
    /// The state.
    pub state: ItemState,
    /// How many items.
    pub count: i64,
    /// When the oldest of them last changed.
    pub oldest: Timestamp,
}

/// Reads unfinished work by stage and state, of the `most` items whose jobs have been due longest.
pub fn unfinished_work(most: i64) -> Query<WorkRow> {
    // Innermost: items that are not terminal, of the jobs that have been due longest.
    Query::new(formatcp!(
        "SELECT stage, state, count(*) AS count, min(updated_at) AS oldest
         FROM (SELECT i.stage, i.state, i.updated_at
               FROM jobs j CROSS JOIN job_items i ON i.id BETWEEN j.first_item AND j.last_item
               WHERE j.finished_at IS NULL AND i.state NOT IN {TERMINAL}
               ORDER BY j.due_at LIMIT ?1)
         GROUP BY stage, state ORDER BY stage, state"
    ))
    .bind(most)
}
