//! The moves of single items: claimed, moved on, given back, given up; and what follows from them.

use const_format::formatcp;
use serde::Deserialize;

use crate::{
    constants,
    failure::Failure,
    ids::{ClaimToken, ItemId, JobId, UserId},
    job::{
        item::{Claim, ItemState, Move, Progress},
        message::{ItemAnnouncement, Message},
    },
    platform::{
        statement::json,
        transaction::{Query, Write},
    },
    store::{
        conditions::{CLAIMED, HELD, NEXT_ITEM, TERMINAL, is_claimable, is_spent, why_spent},
        documents::order::{DECIDED, Seen},
    },
    time::{SECOND, Span, Timestamp},
};

/// A message that came a moment early is not sent back for it.
const EARLY: Span = SECOND;

/// What an item says of an attempt whose worker ended without a word: Workers are stopped like that.
pub const STOPPED: &str = "its worker was stopped by the platform before it could say why: for CPU time or memory";

/// No item of the job at hand has a state that is `$so`.
///
/// Asked at the end of every item, so it must not look at all of them. Items end about in their order: the last
/// that is not yet so is met first from the end. Only the first of a job may outlast those behind it, since it may
/// be what finds them. It asks for an id, since what EXISTS is read in any order.
macro_rules! no_item_is {
    ($so:expr) => {
        formatcp!(
            "NOT EXISTS (SELECT 1 FROM job_items WHERE id = jobs.first_item AND state {SO})
           AND (SELECT id FROM job_items WHERE id BETWEEN jobs.first_item AND jobs.last_item AND state {SO}
                ORDER BY id DESC LIMIT 1) IS NULL",
            SO = $so
        )
    };
}

/// What a claimed item's row says.
#[derive(Debug, Deserialize)]
pub struct ClaimedRow {
    /// The job it belongs to.
    pub job_id: JobId,
    /// Attempts since the last progress, this one included.
    pub attempts: i64,
    /// Where the stage goes on, in the stage's own JSON.
    pub cursor: Option<String>,
    /// Of a pack: its documents (JSON).
    pub documents: String,
    /// Of a batch: its first pack.
    pub first_pack: Option<ItemId>,
    /// Of a batch: its last pack.
    pub last_pack: Option<ItemId>,
    /// Chunks made so far.
    pub chunk_count: i64,
}

/// Claims the message's item for its stage, if it is due, has attempts left, and nobody holds it. A claim that
/// ran out was a worker's that was stopped: the item says so until an attempt ends in another way.
pub fn claim(message: &Message, token: &ClaimToken, now: Timestamp) -> Query<ClaimedRow> {
    Query::new(formatcp!(
        "UPDATE job_items SET state = 'running', token = ?1, lease = ?2, attempts = attempts + 1, updated_at = ?3,
             error = CASE state WHEN 'running' THEN ?9 ELSE error END
         WHERE id = ?4 AND user_id = ?5 AND stage = ?6 AND attempts < ?7 AND next_at <= ?8
           AND {IS_CLAIMABLE}
         RETURNING job_id, attempts, cursor, documents, first_pack, last_pack, chunk_count",
        IS_CLAIMABLE = is_claimable!("?3"),
    ))
    .bind(token)
    .bind(now.plus(constants::LEASE))
    .bind(now)
    .bind(message.item)
    .bind(&message.user)
    .bind(message.stage.name())
    .bind(constants::ATTEMPTS)
    .bind(now.plus(EARLY))
    .bind(STOPPED)
}

/// Why an item cannot be claimed now.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct StandingRow {
    /// Its state.
    pub state: ItemState,
    /// If it is running: until when its claim holds.
    pub lease: Timestamp,
    /// Not to be claimed before.
    pub next_at: Timestamp,
}

/// Reads how a message's item stands, if it is still in the message's stage.
pub fn standing(message: &Message) -> Query<StandingRow> {
    Query::new("SELECT state, lease, next_at FROM job_items WHERE id = ?1 AND user_id = ?2 AND stage = ?3")
        .bind(message.item)
        .bind(&message.user)
        .bind(message.stage.name())
}

