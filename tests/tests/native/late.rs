//! Workers that stood still for so long that their work was done, failed or cancelled without them: nothing that they
//! write then holds.
//!
//! All of them are scenes as well (`mutations/scenes.rs`): without the fence some write of theirs would hold.
#![expect(clippy::unwrap_used, reason = "tests")]

use consumers::dead_letter;
use pipeline::{
    constants::{LEASE, MAX_WRITER_LIFE},
    job::message::Message,
    time::{DAY, MILLISECOND},
};
use producers::schedule::Schedule;
use serde_json::{Value, json};
use test_platform::ready;
use tests::rig::Rig;

use crate::{
    cancels::{New, fail, fresh, is_found, post, write},
    order::stream,
    streamed::items,
};

/// Lets a worker stand still at each of its calls in turn, in a product of its own, while something happens.
/// `begin` gives its message, with what else is to be known; `end` looks at what is left when it has gone on.
fn at_each_call<T>(
    new: New<'_>,
    begin: impl Fn(&Rig) -> (T, Message),
    meanwhile: impl Fn(&Rig, &T, &Message),
    end: impl Fn(&Rig, &T),
) {
    for call in 1.. {
        let rig = new();
        let (known, message) = begin(&rig);
        let Some(late) = rig.hold(&message, call) else {
            assert!(call > 3, "{call}");
            return;
        };
        meanwhile(&rig, &known, &message);
        ready(late);
        end(&rig, &known);
    }
}

/// Lets two workers at the same message stand still, each at each of its calls: the second since the first one's
/// claim ran out. The first goes on first. `begin` gives the job and its message.
fn before_each_call_of_another(new: New<'_>, begin: impl Fn(&Rig) -> (String, Message), end: impl Fn(&Rig, &str)) {
    let met = |first: u64, second: u64| {
        let rig = new();
        let (job, message) = begin(&rig);
        let late = rig.hold(&message, first)?;
        rig.memory.advance(LEASE + MILLISECOND);
        let holder = rig.hold(&message, second)?;
        ready(late);
        ready(holder);
        assert!(rig.converge());
        assert_eq!(rig.job(&job)["status"], "succeeded", "calls {first} and {second}");
        end(&rig, &job);
        Some(())
    };
    let pairs: usize = (1..8).map(|first| (1..).map_while(|second| met(first, second)).count()).sum();
    assert!(pairs > 8, "{pairs}");
}

#[test]
fn a_range_of_an_upload_is_noted_by_who_holds_it() {
    a_range_is_noted_once(&fresh);
}

pub(crate) fn a_range_is_noted_once(new: New<'_>) {
    let end = |rig: &Rig, job: &str| assert_eq!(items(rig, job, "&status=done").len(), 2);
    before_each_call_of_another(new, |rig| stream(rig, &[("tides.md", "neaps"), ("winds.md", "gales")]), end);
}

#[test]
fn a_pack_is_chunked_once_by_two_workers() {
    a_pack_is_chunked_once(&fresh);
}

/// Words are counted once, and all of them go with their document.
pub(crate) fn a_pack_is_chunked_once(new: New<'_>) {
    let begin = |rig: &Rig| (write(rig, "tides.md", "about neaps"), rig.memory.receive().unwrap());
    let words = |rig: &Rig| rig.memory.look("SELECT rowid FROM chunks_fts_1 WHERE chunks_fts_1 MATCH 'neaps'").len();
    let end = |rig: &Rig, _: &str| {
        assert_eq!((words(rig), rig.state()["full_text"].as_i64()), (1, Some(1)));
        let listed = rig.request("GET", "/api/documents", &Value::Null).body["items"][0]["id"].clone();
        assert_eq!(
            rig.request("DELETE", &format!("/api/documents/{}", listed.as_str().unwrap()), &Value::Null).status,
            202
        );
        rig.memory.advance(2 * MAX_WRITER_LIFE);
        assert!(rig.converge());
        assert_eq!((words(rig), rig.state()["full_text"].as_i64()), (0, Some(0)));
    };
    before_each_call_of_another(new, begin, end);
}

#[test]
fn a_conversation_is_archived_once_by_two_workers() {
    a_conversation_is_archived_once(&fresh);
}

