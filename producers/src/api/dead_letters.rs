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
    api::jobs,
    http::{
        call::Call,
        paging,
        reply::{Answer, Reply},
    },
};

/// The job that tries again.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Replayed {
    job_id: JobId,
}

/// `GET /api/dead-letters`: the tenant's, by id.
pub async fn list<P: Database>(ports: &P, call: &Call<'_>) -> Answer {
    let (limit, cursor) = paging::page(call)?;
    let letters = dead_letters::list(&call.tenant.user, cursor, limit + 1).all(ports).await?;
    Ok(paging::page_reply(letters, limit, |letter| letter.id.clone()))
}

/// `POST /api/dead-letters/{id}/replay`: its item tries again from where it failed.
pub async fn replay<P: Database + Queue + Channels + Clock>(ports: &P, call: &Call<'_>) -> Answer {
    let user = &call.tenant.user;
    let replayed = dead_letters::replay(user, call.id, ports.now()).first(ports).await?;
    let replayed = replayed.ok_or_else(|| {
        Problem::new(Code::NotFound, "there is no such dead letter; GET /api/dead-letters lists yours")
    })?;
    jobs::requeue(ports, user, &replayed.job_id, Some(replayed.item_id)).await?;
    let job = replayed.job_id;
    Ok(Reply::json(StatusCode::ACCEPTED, &Replayed { job_id: job.clone() }).of_job(&job))
}
