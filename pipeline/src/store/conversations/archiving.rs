//! The messages of idle conversations on their way into an archive, and back.
//!
//! A conversation is archived while its row points at the object that holds its messages
//! (`archived_key`). Everything that removes or restores messages hangs on that column.

use const_format::formatcp;
use serde::Deserialize;

use super::messages::MessageRow;
use crate::{
    failure::Failure,
    ids::{ConversationId, UserId},
    job::item::Claim,
    platform::{
        parameters::JsonRows,
        statement::json,
        transaction::{Query, Write},
    },
    store::conditions::{HELD, TERMINAL},
    time::Timestamp,
};

/// A conversation that nobody continued.
#[derive(Clone, Debug, Deserialize)]
pub struct IdleConversation {
    /// Its owner.
    pub user_id: UserId,
    /// The conversation.
    pub id: ConversationId,
    /// The highest number given out in it.
    pub last_number: i64,
}

/// Reads at most `limit` conversations that were neither continued nor restored since `before`, the oldest first.
pub fn idle(before: Timestamp, limit: i64) -> Query<IdleConversation> {
    // Those of clients that keep the messages themselves expire instead. A restored one is idle from then on.
    // Not one for which an archive item is on its way, and not one whose last question is still to be answered.
    Query::new(formatcp!(
        "SELECT user_id, id, last_number FROM conversations
         WHERE origin = 'chat' AND archived_key IS NULL AND max(updated_at, coalesce(restored_at, 0)) < ?1
           AND id NOT IN (SELECT {BEING_ARCHIVED})
           AND NOT EXISTS (SELECT 1 FROM job_items q WHERE q.id = last_item AND q.state NOT IN {TERMINAL})
         ORDER BY updated_at LIMIT ?2"
    ))
    .bind(before)
    .bind(limit)
}

/// Conversations for which an archive item is on its way.
const BEING_ARCHIVED: &str = "i.cursor ->> '$.conversation_id' FROM jobs j
                          JOIN job_items i ON i.id BETWEEN j.first_item AND j.last_item
                          WHERE j.finished_at IS NULL AND j.kind = 'archive' AND i.cursor IS NOT NULL";

/// A conversation that is to be archived.
#[derive(Clone, Debug, Deserialize)]
pub struct ArchivableConversation {
    /// Its title.
    pub title: String,
    /// The object that an earlier message of the same item wrote, if it got so far.
    pub archived_key: Option<String>,
}

/// Reads the conversation whose last message has the number `number`; no row if it was continued or deleted.
pub fn archivable(user: &UserId, conversation: &ConversationId, number: i64) -> Query<ArchivableConversation> {
    Query::new("SELECT title, archived_key FROM conversations WHERE user_id = ?1 AND id = ?2 AND last_number = ?3")
        .bind(user)
        .bind(conversation)
        .bind(number)
}

/// Points a conversation at its archive, if it was not continued and the archive was not given up: the
/// compare-and-set on which everything after it hangs.
pub fn point_at(claim: &Claim, conversation: &ConversationId, number: i64, key: &str) -> Write {
    claim
        .fenced(formatcp!(
            "UPDATE conversations SET archived_key = ?5
             WHERE user_id = ?3 AND id = ?4 AND last_number = ?6 AND archived_key IS NULL
               AND EXISTS (SELECT 1 FROM archives WHERE key = ?5 AND state = 'writing')
               AND {HELD}"
        ))
        .bind(&claim.user)
        .bind(conversation)
        .bind(key)
        .bind(number)
}

/// Removes messages that an archive holds: a question that had failed may have been answered since, and
/// that answer is not in it. Only while the conversation points there: a restored one keeps its messages.
///
/// # Errors
/// A bug if the data cannot be written as JSON.
pub fn remove_messages(
    claim: &Claim,
    conversation: &ConversationId,
    key: &str,
    numbers: &[i64],
) -> Result<Write, Failure> {
    Ok(claim
        .fenced(formatcp!(
            "DELETE FROM turns
             WHERE user_id = ?3 AND conversation_id = ?4 AND number IN (SELECT value FROM json_each(?6))
               AND EXISTS (SELECT 1 FROM conversations WHERE user_id = ?3 AND id = ?4 AND archived_key = ?5)
               AND {HELD}"
        ))
        .bind(&claim.user)
        .bind(conversation)
        .bind(key)
        .bind(json(&numbers)?))
}

/// Where the messages of an archived conversation are.
#[derive(Clone, Debug, Deserialize)]
pub struct ArchivedConversationRow {
    /// The object that holds them.
    pub archived_key: String,
}

/// Finds the archive of a conversation; no row if it is not archived.
pub fn archived(user: &UserId, conversation: &ConversationId) -> Query<ArchivedConversationRow> {
    Query::new("SELECT archived_key FROM conversations WHERE user_id = ?1 AND id = ?2 AND archived_key IS NOT NULL")
        .bind(user)
        .bind(conversation)
}

/// Restores the messages of a conversation that points at this archive, whatever of them is still there: a
/// write for as many as D1 takes as one parameter.
///
/// # Errors
/// As [`JsonRows::push`].
pub fn restore_messages(
    user: &UserId,
    conversation: &ConversationId,
    key: &str,
    messages: &[MessageRow],
) -> Result<Vec<Write>, Failure> {
    let restore = |array| Write::new(RESTORE).bind(user).bind(conversation).bind(key).bind(array);
    Ok(JsonRows::of(messages)?.arrays().map(restore).collect())
}

const RESTORE: &str =
    "INSERT OR IGNORE INTO turns (user_id, conversation_id, number, id, role, content, detail, created_at)
         SELECT c.user_id, c.id, t.value ->> 'number', t.value ->> 'id', t.value ->> 'role', t.value ->> 'content',
                t.value ->> 'detail', t.value ->> 'created_at'
         FROM conversations c CROSS JOIN json_each(?4) t
         WHERE c.user_id = ?1 AND c.id = ?2 AND c.archived_key = ?3";

/// Lets a conversation whose messages are restored point at its archive no more.
pub fn mark_restored(user: &UserId, conversation: &ConversationId, key: &str, now: Timestamp) -> Write {
    Write::new(
        "UPDATE conversations SET archived_key = NULL, restored_at = ?4
         WHERE user_id = ?1 AND id = ?2 AND archived_key = ?3",
    )
    .bind(user)
    .bind(conversation)
    .bind(key)
    .bind(now)
}
