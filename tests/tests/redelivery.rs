//! At-least-once delivery, unordered, with workers that die at any call: the final state is the same.
//!
//! For every call of a whole run and each of four fates: that call fails, or loses its answer, or the
//! worker dies before or after it. Then random schedules of all of that, with duplicated, reordered
//! and lost messages. A failing seed is printed and replays by itself.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{cell::Cell, rc::Rc};

use pipeline::{outcome::Outcome, testing::Fate};
use serde_json::{Value, json};
use tests::rig::{Rig, prose};

const SEED: u64 = 7;

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
    rig.memory.advance(2 * pipeline::limits::SETTLE);
    assert!(rig.converge());
    comparable(&rig)
}

fn scenario(rig: &Rig) {
    rig.upload(&documents());
    rig.converge();
    replace_and_delete(rig);
}

/// A new revision of one document, and the end of another.
fn replace_and_delete(rig: &Rig) {
    rig.upload(&json!([{"external_id": "short.md", "content": "about shorter things"}]));
    let id = rig.request("GET", "/api/documents?external_id=code.rs", &Value::Null).body["data"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(rig.request("DELETE", &format!("/api/documents/{id}"), &Value::Null).status, 202);
}

/// The state without what legitimately differs: nothing.
fn comparable(rig: &Rig) -> Value {
    let mut state = rig.state();
    state["searches"] = json!([
        rig.search(&json!({"query": "shorter", "mode": "keyword"})),
        rig.search(&json!({"query": "tides 7", "group_by": "document"}))
    ]);
    state
}

/// Runs the scenario with faults in the stages only: requests that fail are their client's to repeat.
fn run(fates: impl FnMut() -> Fate + 'static, mut shuffle: impl FnMut() -> u64) -> Value {
    let rig = Rig::new(SEED);
    rig.upload(&documents());
    let fates = Rc::new(std::cell::RefCell::new(fates));
    let under_fire = |rig: &Rig, shuffle: &mut dyn FnMut() -> u64| {
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
            let fates = Rc::clone(&fates);
            rig.memory.set_fates(move || (fates.borrow_mut())());
            let outcome = rig.process(&message).outcome;
            rig.memory.heal();
            if let Outcome::Retry { after, .. } = outcome {
                rig.memory.advance(i64::from(after) * 1_000);
                rig.memory.redeliver(message);
            }
            if drawn % 11 == 5 {
                rig.memory.advance(pipeline::limits::LEASE + 1_000); // A pause past the lease.
            }
        }
    };
    under_fire(&rig, &mut shuffle);
    assert!(rig.converge());
    replace_and_delete(&rig);
    under_fire(&rig, &mut shuffle);
    assert!(rig.converge());
    rig.memory.advance(2 * pipeline::limits::SETTLE);
    assert!(rig.converge());
    comparable(&rig)
}

#[test]
fn every_call_can_go_wrong_in_every_way() {
    let expected = calm();
    let calls = Rc::new(Cell::new(0u64));
    let counted = Rc::clone(&calls);
    let counting = move || {
        counted.set(counted.get() + 1);
        Fate::Works
    };
    assert_eq!(run(counting, || 0), expected);
    let total = calls.get();
    assert!(total > 40, "{total} calls");
    for fate in [Fate::Fails, Fate::AnswerLost, Fate::Crashes, Fate::CrashesAfter] {
        for victim in 0..total {
            let mut call = 0;
            let fates = move || {
                call += 1;
                if call == victim + 1 { fate } else { Fate::Works }
            };
            assert_eq!(run(fates, || 0), expected, "{fate:?} at call {victim} of {total}");
        }
    }
    println!("{total} calls x 4 fates: the same final state");
}

#[test]
fn random_faults_duplicates_reorderings_and_losses() {
    let expected = calm();
    let seeds = 200;
    for seed in 1..=seeds {
        let mut state: u64 = u64::wrapping_mul(seed, 0x9e37_79b9_7f4a_7c15);
        let mut draw = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state >> 11
        };
        let mut fate_draw = draw;
        let fates = move || match fate_draw() % 100 {
            0..=2 => Fate::Fails,
            3..=4 => Fate::AnswerLost,
            5..=7 => Fate::Crashes,
            8..=9 => Fate::CrashesAfter,
            _ => Fate::Works,
        };
        draw();
        assert_eq!(run(fates, draw), expected, "seed {seed}");
    }
    println!("{seeds} seeds: the same final state");
}
