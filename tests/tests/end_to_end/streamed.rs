//! A large upload on the real workerd: streamed into R2, unpacked while workerd is killed, all of it accounted for.

use std::{
    fmt::Write as _,
    io::Write as _,
    time::{Duration, Instant},
};

use flate2::{Compression, write::GzEncoder};
use local_dev::{language_model::LanguageModel, schedule::Schedule};
use pipeline::constants;
use serde_json::json;
use tests::report;

use crate::started::{DEADLINE, start, words_alone};

const DOCUMENTS: usize = 300;
/// As `kills.rs`: what was lost with a kill is taken for lost when it is over.
const AWAY: Duration = Duration::from_mins(2);

fn lines() -> String {
    let filler = "A line of an upload that is too large to be read at once. ".repeat(30);
    let mut text = String::new();
    for index in 0..DOCUMENTS {
        let document = json!({"external_id": format!("{index}.md"), "content": format!("number{index} {filler}")});
        let _ = writeln!(text, "{document}");
    }
    text
}

#[test]
fn a_large_upload_survives_kills_and_every_document_is_accounted_for() {
    let mut profile = words_alone();
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
        profile.clock_shift += AWAY;
        product.set_profile(profile.clone()).unwrap();
        product.restart_workers().unwrap();
        product.run_cron(Schedule::Frequent).unwrap();
    }
    let again = client.send("POST", "/api/index", &headers, text.as_bytes()).unwrap();
    for field in ["job_id", "consistency_token"] {
        assert_eq!(again.json()[field], accepted.json()[field]);
    }
    let view = client.follow(&job, DEADLINE, |_| {}).unwrap();
    assert_eq!((&view["status"], &view["items"]["done"]), (&json!("succeeded"), &json!(DOCUMENTS)), "{view}");
    let listed = client.items(&job, None).unwrap();
    assert_eq!(listed.len(), DOCUMENTS);
    assert!(listed.iter().enumerate().all(|(index, item)| item["index"] == index && item["status"] == "done"));
    assert!(!product.object_keys().unwrap().iter().any(|key| key.starts_with("uploads/")));
    let hits = client.search(&json!({"query": "number234", "mode": "keyword"})).unwrap();
    assert_eq!(hits["hits"][0]["external_id"], "234.md");
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

/// Read at once and streamed: nothing on the way inflates them, or all that does is not seen.
#[test]
fn what_is_compressed_is_unfolded_by_the_product_and_by_nobody_before() {
    let product = &crate::started::shared().product;
    let client = product.new_user("compresses").unwrap();
    let gzip = |content: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    };
    let lines = |prefix: &str, count: usize| {
        let line = |number: usize| {
            // Digits of a sequence that does not repeat: they are compressed to less than a half.
            let mut digits = String::new();
            for place in 0..750 {
                let _ = write!(digits, "{} ", (number * 7_919 + place) * place % 9_973);
            }
            let content = format!("number {number} of {prefix} ones");
            // Beside the text, so that nothing has to be embedded.
            let metadata = json!({ "digits": digits });
            json!({"external_id": format!("{prefix}-{number}.md"), "content": content, "metadata": metadata})
                .to_string()
        };
        (0..count).map(line).collect::<Vec<_>>().join("\n")
    };
    for (prefix, count) in [("small", 2), ("large", 250)] {
        let body = gzip(lines(prefix, count).as_bytes());
        assert_eq!(body.len() > constants::READ_AT_ONCE_BYTES, prefix == "large", "{} bytes", body.len());
        let headers = [("content-type", "application/x-ndjson"), ("content-encoding", "gzip")];
        let accepted = client.send("POST", "/api/index", &headers, &body).unwrap();
        assert_eq!(accepted.status, 202, "{}", String::from_utf8_lossy(&accepted.bytes));
        let view = client.follow(accepted.json()["job_id"].as_str().unwrap(), DEADLINE, |_| {}).unwrap();
        assert_eq!((&view["status"], &view["items"]["done"]), (&json!("succeeded"), &json!(count)), "{view}");
    }
}
