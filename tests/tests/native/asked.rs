//! What one invocation may ask of the platform: what is beyond is refused, and what would be more goes on in
//! another invocation.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use pipeline::{
    constants,
    failure::Failure,
    platform::{
        asked::QUERIES_TO_RECORD,
        ports::{Clock as _, Meter as _, ObjectStore as _, Outside as _},
    },
    store::counters,
    time::{DAY, MINUTE},
};
use producers::schedule::Schedule;
use serde_json::{Value, json};
use test_platform::{InMemory, ready};
use tests::{
    report,
    rig::{Rig, prose},
};

fn count(rig: &Rig, sql: &'static str) -> u64 {
    rig.memory.look(sql)[0]["count"].as_u64().unwrap()
}

/// How many of an invocation's calls work.
fn admitted(call: impl Fn(&InMemory) -> Result<(), Failure>) -> u64 {
    let memory = InMemory::default();
    memory.begin("one");
    let admitted = (0..2_000).take_while(|_| call(&memory).is_ok()).count() as u64;
    assert_eq!(memory.take_refused().len(), 1, "what is refused is noted");
    memory.begin("another");
    call(&memory).unwrap();
    admitted
}

#[test]
fn an_invocation_has_fifty_queries_a_thousand_requests_and_fifty_to_others() {
    let query = |memory: &InMemory| ready(counters::due_steps().first(memory)).map(drop);
    assert_eq!(admitted(query), constants::D1_QUERIES_PER_INVOCATION);
    let object = |memory: &InMemory| ready(memory.get("key", None)).map(drop);
    assert_eq!(admitted(object), constants::SUBREQUESTS_PER_INVOCATION);
    let outside = |memory: &InMemory| ready(memory.post("https://example.com", &[], String::new())).map(drop);
    assert_eq!(admitted(outside), constants::OUTSIDE_REQUESTS_PER_INVOCATION);
}

#[test]
fn a_database_that_is_full_takes_no_more() {
    let rig = Rig::new(1);
    rig.memory.set_database_bytes(0);
    let answer = rig.request("POST", "/api/index", &json!({ "documents": [{ "content": "ships" }] }));
    assert!(answer.status >= 500, "{}", answer.body);
    rig.memory.set_database_bytes(constants::D1_DATABASE_BYTES);
    rig.upload(&json!([{ "content": "ships" }]));
}

/// Runs the schedule's frequent trigger until a count is what it shall be; how often that took.
fn runs_until(rig: &Rig, expected: u64, sql: &'static str) -> usize {
    for run in 1..200 {
        if count(rig, sql) == expected {
            return run;
        }
        rig.memory.advance(5 * MINUTE);
        rig.run_cron(Schedule::Frequent).1.unwrap();
        rig.drain();
    }
    panic!("{} are left", count(rig, sql));
}

#[test]
fn a_night_that_is_too_large_for_one_invocation_goes_on_in_the_next() {
    let rig = Rig::new(2);
    rig.request("PATCH", "/api/me", &json!({ "retention": { "document_days": 10, "conversation_days": 5 } }));
    let documents: Vec<Value> =
        (0..40).map(|number| json!({ "external_id": number.to_string(), "content": prose("tides", 1) })).collect();
    rig.upload(&Value::from(documents));
    for number in 0..25 {
        rig.chat(&json!({ "message": format!("What is the tide at {number}?") }));
    }
    rig.drain();
    rig.memory.advance(11 * DAY);
    rig.run_cron(Schedule::Daily).1.unwrap();
    let left = "SELECT (SELECT count(*) FROM documents WHERE deleted_at IS NULL)
                     + (SELECT count(*) FROM conversations) AS count";
    assert!(count(&rig, left) > 40, "one invocation removes a few");
    let runs = runs_until(&rig, 0, left);
    report(&format!("65 of retention go in {runs} runs of five minutes; at most: {:?}", rig.memory.most_asked()));
}

#[test]
fn idle_conversations_of_many_users_are_archived_in_several_invocations() {
    let rig = Rig::new(3);
    for number in 0..30 {
        let key = rig.new_user();
        let body = json!({ "message": format!("What is the tide at {number}?") }).to_string();
        let headers = [("content-type", "application/json")];
        assert_eq!(rig.request_as(&key, "POST", "/api/chat", &headers, body.as_bytes()).status, 202);
    }
    rig.drain();
    rig.memory.advance(constants::ARCHIVE_AFTER + DAY);
    let archived = rig.run_cron(Schedule::Daily).0.archived;
    assert!(archived < 30, "{archived}");
    runs_until(&rig, 30, "SELECT count(*) AS count FROM jobs WHERE kind = 'archive'");
}

#[test]
fn items_out_of_attempts_are_given_up_in_several_runs_and_hold_up_nothing_else() {
    let rig = Rig::new(4);
    for number in 0..120 {
        rig.upload(&json!([{ "external_id": number.to_string(), "content": "ships" }]));
    }
    rig.memory.lose_messages();
    rig.memory.change("UPDATE job_items SET attempts = 16 WHERE stage = 'chunk'");
    rig.upload(&json!([{ "external_id": "healthy", "content": "trains" }]));
    rig.memory.lose_messages();
    rig.memory.advance(5 * MINUTE);
    let swept = rig.run_cron(Schedule::Frequent).0.swept;
    assert!(swept.resent == 1 && (1..120).contains(&swept.failed), "{swept:?}");
    runs_until(&rig, 120, "SELECT count(*) AS count FROM job_items WHERE state = 'failed' AND stage = 'chunk'");
}

#[test]
fn a_wait_ends_when_its_invocation_has_no_more_queries() {
    let rig = Rig::new(5);
    let headers = [("content-type", "application/json"), ("prefer", "wait=60")];
    let key = rig.new_user();
    let before = rig.memory.now();
    let answer = rig.request_as(&key, "POST", "/api/index", &headers, br#"{"content": "ships"}"#);
    assert_eq!(answer.status, 202, "{}", answer.body);
    let waited = rig.memory.now().since(before);
    assert!(waited.as_seconds() >= 55, "it waited for {} s", waited.as_seconds());
    assert!(rig.memory.asked().d1_queries <= constants::D1_QUERIES_PER_INVOCATION - QUERIES_TO_RECORD + 1);
}
