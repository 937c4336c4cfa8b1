//! What a client may believe of an answer: that all it uploaded can be found, and that what it is told is on its way
//! is.

use pipeline::{
    budget::{
        ledger::{self, Entry},
        purpose::Purpose,
    },
    constants,
    ids::UserId,
    model::EMBEDDING,
    platform::ports::{Clock as _, Embedder as _},
    store::usage::budget,
    time::{DAY, SECOND},
};
use serde_json::{Value, json};
use test_platform::{Fate, InMemory, ready};
use tests::rig::{Answer, Rig};

fn upload(rig: &Rig, content: &str) -> Answer {
    rig.request("POST", "/api/index", &json!({"external_id": "tides.md", "content": content}))
}

fn freshness(rig: &Rig, token: &Value, mode: &str) -> Value {
    let search = json!({"query": "tides", "after": token, "mode": mode});
    rig.request("POST", "/api/search", &search).body["freshness"].clone()
}

#[test]
fn a_search_is_complete_when_the_job_has_ended_and_by_meaning_when_vectorize_shows_it() {
    let rig = Rig::new(1);
    let token = upload(&rig, "about tides").body["consistency_token"].clone();
    assert_eq!(freshness(&rig, &token, "keyword"), "partial");
    rig.drain();
    assert_eq!(freshness(&rig, &token, "keyword"), "complete");
    for mode in ["hybrid", "vector"] {
        assert_eq!(freshness(&rig, &token, mode), "partial", "its vectors may not be seen so far");
    }
    rig.memory.advance(constants::VECTORS_VISIBLE_AFTER);
    for mode in ["hybrid", "vector", "keyword"] {
        assert_eq!(freshness(&rig, &token, mode), "complete");
    }
}

#[test]
fn a_ranking_that_lacks_vectors_so_far_is_not_kept() {
    let rig = Rig::new(1);
    rig.memory.set_visibility_lag(constants::VECTORS_VISIBLE_AFTER);
    upload(&rig, "about tides");
    rig.drain();
    let search = |mode: &str| {
        let found = rig.request("POST", "/api/search", &json!({"query": "tides", "mode": mode})).body;
        (found["hits"][0]["found_by"].clone(), found["cached"].clone())
    };
    for _ in 0..2 {
        assert_eq!(search("hybrid"), (json!(["keyword"]), json!(false)));
        assert_eq!(search("vector"), (Value::Null, json!(false)));
    }
    for cached in [false, true] {
        assert_eq!(search("keyword"), (json!(["keyword"]), json!(cached)), "words are found at once");
    }
    rig.memory.advance(constants::VECTORS_VISIBLE_AFTER);
    for cached in [false, true] {
        assert_eq!(search("hybrid"), (json!(["vector", "keyword"]), json!(cached)));
        assert_eq!(search("vector"), (json!(["vector"]), json!(cached)));
    }
}

#[test]
fn an_answer_that_was_made_while_vectors_were_not_shown_is_not_given_again() {
    let rig = Rig::new(1);
    rig.memory.set_visibility_lag(constants::VECTORS_VISIBLE_AFTER);
    upload(&rig, "about tides");
    rig.drain();
    let asked = |rig: &Rig| {
        let status = rig.ask(&json!({"message": "What about the tides?"})).status;
        rig.drain();
        status
    };
    assert_eq!((asked(&rig), asked(&rig)), (202, 202), "the second would be answered from the first");
    rig.memory.advance(constants::VECTORS_VISIBLE_AFTER);
    assert_eq!((asked(&rig), asked(&rig)), (202, 200));
}

#[test]
fn a_job_that_ends_while_a_search_is_at_work_does_not_make_it_complete() {
    let rig = Rig::new(1);
    // Whoever has nothing so far is not looked for.
    rig.upload(&json!([{"external_id": "winds.md", "content": "about winds"}]));
    rig.drain();
    let token = upload(&rig, "about tides").body["consistency_token"].clone();
    rig.memory.change("UPDATE job_items SET state = 'done'");
    // The job ends when the search has looked, before it has answered.
    let meanwhile = rig.memory.worker("meanwhile");
    rig.memory.note_statements();
    let mut has_ended = false;
    rig.memory.set_fates(move || {
        let has_looked =
            meanwhile.noted_statements().iter().any(|statement| statement.contains("chunks_fts_@user MATCH"));
        if has_looked && !has_ended {
            meanwhile.change("UPDATE jobs SET finished_at = 1");
            has_ended = true;
        }
        Fate::Works
    });
    assert_eq!(freshness(&rig, &token, "keyword"), "partial");
    assert_eq!(rig.memory.look("SELECT DISTINCT finished_at FROM jobs"), [json!({ "finished_at": 1 })]);
    assert_eq!(freshness(&rig, &token, "keyword"), "complete", "the next search begins after it");
}

