//! The clockwork: what cron starts.

pub mod collect;
pub mod sweep;

use pipeline::{
    failure::Failure,
    ports::{Clock, Database, ObjectStore, Queue, Random},
};
use serde::Serialize;

/// What a run of the clockwork did, for its log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Items whose message was sent again.
    pub resent: usize,
    /// Items given up.
    pub failed: usize,
    /// Uploads that never ended, removed.
    pub abandoned: usize,
    /// Objects that nothing refers to, removed.
    pub collected: usize,
}

/// Runs what is due. One trigger for both: each is cheap when there is nothing to do.
pub async fn run<P: Database + ObjectStore + Queue + Clock + Random>(ports: &P) -> Result<Report, Failure> {
    let mut report = sweep::sweep(ports).await?;
    report.collected = collect::collect(ports).await?;
    Ok(report)
}
