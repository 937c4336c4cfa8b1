//! What the description allows is taken, and what is taken it allows: of bodies, query strings and headers.
#![expect(clippy::unwrap_used, reason = "tests")]

use jsonschema::Validator;
use producers::api::openai::parameters::{CHAT, EMBEDDINGS, RESPONSES, RequestParameter, Treatment};
use serde_json::{Value, json};
use tests::{
    described,
    rig::{Answer, Rig},
};

/// What bodies of an operation may be, as its description says.
fn validator(method: &str, path: &str) -> Validator {
    let description = described::description();
    let schema =
        &description["paths"][path][method.to_lowercase()]["requestBody"]["content"]["application/json"]["schema"];
    let schema = json!({ "allOf": [schema], "components": description["components"] });
    jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
}

fn is_taken(answer: &Answer) -> bool {
    ![400, 413, 415, 422].contains(&answer.status)
}

fn check(method: &str, path: &str, bodies: &[Value]) {
    let rig = Rig::new(1);
    let allowed = validator(method, path);
    for body in bodies {
        let answer = rig.request(method, path, body);
        assert_eq!(allowed.is_valid(body), is_taken(&answer), "{method} {path} {body}: {}", answer.body);
        rig.drain();
    }
}

/// A body with a field that is this or that.
fn with(body: &Value, name: &str, values: &[Value]) -> Vec<Value> {
    let with = |value: &Value| {
        let mut body = body.clone();
        body[name] = value.clone();
        body
    };
    values.iter().map(with).collect()
}

#[test]
fn documents_are_described_as_they_are_taken() {
    let document = json!({ "content": "The fox" });
    let lines =
        [json!("a/b c"), json!(""), json!("a\nb"), json!("a\u{85}b"), json!("é\u{200b}"), json!(3), json!(null)];
    let bodies = [
        with(
            &document,
            "content",
            &[json!(""), json!(" \n"), json!("a\nb"), json!("a\u{0}b"), json!(null), json!("é")],
        ),
        with(&document, "title", &lines),
        with(&document, "external_id", &lines),
        with(&document, "language", &lines),
        with(&document, "tags", &[json!([]), json!([""]), json!(["a b"]), json!(["a\tb"]), json!("a"), json!([null])]),
        with(&document, "type", &[json!("code"), json!("poem"), json!(null)]),
        with(&document, "media_type", &[json!("text/html; charset=utf-8"), json!("image/png"), json!(""), json!(null)]),
        with(&document, "metadata", &[json!({}), json!({"a": [null]}), json!([]), json!("{}"), json!(null)]),
        with(&document, "created_at", &dates()),
        vec![json!([]), json!({"documents": []}), json!([document]), json!({"documents": [document]}), json!("fox")],
    ];
    check("POST", "/api/index", &bodies.concat());
}

fn dates() -> [Value; 10] {
    [
        json!("2026-11-22T10:00:00+01:00"),
        json!("2026-11-22"),
        json!(0),
        json!(-62_135_596_800_000_i64),
        json!(-62_135_596_800_001_i64),
        json!(253_402_300_799_999_i64),
        json!(253_402_300_800_000_i64),
        json!(1.5),
        json!(true),
        json!(null),
    ]
}

#[test]
fn questions_are_described_as_they_are_taken() {
    let search = json!({ "query": "fox" });
    let filters = |name: &str, values: &[Value]| {
        let filters = with(&json!({}), name, values);
        with(&search, "filters", &filters)
    };
    let ids = [json!(["doc_wzqzsxyrpy7677dz97vxjyc3"]), json!(["fox"]), json!([])];
    let bodies = [
        with(&search, "query", &[json!(" "), json!("\u{0}"), json!("é")]),
        with(&search, "after", &[json!("ct_06h0bd71tkw4avsrgz3077bsxr"), json!("ct_"), json!("fox"), json!(null)]),
        with(&search, "top_k", &[json!(0), json!(1), json!(100), json!(101), json!("1"), json!(null)]),
        filters("created_after", &dates()),
        filters("created_before", &dates()),
        filters("document_ids", &ids),
        filters("tags", &[json!(["a\nb", ""]), json!(null)]),
    ];
    check("POST", "/api/search", &bodies.concat());
    let chat = json!({ "message": "fox" });
    let most = [json!(0), json!(1), json!(u32::MAX), json!(u64::from(u32::MAX) + 1), json!(1.5), json!(null)];
    check("POST", "/api/chat", &[with(&chat, "max_tokens", &most), with(&chat, "route", &[json!("fast")])].concat());
}