#[test]
fn what_failed_or_was_cancelled_is_never_complete() {
    let rig = Rig::new(1);
    let token = upload(&rig, "about tides").body["consistency_token"].clone();
    rig.drain();
    rig.memory.advance(DAY);
    for state in ["failed", "cancelled"] {
        let sql = match state {
            "failed" => "UPDATE job_items SET state = 'failed' WHERE id = 2",
            _ => "UPDATE job_items SET state = 'cancelled' WHERE id = 2",
        };
        rig.memory.change(sql);
        assert_eq!(freshness(&rig, &token, "keyword"), "partial", "{state}");
    }
    rig.memory.change("UPDATE job_items SET state = 'done'");
    assert_eq!(freshness(&rig, &token, "keyword"), "complete");
    rig.memory.change(r#"UPDATE job_items SET failures = '[{"document_id":"doc_x"}]' WHERE id = 1"#);
    assert_eq!(freshness(&rig, &token, "keyword"), "partial", "a document failed alone");
}

#[test]
fn what_is_on_its_way_already_names_the_job_that_brings_it() {
    let rig = Rig::new(1);
    let first = upload(&rig, "about tides").body["job_id"].clone();
    let again = upload(&rig, "about tides");
    assert_eq!((again.status, &again.body["job_id"]), (200, &Value::Null));
    assert_eq!(again.body["status"], "in_progress");
    let item = again.body["items"][0].clone();
    assert_eq!((&item["status"], &item["job_id"]), (&json!("in_progress"), &first));
    // Its other uploader takes it back: who was told of the job sees it there, and uploads again.
    rig.request("POST", &format!("/api/jobs/{}/cancel", first.as_str().unwrap()), &Value::Null);
    assert_eq!(rig.job(first.as_str().unwrap())["status"], "cancelled");
    assert_eq!(upload(&rig, "about tides").body["items"][0]["status"], "queued");
    assert!(rig.converge());
    let published = upload(&rig, "about tides").body["items"][0].clone();
    assert_eq!((&published["status"], published.get("job_id")), (&json!("duplicate"), None));
}

/// Sets neurons aside for an invocation; false if the day has no more.
fn set_aside(worker: &InMemory, user: &UserId, neurons: f64) -> bool {
    ready(ledger::reserve(worker, Purpose::Interactive, user, neurons)).is_ok()
}

#[test]
fn neurons_set_aside_before_midnight_count_to_the_new_day_before_and_after_they_are_recorded() {
    let rig = Rig::new(1);
    rig.memory.set_limits(r#"{"neurons": 10}"#);
    let user = rig.user();
    rig.memory.advance(rig.memory.now().next_day().since(rig.memory.now()) - SECOND);
    let late = rig.memory.worker("late");
    assert!(set_aside(&late, &user, 7.0));
    rig.memory.advance(2 * SECOND);
    assert!(!set_aside(&rig.memory.worker("early"), &user, 4.0), "seven of the day's ten may be spent any moment");
    assert!(set_aside(&rig.memory.worker("modest"), &user, 3.0));
    let pieces = 1_000_000;
    ready(late.embed(&EMBEDDING, &["tides".to_owned()], pieces)).unwrap();
    let entry = Entry { user: Some(&user), key: None, source: "chat", purpose: Purpose::Interactive };
    ready(ledger::record(&late, entry)).unwrap();
    let day = ready(budget::day(rig.memory.now()).first(&rig.memory)).unwrap().unwrap();
    assert!((day.neurons - EMBEDDING.neurons(pieces) - 3.0).abs() < 1e-6, "{day:?}");
}
