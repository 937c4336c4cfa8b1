//! Failed items that try again. Those of a job that was cancelled do not: what it had not published is withdrawn.

use const_format::formatcp;
use serde::Deserialize;

use crate::{
    ids::{ItemId, JobId, UserId},
    job::message::ItemAnnouncement,
    platform::transaction::{Query, Write},
    store::conditions::TERMINAL,
    time::Timestamp,
};

/// Lets the batches of a job's failed packs wait for them again, wherever they had got to without them.
/// Of one pack only if `only` names it.
pub fn reopen_batches(user: &UserId, job: &JobId, only: Option<ItemId>, now: Timestamp) -> Write {
    Write::new(
        "UPDATE job_items SET stage = 'embed', state = 'waiting', token = NULL, cursor = NULL, progress = 0,
             attempts = 0, error = NULL, updated_at = ?3
         WHERE state <> 'cancelled' AND stage IN ('embed', 'upsert') AND id IN (
             SELECT p.batch FROM jobs j JOIN job_items p ON p.id BETWEEN j.first_item AND j.last_item
             WHERE j.id = ?1 AND j.user_id = ?2 AND cancelled_at IS NULL AND p.state = 'failed'
               AND (?4 IS NULL OR p.id = ?4))",
    )
    .bind(job)
    .bind(user)
    .bind(now)
    .bind(only)
}

/// The job `?1` of the user `?2`, unless it was cancelled.
const NOT_CANCELLED: &str = "jobs WHERE id = ?1 AND user_id = ?2 AND cancelled_at IS NULL";

/// Queues a job's failed items again, or the one that `only` names; returns them, to be announced.
pub fn requeue(user: &UserId, job: &JobId, only: Option<ItemId>, now: Timestamp) -> Query<ItemAnnouncement> {
    Query::new(formatcp!(
        "UPDATE job_items SET state = 'queued', attempts = 0, error = NULL, next_at = ?3, sent_at = ?3, updated_at = ?3
         WHERE state = 'failed' AND user_id = ?2 AND (?4 IS NULL OR id = ?4)
           AND id BETWEEN (SELECT first_item FROM {NOT_CANCELLED}) AND (SELECT last_item FROM {NOT_CANCELLED})
         RETURNING id, stage, state, user_id"
    ))
    .bind(job)
    .bind(user)
    .bind(now)
    .bind(only)
}

/// A turn that failed.
#[derive(Debug, Deserialize)]
pub struct FailedTurn {
    /// What it is about (JSON).
    pub turn: String,
    /// When it failed, by the clock of whoever gave it up.
    pub failed_at: Timestamp,
}

/// Reads the turn of a chat job, if it failed: to be asked before [`requeue`] makes it try again.
pub fn failed_turn(user: &UserId, job: &JobId) -> Query<FailedTurn> {
    Query::new(
        "SELECT j.turn, i.updated_at AS failed_at FROM jobs j JOIN job_items i ON i.id = j.first_item
         WHERE j.id = ?1 AND j.user_id = ?2 AND j.turn IS NOT NULL AND i.state = 'failed'",
    )
    .bind(job)
    .bind(user)
}

/// A purge that failed for good and still has something to remove.
#[derive(Debug, Deserialize)]
pub struct FailedPurge {
    /// Its item.
    pub item: ItemId,
    /// Its job.
    pub job: JobId,
    /// Whose revisions it removes.
    pub user: UserId,
}

/// Reads purges that failed before `before` and still have something to remove, those that wait longest first.
pub fn failed_purges(before: Timestamp, most: usize) -> Query<FailedPurge> {
    Query::new(
        "SELECT i.id AS item, i.job_id AS job, i.user_id AS user
         FROM (SELECT DISTINCT retire_item FROM garbage) g CROSS JOIN job_items i ON i.id = g.retire_item
         WHERE i.state = 'failed' AND i.updated_at < ?1 ORDER BY i.updated_at, i.id LIMIT ?2",
    )
    .bind(before)
    .bind(most)
}

/// Opens a finished job again that has something to do.
pub fn reopen_job(user: &UserId, job: &JobId) -> Write {
    Write::new(formatcp!(
        "UPDATE jobs SET finished_at = NULL, due_at = 0
         WHERE id = ?1 AND user_id = ?2 AND cancelled_at IS NULL AND EXISTS (
             SELECT 1 FROM job_items WHERE id BETWEEN jobs.first_item AND jobs.last_item AND state NOT IN {TERMINAL})"
    ))
    .bind(job)
    .bind(user)
}
