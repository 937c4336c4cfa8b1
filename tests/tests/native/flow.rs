//! The life of documents over ports in memory: upload, search, replace, delete, cancel, retry.

use serde_json::{Value, json};
use tests::rig::{Rig, prose};

#[test]
fn a_document_is_uploaded_indexed_and_found() {
    let rig = Rig::new(1);
    let job = rig.upload(&json!([
        {"external_id": "whales.md", "content": prose("whales", 40), "tags": ["sea"]},
        {"external_id": "ships.rs", "content": "fn launchShip() { sail() }"},
    ]));
    assert_eq!(rig.job(&job)["status"], "queued");
    rig.drain();
    let view = rig.job(&job);
    assert_eq!(view["status"], "succeeded", "{view}");
    assert_eq!(
        view["items"],
        json!({"queued": 0, "running": 0, "done": 2, "failed": 0, "cancelled": 0, "superseded": 0, "rejected": 0})
    );
    for mode in ["keyword", "vector", "hybrid"] {
        assert_eq!(rig.search(&json!({"query": "whales", "mode": mode}))[0], "whales.md", "{mode}");
        assert_eq!(rig.search(&json!({"query": "launchShip", "mode": mode}))[0], "ships.rs", "{mode}");
    }
    assert_eq!(rig.search(&json!({"query": "ship", "mode": "keyword"})), ["ships.rs"], "a part of a name finds it");
    for filters in [
        json!({"tags": ["sea"]}),
        json!({"type": "doc"}),
        json!({"created_after": "2020-01-01T00:00:00Z", "type": "doc"}),
    ] {
        let found = rig.search(&json!({"query": "whales ship", "filters": filters, "group_by": "document"}));
        assert_eq!(found, ["whales.md"], "{filters}");
    }
    assert!(rig.search(&json!({"query": "whales", "filters": {"created_before": "2020-01-01T00:00:00Z"}})).is_empty());
    assert_eq!(rig.memory.object_keys().len(), 1, "the vectors' waiting room is empty");
}

#[test]
fn every_202_says_where_its_job_is_and_when_to_ask_again() {
    let rig = Rig::new(1);
    let upload = json!([{"external_id": "whales.md", "content": "whales sing"}]).to_string();
    let json = ("content-type", "application/json");
    let ask = |method: &str, path: &str, more: &[(&str, &str)], body: &str| {
        let headers = [&[json], more].concat();
        let answer = rig.request_with_headers(method, path, &headers, body.as_bytes());
        assert_eq!(answer.status, 202, "{method} {path}: {}", answer.body);
        let location = format!("/api/jobs/{}", answer.body["job_id"].as_str().unwrap());
        assert_eq!(answer.headers["location"], location, "{method} {path}");
        assert_eq!(answer.headers["retry-after"], "1", "{method} {path}");
        let waited = more.iter().any(|(name, _)| *name == "prefer");
        assert_eq!(answer.headers.get("preference-applied").is_some(), waited, "{method} {path}");
        answer
    };
    let key = [("idempotency-key", "one")];
    ask("POST", "/api/index", &key, &upload);
    assert!(ask("POST", "/api/index", &key, &upload).headers.contains_key("idempotency-replayed"));
    let wait = [("prefer", "wait=1")];
    let question = r#"{"message": "Who sings?"}"#;
    ask("POST", "/api/chat", &[], question);
    ask("POST", "/api/chat", &wait, question);
    ask("POST", "/api/index", &wait, &upload.replace("sing", "dive"));
    rig.drain();
    let documents = rig.request("GET", "/api/documents", &Value::Null).body;
    let path = format!("/api/documents/{}", documents["items"][0]["id"].as_str().unwrap());
    ask("DELETE", &path, &wait, "");
}

