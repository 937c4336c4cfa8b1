//! Memories that a question gives rise to, written by the chat stage.

use const_format::formatcp;
use serde::Deserialize;

use crate::{
    constants,
    failure::Failure,
    ids::{MemoryId, TurnId, UserId},
    job::item::Claim,
    platform::{
        statement::json,
        transaction::{Query, Write},
    },
    scope::Scope,
    store::conditions::HELD,
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
    /// `fact` or `preference`.
    pub kind: &'a str,
    /// What was stated.
    pub text: &'a str,
    /// Of its text.
    pub hash: &'a str,
    /// The turn whose question stated it.
    pub turn: &'a TurnId,
    /// `proposed` until it is confirmed, or `active`.
    pub state: &'a str,
    /// Its embedding as text, if it is accepted without asking.
    pub embedding: Option<&'a str>,
    /// Now.
    pub now: Timestamp,
}

/// Inserts a proposal, unless the same is known or the user has as many memories as may hold.
pub fn insert(claim: &Claim, new: NewProposal<'_>) -> Write {
    claim
        .fenced(formatcp!(
            "INSERT INTO memories (id, user_id, kind, text, hash, source, confidence, state, pinned, embedding,
                                   created_at)
             SELECT ?3, ?4, ?5, ?6, ?7, ?8, 0.6, ?9, 0, ?12, ?10
             WHERE {HELD}
               AND (SELECT count(*) FROM memories WHERE user_id = ?4 AND state <> 'superseded') < ?11
             ON CONFLICT DO NOTHING"
        ))
        .bind(new.id)
        .bind(&claim.user)
        .bind(new.kind)
        .bind(new.text)
        .bind(new.hash)
        .bind(new.turn)
        .bind(new.state)
        .bind(new.now)
        .bind(constants::MEMORIES)
        .bind(new.embedding)
}

/// Puts a proposal that is active at once into the full-text index; again changes nothing.
pub fn index(claim: &Claim, memory: &MemoryId, text: &str, scope: &Scope) -> Write {
    claim
        .fenced(formatcp!(
            "INSERT OR REPLACE INTO memories_fts (rowid, scope, body)
             SELECT number, ?4, text || ' ' || ?5 FROM memories WHERE id = ?3 AND state = 'active'
               AND {HELD}"
        ))
        .bind(memory)
        .bind(scope.terms())
        .bind(unspaced::indexed(text))
}
