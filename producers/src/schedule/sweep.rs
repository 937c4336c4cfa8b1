//! Sweep: work that is stuck goes on, from D1 alone.
//!
//! Whatever went missing (a send that failed, a message that died of age, a worker that crashed),
//! the item's row still says what should happen:
//! 1. an upload whose packs were never all stored is removed, objects first;
//! 2. an item that is due and was not claimed, or whose claim ran out, gets a new message: the oldest
//!    first, one of each user before the second of any;
//! 3. an item out of attempts is given up, so that its job ends, if it still is when that is written;
//! 4. a purge that failed for good is tried again at night.
//!
//! Of 1 and 3 as many as one invocation has queries for; the next run goes on.
//!
//! A doubled message is harmless: the claim is a compare-and-set.

use pipeline::{
    constants,
    failure::Failure,
    ids::ItemId,
    job::{message::Message, protocol},
    platform::{
        object_keys,
        ports::{Clock, Database, Meter, ObjectStore, Queue},
        transaction::Transaction,
    },
    store::{
        idempotency,
        jobs::{
            items, retry,
            sweep::{self, StuckItem},
        },
    },
    time::{Span, Timestamp},
};
use serde::Serialize;

use super::queries;

/// What one run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Swept {
    /// Items whose message was sent again.
    pub resent: usize,
    /// Items given up.
    pub failed: usize,
    /// Uploads that never ended, removed.
    pub abandoned: usize,
}

/// Sweeps once. See the module for its steps.
///
/// # Errors
/// What the database, the object store or the queue fails with; the next run goes on.
pub async fn sweep<P: Database + ObjectStore + Queue + Meter + Clock>(ports: &P) -> Result<Swept, Failure> {
    let now = ports.now();
    let abandoned = remove_abandoned(ports, now).await?;
    let stuck = sweep::stuck_items(now).all(ports).await?;
    let (dead, alive): (Vec<StuckItem>, Vec<StuckItem>) =
        stuck.into_iter().partition(|item| item.attempts >= constants::ATTEMPTS);
    resend(ports, &alive, now).await?;
    let mut failed = 0;
    for item in dead.iter().take_while(|_| has_queries_left(ports)) {
        failed += usize::from(protocol::give_up(ports, item.id, &item.user_id).await?);
    }
    Ok(Swept { resent: alive.len(), failed, abandoned })
}

/// D1 queries that an abandoned upload or an item out of attempts takes.
const QUERIES_OF_ONE: u64 = 4;

/// True while one more can be removed or given up; those that are left come with the next run.
fn has_queries_left<P: Meter>(ports: &P) -> bool {
    queries::are_left_to_sweep(ports, QUERIES_OF_ONE)
}

/// Idempotent: the rows, which say what to remove, go last.
async fn remove_abandoned<P: Database + ObjectStore + Meter>(ports: &P, now: Timestamp) -> Result<usize, Failure> {
    let uploads = sweep::abandoned_uploads(now).all(ports).await?;
    let mut removed = 0;
    for upload in uploads.iter().take_while(|_| has_queries_left(ports)) {
        removed += 1;
        if sweep::refuse_upload(&upload.id, now).run(ports).await? == 0 {
            continue;
        }
        let keys: Vec<String> = (upload.first_item.0..=upload.last_item.0)
            .map(|item| object_keys::pack(&upload.user_id, ItemId(item)))
            .collect();
        for keys in keys.chunks(constants::OBJECTS_PER_DELETE) {
            ports.delete(keys).await?;
        }
        let mut forget = Transaction::default();
        forget.write(idempotency::release(&upload.user_id, &upload.id));
        forget.write(sweep::delete_items(upload));
        forget.write(sweep::delete_job(&upload.id));
        forget.commit(ports).await?;
    }
    Ok(removed)
}

