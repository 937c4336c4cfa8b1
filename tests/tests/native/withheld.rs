//! Files that look like secrets, and texts that hold some, are not taken by accident.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use pipeline::{platform::ports::ObjectStore as _, secrets};
use serde_json::{Value, json};
use test_platform::ready;
use tests::{
    agent::{Agent, Speaks},
    rig::{Answer, Rig},
};

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

/// A key of GitHub's that nobody has, put together so that this file holds none.
fn key() -> String {
    format!("ghp_{}", "k3Vq9XzR7bTn2LmW8sYd".repeat(2))
}

/// Lines of documents, one behind them whose third line holds a key.
fn with_key(lines: &str) -> String {
    let content = format!("# Deploying\n\ncurl -H 'Authorization: token {}'\n", key());
    format!("{lines}{}\n", json!({"external_id": "deploy.md", "content": content}))
}

/// True if the key is anywhere in the database or in objects.
fn is_kept(rig: &Rig) -> bool {
    let object = |name: &String| ready(rig.memory.get(name, None)).unwrap().unwrap().bytes;
    let objects: Vec<Vec<u8>> = rig.memory.object_keys().iter().map(object).collect();
    let rows = [
        rig.memory.look("SELECT text FROM chunks"),
        rig.memory.look("SELECT text, source FROM memories"),
        rig.memory.look("SELECT external_id, title, pending FROM documents"),
        rig.memory.look("SELECT results FROM upload_results"),
        rig.memory.look("SELECT * FROM idempotency_keys"),
        rig.memory.look("SELECT * FROM job_items"),
    ];
    let holds = |text: &str| text.contains(&key());
    objects.iter().any(|bytes| holds(&String::from_utf8_lossy(bytes)))
        || rows.iter().flatten().any(|row| holds(&row.to_string()))
}

fn assert_is_refused(item: &Value) {
    assert_eq!((&item["status"], &item["external_id"]), (&json!("rejected"), &json!("deploy.md")), "{item}");
    let error = &item["error"];
    assert_eq!((&error["status"], &error["code"]), (&json!(422), &json!("holds_secret")), "{item}");
    let detail = error["detail"].as_str().unwrap();
    let says = ["line 3", "github-pat", "take it out", "?allow_secrets=true"];
    assert!(says.iter().all(|words| detail.contains(words)) && !item.to_string().contains(&key()), "{detail}");
}

#[test]
fn a_document_with_a_key_in_it_is_rejected_alone_by_rule_and_line_unless_it_is_meant() {
    let rig = Rig::new(1);
    let folder = with_key("{\"external_id\": \"app/main.rs\", \"content\": \"fn main() {}\"}\n");
    let answer = post(&rig, "", &folder);
    assert_eq!((answer.status, &answer.body["items"][0]["status"]), (202, &json!("queued")), "{}", answer.body);
    assert_is_refused(&answer.body["items"][1]);
    let alone = post(&rig, "", &with_key(""));
    assert_eq!((alone.status, &alone.body["code"]), (422, &json!("holds_secret")), "{}", alone.body);
    rig.drain();
    assert!(!is_kept(&rig));
    assert_eq!(post(&rig, "?allow_secrets=true", &folder).status, 202);
    rig.drain();
    assert!(is_kept(&rig), "or it was looked for in the wrong places");
}

#[test]
fn nor_is_a_document_with_a_key_in_it_taken_out_of_a_large_upload() {
    for (query, is_meant) in [("", false), ("?allow_secrets=true", true)] {
        let rig = Rig::new(1);
        let answer = post(&rig, query, &with_key(&lines(200, 2_000)));
        let job = answer.body["job_id"].as_str().unwrap().to_owned();
        assert!(is_kept(&rig), "until it is unpacked, as it came");
        rig.drain();
        assert_eq!(is_kept(&rig), is_meant, "{query}");
        let last = items(&rig, &job, "").pop().unwrap();
        if is_meant {
            assert_eq!(last["status"], "done", "{last}");
        } else {
            assert_is_refused(&last);
        }
    }
}

#[test]
fn an_agent_is_told_so_and_cannot_insist() {
    let rig = Rig::new(1);
    let agent = Agent::new(&rig, Speaks::Modern);
    let documents = json!([{"external_id": "deploy.md", "content": format!("token: {}", key())},
                           {"external_id": "a.md", "content": "apples"}]);
    let told = agent.call("friend_index", json!({ "documents": documents }));
    assert_eq!(told.data["documents"][0]["status"], "rejected", "{}", told.text);
    assert!(told.text.contains("line 1") && told.text.contains("github-pat"), "{}", told.text);
    let refused = agent.refused("friend_remember", json!({ "text": format!("The token is {}", key()) }));
    assert!(refused.contains("github-pat") && refused.contains("where it is kept"), "{refused}");
    for said in [told.text, refused] {
        assert!(!said.contains(&key()), "{said}");
    }
    rig.drain();
    assert!(!is_kept(&rig));
}

#[test]
fn a_memory_that_holds_a_secret_is_refused_with_what_to_do_in_its_place() {
    let rig = Rig::new(1);
    let post = |body: &Value| rig.request("POST", "/api/memory", body);
    for (body, pointer) in [
        (json!({ "text": format!("The deploy key is {}", key()) }), "/text"),
        (json!({ "text": "The deploy key is rotated monthly", "source": key() }), "/source"),
    ] {
        let refused = post(&body);
        assert_eq!((refused.status, &refused.body["code"]), (422, &json!("holds_secret")), "{}", refused.body);
        assert_eq!(refused.body["errors"][0]["pointer"], pointer);
        assert!(refused.body["detail"].as_str().unwrap().contains("remember where it is kept"), "{}", refused.body);
        assert!(!refused.body.to_string().contains(&key()));
    }
    let kept = post(&json!({ "text": "The deploy key is in the vault, under deploy" }));
    assert_eq!(kept.status, 201, "{}", kept.body);
    let path = format!("/api/memory/{}", kept.body["id"].as_str().unwrap());
    let changed = rig.request("PATCH", &path, &json!({ "source": key() }));
    assert_eq!((changed.status, &changed.body["code"]), (422, &json!("holds_secret")), "{}", changed.body);
    assert!(!is_kept(&rig));
}

#[test]
fn what_somebody_states_in_a_question_is_not_offered_to_be_kept_if_it_holds_a_secret() {
    let rig = Rig::new(1);
    let message = format!("Remember that the deploy key is {}. I prefer answers in rhyme. What is a queue?", key());
    let offered = rig.chat(&json!({ "message": message }))["offered"].clone();
    assert_eq!(offered.as_array().unwrap().len(), 1, "{offered}");
    assert_eq!(offered[0]["text"], "I prefer answers in rhyme");
    assert!(rig.memory.look("SELECT text FROM memories").iter().all(|row| !row.to_string().contains(&key())));
}

/// What `make demo` and `friend push` read of this repository.
#[test]
fn no_file_of_this_repository_holds_what_looks_like_a_secret() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let walked = local_dev::corpus::read(root, usize::MAX).unwrap();
    let walked = walked.into_iter().filter_map(|file| Some((file.path, String::from_utf8(file.content).ok()?)));
    let mut looked_at = 0;
    for (name, text) in tests::corpus::tracked().into_iter().chain(walked) {
        looked_at += 1;
        assert_eq!(secrets::find_unmarked(&text).map(|secret| secret.described()), None, "{name}");
    }
    assert!(looked_at > 300, "{looked_at} files");
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
