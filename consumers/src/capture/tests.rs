use pipeline::{
    ids::{ItemId, JobId},
    job::{cursors::Said, message::Stage},
    platform::ports::{Clock as _, Random as _},
    store::{
        counters,
        jobs::create::{self, NewCaptureJob, NewItem},
    },
};
use serde_json::{Value, json};
use test_platform::ready;

use super::*;
use crate::fixture::Index;

const SESSION: &str = "one";

/// Hands what a user said over to the stage; its item.
fn handed_over(index: &Index, said: &[(Speaker, &str)]) -> Option<ItemId> {
    let (memory, user, now) = (&index.memory, &index.user, index.memory.now());
    let mut work = Transaction::default();
    for (by, text) in said {
        let said = Said { by: *by, text: (*text).to_owned() };
        work.write(hook_sessions::hear(user, SESSION, None, &said, now).unwrap());
    }
    let job = JobId::new(now, memory.bytes());
    work.write(create::capture_job(NewCaptureJob { id: &job, user, session: SESSION, is_last: true, now }));
    work.write(counters::take_item_numbers(&job, 1));
    work.query(create::items(&job, &[NewItem::queued(Stage::Capture, now)], now).unwrap());
    work.write(create::hand_over_said(&job, user, SESSION));
    work.write(hook_sessions::take_said(&job, user, SESSION, now));
    let item = work.query(create::first_item(&job));
    ready(work.commit(memory)).unwrap().first(item).unwrap().map(|item| item.id)
}

fn said(index: &Index, texts: &[&str]) {
    let said: Vec<(Speaker, &str)> = texts.iter().map(|text| (Speaker::User, *text)).collect();
    let item = handed_over(index, &said).unwrap();
    assert_eq!(index.consume(Stage::Capture, item).outcome, Outcome::Done);
}

fn memories(index: &Index) -> Vec<Value> {
    index
        .memory
        .look("SELECT text, kind, state, supersedes, confidence, project, why, source FROM memories ORDER BY number")
}

