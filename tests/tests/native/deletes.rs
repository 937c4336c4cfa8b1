//! Documents that are deleted together: those that a list with the same parameters shows, and no other.
//!
//! What takes a product is a scene as well (`mutations/scenes.rs`): without the rule it is about it fails.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{cell::Cell, rc::Rc};

use pipeline::{
    constants::{DOCUMENTS_PER_DELETE, MAX_WRITER_LIFE},
    platform::ports::Meter as _,
    store::users::COUNTED_DOCUMENTS,
};
use serde_json::{Value, json};
use test_platform::{Fate, ready};
use tests::rig::{Answer, Rig};

use crate::{
    cancels::{New, fresh, is_found, write},
    order::stream,
};

fn delete(rig: &Rig, query: &str) -> Answer {
    rig.request("DELETE", &format!("/api/documents?{query}"), &Value::Null)
}

/// How many documents were deleted, and how many are left that were meant.
fn counts(answer: &Answer) -> (u64, u64) {
    let count = |name: &str| answer.body[name].as_u64().unwrap();
    (count("deleted"), count("remaining"))
}

/// The names on the first page of a list, in their own order.
fn names(rig: &Rig, query: &str) -> Vec<String> {
    names_in(&rig.request("GET", &format!("/api/documents?{query}"), &Value::Null).body["items"])
}

fn names_in(documents: &Value) -> Vec<String> {
    let name = |document: &Value| document["external_id"].as_str().unwrap().to_owned();
    let mut names: Vec<String> = documents.as_array().unwrap().iter().map(name).collect();
    names.sort();
    names
}

/// Nothing of any document is left, in any store.
fn assert_empty(rig: &Rig) {
    rig.memory.advance(2 * MAX_WRITER_LIFE);
    assert!(rig.converge());
    assert!(names(rig, "").is_empty());
    let state = rig.state();
    let left = (&state["chunks"], &state["garbage"], &state["vectors"], &state["objects"]);
    assert_eq!(left, (&json!([]), &json!([]), &json!([]), &json!(0)));
}

/// Documents of which each filter means some and not all.
fn various() -> Value {
    json!([
        {"external_id": "notes/tides.md", "content": "about tides", "tags": ["sea", "draft"]},
        {"external_id": "notes/winds.md", "content": "about winds", "tags": ["sea"],
         "created_at": "2020-01-01T00:00:00Z"},
        {"external_id": "src/tides.rs", "content": "fn tides() {}", "type": "code", "language": "rust"},
        {"external_id": "talk", "content": "Ada: tides", "type": "conversation", "tags": ["draft"]},
    ])
}

const FILTERS: [&str; 9] = [
    "external_id=notes/tides.md",
    "prefix=notes/",
    "prefix=notes/&tag=draft",
    "tag=sea",
    "type=code",
    "language=rust&status=indexed",
    "created_before=2021-01-01T00:00:00Z",
    "created_after=2021-01-01T00:00:00Z&type=doc",
    "status=indexed",
];

#[test]
fn what_a_list_shows_goes_with_the_same_parameters_and_nothing_else_does() {
    for filter in FILTERS {
        let rig = fresh();
        rig.upload(&various());
        rig.drain();
        let (all, meant) = (names(&rig, ""), names(&rig, filter));
        assert!(!meant.is_empty(), "{filter}");
        let before = (rig.state(), rig.memory.look("SELECT * FROM documents, counters, users"));
        let dry = delete(&rig, &format!("{filter}&dry_run=true"));
        assert_eq!((dry.status, &dry.body["status"], &dry.body["job_id"]), (200, &json!("dry_run"), &Value::Null));
        assert_eq!((counts(&dry), names_in(&dry.body["documents"])), ((0, meant.len() as u64), meant.clone()));
        let after = (rig.state(), rig.memory.look("SELECT * FROM documents, counters, users"));
        assert_eq!(before, after, "{filter}: a dry run changes nothing");
        let gone = delete(&rig, filter);
        assert_eq!((gone.status, counts(&gone)), (202, (meant.len() as u64, 0)), "{filter}: {}", gone.body);
        let kept: Vec<String> = all.into_iter().filter(|name| !meant.contains(name)).collect();
        assert_eq!((names(&rig, filter), names(&rig, "")), (vec![], kept), "{filter}");
        assert!(rig.converge());
        let job = rig.job(gone.body["job_id"].as_str().unwrap());
        assert_eq!((&job["status"], &job["items"]["done"]), (&json!("succeeded"), &json!(meant.len())), "{job}");
        assert_eq!(rig.state()["chunks"].as_array().unwrap().len(), 4 - meant.len(), "{filter}");
    }
}

