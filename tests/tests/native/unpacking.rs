//! Streamed uploads under fire: every call of the request and of unpacking goes wrong in every way.

use std::{
    cell::Cell,
    rc::Rc,
    task::{Context, Waker},
};

use pipeline::{
    constants,
    job::{message::Stage, outcome::Outcome},
    time::{HOUR, MINUTE, SECOND},
};
use producers::schedule::Schedule;
use serde_json::{Value, json};
use test_platform::{Fate, ready};
use tests::{report, rig::Rig};

use crate::{
    compressed::{folder, gzip},
    streamed::{LINES, items, lines, objects_of_uploads, send, upload},
};

/// A crash at any call of the request: either a job that ends well, or an object that nobody keeps.
#[test]
fn a_request_that_dies_at_any_call_leaves_a_job_or_nothing() {
    let body = lines(150, 2_000);
    let (mut jobs, mut refused) = (0, 0);
    for fate in [Fate::Fails, Fate::AnswerLost, Fate::Crashes, Fate::CrashesAfter] {
        for victim in 0.. {
            let rig = Rig::new(1);
            let calls = Rc::new(Cell::new(0));
            let counted = Rc::clone(&calls);
            rig.memory.set_fates(move || {
                counted.set(counted.get() + 1);
                if counted.get() == victim + 1 { fate } else { Fate::Works }
            });
            let answer = send(&rig, LINES, body.as_bytes());
            rig.memory.heal();
            rig.memory.advance(2 * HOUR);
            let (_, done) = rig.run_cron(Schedule::Frequent);
            assert_eq!(done, Ok(()), "{fate:?} at call {victim}");
            assert!(rig.converge(), "{fate:?} at call {victim}");
            rig.memory.advance(2 * constants::MAX_WRITER_LIFE);
            assert!(rig.converge());
            assert_eq!(objects_of_uploads(&rig), 0, "{fate:?} at call {victim}");
            let documents = rig.memory.look("SELECT id FROM documents WHERE current IS NOT NULL").len();
            let is_job = documents == 150;
            assert!(is_job || (documents == 0 && answer.status != 202), "{fate:?} at call {victim}: {documents}");
            jobs += i32::from(is_job);
            refused += i32::from(!is_job);
            if calls.get() <= victim {
                break;
            }
        }
    }
    assert!(jobs > 4 && refused > 4, "{jobs} jobs, {refused} refused");
}

/// What must be the same whatever happened on the way.
fn comparable(rig: &Rig, job: &str) -> Value {
    let mut state = rig.state();
    state["vectors"] = json!(rig.memory.vector_ids().len());
    let view = rig.job(job);
    let listed: Vec<Value> =
        items(rig, job, "").iter().map(|item| json!([item["index"], item["external_id"], item["status"]])).collect();
    let (status, counts, upload) = (&view["status"], &view["items"], &view["upload"]);
    json!({ "state": state, "status": status, "counts": counts, "upload": upload, "items": listed })
}

/// One call of the whole unpacking meets its fate; the rest of the pipeline follows.
fn unpacked(media_type: &str, body: &[u8], victim: u64, fate: Fate) -> (Value, u64) {
    let rig = Rig::new(7);
    let job = upload(&rig, media_type, body);
    let calls = Rc::new(Cell::new(0));
    let counted = Rc::clone(&calls);
    let fates = Rc::new(move || {
        counted.set(counted.get() + 1);
        if counted.get() == victim + 1 { fate } else { Fate::Works }
    });
    for _ in 0..1_000 {
        let Some(message) = rig.memory.receive() else {
            if rig.memory.look("SELECT id FROM job_items WHERE stage = 'unpack' AND state <> 'done'").is_empty() {
                break;
            }
            rig.memory.advance(5 * MINUTE);
            let _ = rig.run_cron(Schedule::Frequent);
            continue;
        };
        let fates = Rc::clone(&fates);
        if message.stage == Stage::Unpack {
            rig.memory.set_fates(move || fates());
        }
        let outcome = rig.process(&message).outcome;
        rig.memory.heal();
        if let Outcome::Retry { after, .. } = outcome {
            rig.memory.advance(after);
            rig.memory.redeliver(message);
        }
    }
    assert!(rig.converge());
    rig.memory.advance(2 * constants::MAX_WRITER_LIFE);
    assert!(rig.converge());
    (comparable(&rig, &job), calls.get())
}

