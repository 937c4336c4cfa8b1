//! One user cannot spend everybody's day.
#![expect(clippy::unwrap_used, reason = "tests")]

use pipeline::{
    budget::{ledger, purpose::Purpose},
    constants,
    failure::Failure,
    platform::ports::Clock as _,
    time::{DAY, HOUR, MINUTE},
};
use producers::schedule::Schedule;
use serde_json::{Value, json};
use test_platform::ready;
use tests::rig::{Answer, Rig, prose};

use crate::streamed::{LINES, lines};

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
    let id = rig.request_as(&gone, "GET", "/api/keys", &[], b"").body["items"][0]["id"].as_str().unwrap().to_owned();
    assert!(reserve(&rig, "not alone", 60.0).is_err());
    assert_eq!(rig.request_as(&gone, "DELETE", &format!("/api/keys/{id}?force=true"), &[], b"").status, 204);
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

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

/// A product with two users who have both asked for something; the key of the second.
fn two_users(seed: u64) -> (Rig, String) {
    let rig = Rig::new(seed);
    let other = rig.new_user();
    assert_eq!(rig.request("GET", "/api/me", &Value::Null).status, 200);
    assert_eq!(rig.request_as(&other, "GET", "/api/me", &[], b"").status, 200);
    rig.run_cron(Schedule::Frequent).1.unwrap();
    (rig, other)
}

fn rows_read(rig: &Rig) -> f64 {
    let rows = rig.memory.look("SELECT total(d1_rows_read) AS rows FROM usage_log WHERE user_id IS NOT NULL");
    rows[0]["rows"].as_f64().unwrap()
}

/// Lists documents until that is refused; what had been read then, and the refusal.
fn read_until_refused(rig: &Rig, most: usize) -> Option<(f64, Answer)> {
    (0..most).find_map(|_| {
        let before = rows_read(rig);
        let answer = rig.request("GET", "/api/documents", &Value::Null);
        (answer.status != 200).then_some((before, answer))
    })
}

