//! Jobs as their owners see them.

use const_format::formatcp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    ids::{ItemId, JobId, UserId},
    job::kind::JobKind,
    platform::transaction::Query,
    store::{columns::flag, jobs::documents::document_state},
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
    /// Of an upload that was read at once: its documents that cannot be indexed.
    pub rejected: i64,
}

/// Reads a user's job that was accepted.
pub fn job(user: &UserId, job: &JobId) -> Query<JobRow> {
    // Of a question the answer, which is the message after it; of a streamed upload how far it is.
    // Until a job is accepted nobody sees it.
    Query::new(
        "SELECT j.id, j.kind, j.created_at, j.finished_at, j.cancelled_at, j.due_at, j.receipt, j.turn,
                j.rejected, t.content AS answer, t.detail,
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
    /// `index`, `delete`, `restore`, `chat`, `archive` or `capture`.
    #[schemars(with = "String")]
    pub kind: JobKind,
    /// How it is, in the words of `GET /api/jobs/{id}`.
    pub status: String,
    /// How many documents it is about.
    pub documents: i64,
    /// How many documents that came with them cannot be indexed.
    pub rejected: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When every item of it was terminal.
    pub finished_at: Option<Timestamp>,
    /// When its owner stopped it.
    pub cancelled_at: Option<Timestamp>,
}

/// Reads a user's jobs, the newest first, from the one after `cursor` on; those of one kind or status only, if that is
/// wanted.
pub fn list(user: &UserId, wanted: &WantedJobs, limit: i64) -> Query<JobEntry> {
    // What has failed is in an index of its own, so that a job that went well costs no look at its items; of one
    // that goes on the first item tells as a rule whether anything was begun.
    Query::new(formatcp!(
        "SELECT id, kind, status, documents, rejected, created_at, finished_at, cancelled_at FROM (
             SELECT j.id, j.kind, j.documents, j.rejected + coalesce(u.rejected, 0) AS rejected,
                    j.created_at, j.finished_at, j.cancelled_at,
                    CASE WHEN j.finished_at IS NULL AND EXISTS (
                             SELECT 1 FROM job_items i WHERE i.id BETWEEN j.first_item AND j.last_item
                               AND i.state = 'parked')
                           AND NOT EXISTS (
                             SELECT 1 FROM job_items i WHERE i.id BETWEEN j.first_item AND j.last_item
                               AND i.state IN ('queued', 'running', 'uploading'))
                         THEN 'parked'
                         WHEN j.finished_at IS NULL AND coalesce(u.read, 0) = 0 AND NOT EXISTS (
                             SELECT 1 FROM job_items i WHERE i.id BETWEEN j.first_item AND j.last_item
                               AND (i.state NOT IN ('queued', 'waiting') OR i.attempts > 0 OR i.progress > 0))
                         THEN 'queued'
                         WHEN j.finished_at IS NULL THEN 'running'
                         WHEN j.cancelled_at IS NOT NULL THEN 'cancelled'
                         WHEN j.rejected + coalesce(u.rejected, 0) = 0 AND u.broken IS NULL AND NOT EXISTS (
                             SELECT 1 FROM job_items i INDEXED BY items_with_failures
                             WHERE i.id BETWEEN j.first_item AND j.last_item
                               AND (i.state IN ('failed', 'cancelled') OR i.failures IS NOT NULL))
                         THEN 'succeeded'
                         WHEN coalesce(u.duplicates + u.superseded, 0) > 0 OR EXISTS (
                             SELECT 1 FROM job_items p LEFT JOIN job_items b ON b.id = p.batch
                             LEFT JOIN json_each(p.documents) d
                             WHERE p.id BETWEEN j.first_item AND j.last_item AND p.document_count > 0
                               AND CASE WHEN p.batch IS NULL THEN p.state ELSE {DOCUMENT_STATE} END = 'done')
                         THEN 'partial'
                         ELSE 'failed' END AS status
             FROM jobs j LEFT JOIN uploads u ON u.job_id = j.id
             WHERE j.user_id = ?1 AND j.kind <> '{PURGE}' AND j.accepted_at IS NOT NULL
               AND (?2 IS NULL OR j.id < ?2) AND (?3 IS NULL OR j.kind = ?3) ORDER BY j.id DESC)
         WHERE ?4 IS NULL OR status = ?4 LIMIT ?5",
        PURGE = JobKind::Purge.name(),
        DOCUMENT_STATE = document_state!("d.value ->> 'id'"),
    ))
    .bind(user)
    .bind(wanted.cursor.as_ref())
    .bind(wanted.kind.as_deref())
    .bind(wanted.status.as_deref())
    .bind(limit)
}

/// Which of a user's jobs are wanted.
#[derive(Clone, Debug)]
pub struct WantedJobs {
    /// Those before this id.
    pub cursor: Option<JobId>,
    /// Those of this kind.
    pub kind: Option<String>,
    /// Those of this status.
    pub status: Option<String>,
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
