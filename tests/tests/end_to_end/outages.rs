//! Services that are out for a while, one after the other, on the real workerd, which is strict about what an
//! invocation may ask: clients upload, delete and ask meanwhile and are patient, what one outage held up meets the
//! next, and in the end everything is there, answered or gone, and nothing has failed.
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
const SHORT: Duration = Duration::from_secs(7);
/// Those that the Workers are told of; Workers AI and Vectorize are out by themselves.
const SERVICES: [&str; 6] = ["D1", "R2", "KV", "Queues", "Durable Objects", "Rate limiting"];
/// What the stand-ins are told for theirs.
const FAULTS: [&str; 2] = ["ai_out_ms", "vectorize_out_ms"];
/// In so long Workers are started again, on a busy machine.
const STARTED_WITHIN: Duration = Duration::from_secs(15);
/// So long it is from one upload to the next.
const UPLOAD_EVERY: Duration = Duration::from_secs(2);
/// By so much the clock is ahead when what was planted is deleted: longer than its writers can live, so that what
/// they left need not be looked for a second time, seventeen minutes later.
const AWAY: Duration = Duration::from_mins(20);
const DAY: Duration = Duration::from_hours(24);

fn length() -> Duration {
    let seconds = std::env::var("OUTAGE_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    seconds.map_or(SHORT, Duration::from_secs)
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
        let long = length().as_millis();
        let mut from = now() + STARTED_WITHIN.as_millis();
        services.map(|service| {
            let until = from + long;
            Self { service, from: std::mem::replace(&mut from, until), until }
        })
    }

    /// As the variable `OUTAGES` lists it, by a clock that is ahead.
    fn to_json(&self) -> Value {
        let ahead = AWAY.as_millis();
        json!({ "service": self.service, "from": self.from + ahead, "until": self.until + ahead })
    }
}

fn now() -> u128 {
    UNIX_EPOCH.elapsed().unwrap().as_millis()
}

fn count(product: &Product, sql: &str) -> usize {
    product.query(sql).unwrap()[0][0].parse().unwrap()
}

/// Documents that are there before anything is out; their ids.
fn plant(client: &Client, names: impl Iterator<Item = &'static str>) -> Vec<String> {
    let planted = |name: &str| json!({ "external_id": format!("planted-{name}"), "content": format!("Of {name}.") });
    let documents: Vec<Value> = names.map(planted).collect();
    let accepted = client.post("/api/index", &json!({ "documents": documents })).unwrap().success().unwrap();
    client.follow(accepted["job_id"].as_str().unwrap(), DEADLINE, |_| {}).unwrap();
    let items = accepted["items"].as_array().unwrap();
    items.iter().map(|item| item["document_id"].as_str().unwrap().to_owned()).collect()
}

/// What was accepted of a client while a service was out.
#[derive(Default)]
struct Accepted {
    documents: usize,
    is_deleted: bool,
    question: Option<String>,
}

impl Accepted {
    /// Uses the product until the outage is over: uploads one document after the other, deletes one, asks one
    /// question, each until it is accepted: a client that is told to try again later does.
    fn until(client: &Client, name: &str, planted: &str, until: u128) -> Self {
        let end = Instant::now() + DEADLINE;
        let mut accepted = Self::default();
        while now() < until || !accepted.is_deleted || accepted.question.is_none() {
            accepted.documents += usize::from(is_uploaded(client, &format!("{name}-{}", accepted.documents)));
            accepted.is_deleted |= is_deleted(client, planted);
            accepted.question = accepted.question.or_else(|| asked(client, name));
            assert!(Instant::now() < end, "something of {name} was never accepted");
            thread::sleep(UPLOAD_EVERY);
        }
        accepted
    }
}

fn is_uploaded(client: &Client, name: &str) -> bool {
    let body = json!({ "external_id": name, "content": format!("{name} has this number.") });
    client.post("/api/index", &body).is_ok_and(|answer| matches!(answer.status, 200 | 202))
}

/// True once a document is gone, also if it was an earlier answer that said so and was lost.
fn is_deleted(client: &Client, document: &str) -> bool {
    client.delete(&format!("/api/documents/{document}")).is_ok_and(|gone| matches!(gone.status, 200 | 202 | 404))
}

/// The job of a question; asking again does not ask twice.
fn asked(client: &Client, name: &str) -> Option<String> {
    let headers = [("content-type", "application/json"), ("idempotency-key", name)];
    let body = json!({ "message": format!("What has the number of {name}?") }).to_string();
    let answer = client.send("POST", "/api/chat", &headers, body.as_bytes()).ok()?;
    let is_accepted = matches!(answer.status, 200 | 202);
    is_accepted.then(|| answer.json()["job_id"].as_str().map(str::to_owned))?
}

