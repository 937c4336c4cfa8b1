//! What is said in a session of Claude Code, from the hooks to memories that are proposed.
#![expect(clippy::unwrap_used, reason = "tests")]

use consumers::capture::likeness::{self, Likeness};
use pipeline::{
    constants::{HOOK_SAID_BYTES, LEASE},
    job::message::Message,
    time::{HOUR, MILLISECOND},
};
use serde_json::{Value, json};
use test_platform::ready;
use tests::rig::Rig;

use crate::cancels::{New, fresh};

pub(crate) const SESSION: &str = "7b3f0c1e-4a52-4a53-9f3f-0d5c6b7a8e90";
const PROJECT: &str = "github.com/ada/ledger";

fn hook(rig: &Rig, event: &str, more: &Value) {
    hook_of(rig, SESSION, event, more);
}

/// A hook of a session.
pub(crate) fn hook_of(rig: &Rig, session: &str, event: &str, more: &Value) {
    let mut body = json!({"hook_event_name": event, "session_id": session});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let answer = rig.request("POST", "/hooks/claude-code", &body);
    // A prompt may be told what is known.
    let is_silent = event == "UserPromptSubmit" || answer.body == json!({});
    assert!(answer.status == 200 && is_silent, "{event}: {}", answer.body);
}

pub(crate) fn say(rig: &Rig, prompt: &str) {
    hook(rig, "UserPromptSubmit", &json!({ "prompt": prompt }));
}

pub(crate) fn end(rig: &Rig, event: &str) {
    hook(rig, event, &json!({}));
}

pub(crate) fn proposed(rig: &Rig) -> Vec<Value> {
    rig.request("GET", "/api/memory?state=proposed", &Value::Null).body["items"].as_array().unwrap().clone()
}

fn texts(rig: &Rig) -> Vec<String> {
    proposed(rig).iter().map(|memory| memory["text"].as_str().unwrap().to_owned()).collect()
}

fn jobs(rig: &Rig) -> usize {
    rig.request("GET", "/api/jobs?kind=capture", &Value::Null).body["items"].as_array().unwrap().len()
}

#[test]
fn what_was_decided_is_proposed_when_claude_stops() {
    let rig = Rig::new(1);
    hook(&rig, "SessionStart", &json!({ "project": PROJECT }));
    say(&rig, "Please fix the login. And we decided to use Postgres 15 for the ledger.");
    say(&rig, "run the tests");
    assert!(proposed(&rig).is_empty());
    end(&rig, "Stop");
    rig.drain();
    let found = proposed(&rig);
    assert_eq!(found.len(), 1, "{found:?}");
    let memory = &found[0];
    assert_eq!(memory["text"], "we decided to use Postgres 15 for the ledger");
    assert_eq!((&memory["kind"], &memory["project"]), (&json!("decision"), &json!(PROJECT)));
    assert!(memory["source"].as_str().unwrap().contains(SESSION) && memory["why"].is_string(), "{memory}");
    assert_eq!(
        rig.job(rig.request("GET", "/api/jobs", &Value::Null).body["items"][0]["id"].as_str().unwrap())["status"],
        "succeeded"
    );
    // Nothing is recalled that nobody accepted.
    let recalled = rig.request("GET", "/api/memory?query=postgres+ledger", &Value::Null).body;
    assert_eq!(recalled["items"], json!([]));
}

#[test]
fn a_session_whose_start_was_not_heard_is_of_the_project_that_its_prompts_name() {
    let rig = Rig::new(1);
    let prompt = json!({"prompt": "We decided to use Postgres 15 for the ledger.", "project": PROJECT});
    hook(&rig, "UserPromptSubmit", &prompt);
    hook(&rig, "Stop", &json!({ "project": PROJECT }));
    rig.drain();
    assert_eq!(proposed(&rig)[0]["project"], PROJECT);
}

#[test]
fn what_is_stated_behind_a_long_paste_is_kept() {
    let rig = Rig::new(1);
    let paste = "x".repeat(200) + "\n";
    say(&rig, &format!("{}\nWe decided to use Kafka for all events.", paste.repeat(30)));
    assert_eq!(rig.memory.look("SELECT json_array_length(said) AS kept FROM hook_sessions"), [json!({"kept": 1})]);
    end(&rig, "Stop");
    rig.drain();
    assert_eq!(texts(&rig).len(), 1);
}

#[test]
fn what_was_said_in_a_terminal_that_was_closed_is_captured_when_its_user_comes_back() {
    let rig = Rig::new(1);
    say(&rig, "We decided to use Kafka for all events.");
    let begin = |session: &str| {
        hook_of(&rig, session, "SessionStart", &json!({}));
        rig.drain();
    };
    begin("another");
    assert_eq!(texts(&rig).len(), 0, "it may still go on");
    rig.memory.advance(HOUR + MILLISECOND);
    begin(SESSION);
    assert_eq!(texts(&rig).len(), 0, "it does go on");
    begin("a third");
    assert_eq!(texts(&rig).len(), 0, "it was heard of just now");
    rig.memory.advance(HOUR + MILLISECOND);
    begin("a fourth");
    assert_eq!(texts(&rig).len(), 1);
    rig.memory.advance(HOUR + MILLISECOND);
    begin("a fifth");
    assert_eq!(jobs(&rig), 1);
}