#[test]
fn nothing_goes_without_a_word_on_what_is_to_go() {
    let rig = fresh();
    rig.upload(&various());
    for query in ["", "dry_run=true", "dry_run=false", "cursor=1"] {
        let refused = delete(&rig, query);
        assert_eq!(refused.status, 422, "{query}");
        let detail = refused.body["detail"].as_str().unwrap();
        assert!(detail.contains("external_id, prefix, tag") && detail.contains("GET /api/documents"), "{detail}");
    }
    for (query, field) in [
        ("prefix=", "prefix"),
        ("external_id=", "external_id"),
        ("tag=&type=doc", "tag"),
        ("type=doc&language=", "language"),
        ("prefix=notes/&dry_run", "dry_run"),
        ("prefix=notes/&cursor=-1", "cursor"),
        ("prefix=notes/&cursor=1e3", "cursor"),
        ("prefix=notes/&cursor=9007199254740992", "cursor"),
        ("prefixes=notes/", "prefixes"),
        ("prefix=notes/&prefix=src/", "prefix"),
    ] {
        let refused = delete(&rig, query);
        assert_eq!((refused.status, &refused.body["errors"][0]["pointer"]), (422, &json!(field)), "{}", refused.body);
    }
    assert_eq!(names(&rig, "").len(), 4);
}

#[test]
fn a_prefix_means_its_own_letters_and_those_of_no_pattern() {
    let all = ["a%b/1", "aXb/1", "a_b/1", "A%b/1", "a\\%b/1", "é/1", "e\u{301}/1", "[ab]/1", "*"];
    for (prefix, goes) in [
        ("a%25", vec!["a%b/1"]),
        ("a_", vec!["a_b/1"]),
        ("A", vec!["A%b/1"]),
        ("a%5C", vec!["a\\%b/1"]),
        ("%25", vec![]),
        ("_", vec![]),
        ("%C3%A9", vec!["é/1"]),
        ("%5Ba", vec!["[ab]/1"]),
        ("*", vec!["*"]),
        ("a%25b/1+", vec![]),
        ("a%00", vec![]),
        ("%00", vec![]),
    ] {
        let rig = fresh();
        let documents = all.map(|name| json!({"external_id": name, "content": format!("about {name}")}));
        rig.upload(&json!(documents));
        assert_eq!(names(&rig, &format!("prefix={prefix}")), goes, "{prefix}");
        assert_eq!(counts(&delete(&rig, &format!("prefix={prefix}"))), (goes.len() as u64, 0), "{prefix}");
        assert_eq!(names(&rig, "").len(), all.len() - goes.len(), "{prefix}");
    }
}

#[test]
fn others_keep_what_they_call_alike() {
    let rig = fresh();
    let stranger = Rig::over(rig.memory.worker("stranger"), &rig.new_user());
    for one in [&rig, &stranger] {
        one.upload(&various());
        one.drain();
    }
    let mine = rig.memory.look("SELECT count(*) AS n FROM garbage")[0].clone();
    assert_eq!((mine, counts(&delete(&rig, "status=indexed"))), (json!({"n": 0}), (4, 0)));
    assert!(rig.converge());
    assert_eq!((names(&rig, "").len(), names(&stranger, "").len()), (0, 4));
    assert!(is_found(&stranger, "winds", "notes/winds.md") && !is_found(&rig, "winds", "notes/winds.md"));
}

#[test]
fn what_is_on_its_way_is_not_published_after_it_was_deleted() {
    for messages in 0..6 {
        for revision in ["first", "second"] {
            let rig = fresh();
            if revision == "second" {
                rig.upload(&various());
                rig.drain();
            }
            rig.upload(&json!([
                {"external_id": "notes/tides.md", "content": "about springs"},
                {"external_id": "notes/ebbs.md", "content": "about ebbs"},
            ]));
            for _ in 0..messages {
                if let Some(message) = rig.memory.receive() {
                    rig.process(&message);
                }
            }
            let meant = names(&rig, "prefix=notes/").len() as u64;
            assert_eq!(counts(&delete(&rig, "prefix=notes/")), (meant, 0));
            delete(&rig, "created_before=9999-01-01T00:00:00Z");
            assert_empty(&rig);
        }
    }
}