fn texts(index: &Index) -> Vec<String> {
    memories(index).iter().map(|memory| memory["text"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_was_stated_is_proposed_with_its_source_and_why() {
    let index = Index::new();
    said(&index, &["Fix the login. We decided to use Postgres 15 for the ledger.", "Should we add a cache?"]);
    let found = memories(&index);
    assert_eq!((found.len(), &found[0]["state"], &found[0]["kind"]), (1, &json!("proposed"), &json!("decision")));
    assert_eq!(found[0]["source"], "Claude Code, session one");
    assert!(found[0]["why"].as_str().unwrap().starts_with("you said in a session of Claude Code"), "{found:?}");
    assert_eq!(index.number("SELECT proposals AS n FROM hook_sessions"), 1);
    assert_eq!(index.number("SELECT memory_words AS n FROM users"), 0, "a proposal is not recalled");
    assert_eq!(index.number("SELECT count(*) AS n FROM job_items WHERE cursor IS NOT NULL"), 0, "what was said goes");
}

#[test]
fn what_was_corrected_before_hashes_changed_is_not_proposed_again() {
    let index = Index::new();
    said(&index, &["We use pnpm in all packages"]);
    let before = fingerprint::of_words("We use pnpm in all packages");
    index.memory.change(format!("UPDATE memories SET state = 'superseded', hash = '{before}'").leak());
    said(&index, &["We use pnpm in all packages"]);
    assert_eq!(texts(&index).len(), 1, "{:?}", memories(&index));
}

#[test]
fn a_session_proposes_five_at_most() {
    let index = Index::new();
    let rules = ["Always run the linter first", "Never push to main", "Always sign commits", "Never mock the database"];
    said(&index, &rules);
    said(&index, &["Always write tests for parsers", "We decided to use Kafka for events", "I prefer short functions"]);
    assert_eq!(texts(&index).len(), 5);
    assert_eq!(handed_over(&index, &[(Speaker::User, "From now on answer in German")]), None, "nothing more is heard");
    assert_eq!((texts(&index).len(), index.number("SELECT proposals AS n FROM hook_sessions")), (5, 5));
}

#[test]
fn what_is_said_again_makes_the_old_one_surer() {
    let index = Index::new();
    said(&index, &["We use pnpm in all packages"]);
    said(&index, &["We decided to use pnpm in all packages", "we use pnpm in all packages!"]);
    let found = memories(&index);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0]["confidence"].as_f64().unwrap() > 0.69, "{found:?}");
    assert_eq!(index.number("SELECT count(*) AS n FROM memories WHERE confirmed_at IS NOT NULL"), 1);
}

#[test]
fn what_says_otherwise_is_proposed_to_take_the_others_place() {
    let index = Index::new();
    said(&index, &["We use Postgres 14 for the ledger"]);
    said(&index, &["We use Postgres 15 for the ledger"]);
    let found = memories(&index);
    let first = index.memory.look("SELECT id FROM memories ORDER BY number")[0]["id"].clone();
    assert_eq!((found.len(), &found[1]["supersedes"], &found[1]["state"]), (2, &first, &json!("proposed")));
    assert!(found[1]["why"].as_str().unwrap().contains("Postgres 14"), "{found:?}");
}

#[test]
fn of_what_was_said_and_taken_back_only_the_later_is_proposed() {
    for said_then in [
        ["We decided to use Kafka for all events", "We decided to use NATS for all events"],
        ["Let's go with Kafka for all events", "no wait, scratch that. We decided to use NATS for all events."],
    ] {
        let index = Index::new();
        said(&index, &said_then);
        assert_eq!(texts(&index), ["We decided to use NATS for all events"], "{said_then:?}");
        assert_eq!(index.number("SELECT proposals AS n FROM hook_sessions"), 1);
    }
}

#[test]
fn what_claude_says_takes_nothing_back_that_its_user_said() {
    let index = Index::new();
    let said = [
        (Speaker::User, "We decided to use Kafka for all events"),
        (Speaker::Assistant, "Decision: use NATS for all events"),
    ];
    let item = handed_over(&index, &said).unwrap();
    assert_eq!(index.consume(Stage::Capture, item).outcome, Outcome::Done);
    assert_eq!(texts(&index).len(), 2);
}

#[test]
fn who_accepts_all_has_it_at_once_but_for_corrections_and_what_claude_said() {
    let index = Index::new();
    index.memory.change(r#"UPDATE users SET profile = '{"preferences": {"accept_memories": true}}'"#);
    said(&index, &["We use Postgres 14 for the ledger"]);
    let item = handed_over(
        &index,
        &[
            (Speaker::User, "We use Postgres 15 for the ledger"),
            (Speaker::Assistant, "Decision: keep the legacy parser for old files"),
        ],
    )
    .unwrap();
    assert_eq!(index.consume(Stage::Capture, item).outcome, Outcome::Done);
    let states: Vec<Value> = memories(&index).into_iter().map(|memory| memory["state"].clone()).collect();
    assert_eq!(states, ["active", "proposed", "proposed"]);
    assert_eq!(index.number("SELECT count(*) AS n FROM memories_fts_1"), 1);
    assert_eq!(index.number("SELECT index_version AS n FROM users"), 1);
}

#[test]
fn what_held_a_secret_is_not_proposed() {
    let index = Index::new();
    let key = concat!("Remember that the staging key is AKIA", "QYLPMN5HFIQ3BZ7W");
    said(&index, &[key, "remember that it is [withheld: aws] now"]);
    assert!(memories(&index).is_empty());
}

#[test]
fn what_was_corrected_is_not_proposed_again() {
    let index = Index::new();
    said(&index, &["We use Jenkins for all builds"]);
    index.memory.change("UPDATE memories SET state = 'superseded', superseded_by = 'mem_x'");
    said(&index, &["We use Jenkins for all builds"]);
    assert_eq!(texts(&index).len(), 1);
}

#[test]
fn who_lost_the_claim_proposes_nothing() {
    let index = Index::new();
    let item = handed_over(&index, &[(Speaker::User, "We decided to use Kafka for all events")]).unwrap();
    let (late, holder) = index.take_over(Stage::Capture, item);
    assert_eq!(ready(capture(&index.memory, &holder)).unwrap(), Outcome::Done);
    index.memory.change("DELETE FROM memories");
    assert_eq!(ready(capture(&index.memory, &late)).unwrap(), Outcome::Done);
    assert!(memories(&index).is_empty(), "what its owner rejected does not come back");
    assert_eq!(index.number("SELECT proposals AS n FROM hook_sessions"), 1);
}
