//! `/openapi.json`: what stands there is done, and what is done stands there.
//!
//! Every answer of every test over ports in memory is held to the description ([`tests::described`]). Here its examples
//! are sent, as they stand in it.
#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::Value;
use tests::{described, rig::Rig};

/// Something of each kind that a path may lead to: its id by the path's beginning.
fn id_for(rig: &Rig, path: &str) -> String {
    match path.split('/').nth(2) {
        Some("session") => {
            let opened = rig.request("POST", "/api/session", &serde_json::json!({}));
            opened.body["id"].as_str().unwrap().to_owned()
        }
        Some("memory") => {
            let remembered = rig.request("POST", "/api/memory", &serde_json::json!({ "text": "It rains" }));
            remembered.body["id"].as_str().unwrap().to_owned()
        }
        _ => "none".to_owned(),
    }
}

#[test]
fn every_example_of_a_request_is_answered_as_its_operation_answers() {
    let rig = Rig::new(7);
    let mut sent = 0;
    for (path, operations) in described::description()["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let examples = &operation["requestBody"]["content"]["application/json"]["examples"];
            for (name, example) in examples.as_object().into_iter().flatten() {
                let path = path.replace("{id}", &id_for(&rig, path));
                // The stand-in for time lets nobody wait for an answer: OpenAI's words end with that.
                let is_waited_for = path.starts_with("/v1/");
                let answer = rig.request(&method.to_uppercase(), &path, &example["value"]);
                let is_fine = (200..300).contains(&answer.status) || is_waited_for && answer.status == 503;
                assert!(is_fine, "{method} {path}, {name}: {} {}", answer.status, answer.body);
                rig.drain();
                sent += 1;
            }
        }
    }
    assert!(sent > 10, "{sent}");
}

#[test]
fn every_example_of_an_answer_is_one() {
    let description = described::description();
    let mut checked = 0;
    for (path, operations) in description["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            for (status, answer) in operation["responses"].as_object().unwrap() {
                let example: &Value = &answer["content"]["application/json"]["example"];
                if !example.is_null() {
                    described::check_example(method, path, status.parse().unwrap(), example);
                    checked += 1;
                }
            }
        }
    }
    assert!(checked >= 4, "{checked}");
}
