//! A stream of events asks D1 as long as it lasts: that is in the usage log, too.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    io::{BufRead as _, BufReader},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use local_dev::{
    client::Client,
    product::{Product, root},
};
use serde_json::{Value, json};
use tests::report;

use crate::started::{DEADLINE, shared};

const EVENTS: &str = "/api/jobs/{id}/events";

/// Lets a job of one document have something left to do, which nobody will do; or have ended.
fn set_ended(product: &Product, job: &str, ended: bool) {
    let (state, finished_at) = if ended { ("done", "2") } else { ("parked", "NULL") };
    for sql in [
        format!(
            "UPDATE job_items SET state = '{state}', next_at = 9000000000000
             WHERE job_id = '{job}' AND stage = 'upsert'"
        ),
        format!("UPDATE jobs SET finished_at = {finished_at}, due_at = 9000000000000 WHERE id = '{job}'"),
    ] {
        assert_eq!(product.change(&sql).unwrap(), 1, "{sql}");
    }
}

/// Reads a job's stream; `look` says after each line whether to go on. How many times the stream spoke.
fn listen(client: &Client, job: &str, mut look: impl FnMut(usize) -> bool) -> usize {
    let response = ureq::get(format!("{}/api/jobs/{job}/events", client.url()))
        .header("authorization", format!("Bearer {}", client.key()))
        .call()
        .unwrap();
    let mut spoken = 0;
    for line in BufReader::new(response.into_body().into_reader()).lines() {
        // A piece ends with an empty line.
        if !line.unwrap().is_empty() {
            continue;
        }
        spoken += 1;
        if !look(spoken) {
            break;
        }
    }
    spoken
}

/// Rows of D1 that a user's requests to a route read, in the order in which that was recorded, once there are so many.
fn recorded(product: &Product, user: &str, route: &str, count: usize) -> Vec<usize> {
    let sql = format!("SELECT d1_rows_read FROM usage_log WHERE user_id = '{user}' AND source = '{route}' ORDER BY at");
    let until = Instant::now() + DEADLINE;
    loop {
        let rows = product.query(&sql).unwrap();
        if rows.len() >= count {
            return rows.iter().map(|row| row[0].parse().unwrap()).collect();
        }
        assert!(Instant::now() < until, "{rows:?}");
        thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn what_a_stream_costs_is_recorded_when_it_ends_and_when_its_listener_leaves() {
    let product = &shared().product;
    let client = product.new_user("a listener").unwrap();
    let me = client.get("/api/me").unwrap().success().unwrap();
    let user = me["user_id"].as_str().unwrap();
    let headers = [("content-type", "application/json")];
    let body = br#"{"external_id": "tides.md", "content": "about tides"}"#;
    let uploaded = client.send("POST", "/api/index", &headers, body).unwrap().success().unwrap();
    let job = uploaded["job_id"].as_str().unwrap();
    client.follow(job, DEADLINE, |_| {}).unwrap();
    set_ended(product, job, false);

    // Following it was a look, and more.
    let once = recorded(product, user, "/api/jobs/{id}", 1)[0];
    let left = listen(&client, job, |spoken| spoken < 3);
    let first = recorded(product, user, EVENTS, 1)[0];
    assert!(first > once, "{first} rows read in {left} looks, {once} in one");

    let ended = listen(&client, job, |spoken| {
        if spoken == 5 {
            set_ended(product, job, true);
        }
        true
    });
    let rows = recorded(product, user, EVENTS, 2);
    assert!(rows[1] >= once + 2 * (ended - 1), "{rows:?} rows read in {left} and {ended} looks, {once} in one");
    report(&format!("streams of {left} and {ended} looks: {rows:?} rows read, {once} for one look"));
}

/// What an `EventSource` is answered that follows a job until it does not come back, and what it hears.
fn event_source(client: &Client, job: &str) -> Value {
    let output = Command::new(root().join("node_modules/node/bin/node"))
        .args(["--experimental-eventsource", "--no-warnings"])
        .arg(root().join("tests/event_source.mjs"))
        .args([client.url(), client.key(), job])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// It comes back whenever a stream ends; only what is no stream keeps it away.
#[test]
fn an_event_source_stops_when_its_job_has_ended() {
    let client = shared().product.new_user("event source").unwrap();
    let documents = json!({"documents": [{"external_id": "a.md", "content": "The capital of Freedonia is Glorp."}]});
    let job = client.post("/api/index", &documents).unwrap().success().unwrap()["job_id"].as_str().unwrap().to_owned();
    client.follow(&job, DEADLINE, |_| {}).unwrap();
    assert_eq!(event_source(&client, &job), json!({"statuses": [200, 204], "types": ["job"]}));
    let question = json!({"message": "What is the capital of Freedonia?"});
    let asked = client.post("/api/chat", &question).unwrap().success().unwrap();
    let followed = event_source(&client, asked["job_id"].as_str().unwrap());
    let statuses: Vec<u64> = followed["statuses"].as_array().unwrap().iter().map(|s| s.as_u64().unwrap()).collect();
    // A stream may end before its turn, and is gone on with.
    let (last, before) = statuses.split_last().unwrap();
    assert!(*last == 204 && !before.is_empty() && before.iter().all(|status| *status == 200), "{followed}");
    let ends = followed["types"].as_array().unwrap().iter().filter(|kind| *kind == "done").count();
    assert_eq!(ends, 1, "{followed}");
}
