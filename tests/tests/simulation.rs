//! T1: ten thousand histories of the whole product under fire. T2: every rule that holds them together
//! is taken out in turn, and must be missed.
//!
//! `SEED=17 cargo test -p tests --test simulation -- --nocapture` replays one history, `SEEDS=100000`
//! runs more of them.
#![expect(clippy::print_stdout, clippy::panic, reason = "tests; seeds and duration are part of the result")]

use std::{
    panic,
    process::{Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Instant,
};

use test_platform::Mutation;
use tests::{
    report,
    simulation::{self, Tally, Without},
};

const SEEDS: u64 = 10_000;
/// Histories in which a missing rule must be missed.
const SEEDS_PER_MUTATION: u64 = 2_000;

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn workers() -> u64 {
    thread::available_parallelism().map_or(2, |count| count.get() as u64)
}

#[test]
fn ten_thousand_histories_keep_every_promise() {
    if let Some(seed) = from_environment("SEED") {
        println!("{:?}", simulation::run(seed));
        return;
    }
    if let (Some(first), Some(last)) = (from_environment("FIRST_SEED"), from_environment("LAST_SEED")) {
        println!("tally {}", serde_json::to_string(&run_range(first, last)).unwrap());
        return;
    }
    // Processes, not threads: SQLite's allocator has one lock for all threads.
    let seeds = from_environment("SEEDS").unwrap_or(SEEDS);
    let started = Instant::now();
    let share = seeds.div_ceil(workers());
    let children: Vec<_> = (0..workers())
        .map(|worker| {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "ten_thousand_histories_keep_every_promise", "--nocapture"])
                .env("FIRST_SEED", (worker * share + 1).to_string())
                .env("LAST_SEED", ((worker + 1) * share).min(seeds).to_string())
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
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        let line = text.lines().find_map(|line| line.split_once("tally ")).unwrap().1;
        tally.add(serde_json::from_str(line).unwrap());
    }
    assert_eq!(tally.seeds, seeds);
    report(&format!(
        "simulation: {} seeds x 120 operations, {} deliveries, {} revisions, {} questions in {} s: 0 violations",
        tally.seeds,
        tally.deliveries,
        tally.revisions,
        tally.turns,
        started.elapsed().as_secs()
    ));
}

fn run_range(first: u64, last: u64) -> Tally {
    let mut tally = Tally::default();
    for seed in first..=last {
        match simulation::run(seed) {
            Ok(one) => tally.add(one),
            Err(violation) => panic!("{violation}"),
        }
    }
    tally
}

const fn without(name: &'static str, rule: &'static str, instead: &'static str) -> Mutation {
    Mutation { name, rule, instead }
}

