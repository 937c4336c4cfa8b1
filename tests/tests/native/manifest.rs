//! Files known by git's hash of their bytes: what need not be sent again, and what need not be embedded again.

use pipeline::constants;
use serde_json::{Value, json};
use tests::rig::{Answer, Rig, prose};

use crate::streamed::{LINES, lines, upload};

/// What git calls a text by; of tests only its form matters, and that it differs where the text does.
fn blob(text: &str) -> String {
    let mut hash = pipeline::fingerprint::of(&[text.as_bytes()]);
    hash.truncate(40);
    hash
}

fn push(rig: &Rig, name: &str, text: &str) -> String {
    rig.upload(&json!([{"external_id": format!("shop/{name}"), "content": text, "blob": blob(text)}]))
}

fn compare(rig: &Rig, files: &[(&str, &str)]) -> Answer {
    let entry = |(name, text): &(&str, &str)| json!({"external_id": format!("shop/{name}"), "blob": blob(text)});
    let entries: Vec<Value> = files.iter().map(entry).collect();
    rig.request("POST", "/api/documents/manifest", &json!({"project": "shop", "entries": entries}))
}

fn answer(missing: &[&str], changed: &[&str], failed: &[&str], in_progress: usize, unchanged: usize) -> Value {
    let names = |names: &[&str]| names.iter().map(|name| format!("shop/{name}")).collect::<Vec<_>>();
    json!({"missing": names(missing), "changed": names(changed), "failed": names(failed), "in_progress": in_progress,
           "unchanged": unchanged})
}

#[test]
fn a_manifest_says_what_is_missing_what_has_changed_and_what_is_on_its_way() {
    let rig = Rig::new(1);
    push(&rig, "a.md", "ships sail");
    let folder = [("a.md", "ships sail"), ("b.md", "dogs bark"), ("c.md", "bees hum")];
    assert_eq!(compare(&rig, &folder).body, answer(&["b.md", "c.md"], &[], &[], 1, 0));
    rig.drain();
    push(&rig, "b.md", "dogs bark");
    rig.drain();
    assert_eq!(compare(&rig, &folder).body, answer(&["c.md"], &[], &[], 0, 2));
    assert_eq!(compare(&rig, &[("a.md", "ships sink")]).body, answer(&[], &["a.md"], &[], 0, 0));
    let stranger = rig.new_user();
    let entry = json!({"entries": [{"external_id": "shop/a.md", "blob": blob("ships sail")}]}).to_string();
    let headers = [("content-type", "application/json")];
    let theirs = rig.request_as(&stranger, "POST", "/api/documents/manifest", &headers, entry.as_bytes());
    assert_eq!(theirs.body, answer(&["a.md"], &[], &[], 0, 0), "each sees their own");
}

#[test]
fn what_was_uploaded_without_a_hash_was_deleted_or_was_cancelled_is_to_be_sent() {
    let rig = Rig::new(1);
    rig.upload(&json!([{"external_id": "shop/a.md", "content": "ships sail"}]));
    push(&rig, "b.md", "dogs bark");
    rig.drain();
    let deleted = rig.request("DELETE", "/api/documents?external_id=shop/b.md", &Value::Null);
    assert_eq!(deleted.status, 202, "{}", deleted.body);
    let job = push(&rig, "c.md", "bees hum");
    rig.request("POST", &format!("/api/jobs/{job}/cancel"), &Value::Null);
    let folder = [("a.md", "ships sail"), ("b.md", "dogs bark"), ("c.md", "bees hum")];
    assert_eq!(compare(&rig, &folder).body, answer(&["b.md", "c.md"], &["a.md"], &[], 0, 0));
}

#[test]
fn a_hash_is_that_of_the_revision_that_is_seen_and_the_manifest_compares_the_latest() {
    let rig = Rig::new(1);
    push(&rig, "a.md", "ships sail");
    rig.drain();
    push(&rig, "a.md", "ships sink");
    let seen = rig.request("GET", "/api/documents", &Value::Null).body["items"][0]["blob"].clone();
    assert_eq!(seen, json!(blob("ships sail")));
    assert_eq!(compare(&rig, &[("a.md", "ships sink")]).body, answer(&[], &[], &[], 1, 0));
    rig.drain();
    let document = rig.request("GET", "/api/documents", &Value::Null).body["items"][0].clone();
    assert_eq!(document["blob"], json!(blob("ships sink")));
    let whole = rig.request("GET", &format!("/api/documents/{}", document["id"].as_str().unwrap()), &Value::Null);
    assert_eq!(whole.body["blob"], document["blob"]);
}

