//! What is remembered, and what it corrects: statements of one transaction, in the order in which they stand here.
//!
//! Each looks for itself whether the correction is allowed, by the rows as they are when it runs: of two requests at
//! the same time the second finds what the first one wrote. Corrections form trees: a superseded memory names what
//! took its place, and at the end stands one that holds.

use const_format::formatcp;

use super::{MEMORY, MemoryRow, recall::NumberedMemory};
use crate::{
    constants,
    ids::{MemoryId, UserId},
    platform::transaction::{Query, Write},
    store::users::words::Words,
    time::Timestamp,
};

/// Something to remember; what is not said has its default, or stays as it is where the memory is known.
#[derive(Clone, Copy, Debug)]
pub struct NewMemoryRow<'a> {
    /// Its id, unless it is known.
    pub id: &'a MemoryId,
    /// Whose it is.
    pub user: &'a UserId,
    /// The words of their memories.
    pub words: Words,
    /// What is remembered.
    pub text: &'a str,
    /// Of its text.
    pub hash: &'a str,
    /// `fact`, `preference`, `decision`, `instruction` or `note`.
    pub kind: Option<&'a str>,
    /// Where it comes from.
    pub source: Option<&'a str>,
    /// From 0 to 1.
    pub confidence: Option<f64>,
    /// In every prompt.
    pub pinned: Option<bool>,
    /// What it corrects.
    pub supersedes: Option<&'a MemoryId>,
    /// The project that it is about.
    pub project: Option<&'a str>,
    /// Its embedding as text.
    pub embedding: Option<&'a str>,
    /// Now.
    pub now: Timestamp,
}

/// The memory (`?2`, by its hash) corrects nothing, or another (`?3`) that holds: one that was corrected already is
/// not corrected by a second, unless what corrected it was forgotten. The same is true before and after the statements
/// of the transaction have run.
const ALLOWED: &str = "(?3 IS NULL OR EXISTS (
        SELECT 1 FROM memories corrected WHERE corrected.user_id = ?1 AND corrected.id = ?3 AND corrected.hash <> ?2
          AND (corrected.state <> 'superseded'
               OR corrected.superseded_by = (SELECT id FROM memories WHERE user_id = ?1 AND hash = ?2)
               OR NOT EXISTS (SELECT 1 FROM memories first
                              WHERE first.user_id = ?1 AND first.id = corrected.superseded_by))))";

/// The memory if it was corrected: it is said again.
const SAID_AGAIN: &str = "user_id = ?1 AND hash = ?2 AND state = 'superseded'";

/// Reads the memory of a text by the two hashes it may have; see [`of_words`](crate::fingerprint::of_words). The second
/// may find another's.
pub fn of_hashes(user: &UserId, hash: &str, of_words: &str) -> Query<MemoryRow> {
    Query::new(formatcp!("SELECT {MEMORY} FROM memories WHERE user_id = ?1 AND hash IN (?2, ?3)"))
        .bind(user)
        .bind(hash)
        .bind(of_words)
}

/// Reads a user's memory of a text; `hash` is [`fingerprint::of_memory`](crate::fingerprint::of_memory).
pub fn of_hash(user: &UserId, hash: &str) -> Query<NumberedMemory> {
    Query::new(formatcp!("SELECT number, {MEMORY} FROM memories WHERE user_id = ?1 AND hash = ?2"))
        .bind(user)
        .bind(hash)
}

/// Gives a memory that an earlier version wrote the hash of its text.
pub fn rehash(user: &UserId, memory: &MemoryId, hash: &str) -> Write {
    Write::new(
        "UPDATE memories SET hash = ?3 WHERE user_id = ?1 AND id = ?2 AND hash <> ?3
           AND NOT EXISTS (SELECT 1 FROM memories WHERE user_id = ?1 AND hash = ?3)",
    )
    .bind(user)
    .bind(memory)
    .bind(hash)
}

/// What was corrected before and is said again corrects what stands at the end of its corrections; if that was
/// forgotten, what it once corrected itself.
fn correct_last(new: &NewMemoryRow<'_>) -> [Write; 3] {
    let note = formatcp!(
        "UPDATE memories SET supersedes = coalesce((
             WITH RECURSIVE later (id) AS (
                 SELECT superseded_by FROM memories WHERE {SAID_AGAIN}
                 UNION
                 SELECT m.superseded_by FROM later CROSS JOIN memories m ON m.user_id = ?1 AND m.id = later.id
                 WHERE m.state = 'superseded')
             SELECT m.id FROM later CROSS JOIN memories m ON m.user_id = ?1 AND m.id = later.id
             WHERE m.state <> 'superseded' AND m.hash <> ?2), supersedes)
         WHERE {SAID_AGAIN} AND {ALLOWED}"
    );
    let supersede = formatcp!(
        "UPDATE memories SET state = 'superseded', pinned = 0,
             superseded_by = (SELECT id FROM memories WHERE user_id = ?1 AND hash = ?2)
         WHERE user_id = ?1 AND state <> 'superseded' AND id = (SELECT supersedes FROM memories WHERE {SAID_AGAIN})
           AND {ALLOWED}"
    );
    let unindex = formatcp!(
        "DELETE FROM memories_fts_@user WHERE rowid IN (
             SELECT number FROM memories
             WHERE user_id = ?1 AND state = 'superseded' AND id = (SELECT supersedes FROM memories WHERE {SAID_AGAIN}))
           AND {ALLOWED}"
    );
    [Write::new(note), Write::new(supersede), Write::new(unindex).over(new.words)]
        .map(|write| write.bind(new.user).bind(new.hash).bind(new.supersedes))
}

