//! Stopping jobs: their claims are void from then on, and they are finished.

use const_format::formatcp;

use crate::{
    ids::{ConversationId, JobId, UserId},
    platform::transaction::Write,
    store::conditions::TERMINAL,
    time::Timestamp,
};

/// What is done to an item that is cancelled: whoever holds its claim can write no more.
const CANCEL_ITEM: &str = "UPDATE job_items SET state = 'cancelled', token = NULL, updated_at = ?3";
/// What is done to a job that is cancelled.
const CANCEL_JOB: &str = "UPDATE jobs SET cancelled_at = ?3, finished_at = ?3";
/// The unfinished chat jobs of a user (`?1`) in a conversation (`?2`).
const TURNS_OF_CONVERSATION: &str =
    "user_id = ?1 AND finished_at IS NULL AND kind = 'chat' AND turn ->> '$.conversation_id' = ?2";

/// Cancels a job, its items first.
pub fn job(user: &UserId, job: &JobId, now: Timestamp) -> [Write; 2] {
    [
        formatcp!(
            "{CANCEL_ITEM} WHERE state NOT IN {TERMINAL}
               AND id BETWEEN (SELECT first_item FROM jobs WHERE id = ?1 AND user_id = ?2)
                          AND (SELECT last_item FROM jobs WHERE id = ?1 AND user_id = ?2)"
        ),
        formatcp!("{CANCEL_JOB} WHERE id = ?1 AND user_id = ?2 AND cancelled_at IS NULL AND finished_at IS NULL"),
    ]
    .map(|sql| Write::new(sql).bind(job).bind(user).bind(now))
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