#[test]
fn a_delete_that_is_sent_again_after_anything_went_wrong_is_done_once() {
    for fate in [Fate::Fails, Fate::AnswerLost, Fate::Crashes, Fate::CrashesAfter] {
        for victim in 1.. {
            let rig = fresh();
            rig.upload(&various());
            rig.drain();
            let calls = Rc::new(Cell::new(0));
            let counted = Rc::clone(&calls);
            rig.memory.set_fates(move || {
                counted.set(counted.get() + 1);
                if counted.get() == victim { fate } else { Fate::Works }
            });
            delete(&rig, "tag=sea");
            rig.memory.heal();
            if calls.get() < victim {
                assert!(victim > 4, "{victim}");
                break;
            }
            let again = delete(&rig, "tag=sea");
            assert!(matches!(again.status, 200 | 202), "{}", again.body);
            assert!(rig.converge());
            assert_eq!(names(&rig, ""), ["src/tides.rs", "talk"], "{fate:?} of call {victim}");
            assert_eq!(rig.memory.look("SELECT id FROM jobs WHERE kind = 'delete'").len(), 1, "{fate:?} {victim}");
            delete(&rig, "status=indexed");
            assert_empty(&rig);
        }
    }
}

#[test]
fn who_deletes_twice_deletes_nothing_that_was_uploaded_in_between_and_is_not_meant() {
    let rig = fresh();
    rig.upload(&various());
    rig.drain();
    assert_eq!(counts(&delete(&rig, "tag=sea")), (2, 0));
    let version = || rig.memory.look("SELECT index_version FROM users");
    let before = version();
    let again = delete(&rig, "tag=sea");
    assert_eq!((again.status, counts(&again), &again.body["job_id"]), (200, (0, 0), &Value::Null));
    assert_eq!(version(), before, "what was cached is still true");
    assert_eq!(again.body["status"], "succeeded");
    write(&rig, "notes/tides.md", "about springs");
    assert_eq!(counts(&delete(&rig, "tag=sea")), (0, 0));
    assert!(rig.converge());
    assert!(is_found(&rig, "springs", "notes/tides.md"));
}

/// As many more documents as one request deletes, like the one that is there.
fn fill(rig: &Rig, documents: usize) {
    rig.memory.run_script(&format!(
        "INSERT INTO documents (user_id, id, external_id, type, media_type, tags, created_at, uploaded_at, bytes,
                                latest, latest_item, current, current_item, decided)
         SELECT d.user_id, printf('doc_%024d', n.key), 'many/' || n.key, 'doc', 'text/plain', '[]', 1, 1, 1,
                1, d.latest_item, 1, d.current_item, d.decided FROM documents d, json_each('{}') n",
        json!(vec![0; documents]),
    ));
}

#[test]
fn more_than_one_request_takes_go_with_the_next_and_what_was_uploaded_meanwhile_stays() {
    let rig = fresh();
    write(&rig, "many/tides.md", "about tides");
    rig.drain();
    fill(&rig, DOCUMENTS_PER_DELETE + 41);
    let dry = delete(&rig, "prefix=many/&dry_run=true");
    let shown = dry.body["documents"].as_array().unwrap().len();
    assert_eq!((counts(&dry), shown), ((0, DOCUMENTS_PER_DELETE as u64 + 42), 100));
    let first = delete(&rig, "prefix=many/");
    assert_eq!((first.status, counts(&first)), (202, (DOCUMENTS_PER_DELETE as u64, 42)), "{}", first.body);
    let cursor = first.body["next_cursor"].as_str().unwrap();
    write(&rig, "many/winds.md", "about winds");
    write(&rig, "many/tides.md", "about springs");
    let second = delete(&rig, &format!("prefix=many/&cursor={cursor}"));
    assert_eq!((counts(&second), &second.body["next_cursor"]), ((42, 0), &Value::Null), "{}", second.body);
    let third = delete(&rig, &format!("prefix=many/&cursor={cursor}"));
    assert_eq!((third.status, counts(&third)), (200, (0, 0)));
    assert!(rig.converge());
    assert_eq!(names(&rig, "prefix=many/"), ["many/tides.md", "many/winds.md"]);
    assert!(is_found(&rig, "springs", "many/tides.md") && is_found(&rig, "winds", "many/winds.md"));
    let queries = rig.memory.most_asked()["DELETE /api/documents"].d1_queries;
    assert!(queries < 20, "{queries} queries for any number of documents");
}

#[test]
fn what_is_uploaded_while_a_delete_goes_on_stays() {
    what_is_uploaded_since_a_delete_began_stays(&fresh);
}