/// Moves a claimed item on after a message's worth of work, and gives the claim up with it.
///
/// # Errors
/// A bug if the data cannot be written as JSON.
pub fn advance(claim: &Claim, progress: &Progress, next: &Move, now: Timestamp) -> Result<Write, Failure> {
    let (stage, state, cursor) = match next {
        Move::Continue(cursor) => (claim.stage, ItemState::Queued, Some(cursor.as_str())),
        Move::To(stage, cursor) => (*stage, ItemState::Queued, Some(cursor.as_str())),
        Move::Finish => (claim.stage, ItemState::Done, None),
    };
    let failures = if progress.failures.is_empty() { None } else { Some(json(&progress.failures)?) };
    Ok(Write::new(formatcp!(
        "UPDATE job_items SET stage = ?3, state = ?4, cursor = ?5, next_at = ?6, sent_at = ?6, updated_at = ?6,
             token = NULL, attempts = 0, error = NULL, chunk_count = chunk_count + ?7,
             progress = CASE WHEN stage = ?3 THEN progress + ?8 ELSE 0 END,
             failures = coalesce(?9, failures)
         WHERE {CLAIMED}"
    ))
    .bind(claim.item)
    .bind(&claim.token)
    .bind(stage.name())
    .bind(state.name())
    .bind(cursor)
    .bind(now)
    .bind(progress.chunks_made)
    .bind(progress.chunks_passed)
    .bind(failures))
}

/// Gives a claim back, before anything else of its transaction, if documents that it has planned for were decided
/// since it looked: the attempt then changes nothing, does not count, and the one that follows plans anew. `planned`
/// are the documents, as they were [seen](crate::store::documents::order::Seen). Returns the item, to be announced.
///
/// # Errors
/// A bug if the documents cannot be written as JSON.
pub fn plan_again(claim: &Claim, planned: &[Seen], now: Timestamp) -> Result<Query<ItemAnnouncement>, Failure> {
    Ok(Query::new(formatcp!(
        "UPDATE job_items SET state = 'queued', token = NULL, attempts = attempts - 1, next_at = ?4, sent_at = ?4,
             updated_at = ?4
         WHERE {CLAIMED} AND EXISTS (
             SELECT 1 FROM jobs j CROSS JOIN json_each(?3) planned
             CROSS JOIN documents d ON d.user_id = j.user_id AND d.id = planned.value ->> 0
             WHERE j.id = job_items.job_id AND {DECIDED} IS NOT planned.value ->> 1)
         RETURNING id, stage, state, user_id"
    ))
    .bind(claim.item)
    .bind(&claim.token)
    .bind(json(&planned)?)
    .bind(now))
}

/// Gives a claim back after a failed attempt: to be tried again, or parked, not before `next_at`.
pub fn give_back(claim: &Claim, state: ItemState, next_at: Timestamp, why: &str, now: Timestamp) -> Write {
    // Parking is nobody's failed attempt.
    Write::new(formatcp!(
        "UPDATE job_items SET state = ?3, next_at = ?4, sent_at = ?5, updated_at = ?5, token = NULL, error = ?6,
             attempts = CASE ?3 WHEN 'parked' THEN 0 ELSE attempts END
         WHERE {CLAIMED}"
    ))
    .bind(claim.item)
    .bind(&claim.token)
    .bind(state.name())
    .bind(next_at)
    .bind(now)
    .bind(why)
}

/// Hides an item's job from the sweep until the first of its parked items is due, if nothing else of
/// it is left to do.
pub fn park_job(item: ItemId) -> Write {
    Write::new(formatcp!(
        "UPDATE jobs SET due_at = (SELECT min(next_at) FROM job_items
                                   WHERE id BETWEEN jobs.first_item AND jobs.last_item AND state = 'parked')
         WHERE id = (SELECT job_id FROM job_items WHERE id = ?1 AND state = 'parked') AND {NOTHING_IS_AT_WORK}",
        NOTHING_IS_AT_WORK = no_item_is!("IN ('queued', 'running')"),
    ))
    .bind(item)
}

/// Holds on to a claim for another lease.
pub fn renew(claim: &Claim, now: Timestamp) -> Write {
    Write::new(formatcp!("UPDATE job_items SET lease = ?3 WHERE {CLAIMED}"))
        .bind(claim.item)
        .bind(&claim.token)
        .bind(now.plus(constants::LEASE))
}