/// Lets the memory take the place of the one it is said to correct, if that is allowed.
fn correct_named(new: &NewMemoryRow<'_>) -> [Write; 2] {
    let supersede = formatcp!(
        "UPDATE memories SET state = 'superseded', pinned = 0,
             superseded_by = coalesce((SELECT id FROM memories WHERE user_id = ?1 AND hash = ?2), ?4)
         WHERE user_id = ?1 AND id = ?3 AND {ALLOWED}"
    );
    let unindex = "DELETE FROM memories_fts_@user WHERE rowid IN (
                       SELECT number FROM memories WHERE user_id = ?1 AND id = ?2 AND state = 'superseded')";
    [
        Write::new(supersede).bind(new.user).bind(new.hash).bind(new.supersedes).bind(new.id),
        Write::new(unindex).over(new.words).bind(new.user).bind(new.supersedes),
    ]
}

/// Takes what is corrected out of the way; to be done before [`insert`].
pub fn correct(new: &NewMemoryRow<'_>) -> Vec<Write> {
    let mut writes = Vec::from(correct_last(new));
    if new.supersedes.is_some() {
        writes.extend(correct_named(new));
    }
    writes
}

/// Remembers something, unless its correction is not allowed or the user has as many memories as may hold. What is
/// known holds again, and takes over what was said of it beside its text; what was corrected is as old as it is now.
pub fn insert(new: &NewMemoryRow<'_>) -> Write {
    Write::new(formatcp!(
        "INSERT INTO memories (id, user_id, kind, text, hash, source, confidence, state, pinned, supersedes, embedding,
                               created_at, project)
         SELECT ?4, ?1, coalesce(?5, 'fact'), ?6, ?2, ?7, coalesce(?8, 1), 'active', coalesce(?9, 0), ?3, ?10, ?11, ?13
         WHERE {ALLOWED}
           AND (EXISTS (SELECT 1 FROM memories WHERE user_id = ?1 AND hash = ?2 AND state <> 'superseded')
                OR (SELECT count(*) FROM memories WHERE user_id = ?1 AND state <> 'superseded') < ?12)
         ON CONFLICT (user_id, hash) DO UPDATE SET
             created_at = CASE WHEN state = 'superseded' THEN excluded.created_at ELSE created_at END,
             state = 'active', superseded_by = NULL, supersedes = coalesce(?3, supersedes), kind = coalesce(?5, kind),
             source = coalesce(?7, source), confidence = coalesce(?8, confidence), pinned = coalesce(?9, pinned),
             embedding = coalesce(?10, embedding), project = coalesce(?13, project)"
    ))
    .bind(new.user)
    .bind(new.hash)
    .bind(new.supersedes)
    .bind(new.id)
    .bind(new.kind)
    .bind(new.text)
    .bind(new.source)
    .bind(new.confidence)
    .bind(new.pinned)
    .bind(new.embedding)
    .bind(new.now)
    .bind(constants::MEMORIES)
    .bind(new.project)
}

/// Reads what corrected a memory, if it was not forgotten.
pub fn correction(user: &UserId, corrected: &MemoryId) -> Query<MemoryRow> {
    Query::new(formatcp!(
        "SELECT {MEMORY} FROM memories WHERE user_id = ?1 AND id = (
             SELECT superseded_by FROM memories WHERE user_id = ?1 AND id = ?2 AND state = 'superseded')"
    ))
    .bind(user)
    .bind(corrected)
}

/// Removes the oldest of a user's superseded memories, beyond those that are kept.
pub fn delete_oldest_superseded(user: &UserId) -> Write {
    Write::new(
        "DELETE FROM memories WHERE number IN (
             SELECT number FROM memories WHERE user_id = ?1 AND state = 'superseded'
             ORDER BY number DESC LIMIT -1 OFFSET ?2)",
    )
    .bind(user)
    .bind(constants::SUPERSEDED_MEMORIES)
}
