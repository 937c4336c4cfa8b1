//! `GET /health`: alive, and how old the oldest unfinished work is, per stage and state.

use http::StatusCode;
use pipeline::{
    budget::allowances::Allowances,
    chat::catalogue::Catalogue,
    failure::Failure,
    job::{item::ItemState, message::Stage},
    plan::Plan,
    platform::ports::{Clock, Database, Deployment, KeyValue},
    store::jobs::sweep::{self, WorkRow},
    time::Span,
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::http::{
    call::PublicCall,
    reply::{Answer, Reply},
};

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "WaitingWork")]
struct Waiting {
    stage: Stage,
    state: ItemState,
    count: i64,
    oldest_seconds: i64,
}

/// How the deployment is.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Health {
    status: &'static str,
    version: &'static str,
    /// The plan of Cloudflare Workers that it is made for.
    plan: Plan,
    /// What waits, of the five hundred items that wait longest.
    work: Vec<Waiting>,
    /// Configuration that is not in force because it does not hold together.
    #[serde(skip_serializing_if = "Option::is_none")]
    configuration: Option<String>,
}

/// Answers without a key: counts and ages, nothing of anybody's.
pub async fn health<P: Database + KeyValue + Deployment + Clock>(ports: &P, _: &PublicCall<'_>) -> Answer {
    let problems = [Catalogue::load(ports).await.problem, Allowances::load(ports).await.problem];
    let configuration = problems.into_iter().flatten().reduce(|one, other| format!("{one}; {other}"));
    let (status, work) = match work(ports).await {
        Ok(work) => ("ok", work),
        Err(_) => ("degraded: the database is not answering", Vec::new()),
    };
    let code = if status == "ok" { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok(Reply::json(
        code,
        &Health { status, version: env!("CARGO_PKG_VERSION"), plan: ports.plan(), work, configuration },
    ))
}

/// Items that are counted, those of the longest due jobs first: nobody needs a key to ask, and
/// thousands may be parked until tomorrow.
const COUNTED: i64 = 500;

async fn work<P: Database + Clock>(ports: &P) -> Result<Vec<Waiting>, Failure> {
    let rows = sweep::unfinished_work(COUNTED).all(ports).await?;
    let now = ports.now();
    let age = |row: &WorkRow| now.since(row.oldest).max(Span::ZERO).as_seconds();
    Ok(rows
        .into_iter()
        .map(|row| Waiting { oldest_seconds: age(&row), stage: row.stage, state: row.state, count: row.count })
        .collect())
}
