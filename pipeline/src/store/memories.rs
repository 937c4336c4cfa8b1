//! What users want remembered, with its full-text index: the tables `memories` and `memories_fts`.
//!
//! A user has so few memories that recall looks at all of them; the embeddings lie beside the text. The index
//! holds the active ones, under the row numbers of `memories`.

pub mod proposals;
pub mod recall;

use const_format::formatcp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    constants,
    failure::Failure,
    ids::{MemoryId, UserId},
    job::item::Claim,
    platform::{
        statement::json,
        transaction::{Query, Write},
    },
    scope::Scope,
    store::{columns::flag, conditions::HELD, retention::past_retention},
    time::{DAY, Timestamp},
};

/// Something remembered.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Memory")]
pub struct MemoryRow {
    /// Its id.
    pub id: MemoryId,
    /// `fact`, `preference`, `decision`, `instruction` or `note`.
    pub kind: String,
    /// What is remembered.
    pub text: String,
    /// Where it comes from.
    pub source: Option<String>,
    /// From 0 to 1.
    pub confidence: f64,
    /// `proposed`, `active` or `superseded`.
    pub state: String,
    /// In every prompt.
    #[serde(deserialize_with = "flag")]
    pub pinned: bool,
    /// What it corrects.
    pub supersedes: Option<MemoryId>,
    /// When it was remembered.
    pub created_at: Timestamp,
    /// When it was last recalled.
    pub recalled_at: Option<Timestamp>,
}

/// The columns of a [`MemoryRow`].
const MEMORY: &str = "id, kind, text, source, confidence, state, pinned, supersedes, created_at, recalled_at";

/// Reads a user's memory.
pub fn memory(user: &UserId, memory: &MemoryId) -> Query<MemoryRow> {
    Query::new(formatcp!("SELECT {MEMORY} FROM memories WHERE user_id = ?1 AND id = ?2")).bind(user).bind(memory)
}

/// Reads a user's memory of these words; `hash` is [`fingerprint::of_words`](crate::fingerprint::of_words).
pub fn of_words(user: &UserId, hash: &str) -> Query<MemoryRow> {
    Query::new(formatcp!("SELECT {MEMORY} FROM memories WHERE user_id = ?1 AND hash = ?2")).bind(user).bind(hash)
}

/// Reads a user's memories in a state, or in any, the newest first, from the one after `cursor` on.
pub fn list(user: &UserId, state: Option<String>, cursor: Option<&MemoryId>, limit: i64) -> Query<MemoryRow> {
    Query::new(formatcp!(
        "SELECT {MEMORY} FROM memories
         WHERE user_id = ?1 AND (?2 IS NULL OR id < ?2) AND (?3 IS NULL OR state = ?3) ORDER BY id DESC LIMIT ?4"
    ))
    .bind(user)
    .bind(cursor)
    .bind(state)
    .bind(limit)
}

/// A memory that is to be inserted.
#[derive(Clone, Copy, Debug)]
pub struct NewMemoryRow<'a> {
    /// Its id.
    pub id: &'a MemoryId,
    /// Whose it is.
    pub user: &'a UserId,
    /// `fact`, `preference`, `decision`, `instruction` or `note`.
    pub kind: &'a str,
    /// What is remembered.
    pub text: &'a str,
    /// Of its words.
    pub hash: &'a str,
    /// Where it comes from.
    pub source: Option<&'a str>,
    /// From 0 to 1.
    pub confidence: f64,
    /// In every prompt.
    pub pinned: bool,
    /// What it corrects.
    pub supersedes: Option<&'a MemoryId>,
    /// Its embedding as text.
    pub embedding: Option<&'a str>,
    /// Now.
    pub now: Timestamp,
}

/// Remembers something, unless the user has as many memories as there may be. The same words are
/// remembered once: what is known of them becomes active, and is corrected.
pub fn insert(new: NewMemoryRow<'_>) -> Write {
    Write::new(
        "INSERT INTO memories (id, user_id, kind, text, hash, source, confidence, state, pinned, supersedes, embedding,
                               created_at)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, 'active', ?8, ?9, ?10, ?11
         WHERE (SELECT count(*) FROM memories WHERE user_id = ?2) < ?12
         ON CONFLICT (user_id, hash) DO UPDATE SET state = 'active', supersedes = excluded.supersedes,
             confidence = excluded.confidence, pinned = excluded.pinned, embedding = excluded.embedding",
    )
    .bind(new.id)
    .bind(new.user)
    .bind(new.kind)
    .bind(new.text)
    .bind(new.hash)
    .bind(new.source)
    .bind(new.confidence)
    .bind(new.pinned)
    .bind(new.supersedes)
    .bind(new.embedding)
    .bind(new.now)
    .bind(constants::MEMORIES)
}

