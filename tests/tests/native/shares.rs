//! One user cannot spend everybody's day.

use pipeline::{
    budget::{ledger, purpose::Purpose},
    constants,
    failure::Failure,
    platform::ports::Clock as _,
    time::MINUTE,
};
use producers::schedule::Schedule;
use serde_json::{Value, json};
use test_platform::ready;
use tests::rig::{Rig, prose};

fn reserve(rig: &Rig, name: &str, neurons: f64) -> Result<(), Failure> {
    let user = rig.user();
    rig.memory.begin(name);
    ready(ledger::reserve(&rig.memory, Purpose::Interactive, &user, neurons))
}

fn share(rig: &Rig) -> Value {
    rig.request("GET", "/api/usage", &Value::Null).body["share"].clone()
}

#[test]
fn whoever_is_alone_may_spend_all_and_others_half() {
    let rig = Rig::new(1);
    rig.memory.set_limits(r#"{"neurons": 100}"#);
    reserve(&rig, "alone", 60.0).unwrap();
    rig.new_user();
    let refused = reserve(&rig, "not alone", 1.0).unwrap_err();
    assert_eq!(
        refused.why,
        "your share of today's neurons is spent: 60 of 50, and this needs 1.0; it is new at 00:00 UTC"
    );
    assert_eq!(share(&rig)["allowance"], 50.0);
    rig.memory.set_limits(r#"{"neurons": 100, "user_share": 0.7}"#);
    reserve(&rig, "a larger share", 10.0).unwrap();
}

#[test]
fn whose_keys_are_revoked_halves_nobodys_day() {
    let rig = Rig::new(7);
    rig.memory.set_limits(r#"{"neurons": 100}"#);
    let gone = rig.new_user();
    let id = rig.request_as(&gone, "GET", "/api/keys", &[], b"").body["data"][0]["id"].as_str().unwrap().to_owned();
    assert!(reserve(&rig, "not alone", 60.0).is_err());
    assert_eq!(rig.request_as(&gone, "DELETE", &format!("/api/keys/{id}"), &[], b"").status, 204);
    reserve(&rig, "alone again", 60.0).unwrap();
}

#[test]
fn what_a_dead_worker_had_set_aside_counts_to_its_users_share() {
    let rig = Rig::new(2);
    rig.new_user();
    rig.memory.set_limits(r#"{"neurons": 100}"#);
    reserve(&rig, "dies", 45.0).unwrap();
    rig.memory.advance(constants::MAX_WRITER_LIFE + MINUTE);
    for _ in 0..2 {
        rig.run_cron(Schedule::Frequent).1.unwrap();
    }
    assert!(rig.memory.look("SELECT id FROM reservations").is_empty());
    assert_eq!(share(&rig)["neurons"], 45.0);
    assert!(reserve(&rig, "too much", 6.0).is_err());
    reserve(&rig, "the rest", 5.0).unwrap();
}

#[test]
fn indexing_beyond_the_share_waits_for_the_next_day_and_others_go_on() {
    let rig = Rig::new(3);
    let other = rig.new_user();
    // About 40 chunks of 400 word pieces: 30 neurons, of which a user may spend ten a day.
    rig.memory.set_limits(r#"{"neurons": 20, "ingest_share": 1}"#);
    let job = rig.upload(&json!([{"external_id": "tides.md", "content": prose("tides", 60)}]));
    rig.drain();
    let view = rig.job(&job);
    assert_eq!(view["status"], "parked", "{view}");
    assert!(view["parked_why"].as_str().unwrap().starts_with("your share of today's neurons is spent"), "{view}");
    assert_eq!(view["parked_until"], rig.memory.now().next_day().to_rfc3339(), "{view}");
    rig.run_cron(Schedule::Frequent).1.unwrap();
    let spent = share(&rig)["neurons"].as_f64().unwrap();
    assert!(spent > 5.0 && spent <= 10.0, "{spent}");
    let body = json!({"documents": [{"external_id": "ships.md", "content": prose("ships", 2)}]}).to_string();
    let headers = [("content-type", "application/json")];
    let uploaded = rig.request_as(&other, "POST", "/api/index", &headers, body.as_bytes());
    rig.drain();
    let path = format!("/api/jobs/{}", uploaded.body["job_id"].as_str().unwrap());
    assert_eq!(rig.request_as(&other, "GET", &path, &[], b"").body["status"], "succeeded");
    for _ in 0..6 {
        rig.memory.advance(rig.memory.now().next_day().since(rig.memory.now()));
        rig.converge();
    }
    assert_eq!(rig.job(&job)["status"], "succeeded");
}
