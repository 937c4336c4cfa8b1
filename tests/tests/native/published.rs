//! What was published of the API stays: `tests/published_api.json` is the description as clients know it, without its
//! words. What is added may be added to it by `PUBLISH=1 cargo test -p tests --test native published`; so may what
//! breaks clients, once it is decided and stands in the changelog.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{fs, path::PathBuf, sync::OnceLock};

use serde_json::Value;
use tests::{
    compatibility::{compact, incompatibilities, lines},
    described,
};

/// What was published, or is now.
fn published() -> &'static Value {
    static PUBLISHED: OnceLock<Value> = OnceLock::new();
    PUBLISHED.get_or_init(|| {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("published_api.json");
        if std::env::var("PUBLISH").is_ok() {
            fs::write(&path, lines(&compact(described::description()))).unwrap();
        }
        serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap()
    })
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