/// All of it within five minutes, in which nothing is counted.
#[test]
fn whoever_has_read_more_than_their_share_of_the_rows_is_refused_and_others_are_answered() {
    let (rig, other) = two_users(4);
    rig.memory.set_limits(r#"{"d1_rows_read": 2000}"#);
    let (read, refused) = read_until_refused(&rig, 2_000).unwrap();
    assert!((1_200.0..1_220.0).contains(&read), "a fifth more than half of them: {read}");
    assert_eq!((refused.status, refused.body["code"].as_str()), (429, Some("rate_limited")), "{}", refused.body);
    let detail = refused.body["detail"].as_str().unwrap();
    assert!(detail.starts_with("your share of today's d1_rows_read is spent: 12"), "{detail}");
    assert!(detail.ends_with("of 1000; it is new at 00:00 UTC"), "{detail}");
    let left = rig.memory.now().next_day().since(rig.memory.now()).as_seconds();
    assert_eq!(refused.headers["retry-after"], left.to_string());
    assert_eq!(refused.headers["ratelimit"], format!("\"share\";r=0;t={left}"));
    assert_eq!(rig.request_as(&other, "GET", "/api/documents", &[], b"").status, 200);
    // What was counted says the same to an isolate that has seen nothing of it.
    rig.memory.advance(MINUTE);
    rig.run_cron(Schedule::Frequent).1.unwrap();
    rig.memory.replace_isolate();
    assert_eq!(rig.request("GET", "/api/documents", &Value::Null).status, 429);
    assert_eq!(rig.request_as(&other, "GET", "/api/documents", &[], b"").status, 200);
    rig.memory.advance(DAY);
    assert_eq!(rig.request("GET", "/api/documents", &Value::Null).status, 200);
}

#[test]
fn whoever_is_alone_may_read_all_the_rows() {
    let rig = Rig::new(5);
    rig.run_cron(Schedule::Frequent).1.unwrap();
    rig.memory.set_limits(r#"{"d1_rows_read": 2000}"#);
    assert!(read_until_refused(&rig, 500).is_none());
    assert!(rows_read(&rig) > 2_000.0);
}

#[test]
fn whoever_has_written_more_than_their_share_of_the_rows_waits_and_others_are_indexed() {
    let (rig, other) = two_users(6);
    let upload = |key: &str, name: &str| {
        let body = json!({"documents": [{"external_id": name, "content": prose("tides", 1)}]}).to_string();
        let answer = rig.request_as(key, "POST", "/api/index", &JSON, body.as_bytes());
        assert_eq!(answer.status, 202, "{}", answer.body);
        answer.body["job_id"].as_str().unwrap().to_owned()
    };
    let own = |name: &str| rig.upload(&json!([{"external_id": name, "content": prose("tides", 1)}]));
    for number in 0..20 {
        own(&format!("{number}.md"));
    }
    rig.drain();
    let written = rig.memory.look("SELECT total(d1_rows_written) AS rows FROM usage_log WHERE user_id IS NOT NULL");
    // So that what was written is a little more than half of all.
    let all = written[0]["rows"].as_f64().unwrap() / 0.51;
    rig.memory.set_limits(&json!({ "d1_rows_written": all }).to_string());
    rig.memory.advance(MINUTE);
    rig.run_cron(Schedule::Frequent).1.unwrap();
    let (mine, theirs) = (own("second.md"), upload(&other, "other.md"));
    rig.drain();
    let view = rig.job(&mine);
    assert_eq!(view["status"], "parked", "{view}");
    let why = view["parked_why"].as_str().unwrap();
    assert!(why.starts_with("your share of today's d1_rows_written is spent"), "{why}");
    let path = format!("/api/jobs/{theirs}");
    assert_eq!(rig.request_as(&other, "GET", &path, &[], b"").body["status"], "succeeded");
    let told = rig.request("GET", "/api/me", &Value::Null);
    assert!(told.headers["x-budget"].to_str().unwrap().contains("your d1_rows_written at 1"), "{:?}", told.headers);
    rig.memory.advance(DAY);
    assert!(rig.converge());
    assert_eq!(rig.job(&mine)["status"], "succeeded");
}

#[test]
fn a_key_that_nobody_uses_halves_nobodys_rows() {
    let rig = Rig::new(8);
    let other = rig.new_user();
    rig.memory.set_limits(r#"{"d1_rows_read": 2000}"#);
    assert!(read_until_refused(&rig, 500).is_none());
    rig.memory.advance(MINUTE);
    rig.run_cron(Schedule::Frequent).1.unwrap();
    assert_eq!(rig.request("GET", "/api/documents", &Value::Null).status, 200);
    assert_eq!(rig.request_as(&other, "GET", "/api/me", &[], b"").status, 200);
    rig.memory.advance(MINUTE);
    rig.run_cron(Schedule::Frequent).1.unwrap();
    assert_eq!(rig.request("GET", "/api/documents", &Value::Null).status, 429, "it is used");
}

#[test]
fn whoever_uses_none_of_today_has_a_share_of_it_if_they_used_yesterday() {
    let (rig, _) = two_users(9);
    rig.memory.set_limits(r#"{"d1_rows_read": 2000}"#);
    let is_refused_after = |days: i64| {
        rig.memory.advance(days * DAY);
        rig.run_cron(Schedule::Frequent).1.unwrap();
        read_until_refused(&rig, 500).is_some()
    };
    assert!(is_refused_after(1));
    assert!(!is_refused_after(1));
}

#[test]
fn whoever_is_refused_for_their_share_may_look_at_it_cancel_and_delete() {
    let (rig, _) = two_users(10);
    rig.upload(&json!([{"external_id": "tides.md", "content": prose("tides", 1)}]));
    rig.drain();
    let documents = rig.request("GET", "/api/documents", &Value::Null).body;
    let document = documents["items"][0]["id"].as_str().unwrap().to_owned();
    let job = rig.upload(&json!([{"external_id": "ships.md", "content": prose("ships", 1)}]));
    rig.memory.set_limits(r#"{"d1_rows_read": 1}"#);
    assert_eq!(rig.request("GET", "/api/documents", &Value::Null).status, 429);
    let cancel = format!("/api/jobs/{job}/cancel");
    let delete = format!("/api/documents/{document}");
    for (method, path) in [("GET", "/api/usage"), ("GET", "/health"), ("POST", &cancel), ("DELETE", &delete)] {
        let answer = rig.request(method, path, &Value::Null);
        assert!((200..300).contains(&answer.status), "{method} {path}: {} {}", answer.status, answer.body);
    }
}

#[test]
fn what_waits_for_a_share_goes_on_once_its_user_is_alone() {
    let (rig, other) = two_users(11);
    let job = rig.upload(&json!([{"external_id": "tides.md", "content": prose("tides", 1)}]));
    rig.memory.set_limits(r#"{"user_share": 0.00001}"#);
    rig.drain();
    rig.memory.set_limits("{}");
    rig.memory.advance(5 * MINUTE);
    rig.converge();
    let view = rig.job(&job);
    assert_eq!(view["status"], "parked", "not before: {view}");
    let keys = rig.request_as(&other, "GET", "/api/keys", &[], b"").body;
    let path = format!("/api/keys/{}?force=true", keys["items"][0]["id"].as_str().unwrap());
    assert_eq!(rig.request_as(&other, "DELETE", &path, &[], b"").status, 204);
    rig.memory.advance(5 * MINUTE);
    let midnight = rig.memory.now().next_day();
    assert!(rig.converge());
    assert_eq!(rig.job(&job)["status"], "succeeded");
    assert!(rig.memory.now() < midnight, "it did not wait for it");
}

#[test]
fn uploads_that_are_not_unpacked_leave_others_their_share_of_the_space() {
    let (rig, other) = two_users(7);
    let large = lines(150, 2_000);
    let bytes = f64::from(u32::try_from(large.len()).unwrap());
    // Space for four of them and a half, of which one user may have two.
    rig.memory.set_limits(&json!({ "r2_bytes": 4.5 * bytes / constants::STORED_SHARE }).to_string());
    let send = |key: Option<&str>| {
        let headers = [("content-type", LINES), ("content-length", &*large.len().to_string())];
        let answer = match key {
            None => rig.request_with_headers("POST", "/api/index", &headers, large.as_bytes()),
            Some(key) => rig.request_as(key, "POST", "/api/index", &headers, large.as_bytes()),
        };
        (answer.status, answer.body)
    };
    assert_eq!((send(None).0, send(None).0), (202, 202));
    let (status, problem) = send(None);
    assert_eq!(status, 429, "{problem}");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("of your uploads are not unpacked"), "{detail}");
    assert_eq!(send(Some(&other)).0, 202, "half of what the first left is another's");
    rig.drain();
    rig.memory.advance(HOUR);
    assert!(rig.converge());
    assert_eq!(send(None).0, 202, "they are unpacked");
}
