//! `make bench`, the CPU table: what every operation, stage and schedule takes of its isolate.
//!
//! The queues hold everything back, the models answer at once, and one invocation after another runs alone
//! under workerd's own profiler. Each is made as large as it may be. What the local tool puts around a Worker
//! is told apart and not counted; see [`crate::cpu_profile`]. A Worker's first invocations compile what they
//! run; they are not counted either, for an isolate serves many.

mod harness;
mod operations;
mod schedules;
mod seed;
mod stages;
mod table;
mod texts;

use std::fs;

use self::{harness::Bench, table::Table};
use crate::Error;

/// Measures everything and prints the table.
pub fn run(quick: bool, as_json: bool) -> Result<(), Error> {
    let state = std::env::temp_dir().join(format!("friend-bench-cpu-{}", std::process::id()));
    let mut bench = Bench::start(&state, quick)?;
    Table::announce(bench.invocations, quick);
    bench.calibrate()?;
    operations::measure(&mut bench)?;
    stages::measure(&mut bench)?;
    schedules::measure(&mut bench)?;
    // Once more: what else the machine did meanwhile shows here too.
    bench.calibrate()?;
    bench.table.conclude(as_json);
    drop(bench);
    Ok(fs::remove_dir_all(state)?)
}
