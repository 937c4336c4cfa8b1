//! What users want remembered, with its full-text index: the tables `memories` and `memories_fts`.
//!
//! A user has so few memories that recall looks at all of them; the embeddings lie beside the text. The index
//! holds the active ones, under the row numbers of `memories`.

pub mod proposals;
pub mod recall;
pub mod remember;

use const_format::formatcp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    failure::Failure,
    ids::{MemoryId, UserId},
    job::item::Claim,
    merge_patch::Change,
    platform::{
        statement::json,
        transaction::{Query, Write},
    },
    scope::Scope,
    store::{columns::flag, conditions::HELD, retention::past_retention},
    time::{DAY, Timestamp},
    unspaced,
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
    /// What corrected it; may have been forgotten since.
    pub superseded_by: Option<MemoryId>,
    /// When it was remembered.
    pub created_at: Timestamp,
    /// When it was last recalled.
    pub recalled_at: Option<Timestamp>,
    /// The project that it is about, such as `github.com/owner/name`; nothing: whichever.
    pub project: Option<String>,
    /// Of a proposal: why it is one, with what was said.
    pub why: Option<String>,
    /// When it was last said again.
    pub confirmed_at: Option<Timestamp>,
}

/// The columns of a [`MemoryRow`].
const MEMORY: &str = "id, kind, text, source, confidence, state, pinned, supersedes, superseded_by, created_at,
                      recalled_at, project, why, confirmed_at";

/// Reads a user's memory.
pub fn memory(user: &UserId, memory: &MemoryId) -> Query<MemoryRow> {
    Query::new(formatcp!("SELECT {MEMORY} FROM memories WHERE user_id = ?1 AND id = ?2")).bind(user).bind(memory)
}

/// Which memories are listed.
#[derive(Clone, Debug, Default)]
pub struct WantedMemories {
    /// In this state; nothing: in any.
    pub state: Option<String>,
    /// Of this project; nothing: of any, and of none.
    pub project: Option<String>,
    /// Those after this one.
    pub cursor: Option<MemoryId>,
}

/// Reads a user's memories, the newest first.
pub fn list(user: &UserId, wanted: &WantedMemories, limit: i64) -> Query<MemoryRow> {
    Query::new(formatcp!(
        "SELECT {MEMORY} FROM memories
         WHERE user_id = ?1 AND (?2 IS NULL OR id < ?2) AND (?3 IS NULL OR state = ?3) AND (?5 IS NULL OR project = ?5)
         ORDER BY id DESC LIMIT ?4"
    ))
    .bind(user)
    .bind(wanted.cursor.as_ref())
    .bind(wanted.state.as_deref())
    .bind(limit)
    .bind(wanted.project.as_deref())
}

/// Reads what a session is told when it begins: of a user's active memories those that are pinned, and then what was
/// decided and is to be heeded, the project's own before what is about none; the newest of each first.
pub fn for_session(user: &UserId, project: Option<&str>, limit: i64) -> Query<MemoryRow> {
    // What is about another project is none of this one's, unless its owner pinned it.
    Query::new(formatcp!(
        "SELECT {MEMORY} FROM memories
         WHERE user_id = ?1 AND state = 'active'
           AND (pinned OR (kind IN ('decision', 'instruction') AND (?2 IS NULL OR project IS NULL OR project = ?2)))
         ORDER BY pinned DESC, project IS ?2 DESC, number DESC LIMIT ?3"
    ))
    .bind(user)
    .bind(project)
    .bind(limit)
}

/// Puts the active memory of this hash into the full-text index; again changes nothing.
pub fn index(user: &UserId, hash: &str, text: &str, scope: &Scope) -> Write {
    index_found(formatcp!("{INDEX} user_id = ?1 AND hash = ?2 AND state = 'active'"), user, hash, scope)
        .bind(unspaced::indexed(text))
}

/// The same for a memory that is named.
pub fn index_named(user: &UserId, memory: &MemoryId, text: &str, scope: &Scope) -> Write {
    index_found(formatcp!("{INDEX} user_id = ?1 AND id = ?2 AND state = 'active'"), user, memory.as_str(), scope)
        .bind(unspaced::indexed(text))
}

const INDEX: &str = "INSERT OR REPLACE INTO memories_fts (rowid, scope, body)
     SELECT number, ?3, text || ' ' || ?4 FROM memories WHERE";

fn index_found(sql: &'static str, user: &UserId, found_by: &str, scope: &Scope) -> Write {
    Write::new(sql).bind(user).bind(found_by).bind(scope.terms())
}

/// Confirms a memory that was proposed. An embedding that could not be made leaves the one that is there.
pub fn activate(user: &UserId, memory: &MemoryId, embedding: Option<&str>) -> Write {
    Write::new(
        "UPDATE memories SET state = 'active', embedding = coalesce(?3, embedding)
         WHERE user_id = ?1 AND id = ?2 AND state = 'proposed'",
    )
    .bind(user)
    .bind(memory)
    .bind(embedding)
}

/// Lets a memory that was just confirmed take the place of what it was proposed to correct.
pub fn supersede_confirmed(user: &UserId, memory: &MemoryId) -> [Write; 2] {
    let supersede = "UPDATE memories SET state = 'superseded', pinned = 0, superseded_by = ?2
         WHERE user_id = ?1 AND state <> 'superseded' AND id = (
             SELECT supersedes FROM memories WHERE user_id = ?1 AND id = ?2 AND state = 'active')";
    let unindex = "DELETE FROM memories_fts WHERE rowid IN (
             SELECT number FROM memories WHERE user_id = ?1 AND state = 'superseded' AND superseded_by = ?2)";
    [supersede, unindex].map(|sql| Write::new(sql).bind(user).bind(memory))
}

/// What is changed of a memory; `None` leaves a part as it is.
#[derive(Clone, Copy, Debug)]
pub struct MemoryChange<'a> {
    /// `fact`, `preference`, `decision`, `instruction` or `note`.
    pub kind: Option<&'a str>,
    /// Where it comes from.
    pub source: Change<&'a str>,
    /// From 0 to 1.
    pub confidence: Option<f64>,
    /// In every prompt.
    pub pinned: Option<bool>,
    /// The project that it is about.
    pub project: Change<&'a str>,
}

/// Changes what is said of a memory beside its text; one that was corrected stays as it is.
pub fn change(user: &UserId, memory: &MemoryId, change: &MemoryChange<'_>) -> Write {
    Write::new(
        "UPDATE memories SET kind = coalesce(?3, kind), confidence = coalesce(?4, confidence),
             pinned = coalesce(?5, pinned), source = CASE WHEN ?6 THEN ?7 ELSE source END,
             project = CASE WHEN ?8 THEN ?9 ELSE project END
         WHERE user_id = ?1 AND id = ?2 AND state <> 'superseded'",
    )
    .bind(user)
    .bind(memory)
    .bind(change.kind)
    .bind(change.confidence)
    .bind(change.pinned)
    .bind(!change.source.is_none())
    .bind(change.source.value())
    .bind(!change.project.is_none())
    .bind(change.project.value())
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
