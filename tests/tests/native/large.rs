//! What is legal and large goes through, though D1 takes two million bytes a parameter and Vectorize a hundred ids a
//! delete.
#![expect(clippy::unwrap_used, reason = "tests")]

use pipeline::{
    constants,
    ids::{DocumentId, vector_id},
    platform::ports::{VectorIndex as _, VectorRecord},
    time::DAY,
};
use producers::schedule::Schedule;
use serde_json::{Value, json};
use test_platform::ready;
use tests::rig::Rig;

/// As much description as a document may have: its name, its tags and its metadata.
fn described(number: usize) -> Value {
    let tags: Vec<String> = (0..constants::TAGS).map(|tag| format!("{tag:0>64}")).collect();
    json!({
        "external_id": format!("{number:0>1024}"),
        "title": "\"".repeat(1_000),
        "tags": tags,
        "metadata": {"note": "\"".repeat(2_000)},
        "content": format!("word{number}"),
    })
}

#[test]
fn a_thousand_documents_with_all_the_description_they_may_have_are_accepted_and_replayed() {
    let rig = Rig::new(1);
    let documents: Vec<Value> = (0..constants::DOCUMENTS_PER_REQUEST).map(described).collect();
    let body = json!({ "documents": documents });
    let upload = || rig.request_with_key("POST", "/api/index", Some("large"), &body);
    let accepted = upload();
    assert_eq!(accepted.status, 202, "{}", accepted.body);
    rig.drain();
    let job = accepted.body["job_id"].as_str().unwrap();
    assert_eq!(rig.job(job)["status"], "succeeded", "{}", rig.job(job));
    let count = rig.memory.look("SELECT count(*) AS count FROM documents WHERE current IS NOT NULL");
    assert_eq!(count, [json!({ "count": constants::DOCUMENTS_PER_REQUEST })]);
    let replayed = upload();
    assert_eq!((replayed.status, &replayed.body["job_id"]), (200, &accepted.body["job_id"]));
    let ids = |answer: &Value| -> Vec<Value> {
        answer["items"].as_array().unwrap().iter().map(|item| item["document_id"].clone()).collect()
    };
    assert_eq!(ids(&replayed.body), ids(&accepted.body));
}

/// As Python writes JSON by default: in ASCII alone, three times as long as its text.
#[test]
fn a_document_of_nearly_four_megabytes_may_be_written_in_ascii_alone() {
    let rig = Rig::new(1);
    let content = "\\u0436".repeat(constants::DOCUMENT_BYTES / 2 - 1);
    let body = format!("{{\"external_id\": \"long.md\", \"content\": \"{content}\"}}\n");
    let headers = [("content-type", "application/x-ndjson")];
    let answer = rig.request_with_headers("POST", "/api/index", &headers, body.as_bytes());
    assert_eq!(answer.status, 202, "{}", answer.body);
    let first = rig.memory.receive().unwrap();
    rig.process(&first);
    let path = format!("/api/jobs/{}/items", answer.body["job_id"].as_str().unwrap());
    let listed = rig.request("GET", &path, &Value::Null);
    assert_eq!(listed.body["items"][0]["status"], "queued", "{}", listed.body);
}

