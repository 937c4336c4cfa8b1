//! What people read when something is refused: where, what is allowed and what to do, and no word of Rust.

use serde_json::{Value, json};
use tests::{report, rig::Rig};

/// What no client should have to know.
const WORDS_OF_RUST: [&str; 15] = [
    "`tag`",
    "untagged",
    "enum",
    " struct",
    "i64",
    "u32",
    "u64",
    "f64",
    "variant",
    "sequence",
    "invalid type",
    "serde",
    "Option",
    "unwrap",
    "line 1 column",
];

/// Requests that are refused: method, path, body and the media type of that.
fn refused() -> Vec<(&'static str, &'static str, String, &'static str)> {
    let json = |method, path, body: Value| (method, path, body.to_string(), "application/json");
    let text = |method, path, body: &str, media_type| (method, path, body.to_owned(), media_type);
    let none = |method, path| (method, path, String::new(), "application/json");
    vec![
        json("POST", "/api/search", json!({"query": ""})),
        json("POST", "/api/search", json!({"query": 7})),
        json("POST", "/api/search", json!({})),
        json("POST", "/api/search", json!(["fox"])),
        json("POST", "/api/search", json!({"query": "fox", "top_k": 0})),
        json("POST", "/api/search", json!({"query": "fox", "top_k": 1.5})),
        json("POST", "/api/search", json!({"query": "fox", "top_k": "many"})),
        json("POST", "/api/search", json!({"query": "fox", "mode": "magic"})),
        json("POST", "/api/search", json!({"query": "fox", "filter": {}})),
        json("POST", "/api/search", json!({"query": "fox", "filters": {"tag": "x"}})),
        json("POST", "/api/search", json!({"query": "fox", "filters": ["x"]})),
        json("POST", "/api/search", json!({"query": "fox", "filters": {"tags": "x"}})),
        json("POST", "/api/search", json!({"query": "fox", "filters": {"created_after": "soon"}})),
        json("POST", "/api/search", json!({"query": "fox", "filters": {"type": "poem"}})),
        json("POST", "/api/search", json!({"query": "fox", "after": "yesterday"})),
        json("POST", "/api/search", json!({"query": "x".repeat(20_000)})),
        text("POST", "/api/search", r#"{"query": "fox"}{"query": "cat"}"#, "application/json"),
        text("POST", "/api/search", r#"{"query": "fox", "query": "cat"}"#, "application/json"),
        text("POST", "/api/search", r#"{"query": "fox""#, "application/json"),
        none("POST", "/api/search"),
        json("POST", "/api/index", json!({"external_id": "a.md"})),
        json("POST", "/api/index", json!({"content": ""})),
        json("POST", "/api/index", json!({"content": "a", "tag": "x"})),
        json("POST", "/api/index", json!({"content": "a", "tags": ["x", 3]})),
        json("POST", "/api/index", json!({"content": "a", "title": "one\nline"})),
        json("POST", "/api/index", json!({"content": "a", "title": "x".repeat(2_000)})),
        json("POST", "/api/index", json!({"content": "a", "metadata": "author"})),
        json("POST", "/api/index", json!({"content": "a", "created_at": "soon"})),
        json("POST", "/api/index", json!({"content": "a", "type": "poem"})),
        json("POST", "/api/index", json!({"content": "a", "media_type": "image/png"})),
        json("POST", "/api/index", json!({"external_id": ".env", "content": "PASSWORD=x"})),
        json("POST", "/api/index", json!({"content": format!("ghp_{}", "k3Vq9XzR7bTn2LmW8sYd".repeat(2))})),
        json("POST", "/api/memory", json!({"text": format!("ghp_{}", "k3Vq9XzR7bTn2LmW8sYd".repeat(2))})),
        json("POST", "/api/index", json!({"documents": [{"content": "a"}], "content": "b"})),
        json("POST", "/api/index", json!([])),
        json("POST", "/api/index", json!(7)),
        json("POST", "/api/index?dry_run=yes", json!({"content": "a"})),
        json("POST", "/api/index?dryrun=true", json!({"content": "a"})),
        text("POST", "/api/index", "hello", "text/plain"),
        text("POST", "/api/index", "hello", "multipart/form-data"),
        text("POST", "/api/index", "hello", "application/x-tar"),
        text("POST", "/api/index", "{\"content\":\"a\"} {\"content\":\"b\"}\n", "application/x-ndjson"),
        json("POST", "/api/chat", json!({"message": ""})),
        json("POST", "/api/chat", json!({"message": "hi", "route": "magic"})),
        json("POST", "/api/chat", json!({"message": "hi", "max_tokens": 0})),
        json("POST", "/api/chat", json!({"message": "hi", "conversation_id": "con_x"})),
        json("POST", "/api/chat", json!({"message": "hi", "session": "x"})),
        json("POST", "/api/memory", json!({"text": ""})),
        json("POST", "/api/memory", json!({"text": "a", "kind": "thing"})),
        json("POST", "/api/memory", json!({"text": "a", "confidence": "high"})),
        json("POST", "/api/session", json!({"title": "a\u{0}b"})),
        json("POST", "/api/session", json!({"guests": {"tag": "x"}})),
        json("POST", "/api/session/ses_x/tickets", json!({"role": "king"})),
        none("GET", "/api/jobs?limit=0"),
        none("GET", "/api/jobs?limit=many"),
        none("GET", "/api/jobs?cursor=abc"),
        none("GET", "/api/jobs?status=done"),
        none("GET", "/api/jobs?page=2"),
        none("GET", "/api/jobs/job_x"),
        none("GET", "/api/documents?created_after=soon"),
        none("GET", "/api/documents?limit=1&limit=2"),
        none("GET", "/api/documents/doc_x?text=1"),
        none("GET", "/api/usage?month=november"),
        none("GET", "/api/nothing"),
        none("PUT", "/api/index"),
        json("PUT", "/api/me", json!([])),
        json("POST", "/api/keys", json!({"name": 7})),
    ]
}

#[test]
fn what_is_refused_is_told_in_words_that_say_what_to_do() {
    let rig = Rig::new(1);
    for (method, path, body, media_type) in refused() {
        let answer = rig.request_with_headers(method, path, &[("content-type", media_type)], body.as_bytes());
        // A document of an upload is refused alone, in its answer.
        let problem =
            answer.body["items"].as_array().and_then(|items| items.iter().find(|item| item["error"].is_object()));
        let problem = problem.map_or(&answer.body, |item| &item["error"]);
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!((400..500).contains(&problem["status"].as_u64().unwrap_or(0)), "{method} {path} {body:.80}: {problem}");
        assert!(detail.len() > 15 && detail.len() < 400, "{method} {path} {body:.80}: {detail:?}");
        for word in WORDS_OF_RUST {
            assert!(!detail.contains(word), "{method} {path} {body:.80}: {detail}");
        }
        let pointer = problem["errors"][0]["pointer"].as_str().unwrap_or_default();
        report(&format!("{method} {path} {body:.60} -> {} {pointer}: {detail}", problem["status"]));
    }
}
