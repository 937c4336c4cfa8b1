//! Documents that another upload takes over before they are published: what is told of them.
//!
//! Those that take a product are scenes as well (`mutations/scenes.rs`): without the rules they are about they fail.

use serde_json::json;
use test_platform::ready;
use tests::rig::Rig;

use crate::{
    cancels::{New, cancel, fail, fresh, is_found, write},
    order::stream,
    streamed::{LINES, items, lines, upload},
};

/// Two documents, of which another upload takes one over before they are published.
fn taken_over(rig: &Rig) -> (String, String) {
    let first = rig.upload(&json!([
        {"external_id": "tides.md", "content": "about neaps"},
        {"external_id": "winds.md", "content": "about gales"},
    ]));
    let second = write(rig, "tides.md", "about springs");
    (first, second)
}

#[test]
fn what_another_upload_took_over_is_told_as_superseded_and_never_as_done() {
    for messages in 0..3 {
        let rig = fresh();
        let first = rig.upload(&json!([
            {"external_id": "tides.md", "content": "about neaps"},
            {"external_id": "winds.md", "content": "about gales"},
        ]));
        for _ in 0..messages {
            let message = rig.memory.receive().unwrap();
            rig.process(&message);
        }
        let second = write(&rig, "tides.md", "about springs");
        assert_eq!(rig.job(&first)["items"]["superseded"], 1, "after {messages} messages");
        assert!(rig.converge());
        let counts = |job: &str| {
            let items = rig.job(job)["items"].clone();
            [&items["done"], &items["superseded"]].map(|count| count.as_i64().unwrap())
        };
        assert_eq!((counts(&first), counts(&second)), ([1, 1], [1, 0]), "after {messages} messages");
        // What is published is no longer taken over, but replaced.
        write(&rig, "winds.md", "about breezes");
        assert_eq!(counts(&first), [1, 1]);
    }
}

#[test]
fn a_cancel_tells_how_many_documents_are_to_be_sent_again() {
    what_was_taken_over_is_told(&fresh);
}

pub(crate) fn what_was_taken_over_is_told(new: New<'_>) {
    let rig = new();
    let (first, second) = taken_over(&rig);
    let view = cancel(&rig, &second);
    assert_eq!(view["receipt"], json!({"send_again": 1}), "{view}");
    assert!(rig.converge());
    assert_eq!(rig.job(&first)["items"]["superseded"], 1);
    assert!(!is_found(&rig, "neaps", "tides.md") && is_found(&rig, "gales", "winds.md"));
    // It says so to who asks again, and cancels again.
    assert_eq!(cancel(&rig, &second)["receipt"], json!({"send_again": 1}));
    write(&rig, "tides.md", "about neaps");
    assert!(rig.converge());
    assert!(is_found(&rig, "neaps", "tides.md"));
}

#[test]
fn nothing_is_to_be_sent_again_where_nothing_was_taken_over() {
    what_is_published_is_not_sent_again(&fresh);
}

pub(crate) fn what_is_published_is_not_sent_again(new: New<'_>) {
    let rig = new();
    write(&rig, "tides.md", "about neaps");
    rig.drain();
    let second = write(&rig, "tides.md", "about springs");
    assert_eq!(cancel(&rig, &second)["receipt"], json!({"send_again": 0}));
    write(&rig, "tides.md", "about ebbs");
    let last = write(&rig, "tides.md", "about floods");
    assert!(rig.converge());
    assert_eq!(rig.job(&last)["items"]["done"], 1);
    let cancelled = write(&rig, "tides.md", "about springs");
    assert_eq!(cancel(&rig, &cancelled)["receipt"], json!({"send_again": 0}), "what took over is published");
}

#[test]
fn what_had_failed_is_told_as_failed_though_another_upload_took_it_over() {
    let rig = fresh();
    let first = write(&rig, "tides.md", "about neaps");
    let chunk = rig.memory.receive().unwrap();
    fail(&rig, &chunk);
    assert!(rig.converge());
    write(&rig, "tides.md", "about springs");
    assert!(rig.converge());
    let view = rig.job(&first);
    assert_eq!((&view["items"]["failed"], &view["items"]["superseded"]), (&json!(1), &json!(0)), "{view}");
}

