//! What is refused costs the deployment next to nothing: no row, and not more often than a burst.
#![expect(clippy::unwrap_used, reason = "tests")]

use pipeline::{
    constants,
    platform::ports::{Burst, Meter as _},
    time::MINUTE,
};
use producers::schedule::Schedule;
use serde_json::{Value, json};
use test_platform::Fate;
use tests::rig::Rig;

/// Requests that nobody is answered: no such path, no such method, no key, a wrong one.
const REFUSED: [(&str, &str, &str, u16); 4] = [
    ("", "GET", "/wp-login.php", 404),
    ("", "PUT", "/api/index", 405),
    ("", "POST", "/api/index", 401),
    ("cf_test_0000000000_wrong", "GET", "/api/jobs", 401),
];

fn usage_rows(rig: &Rig) -> u64 {
    rig.memory.look("SELECT count(*) AS count FROM usage_log")[0]["count"].as_u64().unwrap()
}

#[test]
fn unknown_paths_and_wrong_methods_meet_the_limiter_first() {
    let rig = Rig::new(1);
    rig.memory.refuse_bursts(&[Burst::Address]);
    for (key, method, path, _) in REFUSED {
        assert_eq!(rig.request_as(key, method, path, &[], b"").status, 429, "{method} {path}");
    }
}

#[test]
fn what_is_refused_leaves_no_row() {
    let rig = Rig::new(2);
    let before = usage_rows(&rig);
    for (key, method, path, status) in REFUSED {
        assert_eq!(rig.request_as(key, method, path, &[], b"").status, status, "{method} {path}");
    }
    for burst in [Burst::Address, Burst::Key] {
        rig.memory.refuse_bursts(&[burst]);
        assert_eq!(rig.request("GET", "/api/jobs", &Value::Null).status, 429);
    }
    assert_eq!(usage_rows(&rig), before);
    // A ban is a write of KV, once: it is counted.
    rig.memory.refuse_bursts(&[Burst::Address, Burst::Refused]);
    for _ in 0..3 {
        assert_eq!(rig.request("GET", "/nothing", &Value::Null).status, 429);
    }
    assert_eq!(usage_rows(&rig), before + 1);
    assert_eq!(rig.memory.look("SELECT total(kv_writes) AS writes FROM usage_log")[0]["writes"].as_f64(), Some(1.0));
}

#[test]
fn what_a_user_asks_and_what_writes_has_its_row() {
    let rig = Rig::new(3);
    let before = usage_rows(&rig);
    assert_eq!(rig.request("GET", "/api/jobs", &Value::Null).status, 200);
    assert_eq!(rig.request("GET", "/api/jobs/nothing", &Value::Null).status, 404);
    rig.new_user();
    assert_eq!(usage_rows(&rig), before + 3);
}

/// It asks the session's object, whose requests are counted.
#[test]
fn who_joins_a_session_has_a_row_on_its_owners_account() {
    let rig = Rig::new(4);
    let session = rig.request("POST", "/api/session", &json!({})).body["id"].as_str().unwrap().to_owned();
    let before = usage_rows(&rig);
    let path = format!("/api/session/{session}/ws");
    let joined = rig.request_with_headers("GET", &path, &[("upgrade", "websocket")], b"");
    assert_eq!((joined.status, usage_rows(&rig)), (101, before + 1));
    let sql = "SELECT count(*) AS count FROM usage_log WHERE source LIKE '%/ws' AND user_id = (SELECT id FROM users)";
    assert_eq!(rig.memory.look(sql)[0]["count"], 1);
}

#[test]
fn addresses_of_one_network_are_banned_together() {
    let rig = Rig::new(4);
    let ask = |address: &str| rig.request_as("", "GET", "/openapi.json", &[("cf-connecting-ip", address)], b"").status;
    rig.memory.refuse_bursts(&[Burst::Address, Burst::Refused]);
    assert_eq!(ask("2001:db8:0:1::1"), 429);
    rig.memory.refuse_bursts(&[]);
    assert_eq!(ask("2001:db8:0:1:dead:beef:0:2"), 429, "its neighbour of the same 64 bits");
    assert_eq!(ask("2001:db8:0:2::1"), 200);
}