#[test]
fn a_conversation_of_many_megabytes_comes_back_from_its_archive() {
    let rig = Rig::new(2);
    rig.memory.set_limits(r#"{"archive_after_days": 1}"#);
    let conversation = rig.chat(&json!({"message": "When is high tide?"}))["conversation_id"].clone();
    let conversation = conversation.as_str().unwrap();
    rig.memory.change(
        "WITH RECURSIVE n (n) AS (SELECT 3 UNION ALL SELECT n + 1 FROM n WHERE n < 402)
         INSERT INTO turns (user_id, conversation_id, number, id, role, content, created_at)
         SELECT c.user_id, c.id, n, 'trn_00000000000000000000000000',
                CASE WHEN n % 2 THEN 'user' ELSE 'assistant' END, replace(hex(zeroblob(8000)), '00', '\"'), n
         FROM n CROSS JOIN conversations c",
    );
    rig.memory.change("UPDATE conversations SET last_number = 402");
    rig.memory.advance(2 * DAY);
    assert_eq!(rig.run_cron(Schedule::Daily).0.archived, 1);
    assert!(rig.converge());
    assert!(rig.memory.look("SELECT number FROM turns").is_empty());
    let path = format!("/api/conversations/{conversation}?limit=100");
    assert_eq!(rig.request("GET", &path, &Value::Null).status, 200);
    assert_eq!(rig.memory.look("SELECT count(*) AS count FROM turns"), [json!({ "count": 402 })]);
}

/// Vectors of a document, as if it had so many chunks.
fn store_vectors(rig: &Rig, document: &DocumentId, revision: i64, count: i64) {
    let record = |index| VectorRecord {
        id: vector_id(document, revision, index),
        values: Vec::new(),
        metadata: "{}".to_owned(),
    };
    let records: Vec<VectorRecord> = (0..count).map(record).collect();
    ready(rig.memory.upsert("n", &records)).unwrap();
}

#[test]
fn a_document_of_hundreds_of_vectors_is_purged_a_hundred_at_a_time() {
    let rig = Rig::new(3);
    rig.upload(
        &json!([{"external_id": "long.md", "content": "tides"}, {"external_id": "other.md", "content": "winds"}]),
    );
    rig.drain();
    let document = DocumentId::from_external_id(&rig.user(), "long.md");
    store_vectors(&rig, &document, 1, 342);
    let deleted = rig.request("DELETE", &format!("/api/documents/{document}"), &Value::Null);
    rig.memory.change("UPDATE garbage SET chunk_count = 342");
    let mut messages = 0;
    while let Some(message) = rig.memory.receive() {
        rig.process(&message);
        messages += 1;
        assert!(messages < 10, "it does not end");
    }
    assert_eq!(messages, 4);
    assert_eq!(rig.memory.vector_ids().len(), 1, "the other document's");
    let job = deleted.body["job_id"].as_str().unwrap();
    let view = rig.job(job);
    assert_eq!((&view["status"], &view["receipt"]["vectors"]), (&json!("succeeded"), &json!(342)));
}

#[test]
fn many_small_revisions_are_purged_together_and_none_is_cut() {
    let rig = Rig::new(4);
    let documents: Vec<Value> =
        (0..40).map(|number| json!({"external_id": format!("{number}.md"), "content": "tides"})).collect();
    rig.upload(&json!(documents));
    rig.drain();
    for number in 0..40 {
        let document = DocumentId::from_external_id(&rig.user(), &format!("{number}.md"));
        store_vectors(&rig, &document, 1, 3);
    }
    let again: Vec<Value> =
        (0..40).map(|number| json!({"external_id": format!("{number}.md"), "content": "winds"})).collect();
    rig.upload(&json!(again));
    // Up to the purge of what was replaced.
    while let Some(message) = rig.memory.receive() {
        rig.memory.change("UPDATE garbage SET chunk_count = 3 WHERE chunk_count IS NULL");
        rig.process(&message);
    }
    assert!(rig.memory.vector_ids().iter().all(|id| id.contains("-2-")), "{:?}", rig.memory.vector_ids());
}

#[test]
fn an_eviction_of_hundreds_of_vectors_ends() {
    let rig = Rig::new(5);
    rig.upload(&json!([{"external_id": "long.md", "content": "tides"}]));
    rig.drain();
    let document = DocumentId::from_external_id(&rig.user(), "long.md");
    store_vectors(&rig, &document, 1, 250);
    rig.memory.change("UPDATE documents SET chunk_count = 250");
    rig.memory.set_limits(r#"{"vectors_stored": 200}"#);
    rig.memory.advance(DAY);
    let (report, done) = rig.run_cron(Schedule::Daily);
    assert_eq!((report.evicted.vectors, done), (250, Ok(())));
    assert!(rig.memory.vector_ids().is_empty());
}