#[test]
fn a_session_in_which_nothing_is_stated_costs_no_job() {
    let rig = Rig::new(1);
    for prompt in ["fix the bug", "should we use Redis?", "thanks"] {
        say(&rig, prompt);
        end(&rig, "Stop");
    }
    for event in ["PreCompact", "SessionEnd"] {
        end(&rig, event);
    }
    assert_eq!((jobs(&rig), rig.memory.receive()), (0, None));
    assert!(rig.memory.look("SELECT session_id FROM hook_sessions").is_empty());
}

#[test]
fn what_claude_decided_comes_with_its_last_message() {
    let rig = Rig::new(1);
    hook(&rig, "Stop", &json!({"last_assistant_message": "Done. Decision: keep the legacy parser for old files."}));
    rig.drain();
    assert_eq!(texts(&rig), ["keep the legacy parser for old files"]);
}

#[test]
fn what_is_said_soon_after_waits_for_the_end() {
    let rig = Rig::new(1);
    say(&rig, "We decided to use Kafka for all events");
    end(&rig, "Stop");
    say(&rig, "Always sign your commits");
    end(&rig, "Stop");
    assert_eq!(jobs(&rig), 1);
    end(&rig, "SessionEnd");
    assert_eq!(jobs(&rig), 2);
    rig.drain();
    assert_eq!(texts(&rig).len(), 2);
    assert_eq!(rig.memory.look("SELECT said FROM hook_sessions")[0]["said"], "[]");
}

#[test]
fn a_session_keeps_no_more_than_it_may() {
    let rig = Rig::new(1);
    for number in 0..40 {
        say(&rig, &format!("We decided to use queue {number} for events. {}", "And so on and so forth. ".repeat(300)));
    }
    let kept = rig.memory.look("SELECT length(said) AS bytes FROM hook_sessions")[0]["bytes"].as_u64().unwrap();
    assert!(kept < HOOK_SAID_BYTES as u64 + 1_000, "{kept}");
    end(&rig, "SessionEnd");
    rig.drain();
    assert!(texts(&rig).len() <= 5);
}

#[test]
fn no_secret_is_kept_anywhere() {
    let rig = Rig::new(1);
    let secret = concat!("AKIA", "QYLPMN5HFIQ3BZ7W");
    say(&rig, &format!("We decided to use the key {secret} for staging. Always rotate keys after a month."));
    hook(&rig, "Stop", &json!({"last_assistant_message": format!("Decision: store {secret} in the vault for good.")}));
    for _ in 0..2 {
        let rows = rig.memory.look(
            "SELECT group_concat(said) AS said, (SELECT group_concat(cursor) FROM job_items) AS cursors,
                    (SELECT group_concat(text || coalesce(why, '')) FROM memories) AS memories FROM hook_sessions",
        );
        assert!(!json!(rows).to_string().contains(secret), "{rows:?}");
        rig.drain();
    }
    assert_eq!(texts(&rig), ["Always rotate keys after a month"]);
    assert!(rig.memory.object_keys().is_empty());
}

#[test]
fn what_a_sentence_calls_a_secret_is_not_kept_nor_is_what_a_mark_speaks_for() {
    let rig = Rig::new(1);
    let secrets = [concat!("q83GfkVzRr", "7i1B3KrW"), concat!("AKIA", "QYLPMN5HFIQ3BZ7W")];
    say(&rig, &format!("We decided that the password for the vpn is {} for good.", secrets[0]));
    say(&rig, &format!("Remember that the AWS key is {} gitleaks:allow on staging.", secrets[1]));
    let kept = json!(rig.memory.look("SELECT said FROM hook_sessions")).to_string();
    end(&rig, "SessionEnd");
    rig.drain();
    let rest = json!(rig.memory.look("SELECT * FROM memories, job_items")).to_string();
    assert!(secrets.iter().all(|secret| !kept.contains(secret) && !rest.contains(secret)), "{kept} {rest}");
    for secret in secrets {
        let text = format!("The password is {secret} # gitleaks:allow");
        assert_eq!(rig.request("POST", "/api/memory", &json!({ "text": text })).body["code"], "holds_secret");
    }
}

#[test]
fn what_corrects_a_proposal_corrects_what_that_would_have() {
    let rig = Rig::new(1);
    let first =
        rig.request("POST", "/api/memory", &json!({"text": "We use Postgres 14 for the ledger"})).body["id"].clone();
    for version in [15, 16] {
        say(&rig, &format!("We use Postgres {version} for the ledger"));
        end(&rig, "SessionEnd");
        rig.drain();
    }
    let found = proposed(&rig);
    let newest = found.iter().find(|memory| memory["text"].as_str().unwrap().contains("16")).unwrap();
    assert_eq!(newest["supersedes"], first, "{found:?}");
}

