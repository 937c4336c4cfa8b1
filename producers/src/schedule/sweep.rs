//! Sweep: work that is stuck goes on, from D1 alone.
//!
//! Whatever went missing (a send that failed, a message that died of age, a worker that crashed),
//! the item's row still says what should happen:
//! 1. an upload whose packs were never all stored is removed, objects first;
//! 2. an item out of attempts is given up, so that its job ends;
//! 3. an item that is due and was not claimed, or whose claim ran out, gets a new message: the oldest
//!    first, one of each user before the second of any.
//!
//! A doubled message is harmless: the claim is a compare-and-set.

use pipeline::{
    constants,
    failure::Failure,
    ids::{ItemId, JobId, UserId},
    job::{
        item,
        message::{Message, Stage},
    },
    platform::{
        object_keys,
        ports::{Clock, Database, ObjectStore, Queue},
        statement::{Statement, json},
    },
    time::Timestamp,
};
use serde::Deserialize;

use super::Report;

#[derive(Debug, Deserialize)]
struct Stuck {
    id: ItemId,
    stage: Stage,
    user_id: UserId,
    attempts: i64,
    error: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Abandoned {
    id: JobId,
    user_id: UserId,
    first_item: ItemId,
    last_item: ItemId,
}

/// Sweeps once. See the module for its steps.
pub async fn sweep<P: Database + ObjectStore + Queue + Clock>(ports: &P) -> Result<Report, Failure> {
    let now = ports.now();
    let abandoned = abandoned(ports, now).await?;
    let stuck = stuck(ports, now).await?;
    let (dead, alive): (Vec<Stuck>, Vec<Stuck>) =
        stuck.into_iter().partition(|item| item.attempts >= constants::ATTEMPTS);
    for item in &dead {
        let why = item.error.as_deref().unwrap_or("its worker stopped answering every time");
        item::fail(ports, item.id, &item.user_id, why, None).await?;
    }
    resend(ports, &alive, now).await?;
    Ok(Report { resent: alive.len(), failed: dead.len(), abandoned, ..Report::default() })
}

/// Idempotent: the rows, which say what to remove, go last.
async fn abandoned<P: Database + ObjectStore>(ports: &P, now: Timestamp) -> Result<usize, Failure> {
    let query = Statement::new(
        "SELECT id, user_id, first_item, last_item FROM jobs
         WHERE finished_at IS NULL AND due_at <= ?1 AND accepted_at IS NULL AND created_at < ?2 LIMIT 10",
    )
    .bind(now)
    .bind(now.plus(-constants::MAX_WRITER_LIFE));
    let jobs: Vec<Abandoned> = ports.batch(vec![query]).await?.at(0)?.all()?;
    for job in &jobs {
        // From here on the upload cannot be accepted any more.
        let refuse = Statement::new("UPDATE jobs SET cancelled_at = ?2 WHERE id = ?1 AND accepted_at IS NULL")
            .bind(&job.id)
            .bind(now);
        if ports.batch(vec![refuse]).await?.at(0)?.changes == 0 {
            continue;
        }
        let keys: Vec<String> =
            (job.first_item.0..=job.last_item.0).map(|item| object_keys::pack(&job.user_id, ItemId(item))).collect();
        for keys in keys.chunks(constants::OBJECTS_PER_DELETE) {
            ports.delete(keys).await?;
        }
        let forget = [
            Statement::new("DELETE FROM idempotency_keys WHERE user_id = ?1 AND job_id = ?2 AND response IS NULL")
                .bind(&job.user_id)
                .bind(&job.id),
            Statement::new("DELETE FROM job_items WHERE id BETWEEN ?1 AND ?2 AND job_id = ?3")
                .bind(job.first_item)
                .bind(job.last_item)
                .bind(&job.id),
            Statement::new("DELETE FROM jobs WHERE id = ?1").bind(&job.id),
        ];
        ports.batch(forget.into()).await?;
    }
    Ok(jobs.len())
}

async fn stuck<P: Database>(ports: &P, now: Timestamp) -> Result<Vec<Stuck>, Failure> {
    let query = Statement::new(
        "SELECT i.id, i.stage, i.user_id, i.attempts, i.error, row_number() OVER (PARTITION BY i.user_id ORDER BY i.id) AS turn
         FROM jobs j JOIN job_items i ON i.id BETWEEN j.first_item AND j.last_item
         WHERE j.finished_at IS NULL AND j.due_at <= ?1 AND j.accepted_at IS NOT NULL
           AND ((i.state = 'queued' AND i.next_at <= ?1 AND (i.sent_at IS NULL OR max(i.sent_at, i.next_at) < ?2))
                OR (i.state = 'parked' AND i.next_at <= ?1)
                OR (i.state = 'running' AND i.lease < ?1))
         ORDER BY turn, i.id LIMIT ?3",
    )
    .bind(now)
    .bind(now.plus(-constants::MESSAGE_LOST_AFTER))
    .bind(constants::SWEEP_ITEMS);
    ports.batch(vec![query]).await?.at(0)?.all()
}

async fn resend<P: Database + Queue>(ports: &P, items: &[Stuck], now: Timestamp) -> Result<(), Failure> {
    if items.is_empty() {
        return Ok(());
    }
    let ids: Vec<ItemId> = items.iter().map(|item| item.id).collect();
    let mark = Statement::new("UPDATE job_items SET sent_at = ?2 WHERE id IN (SELECT value FROM json_each(?1))")
        .bind(json(&ids)?)
        .bind(now);
    ports.batch(vec![mark]).await?;
    let messages = items.iter().map(|item| Message { stage: item.stage, item: item.id, user: item.user_id.clone() });
    ports.send(messages.collect()).await
}

/// What every move of an item does in its own transaction, done again: wakes batches whose packs are
/// all done, finishes jobs whose items are, and shows jobs to the sweep that are not all parked. A net
/// under those, hourly: it looks at every unfinished job, and many may be parked until tomorrow.
pub async fn wake_and_finish<P: Database + Clock>(ports: &P) -> Result<(), Failure> {
    let now = ports.now();
    let wake = Statement::new(
        "UPDATE job_items SET state = 'queued', next_at = ?1, sent_at = NULL, updated_at = ?1,
             chunk_count = (SELECT total(p.chunk_count) FROM job_items p WHERE p.id BETWEEN job_items.first_pack AND job_items.last_pack)
         WHERE state = 'waiting' AND id IN (SELECT i.id FROM jobs j JOIN job_items i ON i.id BETWEEN j.first_item AND j.last_item
                                            WHERE j.finished_at IS NULL AND i.state = 'waiting')
           AND NOT EXISTS (SELECT 1 FROM job_items p WHERE p.id BETWEEN job_items.first_pack AND job_items.last_pack
                             AND p.state NOT IN ('done', 'failed', 'cancelled'))",
    )
    .bind(now);
    let show = Statement::new(
        "UPDATE jobs SET due_at = ?1 WHERE finished_at IS NULL AND due_at > ?1
           AND EXISTS (SELECT 1 FROM job_items WHERE id BETWEEN jobs.first_item AND jobs.last_item
                         AND state IN ('queued', 'running'))",
    )
    .bind(now);
    let finish = Statement::new(
        "UPDATE jobs SET finished_at = ?1 WHERE finished_at IS NULL AND accepted_at IS NOT NULL
           AND NOT EXISTS (SELECT 1 FROM job_items WHERE id BETWEEN jobs.first_item AND jobs.last_item
                             AND state NOT IN ('done', 'failed', 'cancelled'))",
    )
    .bind(now);
    ports.batch(vec![wake, show, finish]).await.map(drop)
}
