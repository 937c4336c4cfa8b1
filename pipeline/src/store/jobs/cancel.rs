//! Stopping jobs: their claims are void from then on, and they are finished.

use const_format::formatcp;

use crate::{
    ids::{ConversationId, JobId, UserId},
    platform::transaction::Write,
    store::conditions::{NEXT_ITEM, TERMINAL},
    time::Timestamp,
};

/// What is done to an item that is cancelled: whoever holds its claim can write no more.
const CANCEL_ITEM: &str = "UPDATE job_items SET state = 'cancelled', token = NULL, updated_at = ?3";
/// What is done to a job that is cancelled.
const CANCEL_JOB: &str = "UPDATE jobs SET cancelled_at = ?3, finished_at = ?3";
/// The unfinished chat jobs of a user (`?1`) in a conversation (`?2`).
const TURNS_OF_CONVERSATION: &str =
    "user_id = ?1 AND finished_at IS NULL AND kind = 'chat' AND turn ->> '$.conversation_id' = ?2";

/// The job `?1` of the user `?2`, unless it has ended: what failed in one that has may be tried again.
const UNFINISHED: &str = "jobs WHERE id = ?1 AND user_id = ?2 AND finished_at IS NULL";

/// Cancels a job, its items first: all that are not done. What failed is nothing to try again any more.
pub fn job(user: &UserId, job: &JobId, now: Timestamp) -> [Write; 2] {
    [
        formatcp!(
            "{CANCEL_ITEM} WHERE state NOT IN ('done', 'cancelled')
               AND id BETWEEN (SELECT first_item FROM {UNFINISHED}) AND (SELECT last_item FROM {UNFINISHED})"
        ),
        formatcp!("{CANCEL_JOB} WHERE id = ?1 AND user_id = ?2 AND finished_at IS NULL"),
    ]
    .map(|sql| Write::new(sql).bind(job).bind(user).bind(now))
}

/// Notes in the receipt of a job that is about to be cancelled how many of its documents had taken over from a
/// revision that was not published and is gone with it. Between
/// [`by_cancel`](crate::store::documents::superseded::by_cancel) and
/// [`withdraw`](crate::store::documents::delete::withdraw), which forgets it.
pub fn note_lost(user: &UserId, job: &JobId) -> Write {
    Write::new(formatcp!(
        "UPDATE jobs SET receipt = json_object('send_again', (
             SELECT count(*) FROM garbage g CROSS JOIN documents d ON d.user_id = g.user_id AND d.id = g.document_id
             WHERE g.retire_item = {NEXT_ITEM} AND d.superseded_item IS NOT NULL))
         WHERE id = ?1 AND user_id = ?2 AND finished_at IS NULL"
    ))
    .bind(job)
    .bind(user)
}

/// Cancels the unanswered turns of a conversation, their items first.
pub fn turns_of(user: &UserId, conversation: &ConversationId, now: Timestamp) -> [Write; 2] {
    [
        formatcp!(
            "{CANCEL_ITEM} WHERE state NOT IN {TERMINAL}
               AND id IN (SELECT first_item FROM jobs WHERE {TURNS_OF_CONVERSATION})"
        ),
        formatcp!("{CANCEL_JOB} WHERE {TURNS_OF_CONVERSATION}"),
    ]
    .map(|sql| Write::new(sql).bind(user).bind(conversation).bind(now))
}
