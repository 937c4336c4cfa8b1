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

/// A job of a user that has something left to do, which nobody will do.
fn waiting_job(product: &Product, user: &str, job: &str) {
    let insert = [
        format!(
            "INSERT INTO jobs (id, user_id, kind, accepted_at, created_at, first_item, last_item, documents, due_at)
             VALUES ('{job}', '{user}', 'index', 1, 1, -7, -7, 1, 9e15)"
        ),
        format!(
            "INSERT INTO job_items (id, job_id, user_id, stage, state, documents, document_count, chunk_count, progress,
                                    lease, attempts, next_at, updated_at)
             VALUES (-7, '{job}', '{user}', 'chunk', 'parked', '[]', 1, 0, 0, 0, 0, 9000000000000, 1)"
        ),
    ];
    for sql in insert {
        product.change(&sql).unwrap();
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
    let job = "job_00000000000000000000000001";
    waiting_job(product, user, job);

    client.get(&format!("/api/jobs/{job}")).unwrap().success().unwrap();
    let once = recorded(product, user, "/api/jobs/{id}", 1)[0];
    let left = listen(&client, job, |spoken| spoken < 3);
    let first = recorded(product, user, EVENTS, 1)[0];
    assert!(first > once, "{first} rows read in {left} looks, {once} in one");

    let ended = listen(&client, job, |spoken| {
        if spoken == 5 {
            product.change("UPDATE job_items SET state = 'done', updated_at = 2 WHERE id = -7").unwrap();
            product.change(&format!("UPDATE jobs SET finished_at = 2 WHERE id = '{job}'")).unwrap();
        }
        true
    });
    let rows = recorded(product, user, EVENTS, 2);
    assert!(rows[1] >= once + 2 * (ended - 1), "{rows:?} rows read in {left} and {ended} looks, {once} in one");
    report(&format!("streams of {left} and {ended} looks: {rows:?} rows read, {once} for one look"));
}
