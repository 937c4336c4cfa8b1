//! What the product answers is what its description says: the status, the media type, the headers, and every field.
#![expect(clippy::unwrap_used, clippy::panic, clippy::missing_panics_doc, reason = "a test that cannot go on fails")]

use std::{collections::HashMap, sync::OnceLock};

use http::{Method, StatusCode};
use jsonschema::Validator;
use producers::http::{
    openapi::description::{describe, what_is_read},
    operations::operations,
    reply::{Body, Reply},
};
use serde_json::{Value, json};
use test_platform::InMemory;

/// An operation's answer: its method in lower case, its path, its status.
type Answered = (String, String, u16);

/// What an answer may be.
struct Described {
    media_types: Vec<String>,
    headers: Vec<String>,
    json: Option<Validator>,
}

/// The description as the table and the types make it.
pub fn description() -> &'static Value {
    static DESCRIPTION: OnceLock<Value> = OnceLock::new();
    DESCRIPTION.get_or_init(|| describe(operations::<InMemory>()))
}

/// The schemas that errors are worded with, as the types make them.
pub fn strict_schemas() -> Value {
    what_is_read(operations::<InMemory>())
}

/// Fails for an answer that the description does not have.
pub fn check(method: &str, route: &str, reply: &Reply) {
    let status = reply.status;
    let is_everybodys = status == StatusCode::METHOD_NOT_ALLOWED;
    let is_described = description()["paths"][route].is_object();
    if !is_described || is_everybodys || [Method::HEAD, Method::OPTIONS].iter().any(|other| other == method) {
        return;
    }
    let answered = (method.to_lowercase(), route.to_owned(), status.as_u16());
    let Some(described) = answers().get(&answered) else {
        panic!("{method} {route} answered {status}, which its row in operations.rs does not say")
    };
    for name in reply.headers.keys().filter(|name| name.as_str() != "content-type" && !is_of_any_answer(name.as_str()))
    {
        let is_described = described.headers.iter().any(|described| described.eq_ignore_ascii_case(name.as_str()));
        assert!(is_described, "{method} {route} {status} has the header {name}, which is not described");
    }
    let answer = format!("{method} {route} {status}");
    match &reply.body {
        Body::Bytes(bytes) if !bytes.is_empty() => check_body(described, reply, bytes, &answer),
        Body::WithChannel(body, _) => validate(described, body, &answer),
        _ => {}
    }
}

/// Headers that say nothing of the operation.
fn is_of_any_answer(name: &str) -> bool {
    ["content-security-policy", "vary"].contains(&name) || name.starts_with("access-control-")
}

fn check_body(described: &Described, reply: &Reply, bytes: &[u8], answer: &str) {
    let media_type = reply.headers["content-type"].to_str().unwrap().split(';').next().unwrap_or_default();
    let is_described = described.media_types.iter().any(|described| described == media_type || described == "*/*");
    assert!(is_described, "{answer} is {media_type}");
    let Ok(body) = serde_json::from_slice::<Value>(bytes) else { return };
    validate(described, &body, answer);
}

/// Fails for an example of an answer that is none.
pub fn check_example(method: &str, path: &str, status: u16, example: &Value) {
    let described = &answers()[&(method.to_owned(), path.to_owned(), status)];
    assert!(described.json.is_some(), "{method} {path} {status} is no JSON");
    validate(described, example, &format!("the example of {method} {path} {status}"));
}

fn validate(described: &Described, body: &Value, answer: &str) {
    let Some(validator) = &described.json else { return };
    if let Some(error) = validator.iter_errors(body).next() {
        panic!("{answer} is not as described at {:?}: {error}\n{body:#}", error.instance_path().to_string());
    }
}

/// Every answer of the description; made once.
fn answers() -> &'static HashMap<Answered, Described> {
    static ANSWERS: OnceLock<HashMap<Answered, Described>> = OnceLock::new();
    ANSWERS.get_or_init(read_answers)
}

fn read_answers() -> HashMap<Answered, Described> {
    let components = closed(description()["components"].clone());
    let mut answers = HashMap::new();
    for (path, operations) in description()["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            for (status, answer) in operation["responses"].as_object().unwrap() {
                let answer = match answer["$ref"].as_str() {
                    Some(reference) => description().pointer(reference.trim_start_matches('#')).unwrap(),
                    None => answer,
                };
                let answered = (method.clone(), path.clone(), status.parse().unwrap());
                answers.insert(answered, described(answer, &components));
            }
        }
    }
    answers
}

fn described(answer: &Value, components: &Value) -> Described {
    let names = |object: &Value| object.as_object().map(|object| object.keys().cloned().collect()).unwrap_or_default();
    let content = answer["content"].as_object();
    let mut in_json = content.into_iter().flatten().filter(|(media_type, _)| media_type.ends_with("json"));
    let json = in_json.next().map(|(_, content)| {
        let schema = json!({ "allOf": [closed(content["schema"].clone())], "components": components });
        jsonschema::draft202012::new(&schema).unwrap()
    });
    Described { media_types: names(&answer["content"]), headers: names(&answer["headers"]), json }
}

/// The schemas, but that what they do not name may not be there. Clients are to ignore what they do not know; a test
/// is to see it.
fn closed(mut schemas: Value) -> Value {
    match &mut schemas {
        Value::Object(fields) => {
            for field in fields.values_mut() {
                *field = closed(field.take());
            }
            let is_open = !fields.contains_key("additionalProperties");
            if fields.get("type").is_some_and(|kind| kind == "object") && fields.contains_key("properties") && is_open {
                fields.insert("unevaluatedProperties".to_owned(), Value::from(false));
            }
        }
        Value::Array(items) => {
            for item in items {
                *item = closed(item.take());
            }
        }
        _ => {}
    }
    schemas
}
