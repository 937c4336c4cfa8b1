//! `POST /api/search`: chunks by words and by meaning, fused by [`retrieval`].

pub mod request;

use http::{HeaderName, StatusCode};
use pipeline::{
    failure::Failure,
    platform::ports::{Clock, Database, Embedder, KeyValue, VectorIndex},
    store::jobs,
    tenant::Tenant,
};
use retrieval::{Hit, Mode, Search};
use schemars::JsonSchema;
use serde::Serialize;

use crate::http::{
    call::Call,
    reply::{Answer, Reply},
};

/// The answer. `freshness` is `partial` while the job behind `after` is still at work.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SearchAnswer {
    hits: Vec<Hit>,
    mode: Mode,
    freshness: &'static str,
    cached: bool,
    took_ms: i64,
}

/// Answers the route.
pub async fn search<P>(ports: &P, call: &Call<'_>) -> Answer
where
    P: Database + KeyValue + Embedder + VectorIndex + Clock,
{
    let started = ports.now();
    let search = request::parse(call.request.body())?;
    let found = retrieval::search(ports, &call.tenant, &search, call.budget).await?;
    let freshness = if is_complete(ports, &call.tenant, &search).await? { "complete" } else { "partial" };
    let degraded = found.mode != search.request.mode;
    let took_ms = ports.now().since(started);
    let answer = SearchAnswer { hits: found.hits, mode: found.mode, freshness, cached: found.cached, took_ms };
    let reply = Reply::json(StatusCode::OK, &answer);
    let why = if call.budget.is_without_neurons() {
        "today's neurons are spent; found by keyword"
    } else {
        "vector search is not available; found by keyword"
    };
    Ok(if degraded { reply.with(HeaderName::from_static("x-degraded"), why) } else { reply })
}

/// True if nothing the token stands for is still on its way.
async fn is_complete<P: Database>(ports: &P, tenant: &Tenant, search: &Search) -> Result<bool, Failure> {
    let Some(job) = &search.after else { return Ok(true) };
    let row = jobs::read::end(&tenant.user, job).first(ports).await?;
    // A token of nobody's job, or of another's, asks for nothing.
    Ok(row.is_none_or(|row| row.finished_at.is_some()))
}
