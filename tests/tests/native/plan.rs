//! `PLAN=paid`: larger units and a month's allowances; whatever was begun on one plan is finished on the other.
#![expect(clippy::unwrap_used, reason = "tests")]

use pipeline::{constants, platform::ports::Meter as _, time::DAY};
use producers::schedule::Schedule;
use serde_json::{Value, json};
use tests::rig::{Answer, Rig, prose};

use crate::streamed::{LINES, lines, upload};

fn on(plan: &str) -> Rig {
    let rig = Rig::new(1);
    rig.memory.set_plan(plan);
    rig
}

/// So many files of 2 KB, in one request.
fn files(count: usize) -> Value {
    let file = |number: usize| {
        let content = format!("# Note {number}\n\n{}", "Small files must be cheap to index. ".repeat(56));
        json!({"external_id": format!("{number}.md"), "content": content})
    };
    json!((0..count).map(file).collect::<Vec<_>>())
}

/// Handles all messages there are; how many they were.
fn messages(rig: &Rig) -> usize {
    let mut count = 0;
    while let Some(message) = rig.memory.receive() {
        rig.process(&message);
        count += 1;
    }
    count
}

fn deleted(rig: &Rig) -> Answer {
    let listed = rig.request("GET", "/api/documents", &Value::Null).body;
    let id = listed["items"][0]["id"].as_str().unwrap();
    rig.request("DELETE", &format!("/api/documents/{id}"), &Value::Null)
}

#[test]
fn units_are_larger_on_the_paid_plan_and_the_estimate_knows() {
    let cost = |plan: &str| {
        let rig = on(plan);
        let answer = rig.request("POST", "/api/index", &files(100));
        let said = answer.body["estimate"]["queue_operations"].as_u64().unwrap();
        let count = messages(&rig);
        assert_eq!(rig.job(answer.body["job_id"].as_str().unwrap())["status"], "succeeded");
        assert!(said.abs_diff(3 * count as u64) <= said / 6, "{plan}: {said} said, {count} messages");
        count
    };
    let (free, paid) = (cost("free"), cost("paid"));
    assert!(3 * paid <= free, "{paid} messages on the paid plan, {free} on the free one");
}

#[test]
fn a_streamed_upload_takes_a_fourth_of_the_messages() {
    let body = lines(400, 4_000);
    let unpacked = |plan: &str| {
        let rig = on(plan);
        let job = upload(&rig, LINES, body.as_bytes());
        let count = messages(&rig);
        assert_eq!(rig.job(&job)["items"]["done"], 400);
        count
    };
    let (free, paid) = (unpacked("free"), unpacked("paid"));
    assert!(3 * paid < free, "{paid} messages on the paid plan, {free} on the free one");
}

#[test]
fn what_was_begun_on_one_plan_is_finished_on_the_other() {
    for (before, after) in [("free", "paid"), ("paid", "free")] {
        let rig = on(before);
        let job = upload(&rig, LINES, lines(300, 2_000).as_bytes());
        let long = rig.upload(&json!([{"external_id": "long.md", "content": prose("harbours", 900)}]));
        for _ in 0..5 {
            let message = rig.memory.receive().unwrap();
            rig.process(&message);
        }
        rig.memory.set_plan(after);
        rig.drain();
        assert_eq!(rig.job(&job)["items"]["done"], 300, "{before} to {after}");
        assert_eq!(rig.job(&long)["status"], "succeeded", "{before} to {after}");
        assert!(rig.search(&json!({"query": "harbours", "mode": "keyword"})).contains(&"long.md".to_owned()));
    }
}

/// Vectorize takes a hundred ids a call on either plan.
#[test]
fn a_purge_removes_more_in_a_message_by_more_calls() {
    let purged = |plan: &str| {
        let rig = on(plan);
        rig.upload(&json!([{"external_id": "long.md", "content": prose("harbours", 2_500)}]));
        rig.drain();
        let vectors = rig.memory.vector_ids().len();
        assert!(vectors > 2 * constants::VECTORS_PER_DELETE, "{vectors} vectors");
        assert_eq!(deleted(&rig).status, 202);
        let count = messages(&rig);
        assert_eq!(rig.memory.vector_ids(), [] as [String; 0]);
        count
    };
    assert!(purged("paid") < purged("free"));
}

#[test]
fn allowances_and_what_an_invocation_may_ask_are_those_of_the_plan() {
    let rig = on("paid");
    let usage = rig.request("GET", "/api/usage", &Value::Null).body;
    let allowance = |name: &str| {
        let resources = usage["resources"].as_array().unwrap();
        resources.iter().find(|resource| resource["name"] == name).unwrap()["allowance"].as_f64().unwrap()
    };
    assert!((allowance("queue_operations") - 1_000_000.0 / 30.0).abs() < 1.0);
    assert!((allowance("neurons") - 10_000.0).abs() < 1e-9, "more is billed, so it is a setting");
    rig.memory.set_limits(r#"{"neurons": 50000}"#);
    assert!(rig.request("GET", "/api/usage", &Value::Null).body["resources"][0]["allowance"] == 50_000.0);
    assert!(rig.memory.asked().queries_left() > 900);
    let free = on("free");
    free.request("GET", "/health", &Value::Null);
    assert!(free.memory.asked().queries_left() < 50);
}

#[test]
fn a_plan_that_there_is_not_is_the_free_one_and_health_says_so() {
    let rig = on("premium");
    let health = rig.request("GET", "/health", &Value::Null).body;
    assert!(health["configuration"].as_str().unwrap().contains("\"premium\" is no plan"), "{health}");
    assert!(rig.memory.asked().queries_left() < 50);
    rig.memory.advance(DAY);
    assert_eq!(rig.run_cron(Schedule::Frequent).1, Ok(()));
}
