//! T1: histories of the whole product under fire: those that found something once, and fresh ones.
//!
//! `make trace SEED=17` replays one history and prints it. `SEEDS` says how many fresh ones there are,
//! `SEED_BASE` after which number they begin: both are printed, so that a run can be repeated.
#![expect(clippy::print_stdout, clippy::panic, reason = "tests; seeds and duration are part of the result")]

use std::{
    process::{Command, Stdio},
    thread,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use test_platform::Mutation;
use tests::{
    report,
    simulation::{self, Tally},
};

/// Fresh histories of a run.
const SEEDS: u64 = 1_500;
/// Bases are apart from each other by more seeds than a long run has.
const BETWEEN_BASES: u64 = 100_000;
/// Bases until they begin again: seeds stay short enough to type.
const BASES: u64 = 100_000;

const KEPT: &str = include_str!("../../simulation/seeds.txt");
const THIS: &str = "simulation::fresh_histories_keep_every_promise";

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// The base of this run: what the environment says, or another one every second.
#[expect(clippy::disallowed_methods, reason = "which histories are run is to be different every time, and is printed")]
fn base() -> u64 {
    let fresh = || {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        seconds % BASES * BETWEEN_BASES
    };
    from_environment("SEED_BASE").unwrap_or_else(fresh)
}

fn workers() -> u64 {
    thread::available_parallelism().map_or(2, |count| count.get() as u64)
}

/// Runs one history; one that breaks a promise is explained.
fn keeps_its_promises(seed: u64) -> Tally {
    if let Ok(tally) = simulation::run(seed) {
        return tally;
    }
    let broken = simulation::explain(seed, None).map(|broken| broken.to_string());
    panic!("{}", broken.unwrap_or_else(|| format!("seed {seed} fails, but not when it is run again")));
}

#[test]
fn fresh_histories_keep_every_promise() {
    if let (Some(first), Some(last)) = (from_environment("FIRST_SEED"), from_environment("LAST_SEED")) {
        let mut tally = Tally::default();
        (first..=last).for_each(|seed| tally.add(keeps_its_promises(seed)));
        println!("tally {}", serde_json::to_string(&tally).unwrap());
        return;
    }
    // Processes, not threads: SQLite's allocator has one lock for all threads.
    let (seeds, base) = (from_environment("SEEDS").unwrap_or(SEEDS), base());
    let started = Instant::now();
    let share = seeds.div_ceil(workers());
    let children: Vec<_> = (0..workers())
        .map(|worker| {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", THIS, "--nocapture"])
                .env("FIRST_SEED", (base + worker * share + 1).to_string())
                .env("LAST_SEED", (base + ((worker + 1) * share).min(seeds)).to_string())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    let mut tally = Tally::default();
    for child in children {
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "SEED_BASE={base} SEEDS={seeds}: {text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let line = text.lines().find_map(|line| line.split_once("tally ")).unwrap().1;
        tally.add(serde_json::from_str(line).unwrap());
    }
    assert_eq!(tally.seeds, seeds);
    report(&format!(
        "simulation: {} fresh seeds (SEED_BASE={base}) x 120 operations, {} deliveries, {} revisions, {} questions \
         in {} s: 0 violations",
        tally.seeds,
        tally.deliveries,
        tally.revisions,
        tally.turns,
        started.elapsed().as_secs()
    ));
}

#[test]
fn seeds_that_found_something_keep_every_promise() {
    let seeds: Vec<u64> = KEPT
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| line.parse().unwrap())
        .collect();
    assert!(!seeds.is_empty());
    for seed in &seeds {
        keeps_its_promises(*seed);
    }
    report(&format!("simulation: {} kept seeds: 0 violations", seeds.len()));
}

/// What `make trace` shows.
#[test]
#[ignore = "shows one history: make trace SEED=17"]
fn one_history_is_replayed() {
    println!("{}", simulation::replay(from_environment("SEED").expect("SEED says which history")));
}

/// A failing seed says what happened last, and how little of it is enough.
#[test]
fn a_history_that_breaks_a_promise_is_explained_and_shrunk() {
    let rule =
        Mutation { name: "what is replaced is superseded", rule: "AND d.current_item <> p.id", instead: "AND 0" };
    let mut seeds = 1..=100;
    let broken = seeds.find_map(|seed| simulation::explain(seed, Some(rule))).unwrap();
    let text = broken.to_string();
    assert!(broken.operations < 20, "{text}");
    assert!(text.contains("the last 40 operations:") && text.contains("client       POST /api/index"), "{text}");
    report(&format!("a history that breaks a promise: {} of its 120 operations are enough", broken.operations));
}
