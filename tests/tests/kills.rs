//! T3: the real workerd, killed every five seconds: everything accepted ends, nothing is unaccounted for.
//!
//! `MESSAGES=10000` is the long form that `make soak` runs.

use std::{
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use local_dev::{
    configuration::Profile,
    language_model::LanguageModel,
    product::{Options, Product},
};
use serde_json::json;
use tests::report;

/// Messages of a small upload: chunk, embed, upsert.
const MESSAGES_PER_UPLOAD: usize = 3;
const KILL_EVERY: Duration = Duration::from_secs(5);
/// How long it goes on after the last upload. Every kill loses what the queues held, which comes back
/// a minute and a half later: kills without end would leave five seconds of work in every ninety.
const KILLED_FOR: Duration = Duration::from_secs(30);

#[test]
#[ignore = "several minutes long; `make soak` runs it"]
fn a_thousand_messages_while_workerd_is_killed_every_five_seconds() {
    let messages: usize = std::env::var("MESSAGES").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000);
    let uploads = messages.div_ceil(MESSAGES_PER_UPLOAD);
    let started = Instant::now();
    let state = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("kills");
    let _ = std::fs::remove_dir_all(&state);
    // The clockwork runs every two seconds here: a day's rows would not last.
    let profile = Profile { limits: r#"{"d1_rows_read": 1e9}"#.to_owned(), ..Profile::default() };
    let options = Options { profile, language_model: LanguageModel::None, ..Options::for_tests(state) };
    let mut product = Product::start(options).unwrap();
    let client = product.client().unwrap();
    // Each its own job; a client that does not hear back asks again with the same key.
    let upload = |number: usize| {
        let body =
            json!({"external_id": format!("{number}.md"), "content": format!("Document number{number} of many.")});
        let key = format!("upload-{number}");
        let headers = [("content-type", "application/json"), ("idempotency-key", key.as_str())];
        client
            .send("POST", "/api/index", &headers, body.to_string().as_bytes())
            .is_ok_and(|answer| answer.status == 202)
    };
    let mut accepted = 0;
    let mut kills = 0;
    let mut last_kill = Instant::now();
    let mut last_upload = Instant::now();
    let open = |product: &Product| -> usize {
        product.query("SELECT count(*) FROM jobs WHERE finished_at IS NULL").unwrap()[0][0].parse().unwrap()
    };
    let deadline = started + Duration::from_secs(300 + 2 * messages as u64);
    while accepted < uploads || open(&product) > 0 {
        assert!(Instant::now() < deadline, "{accepted} of {uploads} accepted, {} open", open(&product));
        if last_kill.elapsed() > KILL_EVERY && last_upload.elapsed() < KILLED_FOR {
            product.kill_workers();
            product.restart_workers().unwrap();
            kills += 1;
            last_kill = Instant::now();
        }
        if accepted < uploads {
            accepted += usize::from(upload(accepted));
            last_upload = Instant::now();
            continue;
        }
        // What was lost with the queues comes back with the sweep, once it is taken for lost.
        thread::sleep(Duration::from_millis(500));
    }
    let count = |sql: &str| -> usize { product.query(sql).unwrap()[0][0].parse().unwrap() };
    let done = count("SELECT count(*) FROM documents WHERE current IS NOT NULL");
    let dead = count("SELECT count(*) FROM dead_letters");
    report(&format!(
        "{messages} messages, {kills} kills: {accepted} accepted = {done} done + {dead} dead, in {} s",
        started.elapsed().as_secs()
    ));
    assert_eq!(done + dead, accepted);
    assert_eq!(dead, 0, "no document was given up");
    assert_eq!(count("SELECT count(*) FROM job_items WHERE state <> 'done'"), 0);
    assert_eq!(product.vector_ids().unwrap().len(), done);
}
