//! Memories that somebody's words give rise to, written by the stages chat and capture.

use const_format::formatcp;
use serde::Deserialize;

use super::{MEMORY, MemoryRow};
use crate::{
    constants,
    failure::Failure,
    ids::{MemoryId, UserId},
    job::item::Claim,
    platform::{
        statement::json,
        transaction::{Query, Write},
    },
    store::{conditions::HELD, users::words::Words},
    time::Timestamp,
    unspaced,
};

/// What is known of a user's memories before others are proposed.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct KnownRow {
    /// How many hold.
    pub count: i64,
    /// What those say whose hashes were asked for (a JSON array).
    pub known: Option<String>,
}

/// Reads how many of a user's memories hold, and what those of these hashes say.
///
/// # Errors
/// A bug if the data cannot be written as JSON.
pub fn known(user: &UserId, hashes: &[String]) -> Result<Query<KnownRow>, Failure> {
    Ok(Query::new(
        "SELECT (SELECT count(*) FROM memories WHERE user_id = ?1 AND state <> 'superseded') AS count,
                (SELECT json_group_array(text) FROM memories
                 WHERE user_id = ?1 AND hash IN (SELECT value FROM json_each(?2))) AS known",
    )
    .bind(user)
    .bind(json(&hashes)?))
}

/// A memory that is to be proposed.
#[derive(Clone, Copy, Debug)]
pub struct NewProposal<'a> {
    /// Its id.
    pub id: &'a MemoryId,
    /// `fact`, `preference`, `decision` or `instruction`.
    pub kind: &'a str,
    /// What was stated.
    pub text: &'a str,
    /// Of its text.
    pub hash: &'a str,
    /// Where it was stated: a turn's id, or a session in words.
    pub source: &'a str,
    /// How sure it is that it is worth keeping.
    pub confidence: f64,
    /// The project that it is about.
    pub project: Option<&'a str>,
    /// Why it is proposed.
    pub why: Option<&'a str>,
    /// What it would correct.
    pub supersedes: Option<&'a MemoryId>,
    /// The session of Claude Code that it comes of, which proposes no more than some.
    pub session: Option<&'a str>,
    /// `proposed` until it is confirmed, or `active`.
    pub state: &'a str,
    /// Its embedding as text, if it is accepted without asking.
    pub embedding: Option<&'a str>,
    /// Now.
    pub now: Timestamp,
}

/// Inserts a proposal, unless the same is known, the user has as many memories as may hold, or its session has proposed
/// enough.
pub fn insert(claim: &Claim, new: NewProposal<'_>) -> Write {
    claim
        .fenced(formatcp!(
            "INSERT INTO memories (id, user_id, kind, text, hash, source, confidence, state, pinned, embedding,
                                   created_at, project, why, supersedes)
             SELECT ?3, ?4, ?5, ?6, ?7, ?8, ?13, ?9, 0, ?12, ?10, ?14, ?15, ?16
             WHERE {HELD}
               AND (SELECT count(*) FROM memories WHERE user_id = ?4 AND state <> 'superseded') < ?11
               AND NOT EXISTS (SELECT 1 FROM hook_sessions
                               WHERE user_id = ?4 AND session_id = ?17 AND proposals >= ?18)
             ON CONFLICT DO NOTHING"
        ))
        .bind(new.id)
        .bind(&claim.user)
        .bind(new.kind)
        .bind(new.text)
        .bind(new.hash)
        .bind(new.source)
        .bind(new.state)
        .bind(new.now)
        .bind(constants::MEMORIES)
        .bind(new.embedding)
        .bind(new.confidence)
        .bind(new.project)
        .bind(new.why)
        .bind(new.supersedes)
        .bind(new.session)
        .bind(constants::HOOK_PROPOSALS)
}

/// Notes that a memory was said again in other words: it is surer than before, and no second one is made of it.
pub fn confirm(claim: &Claim, memory: &MemoryId, now: Timestamp) -> Write {
    claim
        .fenced(formatcp!(
            "UPDATE memories SET confidence = max(confidence, min(confidence + 0.1, 0.95)), confirmed_at = ?5
             WHERE user_id = ?3 AND id = ?4 AND state <> 'superseded' AND {HELD}"
        ))
        .bind(&claim.user)
        .bind(memory)
        .bind(now)
}

/// Reads a user's proposals, the newest first. They are in no full-text index.
pub fn proposed(user: &UserId, limit: i64) -> Query<MemoryRow> {
    Query::new(formatcp!(
        "SELECT {MEMORY} FROM memories WHERE user_id = ?1 AND state = 'proposed' ORDER BY id DESC LIMIT ?2"
    ))
    .bind(user)
    .bind(limit)
}

/// Puts a proposal that is active at once into the full-text index; again changes nothing.
pub fn index(claim: &Claim, words: Words, memory: &MemoryId, text: &str) -> Write {
    claim
        .fenced(formatcp!(
            "INSERT OR REPLACE INTO memories_fts_@user (rowid, body)
             SELECT number, text || ' ' || ?4 FROM memories WHERE id = ?3 AND state = 'active'
               AND {HELD}"
        ))
        .over(words)
        .bind(memory)
        .bind(unspaced::indexed(text))
}
