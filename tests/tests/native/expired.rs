//! What is kept for longer than what it is about: it says so.

use pipeline::time::{DAY, Span};
use producers::schedule::Schedule;
use serde_json::{Value, json};

use crate::{
    cancels::{fail, fresh, post, write},
    order::stream,
    streamed::{LINES, items, lines, upload},
};

#[test]
fn what_became_of_an_uploads_documents_is_gone_after_a_week_and_says_so() {
    let rig = fresh();
    let job = upload(&rig, LINES, lines(150, 2_000).as_bytes());
    assert!(rig.converge());
    rig.memory.advance(7 * DAY + Span::minutes(1));
    rig.run_cron(Schedule::Daily).1.unwrap();
    assert_eq!(rig.job(&job)["status"], "succeeded", "the job is still there, for its documents are");
    let gone = rig.request("GET", &format!("/api/jobs/{job}/items"), &Value::Null);
    assert_eq!(gone.status, 410, "{}", gone.body);
    assert!(gone.body["detail"].as_str().unwrap().contains("/api/documents"), "{}", gone.body);
}

/// Whatever keeps such a job.
#[test]
fn what_became_of_an_upload_that_was_superseded_whole_is_gone_and_says_so() {
    let rig = fresh();
    let (job, unpack) = stream(&rig, &[("tides.md", "about neaps")]);
    write(&rig, "tides.md", "about springs");
    rig.process(&unpack);
    assert_eq!(items(&rig, &job, "")[0]["status"], "superseded");
    rig.memory.change("DELETE FROM upload_results");
    let gone = rig.request("GET", &format!("/api/jobs/{job}/items"), &Value::Null);
    assert_eq!(gone.status, 410, "{}", gone.body);
}

#[test]
fn a_dead_letter_that_outlives_its_job_says_so_when_it_is_replayed() {
    let rig = fresh();
    rig.ask(&json!({"message": "When is high tide?"}));
    let question = rig.memory.receive().unwrap();
    fail(&rig, &question);
    rig.memory.advance(8 * DAY);
    rig.run_cron(Schedule::Daily).1.unwrap();
    let letters = rig.request("GET", "/api/dead-letters", &Value::Null).body["items"].clone();
    assert_eq!((letters.as_array().unwrap().len(), &letters[0]["job_id"]), (1, &Value::Null), "{letters}");
    let gone = post(&rig, &format!("/api/dead-letters/{}/replay", letters[0]["id"].as_str().unwrap()));
    assert_eq!(gone.status, 410, "{}", gone.body);
    assert_eq!(rig.memory.look("SELECT replayed_at FROM dead_letters"), [json!({"replayed_at": null})]);
}
