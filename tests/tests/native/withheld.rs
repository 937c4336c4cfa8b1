//! Files that look like secrets are not taken by accident.

use serde_json::{Value, json};
use tests::rig::{Answer, Rig};

use crate::streamed::{LINES, items, lines};

const SECRET: &str = "app/.env";

fn post(rig: &Rig, query: &str, body: &str) -> Answer {
    rig.request_with_headers("POST", &format!("/api/index{query}"), &[("content-type", LINES)], body.as_bytes())
}

/// Lines of documents, a secret behind them.
fn with_secret(lines: &str) -> String {
    format!("{lines}{}\n", json!({"external_id": SECRET, "content": "PASSWORD=hunter2"}))
}

#[test]
fn a_file_of_passwords_is_rejected_unless_it_is_meant() {
    let rig = Rig::new(1);
    let folder = with_secret("{\"external_id\": \"app/main.rs\", \"content\": \"fn main() {}\"}\n");
    let answer = post(&rig, "", &folder);
    let item = answer.body["items"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((answer.status, &item["status"], &item["external_id"]), (202, &json!("rejected"), &json!(SECRET)));
    assert!(item["error"]["detail"].as_str().unwrap().contains("allow_secrets=true"), "{item}");
    rig.drain();
    let found = |rig: &Rig| rig.request("GET", &format!("/api/documents?external_id={SECRET}"), &Value::Null).body;
    assert_eq!(found(&rig)["items"], json!([]));
    assert!(!rig.search(&json!({"query": "hunter2"})).contains(&SECRET.into()));
    assert_eq!(post(&rig, "?allow_secrets=true", &folder).status, 202);
    rig.drain();
    assert_eq!(found(&rig)["items"][0]["external_id"], SECRET);
}

#[test]
fn nor_is_one_taken_out_of_a_large_upload() {
    for (query, status) in [("", "rejected"), ("?allow_secrets=true", "done")] {
        let rig = Rig::new(1);
        let answer = post(&rig, query, &with_secret(&lines(200, 2_000)));
        assert_eq!(answer.body["items"], json!([]), "it is streamed");
        let job = answer.body["job_id"].as_str().unwrap().to_owned();
        rig.drain();
        let last = items(&rig, &job, "").pop().unwrap();
        assert_eq!((&last["external_id"], &last["status"]), (&json!(SECRET), &json!(status)), "{query}");
    }
}
