//! Live sessions, and the tickets that let guests in: the tables `sessions` and `session_tickets`.
//!
//! What happens in a session is kept by its channel; here is what outlives that. The tickets are in
//! [`tickets`].

pub mod tickets;

use const_format::formatcp;
use serde::Deserialize;

use crate::{
    ids::{ConversationId, SessionId, UserId},
    platform::transaction::{Query, Write},
    time::Timestamp,
};

/// A session as its participants read it, with the shared text of when it last fell idle.
#[derive(Clone, Debug, Deserialize)]
pub struct SessionRow {
    /// Its id.
    pub id: SessionId,
    /// Its title.
    pub title: String,
    /// What is asked in it.
    pub conversation_id: ConversationId,
    /// `open` or `closed`.
    pub state: String,
    /// What its guests may ask about (JSON); `None`: nothing.
    pub opened: Option<String>,
    /// The shared text when it last fell idle.
    pub scratch: Option<String>,
    /// How many edits had made it.
    pub scratch_revision: i64,
    /// Of its event log, then.
    pub last_sequence: i64,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it last fell idle.
    pub updated_at: Timestamp,
}

/// A session that is to be inserted.
#[derive(Clone, Copy, Debug)]
pub struct NewSessionRow<'a> {
    /// Its id.
    pub id: &'a SessionId,
    /// Its title.
    pub title: &'a str,
    /// What is asked in it.
    pub conversation: &'a ConversationId,
    /// What its guests may ask about (JSON).
    pub opened: &'a str,
    /// Now.
    pub now: Timestamp,
}

/// Inserts an open session.
pub fn insert(user: &UserId, new: NewSessionRow<'_>) -> Write {
    Write::new(
        "INSERT INTO sessions (user_id, id, title, conversation_id, opened, state, last_sequence, created_at,
                               updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, 'open', 0, ?6, ?6)",
    )
    .bind(user)
    .bind(new.id)
    .bind(new.title)
    .bind(new.conversation)
    .bind(new.opened)
    .bind(new.now)
}

/// Changes a session's title, and merges a change (JSON) into what its guests may ask about, as RFC 7396 says; what is
/// `None` stays.
pub fn change(user: &UserId, session: &SessionId, title: Option<&str>, opened: Option<&str>) -> Query<SessionRow> {
    Query::new(formatcp!(
        "UPDATE sessions SET title = coalesce(?3, title),
             opened = json_patch(coalesce(opened, '{{}}'), coalesce(?4, '{{}}'))
         WHERE user_id = ?1 AND id = ?2 RETURNING {SESSION}"
    ))
    .bind(user)
    .bind(session)
    .bind(title)
    .bind(opened)
}

/// The columns of a [`SessionRow`].
const SESSION: &str =
    "id, title, conversation_id, state, opened, scratch, scratch_revision, last_sequence, created_at, updated_at";

/// Reads a user's session, open or closed.
pub fn session(user: &UserId, session: &SessionId) -> Query<SessionRow> {
    Query::new(formatcp!("SELECT {SESSION} FROM sessions WHERE user_id = ?1 AND id = ?2")).bind(user).bind(session)
}

/// Reads a user's sessions, the newest first, from the one after `cursor` on.
pub fn list(user: &UserId, cursor: Option<&SessionId>, limit: i64) -> Query<SessionRow> {
    Query::new(formatcp!(
        "SELECT {SESSION} FROM sessions
         WHERE user_id = ?1 AND (?2 IS NULL OR id < ?2) ORDER BY id DESC LIMIT ?3"
    ))
    .bind(user)
    .bind(cursor)
    .bind(limit)
}

/// A session that is open.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct OpenSession {}

/// Finds a user's session if it is open.
pub fn open(user: &UserId, session: &SessionId) -> Query<OpenSession> {
    Query::new("SELECT 1 AS found FROM sessions WHERE user_id = ?1 AND id = ?2 AND state = 'open'")
        .bind(user)
        .bind(session)
}

/// Closes a session.
pub fn close(user: &UserId, session: &SessionId, now: Timestamp) -> Write {
    Write::new("UPDATE sessions SET state = 'closed', updated_at = ?3 WHERE user_id = ?1 AND id = ?2")
        .bind(user)
        .bind(session)
        .bind(now)
}

/// What a channel knows that outlives it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChannelRest {
    /// The shared text.
    pub scratch: String,
    /// How many edits made it.
    pub scratch_revision: i64,
    /// Of its event log.
    pub last_sequence: i64,
}

/// Keeps what a channel knows that fell idle, unless something later is kept.
pub fn keep_rest(user: &UserId, session: &SessionId, rest: &ChannelRest, now: Timestamp) -> Write {
    Write::new(
        "UPDATE sessions SET scratch = ?3, scratch_revision = ?4, last_sequence = ?5, updated_at = ?6
         WHERE user_id = ?1 AND id = ?2 AND last_sequence <= ?5",
    )
    .bind(user)
    .bind(session)
    .bind(rest.scratch.as_str())
    .bind(rest.scratch_revision)
    .bind(rest.last_sequence)
    .bind(now)
}
