//! `DELETE /api/documents`: those that `GET` lists with the same parameters go together.
//!
//! What one request deletes goes in one transaction, by one job. Where more are meant than one takes, the answer says
//! how many are left and the `cursor` with which the same request goes on; what was uploaded since the first stays.

use http::StatusCode;
use pipeline::{
    constants,
    failure::Failure,
    ids::{ItemId, JobId, UserId},
    platform::{
        ports::{Clock, Database, Deployment, Meter, Queue, Random},
        transaction::Transaction,
    },
    problem::{Code, Problem},
    store::{
        documents::{filter::DocumentFilter, read},
        uploads,
    },
    time::{Span, Timestamp},
};
use schemars::JsonSchema;
use serde::Serialize;

use super::{DocumentView, filter};
use crate::{
    api::jobs,
    http::{
        call::Call,
        reply::{Answer, Reply},
    },
    remove,
};

/// What became of the documents that were to be deleted.
#[derive(Debug, Serialize, JsonSchema)]
pub struct DeletedDocuments<'a> {
    /// The job that removes everywhere what is hidden now; null where nothing is.
    job_id: Option<&'a JobId>,
    /// The job's, when it was made; `succeeded` where nothing had to go, `dry_run` where nothing was to.
    status: &'static str,
    /// How many documents are hidden now.
    deleted: u64,
    /// Since when; null where none is.
    deleted_at: Option<Timestamp>,
    /// How many are left that are meant; of a dry run all of them.
    remaining: u64,
    /// The `cursor` with which the same request deletes what is left; null where nothing is, and of a dry run.
    next_cursor: Option<String>,
    /// Jobs of uploads that were accepted before and are not unpacked yet: what only they bring is not known so far,
    /// and not deleted.
    unpacking: Vec<JobId>,
    /// Of a dry run: those that would go first.
    #[serde(skip_serializing_if = "Option::is_none")]
    documents: Option<Vec<DocumentView>>,
}

/// Answers the route. See the module.
pub async fn delete_matching<P>(ports: &P, call: &Call<'_>) -> Answer
where
    P: Database + Queue + Deployment + Meter + Clock + Random,
{
    let meant = meant(call)?;
    if call.flag("dry_run")? {
        return would_go(ports, call, &meant).await;
    }
    let (user, deleted_at) = (&call.tenant.user, ports.now());
    let most = i64::try_from(constants::DOCUMENTS_PER_DELETE).unwrap_or(i64::MAX);
    let removed = remove::documents(ports, user, &meant, most).await?;
    let unpacking = removed.unpacking;
    let Some(gone) = removed.gone else { return Ok(Reply::json(StatusCode::OK, &nothing_gone(unpacking))) };
    let until = meant.until.unwrap_or(gone.until);
    let remaining = if gone.documents < constants::DOCUMENTS_PER_DELETE as u64 {
        0
    } else {
        count(ports, user, &DocumentFilter { until: Some(until), ..meant }).await?
    };
    let answer = DeletedDocuments {
        job_id: Some(&gone.job),
        status: "queued",
        deleted: gone.documents,
        deleted_at: Some(deleted_at),
        remaining,
        next_cursor: (remaining > 0).then(|| until.to_string()),
        unpacking,
        documents: None,
    };
    match call.wait() {
        Span::ZERO => Ok(Reply::json(StatusCode::ACCEPTED, &answer).of_job(&gone.job)),
        longest => jobs::wait(ports, user, &gone.job, longest, &answer).await,
    }
}

/// What goes: nobody means everything by saying nothing, or by a parameter that a script left empty.
fn meant(call: &Call<'_>) -> Result<DocumentFilter, Problem> {
    const CONDITIONS: [&str; 8] =
        ["external_id", "prefix", "tag", "type", "language", "status", "created_after", "created_before"];
    let conditions: Vec<(&str, String)> =
        CONDITIONS.iter().filter_map(|name| Some((*name, call.parameter(name)?))).collect();
    if conditions.is_empty() {
        let detail = format!(
            "say which documents are to be deleted, by one or several of {}; GET /api/documents lists with the same \
             ones what that is",
            CONDITIONS.join(", ")
        );
        return Err(Problem::new(Code::Invalid, detail));
    }
    if let Some((name, _)) = conditions.iter().find(|(_, value)| value.is_empty()) {
        let detail = "it is empty, which says nothing of what is to be deleted: give it a value, or leave it out";
        return Err(Problem::field(Code::Invalid, *name, detail));
    }
    Ok(DocumentFilter { until: until(call)?, ..filter(call)? })
}

fn until(call: &Call<'_>) -> Result<Option<ItemId>, Problem> {
    let detail = "this is no cursor of a delete: send a next_cursor as it came, or none to begin";
    let read = |cursor: String| {
        let number = cursor.parse().ok().filter(|number| (0..=LARGEST_NUMBER).contains(number));
        number.map(ItemId).ok_or_else(|| Problem::field(Code::Invalid, "cursor", detail))
    };
    call.parameter("cursor").map(read).transpose()
}

/// The largest number that JavaScript carries as it is.
const LARGEST_NUMBER: i64 = (1 << 53) - 1;

async fn count<P: Database>(ports: &P, user: &UserId, meant: &DocumentFilter) -> Result<u64, Failure> {
    let counted = read::count(user, meant).first(ports).await?;
    Ok(counted.map_or(0, |counted| counted.documents))
}

/// The answer to a dry run: reads, and writes nothing.
async fn would_go<P: Database>(ports: &P, call: &Call<'_>, meant: &DocumentFilter) -> Answer {
    let user = &call.tenant.user;
    let page = i64::try_from(constants::PAGE).unwrap_or(i64::MAX);
    let mut look = Transaction::default();
    let counted = look.query(read::count(user, meant));
    let first = look.query(read::list(user, meant, None, page));
    let unpacking = look.query(uploads::unpacking(user));
    let found = look.commit(ports).await?;
    let unpacking = found.all(unpacking)?.into_iter().map(|upload| upload.job_id).collect();
    let answer = DeletedDocuments {
        status: "dry_run",
        remaining: found.first(counted)?.map_or(0, |counted| counted.documents),
        documents: Some(found.all(first)?.into_iter().map(DocumentView::from).collect()),
        ..nothing_gone(unpacking)
    };
    Ok(Reply::json(StatusCode::OK, &answer))
}

fn nothing_gone(unpacking: Vec<JobId>) -> DeletedDocuments<'static> {
    DeletedDocuments {
        job_id: None,
        status: "succeeded",
        deleted: 0,
        deleted_at: None,
        remaining: 0,
        next_cursor: None,
        unpacking,
        documents: None,
    }
}
