//! The vector index has a thousand namespaces: whoever comes after them shares one, and finds their own all the same.
#![expect(clippy::unwrap_used, reason = "tests")]

use pipeline::{
    constants::{VECTOR_NAMESPACES, VECTOR_NAMESPACES_SHARED},
    model::EMBEDDING,
    platform::ports::{VectorIndex as _, VectorRecord},
};
use serde_json::{Value, json};
use test_platform::ready;
use tests::rig::{Answer, Rig};

/// A product whose index has as many namespaces as it can: those of everybody who may have one of their own, and
/// those that are shared.
fn with_every_namespace_taken() -> Rig {
    let rig = Rig::new(1);
    let own = VECTOR_NAMESPACES - VECTOR_NAMESPACES_SHARED;
    rig.memory.run_script(&format!(
        "WITH RECURSIVE n (n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM n WHERE n < {own})
         INSERT INTO users (number, id, name, created_at) SELECT n, 'usr_' || n, 'A stranger', 1 FROM n"
    ));
    let shared = (0..VECTOR_NAMESPACES_SHARED).map(|number| format!("shared-{number}"));
    for namespace in (1..=own).map(|number| format!("usr_{number}")).chain(shared) {
        let vector =
            VectorRecord { id: namespace.clone(), values: vec![0.0; EMBEDDING.dimensions], metadata: "{}".into() };
        rig.memory.begin(&namespace);
        ready(rig.memory.upsert(&namespace, &[vector])).unwrap();
    }
    rig
}

fn post(rig: &Rig, key: &str, path: &str, body: &Value) -> Answer {
    rig.request_as(key, "POST", path, &[("content-type", "application/json")], body.to_string().as_bytes())
}

/// What a user finds by meaning alone: external ids, the best first.
fn found(rig: &Rig, key: &str, filters: &Value) -> Vec<String> {
    let search = json!({"query": "tides", "mode": "vector", "top_k": 100, "filters": filters});
    let answer = post(rig, key, "/api/search", &search);
    assert_eq!((answer.status, &answer.body["mode"]), (200, &json!("vector")), "{}", answer.body);
    let hits = answer.body["hits"].as_array().unwrap();
    hits.iter().map(|hit| hit["external_id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_thousand_and_first_user_is_indexed_and_finds_theirs_beside_a_neighbour_who_has_more_that_is_nearer() {
    let rig = with_every_namespace_taken();
    let keys: Vec<String> = (0..=VECTOR_NAMESPACES_SHARED).map(|_| rig.new_user()).collect();
    let (neighbour, user) = (&keys[0], &keys[VECTOR_NAMESPACES_SHARED]);
    let nearer: Vec<Value> = (0..120)
        .map(|number| json!({"external_id": format!("{number}.md"), "content": format!("tides {number}")}))
        .collect();
    let own = json!([{"external_id": "own.md", "type": "code", "content": "of tides among many other things"}]);
    for (key, documents) in [(neighbour, &Value::from(nearer)), (user, &own)] {
        assert_eq!(post(&rig, key, "/api/index", &json!({ "documents": documents })).status, 202);
    }
    rig.drain();
    assert!(rig.memory.look("SELECT id FROM dead_letters").is_empty());
    assert_eq!(found(&rig, user, &json!({})), ["own.md"]);
    assert_eq!(found(&rig, user, &json!({"type": "code"})), ["own.md"]);
    assert_eq!(found(&rig, neighbour, &json!({})).len(), 100);
    assert!(found(&rig, neighbour, &json!({"type": "code"})).is_empty());
}

#[test]
fn what_a_user_deletes_goes_from_a_namespace_that_others_share() {
    let rig = with_every_namespace_taken();
    let keys: Vec<String> = (0..=VECTOR_NAMESPACES_SHARED).map(|_| rig.new_user()).collect();
    let before = rig.memory.vector_ids();
    let mut document = String::new();
    for key in [&keys[0], &keys[VECTOR_NAMESPACES_SHARED]] {
        let answer = post(&rig, key, "/api/index", &json!({"external_id": "own.md", "content": "about tides"}));
        document = answer.body["items"][0]["document_id"].as_str().unwrap().to_owned();
    }
    rig.drain();
    assert_eq!(rig.memory.vector_ids().len(), before.len() + 2);
    let user = &keys[VECTOR_NAMESPACES_SHARED];
    assert_eq!(rig.request_as(user, "DELETE", &format!("/api/documents/{document}"), &[], b"").status, 202);
    rig.drain();
    assert_eq!(rig.memory.vector_ids().len(), before.len() + 1);
    assert!(found(&rig, user, &json!({})).is_empty());
    assert_eq!(found(&rig, &keys[0], &json!({})), ["own.md"]);
}

#[test]
fn who_came_before_namespaces_were_shared_keeps_their_own() {
    let rig = Rig::new(1);
    rig.memory.change("UPDATE users SET number = 5000");
    rig.upload(&json!([{"external_id": "own.md", "content": "about tides"}]));
    rig.drain();
    let search = json!({"query": "tides", "mode": "vector"});
    assert_eq!(rig.search(&search), ["own.md"]);
    // Whoever comes now shares one, and their row says so.
    let later = rig.new_user();
    post(&rig, &later, "/api/index", &json!({"external_id": "later.md", "content": "about tides"}));
    rig.drain();
    assert_eq!(found(&rig, &later, &json!({})), ["later.md"]);
    assert_eq!(rig.search(&search), ["own.md"]);
}
