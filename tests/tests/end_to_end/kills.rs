//! T3: the real workerd, killed every five seconds: everything accepted ends, nothing is unaccounted for.
//!
//! `MESSAGES=10000` is the long form that `make soak` runs.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    thread,
    time::{Duration, Instant},
};

use local_dev::{client::Client, configuration::Profile, language_model::LanguageModel, product::Product};
use serde_json::json;
use tests::report;

use crate::started::{start, words_alone};

/// Messages of a small upload: chunk, embed, upsert.
const MESSAGES_PER_UPLOAD: usize = 3;
const KILL_EVERY: Duration = Duration::from_secs(5);
/// Passes with every restart: what the queues held is lost, and taken for lost a minute and a half
/// later. Kills every five seconds would leave no time for anything to come back.
const AWAY: Duration = Duration::from_mins(2);

/// What a day does not hold: the schedule runs every two seconds here and reads, and an upload of a
/// single document takes nine queue operations, so that the rest would rightly wait for midnight.
const ABUNDANCE: &str = r#"{"d1_rows_read": 1e9, "d1_rows_written": 1e9, "queue_operations": 1e9}"#;

/// How often the long form says how far it is.
const KILLS_PER_LINE: usize = 10;

/// A product under fire.
struct Killed {
    product: Product,
    profile: Profile,
    kills: usize,
    last: Instant,
}

impl Killed {
    fn start() -> Self {
        let profile = Profile { limits: ABUNDANCE.to_owned(), ..words_alone() };
        let product = start("kills", profile.clone(), LanguageModel::None);
        Self { product, profile, kills: 0, last: Instant::now() }
    }

    /// True if it was.
    fn kill_when_it_is_time(&mut self) -> bool {
        if self.last.elapsed() < KILL_EVERY {
            return false;
        }
        self.product.kill_workers();
        self.profile.clock_shift += AWAY;
        self.product.set_profile(self.profile.clone()).unwrap();
        self.product.restart_workers().unwrap();
        self.kills += 1;
        self.last = Instant::now();
        true
    }

    fn count(&self, sql: &str) -> usize {
        self.product.query(sql).unwrap()[0][0].parse().unwrap()
    }
}

/// Each upload is its own job; a client that does not hear back asks again with the same key.
fn upload(client: &Client, number: usize) -> bool {
    let body = json!({"external_id": format!("{number}.md"), "content": format!("Document number{number} of many.")});
    let key = format!("upload-{number}");
    let headers = [("content-type", "application/json"), ("idempotency-key", key.as_str())];
    client.send("POST", "/api/index", &headers, body.to_string().as_bytes()).is_ok_and(|answer| answer.status == 202)
}

#[test]
fn a_thousand_messages_while_workerd_is_killed_every_five_seconds() {
    let messages: usize = std::env::var("MESSAGES").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000);
    let uploads = messages.div_ceil(MESSAGES_PER_UPLOAD);
    let mut killed = Killed::start();
    let client = killed.product.client().unwrap();
    let started = Instant::now();
    let deadline = started + Duration::from_secs(300 + messages as u64);
    let mut accepted = 0;
    while accepted < uploads || killed.count("SELECT count(*) FROM jobs WHERE finished_at IS NULL") > 0 {
        assert!(Instant::now() < deadline, "{accepted} of {uploads} accepted, {} kills", killed.kills);
        if killed.kill_when_it_is_time() && killed.kills.is_multiple_of(KILLS_PER_LINE) {
            let rest = killed.count("SELECT count(*) FROM jobs WHERE finished_at IS NULL");
            let (kills, seconds) = (killed.kills, started.elapsed().as_secs());
            report(&format!("{kills} kills, {seconds} s: {accepted} of {uploads} accepted, {rest} jobs unfinished"));
        }
        if accepted < uploads {
            accepted += usize::from(upload(&client, accepted));
        } else {
            thread::sleep(Duration::from_millis(200));
        }
    }
    let done = killed.count("SELECT count(*) FROM documents WHERE current IS NOT NULL");
    let dead = killed.count("SELECT count(*) FROM dead_letters");
    report(&format!(
        "{messages} messages, {} kills: {accepted} accepted = {done} done + {dead} dead, 0 unaccounted, in {} s",
        killed.kills,
        started.elapsed().as_secs()
    ));
    assert_eq!(done + dead, accepted);
    assert_eq!(dead, 0, "no document was given up");
    assert_eq!(killed.count("SELECT count(*) FROM job_items WHERE state <> 'done'"), 0);
    assert_eq!(killed.product.vector_ids().unwrap().len(), done);
}
