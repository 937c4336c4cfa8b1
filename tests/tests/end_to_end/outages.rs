//! Services that are out for a while, one after the other, on the real workerd, which is strict about what an
//! invocation may ask: clients are patient, what one outage held up meets the next, and in the end everything
//! is there and nothing has failed.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    thread,
    time::{Duration, Instant, UNIX_EPOCH},
};

use local_dev::{client::Client, configuration::Profile, language_model::LanguageModel, product::Product};
use serde_json::{Value, json};
use tests::report;

use crate::started::{DEADLINE, start, words_alone};

/// How long each is out; `OUTAGE_SECONDS=300` is five minutes.
const SECONDS: u64 = 8;
/// Seconds in which Workers are started again, on a busy machine.
const STARTED_WITHIN: u64 = 15;
/// Seconds between two uploads.
const UPLOAD_EVERY: u64 = 2;

fn seconds() -> u64 {
    std::env::var("OUTAGE_SECONDS").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(SECONDS)
}

/// When a service is out, in milliseconds since 1970.
struct Outage {
    service: &'static str,
    from: u128,
    until: u128,
}

impl Outage {
    /// One service after the other, once the Workers have been started again.
    fn one_by_one<const N: usize>(services: [&'static str; N]) -> [Self; N] {
        let long = 1_000 * u128::from(seconds());
        let mut from = now() + 1_000 * u128::from(STARTED_WITHIN);
        services.map(|service| {
            let until = from + long;
            Self { service, from: std::mem::replace(&mut from, until), until }
        })
    }

    /// As the variable `OUTAGES` lists it.
    fn to_json(&self) -> Value {
        json!({ "service": self.service, "from": self.from, "until": self.until })
    }
}

fn now() -> u128 {
    UNIX_EPOCH.elapsed().unwrap().as_millis()
}

fn count(product: &Product, sql: &str) -> usize {
    product.query(sql).unwrap()[0][0].parse().unwrap()
}

/// Uploads one document after the other until the outage is over, each until it is accepted: a client that is
/// told to try again later does. How many.
fn upload_until(client: &Client, name: &str, until: u128) -> usize {
    let end = Instant::now() + DEADLINE;
    let mut number = 0;
    while now() < until {
        let body = json!({ "external_id": format!("{name}-{number}"), "content": format!("{name}, number {number}.") });
        let is_accepted = client.post("/api/index", &body).is_ok_and(|answer| matches!(answer.status, 200 | 202));
        number += usize::from(is_accepted);
        assert!(Instant::now() < end, "{name}-{number} was never accepted");
        thread::sleep(Duration::from_secs(UPLOAD_EVERY));
    }
    number
}

fn come_to_rest(product: &Product) {
    let end = Instant::now() + DEADLINE;
    while count(product, "SELECT count(*) FROM jobs WHERE finished_at IS NULL AND accepted_at IS NOT NULL") > 0 {
        assert!(Instant::now() < end, "work is left");
        thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(count(product, "SELECT count(*) FROM dead_letters"), 0);
    assert_eq!(count(product, "SELECT count(*) FROM job_items WHERE state = 'failed'"), 0);
}

#[test]
fn a_binding_that_is_out_for_a_while_fails_nothing() {
    let started = Instant::now();
    let mut product = start("outages", words_alone(), LanguageModel::None);
    let client = product.client().unwrap();
    product.kill_workers();
    let outages = Outage::one_by_one(["D1", "R2", "KV", "Queues", "Durable Objects"]);
    let listed: Value = outages.iter().map(Outage::to_json).collect();
    product.set_profile(Profile { outages: listed.to_string(), ..words_alone() }).unwrap();
    product.restart_workers().unwrap();
    let mut documents = 0;
    for outage in outages {
        documents += upload_until(&client, outage.service, outage.until);
    }
    for fault in ["ai_out_ms", "vectorize_out_ms"] {
        product.set_faults(&json!({ fault: seconds() * 1_000 })).unwrap();
        documents += upload_until(&client, fault, now() + 1_000 * u128::from(seconds()));
    }
    come_to_rest(&product);
    let there = count(&product, "SELECT count(*) FROM documents WHERE current IS NOT NULL");
    assert!(there >= documents && documents > 0, "{there} of {documents}: one whose answer was lost may be there, too");
    assert_eq!(product.vector_ids().unwrap().len(), there);
    let most = most_queries(&product);
    assert!(most <= 50, "an invocation asked D1 {most} times");
    report(&format!(
        "seven bindings out for {} s each: {documents} documents there, nothing failed, at most {most} queries an \
         invocation, in {} s",
        seconds(),
        started.elapsed().as_secs()
    ));
}

/// The most that an invocation asked of D1, by the lines of the log.
fn most_queries(product: &Product) -> u64 {
    let text = std::fs::read_to_string(product.log()).unwrap();
    let asked = text.lines().filter_map(|line| serde_json::from_str::<Value>(line.get(line.find('{')?..)?).ok());
    let most = asked.filter_map(|line| line["asked"]["d1_queries"].as_u64()).max();
    assert!(most.is_some(), "no line says what was asked");
    most.unwrap_or_default()
}