#[test]
fn names_and_memories_are_described_as_they_are_taken() {
    let names = [json!("Ada"), json!(" Ada\n"), json!(""), json!(" "), json!("A\nB"), json!("\u{7}"), json!(null)];
    check("POST", "/api/keys", &with(&json!({}), "name", &names));
    check("POST", "/api/session", &with(&json!({}), "title", &names));
    let tags = [json!(["a"]), json!([""]), json!(["a\nb"]), json!(["x".repeat(65)])];
    let ids = [json!(["doc_wzqzsxyrpy7677dz97vxjyc3"]), json!(["fox"]), json!([""])];
    let guests = [with(&json!({}), "tags", &tags), with(&json!({}), "document_ids", &ids)].concat();
    check("POST", "/api/session", &with(&json!({}), "guests", &guests));
    let memory = json!({ "text": "It rains" });
    let texts = [json!("x"), json!(" "), json!(""), json!("a\u{0}"), json!("a\nb")];
    check("POST", "/api/memory", &[with(&memory, "text", &texts), with(&memory, "source", &texts)].concat());
}

#[test]
fn a_profile_is_described_as_it_is_taken() {
    let days = [json!(null), json!(1), json!(0), json!(u32::MAX), json!(u64::from(u32::MAX) + 1)];
    let retention = |values: &[Value]| {
        with(&json!({ "document_days": null, "conversation_days": null, "memory_days": 7 }), "document_days", values)
    };
    let whole = json!({
        "about": "Ada", "preferences": { "accept_memories": true, "style": "" }, "retention": retention(&days[..1])[0],
    });
    let styles = with(&json!({ "accept_memories": false }), "style", &[json!("brief"), json!(null)]);
    let bodies = [
        with(&whole, "retention", &retention(&days)),
        with(&whole, "about", &[json!(""), json!(null)]),
        with(&whole, "preferences", &[&styles[..], &[json!(null)]].concat()),
        with(&whole, "user_id", &[json!("Ada"), json!(null)]),
    ];
    check("PUT", "/api/me", &bodies.concat());
    let retention = with(&json!({}), "document_days", &days);
    let patch = [with(&json!({}), "retention", &retention), with(&json!({}), "about", &[json!(null), json!(1)])];
    check("PATCH", "/api/me", &patch.concat());
}

