//! What is asked and answered in conversations: the table `turns`, a row for each message.
//!
//! A question has an odd number, its answer the next; both carry the id of the turn.

use const_format::formatcp;
use serde::{Deserialize, Serialize};

use super::JOB_AND_CONVERSATION;
use crate::{
    chat::generation::Role,
    ids::{ConversationId, JobId, SessionId, TurnId, UserId},
    job::item::Claim,
    platform::transaction::{Query, Write},
    store::{columns::in_milliseconds, conditions::HELD},
    time::Timestamp,
};

/// Inserts the question of a job that was inserted by an earlier statement, under the number given out there.
pub fn insert_question(job: &JobId, content: &str, now: Timestamp) -> Write {
    Write::new(
        "INSERT INTO turns (user_id, conversation_id, number, id, role, content, created_at, session_id)
         SELECT user_id, turn ->> '$.conversation_id', turn ->> '$.number', turn ->> '$.turn_id', 'user', ?2, ?3,
                turn ->> '$.session_id'
         FROM jobs WHERE id = ?1",
    )
    .bind(job)
    .bind(content)
    .bind(now)
}

/// Inserts an answer that is known when its question is asked.
pub fn insert_known_answer(job: &JobId, content: &str, detail: &str, now: Timestamp) -> Write {
    Write::new(
        "INSERT INTO turns (user_id, conversation_id, number, id, role, content, detail, created_at)
         SELECT user_id, turn ->> '$.conversation_id', (turn ->> '$.number') + 1, turn ->> '$.turn_id', 'assistant',
                ?2, ?3, ?4
         FROM jobs WHERE id = ?1",
    )
    .bind(job)
    .bind(content)
    .bind(detail)
    .bind(now)
}

/// An answer that is to be inserted.
#[derive(Clone, Copy, Debug)]
pub struct NewAnswer<'a> {
    /// The conversation.
    pub conversation: &'a ConversationId,
    /// The turn.
    pub turn: &'a TurnId,
    /// The number of the question; the answer's is the next.
    pub question: i64,
    /// The text.
    pub content: &'a str,
    /// Citations, route and usage (JSON).
    pub detail: &'a str,
    /// The session in which it is published, if it is.
    pub session: Option<&'a SessionId>,
    /// Now.
    pub now: Timestamp,
}

/// Inserts the answer of a claimed chat item, if its conversation is still there.
pub fn insert_answer(claim: &Claim, new: NewAnswer<'_>) -> Write {
    claim
        .fenced(formatcp!(
            "INSERT INTO turns (user_id, conversation_id, number, id, role, content, detail, created_at, session_id)
             SELECT user_id, id, ?5 + 1, ?6, 'assistant', ?7, ?8, ?9, ?10 FROM conversations
             WHERE user_id = ?3 AND id = ?4 AND {HELD}
             ON CONFLICT DO NOTHING"
        ))
        .bind(&claim.user)
        .bind(new.conversation)
        .bind(new.question)
        .bind(new.turn)
        .bind(new.content)
        .bind(new.detail)
        .bind(new.now)
        .bind(new.session)
}

/// A message of a conversation. As a parameter, its time is the number that D1 keeps.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MessageRow {
    /// Its place in the conversation.
    pub number: i64,
    /// The turn.
    pub id: TurnId,
    /// `user` or `assistant`.
    pub role: String,
    /// The text.
    pub content: String,
    /// Of an answer: citations, route and usage (JSON).
    pub detail: Option<String>,
    /// When it was committed.
    #[serde(serialize_with = "in_milliseconds")]
    pub created_at: Timestamp,
}

/// The columns of a [`MessageRow`].
const MESSAGE: &str = "number, id, role, content, detail, created_at";

/// Reads the messages of a conversation after the number `after`, oldest first.
pub fn after(user: &UserId, conversation: &ConversationId, after: i64, limit: i64) -> Query<MessageRow> {
    Query::new(formatcp!(
        "SELECT {MESSAGE} FROM turns
         WHERE user_id = ?1 AND conversation_id = ?2 AND number > ?3 ORDER BY number LIMIT ?4"
    ))
    .bind(user)
    .bind(conversation)
    .bind(after)
    .bind(limit)
}

/// Reads the messages of a conversation up to the number `through`, oldest first.
pub fn through(user: &UserId, conversation: &ConversationId, through: i64) -> Query<MessageRow> {
    Query::new(formatcp!(
        "SELECT {MESSAGE} FROM turns
         WHERE user_id = ?1 AND conversation_id = ?2 AND number <= ?3 ORDER BY number"
    ))
    .bind(user)
    .bind(conversation)
    .bind(through)
}

/// A message as a prompt holds it.
#[derive(Clone, Debug, Deserialize)]
pub struct PromptMessageRow {
    /// Its place in the conversation.
    pub number: i64,
    /// Who it is by.
    pub role: Role,
    /// The text.
    pub content: String,
    /// 1 if it was published in the same session as the question.
    pub is_of_session: i64,
}

/// Reads the messages of a chat job's conversation that its summary does not cover, up to the question.
pub fn of_turn(user: &UserId, job: &JobId) -> Query<PromptMessageRow> {
    Query::new(formatcp!(
        "SELECT t.number, t.role, t.content, coalesce(t.session_id = j.turn ->> '$.session_id', 0) AS is_of_session
         FROM {JOB_AND_CONVERSATION}
         JOIN turns t ON t.user_id = c.user_id AND t.conversation_id = c.id
              AND t.number > c.summarised_through AND t.number <= j.turn ->> '$.number'
         WHERE j.id = ?1 AND j.user_id = ?2 ORDER BY t.number"
    ))
    .bind(job)
    .bind(user)
}

/// Removes all messages of a conversation.
pub fn delete(user: &UserId, conversation: &ConversationId) -> Write {
    Write::new("DELETE FROM turns WHERE user_id = ?1 AND conversation_id = ?2").bind(user).bind(conversation)
}