#[test]
fn every_call_of_unpacking_can_go_wrong_in_every_way() {
    let compressed = gzip(&folder(13, 700));
    for (media_type, body) in [(LINES, lines(12, 24_000).into_bytes()), ("application/gzip", compressed)] {
        let (expected, total) = unpacked(media_type, &body, u64::MAX - 1, Fate::Works);
        assert_eq!(expected["status"], "succeeded");
        assert!(total > 20, "{total} calls");
        for fate in [Fate::Fails, Fate::AnswerLost, Fate::Crashes, Fate::CrashesAfter] {
            for victim in 0..total {
                let found = unpacked(media_type, &body, victim, fate).0;
                assert_eq!(found, expected, "{fate:?} at call {victim} of {total}, {media_type}");
            }
        }
        report(&format!("{total} calls of unpacking {media_type} x 4 fates: the same final state"));
    }
}

/// A worker that stands still past its lease overwrites nothing that another stored meanwhile.
#[test]
fn a_worker_that_comes_back_changes_nothing() {
    let body = lines(12, 24_000);
    let (expected, total) = unpacked(LINES, body.as_bytes(), u64::MAX - 1, Fate::Works);
    for victim in 0..total.min(12) {
        let rig = Rig::new(7);
        let job = upload(&rig, LINES, body.as_bytes());
        let message = rig.memory.receive().unwrap();
        let mut call = 0;
        rig.memory.set_fates(move || {
            call += 1;
            if call == victim + 1 { Fate::Pauses } else { Fate::Works }
        });
        let mut worker = rig.worker("slow", &message);
        let _ = worker.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        rig.memory.heal();
        rig.memory.advance(constants::LEASE + SECOND);
        rig.memory.redeliver(message);
        rig.drain();
        ready(worker);
        assert!(rig.converge());
        rig.memory.advance(2 * constants::MAX_WRITER_LIFE);
        assert!(rig.converge());
        assert_eq!(comparable(&rig, &job), expected, "standing still at call {victim}");
    }
}

/// A worker that is stopped for what a long document costs, each time it comes to it: the document is rejected by
/// the last attempt, and nothing around it is lost.
#[test]
fn a_document_that_every_attempt_dies_of_is_rejected_alone() {
    let rig = Rig::new(3);
    let long = json!({"external_id": "long.md", "content": "words that fill it ".repeat(150_000)});
    let body = format!(
        "{}\n{long}\n{}\n",
        json!({"external_id": "before.md", "content": "what stands before"}),
        json!({"external_id": "behind.md", "content": "what stands behind"}),
    );
    let job = upload(&rig, LINES, body.as_bytes());
    let (mut deaths, hashed) = (0, Rc::new(Cell::new(0)));
    while let Some(message) = rig.memory.receive() {
        let is_long = message.stage == Stage::Unpack && items(&rig, &job, "").len() == 1;
        if is_long && deaths < constants::ATTEMPTS - 1 {
            // What it does before it has hashed the document: it claims the item and reads the range.
            let counted = Rc::clone(&hashed);
            hashed.set(0);
            rig.memory.set_fates(move || {
                counted.set(counted.get() + 1);
                if counted.get() > 2 { Fate::Crashes } else { Fate::Works }
            });
            deaths += 1;
        }
        rig.process(&message);
        rig.memory.heal();
        rig.memory.advance(constants::LEASE + SECOND);
        let _ = rig.run_cron(Schedule::Frequent);
    }
    assert!(rig.converge());
    let listed = items(&rig, &job, "");
    let states: Vec<&Value> = listed.iter().map(|item| &item["status"]).collect();
    assert_eq!(deaths, constants::ATTEMPTS - 1);
    assert_eq!(states, ["done", "rejected", "done"], "{listed:?}");
    assert_eq!(listed[1]["error"]["code"], "too_large");
    assert_eq!(rig.job(&job)["status"], "partial");
}