/// Lets a claimed item fail.
pub fn fail(claim: &Claim, why: &str, now: Timestamp) -> Write {
    claim
        .fenced(formatcp!(
            "UPDATE job_items SET state = 'failed', token = NULL, error = ?3, updated_at = ?4
             WHERE {CLAIMED}"
        ))
        .bind(why)
        .bind(now)
}

/// Lets an item fail that has no attempts left and that nobody holds.
pub fn give_up(item: ItemId, user: &UserId, now: Timestamp) -> Write {
    Write::new(formatcp!(
        "UPDATE job_items SET state = 'failed', token = NULL, error = {WHY_SPENT}, updated_at = ?4 WHERE {IS_SPENT}",
        WHY_SPENT = why_spent!("?5"),
        IS_SPENT = is_spent!("?1", "?2", "?3", "?4"),
    ))
    .bind(item)
    .bind(user)
    .bind(constants::ATTEMPTS)
    .bind(now)
    .bind(STOPPED)
}

/// Queues the item that an item holds up, when nothing it waits for is left to do: the batch of a pack,
/// or the next question of a conversation. Returns it, to be announced.
///
/// Before version 10 of the schema a question borrowed a batch's columns: `batch`, `first_pack` and
/// `last_pack`. Rows like that may still wait, and are written until 0.2.0.
pub fn wake_waiting(item: ItemId, now: Timestamp) -> Query<ItemAnnouncement> {
    Query::new(formatcp!(
        "UPDATE job_items SET state = 'queued', next_at = ?2, sent_at = ?2, updated_at = ?2, {COUNT_CHUNKS}
         WHERE id = (SELECT coalesce(unblocks, batch) FROM job_items WHERE id = ?1) AND state = 'waiting'
           AND {NOTHING_TO_WAIT_FOR}
         RETURNING id, stage, state, user_id"
    ))
    .bind(item)
    .bind(now)
}

/// A batch knows its chunks when all its packs are chunked; a question has none.
const COUNT_CHUNKS: &str = "chunk_count = (SELECT total(p.chunk_count) FROM job_items p
                    WHERE p.id BETWEEN job_items.first_pack AND job_items.last_pack)";

/// Everything that the item at hand waits for is terminal.
const NOTHING_TO_WAIT_FOR: &str = formatcp!(
    "NOT EXISTS (SELECT 1 FROM job_items p
                 WHERE p.id BETWEEN coalesce(job_items.waits_for_first, job_items.first_pack)
                                AND coalesce(job_items.waits_for_last, job_items.last_pack)
                   AND p.state NOT IN {TERMINAL})"
);

/// Every item of the job at hand is terminal.
const EVERY_ITEM_IS_TERMINAL: &str = no_item_is!(formatcp!("NOT IN {TERMINAL}"));

/// Marks an item's job finished when every item of it is terminal; without a look at the others while the item
/// itself is not.
pub fn finish_job(item: ItemId, now: Timestamp) -> Write {
    Write::new(formatcp!(
        "UPDATE jobs SET finished_at = ?2
         WHERE id = (SELECT job_id FROM job_items WHERE id = ?1 AND state IN {TERMINAL})
           AND finished_at IS NULL AND accepted_at IS NOT NULL
           AND {EVERY_ITEM_IS_TERMINAL}"
    ))
    .bind(item)
    .bind(now)
}

/// Returns does as [`wake_waiting`], for whatever waits anywhere; announced by the sweep.
pub fn wake_all_waiting(now: Timestamp) -> Write {
    Write::new(formatcp!(
        "UPDATE job_items SET state = 'queued', next_at = ?1, sent_at = NULL, updated_at = ?1, {COUNT_CHUNKS}
         WHERE state = 'waiting' AND id IN (
             SELECT i.id FROM jobs j JOIN job_items i ON i.id BETWEEN j.first_item AND j.last_item
             WHERE j.finished_at IS NULL AND i.state = 'waiting')
           AND {NOTHING_TO_WAIT_FOR}"
    ))
    .bind(now)
}

/// Returns does as [`finish_job`], for every job.
pub fn finish_all_jobs(now: Timestamp) -> Write {
    Write::new(formatcp!(
        "UPDATE jobs SET finished_at = ?1 WHERE finished_at IS NULL AND accepted_at IS NOT NULL
           AND {EVERY_ITEM_IS_TERMINAL}"
    ))
    .bind(now)
}

