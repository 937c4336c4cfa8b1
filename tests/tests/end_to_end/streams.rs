//! A stream of events asks D1 as long as it lasts: that is in the usage log, too.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    io::{BufRead as _, BufReader},
    thread,
    time::{Duration, Instant},
};

use local_dev::{client::Client, product::Product};
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
