//! At-least-once delivery, unordered, with workers that die at any call: the final state is the same.
//!
//! For every call of a whole run and each of four fates: that call fails, or loses its answer, or the
//! worker dies before or after it. Then random schedules of all of that, with duplicated, reordered
//! and lost messages. A failing seed is printed and replays by itself.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    task::{Context, Poll, Waker},
};

use pipeline::{
    constants,
    job::outcome::Outcome,
    platform::ports::Clock as _,
    time::{DAY, SECOND, Span},
};
use producers::schedule::Schedule;
use serde_json::{Value, json};
use test_platform::{Fate, ready};
use tests::{
    report,
    rig::{Rig, held::Worker, prose},
};

const SEED: u64 = 7;
/// How often the sweep runs when it is deployed.
const SWEEP: Span = Span::minutes(5);
/// Orders, duplicates and losses of messages in which each call breaks off.
const SCHEDULES: u64 = 20;

fn documents() -> Value {
    json!([
        {"external_id": "long.md", "content": prose("tides", 120)},
        {"external_id": "short.md", "content": "about short things"},
        {"external_id": "code.rs", "content": "fn launchShip() { sail() }\n".repeat(40)},
    ])
}

/// Uploads, replaces one document and deletes another, calmly.
fn calm() -> Value {
    let rig = Rig::new(SEED);
    scenario(&rig);
    assert!(rig.converge());
    // Garbage is visited twice, the second time when nothing unseen can write.
    rig.memory.advance(2 * constants::MAX_WRITER_LIFE);
    assert!(rig.converge());
    comparable(&rig)
}

fn scenario(rig: &Rig) {
    rig.upload(&documents());
    rig.converge();
    replace_and_delete(rig);
}

/// A new revision of one document, and the end of another; and something is decided in a session of Claude Code.
fn replace_and_delete(rig: &Rig) {
    for (event, prompt) in [("UserPromptSubmit", "We decided to keep tides in cents."), ("SessionEnd", "")] {
        let body = json!({"hook_event_name": event, "session_id": "one", "prompt": prompt});
        assert_eq!(rig.request("POST", "/hooks/claude-code", &body).body, json!({}));
    }
    rig.upload(&json!([{"external_id": "short.md", "content": "about shorter things"}]));
    assert_eq!(rig.request("DELETE", "/api/documents?prefix=code.", &Value::Null).status, 202);
}

/// The state without what legitimately differs: nothing.
fn comparable(rig: &Rig) -> Value {
    let mut state = rig.state();
    state["proposed"] = json!(rig.memory.look("SELECT m.text, m.state, s.proposals FROM hook_sessions s, memories m"));
    state["searches"] = json!([
        rig.search(&json!({"query": "shorter", "mode": "keyword"})),
        rig.search(&json!({"query": "tides 7", "group_by": "document"}))
    ]);
    state
}

/// What came of a run under fire.
struct Survived {
    /// The final state.
    state: Value,
    /// The longest that accepted work took to end, once no call failed any more.
    to_rest: Span,
}

/// Works off all messages under fire; workers that hang are returned.
fn work(
    rig: &Rig,
    fates: &Rc<RefCell<impl FnMut() -> Fate + 'static>>,
    shuffle: &mut impl FnMut() -> u64,
) -> Vec<Worker> {
    let mut hung = Vec::new();
    let mut budget = 400;
    while let Some(message) = rig.memory.receive() {
        budget -= 1;
        let drawn = shuffle();
        if drawn % 50 == 1 {
            continue; // Lost.
        }
        if drawn % 7 == 2 && budget > 100 {
            rig.memory.redeliver(message); // Later.
            continue;
        }
        if drawn % 5 == 3 && budget > 100 {
            rig.memory.redeliver(message.clone()); // Twice.
        }
        let fates = Rc::clone(fates);
        rig.memory.set_fates(move || (fates.borrow_mut())());
        let mut worker = rig.worker(&format!("worker-{budget}-{}", rig.memory.now().milliseconds()), &message);
        let outcome = worker.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        rig.memory.heal();
        match outcome {
            Poll::Pending => hung.push(worker),
            Poll::Ready(Outcome::Retry { after, .. }) => {
                rig.memory.advance(after);
                rig.memory.redeliver(message);
            }
            Poll::Ready(_) => {}
        }
        if drawn % 11 == 5 {
            rig.memory.advance(constants::LEASE + SECOND); // A pause past the lease.
        }
    }
    hung
}

/// Lets the schedule run every five minutes until nothing accepted is left; how long that took.
fn rest(rig: &Rig) -> Span {
    let begin = rig.memory.now();
    while !rig.memory.look("SELECT id FROM jobs WHERE finished_at IS NULL AND kind = 'index'").is_empty() {
        assert!(rig.memory.now().since(begin) < DAY, "work is left");
        rig.memory.advance(SWEEP);
        let _ = rig.run_cron(Schedule::Frequent);
        rig.drain();
    }
    rig.memory.now().since(begin)
}