/// Shows jobs to the sweep again that were hidden by [`park_job`] and are not all parked.
pub fn show_parked_jobs(now: Timestamp) -> Write {
    Write::new(
        "UPDATE jobs SET due_at = ?1 WHERE finished_at IS NULL AND due_at > ?1
           AND EXISTS (SELECT 1 FROM job_items WHERE id BETWEEN jobs.first_item AND jobs.last_item
                         AND state IN ('queued', 'running'))",
    )
    .bind(now)
}

/// Lets what was parked for a reason that ends like this go on, whenever it was to look again.
pub fn end_waiting(end_of_reason: &str, now: Timestamp) -> Write {
    Write::new(
        "UPDATE job_items SET next_at = ?1
         WHERE id IN (SELECT i.id FROM jobs j JOIN job_items i ON i.id BETWEEN j.first_item AND j.last_item
                      WHERE j.finished_at IS NULL AND i.state = 'parked' AND i.next_at > ?1)
           AND substr(error, -length(?2)) = ?2",
    )
    .bind(now)
    .bind(end_of_reason)
}

/// Shows jobs to the sweep again that were hidden by [`park_job`] and have a parked item that is due.
pub fn show_jobs_with_parked_items(now: Timestamp) -> Write {
    Write::new(
        "UPDATE jobs SET due_at = ?1 WHERE finished_at IS NULL AND due_at > ?1
           AND EXISTS (SELECT 1 FROM job_items WHERE id BETWEEN jobs.first_item AND jobs.last_item
                         AND state = 'parked' AND next_at <= ?1)",
    )
    .bind(now)
}

/// Takes the documents off packs whose objects are gone: their jobs may expire then.
///
/// # Errors
/// A bug if the data cannot be written as JSON.
pub fn forget_packs(claim: &Claim, packs: &[ItemId]) -> Result<Write, Failure> {
    Ok(claim
        .fenced(formatcp!(
            "UPDATE job_items SET documents = '[]'
             WHERE id IN (SELECT value FROM json_each(?3)) AND documents <> '[]' AND {HELD}"
        ))
        .bind(json(&packs)?))
}

/// Adds what this transaction noted as superseded, before it was published, to what the packs say was: their job is
/// without it. What had failed alone has failed.
pub fn note_superseded() -> Write {
    // Grouped by pack first: an upload may take over from hundreds of packs, each of which would read all notes.
    Write::new(formatcp!(
        "WITH noted AS MATERIALIZED (
             SELECT pack, json_group_array(document_id) AS documents FROM garbage
             WHERE retire_item = {NEXT_ITEM} GROUP BY pack)
         UPDATE job_items SET superseded = (
             SELECT json_group_array(id) FROM (
                 SELECT s.value AS id FROM json_each(coalesce(job_items.superseded, '[]')) s
                 UNION
                 SELECT n.value FROM json_each(noted.documents) n
                 EXCEPT
                 SELECT f.value ->> 'document_id' FROM json_each(coalesce(job_items.failures, '[]')) f))
         FROM noted WHERE job_items.id = noted.pack"
    ))
}

/// Adds documents that were found later to those that a job is about.
pub fn add_documents(claim: &Claim, count: usize) -> Write {
    claim
        .fenced(formatcp!("UPDATE jobs SET documents = documents + ?3 WHERE id = ?4 AND {HELD}"))
        .bind(count)
        .bind(&claim.job)
}

/// Adds what a message of a delete removed to the receipt that its owner reads with the job.
pub fn add_to_receipt(claim: &Claim, removed: &str) -> Write {
    claim
        .fenced(formatcp!(
            "UPDATE jobs SET receipt = json_object(
                 'vectors', coalesce(receipt ->> '$.vectors', 0) + (?3 ->> '$.vectors'),
                 'chunks', coalesce(receipt ->> '$.chunks', 0) + (?3 ->> '$.chunks'),
                 'objects', coalesce(receipt ->> '$.objects', 0) + (?3 ->> '$.objects'),
                 'objects_rewritten', coalesce(receipt ->> '$.objects_rewritten', 0) + (?3 ->> '$.objects_rewritten'))
             WHERE id = ?4 AND {HELD}"
        ))
        .bind(removed)
        .bind(&claim.job)
}