async fn resend<P: Database + Queue>(ports: &P, items: &[StuckItem], now: Timestamp) -> Result<(), Failure> {
    if items.is_empty() {
        return Ok(());
    }
    let ids: Vec<ItemId> = items.iter().map(|item| item.id).collect();
    sweep::note_sent(&ids, now)?.run(ports).await?;
    let messages = items.iter().map(|item| Message { stage: item.stage, item: item.id, user: item.user_id.clone() });
    ports.send(messages.collect()).await
}

/// How long a purge that failed rests before it is tried again.
const PURGE_RESTS: Span = Span::hours(1);
/// Purges that one night tries again.
const PURGES: usize = 5;
/// D1 queries that take them: the look, and two for each.
pub const QUERIES_TO_RETRY_PURGES: u64 = 1 + 2 * PURGES as u64;

/// Lets purges that failed for good try again every night. Whoever deletes is owed that it is gone, and does not look
/// whether it is; what a purge leaves is found by nothing but its item.
///
/// # Errors
/// What the database or the queue fails with; the sweep or the next night goes on.
pub async fn retry_purges<P: Database + Queue + Clock>(ports: &P) -> Result<usize, Failure> {
    let now = ports.now();
    let failed = retry::failed_purges(now.plus(-PURGE_RESTS), PURGES).all(ports).await?;
    if failed.is_empty() {
        return Ok(0);
    }
    let mut transaction = Transaction::default();
    for purge in &failed {
        transaction.announce(retry::requeue(&purge.user, &purge.job, Some(purge.item), now));
        transaction.write(retry::reopen_job(&purge.user, &purge.job));
    }
    let done = transaction.commit(ports).await?;
    ports.send(done.messages()?).await?;
    Ok(failed.len())
}

/// What every move of an item does in its own transaction, done again: wakes what waits for nothing any
/// more, finishes jobs whose items are terminal, and shows jobs to the sweep that are not all parked. A net
/// under those, hourly: it looks at every unfinished job, and many may be parked until tomorrow.
///
/// # Errors
/// What the database fails with; the next run does it.
pub async fn wake_and_finish<P: Database + Clock>(ports: &P) -> Result<(), Failure> {
    let now = ports.now();
    let mut transaction = Transaction::default();
    transaction.write(items::wake_all_waiting(now));
    transaction.write(items::show_parked_jobs(now));
    transaction.write(items::finish_all_jobs(now));
    transaction.commit(ports).await.map(drop)
}

#[cfg(test)]
mod tests {
    use pipeline::{
        constants,
        job::{kind::JobKind, message::Stage},
        platform::ports::PutIf,
        store::jobs::create::NewItem,
        time::{MILLISECOND, SECOND},
    };
    use test_platform::{InMemory, ready};

    use super::{
        super::fixture::{insert_job, user},
        *,
    };

    /// A job of one pack, whose message was sent when the platform's time begins.
    fn queued() -> InMemory {
        let memory = InMemory::new(1);
        let pack = NewItem { document_count: Some(1), ..NewItem::queued(Stage::Chunk, memory.now()) };
        assert_eq!(insert_job(&memory, JobKind::Index, &[pack]), ItemId(1));
        memory
    }

    fn swept(memory: &InMemory) -> Swept {
        ready(sweep(memory)).unwrap()
    }

    #[test]
    fn a_lost_message_is_sent_again_after_its_time_and_not_before() {
        let memory = queued();
        memory.advance(constants::MESSAGE_LOST_AFTER);
        assert_eq!(swept(&memory), Swept::default());
        memory.advance(MILLISECOND);
        assert_eq!(swept(&memory), Swept { resent: 1, ..Swept::default() });
        assert_eq!(memory.receive().unwrap().item, ItemId(1));
        assert_eq!(swept(&memory), Swept::default(), "it was sent just now");
    }

    #[test]
    fn an_item_whose_worker_stopped_answering_gets_another() {
        let memory = queued();
        memory.change("UPDATE job_items SET state = 'running', attempts = 1, lease = 1795309200000 + 60000");
        memory.advance(constants::LEASE);
        assert_eq!(swept(&memory), Swept::default());
        memory.advance(SECOND);
        assert_eq!(swept(&memory).resent, 1);
    }