/// Runs the scenario with faults in the stages only: requests that fail are their client's to repeat.
fn run(fates: impl FnMut() -> Fate + 'static, mut shuffle: impl FnMut() -> u64) -> Survived {
    let rig = Rig::new(SEED);
    let fates = Rc::new(RefCell::new(fates));
    let mut to_rest = Span::ZERO;
    rig.upload(&documents());
    for step in [None, Some(replace_and_delete)] {
        if let Some(step) = step {
            step(&rig);
        }
        let hung = work(&rig, &fates, &mut shuffle);
        to_rest = to_rest.max(rest(&rig));
        // Who hung goes on when everything is done, and must not change it.
        for worker in hung {
            ready(worker);
        }
        assert!(rig.converge());
    }
    rig.memory.advance(2 * constants::MAX_WRITER_LIFE);
    assert!(rig.converge());
    Survived { state: comparable(&rig), to_rest }
}

fn count_calls(expected: &Value) -> u64 {
    let calls = Rc::new(Cell::new(0u64));
    let counted = Rc::clone(&calls);
    let counting = move || {
        counted.set(counted.get() + 1);
        Fate::Works
    };
    assert_eq!(run(counting, || 0).state, *expected);
    assert!(calls.get() > 40, "{} calls", calls.get());
    calls.get()
}

/// One call meets its fate; the others work.
fn at(victim: u64, fate: Fate) -> impl FnMut() -> Fate + 'static {
    let mut call = 0;
    move || {
        call += 1;
        if call == victim + 1 { fate } else { Fate::Works }
    }
}

/// xorshift. Source: Marsaglia, "Xorshift RNGs", 2003.
fn draws(seed: u64) -> impl FnMut() -> u64 + Clone + 'static {
    let mut state: u64 = u64::wrapping_mul(seed, 0x9e37_79b9_7f4a_7c15);
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state >> 11
    }
}

#[test]
fn every_call_can_go_wrong_in_every_way() {
    let expected = calm();
    let total = count_calls(&expected);
    for fate in [Fate::Fails, Fate::AnswerLost, Fate::Crashes, Fate::CrashesAfter] {
        for victim in 0..total {
            assert_eq!(run(at(victim, fate), || 0).state, expected, "{fate:?} at call {victim} of {total}");
        }
    }
    report(&format!("{total} calls x 4 fates: the same final state"));
}

/// T4: one of a worker's calls meets this fate, each in turn, in twenty schedules.
fn comes_to_rest_within_two_leases_and_sweeps(fate: Fate) {
    let expected = calm();
    let total = count_calls(&expected);
    let mut longest = Span::ZERO;
    for victim in 0..total {
        for schedule in 1..=SCHEDULES {
            let survived = run(at(victim, fate), draws(victim * SCHEDULES + schedule));
            assert_eq!(survived.state, expected, "{fate:?} at call {victim} of {total}, schedule {schedule}");
            longest = longest.max(survived.to_rest);
        }
    }
    report(&format!(
        "crash matrix: {total} calls x {fate:?} x {SCHEDULES} schedules: at rest after at most {} s",
        longest.as_seconds()
    ));
    assert!(longest <= 2 * (constants::LEASE + SWEEP), "{longest:?}");
}

#[test]
fn whatever_panics_comes_to_rest_within_two_leases_and_sweeps() {
    comes_to_rest_within_two_leases_and_sweeps(Fate::Crashes);
}

#[test]
fn whatever_fails_comes_to_rest_within_two_leases_and_sweeps() {
    comes_to_rest_within_two_leases_and_sweeps(Fate::Fails);
}

#[test]
fn whatever_hangs_comes_to_rest_within_two_leases_and_sweeps() {
    comes_to_rest_within_two_leases_and_sweeps(Fate::Pauses);
}

#[test]
fn random_faults_duplicates_reorderings_and_losses() {
    let expected = calm();
    let seeds = 200;
    for seed in 1..=seeds {
        let mut draw = draws(seed);
        let mut fate_draw = draw.clone();
        let fates = move || match fate_draw() % 100 {
            0..=2 => Fate::Fails,
            3..=4 => Fate::AnswerLost,
            5..=7 => Fate::Crashes,
            8..=9 => Fate::CrashesAfter,
            _ => Fate::Works,
        };
        draw();
        assert_eq!(run(fates, draw).state, expected, "seed {seed}");
    }
    report(&format!("{seeds} schedules with duplicates, losses and faults: the same final state"));
}
