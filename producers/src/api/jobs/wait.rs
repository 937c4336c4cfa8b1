//! Waiting for a job's end.

use std::collections::HashMap;

use http::StatusCode;
use pipeline::{
    failure::Failure,
    ids::{JobId, UserId},
    platform::ports::{Clock, Database, Deployment, Meter},
    store::{self, jobs::documents::DocumentState},
    time::{SECOND, Span},
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    look::read,
    view::{JobView, Status, not_found},
};
use crate::http::reply::{Answer, Reply};

/// Waits for a job's end, for so long at most, if at all. Answers 200 with the job if it ended, else 202.
/// `accepted` is what was said when it was accepted; what it says of documents is brought up to date.
pub async fn wait<P: Database + Deployment + Meter + Clock>(
    ports: &P,
    user: &UserId,
    job: &JobId,
    longest: Span,
    accepted: &impl Serialize,
) -> Answer {
    if longest > Span::ZERO {
        wait_for_end(ports, user, job, longest).await?;
    }
    let view = read(ports, user, job).await?.ok_or_else(not_found)?;
    let status = if view.status.is_terminal() { StatusCode::OK } else { StatusCode::ACCEPTED };
    // Who does not wait is told of the job when there is no more to wait for.
    let is_shown = longest > Span::ZERO || view.status.is_terminal();
    let mut answer = with_job(accepted, view)?;
    answer.job = answer.job.filter(|_| is_shown);
    if let Some(Value::Array(documents)) = answer.accepted.get_mut("items") {
        let states = store::jobs::documents::states(user, job).all(ports).await?;
        bring_up_to_date(documents, states);
    }
    let reply = Reply::json(status, &answer).of_job(job);
    Ok(if longest > Span::ZERO { reply.after_wait(longest) } else { reply })
}

/// Says of each document that was queued what has become of it.
fn bring_up_to_date(documents: &mut [Value], states: Vec<DocumentState>) {
    let states: HashMap<String, String> =
        states.into_iter().map(|state| (state.document_id.to_string(), state.status)).collect();
    for document in documents.iter_mut().filter(|document| document["status"] == "queued") {
        let state = document["document_id"].as_str().and_then(|id| states.get(id));
        if let Some(state) = state {
            document["status"] = Value::from(state.as_str());
        }
    }
}

/// The pause before the second look at a job.
const FIRST_PAUSE: Span = Span::milliseconds(100);
/// D1 queries that are kept for what is read and answered after the wait.
const QUERIES_AFTER_WAIT: u64 = 4;

/// Waits for a job's end, for so long at most; false if it has not come. Each look costs the invocation a query:
/// pauses grow, and one that has no more queries waits no longer.
pub async fn wait_for_end<P: Database + Deployment + Meter + Clock>(
    ports: &P,
    user: &UserId,
    job: &JobId,
    longest: Span,
) -> Result<bool, Failure> {
    let deadline = ports.now().plus(longest);
    let longest_pause = (ports.plan().units().longest_pause_share * longest).max(SECOND);
    let mut pause = FIRST_PAUSE;
    loop {
        if has_ended(ports, user, job).await? {
            return Ok(true);
        }
        let left = deadline.since(ports.now());
        if left <= Span::ZERO || ports.asked().queries_left() <= QUERIES_AFTER_WAIT {
            return Ok(false);
        }
        ports.sleep(pause.min(left)).await;
        pause = (3 * pause / 2).min(longest_pause);
    }
}

/// True if a job has ended, or is gone.
pub(super) async fn has_ended<P: Database>(ports: &P, user: &UserId, job: &JobId) -> Result<bool, Failure> {
    let end = store::jobs::read::end(user, job).first(ports).await?;
    Ok(end.is_none_or(|end| end.finished_at.is_some()))
}

/// What was accepted, with the job if it was waited for.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "{T}WithJob")]
pub struct WithJob<T> {
    #[serde(flatten)]
    accepted: T,
    /// The job's present status, or what is said in its place where there is no job.
    #[schemars(with = "String")]
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<JobView>,
}

fn with_job(accepted: &impl Serialize, job: JobView) -> Result<WithJob<Map<String, Value>>, Failure> {
    let bug = |error: serde_json::Error| Failure::bug(error.to_string());
    let mut accepted: Map<String, Value> =
        serde_json::to_value(accepted).and_then(serde_json::from_value).map_err(bug)?;
    // What it was when it was accepted.
    accepted.remove("status");
    Ok(WithJob { accepted, status: job.status, job: Some(job) })
}
