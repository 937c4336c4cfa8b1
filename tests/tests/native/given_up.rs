//! What is tried again while somebody is still at it: a queue gives a message up, or the schedule puts
//! something away, and its owner does not wait for the worker that holds it. At every call of every
//! stage the end is the same; and without the rules that are made for this, it is not.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::panic::{self, AssertUnwindSafe};

use consumers::dead_letter;
use pipeline::{
    job::message::Message,
    time::{DAY, HOUR, MINUTE},
};
use producers::schedule::Schedule;
use serde_json::{Value, json};
use test_platform::{Mutation, ready};
use tests::{
    report,
    rig::{Rig, prose},
};

/// The queue's last word on a message whose item has no attempts left.
fn give_up(rig: &Rig, message: &Message) {
    rig.use_up_attempts(message);
    ready(dead_letter::record(&rig.memory.worker("given-up"), "given-up", &message.encode(), 1));
}

/// Its owner tries a job again, unless nothing of it has failed.
fn try_again(rig: &Rig, job: &str) {
    let status = rig.job(job)["status"].clone();
    let retried = rig.request("POST", &format!("/api/jobs/{job}/retry"), &Value::Null).status;
    assert_eq!(retried, if status == "succeeded" { 409 } else { 202 });
}

/// What became of an attempt to hold a worker.
#[derive(PartialEq, Eq)]
enum Held {
    /// There was no such message.
    NoMessage,
    /// Its worker has no such call.
    NoCall,
    /// It was held, its message given up and tried again; all has come to rest since.
    Rested,
}

/// Holds the worker of message number `victim` at its `call`, gives the message up, tries again.
fn held(rig: &Rig, job: &str, victim: usize, call: u64, goes_on_first: bool) -> Held {
    for _ in 0..victim {
        let Some(message) = rig.memory.receive() else { return Held::NoMessage };
        rig.process(&message);
    }
    let Some(message) = rig.memory.receive() else { return Held::NoMessage };
    let Some(worker) = rig.hold(&message, call) else { return Held::NoCall };
    give_up(rig, &message);
    try_again(rig, job);
    if goes_on_first {
        ready(worker);
        assert!(rig.converge());
    } else {
        assert!(rig.converge());
        ready(worker);
        assert!(rig.converge());
    }
    Held::Rested
}

/// Every call of every message of what `begin` starts; how many there were.
fn at_every_call(rig: impl Fn() -> Rig, begin: impl Fn(&Rig) -> String, check: impl Fn(&Rig)) -> usize {
    let mut count = 0;
    for victim in 0.. {
        'calls: for call in 1.. {
            for goes_on_first in [true, false] {
                let rig = rig();
                let job = begin(&rig);
                match held(&rig, &job, victim, call, goes_on_first) {
                    Held::NoMessage => return count,
                    Held::NoCall => break 'calls,
                    Held::Rested => {}
                }
                let view = rig.job(&job);
                assert_eq!(view["status"], "succeeded", "message {victim}, call {call}, {goes_on_first}: {view}");
                check(&rig);
                count += 1;
            }
        }
    }
    count
}

/// A product without a rule.
fn without(rule: &'static str, instead: &'static str) -> Rig {
    let rig = Rig::new(11);
    rig.memory.mutate(Mutation { name: rule, rule, instead });
    rig
}

/// True if a history goes to pieces.
fn is_missed(history: impl Fn() -> usize) -> bool {
    panic::catch_unwind(AssertUnwindSafe(history)).is_err()
}

fn upload_at_every_call(rig: impl Fn() -> Rig) -> usize {
    let documents = json!([
        {"external_id": "tides.md", "content": prose("tides", 9)},
        {"external_id": "winds.md", "content": "What the winds do at night."},
    ]);
    at_every_call(
        rig,
        |rig| rig.upload(&documents),
        |rig| {
            let chunks = rig.memory.look("SELECT count(*) AS count FROM chunks")[0]["count"].as_u64().unwrap();
            assert_eq!(rig.memory.vector_ids().len() as u64, chunks);
            for (word, name) in [("tides", "tides.md"), ("winds", "winds.md")] {
                assert_eq!(rig.search(&json!({"query": word, "mode": "keyword"}))[0], name);
            }
        },
    )
}