/// Puts the active memory of these words into the full-text index; again changes nothing.
pub fn index(user: &UserId, hash: &str, scope: &Scope) -> Write {
    Write::new(
        "INSERT OR REPLACE INTO memories_fts (rowid, scope, body)
         SELECT number, ?3, text FROM memories WHERE user_id = ?1 AND hash = ?2 AND state = 'active'",
    )
    .bind(user)
    .bind(hash)
    .bind(scope.terms())
}

/// Lets an active memory, the one of the words `hash`, take another's place: that one is no longer
/// recalled, and leaves the full-text index.
pub fn supersede(user: &UserId, superseded: Option<&MemoryId>, hash: &str) -> [Write; 2] {
    let supersede = Write::new(
        "UPDATE memories SET state = 'superseded', pinned = 0 WHERE user_id = ?1 AND id = ?2 AND hash <> ?3
           AND EXISTS (SELECT 1 FROM memories WHERE user_id = ?1 AND hash = ?3 AND state = 'active')",
    );
    let unindex = Write::new(
        "DELETE FROM memories_fts WHERE rowid IN (
             SELECT number FROM memories WHERE user_id = ?1 AND id = ?2 AND state = 'superseded')",
    );
    [supersede.bind(user).bind(superseded).bind(hash), unindex.bind(user).bind(superseded)]
}

/// Confirms a memory that was proposed, or brings back one that was corrected. An embedding that could
/// not be made leaves the one that is there.
pub fn activate(user: &UserId, memory: &MemoryId, embedding: Option<&str>) -> Write {
    Write::new(
        "UPDATE memories SET state = 'active', embedding = coalesce(?3, embedding)
         WHERE user_id = ?1 AND id = ?2 AND state <> 'active'",
    )
    .bind(user)
    .bind(memory)
    .bind(embedding)
}

/// Takes a memory out of the full-text index; to be done before [`delete`] removes its row.
pub fn unindex(user: &UserId, memory: &MemoryId) -> Write {
    Write::new("DELETE FROM memories_fts WHERE rowid IN (SELECT number FROM memories WHERE user_id = ?1 AND id = ?2)")
        .bind(user)
        .bind(memory)
}

/// Removes a memory, with its text and its embedding.
pub fn delete(user: &UserId, memory: &MemoryId) -> Write {
    Write::new("DELETE FROM memories WHERE user_id = ?1 AND id = ?2").bind(user).bind(memory)
}

/// Notes that memories were of use; once a day at most, since it only shows their owner when they last were.
///
/// # Errors
/// A bug if the data cannot be written as JSON.
pub fn mark_recalled(claim: &Claim, memories: &[MemoryId], now: Timestamp) -> Result<Write, Failure> {
    Ok(claim
        .fenced(formatcp!(
            "UPDATE memories SET recalled_at = ?4
             WHERE user_id = ?3 AND id IN (SELECT value FROM json_each(?5))
               AND (recalled_at IS NULL OR recalled_at < ?6)
               AND {HELD}"
        ))
        .bind(&claim.user)
        .bind(now)
        .bind(json(&memories)?)
        .bind(now.plus(-DAY)))
}

/// The row numbers of memories past their owners' retention; pinned ones stay.
pub(in crate::store) const PAST_RETENTION: &str = formatcp!(
    "SELECT old.number {OLD} AND old.pinned = 0",
    OLD = past_retention!("memories", "old.created_at", "memory_days", "?1", "?2"),
);

/// Removes memories that are older than their owners want: from the full-text index, then the rows.
pub fn delete_past_retention(now: Timestamp) -> [Write; 2] {
    [
        formatcp!("DELETE FROM memories_fts WHERE rowid IN ({PAST_RETENTION})"),
        formatcp!("DELETE FROM memories WHERE number IN ({PAST_RETENTION})"),
    ]
    .map(|sql| Write::new(sql).bind(now).bind(DAY))
}
