//! Objects in R2 that hold what rows held: the table `archives`.
//!
//! An archive is noted before it is written (`writing`), so that one whose writer died is known and can be
//! removed; it is `kept` once something points at it, and `garbage` when nothing does any more. The
//! object's name is never used twice.

use const_format::formatcp;
use serde::Deserialize;

use crate::{
    constants,
    failure::Failure,
    ids::{ConversationId, UserId},
    job::item::Claim,
    platform::{
        statement::json,
        transaction::{Query, Write},
    },
    store::conditions::HELD,
    time::Timestamp,
};

/// Notes the object that a conversation is about to be written to.
pub fn note_conversation(key: &str, user: &UserId, conversation: &ConversationId, now: Timestamp) -> Write {
    Write::new(
        "INSERT OR IGNORE INTO archives (key, user_id, kind, subject, state, updated_at)
         VALUES (?1, ?2, 'conversation', ?3, 'writing', ?4)",
    )
    .bind(key)
    .bind(user)
    .bind(conversation)
    .bind(now)
}

/// Keeps an archive at which its conversation points since an earlier statement of the transaction
/// ([`point_at`](crate::store::conversations::archiving::point_at)).
pub fn keep_conversation(claim: &Claim, conversation: &ConversationId, key: &str) -> Write {
    claim
        .fenced(formatcp!(
            "UPDATE archives SET state = 'kept'
             WHERE key = ?5
               AND EXISTS (SELECT 1 FROM conversations WHERE user_id = ?3 AND id = ?4 AND archived_key = ?5)
               AND {HELD}"
        ))
        .bind(&claim.user)
        .bind(conversation)
        .bind(key)
}

/// Keeps the object that holds a finished month's usage; again changes only when that was.
pub fn keep_usage(key: &str, month: &str, now: Timestamp) -> Write {
    Write::new(
        "INSERT INTO archives (key, kind, subject, state, updated_at) VALUES (?1, 'usage', ?2, 'kept', ?3)
         ON CONFLICT DO UPDATE SET state = 'kept', updated_at = excluded.updated_at",
    )
    .bind(key)
    .bind(month)
    .bind(now)
}

/// An archive at which nothing points any longer is removed by the schedule.
const SUPERSEDE: &str = "UPDATE archives SET state = 'garbage'";

/// Gives up the archive of a conversation that is being restored from it, while it still points there.
pub fn supersede_restored(user: &UserId, conversation: &ConversationId, key: &str, now: Timestamp) -> Write {
    Write::new(formatcp!(
        "{SUPERSEDE}, updated_at = ?4
         WHERE key = ?3 AND EXISTS (SELECT 1 FROM conversations WHERE user_id = ?1 AND id = ?2 AND archived_key = ?3)"
    ))
    .bind(user)
    .bind(conversation)
    .bind(key)
    .bind(now)
}

/// Gives up the archive of a conversation that is being deleted, if it has one.
pub fn supersede_deleted(user: &UserId, conversation: &ConversationId, now: Timestamp) -> Write {
    Write::new(formatcp!(
        "{SUPERSEDE}, updated_at = ?3
         WHERE key = (SELECT archived_key FROM conversations WHERE user_id = ?1 AND id = ?2)"
    ))
    .bind(user)
    .bind(conversation)
    .bind(now)
}

/// The name of an archive.
#[derive(Clone, Debug, Deserialize)]
pub struct ArchiveKey {
    /// The object's name.
    pub key: String,
}

/// Reads at most `limit` archives that nothing points at: given up, or noted by a writer that cannot be alive
/// any more.
pub fn unused(now: Timestamp, limit: usize) -> Query<ArchiveKey> {
    Query::new("SELECT key FROM archives WHERE state = 'garbage' OR (state = 'writing' AND updated_at < ?1) LIMIT ?2")
        .bind(now.plus(-constants::MAX_WRITER_LIFE))
        .bind(limit)
}

/// Gives up these archives and returns those that are: from here on nothing can point at them. One that
/// something points at since they were looked for is left out.
///
/// # Errors
/// A bug if the data cannot be written as JSON.
pub fn give_up(keys: &[String]) -> Result<Query<ArchiveKey>, Failure> {
    Ok(Query::new(formatcp!(
        "{SUPERSEDE}
         WHERE key IN (SELECT value FROM json_each(?1)) AND state IN ('writing', 'garbage') RETURNING key"
    ))
    .bind(json(&keys)?))
}

/// Removes the rows of archives whose objects are gone.
///
/// # Errors
/// A bug if the data cannot be written as JSON.
pub fn delete(keys: &[String]) -> Result<Write, Failure> {
    Ok(Write::new("DELETE FROM archives WHERE key IN (SELECT value FROM json_each(?1)) AND state = 'garbage'")
        .bind(json(&keys)?))
}