#[test]
fn the_words_of_openai_are_described_as_they_are_taken() {
    let chat = json!({ "model": "friend", "messages": [{ "role": "user", "content": "Hi" }] });
    let format = |schema: Value| json!({ "type": "json_schema", "json_schema": schema });
    let most = [json!(0), json!(1), json!(u32::MAX), json!(u64::from(u32::MAX) + 1), json!(null)];
    let streamed = &with(&chat, "stream", &[json!(true)])[0];
    let bodies = [
        with(&chat, "stop", &[json!("a"), json!(""), json!([]), json!(["a"]), json!(["a", ""]), json!(5), json!(null)]),
        with(&chat, "response_format", &[json!({"type": "text"}), json!({"type": "yaml"}), json!(3), json!(null)]),
        with(&chat, "response_format", &[format(json!({"schema": {}})), format(json!({})), format(json!(null))]),
        with(&chat, "max_tokens", &most),
        with(&chat, "max_completion_tokens", &most),
        with(&chat, "seed", &[json!(i64::MIN), json!(i64::MAX), json!(1e30), json!(0.5)]),
        with(streamed, "stream_options", &[json!({"include_usage": null}), json!({"include_usage": 1}), json!(null)]),
        with(&chat, "messages", &[json!([]), json!([{"role": "king", "content": "Hi"}]), json!("Hi")]),
    ];
    check("POST", "/v1/chat/completions", &bodies.concat());
    let response = json!({ "model": "friend", "input": "Hi" });
    let bodies = [
        with(
            &response,
            "input",
            &[json!(""), json!(" "), json!([]), json!([{"role": "user", "content": "Hi"}]), json!(3)],
        ),
        with(&response, "text", &[json!({}), json!({"format": {"type": "text"}}), json!({"format": 3}), json!(null)]),
        with(&response, "text", &[json!({"verbosity": "medium"}), json!({"verbosity": "low"}), json!({"size": 3})]),
        with(&response, "truncation", &[json!("auto"), json!("some"), json!(null)]),
        with(&response, "metadata", &[json!({"a": "b"}), json!({"a": 1}), json!(null)]),
        with(&response, "max_output_tokens", &most),
    ];
    check("POST", "/v1/responses", &bodies.concat());
    let embeddings = json!({ "model": "friend-embedding", "input": "Hi" });
    let inputs = [json!(""), json!([]), json!(["a"]), json!(["a", " "]), json!([1]), json!(null)];
    check("POST", "/v1/embeddings", &with(&embeddings, "input", &inputs));
}

/// The values that each parameter of a table may have although it is not done, and one that it may not have.
fn check_table(path: &str, body: &Value, table: &[RequestParameter]) {
    for row in table {
        let value = json!({ "something": "else" });
        match row.treatment {
            Treatment::Done => {}
            Treatment::Ignored => check("POST", path, &with(body, row.name, &[value, json!(null)])),
            Treatment::Refused([]) => check("POST", path, &with(body, row.name, &[value])),
            Treatment::Refused(but) => {
                let but = but.iter().map(|value| serde_json::from_str(value).unwrap());
                check("POST", path, &with(body, row.name, &but.chain([value, json!(null)]).collect::<Vec<_>>()));
            }
        }
    }
    check("POST", path, &with(body, "heat", &[json!(1)]));
}

#[test]
fn what_asks_for_nothing_is_described_and_nothing_else_is() {
    let chat = json!({ "model": "friend", "messages": [{ "role": "user", "content": "Hi" }] });
    check_table("/v1/chat/completions", &chat, CHAT);
    check_table("/v1/responses", &json!({ "model": "friend", "input": "Hi" }), RESPONSES);
    check_table("/v1/embeddings", &json!({ "model": "friend-embedding", "input": "Hi" }), EMBEDDINGS);
}

#[test]
fn parameters_are_what_they_are_described_as() {
    let rig = Rig::new(1);
    let status = |path: &str| rig.request("GET", path, &Value::Null).status;
    for (path, expected) in [
        ("/api/memory?state=active", 200),
        ("/api/memory?state=activ", 422),
        ("/api/memory?state=", 422),
        ("/api/memory?limit=3", 200),
        ("/api/memory?limit=%2B3", 422),
        ("/api/memory?limit=3.0", 422),
        ("/api/memory?limit=", 422),
        ("/api/usage?month=2026-11", 200),
        ("/api/usage?month=0026-11", 422),
        ("/api/usage?month=0000-01", 422),
    ] {
        assert_eq!(status(path), expected, "{path}");
    }
    let upload = |key: &str| {
        let headers = [("content-type", "application/json"), ("idempotency-key", key)];
        rig.request_with_headers("POST", "/api/index", &headers, br#"{"content": "fox"}"#).status
    };
    let long = "k".repeat(256);
    for (key, taken) in [("one", true), ("a b", true), ("a\tb", false), ("é", false), ("", false), (&long, false)] {
        assert_eq!(upload(key) != 422 && upload(key) != 413, taken, "{key:?}");
    }
}