#[test]
fn chunks_know_their_place_and_join_to_the_original() {
    let rig = Rig::new(1);
    let content = prose("rivers", 200);
    rig.upload(&json!([{"external_id": "rivers.md", "content": content}]));
    rig.drain();
    let id = rig.request("GET", "/api/documents?external_id=rivers.md", &Value::Null).body["items"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let document = rig.request("GET", &format!("/api/documents/{id}?text=true"), &Value::Null).body;
    let chunks = document["chunks"].as_array().unwrap();
    assert!(chunks.len() > 20, "a document of several slices: {} chunks", chunks.len());
    let mut end = 0;
    let mut joined = String::new();
    let line_of = |byte: u64| content[..usize::try_from(byte).unwrap()].matches('\n').count() as u64 + 1;
    for (index, chunk) in chunks.iter().enumerate() {
        assert_eq!((chunk["chunk_index"].as_u64(), chunk["start"].as_u64()), (Some(index as u64), Some(end)));
        let first_line = line_of(end);
        end = chunk["end"].as_u64().unwrap();
        let lines = (chunk["start_line"].as_u64(), chunk["end_line"].as_u64());
        assert_eq!(lines, (Some(first_line), Some(line_of(end - 1))));
        joined.push_str(chunk["text"].as_str().unwrap());
    }
    assert_eq!(joined, content);
    let original = rig.request("GET", &format!("/api/documents/{id}/original"), &Value::Null);
    assert_eq!(original.body, Value::from(content));
}

#[test]
fn the_same_content_again_is_a_duplicate_and_costs_nothing() {
    let rig = Rig::new(1);
    let documents = json!([{"external_id": "a.md", "content": "about apples"}, {"content": "nameless"}]);
    rig.upload(&documents);
    let again = |rig: &Rig| rig.request("POST", "/api/index", &json!({ "documents": documents }));
    rig.drain();
    let embedded = rig.memory.embedded();
    let answer = again(&rig);
    assert_eq!((answer.status, &answer.body["job_id"]), (200, &Value::Null));
    assert!(
        answer.body["items"].as_array().unwrap().iter().all(|item| item["status"] == "duplicate"),
        "{}",
        answer.body
    );
    rig.drain();
    assert_eq!(rig.memory.embedded(), embedded);
}

#[test]
fn a_new_revision_replaces_the_old_one_in_one_step() {
    let rig = Rig::new(1);
    rig.upload(
        &json!([{"external_id": "a.md", "content": "about apples"}, {"external_id": "b.md", "content": "about bees"}]),
    );
    rig.drain();
    let answer =
        rig.request("POST", "/api/index", &json!({"external_id": "a.md", "title": "New", "content": "about oranges"}));
    let token = answer.body["consistency_token"].clone();
    // Chunked but not published: the old one is seen, except with the token.
    let chunk = rig.memory.receive().unwrap();
    rig.process(&chunk);
    assert_eq!(rig.search(&json!({"query": "apples", "mode": "keyword"})), ["a.md"]);
    assert!(rig.search(&json!({"query": "oranges", "mode": "keyword"})).is_empty());
    assert_eq!(rig.search(&json!({"query": "oranges", "after": token, "mode": "keyword"})), ["a.md"]);
    rig.drain();
    assert!(rig.search(&json!({"query": "apples", "mode": "keyword"})).is_empty());
    assert_eq!(rig.search(&json!({"query": "oranges"}))[0], "a.md");
    let document = rig.request("GET", "/api/documents?external_id=a.md", &Value::Null).body["items"][0].clone();
    assert_eq!(
        (&document["revision"], &document["title"], &document["status"]),
        (&json!(2), &json!("New"), &json!("indexed"))
    );
    assert!(rig.converge());
    let state = rig.state();
    assert_eq!(state["garbage"], json!([]));
    assert_eq!(
        (state["chunks"].as_array().unwrap().len(), state["vectors"].as_array().unwrap().len()),
        (2, 2),
        "{state}"
    );
}

#[test]
fn delete_hides_at_once_and_removes_everywhere() {
    let rig = Rig::new(1);
    rig.upload(
        &json!([{"external_id": "a.md", "content": "about apples"}, {"external_id": "b.md", "content": "about bees"}]),
    );
    rig.drain();
    let id = rig.request("GET", "/api/documents?external_id=a.md", &Value::Null).body["items"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let deleted = rig.request("DELETE", &format!("/api/documents/{id}"), &Value::Null);
    assert_eq!(deleted.status, 202);
    assert!(rig.search(&json!({"query": "apples", "mode": "keyword"})).is_empty());
    assert_eq!(rig.request("GET", &format!("/api/documents/{id}"), &Value::Null).status, 404);
    assert_eq!(rig.request("GET", &format!("/api/documents/{id}/original"), &Value::Null).status, 404);
    assert_eq!(rig.request("DELETE", &format!("/api/documents/{id}"), &Value::Null).status, 404);
    rig.drain();
    let job = rig.job(deleted.body["job_id"].as_str().unwrap());
    assert_eq!(
        (&job["status"], &job["receipt"]),
        (&json!("succeeded"), &json!({"vectors": 1, "chunks": 1, "objects": 0, "objects_rewritten": 1}))
    );
    assert!(rig.converge());
    assert_eq!(rig.memory.look("SELECT document_id FROM chunks").len(), 1);
    assert_eq!(
        rig.memory.look("SELECT count(*) AS n FROM documents WHERE external_id = 'a.md' OR title = 'a.md'"),
        [json!({"n": 0})]
    );
    let key = rig.memory.object_keys().remove(0);
    let pack =
        test_platform::ready(pipeline::platform::ports::ObjectStore::get(&rig.memory, &key, None)).unwrap().unwrap();
    assert_eq!(String::from_utf8_lossy(&pack.bytes).replace('\0', "."), "............about bees");
    // It can come back, as a revision that nothing of the old one can touch.
    rig.upload(&json!([{"external_id": "a.md", "content": "about apples"}]));
    assert!(rig.converge());
    assert_eq!(rig.search(&json!({"query": "apples", "mode": "hybrid"}))[0], "a.md");
}

#[test]
fn a_document_replaced_while_on_its_way_leaves_nothing_behind() {
    for progress in 0..4 {
        let rig = Rig::new(1);
        rig.upload(&json!([{"external_id": "a.md", "content": "about apples"}]));
        for _ in 0..progress {
            if let Some(message) = rig.memory.receive() {
                rig.process(&message);
            }
        }
        rig.upload(&json!([{"external_id": "a.md", "content": "about oranges"}]));
        assert!(rig.converge(), "after {progress} messages");
        assert_eq!(rig.search(&json!({"query": "oranges"})), ["a.md"]);
        let state = rig.state();
        let count = |name: &str| state[name].as_array().unwrap().len();
        assert_eq!(
            (count("chunks"), count("vectors"), count("garbage"), &state["objects"]),
            (1, 1, 0, &json!(1)),
            "after {progress} messages: {state}"
        );
    }
}

#[test]
fn cancel_stops_at_the_next_boundary_and_leaves_nothing() {
    for progress in 0..3 {
        let rig = Rig::new(1);
        let job = rig.upload(&json!([{"external_id": "a.md", "content": "about apples"}]));
        for _ in 0..progress {
            let message = rig.memory.receive().unwrap();
            rig.process(&message);
        }
        let cancelled = rig.request("POST", &format!("/api/jobs/{job}/cancel"), &Value::Null);
        assert_eq!((cancelled.status, &cancelled.body["status"]), (200, &json!("cancelled")), "{}", cancelled.body);
        assert!(rig.converge());
        assert!(rig.search(&json!({"query": "apples"})).is_empty(), "after {progress} messages");
        let state = rig.state();
        assert_eq!(
            (&state["chunks"], &state["vectors"], &state["objects"]),
            (&json!([]), &json!([]), &json!(0)),
            "after {progress} messages: {state}"
        );
        // The same upload is no duplicate of what was cancelled.
        rig.upload(&json!([{"external_id": "a.md", "content": "about apples"}]));
        assert!(rig.converge());
        assert_eq!(rig.search(&json!({"query": "apples"})), ["a.md"]);
    }
}

#[test]
fn failed_items_are_dead_letters_and_can_be_retried() {
    use test_platform::Fate;
    let rig = Rig::new(1);
    let job = rig.upload(&json!([{"external_id": "a.md", "content": "about apples"}]));
    for _ in 0..100 {
        if !rig.memory.look("SELECT id FROM dead_letters").is_empty() {
            break;
        }
        let Some(message) = rig.memory.receive() else {
            rig.memory.advance(pipeline::time::Span::seconds(400));
            rig.run_cron(producers::schedule::Schedule::Frequent).1.unwrap();
            continue;
        };
        // The claim works, and nothing after it.
        let mut calls = 0;
        rig.memory.set_fates(move || {
            calls += 1;
            if calls > 1 { Fate::Fails } else { Fate::Works }
        });
        rig.process(&message);
        rig.memory.heal();
    }
    rig.converge();
    let view = rig.job(&job);
    assert_eq!(view["status"], "failed", "{view}");
    let letters = rig.request("GET", "/api/dead-letters", &Value::Null).body;
    assert_eq!(letters["items"].as_array().unwrap().len(), 1, "{letters}");
    assert_eq!(rig.request("POST", &format!("/api/jobs/{job}/retry"), &Value::Null).status, 202);
    assert!(rig.converge());
    assert_eq!(rig.job(&job)["status"], "succeeded");
    assert_eq!(rig.search(&json!({"query": "apples"})), ["a.md"]);
}

#[test]
fn idempotency_keys_replay_refuse_and_conflict() {
    let rig = Rig::new(1);
    let key = rig.new_user();
    let send = |body: &str| {
        rig.request_as(
            &key,
            "POST",
            "/api/index",
            &[("content-type", "application/json"), ("idempotency-key", "k1")],
            body.as_bytes(),
        )
    };
    let first = send(r#"{"content": "about apples"}"#);
    let second = send(r#"{"content": "about apples"}"#);
    assert_eq!((first.status, second.status), (202, 202));
    assert_eq!(first.body, second.body);
    assert_eq!(second.headers.get("idempotency-replayed").unwrap(), "true");
    assert_eq!(send(r#"{"content": "about pears"}"#).status, 422);
    assert_eq!(rig.memory.look("SELECT id FROM jobs").len(), 1);
}

#[test]
fn an_upload_that_dies_half_way_is_collected() {
    use test_platform::Fate;
    // Calls of an upload: hash of the body's documents aside, announce, put, make the job, send.
    for crash_at in 0..8 {
        let rig = Rig::new(1);
        let mut calls = 0;
        rig.memory.set_fates(move || {
            calls += 1;
            if calls > crash_at { Fate::Crashes } else { Fate::Works }
        });
        let answer = rig.request("POST", "/api/index", &json!({"external_id": "a.md", "content": "about apples"}));
        rig.memory.heal();
        rig.memory.lose_messages();
        rig.memory.advance(pipeline::constants::MAX_WRITER_LIFE + pipeline::time::SECOND);
        assert!(rig.converge(), "crash after {crash_at} calls");
        let found = rig.search(&json!({"query": "apples"}));
        if answer.status == 202 {
            assert_eq!(found, ["a.md"], "crash after {crash_at} calls: accepted and lost");
        } else {
            let state = rig.state();
            assert!(found == ["a.md"] || state["objects"] == 0, "crash after {crash_at} calls: {state}");
        }
    }
}

#[test]
fn keys_can_be_listed_and_revoked() {
    let rig = Rig::new(1);
    let issued = rig.request("POST", "/api/keys", &json!({"name": "laptop"})).body;
    let key = issued["key"].as_str().unwrap();
    assert_eq!(rig.request_as(key, "GET", "/api/documents", &[], b"").status, 200);
    assert_eq!(rig.request("GET", "/api/keys", &Value::Null).body["items"].as_array().unwrap().len(), 2);
    assert_eq!(
        rig.request("DELETE", &format!("/api/keys/{}", issued["id"].as_str().unwrap()), &Value::Null).status,
        204
    );
    let refused = rig.request_as(key, "GET", "/api/documents", &[], b"");
    assert_eq!(
        (refused.status, refused.headers.get("content-type").unwrap().to_str().unwrap()),
        (401, "application/problem+json")
    );
    for wrong in ["", "nonsense", "cf_test_x_y", &key.replace('a', "b")] {
        assert_eq!(rig.request_as(wrong, "GET", "/api/documents", &[], b"").status, 401);
    }
}

#[test]
fn a_model_that_fails_leaves_words() {
    use test_platform::Fate;
    let rig = Rig::new(1);
    rig.upload(&json!([{"external_id": "a.md", "content": "about apples"}]));
    rig.drain();
    // Calls of a search: key, limits, cached ranking, words, cached embedding, model.
    let mut calls = 0;
    rig.memory.set_fates(move || {
        calls += 1;
        if calls == 6 { Fate::Fails } else { Fate::Works }
    });
    let answer = rig.request("POST", "/api/search", &json!({"query": "apples"}));
    assert_eq!(
        (&answer.body["mode"], answer.body["hits"].as_array().unwrap().len()),
        (&json!("keyword"), 1),
        "{}",
        answer.body
    );
    assert!(answer.headers.contains_key("x-degraded"));
}

#[test]
fn cached_searches_hold_until_something_changes() {
    let rig = Rig::new(1);
    rig.upload(&json!([{"external_id": "a.md", "content": "about apples"}]));
    rig.drain();
    rig.memory.advance(pipeline::constants::VECTORS_VISIBLE_AFTER);
    let search = || rig.request("POST", "/api/search", &json!({"query": "apples"})).body;
    assert_eq!(search()["cached"], false);
    let again = search();
    assert_eq!((&again["cached"], &again["hits"][0]["external_id"]), (&json!(true), &json!("a.md")));
    rig.upload(&json!([{"external_id": "b.md", "content": "more apples"}]));
    rig.drain();
    let fresh = search();
    assert_eq!((&fresh["cached"], fresh["hits"].as_array().unwrap().len()), (&json!(false), 2));
}
