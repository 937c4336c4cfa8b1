//! Examples of requests and answers. `tests/tests/native/description.rs` sends each request to the product, and
//! holds each answer to its schema.

use serde_json::{Map, Value, json};

/// An example: of which operation, what it shows, and the JSON itself.
type Example = (&'static str, &'static str, &'static str);

/// Of what is sent.
const REQUESTS: &[Example] = &[
    (
        "index",
        "one document",
        r##"{"external_id": "notes/fox.md", "content": "# The fox\n\nThe quick brown fox jumps over the lazy dog."}"##,
    ),
    (
        "index",
        "several, with what is known about them",
        r#"{"documents": [
            {"external_id": "src/lib.rs", "content": "pub fn answer() -> u32 { 42 }", "tags": ["demo"]},
            {"external_id": "talk.txt", "type": "conversation", "language": "english", "content": "Ada: hello.",
             "metadata": {"room": 7}, "created_at": "2026-11-23T09:30:00Z"}]}"#,
    ),
    (
        "documents_compare",
        "two files of a repository",
        r#"{"project": "github.com/owner/name", "entries": [
            {"external_id": "github.com/owner/name/README.md", "blob": "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"},
            {"external_id": "github.com/owner/name/src/lib.rs", "blob": "ce013625030ba8dba906f756967f9e9ca394464a"}]}"#,
    ),
    ("search", "words and meaning", r#"{"query": "what does the fox jump over?"}"#),
    (
        "search",
        "words in some documents, each once",
        r#"{"query": "answer", "mode": "keyword", "top_k": 3, "group_by": "document",
            "filters": {"type": "code", "tags": ["demo"]}}"#,
    ),
    ("search", "only what fits well", r#"{"query": "what does the fox jump over?", "min_score": 0.5}"#),
    ("search", "the first 20 reranked", r#"{"query": "what does the fox jump over?", "rerank": true}"#),
    ("chat", "a question", r#"{"message": "What does the fox jump over?"}"#),
    (
        "chat",
        "a question about some documents, without memories",
        r#"{"message": "Who says hello?", "route": "simple", "use_memory": false, "max_tokens": 200,
            "filters": {"type": "conversation"}}"#,
    ),
    ("memories_remember", "a fact", r#"{"text": "I am allergic to peanuts"}"#),
    (
        "memories_remember",
        "a decision, in every prompt",
        r#"{"text": "We deploy on Thursdays", "kind": "decision", "source": "meeting of 2026-11-23", "pinned": true}"#,
    ),
    ("memories_change", "always in mind", r#"{"pinned": true, "source": null}"#),
    (
        "me_put",
        "all of it",
        r#"{"about": "Ada, an engineer", "preferences": {"accept_memories": true, "style": "brief"},
            "retention": {"document_days": null, "conversation_days": 90, "memory_days": null}}"#,
    ),
    ("me_change", "one of it", r#"{"retention": {"conversation_days": 90}}"#),
    (
        "mcp",
        "a version is agreed on, before 2026-07-28",
        r#"{"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-11-25",
            "capabilities": {}, "clientInfo": {"name": "example", "version": "1"}}}"#,
    ),
    (
        "mcp",
        "a tool is called",
        r#"{"jsonrpc": "2.0", "id": 2, "method": "tools/call",
            "params": {"name": "friend_search", "arguments": {"query": "what does the fox jump over?"}}}"#,
    ),
    (
        "hooks_claude_code",
        "a prompt",
        r#"{"hook_event_name": "UserPromptSubmit", "session_id": "7b3f0c1e-4a52-4a53-9f3f-0d5c6b7a8e90",
            "prompt": "What does the fox jump over?"}"#,
    ),
    ("keys_create", "a key for a script", r#"{"name": "nightly upload"}"#),
    ("sessions_create", "a session whose guests may ask", r#"{"title": "Review", "guests": {"tags": ["public"]}}"#),
    ("sessions_change", "another title", r#"{"title": "Review, continued"}"#),
    ("sessions_invite", "a guest", r#"{"name": "Bob", "role": "editor"}"#),
    (
        "openai_complete",
        "a question",
        r#"{"model": "friend", "messages": [{"role": "system", "content": "Be brief."},
                                            {"role": "user", "content": "What does the fox jump over?"}]}"#,
    ),
    ("openai_respond", "a question", r#"{"model": "friend", "input": "What does the fox jump over?"}"#),
    ("openai_embed", "two texts", r#"{"model": "friend-embedding", "input": ["The fox", "The dog"]}"#),
];

/// Of what is answered, with which status.
const ANSWERS: &[(&str, u16, &str)] = &[
    (
        "index",
        202,
        r#"{"job_id": "job_06h0bd71tkw4avsrgz3077bsxr", "status": "queued",
            "consistency_token": "ct_06h0bd71tkw4avsrgz3077bsxr",
            "estimate": {"chunks": 1, "neurons": 0.31, "queue_operations": 9, "d1_rows_written": 28, "tokens": 17},
            "items": [{"index": 0, "external_id": "notes/fox.md", "document_id": "doc_wzqzsxyrpy7677dz97vxjyc3",
                       "status": "queued", "error": null}]}"#,
    ),
    (
        "documents_delete_matching",
        202,
        r#"{"job_id": "job_06h0bd71tkw4avsrgz3077bsxr", "status": "queued", "deleted": 1000,
            "deleted_at": "2026-11-23T09:30:00.000Z", "remaining": 342, "next_cursor": "48151", "unpacking": []}"#,
    ),
    (
        "documents_delete_matching",
        200,
        r#"{"job_id": null, "status": "dry_run", "deleted": 0, "deleted_at": null, "remaining": 1, "next_cursor": null,
            "unpacking": [],
            "documents": [{"id": "doc_wzqzsxyrpy7677dz97vxjyc3", "external_id": "notes/fox.md", "title": "fox.md",
                           "type": "doc", "language": null, "media_type": "text/markdown", "tags": [], "metadata": null,
                           "created_at": "2026-11-23T09:30:00.000Z", "uploaded_at": "2026-11-23T09:30:00.000Z",
                           "bytes": 56, "blob": null, "revision": 1, "status": "indexed", "chunk_count": 1,
                           "keyword_only": false}]}"#,
    ),
    (
        "search",
        200,
        r##"{"hits": [{"document_id": "doc_wzqzsxyrpy7677dz97vxjyc3", "external_id": "notes/fox.md",
                      "title": "fox.md", "chunk_index": 0, "start": 0, "end": 56,
                      "start_line": 1, "end_line": 3,
                      "text": "# The fox\n\nThe quick brown fox jumps over the lazy dog.",
                      "score": 1.0, "similarity": 0.71, "found_by": ["vector", "keyword"]}],
            "mode": "hybrid", "freshness": "complete", "reranked": false, "cached": false, "took_ms": 58}"##,
    ),
    (
        "chat",
        202,
        r#"{"job_id": "job_06h0dx37mn9qz7m7fk9hmy0prw", "turn_id": "trn_06h0dx37mptfmydh9zv2vgka6g",
            "conversation_id": "con_06h0dx37mp3bjngpj5b09ty1j4", "status": "queued"}"#,
    ),
    (
        "memories_remember",
        201,
        r#"{"outcome": "created", "id": "mem_06h0dx37mptfmydh9zv2vgka6g", "kind": "fact",
            "text": "I am allergic to peanuts", "source": null, "confidence": 1.0, "state": "active",
            "pinned": false, "supersedes": null, "superseded_by": null, "similar_to": [],
            "created_at": "2026-11-23T09:30:00.000Z", "recalled_at": null, "project": null, "why": null,
            "confirmed_at": null}"#,
    ),
];

