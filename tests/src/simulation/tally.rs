//! What many histories did, all together.

use serde::{Deserialize, Serialize};

/// Counts over many histories.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Tally {
    /// Histories.
    pub seeds: u64,
    /// Messages delivered.
    pub deliveries: u64,
    /// Documents' revisions accepted.
    pub revisions: u64,
    /// Questions accepted.
    pub turns: u64,
}

impl Tally {
    /// Adds another's.
    pub fn add(&mut self, other: Self) {
        self.seeds += other.seeds;
        self.deliveries += other.deliveries;
        self.revisions += other.revisions;
        self.turns += other.turns;
    }
}
