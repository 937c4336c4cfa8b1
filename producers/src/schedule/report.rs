//! What a run of the schedule did, and what went wrong first.

use pipeline::failure::Failure;
use serde::Serialize;

use super::{eviction::Evicted, retention::Removed, sweep::Swept};

/// What a run of the schedule did, for its log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What was stuck.
    #[serde(flatten)]
    pub swept: Swept,
    /// Objects that nothing refers to, removed.
    pub orphans: usize,
    /// Thresholds passed for the first time today.
    pub alerts_raised: usize,
    /// Alerts that the webhook took.
    pub alerts_delivered: usize,
    /// Usage rows summed up.
    pub aggregated: u64,
    /// What gave its vectors up, and what gets them back.
    pub evicted: Evicted,
    /// Conversations handed to the archive stage.
    pub archived: usize,
    /// Rows that had served their purpose.
    pub expired: u64,
    /// What its owner did not want to keep any longer.
    pub retention: Removed,
    /// Full-text rows that went from tables that all users shared into their owners' own.
    pub words_moved: usize,
}

/// The first failure of several steps.
pub(super) struct FirstFailure {
    pub(super) outcome: Result<(), Failure>,
}

impl Default for FirstFailure {
    fn default() -> Self {
        Self { outcome: Ok(()) }
    }
}

impl FirstFailure {
    /// What a step gave, or nothing; its failure is kept if it is the first.
    pub(super) fn keep<T>(&mut self, step: Result<T, Failure>) -> Option<T> {
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
