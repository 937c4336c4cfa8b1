//! What is remembered once, what beside another, and what is changed of it.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;

use pipeline::fingerprint;
use serde_json::{Value, json};
use test_platform::{Fate, ready};
use tests::{
    memories::{different, paraphrased},
    rig::{Answer, Rig},
};

pub(crate) fn remember(rig: &Rig, memory: &Value) -> Answer {
    rig.request("POST", "/api/memory", memory)
}

/// The id of what is new.
pub(crate) fn create(rig: &Rig, memory: &Value) -> String {
    let answer = remember(rig, memory);
    assert_eq!((answer.status, &answer.body["outcome"]), (201, &json!("created")), "{memory}: {}", answer.body);
    answer.body["id"].as_str().unwrap().to_owned()
}

/// Of each memory, by its text: what the columns hold.
fn stored(rig: &Rig) -> Vec<Value> {
    rig.memory.look("SELECT text, kind, source, confidence, pinned FROM memories ORDER BY number")
}

#[test]
fn memories_that_differ_in_a_name_a_number_a_date_or_a_not_are_all_kept() {
    let rig = Rig::new(1);
    let pairs = different();
    assert_eq!(pairs.len(), 200);
    let texts: BTreeSet<&str> = pairs.iter().flat_map(|(one, other)| [*one, *other]).collect();
    for text in &texts {
        create(&rig, &json!({ "text": text }));
    }
    let kept: BTreeSet<String> = stored(&rig).iter().map(|row| row["text"].as_str().unwrap().to_owned()).collect();
    assert_eq!((kept.len(), texts.len()), (400, 400));
    assert!(texts.iter().all(|text| kept.contains(*text)));
}

#[test]
fn memories_that_say_the_same_in_other_words_are_all_kept() {
    let rig = Rig::new(1);
    let pairs = paraphrased();
    assert_eq!(pairs.len(), 100);
    for (one, other) in pairs {
        create(&rig, &json!({ "text": one }));
        create(&rig, &json!({ "text": other }));
    }
    assert_eq!(stored(&rig).len(), 200);
}

#[test]
fn what_is_like_another_is_remembered_beside_it_and_names_the_nearest() {
    let rig = Rig::new(1);
    let ids = ["Ada drinks black tea", "Ada drinks green tea", "Ada drinks red tea", "Ada drinks white tea"]
        .map(|text| create(&rig, &json!({ "text": text })));
    create(&rig, &json!({"text": "The deploy key is rotated every month"}));
    let answer = remember(&rig, &json!({"text": "Black tea Ada drinks"})).body;
    let similar = answer["similar_to"].as_array().unwrap();
    assert_eq!(similar.len(), 3, "{answer}");
    assert_eq!(
        (similar[0]["id"].as_str(), similar[0]["text"].as_str()),
        (Some(&*ids[0]), Some("Ada drinks black tea"))
    );
    let similarities: Vec<f64> = similar.iter().map(|other| other["similarity"].as_f64().unwrap()).collect();
    assert!(similarities[0] > 0.99 && similarities.is_sorted_by(|one, other| one >= other), "{similarities:?}");
    let alone = remember(&rig, &json!({"text": "Frankfurt hosts staging"})).body;
    assert_eq!(alone["similar_to"], json!([]), "{alone}");
    // What was corrected is no longer like anything.
    create(&rig, &json!({"text": "Ada drinks coffee", "supersedes": ids[0]}));
    let answer = remember(&rig, &json!({"text": "Drinks Ada black tea"})).body;
    assert!(answer["similar_to"].as_array().unwrap().iter().all(|other| other["id"] != json!(ids[0])), "{answer}");
}

