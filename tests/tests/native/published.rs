//! What was published of the API stays: `tests/published_api.json` is the description as clients know it, without its
//! words. What is added may be added to it by `PUBLISH=1 cargo test -p tests --test native published`; so may what
//! breaks clients, once it is decided and stands in the changelog.
//!
//! What Workers hold of the description is written by `DESCRIBE=1` and the same command, after every change of the
//! table or a type: `producers/openapi.json`, which they answer, and `pipeline/src/strict_json/schemas.json`, by which
//! they say what is wrong.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{env, fs, path::PathBuf, sync::OnceLock};

use local_dev::product::root;
use serde_json::{Value, json};
use tests::{
    compatibility::{compact, incompatibilities, lines},
    described,
};

/// A file, by its path from the root of the repository.
fn file(path: &str) -> PathBuf {
    root().join(path)
}

/// The text of a file, or with this variable what is written into it now.
fn written(path: &str, variable: &str, now: impl FnOnce() -> String) -> String {
    if env::var(variable).is_ok() {
        fs::write(file(path), now()).unwrap();
    }
    fs::read_to_string(file(path)).unwrap()
}

/// What was published, or is now.
fn published() -> &'static Value {
    static PUBLISHED: OnceLock<Value> = OnceLock::new();
    PUBLISHED.get_or_init(|| {
        let text = written("tests/published_api.json", "PUBLISH", || lines(&compact(described::description())));
        serde_json::from_str(&text).unwrap()
    })
}

/// A value of which each field of a field stands in a line of its own, so that a change is seen where it is.
fn by_lines(value: &Value) -> String {
    let fields = |value: &Value, end: &str, inner: &dyn Fn(&Value) -> String| {
        let fields = value.as_object().unwrap().iter();
        let fields: Vec<String> = fields.map(|(name, value)| format!("{}: {}", json!(name), inner(value))).collect();
        format!("{{{end}{}{end}}}", fields.join(&format!(",{end}")))
    };
    let inner = |value: &Value| match value {
        Value::Object(object) if !object.is_empty() => fields(value, "\n", &Value::to_string),
        other => other.to_string(),
    };
    fields(value, "\n", &inner) + "\n"
}

#[track_caller]
fn holds_to(path: &str, now: &Value) {
    let text = written(path, "DESCRIBE", || by_lines(now));
    let held: Value = serde_json::from_str(&text).unwrap();
    assert!(held == *now, "{path} is not what the types make: DESCRIBE=1 cargo test -p tests --test native published");
}

#[test]
fn the_description_that_workers_answer_is_what_the_table_and_the_types_make() {
    holds_to("producers/openapi.json", described::description());
}

#[test]
fn the_schemas_that_errors_are_worded_with_are_those_of_the_types() {
    let schemas = described::strict_schemas();
    for name in schemas["$defs"].as_object().unwrap().keys() {
        assert!(!name.ends_with(|end: char| end.is_ascii_digit()), "two types are called {name}");
    }
    holds_to("pipeline/src/strict_json/schemas.json", &schemas);
}

#[test]
fn published_operations_are_kept() {
    let found = incompatibilities(published(), &compact(described::description()));
    assert!(found.is_empty(), "clients that were made for what is published break:\n{}", found.join("\n"));
}

#[test]
fn an_operation_that_is_not_published_yet_is_missed() {
    for (path, operations) in described::description()["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            assert!(
                published()["paths"][path][method].is_object(),
                "{method} {path} is new: PUBLISH=1 cargo test -p tests --test native published"
            );
        }
    }
}
