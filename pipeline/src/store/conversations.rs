//! Conversations and their messages: the tables `conversations` and `turns`.
//!
//! Here are the conversations themselves; [`messages`] holds what is asked and answered in them, and
//! [`archiving`] moves the messages of idle ones into R2 and back.

pub mod archiving;
pub mod messages;

use const_format::formatcp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    ids::{ConversationId, JobId, UserId},
    job::item::Claim,
    platform::transaction::{Query, Write},
    store::{
        columns::flag,
        conditions::{HELD, key_held_by},
        retention::{self, Old, past_retention},
    },
    time::Timestamp,
};

/// A conversation that is to be inserted.
#[derive(Clone, Copy, Debug)]
pub struct NewConversation<'a> {
    /// Its id.
    pub id: &'a ConversationId,
    /// Its owner.
    pub user: &'a UserId,
    /// Its title.
    pub title: &'a str,
    /// `chat`, or `openai` for a client that keeps the messages itself.
    pub origin: &'a str,
    /// The idempotency key that this job must hold, if the request had one.
    pub key: Option<(&'a str, &'a JobId)>,
    /// Now.
    pub now: Timestamp,
}

/// Inserts a conversation without messages, unless its idempotency key is another's.
pub fn insert(new: NewConversation<'_>) -> Write {
    let (key, job) = new.key.unzip();
    Write::new(formatcp!(
        "INSERT INTO conversations (user_id, id, title, origin, created_at, updated_at, last_number, summarised_through)
         SELECT ?1, ?2, ?3, ?4, ?5, ?5, 0, 0
         WHERE ?6 IS NULL OR {KEY_IS_HELD}
         ON CONFLICT DO NOTHING",
        KEY_IS_HELD = key_held_by!("?1", "?6", "?7"),
    ))
    .bind(new.user)
    .bind(new.id)
    .bind(new.title)
    .bind(new.origin)
    .bind(new.now)
    .bind(key)
    .bind(job)
}

/// A row that is there.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct OpenConversation {}

/// Finds a conversation that a question can be added to: one that is not archived.
pub fn open(user: &UserId, conversation: &ConversationId) -> Query<OpenConversation> {
    Query::new("SELECT 1 AS found FROM conversations WHERE user_id = ?1 AND id = ?2 AND archived_key IS NULL")
        .bind(user)
        .bind(conversation)
}

/// Takes the numbers of a question and its answer, if the job of the question was inserted. The next
/// question waits for its item, unless it is answered already.
pub fn advance(user: &UserId, conversation: &ConversationId, job: &JobId, is_answered: bool, now: Timestamp) -> Write {
    Write::new(
        "UPDATE conversations SET last_number = last_number + 2, updated_at = ?4,
             last_item = CASE WHEN ?5 THEN last_item ELSE (SELECT first_item FROM jobs WHERE id = ?3) END
         WHERE user_id = ?1 AND id = ?2 AND EXISTS (SELECT 1 FROM jobs WHERE id = ?3)",
    )
    .bind(user)
    .bind(conversation)
    .bind(job)
    .bind(now)
    .bind(is_answered)
}

/// Keeps a summary of the messages up to the number `through`, unless there is one of more.
pub fn summarise(claim: &Claim, conversation: &ConversationId, summary: &str, through: i64) -> Write {
    claim
        .fenced(formatcp!(
            "UPDATE conversations SET summary = ?3, summarised_through = ?4
             WHERE user_id = ?5 AND id = ?6 AND summarised_through < ?4
               AND {HELD}"
        ))
        .bind(summary)
        .bind(through)
        .bind(&claim.user)
        .bind(conversation)
}

/// The conversation of a turn.
#[derive(Clone, Debug, Deserialize)]
pub struct TurnConversation {
    /// Its id.
    pub id: ConversationId,
    /// Of the messages that no longer fit a prompt.
    pub summary: Option<String>,
    /// Of an archived one: the object that holds its messages.
    pub archived_key: Option<String>,
}

