//! Dead letters: what failed for good, why, and trying it once more.

use http::StatusCode;
use pipeline::{
    ids::JobId,
    platform::ports::{Channels, Clock, Database, Queue},
    problem::{Code, Problem},
    store::dead_letters,
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    api::jobs::{self, Letter},
    http::{
        call::Call,
        paging::{self, Behind},
        reply::{Answer, Reply},
    },
};

/// The job that tries again.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Replayed {
    job_id: JobId,
}

/// `GET /api/dead-letters`: the tenant's, the newest first.
pub async fn list<P: Database>(ports: &P, call: &Call<'_>) -> Answer {
    let (limit, cursor) = paging::page(call, Behind::parse)?;
    let behind = cursor.as_ref().map(|behind| (behind.time, behind.id.as_str()));
    let letters = dead_letters::list(&call.tenant.user, behind, limit + 1).all(ports).await?;
    Ok(paging::page_reply(letters, limit, |letter| Behind::cursor(letter.created_at, &letter.id)))
}

/// `POST /api/dead-letters/{id}/replay`: its item tries again from where it failed, while its job is there: letters
/// are kept for longer than jobs.
pub async fn replay<P: Database + Queue + Channels + Clock>(ports: &P, call: &Call<'_>) -> Answer {
    let user = &call.tenant.user;
    let failed = dead_letters::failed_item(user, call.id).first(ports).await?;
    let failed = failed.ok_or_else(|| {
        Problem::new(Code::NotFound, "there is no such dead letter; GET /api/dead-letters lists yours")
    })?;
    let (Some(item), Some(job)) = (failed.item_id, failed.job_id) else { return Err(expired().into()) };
    if jobs::requeue(ports, user, &job, Some(Letter { id: call.id, item })).await? == 0 {
        return Err(nothing_failed().into());
    }
    Ok(Reply::json(StatusCode::ACCEPTED, &Replayed { job_id: job.clone() }).of_job(&job))
}

fn nothing_failed() -> Problem {
    let detail = "its item is not failed any more, since it was tried again: GET /api/jobs/{id} says how far it is";
    Problem::new(Code::Conflict, detail)
}

fn expired() -> Problem {
    let detail = "its job ended more than seven days ago and has expired, so that nothing is left to replay; upload, \
                  ask or delete again instead";
    Problem::new(Code::Gone, detail)
}