/// The schedule runs a hundred and fifty times as often as where it is deployed: in an hour it would read what D1 lets
/// a day read, and indexing would wait for the next.
fn profile() -> Profile {
    Profile { limits: json!({ "d1_rows_read": 1e9 }).to_string(), ..words_alone() }
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
    let mut product = start("outages", profile(), LanguageModel::None);
    let client = product.client().unwrap();
    let planted = plant(&client, SERVICES.into_iter().chain(FAULTS));
    product.kill_workers();
    let outages = Outage::one_by_one(SERVICES);
    let listed: Value = outages.iter().map(Outage::to_json).collect();
    let profile = Profile { outages: listed.to_string(), clock_shift: AWAY, ..profile() };
    product.set_profile(profile).unwrap();
    product.restart_workers().unwrap();
    let mut planted = planted.iter();
    let mut accepted = Vec::new();
    for Outage { service, until, .. } in outages {
        accepted.push(Accepted::until(&client, &service.replace(' ', "-"), planted.next().unwrap(), until));
    }
    for fault in FAULTS {
        product.set_faults(&json!({ fault: length().as_millis() })).unwrap();
        let until = now() + length().as_millis();
        accepted.push(Accepted::until(&client, fault, planted.next().unwrap(), until));
    }
    // Who uploads all the time, for as long as eight long outages take, uses what queues may do in a day: that is no
    // failure either, and the rest goes on tomorrow.
    if count(&product, "SELECT count(*) FROM job_items WHERE state = 'parked' AND error LIKE '%of today%'") > 0 {
        product.kill_workers();
        product.set_profile(Profile { clock_shift: AWAY + DAY, ..self::profile() }).unwrap();
        product.restart_workers().unwrap();
    }
    come_to_rest(&product);
    all_is_as_it_was_accepted(&product, &client, &accepted);
    let most = most_queries(&product);
    assert!(most <= 50, "an invocation asked D1 {most} times");
    for counted in ["in this isolate", "by the binding"] {
        assert!(logged(&product).any(|line| line["bursts_are_counted"] == counted), "bursts, {counted}");
    }
    report(&format!(
        "eight services out for {} s each: {} documents there, {} questions answered, nothing failed, at most {most} \
         queries an invocation, in {} s",
        length().as_secs(),
        accepted.iter().map(|accepted| accepted.documents).sum::<usize>(),
        accepted.len(),
        started.elapsed().as_secs()
    ));
}

/// Documents are there, found by meaning too; those that were deleted are gone; questions are answered.
fn all_is_as_it_was_accepted(product: &Product, client: &Client, accepted: &[Accepted]) {
    let uploaded: usize = accepted.iter().map(|accepted| accepted.documents).sum();
    let there = count(product, "SELECT count(*) FROM documents WHERE current IS NOT NULL AND deleted_at IS NULL");
    assert!(there >= uploaded && uploaded > 0, "{there} of {uploaded}: one whose answer was lost may be there, too");
    assert_eq!(product.vector_ids().unwrap().len(), there);
    for planted in SERVICES.into_iter().chain(FAULTS) {
        let path = format!("/api/documents?external_id=planted-{}", planted.replace(' ', "%20"));
        assert_eq!(client.get(&path).unwrap().json()["items"], json!([]), "{planted}");
    }
    for job in accepted.iter().filter_map(|accepted| accepted.question.as_ref()) {
        let turn = client.get(&format!("/api/jobs/{job}")).unwrap().json();
        assert_eq!(turn["status"], "succeeded", "{turn}");
        assert!(turn["result"]["answer"].as_str().is_some_and(|answer| !answer.is_empty()), "{turn}");
    }
}

/// The lines that the Workers logged.
fn logged(product: &Product) -> impl Iterator<Item = Value> {
    let text = std::fs::read_to_string(product.log()).unwrap();
    let lines: Vec<Value> =
        text.lines().filter_map(|line| serde_json::from_str(line.get(line.find('{')?..)?).ok()).collect();
    lines.into_iter()
}

/// The most that an invocation asked of D1, by the lines of the log.
fn most_queries(product: &Product) -> u64 {
    let most = logged(product).filter_map(|line| line["asked"]["d1_queries"].as_u64()).max();
    assert!(most.is_some(), "no line says what was asked");
    most.unwrap_or_default()
}