/// From a chat job (`?1`) of a user (`?2`) to its conversation.
const JOB_AND_CONVERSATION: &str =
    "jobs j JOIN conversations c ON c.user_id = j.user_id AND c.id = j.turn ->> '$.conversation_id'";

/// Reads the conversation of a chat job.
pub fn of_turn(user: &UserId, job: &JobId) -> Query<TurnConversation> {
    Query::new(formatcp!(
        "SELECT c.id, c.summary, c.archived_key FROM {JOB_AND_CONVERSATION}
         WHERE j.id = ?1 AND j.user_id = ?2"
    ))
    .bind(job)
    .bind(user)
}

/// A conversation in a list.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ConversationSummary")]
pub struct ConversationEntry {
    /// Its id.
    pub id: ConversationId,
    /// Its title.
    pub title: String,
    /// How many questions were asked in it.
    pub turns: i64,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last continued.
    pub updated_at: Timestamp,
    /// Its messages lie in an archive; reading it brings them back.
    #[serde(deserialize_with = "flag")]
    pub archived: bool,
}

/// The columns of a [`ConversationEntry`].
const ENTRY: &str = "id, title, last_number / 2 AS turns, created_at, updated_at, archived_key IS NOT NULL AS archived";

/// Reads a user's conversations whose titles hold `title`, the newest first, from the one after `cursor` on.
/// Those of clients that keep the messages themselves are not listed.
pub fn list(
    user: &UserId,
    title: Option<String>,
    cursor: Option<&ConversationId>,
    limit: i64,
) -> Query<ConversationEntry> {
    Query::new(formatcp!(
        "SELECT {ENTRY}
         FROM conversations
         WHERE user_id = ?1 AND origin = 'chat' AND (?2 IS NULL OR id < ?2)
           AND (?4 IS NULL OR instr(lower(title), lower(?4)) > 0)
         ORDER BY id DESC LIMIT ?3"
    ))
    .bind(user)
    .bind(cursor)
    .bind(limit)
    .bind(title)
}

/// A conversation as its owner reads it.
#[derive(Clone, Debug, Deserialize)]
pub struct ConversationRow {
    /// Of the messages that no longer fit a prompt.
    pub summary: Option<String>,
    /// What lists say of it.
    #[serde(flatten)]
    pub entry: ConversationEntry,
}

/// Reads a user's conversation.
pub fn conversation(user: &UserId, conversation: &ConversationId) -> Query<ConversationRow> {
    Query::new(formatcp!("SELECT {ENTRY}, summary FROM conversations WHERE user_id = ?1 AND id = ?2"))
        .bind(user)
        .bind(conversation)
}

/// Removes a conversation's row; its messages are removed by [`messages::delete`] before it.
pub fn delete(user: &UserId, conversation: &ConversationId) -> Write {
    Write::new("DELETE FROM conversations WHERE user_id = ?1 AND id = ?2").bind(user).bind(conversation)
}

/// Reads conversations that were continued longer ago than their owners want (`retention` of their profile).
pub fn past_retention(now: Timestamp, limit: i64) -> Query<Old<ConversationId>> {
    const OLD: &str = past_retention!("conversations", "old.updated_at", "conversation_days", "?1", "?2");
    retention::old(formatcp!("SELECT old.user_id, old.id {OLD} LIMIT ?3"), now, limit)
}

/// Removes conversations, their messages first, whose clients keep them and that were continued before
/// `before` for the last time.
pub fn expire(before: Timestamp) -> [Write; 2] {
    [
        formatcp!(
            "DELETE FROM turns WHERE (user_id, conversation_id) IN (
                 SELECT user_id, id FROM conversations WHERE {KEPT_BY_CLIENT})"
        ),
        formatcp!("DELETE FROM conversations WHERE {KEPT_BY_CLIENT}"),
    ]
    .map(|sql| Write::new(sql).bind(before))
}

/// Conversations that their clients keep, older than `?1`.
const KEPT_BY_CLIENT: &str = "origin = 'openai' AND updated_at < ?1 AND archived_key IS NULL";
