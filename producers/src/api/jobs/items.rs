//! What became of each document of an upload that was too large to be answered at once.

use pipeline::{
    ids::{DocumentId, JobId},
    platform::{ports::Database, transaction::Transaction},
    problem::{Code, Problem},
    store::{
        jobs::read::end,
        uploads::{self, ResultRow, Wanted},
    },
};
use schemars::JsonSchema;
use serde::Serialize;

use super::{id_of, not_found};
use crate::http::{call::Call, paging, reply::Answer};

/// What a list may be cut down to.
pub const STATUSES: [&str; 10] = [
    "queued",
    "running",
    "parked",
    "done",
    "failed",
    "cancelled",
    "superseded",
    "duplicate",
    "in_progress",
    "rejected",
];

/// Documents that a page looks at for those in one state: each is up to four rows of D1.
const WINDOW: i64 = 1_000;

/// A document of a streamed upload.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "UploadedDocument")]
pub struct ItemView {
    /// How many documents of the upload stand before it.
    index: u64,
    /// The client's name for it.
    external_id: Option<String>,
    /// Ours.
    document_id: Option<DocumentId>,
    /// `duplicate`, `in_progress`, `rejected`, `superseded` (what was uploaded or deleted after this upload is newer),
    /// or how far what is indexed has come.
    status: String,
    /// Of what another upload was bringing already: that upload's job.
    #[serde(skip_serializing_if = "Option::is_none")]
    job_id: Option<JobId>,
    /// Why it was rejected.
    error: Option<Problem>,
}

/// `GET /api/jobs/{id}/items`: in the upload's order, as far as it is unpacked; for seven days after the job has ended.
///
/// A page looks at so many documents at most. One of a state that few documents are in may be short, or empty, and
/// have a next all the same.
pub async fn items<P: Database>(ports: &P, call: &Call<'_>) -> Answer {
    let (limit, cursor) = paging::page(call, paging::number)?;
    let after = cursor.unwrap_or(-1);
    let status = paging::one_of(call, "status", &STATUSES)?;
    let job = id_of(call)?;
    let user = &call.tenant.user;
    let window = if status.is_some() { WINDOW } else { limit + 1 };
    let wanted = Wanted { after, window, status: status.as_deref(), limit: limit + 1 };
    let mut transaction = Transaction::default();
    let known = transaction.query(end(user, &job));
    let rows = transaction.query(uploads::results(user, &job, &wanted));
    let count = transaction.query(uploads::result_count(user, &job));
    let done = transaction.commit(ports).await?;
    done.first(known)?.ok_or_else(not_found)?;
    let count = done.first(count)?.ok_or_else(not_found)?;
    let found = count.found.ok_or_else(answered_at_once)?;
    if found > 0 && count.end.is_none() {
        return Err(expired().into());
    }
    let views: Vec<ItemView> = done.all(rows)?.into_iter().map(view).collect();
    let last = after.saturating_add(window);
    let end = count.end.unwrap_or(0);
    let more = (end > last.saturating_add(1)).then(|| last.to_string());
    Ok(paging::page_reply_before(views, limit, |view| view.index.to_string(), more))
}

fn answered_at_once() -> Problem {
    let detail = "this job has no list: what became of each document of an upload of up to 256 KB stands in the answer \
                  to it, which the same Idempotency-Key brings again; GET /api/documents lists what is there";
    Problem::new(Code::Conflict, detail)
}

fn expired() -> Problem {
    let detail = "what became of each document was listed for seven days after the job had ended; GET /api/documents \
                  lists what is there";
    Problem::new(Code::Gone, detail)
}

fn view(row: ResultRow) -> ItemView {
    ItemView {
        index: row.index,
        external_id: row.external_id,
        document_id: row.document_id,
        status: row.status,
        job_id: row.job_id,
        error: row.error.and_then(|error| serde_json::from_str(&error).ok()),
    }
}
