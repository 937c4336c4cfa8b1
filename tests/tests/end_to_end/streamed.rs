//! A large upload on the real workerd: streamed into R2, unpacked while workerd is killed, all of it accounted for.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{fmt::Write as _, time::Instant};

use local_dev::{
    client::{Answer, Client},
    configuration::Profile,
    language_model::LanguageModel,
    schedule::Schedule,
};
use serde_json::{Value, json};
use tests::report;

use crate::started::{DEADLINE, start};

const DOCUMENTS: usize = 600;
/// As `kills.rs`: what was lost with a kill is taken for lost when it is over.
const AWAY_SECONDS: i64 = 120;

fn lines() -> String {
    let filler = "A line of an upload that is too large to be read at once. ".repeat(30);
    let mut text = String::new();
    for index in 0..DOCUMENTS {
        let document = json!({"external_id": format!("{index}.md"), "content": format!("number{index} {filler}")});
        let _ = writeln!(text, "{document}");
    }
    text
}

fn items(client: &Client, job: &str) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = client.get(&format!("/api/jobs/{job}/items?{cursor}")).and_then(Answer::success).unwrap();
        all.extend(page["data"].as_array().unwrap().iter().cloned());
        let Some(next) = page["next_cursor"].as_str() else { return all };
        cursor = format!("cursor={next}");
    }
}

#[test]
fn a_large_upload_survives_kills_and_every_document_is_accounted_for() {
    let mut profile = Profile::default();
    let mut product = start("streamed", profile.clone(), LanguageModel::None);
    let client = product.client().unwrap();
    let text = lines();
    let headers = [("content-type", "application/x-ndjson"), ("idempotency-key", "once")];
    let sent = Instant::now();
    let accepted = client.send("POST", "/api/index", &headers, text.as_bytes()).unwrap();
    assert_eq!(accepted.status, 202, "{}", String::from_utf8_lossy(&accepted.bytes));
    report(&format!("{} bytes accepted after {} ms", text.len(), sent.elapsed().as_millis()));
    let job = accepted.json()["job_id"].as_str().unwrap().to_owned();
    for _ in 0..2 {
        product.kill_workers();
        profile.clock_shift_seconds += AWAY_SECONDS;
        product.set_profile(profile.clone()).unwrap();
        product.restart_workers().unwrap();
        product.run_cron(Schedule::Frequent).unwrap();
    }
    let again = client.send("POST", "/api/index", &headers, text.as_bytes()).unwrap();
    assert_eq!((again.status, again.json()), (202, accepted.json()));
    let view = client.follow(&job, DEADLINE, |_| {}).unwrap();
    assert_eq!((&view["status"], &view["items"]["done"]), (&json!("succeeded"), &json!(DOCUMENTS)), "{view}");
    let listed = items(&client, &job);
    assert_eq!(listed.len(), DOCUMENTS);
    assert!(listed.iter().enumerate().all(|(index, item)| item["index"] == index && item["status"] == "done"));
    assert!(!product.object_keys().unwrap().iter().any(|key| key.starts_with("uploads/")));
    let hits = client.search(&json!({"query": "number543", "mode": "keyword"})).unwrap();
    assert_eq!(hits["hits"][0]["external_id"], "543.md");
}

#[test]
fn a_large_body_without_a_length_is_told_to_send_one() {
    let product = &crate::started::shared().product;
    let client = product.new_user("streams").unwrap();
    let pieces = std::iter::repeat_n(vec![b' '; 64 * 1024], 8).flatten().collect::<Vec<u8>>();
    let answer = ureq::post(format!("{}/api/index", client.url()))
        .header("authorization", format!("Bearer {}", client.key()))
        .header("content-type", "application/x-ndjson")
        .config()
        .http_status_as_error(false)
        .build()
        .send(ureq::SendBody::from_owned_reader(std::io::Cursor::new(pieces)))
        .unwrap();
    assert_eq!(answer.status(), 411);
}