#[test]
fn an_upload_is_indexed_whole() {
    let calls = upload_at_every_call(|| Rig::new(11));
    assert!(calls > 40, "{calls}");
    report(&format!("an upload given up and tried again: {calls} ways"));
    let forgets_the_batch = "WHERE state = 'done' AND stage IN ('embed', 'upsert')";
    let waits = "WHERE state <> 'cancelled' AND stage IN ('embed', 'upsert')";
    assert!(is_missed(|| upload_at_every_call(|| without(waits, forgets_the_batch))));
}

#[test]
fn a_question_is_answered_once() {
    let ask =
        |rig: &Rig| rig.ask(&json!({"message": "When is high tide?"})).body["job_id"].as_str().unwrap().to_owned();
    let calls = at_every_call(
        || Rig::new(11),
        ask,
        |rig| {
            assert_eq!(rig.memory.look("SELECT number FROM turns ORDER BY number").len(), 2);
        },
    );
    assert!(calls > 10, "{calls}");
    report(&format!("a question given up and tried again: {calls} ways"));
}

/// A question that had failed is tried again while its conversation is archived.
fn archived_at_every_call(rig: impl Fn() -> Rig) -> usize {
    let mut calls = 0;
    for call in 1.. {
        let rig = rig();
        let first = rig.ask(&json!({"message": "When is high tide?"}));
        give_up(&rig, &rig.memory.receive().unwrap());
        rig.memory.advance(MINUTE);
        let conversation = first.body["conversation_id"].as_str().unwrap().to_owned();
        rig.chat(&json!({"message": "And low tide?", "conversation_id": conversation}));
        rig.memory.set_limits(r#"{"archive_after_days": 1}"#);
        rig.memory.advance(2 * DAY);
        assert_eq!(rig.run_cron(Schedule::Daily).0.archived, 1);
        let Some(worker) = rig.hold(&rig.memory.receive().unwrap(), call) else { break };
        try_again(&rig, first.body["job_id"].as_str().unwrap());
        rig.drain();
        ready(worker);
        assert!(rig.converge());
        let read = rig.request("GET", &format!("/api/conversations/{conversation}"), &Value::Null).body;
        let numbers: Vec<i64> =
            read["messages"].as_array().unwrap().iter().map(|message| message["number"].as_i64().unwrap()).collect();
        assert_eq!(numbers, [1, 2, 3, 4], "call {call}");
        calls += 1;
    }
    calls
}

#[test]
fn an_answer_that_comes_while_its_conversation_is_archived_is_kept() {
    let calls = archived_at_every_call(|| Rig::new(12));
    assert!(calls >= 6, "{calls}");
    report(&format!("an answer while its conversation is archived: {calls} ways"));
    let held = "AND number IN (SELECT value FROM json_each(?6))";
    assert!(is_missed(|| archived_at_every_call(|| without(held, "AND ?6 = ?6"))));
}

/// A conversation goes on while it is archived: it stays at hand, unless that was done already.
fn gone_on_with_at_every_call(rig: impl Fn() -> Rig) -> usize {
    let mut kept = 0;
    for call in 1.. {
        let rig = rig();
        let conversation = rig.chat(&json!({"message": "When is high tide?"}))["conversation_id"].clone();
        rig.memory.set_limits(r#"{"archive_after_days": 1}"#);
        rig.memory.advance(2 * DAY);
        assert_eq!(rig.run_cron(Schedule::Daily).0.archived, 1);
        let Some(worker) = rig.hold(&rig.memory.receive().unwrap(), call) else { break };
        let archived = || rig.memory.look("SELECT archived_key FROM conversations")[0]["archived_key"].is_string();
        let too_late = archived();
        rig.chat(&json!({"message": "And low tide?", "conversation_id": conversation}));
        ready(worker);
        assert!(rig.converge());
        assert!(!archived(), "call {call}");
        kept += usize::from(!too_late);
    }
    kept
}

#[test]
fn a_conversation_that_goes_on_is_not_archived() {
    let kept = gone_on_with_at_every_call(|| Rig::new(14));
    assert!(kept >= 4, "{kept}");
    report(&format!("a conversation goes on while it is archived: {kept} ways"));
    let nobody_went_on = "AND last_number = ?6 AND archived_key IS NULL";
    assert!(is_missed(|| gone_on_with_at_every_call(|| without(nobody_went_on, "AND ?6 = ?6"))));
}

/// A revision that was cancelled took a number: what is current is older than the latest, and is
/// evicted and embedded again all the same.
#[test]
fn what_is_current_after_a_cancel_can_be_evicted_and_comes_back() {
    let rig = Rig::new(13);
    let other = json!([{"external_id": "winds.md", "content": prose("winds", 8)}]);
    rig.upload(&json!([{"external_id": "tides.md", "content": prose("tides", 8)}]));
    rig.drain();
    let cancelled = rig.upload(&json!([{"external_id": "tides.md", "content": "Something else."}]));
    assert_eq!(rig.request("POST", &format!("/api/jobs/{cancelled}/cancel"), &Value::Null).status, 200);
    assert!(rig.converge());
    rig.memory.advance(HOUR);
    rig.upload(&other);
    rig.drain();
    rig.memory.advance(DAY);
    let all = rig.memory.vector_ids();
    rig.memory.set_limits(&json!({ "vectors_stored": all.len() }).to_string());
    assert_eq!(rig.run_cron(Schedule::Daily).0.evicted.documents, 1);
    assert!(rig.memory.vector_ids().len() < all.len());
    rig.memory.set_limits("{}");
    rig.memory.advance(MINUTE);
    assert_eq!(rig.search(&json!({"query": "tides", "mode": "keyword"}))[0], "tides.md");
    rig.memory.advance(HOUR);
    assert_eq!(rig.run_cron(Schedule::Hourly).0.evicted.restored, 1);
    assert!(rig.converge());
    assert_eq!(rig.memory.vector_ids(), all);
    assert_eq!(rig.search(&json!({"query": "tides 5", "mode": "vector"}))[0], "tides.md");
}

/// Of two documents of one pack the second is looked for when the first is already embedded: it has
/// no vectors yet, and gets its own.
fn neighbours_come_back(rig: &Rig) {
    rig.upload(&json!([
        {"external_id": "tides.md", "content": prose("tides", 8)},
        {"external_id": "winds.md", "content": prose("winds", 8)},
    ]));
    rig.drain();
    let all = rig.memory.vector_ids();
    rig.memory.advance(DAY);
    rig.memory.set_limits(r#"{"vectors_stored": 1}"#);
    assert_eq!(rig.run_cron(Schedule::Daily).0.evicted.documents, 2);
    rig.memory.set_limits("{}");
    let look_for = |name: &str| {
        rig.memory.advance(HOUR);
        assert_eq!(rig.search(&json!({"query": name, "mode": "keyword"}))[0], format!("{name}.md"));
    };
    look_for("tides");
    assert_eq!(rig.run_cron(Schedule::Hourly).0.evicted.restored, 1);
    let embed = rig.memory.receive().unwrap();
    rig.process(&embed);
    look_for("winds");
    assert!(rig.converge());
    let evicted = rig.memory.look("SELECT external_id FROM documents WHERE evicted_at IS NOT NULL");
    assert_eq!(evicted, [json!({"external_id": "winds.md"})]);
    assert_eq!(rig.run_cron(Schedule::Hourly).0.evicted.restored, 1);
    assert!(rig.converge());
    assert_eq!(rig.memory.vector_ids(), all);
}

#[test]
fn what_is_looked_for_while_its_neighbour_comes_back_comes_back_too() {
    neighbours_come_back(&Rig::new(14));
    let asked_before = "AND hit_at <= (SELECT created_at FROM jobs WHERE id = ?7)";
    assert!(is_missed(|| {
        neighbours_come_back(&without(asked_before, "AND ?7 = ?7"));
        0
    }));
}
