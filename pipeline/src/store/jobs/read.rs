//! Jobs as their owners see them.

use const_format::formatcp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    ids::{ItemId, JobId, UserId},
    job::kind::JobKind,
    platform::transaction::Query,
    store::columns::flag,
    time::Timestamp,
};

/// A job, with the answer of its turn if it is a chat's.
#[derive(Clone, Debug, Deserialize)]
pub struct JobRow {
    /// Its id.
    pub id: JobId,
    /// What it is for.
    pub kind: JobKind,
    /// When it was made.
    pub created_at: Timestamp,
    /// When every item of it was terminal.
    pub finished_at: Option<Timestamp>,
    /// When its owner stopped it.
    pub cancelled_at: Option<Timestamp>,
    /// If it is later than now: all that is left is parked until then.
    pub due_at: Timestamp,
    /// Of a delete: what was removed where; of a cancelled upload: what is to be sent again (JSON).
    pub receipt: Option<String>,
    /// Of a chat: the turn (JSON).
    pub turn: Option<String>,
    /// Of a chat: the answer's text.
    pub answer: Option<String>,
    /// Of a chat: what is kept beside the answer (JSON).
    pub detail: Option<String>,
    /// Of a streamed upload: how far it is unpacked (JSON).
    pub upload: Option<String>,
}

/// Reads a user's job that was accepted.
pub fn job(user: &UserId, job: &JobId) -> Query<JobRow> {
    // Of a question the answer, which is the message after it; of a streamed upload how far it is.
    // Until a job is accepted nobody sees it.
    Query::new(
        "SELECT j.id, j.kind, j.created_at, j.finished_at, j.cancelled_at, j.due_at, j.receipt, j.turn,
                t.content AS answer, t.detail,
                CASE WHEN u.job_id IS NOT NULL THEN json_object(
                    'bytes', u.bytes, 'read', u.read, 'queued', u.queued, 'duplicates', u.duplicates,
                    'superseded', u.superseded, 'rejected', u.rejected, 'broken', json(u.broken)) END AS upload
         FROM jobs j LEFT JOIN uploads u ON u.job_id = j.id
         LEFT JOIN turns t ON t.user_id = j.user_id AND t.conversation_id = j.turn ->> '$.conversation_id'
              AND t.number = (j.turn ->> '$.number') + 1
         WHERE j.id = ?1 AND j.user_id = ?2 AND j.accepted_at IS NOT NULL",
    )
    .bind(job)
    .bind(user)
}

/// When a job ended.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct JobEnd {
    /// When every item of it was terminal.
    pub finished_at: Option<Timestamp>,
    /// When its owner stopped it.
    pub cancelled_at: Option<Timestamp>,
}

/// Reads whether a user's job has ended, for who waits for it: one row, whatever it is about.
pub fn end(user: &UserId, job: &JobId) -> Query<JobEnd> {
    Query::new("SELECT finished_at, cancelled_at FROM jobs WHERE id = ?1 AND user_id = ?2 AND accepted_at IS NOT NULL")
        .bind(job)
        .bind(user)
}

/// What changes when a job ends or goes on.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct MarkRow {
    /// When every item of it was terminal.
    pub finished_at: Option<Timestamp>,
    /// If it is later than now: all that is left is parked until then.
    pub due_at: Timestamp,
}

/// Reads whether a look at all items of a user's job can show anything new: one row.
pub fn mark(user: &UserId, job: &JobId) -> Query<MarkRow> {
    Query::new("SELECT finished_at, due_at FROM jobs WHERE id = ?1 AND user_id = ?2").bind(job).bind(user)
}

/// A job in a list.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "JobSummary")]
pub struct JobEntry {
    /// Its id.
    pub id: JobId,
    /// `index`, `delete`, `restore`, `chat` or `archive`.
    #[schemars(with = "String")]
    pub kind: JobKind,
    /// How many documents it is about.
    pub documents: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When every item of it was terminal.
    pub finished_at: Option<Timestamp>,
    /// When its owner stopped it.
    pub cancelled_at: Option<Timestamp>,
}

/// Reads a user's jobs, the newest first, from the one after `cursor` on.
pub fn list(user: &UserId, cursor: Option<String>, limit: i64) -> Query<JobEntry> {
    Query::new(formatcp!(
        "SELECT id, kind, documents, created_at, finished_at, cancelled_at FROM jobs
         WHERE user_id = ?1 AND kind <> '{PURGE}' AND accepted_at IS NOT NULL AND (?2 IS NULL OR id < ?2)
         ORDER BY id DESC LIMIT ?3",
        PURGE = JobKind::Purge.name(),
    ))
    .bind(user)
    .bind(cursor)
    .bind(limit)
}

/// What a chat job is about.
#[derive(Clone, Debug, Deserialize)]
pub struct TurnRow {
    /// The turn (JSON); `None` for a job of another kind.
    pub turn: Option<String>,
    /// Its item.
    pub first_item: ItemId,
}

/// Reads the turn of a user's chat job.
pub fn turn(user: &UserId, job: &JobId) -> Query<TurnRow> {
    Query::new("SELECT turn, first_item FROM jobs WHERE id = ?1 AND user_id = ?2").bind(job).bind(user)
}

/// Whether what a job brings has arrived.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct ArrivalRow {
    /// When every item of it was terminal.
    pub finished_at: Option<Timestamp>,
    /// Every item of it and every document is done: none has failed, none was cancelled.
    #[serde(deserialize_with = "flag")]
    pub is_whole: bool,
}

/// Reads whether what a user's job brings has arrived.
pub fn arrival(user: &UserId, job: &JobId) -> Query<ArrivalRow> {
    // Asked with every search that names the job, so it must not look at all items: of a job that has ended, those
    // that are not done are in an index.
    Query::new(
        "SELECT finished_at, finished_at IS NOT NULL AND NOT EXISTS (
             SELECT 1 FROM job_items INDEXED BY items_with_failures WHERE id BETWEEN first_item AND last_item
               AND (state IN ('failed', 'cancelled') OR failures IS NOT NULL)) AS is_whole
         FROM jobs WHERE id = ?1 AND user_id = ?2",
    )
    .bind(job)
    .bind(user)
}