#[test]
fn a_correction_takes_the_others_place_when_it_is_confirmed() {
    let rig = Rig::new(1);
    let first =
        rig.request("POST", "/api/memory", &json!({"text": "We use Postgres 14 for the ledger"})).body["id"].clone();
    say(&rig, "We use Postgres 15 for the ledger");
    end(&rig, "SessionEnd");
    rig.drain();
    let found = proposed(&rig);
    assert_eq!((found.len(), &found[0]["supersedes"]), (1, &first), "{found:?}");
    let id = found[0]["id"].as_str().unwrap();
    let confirmed = rig.request("POST", &format!("/api/memory/{id}/confirm"), &Value::Null);
    assert_eq!((confirmed.status, &confirmed.body["state"]), (200, &json!("active")));
    let old = rig.request("GET", &format!("/api/memory/{}", first.as_str().unwrap()), &Value::Null).body;
    assert_eq!((&old["state"], &old["superseded_by"]), (&json!("superseded"), &json!(id)));
    let recalled = rig.request("GET", "/api/memory?query=postgres+ledger", &Value::Null).body;
    let recalled: Vec<&Value> = recalled["items"].as_array().unwrap().iter().map(|memory| &memory["text"]).collect();
    assert_eq!(recalled, ["We use Postgres 15 for the ledger"]);
}

#[test]
fn a_proposal_is_corrected_in_one_call() {
    let rig = Rig::new(1);
    hook(&rig, "SessionStart", &json!({ "project": PROJECT }));
    say(&rig, "We decided to use Kafka for all events");
    end(&rig, "SessionEnd");
    rig.drain();
    let id = proposed(&rig)[0]["id"].as_str().unwrap().to_owned();
    let changed = rig.request("PATCH", &format!("/api/memory/{id}"), &json!({"project": null, "kind": "fact"}));
    assert_eq!((&changed.body["project"], &changed.body["kind"]), (&Value::Null, &json!("fact")));
    let body = json!({"text": "We use Kafka for orders alone", "supersedes": id});
    assert_eq!(rig.request("POST", "/api/memory", &body).status, 201);
    assert!(proposed(&rig).is_empty());
}

#[test]
fn pairs_that_differ_in_what_matters_are_not_merged() {
    let merged: Vec<_> = tests::memories::different()
        .into_iter()
        .filter(|(one, other)| likeness::of(&likeness::said(one), &likeness::said(other)) == Likeness::Same)
        .collect();
    assert!(merged.is_empty(), "{merged:?}");
}

#[test]
fn who_lost_the_claim_of_a_capture_proposes_nothing() {
    nothing_is_proposed_by_a_late_worker(&fresh);
}

/// Whichever of its calls it stood still at: what its owner rejected since does not come back.
pub(crate) fn nothing_is_proposed_by_a_late_worker(new: New<'_>) {
    let kept = "SELECT (SELECT count(*) FROM memories WHERE state = 'proposed') AS memories, proposals,
                       (SELECT max(confirmed_at) FROM memories) AS confirmed_at FROM hook_sessions";
    for call in 1.. {
        let rig = new();
        let message = said(&rig);
        let Some(late) = rig.hold(&message, call) else {
            assert!(call > 3, "{call}");
            return;
        };
        rig.memory.advance(LEASE + MILLISECOND);
        rig.process(&message);
        for memory in proposed(&rig) {
            let path = format!("/api/memory/{}", memory["id"].as_str().unwrap());
            assert_eq!(rig.request("DELETE", &path, &Value::Null).status, 204);
        }
        let before = rig.memory.look(kept);
        assert_eq!((&before[0]["memories"], &before[0]["proposals"]), (&json!(0), &json!(1)), "call {call}");
        rig.memory.advance(MILLISECOND);
        ready(late);
        assert_eq!(rig.memory.look(kept), before, "call {call}");
    }
}

/// A session that said something new, and something that is known; the message that captures it.
fn said(rig: &Rig) -> Message {
    assert_eq!(rig.request("POST", "/api/memory", &json!({"text": "We use pnpm in all packages"})).status, 201);
    say(rig, "We decided to use Kafka for all events. We use pnpm in all packages.");
    end(rig, "SessionEnd");
    rig.memory.receive().unwrap()
}

#[test]
fn a_session_proposes_five_however_often_it_is_captured() {
    a_session_proposes_five(&fresh);
}

/// Also where two of its jobs read how many it proposed before either has proposed any.
pub(crate) fn a_session_proposes_five(new: New<'_>) {
    for call in 1.. {
        let rig = new();
        let messages: Vec<Message> = (0..2).map(|part| four_decisions(&rig, part)).collect();
        let Some(late) = rig.hold(&messages[0], call) else {
            assert!(call > 3, "{call}");
            return;
        };
        rig.process(&messages[1]);
        ready(late);
        assert!(rig.converge());
        assert_eq!(texts(&rig).len(), 5, "call {call}");
    }
}

fn four_decisions(rig: &Rig, part: usize) -> Message {
    for name in ["alpha", "beta", "gamma", "delta"] {
        say(rig, &format!("We decided to use {name}{part} for {name}."));
    }
    end(rig, "SessionEnd");
    rig.memory.receive().unwrap()
}
