//! Count: what the day has cost so far, for everybody who decides about spending.
//!
//! 1. Neurons of invocations that died are taken for spent.
//! 2. Today's usage is summed and laid down in the day's row of `budget`, with the keys that made
//!    many requests.
//! 3. A threshold that was passed becomes an alert, once a day.

use std::collections::BTreeMap;

use pipeline::{
    budget::{
        allowances::{Allowances, Resource},
        day::{Budget, Day, Level},
        ledger,
        usage::Totals,
    },
    failure::Failure,
    platform::{
        ports::{Clock, Database, Deployment, KeyValue},
        statement::{Statement, json},
    },
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

use super::alerts;

/// The share of its quota from which on a key's requests are told to those who hold it to it.
const TOLD_SHARE: u64 = 2;

/// Counts once. Returns how many alerts are new.
pub async fn measure<P: Database + KeyValue + Deployment + Clock>(ports: &P) -> Result<usize, Failure> {
    #[derive(Deserialize)]
    struct KeyRow {
        key_id: String,
        requests: u64,
    }
    ledger::settle_abandoned(ports).await?;
    let now = ports.now();
    let today = now.start_of_day();
    let allowances = Allowances::load(ports).await.allowances;
    let keys = keys(today, allowances.requests_per_key / TOLD_SHARE);
    let answers = ports.batch(vec![Totals::select(today, None), keys]).await?;
    let totals: Totals = answers.at(0)?.first()?.unwrap_or_default();
    let keys: BTreeMap<String, u64> =
        answers.at(1)?.all::<KeyRow>()?.into_iter().map(|row| (row.key_id, row.requests)).collect();
    let used: BTreeMap<Resource, f64> = Resource::ALL
        .into_iter()
        .map(|resource| (resource, resource.used(&totals.usage, totals.invocations)))
        .collect();
    let lay_down = Statement::new(
        "INSERT INTO budget (day, neurons, ingest_neurons, counted_at, used, requests_by_key) VALUES (?1, 0, 0, ?2, ?3, ?4)
         ON CONFLICT (day) DO UPDATE SET counted_at = excluded.counted_at, used = excluded.used,
                                         requests_by_key = excluded.requests_by_key",
    )
    .bind(today)
    .bind(now)
    .bind(json(&used)?)
    .bind(json(&keys)?);
    let answers = ports.batch(vec![lay_down, Day::select(now)]).await?;
    let day: Day = answers.at(1)?.first()?.unwrap_or_default();
    raise_alerts(ports, &Budget::new(allowances, &day), &day, now).await
}

fn keys(today: Timestamp, from: u64) -> Statement {
    Statement::new(
        "SELECT key_id, sum(requests) AS requests
         FROM (SELECT key_id, invocations AS requests FROM usage_hourly WHERE hour >= ?1 AND key_id <> ''
               UNION ALL SELECT key_id, 1 FROM usage_log WHERE at >= ?1 AND key_id IS NOT NULL)
         GROUP BY key_id HAVING sum(requests) >= ?2",
    )
    .bind(today)
    .bind(i64::try_from(from).unwrap_or(i64::MAX))
}

/// A threshold that was passed.
#[derive(Debug, Serialize)]
struct Passed {
    resource: Resource,
    level: Level,
    used: f64,
    allowance: f64,
    percent: f64,
    degraded: Vec<String>,
}

async fn raise_alerts<P: Database + Deployment>(
    ports: &P,
    budget: &Budget,
    day: &Day,
    now: Timestamp,
) -> Result<usize, Failure> {
    let used = day.used();
    let date = now.date();
    let mut statements = Vec::new();
    for resource in Resource::ALL {
        for (level, _) in Level::THRESHOLDS.into_iter().filter(|(level, _)| *level <= budget.level(resource)) {
            let passed = Passed {
                resource,
                level,
                used: used.get(&resource).copied().unwrap_or(0.0),
                allowance: budget.allowances.of(resource),
                percent: (budget.share(resource) * 1_000.0).round() / 10.0,
                degraded: budget.degradations(),
            };
            let id = format!("{date}-{}-{}", resource.name(), level.name());
            statements.push(alerts::raise(ports, id, "budget.threshold_passed", passed, now)?);
        }
    }
    if statements.is_empty() {
        return Ok(0);
    }
    let answers = ports.batch(statements).await?;
    Ok(answers.0.iter().filter(|answer| answer.changes > 0).count())
}
