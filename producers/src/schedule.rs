//! The schedule: what cron starts.

pub mod aggregate_usage;
pub mod alerts;
pub mod archive_conversations;
pub mod archive_usage;
pub mod eviction;
pub mod expiry;
pub mod measure_usage;
pub mod orphans;
pub mod retention;
pub mod sweep;

use pipeline::{
    failure::Failure,
    platform::ports::{Clock, Database, Deployment, KeyValue, ObjectStore, Outside, Queue, Random, VectorIndex},
    port_set,
};
use serde::Serialize;

port_set! {
    /// Everything the schedule asks of the platform.
    pub trait SchedulePorts:
        Database + ObjectStore + KeyValue + Queue + VectorIndex + Deployment + Outside + Clock + Random
}

/// A trigger of `wrangler.consumers.toml`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// Every five minutes: what somebody may be waiting for.
    Frequent,
    /// Every hour: sums, and free space in the index.
    Hourly,
    /// Every night: what is old; and what is due every hour, for a deployment without a trigger left for it.
    Daily,
}

impl Schedule {
    /// The triggers as they are configured.
    pub const CRONS: [(Self, &'static str); 3] =
        [(Self::Frequent, "*/5 * * * *"), (Self::Hourly, "7 * * * *"), (Self::Daily, "23 3 * * *")];

    /// The schedule of a trigger; one this code does not know runs what is most urgent.
    pub fn of(cron: &str) -> Self {
        Self::CRONS.into_iter().find(|(_, known)| *known == cron).map_or(Self::Frequent, |(schedule, _)| schedule)
    }
}

/// What a run of the schedule did, for its log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What was stuck.
    #[serde(flatten)]
    pub swept: sweep::Swept,
    /// Objects that nothing refers to, removed.
    pub orphans: usize,
    /// Thresholds passed for the first time today.
    pub alerts_raised: usize,
    /// Alerts that the webhook took.
    pub alerts_delivered: usize,
    /// Usage rows summed up.
    pub aggregated: u64,
    /// What gave its vectors up, and what gets them back.
    pub evicted: eviction::Evicted,
    /// Conversations handed to the archive stage.
    pub archived: usize,
    /// Rows that had served their purpose.
    pub expired: u64,
    /// What its owner did not want to keep any longer.
    pub retention: retention::Removed,
}

/// Runs what is due; each step is cheap when there is nothing to do. A step that fails does not stop
/// the others: the first failure is returned when all have run.
pub async fn run<P: SchedulePorts>(ports: &P, schedule: Schedule) -> (Report, Result<(), Failure>) {
    let mut report = Report::default();
    let mut steps = Steps::default();
    match schedule {
        Schedule::Frequent => {
            report.swept = steps.note(sweep::sweep(ports).await).unwrap_or_default();
            report.orphans = steps.note(orphans::remove(ports).await).unwrap_or(0);
            report.alerts_raised = steps.note(measure_usage::measure(ports).await).unwrap_or(0);
            report.alerts_delivered = steps.note(alerts::deliver(ports).await).unwrap_or(0);
        }
        Schedule::Hourly => {
            report.aggregated = every_hour(ports, &mut steps).await;
            report.evicted = steps.note(eviction::evict(ports, false).await).unwrap_or_default();
        }
        Schedule::Daily => {
            report.aggregated = every_hour(ports, &mut steps).await;
            report.retention = steps.note(retention::enforce_retention(ports).await).unwrap_or_default();
            report.archived = steps.note(archive_conversations::enqueue_idle(ports).await).unwrap_or(0);
            report.evicted = steps.note(eviction::evict(ports, true).await).unwrap_or_default();
            report.expired = steps.note(expiry::expire(ports).await).unwrap_or(0);
            steps.note(archive_usage::archive_month(ports).await);
        }
    }
    (report, steps.outcome)
}

async fn every_hour<P: SchedulePorts>(ports: &P, steps: &mut Steps) -> u64 {
    steps.note(sweep::wake_and_finish(ports).await);
    steps.note(aggregate_usage::aggregate(ports).await).unwrap_or(0)
}

/// The first failure of several steps.
struct Steps {
    outcome: Result<(), Failure>,
}

impl Default for Steps {
    fn default() -> Self {
        Self { outcome: Ok(()) }
    }
}

impl Steps {
    fn note<T>(&mut self, step: Result<T, Failure>) -> Option<T> {
        match step {
            Ok(done) => Some(done),
            Err(failure) => {
                if self.outcome.is_ok() {
                    self.outcome = Err(failure);
                }
                None
            }
        }
    }
}
