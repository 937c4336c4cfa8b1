//! Documents hold what was accepted last, however late an upload that was streamed is unpacked.
#![expect(clippy::unwrap_used, reason = "tests")]

use pipeline::{
    constants::{LEASE, MAX_WRITER_LIFE, READ_AT_ONCE_BYTES},
    job::message::Message,
    time::{DAY, MILLISECOND, MINUTE},
};
use producers::schedule::Schedule;
use serde_json::{Value, json};
use test_platform::ready;
use tests::rig::Rig;

use crate::streamed::{LINES, items, upload};

/// The document that all of this is about.
const NAME: &str = "tides.md";

/// An upload that is streamed, when nothing else is left to do: these documents, and so much of nothing that they are
/// too large to be read at once. Its message is in nobody's queue.
pub(crate) fn stream(rig: &Rig, documents: &[(&str, &str)]) -> (String, Message) {
    let nothing = "\n".repeat(READ_AT_ONCE_BYTES / documents.len());
    let line = |(name, content): &(&str, &str)| json!({"external_id": name, "content": content}).to_string();
    let text: Vec<String> = documents.iter().map(line).collect();
    rig.drain();
    let job = upload(rig, LINES, format!("{}{nothing}\n", text.join(&nothing)).as_bytes());
    (job, rig.memory.receive().unwrap())
}

fn post(rig: &Rig, name: &str, content: &str) -> Value {
    let answer = rig.request("POST", "/api/index", &json!({"external_id": name, "content": content}));
    assert!(matches!(answer.status, 200 | 202), "{}", answer.body);
    answer.body
}

fn listed(rig: &Rig, name: &str) -> Value {
    rig.request("GET", &format!("/api/documents?external_id={name}"), &Value::Null).body["items"][0].clone()
}

fn delete(rig: &Rig, name: &str) {
    let path = format!("/api/documents/{}", listed(rig, name)["id"].as_str().unwrap());
    assert_eq!(rig.request("DELETE", &path, &Value::Null).status, 202);
}

/// What searches see of a document; nothing of one that is not there.
fn content(rig: &Rig, name: &str) -> Option<String> {
    let id = listed(rig, name)["id"].as_str()?.to_owned();
    let whole = rig.request("GET", &format!("/api/documents/{id}?text=true"), &Value::Null).body;
    whole["revision"].as_i64()?;
    Some(whole["chunks"].as_array()?.iter().map(|chunk| chunk["text"].as_str().unwrap_or_default()).collect())
}

/// Lets everything end, and what nobody needs go.
fn rest(rig: &Rig) {
    for _ in 0..2 {
        assert!(rig.converge());
        rig.memory.advance(2 * MAX_WRITER_LIFE);
    }
    let packs = rig.memory.look("SELECT id FROM job_items WHERE batch IS NOT NULL AND documents <> '[]'").len();
    let stored: Vec<String> =
        rig.memory.object_keys().into_iter().filter(|key| !key.starts_with("archives/usage/")).collect();
    assert_eq!(stored.len(), packs, "{stored:?}");
}

/// Unpacks what the message is about, and lets everything end.
fn unpack(rig: &Rig, message: Message) {
    rig.memory.redeliver(message);
    rest(rig);
}