#[test]
fn without_a_model_it_is_remembered_and_the_answer_says_what_was_not_looked_for() {
    let rig = Rig::new(1);
    create(&rig, &json!({"text": "Ada drinks tea"}));
    // Burst, key and day, what is known: then the model.
    for failing in 1.. {
        let mut calls = 0;
        rig.memory.set_fates(move || {
            calls += 1;
            if calls == failing { Fate::Fails } else { Fate::Works }
        });
        let answer = remember(&rig, &json!({ "text": format!("Tea drinks Ada, number {failing}") }));
        rig.memory.heal();
        if answer.status == 201 && answer.headers.contains_key("x-degraded") {
            assert_eq!(answer.body["similar_to"], json!([]));
            return;
        }
        assert!(failing < 20, "no call of the model was found");
    }
}

#[test]
fn case_white_space_and_encoding_make_no_other_memory() {
    let rig = Rig::new(1);
    let id = create(&rig, &json!({"text": "Ada meets Zo\u{eb} at the caf\u{e9}"}));
    for same in [
        "ada MEETS zo\u{eb} at  the\ncaf\u{e9} ",
        "Ada meets Zoe\u{308} at the cafe\u{301}",
        "Ada\u{a0}meets Zo\u{eb} at the\u{200b} caf\u{e9}",
    ] {
        let answer = remember(&rig, &json!({ "text": same }));
        assert_eq!(
            (answer.status, &answer.body["outcome"], answer.body["id"].as_str()),
            (200, &json!("duplicate"), Some(&*id))
        );
        assert_eq!(answer.body["text"], "Ada meets Zo\u{eb} at the caf\u{e9}");
    }
    for other in ["Ada meets Zo\u{eb} at the caf\u{e9}.", "Ada meets Zoe at the caf\u{e9}"] {
        create(&rig, &json!({ "text": other }));
    }
}

#[test]
fn a_duplicate_that_says_more_updates_what_is_remembered() {
    let rig = Rig::new(1);
    create(&rig, &json!({"text": "Answers in German", "kind": "fact", "confidence": 0.5, "source": "a call"}));
    let plain = remember(&rig, &json!({"text": "answers in german"}));
    assert_eq!(
        (&plain.body["confidence"], &plain.body["kind"]),
        (&json!(0.5), &json!("fact")),
        "nothing is said of it"
    );
    let more = json!({"text": "answers in GERMAN", "pinned": true, "kind": "preference", "confidence": 0.9});
    let answer = remember(&rig, &more);
    assert_eq!((answer.status, &answer.body["outcome"]), (200, &json!("duplicate")), "{}", answer.body);
    let row =
        json!({"text": "Answers in German", "kind": "preference", "source": "a call", "confidence": 0.9, "pinned": 1});
    assert_eq!(stored(&rig), [row]);
    assert_eq!((&answer.body["pinned"], &answer.body["kind"]), (&json!(true), &json!("preference")));
    remember(&rig, &json!({"text": "Answers in German", "pinned": false, "source": "a letter"}));
    assert_eq!((&stored(&rig)[0]["pinned"], &stored(&rig)[0]["source"]), (&json!(0), &json!("a letter")));
}

#[test]
fn two_equal_texts_at_the_same_time_are_one_memory() {
    let mut met = 0;
    for call in 1.. {
        let rig = Rig::new(1);
        let memory = json!({"text": "Ada drinks tea"});
        let Some(held) = rig.hold_request("POST", "/api/memory", &memory, call) else { break };
        let between = remember(&rig, &memory);
        let held = ready(held);
        let mut outcomes = [between.body["outcome"].clone(), held.body["outcome"].clone()];
        outcomes.sort_by_key(Value::to_string);
        assert_eq!(outcomes, [json!("created"), json!("duplicate")], "held at call {call}");
        assert_eq!(between.body["id"], held.body["id"], "held at call {call}");
        assert_eq!(stored(&rig).len(), 1);
        met += 1;
    }
    assert!(met >= 4, "{met}");
}