#[test]
fn the_same_with_its_hash_is_a_duplicate_and_costs_nothing() {
    let rig = Rig::new(1);
    push(&rig, "a.md", "ships sail");
    rig.drain();
    let document = json!([{"external_id": "shop/a.md", "content": "ships sail", "blob": blob("ships sail")}]);
    let again = rig.request("POST", "/api/index", &document);
    assert_eq!((again.status, &again.body["items"][0]["status"]), (200, &json!("duplicate")));
}

#[test]
fn a_streamed_upload_brings_hashes_too() {
    let rig = Rig::new(1);
    let hash = blob("any");
    let texts = lines(200, 2_000);
    let texts: Vec<String> = texts.lines().map(|line| format!("{{\"blob\":\"{hash}\",{}\n", &line[1..])).collect();
    upload(&rig, LINES, texts.concat().as_bytes());
    rig.drain();
    let entry = |name: &str| json!({"external_id": name, "blob": hash});
    let asked = json!({"entries": [entry("0.md"), entry("199.md"), entry("200.md")]});
    let answered = rig.request("POST", "/api/documents/manifest", &asked).body;
    assert_eq!((&answered["missing"], &answered["unchanged"]), (&json!(["200.md"]), &json!(2)));
}

#[test]
fn a_branch_and_back_a_rename_and_a_word_in_a_long_file_cost_few_neurons_or_none() {
    let rig = Rig::new(1);
    let (main, branch) = (prose("ships", 60), prose("whales", 60));
    push(&rig, "a.md", &main);
    rig.drain();
    push(&rig, "a.md", &branch);
    rig.drain();
    let embedded = rig.memory.embedded();
    push(&rig, "a.md", &main);
    rig.drain();
    assert_eq!(rig.memory.embedded(), embedded, "back on the branch");
    push(&rig, "docs/b.md", &main);
    rig.drain();
    assert_eq!(rig.memory.embedded(), embedded, "under another name");
    let found = rig.search(&json!({"query": "ships", "mode": "vector", "group_by": "document"}));
    assert!(found.contains(&"shop/a.md".to_owned()) && found.contains(&"shop/docs/b.md".to_owned()), "{found:?}");
}

#[test]
fn what_is_no_manifest_is_refused_by_its_field() {
    let rig = Rig::new(1);
    let hash = blob("any");
    let pointer = |body: &Value| {
        let answer = rig.request("POST", "/api/documents/manifest", body);
        (answer.status, answer.body["errors"][0]["pointer"].as_str().unwrap_or_default().to_owned())
    };
    let entry = json!({"external_id": "shop/a.md", "blob": hash});
    let many = vec![entry.clone(); constants::DOCUMENTS_PER_REQUEST + 1];
    let refused = |status: u16, field: &str| (status, field.to_owned());
    assert_eq!(pointer(&json!({"entries": []})), refused(422, "/entries"));
    assert_eq!(pointer(&json!({"entries": many})), refused(413, "/entries"));
    assert_eq!(pointer(&json!({"entries": "all"})), refused(422, "/entries"));
    assert_eq!(pointer(&json!({"project": "other", "entries": [entry]})), refused(422, "/entries/0/external_id"));
    assert_eq!(pointer(&json!({"project": "a\nb", "entries": [entry]})), refused(422, "/project"));
    assert_eq!(pointer(&json!({"project": "x".repeat(201), "entries": [entry]})), refused(413, "/project"));
    for wrong in ["", "ABCDEF", &hash[1..], &hash.to_uppercase()] {
        let entry = json!({"external_id": "shop/a.md", "blob": wrong});
        assert_eq!(pointer(&json!({"entries": [entry]})), refused(422, "/entries/0/blob"), "{wrong:?}");
    }
    let long = json!({"external_id": "x".repeat(constants::TITLE_BYTES + 1), "blob": hash});
    assert_eq!(pointer(&json!({"entries": [long]})), refused(413, "/entries/0/external_id"));
    let upload = rig.request("POST", "/api/index", &json!({"external_id": "a.md", "content": "a", "blob": "HEAD"}));
    assert_eq!((upload.status, &upload.body["errors"][0]["pointer"]), (422, &json!("/blob")), "{}", upload.body);
}