    #[test]
    fn an_item_out_of_attempts_becomes_a_dead_letter_and_its_job_ends() {
        let memory = queued();
        memory.change("UPDATE job_items SET attempts = 16, error = 'no luck'");
        memory.advance(constants::MESSAGE_LOST_AFTER + MILLISECOND);
        assert_eq!(swept(&memory), Swept { failed: 1, ..Swept::default() });
        assert_eq!(memory.look("SELECT why FROM dead_letters")[0]["why"], "no luck");
        assert_eq!(memory.look("SELECT state FROM job_items")[0]["state"], "failed");
        assert!(memory.look("SELECT id FROM jobs WHERE finished_at IS NULL").is_empty());
    }

    #[test]
    fn an_upload_that_was_never_accepted_is_removed_with_its_objects() {
        let memory = queued();
        memory.change("UPDATE jobs SET accepted_at = NULL");
        memory.change("UPDATE job_items SET state = 'uploading'");
        memory.change(
            "INSERT INTO idempotency_keys (user_id, key, body_hash, job_id, created_at)
             SELECT user_id, 'key', '', id, 0 FROM jobs",
        );
        ready(memory.put(&object_keys::pack(&user(), ItemId(1)), vec![1], PutIf::Always)).unwrap();
        memory.advance(constants::MAX_WRITER_LIFE);
        assert_eq!(swept(&memory).abandoned, 0, "its request may still be alive");
        memory.advance(MILLISECOND);
        assert_eq!(swept(&memory).abandoned, 1);
        assert!(memory.object_keys().is_empty());
        let rows = "SELECT id FROM jobs UNION ALL SELECT id FROM job_items UNION ALL SELECT key FROM idempotency_keys";
        assert!(memory.look(rows).is_empty());
    }

    #[test]
    fn a_purge_that_failed_is_tried_again_every_night_while_it_has_something_to_remove() {
        let memory = InMemory::new(1);
        let purge = insert_job(&memory, JobKind::Purge, &[NewItem::queued(Stage::Purge, memory.now())]);
        memory.change("INSERT INTO garbage VALUES (1, 'doc', 1, 7, 'user', NULL)");
        let retried = || ready(retry_purges(&memory)).unwrap();
        for _ in 0..2 {
            memory.change("UPDATE job_items SET state = 'failed', attempts = 5, updated_at = next_at");
            memory.change("UPDATE jobs SET finished_at = created_at");
            assert_eq!(retried(), 0, "it failed just now");
            memory.advance(PURGE_RESTS + MILLISECOND);
            assert_eq!(retried(), 1);
            assert_eq!(memory.receive().unwrap().item, purge);
            assert_eq!(memory.look("SELECT attempts FROM job_items WHERE state = 'queued'")[0]["attempts"], 0);
            assert_eq!(memory.look("SELECT id FROM jobs WHERE finished_at IS NULL").len(), 1);
            assert_eq!(retried(), 0, "it is at work");
        }
        memory.change("UPDATE job_items SET state = 'failed', updated_at = 0");
        memory.change("DELETE FROM garbage");
        assert_eq!(retried(), 0, "nothing is left to remove");
    }

    #[test]
    fn what_waits_for_nothing_any_more_is_woken_and_jobs_without_work_are_finished() {
        let memory = queued();
        memory.change("UPDATE job_items SET state = 'waiting', first_pack = 7, last_pack = 7");
        ready(wake_and_finish(&memory)).unwrap();
        assert_eq!(memory.look("SELECT state FROM job_items")[0]["state"], "queued");
        memory.change("UPDATE job_items SET state = 'done'");
        ready(wake_and_finish(&memory)).unwrap();
        assert!(memory.look("SELECT id FROM jobs WHERE finished_at IS NULL").is_empty());
    }
}
