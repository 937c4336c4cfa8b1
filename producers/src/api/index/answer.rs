//! The answer to an upload, whether it was read or not.

use http::StatusCode;
use pipeline::{failure::Failure, ids::JobId, time::Span};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use uploads::ItemAnswer;

use super::estimate::Estimate;
use crate::{
    api::jobs,
    http::{
        call::{Call, RequestPorts},
        idempotency::Replay,
        reply::{Answer, Reply},
    },
};

/// What becomes of an upload.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct IndexAnswer<'a> {
    pub(super) job_id: Option<&'a JobId>,
    pub(super) status: &'static str,
    pub(super) consistency_token: Option<String>,
    /// What indexing costs; unknown for an upload that is not read yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) estimate: Option<Estimate>,
    /// What became of each document, where the request was read at once.
    pub(super) items: &'a [ItemAnswer],
    /// Where what became of each document is listed, where it was not: until seven days after the job has ended, then
    /// 410.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) items_url: Option<String>,
}

/// The answer to an upload that was accepted, at once or when its job has ended.
pub(super) async fn accepted<P: RequestPorts>(
    ports: &P,
    call: &Call<'_>,
    job: &JobId,
    answer: &IndexAnswer<'_>,
) -> Answer {
    match call.wait() {
        Span::ZERO => Ok(Reply::json(StatusCode::ACCEPTED, answer).of_job(job)),
        longest => jobs::wait(ports, &call.tenant.user, job, longest, answer).await,
    }
}

/// The answer to an upload that was accepted before: as it is now, or when its job has ended.
pub(super) async fn replayed<P: RequestPorts>(ports: &P, call: &Call<'_>, replay: Replay) -> Answer {
    let accepted: Map<String, Value> =
        serde_json::from_str(&replay.response).map_err(|error| Failure::bug(error.to_string()))?;
    jobs::wait(ports, &call.tenant.user, &replay.job, call.wait(), &accepted).await.map(Replay::mark)
}