/// The examples of an operation's request, as the description has them; nothing if there are none.
pub(super) fn of_request(id: &str) -> Option<Value> {
    let examples: Map<String, Value> = REQUESTS
        .iter()
        .filter(|(operation, ..)| *operation == id)
        .map(|(_, shows, text)| (shows.replace([' ', ','], "_"), json!({ "summary": shows, "value": read(text) })))
        .collect();
    (!examples.is_empty()).then_some(Value::Object(examples))
}

/// The example of an operation's answer of this status; nothing if there is none.
pub(super) fn of_answer(id: &str, status: u16) -> Option<Value> {
    let answers = ANSWERS.iter().find(|(operation, of, _)| (*operation, *of) == (id, status));
    answers.map(|(_, _, text)| read(text))
}

/// A test reads every one of them.
fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use test_platform::InMemory;

    use super::*;
    use crate::http::operations::operations;

    #[test]
    fn every_example_is_json_of_an_operation_that_reads_or_answers_it() {
        let find = |id: &str| operations::<InMemory>().iter().find(|operation| operation.id() == id);
        for (id, shows, text) in REQUESTS {
            assert!(find(id).unwrap().request.is_some(), "{id}");
            assert!(!read(text).is_null(), "{id}: {shows}");
        }
        for (id, status, text) in ANSWERS {
            let operation = find(id).unwrap();
            let answered = [Some(operation.success), operation.other_success].into_iter().flatten();
            assert!(answered.map(|success| success.status.as_u16()).any(|answered| answered == *status), "{id}");
            assert!(!read(text).is_null(), "{id}");
        }
    }

    #[test]
    fn every_operation_that_reads_json_shows_some() {
        for operation in operations::<InMemory>().iter().filter(|operation| operation.request.is_some()) {
            assert!(
                of_request(&operation.id()).is_some(),
                "{} has no example in description/examples.rs",
                operation.id()
            );
        }
    }
}
