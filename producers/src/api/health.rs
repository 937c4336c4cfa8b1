//! `GET /health`: alive, and how old the oldest unfinished work is, per stage and state.

use http::StatusCode;
use pipeline::{
    budget::allowances::Allowances,
    chat::catalogue::Catalogue,
    failure::Failure,
    job::{item::ItemState, message::Stage},
    platform::{
        ports::{Clock, Database, Deployment, KeyValue},
        statement::Statement,
    },
    time::Timestamp,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::http::{
    call::PublicCall,
    reply::{Answer, Reply},
};

#[derive(Debug, Deserialize)]
struct Row {
    stage: Stage,
    state: ItemState,
    count: i64,
    oldest: Timestamp,
}

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
    Ok(Reply::json(code, &Health { status, version: env!("CARGO_PKG_VERSION"), work, configuration }))
}

/// Items that are counted, those of the longest due jobs first: nobody needs a key to ask, and
/// thousands may be parked until tomorrow.
const COUNTED: i64 = 500;

async fn work<P: Database + Clock>(ports: &P) -> Result<Vec<Waiting>, Failure> {
    let query = Statement::new(
        "SELECT stage, state, count(*) AS count, min(updated_at) AS oldest
         FROM (SELECT i.stage, i.state, i.updated_at
               FROM jobs j CROSS JOIN job_items i ON i.id BETWEEN j.first_item AND j.last_item
               WHERE j.finished_at IS NULL AND i.state NOT IN ('done', 'failed', 'cancelled')
               ORDER BY j.due_at LIMIT ?1)
         GROUP BY stage, state ORDER BY stage, state",
    )
    .bind(COUNTED);
    let rows: Vec<Row> = ports.batch(vec![query]).await?.at(0)?.all()?;
    let now = ports.now();
    let age = |row: &Row| now.since(row.oldest).max(0) / pipeline::time::SECOND;
    Ok(rows
        .into_iter()
        .map(|row| Waiting { oldest_seconds: age(&row), stage: row.stage, state: row.state, count: row.count })
        .collect())
}
