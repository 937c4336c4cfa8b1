//! What hooks of Claude Code told and heard, a row a session: the table `hook_sessions`.
//!
//! A row is written only when something is told or heard: most prompts cost none.

use const_format::formatcp;
use serde::Deserialize;

use crate::{
    constants,
    failure::Failure,
    ids::{JobId, MemoryId, UserId},
    job::{cursors::Said, item::Claim},
    platform::{
        statement::json,
        transaction::{Query, Write},
    },
    store::conditions::HELD,
    time::Timestamp,
};

/// What decides what a session is told, and how much more is proposed of it.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct HookSession {
    /// The project it works in, if its start said so.
    pub project: Option<String>,
    /// The names of what was told, each behind a line end.
    pub told: String,
    /// How many memories were proposed of it.
    pub proposals: i64,
}

impl HookSession {
    /// Returns true if something of this name was told.
    pub fn was_told(&self, name: &str) -> bool {
        self.told.split('\n').any(|told| told == name)
    }
}

/// Reads a session of a user; no row for one in which nothing was told or heard.
pub fn session(user: &UserId, session: &str) -> Query<HookSession> {
    Query::new("SELECT project, told, proposals FROM hook_sessions WHERE user_id = ?1 AND session_id = ?2")
        .bind(user)
        .bind(session)
}

/// When a session was last heard of.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct LastSession {
    /// Then; nothing if there was none.
    pub used_at: Option<Timestamp>,
}

/// Reads when a user last worked in a project, in another session than this one.
pub fn last(user: &UserId, project: Option<&str>, but: Option<&str>) -> Query<LastSession> {
    Query::new(
        "SELECT max(used_at) AS used_at FROM hook_sessions
         WHERE user_id = ?1 AND project IS ?2 AND session_id IS NOT ?3",
    )
    .bind(user)
    .bind(project)
    .bind(but)
}

/// Notes that a session begins, or begins anew with an empty context, and what it is told.
pub fn begin(user: &UserId, session: &str, project: Option<&str>, told: &str, now: Timestamp) -> Write {
    Write::new(
        "INSERT INTO hook_sessions (user_id, session_id, project, started_at, used_at, told, said, captures, proposals)
         VALUES (?1, ?2, ?3, ?5, ?5, ?4, '[]', 0, 0)
         ON CONFLICT (user_id, session_id) DO UPDATE SET
             project = coalesce(excluded.project, project), used_at = excluded.used_at, told = excluded.told",
    )
    .bind(user)
    .bind(session)
    .bind(project)
    .bind(told)
    .bind(now)
}

/// Notes what a session is told beside what it was told before. `told` is names, each behind a line end. The project is
/// noted where none is so far.
pub fn tell(user: &UserId, session: &str, project: Option<&str>, told: &str, now: Timestamp) -> Write {
    // The newest names: those that were told long ago are out of the model's sight.
    Write::new(
        "INSERT INTO hook_sessions (user_id, session_id, started_at, used_at, told, said, captures, proposals, project)
         VALUES (?1, ?2, ?4, ?4, ?3, '[]', 0, 0, ?6)
         ON CONFLICT (user_id, session_id) DO UPDATE SET project = coalesce(project, excluded.project),
             used_at = excluded.used_at, told = substr(told || excluded.told, -?5)",
    )
    .bind(user)
    .bind(session)
    .bind(told)
    .bind(now)
    .bind(constants::HOOK_TOLD_BYTES)
    .bind(project)
}

/// Keeps what was said in a session until it is captured, unless as much is kept as may be or enough was proposed. The
/// project is noted where none is so far.
///
/// # Errors
/// A bug if the data cannot be written as JSON.
pub fn hear(
    user: &UserId,
    session: &str,
    project: Option<&str>,
    said: &Said,
    now: Timestamp,
) -> Result<Write, Failure> {
    Ok(Write::new(
        "INSERT INTO hook_sessions (user_id, session_id, started_at, used_at, told, said, captures, proposals, project)
         VALUES (?1, ?2, ?4, ?4, '', json_array(json(?3)), 0, 0, ?8)
         ON CONFLICT (user_id, session_id) DO UPDATE SET project = coalesce(project, excluded.project),
             used_at = excluded.used_at, said = json_insert(said, '$[#]', json(?3))
         WHERE proposals < ?5 AND captures < ?6 AND length(said) + length(?3) < ?7",
    )
    .bind(user)
    .bind(session)
    .bind(json(said)?)
    .bind(now)
    .bind(constants::HOOK_PROPOSALS)
    .bind(constants::HOOK_CAPTURES)
    .bind(constants::HOOK_SAID_BYTES)
    .bind(project))
}

/// A session by its id.
#[derive(Clone, Debug, Deserialize)]
pub struct SessionId {
    /// As Claude Code calls it.
    pub session_id: String,
}

/// A session of the user, but for this one, in which something was said that nobody handed over since `before`: its end
/// was not told.
pub fn left_behind(user: &UserId, but: Option<&str>, before: Timestamp) -> Query<SessionId> {
    Query::new(
        "SELECT session_id FROM hook_sessions
         WHERE user_id = ?1 AND session_id IS NOT ?2 AND said <> '[]' AND used_at < ?3 AND captures < ?4
         ORDER BY used_at LIMIT 1",
    )
    .bind(user)
    .bind(but)
    .bind(before)
    .bind(constants::HOOK_CAPTURES)
}

/// Takes what was said out of a session's row, in the transaction that gave it to a job.
pub fn take_said(job: &JobId, user: &UserId, session: &str, now: Timestamp) -> Write {
    Write::new(
        "UPDATE hook_sessions SET said = '[]', captures = captures + 1, captured_at = ?4
         WHERE user_id = ?2 AND session_id = ?3 AND EXISTS (SELECT 1 FROM jobs WHERE id = ?1)",
    )
    .bind(job)
    .bind(user)
    .bind(session)
    .bind(now)
}

/// Counts a memory that an earlier statement of the transaction proposed, if it did.
pub fn count_proposal(claim: &Claim, session: &str, memory: &MemoryId) -> Write {
    claim
        .fenced(formatcp!(
            "UPDATE hook_sessions SET proposals = proposals + 1
             WHERE user_id = ?3 AND session_id = ?4 AND EXISTS (SELECT 1 FROM memories WHERE id = ?5) AND {HELD}"
        ))
        .bind(&claim.user)
        .bind(session)
        .bind(memory)
}

/// Removes sessions that were not heard of since.
pub fn expire(before: Timestamp) -> Write {
    Write::new("DELETE FROM hook_sessions WHERE used_at < ?1").bind(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_was_told_if_it_was_told_whole() {
        let session = HookSession { told: "\nmem_1\ndoc_2/3".to_owned(), ..HookSession::default() };
        assert!(session.was_told("mem_1") && session.was_told("doc_2/3"));
        assert!(!session.was_told("mem_") && !session.was_told("doc_2/30"));
    }
}