/// The object that it points at stays.
pub(crate) fn a_conversation_is_archived_once(new: New<'_>) {
    let begin = |rig: &Rig| {
        rig.chat(&json!({"message": "When is high tide?"}));
        rig.memory.set_limits(r#"{"archive_after_days": 1}"#);
        rig.memory.advance(2 * DAY);
        assert_eq!(rig.run_cron(Schedule::Daily).0.archived, 1);
        let job = rig.memory.look("SELECT id FROM jobs WHERE kind = 'archive'")[0]["id"].as_str().unwrap().to_owned();
        (job, rig.memory.receive().unwrap())
    };
    let end = |rig: &Rig, _: &str| {
        rig.memory.advance(2 * MAX_WRITER_LIFE);
        assert!(rig.converge());
        let id = rig.request("GET", "/api/conversations", &Value::Null).body["items"][0]["id"].clone();
        let path = format!("/api/conversations/{}", id.as_str().unwrap());
        let read = rig.request("GET", &path, &Value::Null);
        assert_eq!((read.status, read.body["messages"].as_array().map(Vec::len)), (200, Some(2)), "{}", read.body);
    };
    before_each_call_of_another(new, begin, end);
}

#[test]
fn what_has_attempts_left_has_no_dead_letter() {
    what_is_at_work_has_no_dead_letter(&fresh);
}

/// A queue gives a message up that met nothing but an outage.
pub(crate) fn what_is_at_work_has_no_dead_letter(new: New<'_>) {
    let rig = new();
    write(&rig, "tides.md", "about neaps");
    let message = rig.memory.receive().unwrap();
    ready(dead_letter::record(&rig.memory.worker("given-up"), "given-up", &message.encode(), 1));
    assert_eq!(rig.request("GET", "/api/dead-letters", &Value::Null).body["items"], json!([]));
}

#[test]
fn what_has_failed_is_not_published_by_a_late_worker() {
    what_has_failed_is_not_published(&fresh);
}

/// What was there before stays: nothing takes its place.
pub(crate) fn what_has_failed_is_not_published(new: New<'_>) {
    let begin = |rig: &Rig| {
        write(rig, "tides.md", "about neaps");
        rig.drain();
        let job = write(rig, "tides.md", "about springs");
        for _ in ["chunk", "embed"] {
            let message = rig.memory.receive().unwrap();
            rig.process(&message);
        }
        (job, rig.memory.receive().unwrap())
    };
    let end = |rig: &Rig, job: &String| {
        rig.memory.advance(2 * MAX_WRITER_LIFE);
        assert!(rig.converge());
        let is_new = rig.job(job)["status"] == "succeeded";
        let found = [("neaps", !is_new), ("springs", is_new)];
        assert!(found.iter().all(|(word, is_there)| is_found(rig, word, "tides.md") == *is_there), "{is_new}");
    };
    at_each_call(new, begin, |rig, _, message| fail(rig, message), end);
}

#[test]
fn vectors_of_a_late_worker_go_with_their_document() {
    late_vectors_go(&fresh);
}

/// A worker writes vectors after the document was deleted and what it had was removed.
pub(crate) fn late_vectors_go(new: New<'_>) {
    let begin = |rig: &Rig| {
        write(rig, "tides.md", "about neaps");
        for _ in ["chunk", "embed"] {
            let message = rig.memory.receive().unwrap();
            rig.process(&message);
        }
        ((), rig.memory.receive().unwrap())
    };
    let publish_and_delete = |rig: &Rig, (): &(), message: &Message| {
        rig.memory.advance(LEASE + MILLISECOND);
        rig.process(message);
        let listed = rig.request("GET", "/api/documents?external_id=tides.md", &Value::Null).body;
        let path = format!("/api/documents/{}", listed["items"][0]["id"].as_str().unwrap());
        assert_eq!(rig.request("DELETE", &path, &Value::Null).status, 202);
        rig.drain();
        assert_eq!(rig.memory.vector_ids(), [""; 0]);
    };
    let end = |rig: &Rig, (): &()| {
        rig.memory.advance(2 * MAX_WRITER_LIFE);
        assert!(rig.converge());
        assert_eq!(rig.memory.vector_ids(), [""; 0]);
    };
    at_each_call(new, begin, publish_and_delete, end);
}

#[test]
fn a_cancelled_question_is_not_answered_by_a_late_worker() {
    a_cancelled_question_is_not_answered(&fresh);
}

pub(crate) fn a_cancelled_question_is_not_answered(new: New<'_>) {
    let begin = |rig: &Rig| {
        let job = rig.ask(&json!({"message": "When is high tide?"})).body["job_id"].as_str().unwrap().to_owned();
        (job, rig.memory.receive().unwrap())
    };
    let cancel = |rig: &Rig, job: &String, _: &Message| assert_eq!(post(rig, &cancel_path(job)).status, 200);
    let end = |rig: &Rig, job: &String| {
        let answers = rig.memory.look("SELECT number FROM turns WHERE role = 'assistant'").len();
        assert_eq!(answers, usize::from(rig.job(job)["status"] == "succeeded"));
    };
    at_each_call(new, begin, cancel, end);
}

#[test]
fn a_cancelled_upload_yields_to_nothing() {
    what_is_cancelled_yields_to_nothing(&fresh);
}

/// An upload that was cancelled loses nothing more when what is newer is cancelled as well.
pub(crate) fn what_is_cancelled_yields_to_nothing(new: New<'_>) {
    let begin = |rig: &Rig| {
        write(rig, "tides.md", "about neaps");
        let (older, message) = stream(rig, &[("tides.md", "about springs")]);
        ((older, write(rig, "tides.md", "about floods")), message)
    };
    let cancel =
        |rig: &Rig, (older, _): &(String, String), _: &Message| assert_eq!(post(rig, &cancel_path(older)).status, 200);
    let end = |rig: &Rig, (older, newer): &(String, String)| {
        let yielded = rig.job(older)["upload"]["superseded"].clone();
        let receipt: Value = post(rig, &cancel_path(newer)).body["receipt"].clone();
        assert_eq!(receipt, json!({ "send_again": yielded }));
    };
    at_each_call(new, begin, cancel, end);
}

fn cancel_path(job: &str) -> String {
    format!("/api/jobs/{job}/cancel")
}