/// The fences and rules of the protocol, each with what is left without it.
const MUTATIONS: [Mutation; 20] = [
    without(
        "a claim excludes others",
        "AND (state IN ('queued', 'parked') OR (state = 'running' AND lease < ?3))",
        "AND state IN ('queued', 'parked', 'running') AND ?3 = ?3",
    ),
    without("a write holds the claim's token", "token = ?2", "?2 = ?2"),
    without(
        "cancelling voids claims",
        "SET state = 'cancelled', token = NULL, updated_at = ?3",
        "SET state = 'cancelled', updated_at = ?3",
    ),
    without("only the latest revision is published", "AND documents.latest_item = published.pack", ""),
    without(
        "chunks are written for the latest revision only",
        "WHERE d.latest_item = ?1 AND d.latest = r.value ->> 'revision'",
        "WHERE 1",
    ),
    without(
        "every upload takes a revision number",
        "latest = latest + 1, latest_item = excluded.latest_item",
        "latest_item = excluded.latest_item",
    ),
    without(
        "a delete moves the fence",
        "deleted_at = ?3, latest = latest + 1, latest_item = NULL",
        "deleted_at = ?3, latest_item = latest_item",
    ),
    without("what is replaced becomes superseded", "AND d.current_item <> p.id", "AND 0"),
    without("superseded revisions are visited a second time", "WHERE NOT r.value ->> 'is_final'", "WHERE 0"),
    without(
        "only open items are given up",
        "(token = ?2 OR ?2 IS NULL) AND state NOT IN ('done', 'failed', 'cancelled')",
        "(token = ?2 OR ?2 IS NULL)",
    ),
    without(
        "a batch waits for its packs, a question for the one before it",
        "AND p.state NOT IN ('done', 'failed', 'cancelled')",
        "AND 0",
    ),
    without("lost messages are sent again", "(i.state = 'queued' AND i.next_at <= ?1", "(0 AND i.next_at <= ?1"),
    without("dead workers are replaced", "OR (i.state = 'running' AND i.lease < ?1)", "OR (0 AND i.lease < ?1)"),
    without(
        "uploads that never ended are removed",
        "accepted_at IS NULL AND created_at < ?2",
        "accepted_at IS NULL AND created_at < ?2 AND 0",
    ),
    without(
        "vectors in R2 that nothing reads are collected",
        "WHERE id IN (SELECT value FROM json_each(?1)) AND state NOT IN ('done', 'cancelled')",
        "WHERE id IN (SELECT value FROM json_each(?1))",
    ),
    without(
        "archives are noted before they are written",
        "OR (state = 'writing' AND updated_at < ?1)",
        "OR (0 AND updated_at < ?1)",
    ),
    without("an eviction that broke off is finished", "WHERE evicted_at IS NOT NULL AND evicting = 1", "WHERE 0"),
    without(
        "parked work is due at midnight",
        "SET due_at = (SELECT min(next_at)",
        "SET due_at = (SELECT 9e15 + min(next_at)",
    ),
    without(
        "usage rows go when they are summed up",
        "DELETE FROM usage_log WHERE at < ?1",
        "DELETE FROM usage_log WHERE at < ?1 AND 0",
    ),
    without(
        "a usage row replaces its reservation",
        "DELETE FROM reservations WHERE id = ?1",
        "DELETE FROM reservations WHERE id = ?1 AND 0",
    ),
];

#[test]
fn every_rule_that_is_taken_out_is_missed() {
    if from_environment("FIRST_SEED").is_some() {
        return;
    }
    let started = Instant::now();
    // A history without a rule may well panic; that is noticed, and need not be shown.
    panic::set_hook(Box::new(|_| {}));
    let next = AtomicUsize::new(0);
    let found: Vec<(&str, Option<u64>)> = thread::scope(|scope| {
        let threads: Vec<_> = (0..workers())
            .map(|_| {
                scope.spawn(|| {
                    let mut found = Vec::new();
                    while let Some(mutation) = MUTATIONS.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let seed = first_violation(*mutation);
                        report(&format!(
                            "without `{}`: {}",
                            mutation.name,
                            seed.map_or("not missed".to_owned(), |seed| format!("missed by seed {seed}"))
                        ));
                        found.push((mutation.name, seed));
                    }
                    found
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let _ = panic::take_hook();
    report(&format!("{} rules taken out in {} s", found.len(), started.elapsed().as_secs()));
    let unwatched: Vec<&str> = found.iter().filter(|(_, seed)| seed.is_none()).map(|(name, _)| *name).collect();
    assert!(unwatched.is_empty(), "nothing misses: {unwatched:?}");
    assert_eq!(found.len(), MUTATIONS.len());
}

/// The first seed that misses it. Panics if no history holds the rule: it cannot be taken out.
fn first_violation(mutation: Mutation) -> Option<u64> {
    let mut was_used = false;
    for seed in 1..=SEEDS_PER_MUTATION {
        match simulation::run_without(seed, mutation) {
            Without::Unused => {}
            Without::Unnoticed => was_used = true,
            Without::Violated => return Some(seed),
        }
    }
    assert!(was_used, "no statement holds the rule `{}`", mutation.name);
    None
}
