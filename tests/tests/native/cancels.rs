//! What a cancel leaves: nothing that was not published, and nothing that could be tried again.
//!
//! Those that take a product are scenes as well (`mutations/scenes.rs`): without the rules they are about they fail.
#![expect(clippy::unwrap_used, reason = "tests")]

use pipeline::{
    constants::MAX_WRITER_LIFE,
    ids::JobId,
    job::message::{Message, Stage},
    platform::{ports::Clock as _, transaction::Transaction},
    store::{documents::superseded, jobs},
    time::MINUTE,
};
use producers::schedule::Schedule;
use serde_json::{Value, json};
use test_platform::ready;
use tests::rig::{Answer, Rig, prose};

/// A product like this one, as often as it is wanted.
pub(crate) type New<'a> = &'a dyn Fn() -> Rig;

pub(crate) fn fresh() -> Rig {
    Rig::new(7)
}

pub(crate) fn post(rig: &Rig, path: &str) -> Answer {
    rig.request("POST", path, &Value::Null)
}

pub(crate) fn cancel(rig: &Rig, job: &str) -> Value {
    let answer = post(rig, &format!("/api/jobs/{job}/cancel"));
    assert_eq!((answer.status, &answer.body["status"]), (200, &json!("cancelled")), "{}", answer.body);
    answer.body
}

pub(crate) fn write(rig: &Rig, name: &str, content: &str) -> String {
    rig.upload(&json!([{"external_id": name, "content": content}]))
}

pub(crate) fn is_found(rig: &Rig, word: &str, name: &str) -> bool {
    rig.search(&json!({"query": word, "mode": "keyword"})).iter().any(|found| found == name)
}

/// A job of two batches, the first of which has failed while the second is still at work. The documents of both are
/// found by keyword.
fn half_failed(rig: &Rig) -> String {
    let job = rig.upload(&json!([
        {"external_id": "tides.md", "content": prose("tides", 80)},
        {"external_id": "winds.md", "content": prose("winds", 80)},
    ]));
    let mut embeds: Vec<Message> = Vec::new();
    while let Some(message) = rig.memory.receive() {
        if message.stage == Stage::Embed {
            embeds.push(message);
        } else {
            rig.process(&message);
        }
    }
    assert_eq!(embeds.len(), 2);
    fail(rig, &embeds[0]);
    rig.memory.lose_messages();
    assert_eq!(rig.job(&job)["status"], "running");
    assert!(is_found(rig, "tides", "tides.md") && is_found(rig, "winds", "winds.md"));
    job
}

/// Lets a message's item fail for good.
pub(crate) fn fail(rig: &Rig, message: &Message) {
    rig.use_up_attempts(message);
    rig.memory.advance(2 * MINUTE);
    rig.run_cron(Schedule::Frequent).1.unwrap();
}

/// Nothing of any document is left, in any store.
fn assert_empty(rig: &Rig) {
    rig.memory.advance(2 * MAX_WRITER_LIFE);
    assert!(rig.converge());
    assert!(rig.memory.look("SELECT id FROM documents WHERE deleted_at IS NULL").is_empty());
    let state = rig.state();
    let left = (&state["chunks"], &state["garbage"], &state["vectors"], &state["objects"]);
    assert_eq!(left, (&json!([]), &json!([]), &json!([]), &json!(0)), "{state}");
}

pub(crate) fn a_cancel_takes_what_had_failed_with_it(new: New<'_>) {
    let rig = new();
    let job = half_failed(&rig);
    let view = cancel(&rig, &job);
    let counts =
        json!({"queued": 0, "running": 0, "done": 0, "failed": 0, "cancelled": 2, "superseded": 0, "rejected": 0});
    assert_eq!((&view["items"], &view["errors"]), (&counts, &json!([])), "{view}");
    assert!(!is_found(&rig, "tides", "tides.md") && !is_found(&rig, "winds", "winds.md"));
    assert_empty(&rig);
}

#[test]
fn what_had_failed_when_its_job_was_cancelled_is_gone() {
    a_cancel_takes_what_had_failed_with_it(&fresh);
}

/// A pack that failed, without which its batch went on: nothing of it is found, and its documents are gone as well.
#[test]
fn what_could_not_be_chunked_is_gone_with_its_cancelled_job() {
    let rig = fresh();
    let job = rig.upload(&json!([
        {"external_id": "tides.md", "content": prose("tides", 40)},
        {"external_id": "winds.md", "content": prose("winds", 40)},
        {"external_id": "waves.md", "content": prose("waves", 80)},
    ]));
    let first = rig.memory.receive().unwrap();
    fail(&rig, &first);
    while let Some(message) = rig.memory.receive() {
        rig.process(&message);
        if !rig.memory.look("SELECT id FROM documents WHERE current IS NOT NULL").is_empty() {
            break;
        }
    }
    let view = cancel(&rig, &job);
    assert_eq!((&view["items"]["failed"], &view["items"]["done"]), (&json!(0), &json!(1)), "{view}");
    rig.memory.lose_messages();
    assert!(rig.converge());
    let left = rig.memory.look("SELECT external_id, current FROM documents WHERE deleted_at IS NULL");
    assert_eq!(left.len(), 1, "what was published stays: {left:?}");
}

/// As a version left it whose cancel passed over what had failed.
fn cancelled_by_the_version_before(rig: &Rig) -> String {
    let job = half_failed(rig);
    rig.memory.change("UPDATE job_items SET state = 'cancelled', token = NULL WHERE state NOT IN ('done', 'failed')");
    rig.memory.change("UPDATE jobs SET cancelled_at = 1795309200000, finished_at = 1795309200000");
    job
}