/// What became of the documents of an upload, in its order.
fn statuses(rig: &Rig, job: &str) -> Vec<String> {
    items(rig, job, "").iter().map(|item| item["status"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_was_uploaded_since_is_not_overwritten() {
    let rig = Rig::new(1);
    let (job, message) = stream(&rig, &[("first.md", "about the first"), (NAME, "the older"), ("last.md", "the last")]);
    post(&rig, NAME, "the newer");
    rig.drain();
    unpack(&rig, message);
    assert_eq!(content(&rig, NAME).as_deref(), Some("the newer"));
    assert_eq!(statuses(&rig, &job), ["done", "superseded", "done"]);
    let view = rig.job(&job);
    assert_eq!((&view["status"], &view["items"]["done"]), (&json!("succeeded"), &json!(2)), "{view}");
    assert_eq!((&view["upload"]["queued"], &view["upload"]["superseded"]), (&json!(2), &json!(1)), "{view}");
    let superseded = items(&rig, &job, "&status=superseded");
    assert_eq!((superseded.len(), &superseded[0]["external_id"]), (1, &json!(NAME)));
    assert_eq!(listed(&rig, NAME)["revision"], 1, "no revision was taken");
}

#[test]
fn what_was_deleted_since_does_not_come_back() {
    let rig = Rig::new(1);
    post(&rig, NAME, "the first");
    let (job, message) = stream(&rig, &[("first.md", "about the first"), (NAME, "the older")]);
    delete(&rig, NAME);
    unpack(&rig, message);
    assert_eq!((content(&rig, NAME), content(&rig, "first.md").is_some()), (None, true));
    assert_eq!(statuses(&rig, &job), ["done", "superseded"]);
    post(&rig, NAME, "the older");
    rest(&rig);
    assert_eq!(content(&rig, NAME).as_deref(), Some("the older"));
}

#[test]
fn what_was_deleted_and_uploaded_again_since_stays() {
    let rig = Rig::new(1);
    post(&rig, NAME, "the first");
    let (_, message) = stream(&rig, &[(NAME, "the older")]);
    delete(&rig, NAME);
    post(&rig, NAME, "the newer");
    unpack(&rig, message);
    assert_eq!(content(&rig, NAME).as_deref(), Some("the newer"));
}

#[test]
fn what_was_deleted_before_an_upload_comes_back_with_it() {
    let rig = Rig::new(1);
    post(&rig, NAME, "the first");
    rig.drain();
    delete(&rig, NAME);
    let (job, message) = stream(&rig, &[(NAME, "the newer")]);
    unpack(&rig, message);
    assert_eq!(content(&rig, NAME).as_deref(), Some("the newer"));
    assert_eq!(statuses(&rig, &job), ["done"]);
}

#[test]
fn of_two_streamed_uploads_the_later_one_wins_whichever_is_unpacked_first() {
    for newer_first in [true, false] {
        let rig = Rig::new(1);
        let (older, older_message) = stream(&rig, &[(NAME, "the older"), ("older.md", "of the older")]);
        let (newer, newer_message) = stream(&rig, &[("newer.md", "of the newer"), (NAME, "the newer")]);
        let messages = if newer_first { [newer_message, older_message] } else { [older_message, newer_message] };
        for message in messages {
            unpack(&rig, message);
        }
        assert_eq!(content(&rig, NAME).as_deref(), Some("the newer"));
        assert!(content(&rig, "older.md").is_some() && content(&rig, "newer.md").is_some());
        let of_older = if newer_first { "superseded" } else { "done" };
        assert_eq!((statuses(&rig, &older)[0].as_str(), statuses(&rig, &newer)[1].as_str()), (of_older, "done"));
    }
}

#[test]
fn what_was_uploaded_once_more_since_stays() {
    what_is_uploaded_once_more_stays(&|| Rig::new(1));
}

/// Its owner said last that it holds this, and nothing had to be written for it.
pub(crate) fn what_is_uploaded_once_more_stays(rig: &dyn Fn() -> Rig) {
    for by_stream in [false, true] {
        let rig = rig();
        let (older, message) = held_back(&rig);
        if by_stream {
            let (newer, message) = stream(&rig, &[(NAME, "the first")]);
            rig.process(&message);
            assert_eq!(statuses(&rig, &newer), ["duplicate"]);
        } else {
            assert_eq!(post(&rig, NAME, "the first")["items"][0]["status"], "duplicate");
        }
        unpack(&rig, message);
        assert_eq!(content(&rig, NAME).as_deref(), Some("the first"), "by a stream: {by_stream}");
        assert_eq!(statuses(&rig, &older), ["superseded"]);
    }
}

/// A document, and a streamed upload with another content for it that is not unpacked.
fn held_back(rig: &Rig) -> (String, Message) {
    post(rig, NAME, "the first");
    stream(rig, &[(NAME, "in between")])
}

#[test]
fn what_is_uploaded_once_more_is_so_once() {
    who_lost_a_claim_uploads_nothing_once_more(&|| Rig::new(1));
}

/// A worker that stands still past its lease, at any of its calls, goes on while the next one stands at any of its.
pub(crate) fn who_lost_a_claim_uploads_nothing_once_more(rig: &dyn Fn() -> Rig) {
    let is_once = |late: u64, next: u64| {
        let rig = rig();
        let (_, older) = held_back(&rig);
        let (job, message) = stream(&rig, &[(NAME, "the first")]);
        let late = rig.hold(&message, late)?;
        rig.memory.advance(LEASE + MILLISECOND);
        let holder = rig.hold(&message, next)?;
        ready(late);
        ready(holder);
        unpack(&rig, older);
        assert_eq!(statuses(&rig, &job), ["duplicate"], "call {next}");
        Some(())
    };
    let met: usize = (2..=5).map(|late| (1..).map_while(|next| is_once(late, next)).count()).sum();
    assert!(met > 8, "{met}");
}

#[test]
fn an_estimate_decides_nothing() {
    let rig = Rig::new(1);
    post(&rig, NAME, "the first");
    let (job, message) = stream(&rig, &[(NAME, "the newer")]);
    let document = json!({"external_id": NAME, "content": "the first"});
    assert_eq!(rig.request("POST", "/api/index?dry_run=true", &document).body["items"][0]["status"], "duplicate");
    unpack(&rig, message);
    assert_eq!((content(&rig, NAME).as_deref(), statuses(&rig, &job)), (Some("the newer"), vec!["done".to_owned()]));
}

#[test]
fn what_holds_the_same_as_the_newest_is_a_duplicate() {
    let rig = Rig::new(1);
    let (job, message) = stream(&rig, &[(NAME, "the same"), ("other.md", "of the other")]);
    let newer = post(&rig, NAME, "the same");
    rig.process(&message);
    let first = items(&rig, &job, "")[0].clone();
    assert_eq!((&first["status"], &first["job_id"]), (&json!("in_progress"), &newer["job_id"]));
    rest(&rig);
    assert_eq!(content(&rig, NAME).as_deref(), Some("the same"));
}

#[test]
fn who_cancels_the_newer_one_does_not_get_the_older_one() {
    let rig = Rig::new(1);
    let (job, message) = stream(&rig, &[(NAME, "the older")]);
    let newer = post(&rig, NAME, "the newer");
    let path = format!("/api/jobs/{}/cancel", newer["job_id"].as_str().unwrap());
    assert_eq!(rig.request("POST", &path, &Value::Null).body["status"], "cancelled");
    unpack(&rig, message);
    assert_eq!((content(&rig, NAME), statuses(&rig, &job)), (None, vec!["superseded".to_owned()]));
}

#[test]
fn what_a_cancelled_upload_did_not_reach_is_left_to_the_older_one() {
    let rig = Rig::new(1);
    let (_, message) = stream(&rig, &[(NAME, "the older")]);
    let (newer, _) = stream(&rig, &[(NAME, "the newer")]);
    assert_eq!(rig.request("POST", &format!("/api/jobs/{newer}/cancel"), &Value::Null).body["status"], "cancelled");
    unpack(&rig, message);
    assert_eq!(content(&rig, NAME).as_deref(), Some("the older"));
}

#[test]
fn what_was_given_up_and_is_tried_again_is_as_old_as_it_was() {
    let rig = Rig::new(1);
    let (job, message) = stream(&rig, &[(NAME, "the older")]);
    rig.use_up_attempts(&message);
    rig.memory.advance(2 * MINUTE);
    rig.run_cron(Schedule::Frequent).1.unwrap();
    assert_eq!(rig.job(&job)["status"], "failed");
    post(&rig, NAME, "the newer");
    rig.drain();
    assert_eq!(rig.request("POST", &format!("/api/jobs/{job}/retry"), &Value::Null).status, 202);
    rest(&rig);
    assert_eq!((content(&rig, NAME).as_deref(), statuses(&rig, &job)), (Some("the newer"), vec!["superseded".into()]));
}

/// What an owner's retention removes is what is old: nothing that they have sent since.
#[test]
fn retention_decides_nothing() {
    let rig = Rig::new(1);
    post(&rig, NAME, "the first");
    rig.drain();
    let me = json!({"retention": {"document_days": 1}});
    assert_eq!(rig.request("PATCH", "/api/me", &me).status, 200);
    rig.memory.advance(3 * DAY);
    let (_, message) = stream(&rig, &[(NAME, "the newer")]);
    rig.run_cron(Schedule::Daily).1.unwrap();
    assert_eq!(content(&rig, NAME), None);
    unpack(&rig, message);
    assert_eq!(content(&rig, NAME).as_deref(), Some("the newer"));
}

#[test]
fn a_delete_is_remembered_as_long_as_an_upload_waits() {
    a_tombstone_outlives_uploads(&|| Rig::new(1));
}

/// An upload waits as long as there is no space for it.
pub(crate) fn a_tombstone_outlives_uploads(rig: &dyn Fn() -> Rig) {
    const TOMBSTONES: &str = "SELECT id FROM documents WHERE deleted_at IS NOT NULL";
    let rig = rig();
    post(&rig, NAME, "the first");
    let (job, message) = stream(&rig, &[(NAME, "the older")]);
    delete(&rig, NAME);
    rig.memory.change("UPDATE job_items SET next_at = 9000000000000 WHERE stage = 'unpack'");
    // Both visits of its purge.
    for _ in 0..2 {
        rig.drain();
        rig.memory.advance(2 * MAX_WRITER_LIFE);
        rig.run_cron(Schedule::Frequent).1.unwrap();
    }
    assert!(rig.memory.look("SELECT * FROM garbage").is_empty());
    let days_pass = || {
        rig.memory.advance(50 * DAY);
        rig.run_cron(Schedule::Daily).1.unwrap();
        rig.drain();
    };
    days_pass();
    assert_eq!(rig.memory.look(TOMBSTONES).len(), 1);
    rig.memory.change("UPDATE job_items SET next_at = 0 WHERE stage = 'unpack'");
    unpack(&rig, message);
    assert_eq!((content(&rig, NAME), statuses(&rig, &job)), (None, vec!["superseded".to_owned()]));
    days_pass();
    assert!(rig.memory.look(TOMBSTONES).is_empty());
}

/// Rows of earlier versions do not say when they were decided: packs of documents and times of deletes do.
#[test]
fn what_an_earlier_version_wrote_since_is_newer_too() {
    let rig = Rig::new(1);
    for name in ["gone.md", "old.md", "kept.md"] {
        post(&rig, name, "before");
    }
    rig.drain();
    delete(&rig, "old.md");
    rig.memory.advance(MINUTE);
    let documents = [(NAME, "the older"), ("gone.md", "the older"), ("old.md", "the newer"), ("kept.md", "the newer")];
    let (job, message) = stream(&rig, &documents);
    rig.memory.advance(MINUTE);
    post(&rig, NAME, "the newer");
    delete(&rig, "gone.md");
    rig.drain();
    rig.memory.change("UPDATE documents SET decided = NULL");
    unpack(&rig, message);
    assert_eq!(statuses(&rig, &job), ["superseded", "superseded", "done", "done"]);
    assert_eq!((content(&rig, NAME).as_deref(), content(&rig, "gone.md")), (Some("the newer"), None));
}

/// After a deploy, or back to a version before: it writes the row and leaves when it was decided as it was.
#[test]
fn what_an_earlier_version_wrote_over_a_decision_is_newer_too() {
    let rig = Rig::new(1);
    post(&rig, NAME, "before");
    let (job, message) = stream(&rig, &[(NAME, "the older")]);
    post(&rig, NAME, "the newer");
    rig.memory.change("UPDATE documents SET decided = 1");
    unpack(&rig, message);
    assert_eq!((content(&rig, NAME).as_deref(), statuses(&rig, &job)), (Some("the newer"), vec!["superseded".into()]));
}

#[test]
fn what_is_decided_between_a_look_and_its_commit_holds() {
    what_is_decided_meanwhile_holds(&|| Rig::new(1));
}

/// Decides what a document holds, and says what.
type Decides = fn(&Rig) -> Option<&'static str>;

const DECISIONS: [Decides; 3] = [
    |rig| {
        post(rig, NAME, "the newer");
        Some("the newer")
    },
    |rig| {
        delete(rig, NAME);
        None
    },
    |rig| {
        let (_, message) = stream(rig, &[(NAME, "the newer")]);
        rig.process(&message);
        Some("the newer")
    },
];

/// What somebody does while an upload is unpacked, at any call of that, holds; and everything is counted once.
pub(crate) fn what_is_decided_meanwhile_holds(rig: &dyn Fn() -> Rig) {
    for decide in DECISIONS {
        for comes_twice in [false, true] {
            let calls = (1..1_000).take_while(|call| decided_at(&rig(), *call, decide, comes_twice)).count();
            assert!((6..999).contains(&calls), "{calls} calls");
        }
    }
}

/// Decides while a worker stands at this call; false if it has fewer.
fn decided_at(rig: &Rig, call: u64, decide: Decides, comes_twice: bool) -> bool {
    post(rig, NAME, "the first");
    let (job, message) = stream(rig, &[(NAME, "the older"), ("last.md", "of the last")]);
    let Some(worker) = rig.hold(&message, call) else { return false };
    let expected = decide(rig);
    if comes_twice {
        rig.memory.advance(LEASE + MILLISECOND);
        rig.memory.redeliver(message);
        rig.drain();
    }
    ready(worker);
    rest(rig);
    assert_eq!(content(rig, NAME).as_deref(), expected, "call {call}");
    let view = rig.job(&job);
    let sum = view["upload"]["queued"].as_u64().unwrap() + view["upload"]["superseded"].as_u64().unwrap();
    assert_eq!((sum, &view["status"], statuses(rig, &job).len()), (2, &json!("succeeded"), 2), "call {call}: {view}");
    true
}
