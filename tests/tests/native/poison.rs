//! T5: unreadable messages among many: each is recorded once, and nothing healthy is lost.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Instant;

use consumers::consume;
use pipeline::job::outcome::Outcome;
use serde_json::json;
use test_platform::ready;
use tests::{report, rig::Rig};

const POISONS: [&str; 6] =
    ["", "not JSON", "{}", r#"{"v":1,"stage":"dance","item":1,"user":"usr_x"}"#, r#"{"v":"1"}"#, "[1,2,3]"];

/// So many uploads; a hundredth of all messages is poison, each delivered twice.
fn among(uploads: usize) {
    let started = Instant::now();
    let rig = Rig::new(5);
    let mut healthy = 0;
    let mut poisons = 0;
    let mut worked = 0;
    for number in 0..uploads {
        rig.upload(&json!([{"external_id": format!("{number}.md"), "content": format!("document number{number}")}]));
        while let Some(message) = rig.memory.receive() {
            assert_eq!(rig.process(&message).outcome, Outcome::Done);
            healthy += 1;
            if healthy % 99 == 0 {
                let id = format!("poison-{poisons}");
                for _ in 0..2 {
                    rig.memory.begin(&id);
                    let body = POISONS[poisons % POISONS.len()];
                    let report = ready(consume(&rig.memory, &id, body, 1));
                    assert!(matches!(report.outcome, Outcome::Dead { .. } | Outcome::Done), "{:?}", report.outcome);
                }
                poisons += 1;
            }
        }
        worked += 1;
    }
    let count = |sql: &'static str| rig.memory.look(sql)[0]["count"].as_u64().unwrap();
    assert_eq!(count("SELECT count(*) AS count FROM dead_letters"), poisons as u64, "each once");
    assert_eq!(count("SELECT count(*) AS count FROM documents WHERE current IS NOT NULL"), worked);
    assert_eq!(count("SELECT count(*) AS count FROM jobs WHERE finished_at IS NULL"), 0);
    assert_eq!(rig.search(&json!({"query": "number7", "mode": "keyword"}))[0], "7.md");
    report(&format!(
        "{healthy} messages and {poisons} poisons in {} s: none lost, each recorded once",
        started.elapsed().as_secs()
    ));
}

#[test]
fn poison_among_a_thousand() {
    among(330);
}

#[test]
#[ignore = "a minute long; `make soak` runs it"]
fn poison_among_ten_thousand() {
    among(3_300);
}
