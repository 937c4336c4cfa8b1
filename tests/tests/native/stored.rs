//! What is stored, against what can be: told, announced, and indexing parked before there is no space.
#![expect(clippy::unwrap_used, reason = "tests")]

use pipeline::{
    constants,
    platform::ports::Clock as _,
    time::{DAY, HOUR, MINUTE},
};
use producers::schedule::Schedule;
use serde_json::{Value, json};
use tests::rig::{Rig, prose};

use crate::{
    compressed::{folder, gzip},
    streamed::{LINES, lines, objects_of_uploads, send, upload},
};

fn resource(rig: &Rig, name: &str) -> Value {
    let usage = rig.request("GET", "/api/usage", &Value::Null).body;
    usage["resources"].as_array().unwrap().iter().find(|resource| resource["name"] == name).unwrap().clone()
}

/// Lets so much of a resource be used: its allowance is made to fit.
fn fill(rig: &Rig, name: &str, share: f64) {
    rig.memory.set_limits("{}");
    rig.run_cron(Schedule::Frequent).1.unwrap();
    let used = resource(rig, name)["used"].as_f64().unwrap();
    assert!(used > 0.0, "{name}");
    rig.memory.set_limits(&json!({ name: used / share }).to_string());
    rig.run_cron(Schedule::Frequent).1.unwrap();
}

/// A product with a document that was counted.
fn rig(seed: u64) -> Rig {
    let rig = Rig::new(seed);
    rig.upload(&json!([{"external_id": "tides.md", "content": prose("tides", 2)}]));
    rig.drain();
    rig.run_cron(Schedule::Daily).1.unwrap();
    rig
}

#[test]
fn what_is_stored_is_told_and_announced_from_eighty_percent_on() {
    for (seed, name) in [(1, "d1_bytes"), (2, "r2_bytes")] {
        let rig = rig(seed);
        fill(&rig, name, 0.5);
        assert_eq!(resource(&rig, name)["level"], "plenty");
        fill(&rig, name, 0.85);
        let told = resource(&rig, name);
        assert_eq!((&told["level"], &told["runs_out_at"]), (&json!("tight"), &Value::Null), "{told}");
        let alerts = rig.request("GET", "/api/usage", &Value::Null).body["alerts"].to_string();
        assert!(alerts.contains(name) && alerts.contains("tight"), "{alerts}");
    }
}

#[test]
fn bytes_in_r2_are_those_of_the_documents_that_are_there() {
    let rig = rig(3);
    rig.run_cron(Schedule::Frequent).1.unwrap();
    let bytes = f64::from(u32::try_from(prose("tides", 2).len()).unwrap());
    assert_eq!(resource(&rig, "r2_bytes")["used"].as_f64(), Some(bytes));
    let documents = rig.request("GET", "/api/documents", &Value::Null).body;
    let id = documents["items"][0]["id"].as_str().unwrap();
    assert_eq!(rig.request("DELETE", &format!("/api/documents/{id}"), &Value::Null).status, 202);
    rig.drain();
    for schedule in [Schedule::Daily, Schedule::Frequent] {
        rig.run_cron(schedule).1.unwrap();
    }
    assert_eq!(resource(&rig, "r2_bytes")["used"].as_f64(), Some(0.0));
}

#[test]
fn indexing_parks_before_there_is_no_space_and_goes_on_when_there_is() {
    for (seed, name) in [(4, "d1_bytes"), (5, "r2_bytes")] {
        let rig = rig(seed);
        fill(&rig, name, 0.97);
        let job = rig.upload(&json!([{"external_id": "late.md", "content": prose("ships", 1)}]));
        rig.drain();
        let view = rig.job(&job);
        assert_eq!(view["status"], "parked", "{view}");
        let why = view["parked_why"].as_str().unwrap();
        assert!(why.contains(name) && why.contains("something is deleted"), "{why}");
        // What deletes and what answers goes on.
        let documents = rig.request("GET", "/api/documents", &Value::Null).body;
        let id =
            documents["items"].as_array().unwrap().iter().find(|entry| entry["external_id"] == "tides.md").unwrap();
        let path = format!("/api/documents/{}", id["id"].as_str().unwrap());
        let deleted = rig.request("DELETE", &path, &Value::Null);
        assert_eq!(deleted.status, 202, "{}", deleted.body);
        rig.drain();
        assert_eq!(rig.job(deleted.body["job_id"].as_str().unwrap())["status"], "succeeded");
        rig.memory.set_limits("{}");
        rig.memory.advance(DAY);
        assert!(rig.converge());
        assert_eq!(rig.job(&job)["status"], "succeeded");
    }
}