/// The platform counts them against its requests of the day.
#[test]
fn what_is_refused_is_counted_in_one_row_with_the_next_that_is_not() {
    let rig = Rig::new(6);
    for _ in 0..15 {
        for (key, method, path, _) in REFUSED {
            rig.request_as(key, method, path, &[], b"");
        }
    }
    let of_nobody = || rig.memory.look("SELECT requests, user_id FROM usage_log WHERE source = 'refused'");
    assert!(of_nobody().is_empty(), "nothing is written for them alone");
    rig.request("GET", "/api/me", &Value::Null);
    rig.request("GET", "/api/me", &Value::Null);
    assert_eq!(of_nobody(), [json!({"requests": 60, "user_id": null})]);
    let all = rig.memory.look("SELECT sum(requests) AS requests FROM usage_log")[0]["requests"].clone();
    rig.run_cron(Schedule::Frequent).1.unwrap();
    let usage = rig.request("GET", "/api/usage", &Value::Null).body;
    assert_eq!(usage["invocations"], all, "{usage}");
    let of_user = "SELECT invocations FROM usage_of_users WHERE user_id <> ''";
    assert_eq!(rig.memory.look(of_user), [json!({"invocations": 2})], "they are on nobody's account");
    // Few wait for five minutes.
    rig.request_as("", "GET", "/nothing", &[], b"");
    rig.request("GET", "/api/me", &Value::Null);
    assert_eq!(of_nobody().len(), 1);
    rig.memory.advance(5 * MINUTE);
    rig.request("GET", "/api/me", &Value::Null);
    assert_eq!(of_nobody().len(), 2);
}

#[test]
fn what_is_refused_is_counted_later_if_the_row_of_it_fails() {
    let rig = Rig::new(8);
    for _ in 0..50 {
        rig.request_as("", "GET", "/nothing", &[], b"");
    }
    let of_refused = || rig.memory.look("SELECT requests FROM usage_log WHERE source = 'refused'");
    // Authentication passes; then D1 is out, and the row of the request fails with that of those.
    let mut calls = 0;
    rig.memory.set_fates(move || {
        calls += 1;
        if calls == 1 { Fate::Works } else { Fate::Fails }
    });
    rig.request("GET", "/api/me", &Value::Null);
    rig.memory.heal();
    assert!(of_refused().is_empty());
    rig.request("GET", "/api/me", &Value::Null);
    assert_eq!(of_refused(), [json!({"requests": 50})]);
}

#[test]
fn kv_is_asked_about_nobody_who_keeps_to_the_limits() {
    let rig = Rig::new(7);
    let asked = |address: &str| {
        let status = rig.request_as("", "GET", "/nothing", &[("cf-connecting-ip", address)], b"").status;
        (status, rig.memory.usage().kv_reads, rig.memory.usage().kv_writes)
    };
    for number in 0..10 {
        assert_eq!(asked(&format!("203.0.113.{number}")), (404, 0, 0));
    }
    rig.memory.refuse_bursts(&[Burst::Address, Burst::Refused]);
    assert_eq!(asked("203.0.113.1"), (429, 1, 1), "it is banned, and may be already");
    assert_eq!(asked("203.0.113.1"), (429, 0, 0));
    rig.memory.refuse_bursts(&[]);
    assert_eq!(asked("203.0.113.1"), (429, 0, 0));
    // Another isolate knows nothing of it until it refuses the same caller, and does not ban again.
    rig.memory.replace_isolate();
    rig.memory.advance(2 * MINUTE);
    assert_eq!(asked("203.0.113.1"), (404, 0, 0));
    rig.memory.refuse_bursts(&[Burst::Address]);
    assert_eq!(asked("203.0.113.1"), (429, 0, 0));
    rig.memory.refuse_bursts(&[]);
    assert_eq!(asked("203.0.113.1"), (429, 1, 0), "the ban is found");
    assert_eq!(asked("203.0.113.1"), (429, 0, 0));
    rig.memory.advance(constants::BAN);
    assert_eq!(asked("203.0.113.1").0, 404);
}
