//! What users want remembered, with its full-text index: the table `memories` and one of each
//! user ([`words`](super::users::words)).
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
    indexed::IndexedRow,
    job::item::Claim,
    merge_patch::Change,
    platform::{
        statement::json,
        transaction::{Query, Write},
    },
    store::{
        columns::flag,
        conditions::HELD,
        retention::past_retention,
        users::{TENANT, words::Words},
    },
    tenant::Tenant,
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
pub fn index(user: &UserId, words: Words, hash: &str, text: &str) -> Write {
    index_found(formatcp!("{INDEX} user_id = ?2 AND hash = ?3 AND state = 'active'"), words, text).bind(user).bind(hash)
}

/// The same for a memory that is named.
pub fn index_named(user: &UserId, words: Words, memory: &MemoryId, text: &str) -> Write {
    index_found(formatcp!("{INDEX} user_id = ?2 AND id = ?3 AND state = 'active'"), words, text).bind(user).bind(memory)
}

/// The beginning of what puts memories into the full-text index, each with its words as they are divided (`?1`).
const INDEX: &str = "INSERT OR REPLACE INTO memories_fts_@user (rowid, body)
     SELECT number, text || ' ' || ?1 FROM memories WHERE";

fn index_found(sql: &'static str, words: Words, text: &str) -> Write {
    Write::new(sql).over(words).bind(unspaced::indexed(text))
}

/// Puts memories of a user into the full-text index whose rows were made anew: those that hold by now. Again it changes
/// nothing.
///
/// # Errors
/// A bug if the rows cannot be written as JSON.
pub fn index_anew(user: &UserId, words: Words, rows: &[IndexedRow]) -> Result<Write, Failure> {
    Ok(Write::new(
        "INSERT OR REPLACE INTO memories_fts_@user (rowid, body)
         SELECT m.number, m.text || ' ' || (r.value ->> 'parts')
         FROM json_each(?1) r CROSS JOIN memories m ON m.number = r.value ->> 'id' AND m.user_id = ?2
         WHERE m.state = 'active'",
    )
    .over(words)
    .bind(json(&rows)?)
    .bind(user))
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
pub fn supersede_confirmed(user: &UserId, words: Words, memory: &MemoryId) -> [Write; 2] {
    let supersede = "UPDATE memories SET state = 'superseded', pinned = 0, superseded_by = ?2
         WHERE user_id = ?1 AND state <> 'superseded' AND id = (
             SELECT supersedes FROM memories WHERE user_id = ?1 AND id = ?2 AND state = 'active')";
    let unindex = "DELETE FROM memories_fts_@user WHERE rowid IN (
             SELECT number FROM memories WHERE user_id = ?1 AND state = 'superseded' AND superseded_by = ?2)";
    [Write::new(supersede), Write::new(unindex).over(words)].map(|write| write.bind(user).bind(memory))
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
pub fn unindex(user: &UserId, words: Words, memory: &MemoryId) -> Write {
    Write::new(
        "DELETE FROM memories_fts_@user WHERE rowid IN (SELECT number FROM memories WHERE user_id = ?1 AND id = ?2)",
    )
    .over(words)
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

/// Memories past their owners' retention; pinned ones stay.
const PAST_RETENTION: &str = formatcp!(
    "{OLD} AND old.pinned = 0",
    OLD = past_retention!("memories", "old.created_at", "memory_days", "?1", "?2"),
);

/// Reads users who have memories that are older than they want, so many at most.
pub fn owners_past_retention(now: Timestamp, limit: i64) -> Query<Tenant> {
    Query::new(formatcp!("SELECT DISTINCT {TENANT} {PAST_RETENTION} LIMIT ?3")).bind(now).bind(DAY).bind(limit)
}

/// Removes a user's memories that are older than they want: from the full-text index, then the rows.
pub fn delete_past_retention(user: &UserId, words: Words, now: Timestamp) -> [Write; 2] {
    const NUMBERS: &str = formatcp!("SELECT old.number {PAST_RETENTION} AND u.id = ?3");
    let unindex = Write::new(formatcp!("DELETE FROM memories_fts_@user WHERE rowid IN ({NUMBERS})")).over(words);
    let delete = Write::new(formatcp!("DELETE FROM memories WHERE number IN ({NUMBERS})"));
    [unindex, delete].map(|write| write.bind(now).bind(DAY).bind(user))
}
