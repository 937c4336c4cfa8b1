//! Idempotency keys: the table `idempotency_keys`.
//!
//! A key belongs to the job that claimed it first. Everything else a request does in its transaction hangs
//! on the condition `key_held_by!`; a second request with the same key therefore does nothing.

use const_format::formatcp;
use serde::Deserialize;

use crate::{
    ids::{ConversationId, JobId, UserId},
    platform::transaction::{Query, Write},
    store::conditions::accepted_at,
    time::Timestamp,
};

/// A request's key, and what it is for.
#[derive(Clone, Copy, Debug)]
pub struct NewKey<'a> {
    /// Whose key it is.
    pub user: &'a UserId,
    /// The key, if the request has one; without it nothing is written.
    pub key: Option<&'a str>,
    /// Hex SHA-256 of the request's body.
    pub body_hash: Option<&'a str>,
    /// The job the request becomes.
    pub job: &'a JobId,
    /// Now.
    pub now: Timestamp,
}

/// Claims a key for an upload that is in flight until [`answer`] is written.
pub fn claim(new: NewKey<'_>) -> Write {
    Write::new(
        "INSERT OR IGNORE INTO idempotency_keys (user_id, key, body_hash, job_id, created_at)
         SELECT ?1, ?2, ?3, ?4, ?5 WHERE ?2 IS NOT NULL",
    )
    .bind(new.user)
    .bind(new.key)
    .bind(new.body_hash)
    .bind(new.job)
    .bind(new.now)
}

/// Claims a key for a question together with its answer to replay, unless its conversation is missing or
/// archived.
pub fn claim_answered(new: NewKey<'_>, response: &str, conversation: &ConversationId, is_new: bool) -> Write {
    Write::new(
        "INSERT OR IGNORE INTO idempotency_keys (user_id, key, body_hash, job_id, response, created_at)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE ?2 IS NOT NULL
           AND (?7 OR EXISTS (SELECT 1 FROM conversations WHERE user_id = ?1 AND id = ?8 AND archived_key IS NULL))",
    )
    .bind(new.user)
    .bind(new.key)
    .bind(new.body_hash)
    .bind(new.job)
    .bind(response)
    .bind(new.now)
    .bind(is_new)
    .bind(conversation)
}

/// Keeps the answer to replay, in the transaction that accepts the job.
pub fn answer(user: &UserId, key: Option<&str>, job: &JobId, response: &str, now: Timestamp) -> Write {
    Write::new(formatcp!(
        "UPDATE idempotency_keys SET response = ?3 WHERE user_id = ?1 AND key = ?2 AND job_id = ?4 AND {ACCEPTED}",
        ACCEPTED = accepted_at!("?4", "?5"),
    ))
    .bind(user)
    .bind(key)
    .bind(response)
    .bind(job)
    .bind(now)
}

/// Gives the key of an upload free that was never accepted.
pub fn release(user: &UserId, job: &JobId) -> Write {
    Write::new("DELETE FROM idempotency_keys WHERE user_id = ?1 AND job_id = ?2 AND response IS NULL")
        .bind(user)
        .bind(job)
}

/// What is kept in the place of an answer where requests join the turn of the same one before.
const JOINED: &str = "joined";
/// The same where a request did not see its turn's end.
const WAITED_OUT: &str = "waited out";

/// Gives the key of an earlier turn free: one that began before `since`, or that has ended, unless whoever asked
/// waits for its answer no longer and may come back for it.
pub fn leave_ended_turn(user: &UserId, key: &str, since: Timestamp) -> Write {
    Write::new(formatcp!(
        "DELETE FROM idempotency_keys WHERE user_id = ?1 AND key = ?2
           AND (created_at < ?3 OR EXISTS (
                SELECT 1 FROM jobs j WHERE j.id = job_id AND j.finished_at IS NOT NULL
                  AND (j.cancelled_at IS NOT NULL OR response <> '{WAITED_OUT}')))"
    ))
    .bind(user)
    .bind(key)
    .bind(since)
}

/// Notes that another request has joined the turn of this key.
pub fn note_joined(user: &UserId, key: &str) -> Write {
    note(user, key, JOINED)
}

/// Notes that a request did not see the end of this key's turn.
pub fn note_waited_out(user: &UserId, key: &str) -> Write {
    note(user, key, WAITED_OUT)
}

fn note(user: &UserId, key: &str, what: &str) -> Write {
    Write::new("UPDATE idempotency_keys SET response = ?3 WHERE user_id = ?1 AND key = ?2")
        .bind(user)
        .bind(key)
        .bind(what)
}

impl KeyRow {
    /// True if somebody beside who began the turn follows it, or may come back for it.
    pub fn is_shared(&self) -> bool {
        self.response.as_deref().is_some_and(|response| [JOINED, WAITED_OUT].contains(&response))
    }
}

/// What is known of a key.
#[derive(Clone, Debug, Deserialize)]
pub struct KeyRow {
    /// Hex SHA-256 of the body it came with first.
    pub body_hash: String,
    /// The job of that request.
    pub job_id: JobId,
    /// When it came.
    pub created_at: Timestamp,
    /// The answer to replay; `None` while the request is in flight.
    pub response: Option<String>,
}

/// Finds a user's key.
pub fn find(user: &UserId, key: &str) -> Query<KeyRow> {
    Query::new("SELECT body_hash, job_id, created_at, response FROM idempotency_keys WHERE user_id = ?1 AND key = ?2")
        .bind(user)
        .bind(key)
}

/// Removes keys older than `before`.
pub fn expire(before: Timestamp) -> Write {
    Write::new("DELETE FROM idempotency_keys WHERE created_at < ?1").bind(before)
}
