//! Scenes that miss a rule where no history of the simulation does: what chance hardly meets, played on purpose.
//!
//! A scene goes to pieces where a rule that it is about is missing.

use std::panic::{self, AssertUnwindSafe};

use pipeline::{
    budget::{ledger, purpose::Purpose},
    constants::{GUEST_QUESTIONS_PER_DAY, GUEST_QUESTIONS_PER_MINUTE, LEASE, MAX_WRITER_LIFE, READ_AT_ONCE_BYTES},
    ids::ConversationId,
    job::{item::Claim, message::Message, outcome::Outcome, protocol},
    platform::ports::{Clock as _, ObjectStore as _, PutIf},
    store::{archives, users},
    time::{DAY, HOUR, MILLISECOND, MINUTE},
};
use producers::schedule::Schedule;
use serde_json::{Value, json};
use test_platform::ready;
use tests::{
    quietly,
    rig::{Rig, prose},
};

use crate::{
    cancels, capture, deletes, late, order, retention,
    streamed::{LINES, items, upload},
    superseded,
};

/// The seed of the products in which scenes are played.
pub(super) const SEED: u64 = 7;

/// A scene.
#[derive(Debug)]
pub(super) struct Scene {
    /// As `rules.txt` names it.
    pub(super) name: &'static str,
    /// Plays it, in as many products as it takes.
    play: fn(&dyn Fn() -> Rig),
}

impl Scene {
    /// Plays it in products that are made like this; false if it goes to pieces.
    pub(super) fn is_whole(&self, rig: &dyn Fn() -> Rig) -> bool {
        quietly(|| panic::catch_unwind(AssertUnwindSafe(|| (self.play)(rig))).is_ok())
    }
}

/// All scenes.
pub(super) const SCENES: [Scene; 37] = [
    Scene { name: "late", play: who_lost_a_claim_ends_nothing },
    Scene { name: "batch", play: a_batch_waits_for_all_its_packs },
    Scene { name: "receipt", play: a_receipt_counts_once },
    Scene { name: "return", play: a_document_comes_back_alone },
    Scene { name: "unpack", play: an_upload_is_unpacked_once },
    Scene { name: "cancelled-upload", play: nothing_is_left_of_a_cancelled_upload },
    Scene { name: "failed-upload", play: an_upload_that_was_given_up_can_be_tried_again },
    Scene { name: "again", play: what_failed_can_be_uploaded_again },
    Scene { name: "ended", play: what_has_ended_is_left_as_it_is },
    Scene { name: "archive", play: a_conversation_is_put_away_when_its_last_question_has_ended },
    Scene { name: "unwritten-archive", play: an_archive_whose_writer_died_is_removed },
    Scene { name: "guests", play: guests_ask_within_their_share },
    Scene { name: "share", play: a_user_spends_their_share },
    Scene { name: "answered-again", play: superseded::what_was_taken_over_is_answered_so },
    Scene { name: "meanwhile", play: order::what_is_decided_meanwhile_holds },
    Scene { name: "once-more", play: what_is_uploaded_once_more },
    Scene { name: "tombstone", play: order::a_tombstone_outlives_uploads },
    Scene { name: "cancelled", play: cancels::a_cancelled_job_is_not_tried_again },
    Scene { name: "cancelled-pack", play: cancels::a_failed_pack_of_a_cancelled_job_leaves_its_batch_alone },
    Scene { name: "half-failed", play: cancels::a_cancel_takes_what_had_failed_with_it },
    Scene { name: "late-cancel", play: cancels::a_job_that_ends_under_a_cancel_keeps_what_failed },
    Scene { name: "superseded", play: superseded::what_was_taken_over_is_told },
    Scene { name: "published", play: superseded::what_is_published_is_not_sent_again },
    Scene { name: "yielded", play: superseded::what_yielded_is_told },
    Scene { name: "outdated", play: retention::what_was_uploaded_today_is_not_old },
    Scene { name: "retention", play: retention::what_is_uploaded_while_retention_looks_stays },
    Scene { name: "delete", play: deletes::what_is_uploaded_since_a_delete_began_stays },
    Scene { name: "noted", play: late::a_range_is_noted_once },
    Scene { name: "chunked", play: late::a_pack_is_chunked_once },
    Scene { name: "archived", play: late::a_conversation_is_archived_once },
    Scene { name: "at-work", play: late::what_is_at_work_has_no_dead_letter },
    Scene { name: "failed-batch", play: late::what_has_failed_is_not_published },
    Scene { name: "cancelled-question", play: late::a_cancelled_question_is_not_answered },
    Scene { name: "cancelled-stream", play: late::what_is_cancelled_yields_to_nothing },
    Scene { name: "late-vectors", play: late::late_vectors_go },
    Scene { name: "late-capture", play: capture::nothing_is_proposed_by_a_late_worker },
    Scene { name: "five", play: capture::a_session_proposes_five },
];