pub(crate) fn a_cancelled_job_is_not_tried_again(new: New<'_>) {
    let by_version_before = || {
        let rig = new();
        let job = cancelled_by_the_version_before(&rig);
        (rig, job)
    };
    let by_this = || {
        let rig = new();
        let job = half_failed(&rig);
        cancel(&rig, &job);
        (rig, job)
    };
    for (rig, job) in [by_version_before(), by_this()] {
        let states = "SELECT id, state FROM job_items WHERE stage <> 'retire'";
        let before = rig.memory.look(states);
        let letter = rig.memory.look("SELECT id FROM dead_letters")[0]["id"].as_str().unwrap().to_owned();
        for path in [format!("/api/jobs/{job}/retry"), format!("/api/dead-letters/{letter}/replay")] {
            let refused = post(&rig, &path);
            assert_eq!(refused.status, 409, "{path}: {}", refused.body);
            assert!(refused.body["detail"].as_str().unwrap().contains("send it again"), "{}", refused.body);
            assert_eq!(rig.memory.look(states), before, "{path}");
        }
        assert!(rig.memory.look("SELECT id FROM jobs WHERE finished_at IS NULL AND kind = 'index'").is_empty());
        assert_eq!(rig.memory.look("SELECT replayed_at FROM dead_letters"), [json!({"replayed_at": null})]);
        assert_eq!(rig.job(&job)["status"], "cancelled");
    }
}

#[test]
fn neither_a_retry_nor_a_replay_revives_a_cancelled_job() {
    a_cancelled_job_is_not_tried_again(&fresh);
}

#[test]
fn a_pack_that_failed_before_its_job_was_cancelled_stays_failed() {
    a_failed_pack_of_a_cancelled_job_leaves_its_batch_alone(&fresh);
}

pub(crate) fn a_failed_pack_of_a_cancelled_job_leaves_its_batch_alone(new: New<'_>) {
    let rig = new();
    write(&rig, "tides.md", "about neaps");
    let chunk = rig.memory.receive().unwrap();
    fail(&rig, &chunk);
    rig.memory.lose_messages();
    rig.memory.change("UPDATE jobs SET cancelled_at = 1795309200000, finished_at = 1795309200000");
    let batch = "SELECT state FROM job_items WHERE batch IS NULL";
    let before = rig.memory.look(batch);
    let job = rig.memory.look("SELECT id FROM jobs")[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(post(&rig, &format!("/api/jobs/{job}/retry")).status, 409);
    assert_eq!(rig.memory.look(batch), before);
}

/// A version before let an owner try a cancelled job again: it is under way, and cancelled once more.
#[test]
fn a_job_that_was_revived_is_cancelled_whole() {
    let rig = fresh();
    let job = cancelled_by_the_version_before(&rig);
    rig.memory.change("UPDATE job_items SET state = 'queued', attempts = 0 WHERE state = 'failed'");
    rig.memory.change("UPDATE jobs SET finished_at = NULL");
    rig.memory.change("UPDATE documents SET latest_item = NULL, deleted_at = 1 WHERE external_id = 'winds.md'");
    cancel(&rig, &job);
    assert!(rig.memory.look("SELECT id FROM jobs WHERE finished_at IS NULL AND kind = 'index'").is_empty());
    assert!(rig.memory.look("SELECT id FROM documents WHERE deleted_at IS NULL").is_empty());
    assert_eq!(rig.memory.look("SELECT document_id FROM garbage").len(), 1);
}

/// What had failed in a job that has ended may be tried again, though somebody asked to cancel it when it had.
#[test]
fn a_cancel_changes_nothing_of_a_job_that_has_ended() {
    let rig = fresh();
    let job = write(&rig, "tides.md", "about neaps");
    let chunk = rig.memory.receive().unwrap();
    rig.process(&chunk);
    let embed = rig.memory.receive().unwrap();
    fail(&rig, &embed);
    let answer = post(&rig, &format!("/api/jobs/{job}/cancel"));
    assert_eq!((answer.status, &answer.body["status"]), (200, &json!("failed")));
    assert_eq!(post(&rig, &format!("/api/jobs/{job}/retry")).status, 202);
    assert!(rig.converge());
    assert_eq!(rig.job(&job)["status"], "succeeded");
}

/// The worker of a job's last item ends it between the look of a cancel and its transaction.
pub(crate) fn a_job_that_ends_under_a_cancel_keeps_what_failed(new: New<'_>) {
    let rig = new();
    let job = half_failed(&rig);
    rig.memory.change("UPDATE job_items SET state = 'failed' WHERE state = 'queued'");
    rig.memory.change("UPDATE jobs SET finished_at = 1795309200000");
    let user = rig.user();
    let id = JobId::parse(&job).unwrap();
    let mut late = Transaction::default();
    late.write(superseded::by_cancel(&user, &id));
    late.write(jobs::cancel::note_lost(&user, &id));
    for cancel in jobs::cancel::job(&user, &id, rig.memory.now()) {
        late.write(cancel);
    }
    rig.memory.begin("a late cancel");
    ready(late.commit(&rig.memory)).unwrap();
    assert_eq!(rig.job(&job)["status"], "failed");
    assert_eq!(rig.job(&job)["receipt"], Value::Null);
    assert!(rig.memory.look("SELECT * FROM garbage").is_empty());
    assert_eq!(post(&rig, &format!("/api/jobs/{job}/retry")).status, 202);
    assert!(rig.converge());
    assert_eq!(rig.job(&job)["status"], "succeeded");
}

#[test]
fn a_cancel_that_comes_too_late_changes_nothing() {
    a_job_that_ends_under_a_cancel_keeps_what_failed(&fresh);
}
