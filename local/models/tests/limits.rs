//! What the stand-ins refuse, as the platform does.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use local_models::{
    ai::no_such_model,
    index::{Index, NewVector},
    server::{AnyInput, RunRequest},
};
use pipeline::{
    constants,
    failure::FailureKind,
    model::{EMBEDDING, RERANKING},
    platform::errors,
};
use serde_json::json;

fn vector(id: &str, namespace: &str) -> NewVector {
    let values = vec![1.0; EMBEDDING.dimensions];
    serde_json::from_value(json!({ "id": id, "values": values, "namespace": namespace })).unwrap()
}

#[test]
fn an_index_has_a_thousand_namespaces() {
    let mut index = Index::open(None).unwrap();
    let all = |count| (0..count).map(|number: usize| vector(&number.to_string(), &number.to_string())).collect();
    index.upsert(all(constants::VECTOR_NAMESPACES), Duration::ZERO).unwrap();
    let refused = index.upsert(vec![vector("more", "one more")], Duration::ZERO).unwrap_err();
    assert!(refused.starts_with("VECTOR_UPSERT_ERROR (code = 40012)"), "{refused}");
    index.upsert(vec![vector("more", "7")], Duration::ZERO).unwrap();
}

#[test]
fn an_upsert_takes_a_thousand_vectors_with_ids_of_64_bytes() {
    let mut index = Index::open(None).unwrap();
    let many = |count| (0..count).map(|number: usize| vector(&number.to_string(), "n")).collect();
    index.upsert(many(constants::VECTORS_PER_UPSERT), Duration::ZERO).unwrap();
    assert!(index.upsert(many(constants::VECTORS_PER_UPSERT + 1), Duration::ZERO).is_err());
    index.upsert(vec![vector(&"x".repeat(constants::VECTOR_ID_BYTES), "n")], Duration::ZERO).unwrap();
    assert!(index.upsert(vec![vector(&"x".repeat(constants::VECTOR_ID_BYTES + 1), "n")], Duration::ZERO).is_err());
}

#[test]
fn no_machine_has_a_reranking_model() {
    let input = json!({"query": "tides", "contexts": [{"text": "about tides"}], "top_k": 1});
    let request: RunRequest = serde_json::from_value(json!({"model": RERANKING.name, "input": input})).unwrap();
    assert!(matches!(request.input, AnyInput::Reranking(_)));
    let refused = errors::of_workers_ai(&no_such_model(&request.model));
    assert_eq!((refused.kind, refused.why.contains("No such model")), (FailureKind::Bug, true), "{refused}");
}
