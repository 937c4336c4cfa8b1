//! What a user's retention removes: what is old, and nothing that was accepted since.
//!
//! Those that take a product are scenes as well (`mutations/scenes.rs`): without the rules they are about they fail.

use std::task::{Context, Waker};

use pipeline::time::{DAY, MINUTE};
use producers::schedule::Schedule;
use serde_json::json;
use test_platform::{Fate, ready};
use tests::rig::Rig;

use crate::cancels::{New, fresh, is_found, write};

fn keep_documents(rig: &Rig, days: u32) {
    let profile = json!({"retention": {"document_days": days}});
    assert_eq!(rig.request("PATCH", "/api/me", &profile).status, 200);
}

/// A document that was published longer ago than its owner wants.
fn outdated(rig: &Rig) {
    keep_documents(rig, 30);
    write(rig, "tides.md", "about neaps");
    rig.drain();
    rig.memory.advance(31 * DAY);
}

/// Lets what is parked be published.
fn rest(rig: &Rig) {
    rig.memory.set_limits("{}");
    rig.memory.advance(DAY + MINUTE);
    assert!(rig.converge());
}

pub(crate) fn what_was_uploaded_today_is_not_old(new: New<'_>) {
    let rig = new();
    outdated(&rig);
    rig.memory.set_limits(r#"{"neurons": 20, "ingest_share": 0}"#);
    let job = write(&rig, "tides.md", "about springs");
    rig.drain();
    assert_eq!(rig.job(&job)["status"], "parked");
    assert_eq!(rig.run_cron(Schedule::Daily).0.retention.documents, 0);
    rest(&rig);
    assert_eq!(rig.job(&job)["items"]["done"], 1, "{}", rig.job(&job));
    assert!(is_found(&rig, "springs", "tides.md"));
    // A month later it is.
    rig.memory.advance(31 * DAY);
    assert_eq!(rig.run_cron(Schedule::Daily).0.retention.documents, 1);
    assert!(!is_found(&rig, "springs", "tides.md"));
}

/// Holds the schedule at one of its calls; false if it has no such call.
fn at_call_of_schedule(rig: &Rig, call: u64, meanwhile: impl Fn(&Rig)) -> bool {
    let mut calls = 0;
    rig.memory.set_fates(move || {
        calls += 1;
        if calls == call { Fate::Pauses } else { Fate::Works }
    });
    let mut worker = rig.cron_worker("held", Schedule::Daily);
    let is_held = worker.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending();
    rig.memory.heal();
    if is_held {
        meanwhile(rig);
        ready(worker);
    }
    is_held
}

/// Whether the document was gone by then or not: what is accepted while the schedule looks is there in the end.
pub(crate) fn what_is_uploaded_while_retention_looks_stays(new: New<'_>) {
    for call in 1.. {
        let rig = new();
        outdated(&rig);
        if !at_call_of_schedule(&rig, call, |rig| drop(write(rig, "tides.md", "about springs"))) {
            assert!(call > 10, "{call}");
            return;
        }
        rest(&rig);
        assert!(is_found(&rig, "springs", "tides.md"), "call {call}");
    }
}

#[test]
fn a_revision_in_flight_is_as_old_as_its_upload() {
    what_was_uploaded_today_is_not_old(&fresh);
}

#[test]
fn an_upload_at_every_call_of_the_schedule_outlives_it() {
    what_is_uploaded_while_retention_looks_stays(&fresh);
}
