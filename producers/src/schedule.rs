//! The schedule: what cron starts.

pub mod aggregate_usage;
pub mod alerts;
pub mod archive_conversations;
pub mod archive_usage;
pub mod eviction;
pub mod expiry;
#[cfg(test)]
mod fixture;
pub mod measure_usage;
pub mod orphans;
pub mod own_words;
mod queries;
mod report;
pub mod retention;
mod steps;
pub mod sweep;
mod trigger;
mod webhook;

use pipeline::failure::Failure;

use self::report::FirstFailure;
pub use self::{
    report::Report,
    trigger::{Schedule, SchedulePorts},
};

/// Runs what is due, as far as one invocation has queries for it; each step is cheap when there is nothing to
/// do. A step that fails does not stop the others: the first failure is returned when all have run.
pub async fn run<P: SchedulePorts>(ports: &P, schedule: Schedule) -> (Report, Result<(), Failure>) {
    let mut report = Report::default();
    let mut failures = FirstFailure::default();
    if schedule == Schedule::Frequent {
        report.swept = failures.keep(sweep::sweep(ports).await).unwrap_or_default();
        report.orphans = failures.keep(orphans::remove(ports).await).unwrap_or(0);
        report.alerts_raised = failures.keep(measure_usage::measure(ports).await).unwrap_or(0);
        report.alerts_delivered = failures.keep(alerts::deliver(ports).await).unwrap_or(0);
    }
    steps::work_off(ports, schedule, &mut report, &mut failures).await;
    (report, failures.outcome)
}
