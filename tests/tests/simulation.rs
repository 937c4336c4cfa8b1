//! T1: ten thousand histories of the whole product under fire. T2: every rule that holds them together
//! is taken out in turn, and must be missed.
//!
//! `SEEDS=100000 cargo test …` runs more, `SEED=17` one alone.
#![expect(clippy::print_stdout, reason = "seeds and duration are part of the result")]

use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Instant,
};

use tests::simulation::{self, Tally};

const SEEDS: u64 = 10_000;

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn ten_thousand_histories_keep_every_promise() {
    if let Some(seed) = from_environment("SEED") {
        println!("{:?}", simulation::run(seed, None));
        return;
    }
    let seeds = from_environment("SEEDS").unwrap_or(SEEDS);
    let started = Instant::now();
    let next = AtomicU64::new(1);
    let workers = thread::available_parallelism().map_or(2, usize::from);
    let outcomes: Vec<Result<Tally, String>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(|| run_until(&next, seeds))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err("a history panicked; its seed is above".to_owned())))
            .collect()
    });
    let violations: Vec<&String> = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).collect();
    assert!(violations.is_empty(), "{violations:#?}");
    let sum = |count: fn(&Tally) -> u64| -> u64 { outcomes.iter().flatten().map(count).sum() };
    println!(
        "simulation: {} seeds x 120 operations, {} deliveries, {} revisions, {} questions in {} s: 0 violations",
        sum(|tally| tally.seeds),
        sum(|tally| tally.deliveries),
        sum(|tally| tally.revisions),
        sum(|tally| tally.turns),
        started.elapsed().as_secs()
    );
}

fn run_until(next: &AtomicU64, seeds: u64) -> Result<Tally, String> {
    let mut tally = Tally::default();
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed > seeds {
            return Ok(tally);
        }
        let one = simulation::run(seed, None)?;
        tally.seeds += one.seeds;
        tally.deliveries += one.deliveries;
        tally.revisions += one.revisions;
        tally.turns += one.turns;
    }
}