#[test]
fn an_upload_as_it_came_counts_until_it_is_gone_and_none_comes_that_has_no_space() {
    let rig = rig(6);
    rig.run_cron(Schedule::Frequent).1.unwrap();
    let before = resource(&rig, "r2_bytes")["used"].as_f64().unwrap();
    let large = lines(150, 2_000);
    let compressed = gzip(&folder(20, 600));
    rig.memory.set_limits(&json!({ "r2_bytes": 50_000.0 }).to_string());
    for (media_type, body) in [(LINES, large.as_bytes()), ("application/gzip", &compressed)] {
        let refused = send(&rig, media_type, body);
        assert_eq!(refused.status, 503, "{}", refused.body);
        let detail = refused.body["detail"].as_str().unwrap();
        assert!(detail.contains("delete documents"), "{detail}");
        assert_eq!((objects_of_uploads(&rig), rig.memory.look("SELECT job_id FROM uploads").len()), (0, 0));
    }
    rig.memory.set_limits("{}");
    upload(&rig, LINES, large.as_bytes());
    rig.run_cron(Schedule::Frequent).1.unwrap();
    let bytes = f64::from(u32::try_from(large.len()).unwrap());
    assert_eq!(resource(&rig, "r2_bytes")["used"].as_f64(), Some(before + bytes));
    rig.drain();
    rig.memory.advance(2 * constants::MAX_WRITER_LIFE);
    assert!(rig.converge());
    for schedule in [Schedule::Daily, Schedule::Frequent] {
        rig.run_cron(schedule).1.unwrap();
    }
    let unpacked = resource(&rig, "r2_bytes")["used"].as_f64().unwrap();
    assert!(unpacked > before && unpacked < before + bytes, "{unpacked} bytes of {bytes} and {before} before");
}

/// Not at midnight: up to an hour later what is stored is counted, and what waits goes on.
#[test]
fn what_waits_for_space_goes_on_soon_after_something_was_deleted() {
    let rig = rig(7);
    let midnight = rig.memory.now().next_day();
    fill(&rig, "r2_bytes", 0.97);
    let job = rig.upload(&json!([{"external_id": "late.md", "content": "Ships."}]));
    rig.drain();
    assert_eq!(rig.job(&job)["status"], "parked");
    rig.memory.advance(5 * MINUTE);
    rig.converge();
    assert_eq!(rig.job(&job)["status"], "parked", "there is no space yet");
    let documents = rig.request("GET", "/api/documents", &Value::Null).body;
    let id = documents["items"].as_array().unwrap().iter().find(|entry| entry["external_id"] == "tides.md").unwrap();
    let path = format!("/api/documents/{}", id["id"].as_str().unwrap());
    assert_eq!(rig.request("DELETE", &path, &Value::Null).status, 202);
    rig.memory.advance(HOUR);
    assert!(rig.converge());
    assert!(rig.memory.now() < midnight, "it did not wait for it");
    assert_eq!(rig.job(&job)["status"], "succeeded");
}

#[test]
fn what_is_stored_is_known_with_the_first_count_after_it() {
    let rig = Rig::new(8);
    let stored = || {
        rig.run_cron(Schedule::Frequent).1.unwrap();
        let vectors = rig.request("GET", "/api/usage", &Value::Null).body["vectors"]["stored"].as_f64().unwrap();
        (resource(&rig, "r2_bytes")["used"].as_f64().unwrap() > 0.0, vectors > 0.0)
    };
    assert_eq!(stored(), (false, false));
    rig.upload(&json!([{"external_id": "tides.md", "content": prose("tides", 2)}]));
    rig.drain();
    rig.memory.advance(5 * MINUTE);
    assert_eq!(stored(), (true, true));
}

/// Each document is looked at for it, so that many are counted more rarely; but where space is short, every hour.
#[test]
fn many_documents_are_counted_rarely_and_every_hour_where_space_is_short() {
    let rig = rig(9);
    rig.memory.change("UPDATE counters SET value = 7200 WHERE name = 'documents'");
    rig.memory.change("UPDATE documents SET bytes = 1000");
    let counted = || {
        rig.run_cron(Schedule::Frequent).1.unwrap();
        resource(&rig, "r2_bytes")["used"].as_f64() == Some(1_000.0)
    };
    rig.memory.advance(HOUR);
    assert!(!counted(), "for 7,200 documents it takes two hours");
    rig.memory.set_limits(r#"{"r2_bytes": 1}"#);
    assert!(counted());
}
