//! `make bench`, the CPU table: what every operation, stage and schedule takes of its isolate.
//!
//! The queues hold everything back, the models answer at once, and one invocation after another runs alone
//! under workerd's own profiler. Each is made as large as it may be. What the local tool puts around a Worker
//! is recognised and not counted; see [`crate::cpu_profile`]. A Worker's first invocations compile what they
//! run; they are not counted either, for an isolate serves many.

mod agents;
mod harness;
mod operations;
mod schedules;
mod seed;
mod stages;
mod table;
mod texts;

use std::{fs, path::PathBuf};

use self::{harness::Bench, table::Table};
use crate::Error;

/// Measures rows of the table that have something in common.
type Measure = fn(&mut Bench) -> Result<(), Error>;

/// What is measured, in this order: later groups find what earlier ones have left, and need none of it.
const GROUPS: [(&str, Measure); 15] = [
    ("uploads", operations::uploads),
    ("documents", operations::jobs_and_documents),
    ("searches", operations::searches),
    ("memories", operations::memories),
    ("questions", operations::questions),
    ("sessions", operations::joins),
    ("mcp", agents::mcp),
    ("hooks", agents::hooks),
    ("unpack", stages::unpack),
    ("chunk", stages::chunk),
    ("batches", stages::batches),
    ("chat", stages::chat),
    ("archive", stages::archive),
    ("dead-letters", stages::dead_letters),
    ("schedules", schedules::measure),
];

/// Measures everything, or these groups of rows, and prints the table.
pub fn run(quick: bool, as_json: bool, groups: &[String], profiles: Option<PathBuf>) -> Result<(), Error> {
    if let Some(unknown) = groups.iter().find(|group| GROUPS.iter().all(|(name, _)| name != group)) {
        return Err(format!("{unknown} is none of {}", GROUPS.map(|(name, _)| name).join(", ")).into());
    }
    let state = std::env::temp_dir().join(format!("friend-bench-cpu-{}", std::process::id()));
    let mut bench = Bench::start(&state, quick, profiles)?;
    Table::announce(bench.invocations, quick);
    bench.calibrate()?;
    for (name, measure) in GROUPS {
        if groups.is_empty() || groups.iter().any(|group| group == name) {
            measure(&mut bench)?;
        }
    }
    // Once more: what else the machine did meanwhile shows here too.
    bench.calibrate()?;
    bench.table.conclude(as_json);
    drop(bench);
    Ok(fs::remove_dir_all(state)?)
}