#[test]
fn what_an_earlier_version_wrote_is_known_and_hides_nothing_that_differs_by_a_sign() {
    let rig = Rig::new(1);
    let id = create(&rig, &json!({"text": "I write C"}));
    let old = fingerprint::of_words("I write C");
    rig.memory.run_script(&format!("UPDATE memories SET hash = '{old}'"));
    create(&rig, &json!({"text": "I write C++"}));
    let answer = remember(&rig, &json!({"text": "i write c", "pinned": true}));
    assert_eq!((&answer.body["outcome"], answer.body["id"].as_str()), (&json!("duplicate"), Some(&*id)));
    assert_eq!(answer.body["pinned"], true);
    let hashes = rig.memory.look("SELECT hash FROM memories ORDER BY number");
    assert_eq!(hashes[0]["hash"], fingerprint::of_memory("I write C"));
}

#[test]
fn a_text_that_nobody_can_see_or_keep_is_refused_with_the_reason() {
    let rig = Rig::new(1);
    for (text, word) in [("\u{200b}\u{200d}\u{feff}", "without width"), ("Ada\0drinks", "NUL"), ("  ", "empty")] {
        let answer = remember(&rig, &json!({ "text": text }));
        let detail = answer.body["detail"].as_str().unwrap();
        assert_eq!((answer.status, &answer.body["errors"][0]["pointer"]), (422, &json!("/text")), "{}", answer.body);
        assert!(detail.contains(word), "{detail}");
    }
    assert!(stored(&rig).is_empty());
}

#[test]
fn a_change_of_a_memory_changes_what_it_names_and_null_gives_a_default() {
    let rig = Rig::new(1);
    let id = create(&rig, &json!({"text": "Answers in German", "source": "a call", "confidence": 0.5}));
    let path = format!("/api/memory/{id}");
    let patch = |change: Value| rig.request("PATCH", &path, &change);
    let changed = patch(json!({"pinned": true, "kind": "preference"}));
    assert_eq!(changed.status, 200, "{}", changed.body);
    let text = "Answers in German";
    let row = |kind: &str, source: Value, confidence: f64, pinned: i64| {
        let beside = json!({"kind": kind, "confidence": confidence, "pinned": pinned});
        let mut row = json!({"text": text, "source": source});
        row.as_object_mut().unwrap().extend(beside.as_object().unwrap().clone());
        row
    };
    assert_eq!(stored(&rig), [row("preference", json!("a call"), 0.5, 1)]);
    assert_eq!(rig.request("GET", &path, &Value::Null).body, changed.body);
    assert_eq!(patch(json!({})).body, changed.body);
    patch(json!({"source": "a letter", "confidence": 0.25}));
    assert_eq!(stored(&rig), [row("preference", json!("a letter"), 0.25, 1)]);
    patch(json!({"source": null, "kind": null, "confidence": null, "pinned": null}));
    assert_eq!(stored(&rig), [row("fact", Value::Null, 1.0, 0)]);
    let refused = patch(json!({"text": "Answers in French"}));
    assert_eq!((refused.status, &refused.body["errors"][0]["pointer"]), (422, &json!("/text")), "{}", refused.body);
    assert!(refused.body["detail"].as_str().unwrap().contains("supersedes"), "{}", refused.body);
    let other = rig.new_user();
    assert_eq!(rig.request_as(&other, "PATCH", &path, &[], br#"{"pinned": true}"#).status, 404);
    assert_eq!(rig.request("PATCH", "/api/memory/mem_none", &json!({"pinned": true})).status, 404);
    assert_eq!(stored(&rig)[0]["pinned"], 0);
}

#[test]
fn a_memory_that_is_pinned_by_a_change_is_in_every_prompt() {
    let rig = Rig::new(1);
    let id = create(&rig, &json!({"text": "Ada is allergic to nuts"}));
    let prompt = || {
        rig.chat(&json!({"message": "What is a queue?"}));
        rig.memory.generations().pop().unwrap().messages.last().unwrap().content.clone()
    };
    assert!(!prompt().contains("allergic"));
    rig.request("PATCH", &format!("/api/memory/{id}"), &json!({"pinned": true}));
    assert!(prompt().contains("allergic"), "an answer from before the change is not given again");
}
