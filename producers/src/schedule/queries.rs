//! How the D1 queries of one invocation are shared among what runs every five minutes, in its order. What loops
//! leaves to those after it what they may need, and goes on with the next run.

use pipeline::platform::ports::Meter;

/// What the sweep asks beside what it removes and gives up.
const SWEEP: u64 = 2;
/// Usage, with what is stored counted and what waited for space going on.
const MEASURE: u64 = 15;
/// Alerts.
const ALERTS: u64 = 6;
/// The largest step of those that nobody waits for, with its notes.
const STEPS: u64 = super::expiry::QUERIES + 1;

/// What the sweep and orphans, for which nobody waits while there is something to sweep, leave to those after them.
const AFTER_ORPHANS: u64 = MEASURE + ALERTS + STEPS;

/// True while the sweep may ask so much more.
pub(super) fn are_left_to_sweep<P: Meter>(ports: &P, queries: u64) -> bool {
    ports.asked().queries_left() >= queries + SWEEP + AFTER_ORPHANS
}

/// True while orphans may ask so much more.
pub(super) fn are_left_to_orphans<P: Meter>(ports: &P, queries: u64) -> bool {
    ports.asked().queries_left() >= queries + AFTER_ORPHANS
}