#[test]
fn a_document_of_a_streamed_upload_says_that_another_took_it_over() {
    let rig = fresh();
    let job = upload(&rig, LINES, lines(150, 2_000).as_bytes());
    let unpack = rig.memory.receive().unwrap();
    rig.process(&unpack);
    write(&rig, "7.md", "about springs");
    assert!(rig.converge());
    let superseded = items(&rig, &job, "&status=superseded");
    assert_eq!(superseded.len(), 1, "{superseded:?}");
    assert_eq!(superseded[0]["external_id"], "7.md");
    assert_eq!(items(&rig, &job, "&status=done").len(), 149);
}

#[test]
fn an_answer_that_is_asked_for_again_says_what_another_upload_took_over() {
    what_was_taken_over_is_answered_so(&fresh);
}

pub(crate) fn what_was_taken_over_is_answered_so(new: New<'_>) {
    let rig = new();
    let documents = json!([
        {"external_id": "tides.md", "content": "about neaps"},
        {"external_id": "winds.md", "content": "about gales"},
    ]);
    let send = || rig.request_with_key("POST", "/api/index", Some("once"), &json!({ "documents": documents })).body;
    assert_eq!(send()["items"][0]["status"], "queued");
    write(&rig, "tides.md", "about springs");
    assert!(rig.converge());
    let again = send();
    let states = [&again["items"][0]["status"], &again["items"][1]["status"]];
    assert_eq!(states, [&json!("superseded"), &json!("done")], "{again}");
}

#[test]
fn what_a_streamed_upload_left_to_a_cancelled_one_is_to_be_sent_again() {
    what_yielded_is_told(&fresh);
}

/// Of a document that is published, a streamed upload leaves the next revision to a newer upload, with another content
/// or the same.
pub(crate) fn what_yielded_is_told(new: New<'_>) {
    for (content, status) in [("about floods", "superseded"), ("about springs", "in_progress")] {
        let rig = new();
        write(&rig, "tides.md", "about neaps");
        let (older, unpack) = stream(&rig, &[("tides.md", "about springs")]);
        let newer = write(&rig, "tides.md", content);
        rig.process(&unpack);
        assert_eq!(items(&rig, &older, "")[0]["status"], status);
        assert_eq!(cancel(&rig, &newer)["receipt"], json!({"send_again": 1}), "{status}");
        assert!(rig.converge());
        assert!(is_found(&rig, "neaps", "tides.md"));
        let last = write(&rig, "tides.md", "about ebbs");
        assert_eq!(cancel(&rig, &last)["receipt"], json!({"send_again": 0}), "it is told once");
    }
}

#[test]
fn what_a_streamed_upload_left_to_a_published_one_is_not_to_be_sent_again() {
    let rig = fresh();
    let (older, unpack) = stream(&rig, &[("tides.md", "about neaps")]);
    write(&rig, "tides.md", "about springs");
    rig.drain();
    rig.process(&unpack);
    assert_eq!(items(&rig, &older, "")[0]["status"], "superseded");
    let last = write(&rig, "tides.md", "about ebbs");
    assert_eq!(cancel(&rig, &last)["receipt"], json!({"send_again": 0}));
}

/// A document fails alone while another upload takes it over, at any call of the worker that looks at it.
#[test]
fn what_fails_while_it_is_taken_over_counts_once() {
    let counts_once = |call: u64| {
        let rig = fresh();
        let empty = json!([
            {"external_id": "tides.html", "content": "<p></p>", "media_type": "text/html"},
            {"external_id": "winds.md", "content": "about gales"},
        ]);
        let job = rig.upload(&empty);
        let chunk = rig.memory.receive().unwrap();
        let worker = rig.hold(&chunk, call)?;
        write(&rig, "tides.html", "about springs");
        ready(worker);
        assert!(rig.converge());
        let counts = rig.job(&job)["items"].clone();
        let [done, failed, superseded] = ["done", "failed", "superseded"].map(|count| counts[count].as_i64().unwrap());
        assert_eq!((done, failed + superseded), (1, 1), "call {call}: {counts}");
        let both = rig.memory.look("SELECT id FROM job_items WHERE superseded IS NOT NULL AND failures IS NOT NULL");
        Some(both.len())
    };
    let met: Vec<usize> = (1..).map_while(counts_once).collect();
    assert!(met.contains(&1), "{met:?}");
}