#[test]
fn every_scene_is_whole_while_no_rule_is_missing() {
    for scene in &SCENES {
        (scene.play)(&|| Rig::new(SEED));
    }
}

/// A worker whose lease ran out, and the one that has its message since.
fn taken_over(rig: &Rig, message: &Message) -> (Claim, Claim) {
    let claim = |name: &str| ready(protocol::claim(&rig.memory.worker(name), message)).unwrap().unwrap();
    let late = claim("late");
    rig.memory.advance(LEASE + MILLISECOND);
    (late, claim("holder"))
}

fn who_lost_a_claim_ends_nothing(rig: &dyn Fn() -> Rig) {
    let rig = rig();
    let job = rig.upload(&json!([{"external_id": "tides.md", "content": "about tides"}]));
    let message = rig.memory.receive().unwrap();
    let (late, holder) = taken_over(&rig, &message);
    let why = "too late".to_owned();
    assert!(!ready(protocol::renew(&rig.memory.worker("late"), &late)).unwrap());
    for outcome in [Outcome::Retry { after: HOUR, why: why.clone() }, Outcome::Dead { why }] {
        ready(protocol::release(&rig.memory.worker("late"), &late, &outcome)).unwrap();
        assert!(rig.memory.look("SELECT id FROM dead_letters").is_empty());
        let held = rig.memory.look("SELECT token, error FROM job_items WHERE state = 'running'");
        assert_eq!(held[0]["token"], holder.token.as_str());
        assert_ne!(held[0]["error"], "too late");
    }
    rig.memory.advance(LEASE + MILLISECOND);
    rig.memory.redeliver(message);
    rig.drain();
    assert_eq!(rig.job(&job)["status"], "succeeded");
}

fn a_batch_waits_for_all_its_packs(rig: &dyn Fn() -> Rig) {
    let rig = rig();
    rig.upload(&json!([
        {"external_id": "tides.md", "content": prose("tides", 40)},
        {"external_id": "winds.md", "content": prose("winds", 40)},
    ]));
    let first = rig.memory.receive().unwrap();
    rig.process(&first);
    let batches = "SELECT state, last_pack > first_pack AS has_more FROM job_items WHERE first_pack IS NOT NULL";
    assert_eq!(rig.memory.look(batches), [json!({"state": "waiting", "has_more": 1})]);
}

fn a_receipt_counts_once(rig: &dyn Fn() -> Rig) {
    for call in 1.. {
        let rig = rig();
        rig.upload(&json!([{"external_id": "tides.md", "content": prose("tides", 8)}]));
        rig.drain();
        let vectors = rig.memory.vector_ids().len();
        rig.memory.advance(2 * MAX_WRITER_LIFE);
        let listed = rig.request("GET", "/api/documents", &Value::Null).body;
        let path = format!("/api/documents/{}", listed["items"][0]["id"].as_str().unwrap());
        let job = rig.request("DELETE", &path, &Value::Null).body["job_id"].as_str().unwrap().to_owned();
        let message = rig.memory.receive().unwrap();
        let Some(worker) = rig.hold(&message, call) else {
            assert!(call > 4, "{call}");
            return;
        };
        rig.memory.advance(LEASE + MILLISECOND);
        rig.memory.redeliver(message);
        rig.drain();
        ready(worker);
        rig.drain();
        let receipt = rig.job(&job)["receipt"].clone();
        assert_eq!((&receipt["vectors"], &receipt["chunks"]), (&json!(vectors), &json!(vectors)), "call {call}");
    }
}

