//! What failed for good, and why: the table `dead_letters`.

use const_format::formatcp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    constants,
    ids::{ItemId, JobId, UserId},
    job::item::Claim,
    platform::transaction::{Query, Write},
    store::{
        conditions::{CLAIMED, is_spent, why_spent},
        jobs::items::STOPPED,
    },
    time::Timestamp,
};

/// A letter of an item and a stage has one id: one that fails again says so in its first.
const RECORD: &str = "INSERT INTO dead_letters (id, user_id, item_id, stage, why, created_at)
         SELECT 'item-' || id || '-' || stage, user_id, id, stage";
const AGAIN: &str =
    "ON CONFLICT (id) DO UPDATE SET why = excluded.why, created_at = excluded.created_at, replayed_at = NULL";

/// Records a claimed item that is about to fail.
pub fn record_failed(claim: &Claim, why: &str, now: Timestamp) -> Write {
    claim.fenced(formatcp!("{RECORD}, ?3, ?4 FROM job_items WHERE {CLAIMED} {AGAIN}")).bind(why).bind(now)
}

/// Records an item that is about to be given up: see [`give_up`](crate::store::jobs::items::give_up).
pub fn record_given_up(item: ItemId, user: &UserId, now: Timestamp) -> Write {
    Write::new(formatcp!(
        "{RECORD}, {WHY_SPENT}, ?4 FROM job_items WHERE {IS_SPENT} {AGAIN}",
        WHY_SPENT = why_spent!("?5"),
        IS_SPENT = is_spent!("?1", "?2", "?3", "?4"),
    ))
    .bind(item)
    .bind(user)
    .bind(constants::ATTEMPTS)
    .bind(now)
    .bind(STOPPED)
}

/// Records a message that cannot be read, once.
pub fn record_unreadable(message_id: &str, why: &str, body: &str, now: Timestamp) -> Write {
    Write::new(
        "INSERT OR IGNORE INTO dead_letters (id, stage, why, body, created_at) VALUES (?1, 'unreadable', ?2, ?3, ?4)",
    )
    .bind(message_id)
    .bind(why)
    .bind(body)
    .bind(now)
}

/// A dead letter in a list.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DeadLetter {
    /// Its id.
    pub id: String,
    /// The stage that failed.
    pub stage: String,
    /// The job it failed for; null when that has expired and there is nothing left to replay.
    pub job_id: Option<JobId>,
    /// What its owner can do something about.
    pub why: String,
    /// When it failed.
    pub created_at: Timestamp,
    /// When it was tried again.
    pub replayed_at: Option<Timestamp>,
}

/// Reads a user's dead letters, the newest first, those behind the one of this time and id.
pub fn list(user: &UserId, behind: Option<(Timestamp, &str)>, limit: i64) -> Query<DeadLetter> {
    Query::new(
        "SELECT l.id, l.stage, i.job_id, l.why, l.created_at, l.replayed_at
         FROM dead_letters l LEFT JOIN job_items i ON i.id = l.item_id
         WHERE l.user_id = ?1 AND (?2 IS NULL OR (l.created_at, l.id) < (?2, ?3))
         ORDER BY l.created_at DESC, l.id DESC LIMIT ?4",
    )
    .bind(user)
    .bind(behind.map(|(time, _)| time))
    .bind(behind.map(|(_, id)| id))
    .bind(limit)
}

/// What a dead letter is about.
#[derive(Clone, Debug, Deserialize)]
pub struct FailedItem {
    /// The item that failed; `None` if it has expired.
    pub item_id: Option<ItemId>,
    /// Its job; `None` if it has expired.
    pub job_id: Option<JobId>,
}

/// Reads what a user's dead letter is about. Letters are kept for longer than jobs.
pub fn failed_item(user: &UserId, id: &str) -> Query<FailedItem> {
    Query::new(
        "SELECT i.id AS item_id, i.job_id FROM dead_letters l LEFT JOIN job_items i ON i.id = l.item_id
         WHERE l.id = ?1 AND l.user_id = ?2",
    )
    .bind(id)
    .bind(user)
}

/// Notes that a user's dead letter is tried again, if its item can be: it has failed, and its job was not cancelled.
/// In the transaction that queues the item, before that: afterwards it has not failed any more.
pub fn replay(user: &UserId, id: &str, now: Timestamp) -> Write {
    Write::new(
        "UPDATE dead_letters SET replayed_at = ?3 WHERE id = ?1 AND user_id = ?2
           AND EXISTS (SELECT 1 FROM job_items i JOIN jobs j ON j.id = i.job_id
                       WHERE i.id = dead_letters.item_id AND i.state = 'failed' AND j.cancelled_at IS NULL)",
    )
    .bind(id)
    .bind(user)
    .bind(now)
}

/// Removes dead letters older than `before`.
pub fn expire(before: Timestamp) -> Write {
    Write::new("DELETE FROM dead_letters WHERE created_at < ?1").bind(before)
}