/// A new revision of what is meant, and the same once more while a streamed upload waits.
pub(crate) fn what_is_uploaded_since_a_delete_began_stays(new: New<'_>) {
    let rig = new();
    for name in ["a.md", "b.md", "c.md"] {
        write(&rig, name, &format!("about {name}"));
    }
    rig.drain();
    let (job, message) = stream(&rig, &[("d.md", "about d.md")]);
    let began = rig.memory.look("SELECT value FROM counters WHERE name = 'item'")[0]["value"].as_i64().unwrap();
    write(&rig, "a.md", "about springs");
    let same = rig.request("POST", "/api/index", &json!({"external_id": "b.md", "content": "about b.md"}));
    assert_eq!(same.body["items"][0]["status"], "duplicate", "{}", same.body);
    // Of the one that has this name, and of any.
    for (meant, goes) in [("external_id=a.md", vec![]), ("type=doc", vec!["c.md".to_owned()])] {
        let dry = delete(&rig, &format!("{meant}&cursor={began}&dry_run=true"));
        assert_eq!((counts(&dry), names_in(&dry.body["documents"])), ((0, goes.len() as u64), goes), "{meant}");
    }
    assert_eq!(counts(&delete(&rig, &format!("external_id=a.md&cursor={began}"))), (0, 0));
    let gone = delete(&rig, &format!("type=doc&cursor={began}"));
    assert_eq!((counts(&gone), &gone.body["unpacking"]), ((1, 0), &json!([job])), "{}", gone.body);
    assert_eq!(names(&rig, ""), ["a.md", "b.md"]);
    rig.memory.redeliver(message);
    assert!(rig.converge());
    assert_eq!(names(&rig, "").len(), 3, "what was not known came");
    assert!(is_found(&rig, "springs", "a.md"));
}

#[test]
fn an_upload_that_waits_brings_nothing_back_and_is_named_for_what_is_not_known_of_it() {
    let rig = fresh();
    write(&rig, "tides.md", "about neaps");
    let (job, message) = stream(&rig, &[("tides.md", "about springs"), ("winds.md", "about winds")]);
    let dry = delete(&rig, "prefix=tides&dry_run=true");
    assert_eq!(dry.body["unpacking"], json!([job]));
    let gone = delete(&rig, "created_before=9999-01-01T00:00:00Z");
    assert_eq!((counts(&gone), &gone.body["unpacking"]), ((1, 0), &json!([job])));
    rig.memory.redeliver(message);
    assert!(rig.converge());
    assert_eq!(names(&rig, ""), ["winds.md"]);
    let last = delete(&rig, "prefix=winds");
    assert_eq!((counts(&last), &last.body["unpacking"]), ((1, 0), &json!([])));
    assert_empty(&rig);
}

/// Whichever is first: what was uploaded is there whole or not at all, and nothing is left of what is not.
#[test]
fn an_upload_at_every_call_of_a_delete_is_there_or_gone() {
    for call in 1.. {
        let rig = fresh();
        rig.upload(&various());
        rig.drain();
        let path = "/api/documents?prefix=notes/";
        let Some(held) = rig.hold_request("DELETE", path, &Value::Null, call) else {
            assert!(call > 3, "{call}");
            return;
        };
        write(&rig, "notes/tides.md", "about springs");
        ready(held);
        assert!(rig.converge());
        let is_listed = names(&rig, "").contains(&"notes/tides.md".to_owned());
        assert_eq!(is_found(&rig, "springs", "notes/tides.md"), is_listed, "call {call}");
        assert!(!is_found(&rig, "winds", "notes/winds.md"));
        delete(&rig, "created_before=9999-01-01T00:00:00Z");
        assert_empty(&rig);
    }
}

#[test]
fn a_receipt_counts_an_object_once_however_many_messages_empty_it() {
    let rig = fresh();
    let documents: Vec<Value> =
        (0..120).map(|n| json!({"external_id": format!("n/{n}"), "content": format!("about number {n}")})).collect();
    rig.upload(&json!(documents));
    rig.drain();
    let objects = rig.memory.object_keys().len();
    let headers = [("prefer", "wait=1")];
    let gone = rig.request_with_headers("DELETE", "/api/documents?prefix=n/", &headers, b"");
    assert_eq!((gone.status, &gone.body["job"]["items"]["queued"]), (202, &json!(120)), "{}", gone.body);
    assert!(rig.converge());
    let job = rig.job(gone.body["job_id"].as_str().unwrap());
    assert_eq!((&job["receipt"]["objects"], &job["receipt"]["chunks"]), (&json!(objects), &json!(120)), "{job}");
    assert_empty(&rig);
}

/// Rows that finding a document by its name, and deleting it, read beside so many others of its owner.
fn rows_read_beside(documents: usize) -> (u64, u64) {
    let rig = fresh();
    write(&rig, "tides.md", "about tides");
    rig.drain();
    fill(&rig, documents);
    assert_eq!(names(&rig, "external_id=tides.md").len(), 1);
    let listing = rig.memory.usage().d1_rows_read;
    assert_eq!(counts(&delete(&rig, "external_id=tides.md")), (1, 0));
    (listing, rig.memory.usage().d1_rows_read)
}

#[test]
fn a_document_is_found_and_deleted_by_its_name_without_a_look_at_the_others() {
    let counted = usize::try_from(COUNTED_DOCUMENTS).unwrap();
    assert_eq!(rows_read_beside(2 * counted), rows_read_beside(4 * counted));
}
