//! `GET /api/usage`: today against every allowance, and what is given up for it.
//!
//! Neurons are the ledger's, to the last call. The rest is as the schedule last measured it (`measured_at`):
//! adding up what everybody did since midnight would cost whoever asks more rows with every user there is.

mod month;

use std::collections::BTreeMap;

use http::StatusCode;
use pipeline::{
    budget::{
        allowances::{Allowances, Resource},
        day::{Budget, Level},
        usage::Usage,
    },
    failure::Failure,
    platform::{
        ports::{Clock, Database, ObjectStore},
        transaction::Transaction,
    },
    store::{
        counters,
        usage::{alerts, budget as store_budget, sums},
    },
    tenant::Tenant,
    time::{DAY, MILLISECOND, Span, Timestamp},
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, value::RawValue};

use self::month::MonthView;
use crate::http::{
    call::Call,
    reply::{Answer, Reply},
};

/// One resource of the plan, as used today by everybody of this deployment.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ResourceUsage")]
pub(crate) struct ResourceView {
    pub(crate) name: &'static str,
    pub(crate) used: f64,
    pub(crate) allowance: f64,
    pub(crate) share: f64,
    pub(crate) level: Level,
    /// When it runs out at today's pace, if that is today; of what is stored nobody knows.
    pub(crate) runs_out_at: Option<Timestamp>,
}

/// The day so far.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "UsageOfDay")]
pub struct UsageView {
    since: Timestamp,
    pub(crate) until: Timestamp,
    /// When all but the neurons was last counted, every five minutes; `null` until it is for the first time today.
    measured_at: Option<Timestamp>,
    invocations: u64,
    pub(crate) resources: Vec<ResourceView>,
    /// The resource nearest to its end.
    first_to_run_out: &'static str,
    /// The part of the neurons that indexing may use, and has used or reserved.
    ingest: Share,
    /// The part of the neurons that the tenant may use while there are other users, and had used when last counted.
    share: Share,
    /// What is stored in the index, as last counted, of what it holds.
    vectors: Vectors,
    /// What is given up at present.
    pub(crate) degraded: Vec<String>,
    /// Thresholds passed today.
    #[schemars(with = "Vec<Map<String, Value>>")]
    alerts: Vec<Box<RawValue>>,
    /// What the tenant's own requests and jobs took of it, when it was last counted. Of every resource they may take
    /// the same part as of the neurons (`share`) while there are other users.
    own: Usage,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct Share {
    neurons: f64,
    allowance: f64,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct Vectors {
    stored: f64,
    allowance: f64,
}

/// What is answered: today, or the month that is asked for.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "UsageAnswer")]
pub enum UsageAnswer {
    /// Without `month`.
    Day(Box<UsageView>),
    /// With it.
    Month(MonthView),
}

/// `GET /api/usage`: today, or `?month=2026-11`.
pub async fn usage<P: Database + ObjectStore + Clock>(ports: &P, call: &Call<'_>) -> Answer {
    if let Some(name) = call.parameter("month") {
        let days = month::days_of(&name)?;
        let view = month::read(ports, &call.tenant.user, name, &days).await?;
        return Ok(Reply::json(StatusCode::OK, &UsageAnswer::Month(view)));
    }
    let view = today(ports, &call.tenant, call.budget).await?;
    Ok(Reply::json(StatusCode::OK, &UsageAnswer::Day(Box::new(view))))
}

/// The day so far.
pub async fn today<P: Database + Clock>(ports: &P, tenant: &Tenant, budget: &Budget) -> Result<UsageView, Failure> {
    let now = ports.now();
    let since = now.start_of_day();
    let mut transaction = Transaction::default();
    let own = transaction.query(sums::of_user(&tenant.user, since));
    let day = transaction.query(store_budget::day(now));
    let alerts = transaction.query(alerts::since(since));
    let stored = transaction.query(counters::stored());
    let done = transaction.commit(ports).await?;
    let own = done.first(own)?.unwrap_or_default();
    let day = done.first(day)?.unwrap_or_default();
    let stored = done.first(stored)?.unwrap_or_default();
    let allowances = &budget.allowances;
    let used = day.used();
    let resources = resources(&used, allowances, since, now);
    let first =
        resources.iter().max_by(|one, other| one.share.total_cmp(&other.share)).map_or("", |resource| resource.name);
    Ok(UsageView {
        since,
        until: now.next_day(),
        measured_at: day.counted_at,
        invocations: invocations(&used),
        first_to_run_out: first,
        resources,
        ingest: Share { neurons: day.ingest_neurons, allowance: allowances.ingest_neurons() },
        vectors: Vectors { stored: stored.vectors, allowance: allowances.vectors_stored },
        degraded: budget.degradations(),
        alerts: done.all(alerts)?.into_iter().filter_map(|alert| RawValue::from_string(alert.body).ok()).collect(),
        share: Share { neurons: own.usage.neurons, allowance: allowances.user_neurons() },
        own: own.usage,
    })
}

/// Requests, as last counted.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count, far below 2^52")]
fn invocations(used: &BTreeMap<Resource, f64>) -> u64 {
    used.get(&Resource::Requests).copied().unwrap_or(0.0) as u64
}

fn resources(
    used: &BTreeMap<Resource, f64>,
    allowances: &Allowances,
    since: Timestamp,
    now: Timestamp,
) -> Vec<ResourceView> {
    let view = |resource: Resource| {
        let used = used.get(&resource).copied().unwrap_or(0.0);
        let allowance = allowances.of(resource);
        let share = used / allowance;
        ResourceView {
            name: resource.name(),
            used,
            allowance,
            share,
            level: Level::of(share),
            runs_out_at: if Resource::STORED.contains(&resource) { None } else { runs_out_at(share, since, now) },
        }
    };
    Resource::ALL.into_iter().map(view).collect()
}

/// When all is used, if it goes on as it went since midnight; `None` if that is another day.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "milliseconds of a day")]
fn runs_out_at(share: f64, since: Timestamp, now: Timestamp) -> Option<Timestamp> {
    if share <= 0.0 {
        return None;
    }
    let at = now.since(since).max(MILLISECOND).as_milliseconds() as f64 / share;
    (at < DAY.as_milliseconds() as f64).then(|| since.plus(Span::milliseconds(at as i64)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forecast_goes_on_as_it_went() {
        let since = Timestamp::parse("2026-11-23T00:00:00Z").unwrap();
        let noon = since.plus(Span::hours(12));
        assert_eq!(runs_out_at(0.75, since, noon), Some(since.plus(Span::hours(16))));
        assert_eq!(runs_out_at(0.5, since, noon), None);
        assert_eq!(runs_out_at(0.0, since, noon), None);
    }

    #[test]
    fn every_resource_is_listed_against_its_allowance() {
        let now = Timestamp::parse("2026-11-23T12:00:00Z").unwrap();
        let used = BTreeMap::from([(Resource::Neurons, 9_000.0), (Resource::Requests, 50_000.0)]);
        let views = resources(&used, &Allowances::default(), now.start_of_day(), now);
        assert_eq!((views.len(), invocations(&used)), (Resource::ALL.len(), 50_000));
        assert_eq!((views[0].name, views[0].level), ("neurons", Level::Scarce));
        assert!((views[1].share - 0.5).abs() < 1e-9);
    }
}