fn a_document_comes_back_alone(rig: &dyn Fn() -> Rig) {
    let rig = rig();
    rig.upload(&json!([
        {"external_id": "tides.md", "content": prose("tides", 8)},
        {"external_id": "winds.md", "content": prose("winds", 8)},
    ]));
    rig.drain();
    rig.memory.advance(DAY);
    rig.memory.set_limits(r#"{"vectors_stored": 1}"#);
    assert_eq!(rig.run_cron(Schedule::Daily).0.evicted.documents, 2);
    rig.memory.set_limits("{}");
    rig.memory.advance(HOUR);
    assert_eq!(rig.search(&json!({"query": "tides", "mode": "keyword"}))[0], "tides.md");
    assert_eq!(rig.run_cron(Schedule::Hourly).0.evicted.restored, 1);
    let of_item = "SELECT chunk_count FROM job_items WHERE id = (SELECT first_item FROM jobs WHERE kind = 'restore')";
    let of_document = "SELECT chunk_count FROM documents WHERE external_id = 'tides.md'";
    assert_eq!(rig.memory.look(of_item), rig.memory.look(of_document));
}

/// Two documents, so far from each other that they are not read at once, and nothing between them.
fn far_apart() -> String {
    let line = |name: &str| json!({"external_id": name, "content": format!("about {name}")}).to_string();
    format!("{}\n{}\n{}{}\n", line("tides.md"), line("winds.md"), "\n".repeat(READ_AT_ONCE_BYTES), line("last.md"))
}

fn an_upload_is_unpacked_once(rig: &dyn Fn() -> Rig) {
    for call in 1.. {
        for goes_on in [true, false] {
            let rig = rig();
            let job = upload(&rig, LINES, far_apart().as_bytes());
            let message = rig.memory.receive().unwrap();
            let Some(worker) = rig.hold(&message, call) else {
                assert!(call > 5, "{call}");
                return;
            };
            rig.memory.advance(LEASE + MILLISECOND);
            rig.process(&message);
            if goes_on {
                ready(worker);
            }
            assert!(rig.converge());
            let view = rig.job(&job);
            assert_eq!((&view["status"], &view["upload"]["queued"]), (&json!("succeeded"), &json!(3)), "{view}");
            assert_eq!((items(&rig, &job, "&status=done").len(), &view["items"]["done"]), (3, &json!(3)), "{view}");
            assert_eq!(rig.memory.look("SELECT documents FROM jobs WHERE kind = 'index'"), [json!({"documents": 3})]);
            rig.memory.advance(2 * MAX_WRITER_LIFE);
            assert!(rig.converge());
            for name in ["tides.md", "winds.md", "last.md"] {
                assert_eq!(rig.search(&json!({"query": format!("about {name}"), "mode": "keyword"}))[0], name);
            }
            let packs = rig.memory.look("SELECT id FROM job_items WHERE batch IS NOT NULL").len();
            assert_eq!(rig.memory.object_keys().len(), packs, "call {call}");
        }
    }
}

fn nothing_is_left_of_a_cancelled_upload(rig: &dyn Fn() -> Rig) {
    for call in 1.. {
        let rig = rig();
        let job = upload(&rig, LINES, far_apart().as_bytes());
        let message = rig.memory.receive().unwrap();
        let Some(worker) = rig.hold(&message, call) else {
            assert!(call > 5, "{call}");
            return;
        };
        assert_eq!(rig.request("POST", &format!("/api/jobs/{job}/cancel"), &Value::Null).status, 200);
        rig.memory.advance(MINUTE);
        rig.run_cron(Schedule::Frequent).1.unwrap();
        ready(worker);
        rig.memory.advance(2 * MAX_WRITER_LIFE);
        assert!(rig.converge());
        assert!(rig.memory.object_keys().is_empty(), "call {call}: {:?}", rig.memory.object_keys());
    }
}

fn an_upload_that_was_given_up_can_be_tried_again(rig: &dyn Fn() -> Rig) {
    let rig = rig();
    let job = upload(&rig, LINES, far_apart().as_bytes());
    let message = rig.memory.receive().unwrap();
    rig.use_up_attempts(&message);
    rig.memory.advance(2 * MINUTE);
    rig.run_cron(Schedule::Frequent).1.unwrap();
    assert_eq!(rig.job(&job)["status"], "failed");
    rig.memory.advance(2 * MAX_WRITER_LIFE);
    rig.run_cron(Schedule::Frequent).1.unwrap();
    assert_eq!(rig.request("POST", &format!("/api/jobs/{job}/retry"), &Value::Null).status, 202);
    assert!(rig.converge());
    assert_eq!(rig.job(&job)["status"], "succeeded");
}

/// What is known of a document whose batch has failed: nothing, or nobody would ever bring it.
fn what_failed_can_be_uploaded_again(rig: &dyn Fn() -> Rig) {
    let rig = rig();
    let other = json!({"external_id": "other.md", "content": "about something else"});
    rig.upload(&json!([{"external_id": "tides.md", "content": "about tides.md"}, other]));
    let chunk = rig.memory.receive().unwrap();
    rig.process(&chunk);
    let embed = rig.memory.receive().unwrap();
    rig.use_up_attempts(&embed);
    rig.memory.advance(2 * MINUTE);
    rig.run_cron(Schedule::Frequent).1.unwrap();
    assert_eq!(rig.request("POST", "/api/index", &other).body["items"][0]["status"], "queued");
    rig.drain();
    let job = upload(&rig, LINES, far_apart().as_bytes());
    let unpack = rig.memory.receive().unwrap();
    rig.process(&unpack);
    assert_eq!(items(&rig, &job, "&status=queued").len(), 2, "{:?}", items(&rig, &job, ""));
}

fn what_has_ended_is_left_as_it_is(rig: &dyn Fn() -> Rig) {
    let rig = rig();
    let indexed = rig.upload(&json!([{"external_id": "tides.md", "content": "about tides"}]));
    rig.drain();
    assert_eq!(rig.request("POST", &format!("/api/jobs/{indexed}/retry"), &Value::Null).status, 409);
    assert!(rig.memory.look("SELECT id FROM jobs WHERE finished_at IS NULL").is_empty());
    let cancelled = rig.upload(&json!([{"external_id": "winds.md", "content": "about winds"}]));
    let chunk = rig.memory.receive().unwrap();
    rig.process(&chunk);
    assert_eq!(rig.request("POST", &format!("/api/jobs/{cancelled}/cancel"), &Value::Null).status, 200);
    let states = rig.memory.look("SELECT state FROM job_items WHERE stage IN ('chunk', 'embed') ORDER BY id");
    assert_eq!(states, [json!({"state": "done"}), json!({"state": "done"}), json!({"state": "cancelled"})]);
}

fn a_conversation_is_put_away_when_its_last_question_has_ended(rig: &dyn Fn() -> Rig) {
    let rig = rig();
    rig.chat(&json!({"message": "When is high tide?"}));
    rig.memory.set_limits(r#"{"archive_after_days": 1}"#);
    rig.memory.advance(2 * DAY);
    assert_eq!(rig.run_cron(Schedule::Daily).0.archived, 1);
}

fn guests_ask_within_their_share(rig: &dyn Fn() -> Rig) {
    let rig = rig();
    let user = rig.user();
    let takes = || {
        rig.memory.begin("a guest asks");
        ready(users::take_guest_question(&user, rig.memory.now()).run(&rig.memory)).unwrap() > 0
    };
    let mut asked = 0;
    while takes() {
        asked += 1;
        assert!(asked <= GUEST_QUESTIONS_PER_MINUTE, "in a minute");
    }
    for _ in 0..=GUEST_QUESTIONS_PER_DAY {
        rig.memory.advance(MINUTE);
        asked += i64::from(takes());
    }
    assert_eq!(asked, GUEST_QUESTIONS_PER_DAY);
}

fn a_user_spends_their_share(rig: &dyn Fn() -> Rig) {
    let rig = rig();
    rig.new_user();
    rig.memory.set_limits(r#"{"neurons": 100}"#);
    let user = rig.user();
    let reserves = |name: &str, neurons| {
        rig.memory.begin(name);
        ready(ledger::reserve(&rig.memory, Purpose::Interactive, &user, neurons)).is_ok()
    };
    assert!(reserves("half", 50.0));
    assert!(!reserves("more", 1.0));
}

fn what_is_uploaded_once_more(rig: &dyn Fn() -> Rig) {
    order::what_is_uploaded_once_more_stays(rig);
    order::who_lost_a_claim_uploads_nothing_once_more(rig);
}

fn an_archive_whose_writer_died_is_removed(rig: &dyn Fn() -> Rig) {
    let rig = rig();
    let key = "u/usr_x/archives/conversations/2026-11-22/con_x-clm_x.json.gz";
    let conversation = ConversationId::parse("con_00000000000000000000000000").unwrap();
    let note = archives::note_conversation(key, &rig.user(), &conversation, rig.memory.now());
    ready(note.run(&rig.memory)).unwrap();
    ready(rig.memory.put(key, vec![1], PutIf::Always)).unwrap();
    rig.memory.advance(MAX_WRITER_LIFE + MILLISECOND);
    rig.run_cron(Schedule::Frequent).1.unwrap();
    assert!(rig.memory.object_keys().is_empty());
}
