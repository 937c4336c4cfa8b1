//! New jobs: the job's row, its items' numbers, its items.
//!
//! Every job is made in the same order: [`job`] (or [`turn_job`], [`purge_job`]) inserts the row under
//! its own condition and plans the next free item numbers,
//! [`take_item_numbers`](crate::store::counters::take_item_numbers) takes them, [`items`] inserts the items.
//! Without the job's row the other two change nothing.

use const_format::formatcp;
use serde::{Deserialize, Serialize};

use crate::{
    constants,
    failure::Failure,
    ids::{ConversationId, ItemId, JobId, UserId},
    job::{
        item::{Claim, ItemState, PackedDocument},
        kind::JobKind,
        message::{ItemAnnouncement, Stage},
    },
    platform::{
        statement::{Value, json},
        transaction::{Query, Write},
    },
    store::{
        columns::in_milliseconds,
        conditions::{TERMINAL, accepted_at, held_as, key_held_by},
    },
    time::Timestamp,
};

/// A job that is to be inserted.
#[derive(Clone, Copy, Debug)]
pub struct NewJob<'a> {
    /// Its id.
    pub id: &'a JobId,
    /// Its owner.
    pub user: &'a UserId,
    /// What it is for.
    pub kind: JobKind,
    /// False while its packs are being stored: until it is accepted, nobody sees the job.
    pub is_accepted: bool,
    /// How many items it has.
    pub items: usize,
    /// How many documents it is about.
    pub documents: usize,
    /// How many documents that came with them cannot be indexed.
    pub rejected: usize,
    /// The idempotency key that this job must hold, if the request had one.
    pub key: Option<&'a str>,
    /// Now.
    pub now: Timestamp,
}

/// The first item number that a new job was given.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct FirstItem {
    /// The number of its first item; the others follow.
    pub first_item: ItemId,
}

/// Inserts a job unless its idempotency key is another's; returns the first of its item numbers.
pub fn job(new: NewJob<'_>) -> Query<FirstItem> {
    Query::new(formatcp!(
        "INSERT INTO jobs (id, user_id, kind, accepted_at, created_at, first_item, last_item, documents, rejected)
         SELECT ?1, ?2, ?3, CASE WHEN ?4 THEN ?5 END, ?5, value + 1, value + ?6, ?7, ?9 FROM counters
         WHERE name = 'item' AND (?8 IS NULL OR {KEY_IS_HELD})
         RETURNING first_item",
        KEY_IS_HELD = key_held_by!("?2", "?8", "?1"),
    ))
    .bind(new.id)
    .bind(new.user)
    .bind(new.kind.name())
    .bind(new.is_accepted)
    .bind(new.now)
    .bind(new.items)
    .bind(new.documents)
    .bind(new.key)
    .bind(new.rejected)
}

/// A chat job that is to be inserted.
#[derive(Clone, Copy, Debug)]
pub struct NewTurnJob<'a> {
    /// Its id.
    pub id: &'a JobId,
    /// Who asks.
    pub user: &'a UserId,
    /// The turn (JSON); the number of its question is given out here.
    pub turn: &'a str,
    /// The conversation it belongs to.
    pub conversation: &'a ConversationId,
    /// True if its answer is committed with it: then it is finished and has no item.
    pub is_answered: bool,
    /// The idempotency key that this job must hold, if the request had one.
    pub key: Option<&'a str>,
    /// Now.
    pub now: Timestamp,
}

/// Inserts a chat job if its conversation is there and not archived, and its idempotency key is its own.
pub fn turn_job(new: NewTurnJob<'_>) -> Write {
    // A job that is answered has no item, so its last number is the one before its first, and it is finished.
    // The question takes the number after the conversation's last, which `conversations::advance` then moves.
    // Without an open conversation, or with another's idempotency key, there is no job.
    Write::new(formatcp!(
        "INSERT INTO jobs (id, user_id, kind, accepted_at, created_at, first_item, last_item, documents, turn,
                           finished_at)
         SELECT ?4, ?1, 'chat', ?5, ?5, i.value + 1, i.value + CASE WHEN ?7 THEN 0 ELSE 1 END, 0,
                json_set(?6, '$.number', (SELECT last_number + 1 FROM conversations WHERE user_id = ?1 AND id = ?2)),
                CASE WHEN ?7 THEN ?5 END
         FROM counters i WHERE i.name = 'item'
           AND EXISTS (SELECT 1 FROM conversations WHERE user_id = ?1 AND id = ?2 AND archived_key IS NULL)
           AND (?3 IS NULL OR {KEY_IS_HELD})",
        KEY_IS_HELD = key_held_by!("?1", "?3", "?4"),
    ))
    .bind(new.user)
    .bind(new.conversation)
    .bind(new.key)
    .bind(new.id)
    .bind(new.now)
    .bind(new.turn)
    .bind(new.is_answered)
}

/// Inserts a job that purges revisions of a user, if earlier statements of the transaction made some superseded:
/// those name the item number after the last one given out.
pub fn purge_job(job: &JobId, user: &UserId, kind: JobKind, now: Timestamp) -> Write {
    Write::new(
        "INSERT INTO jobs (id, user_id, kind, accepted_at, created_at, first_item, last_item, documents)
         SELECT ?1, ?2, ?3, ?4, ?4, value + 1, value + 1,
                (SELECT count(DISTINCT document_id) FROM garbage WHERE retire_item = value + 1)
         FROM counters WHERE name = 'item' AND EXISTS (SELECT 1 FROM garbage WHERE retire_item = value + 1)",
    )
    .bind(job)
    .bind(user)
    .bind(kind.name())
    .bind(now)
}

/// A job of the stage capture that is to be inserted.
#[derive(Clone, Copy, Debug)]
pub struct NewCaptureJob<'a> {
    /// Its id.
    pub id: &'a JobId,
    /// Whose session it is.
    pub user: &'a UserId,
    /// The session.
    pub session: &'a str,
    /// Nothing follows that could be waited for.
    pub is_last: bool,
    /// Now.
    pub now: Timestamp,
}

/// Inserts a job for what was said in a session, if anything was, and unless it was handed over a moment ago or too
/// often before.
pub fn capture_job(new: NewCaptureJob<'_>) -> Write {
    Write::new(
        "INSERT INTO jobs (id, user_id, kind, accepted_at, created_at, first_item, last_item, documents)
         SELECT ?1, ?2, 'capture', ?4, ?4, value + 1, value + 1, 0 FROM counters
         WHERE name = 'item' AND EXISTS (
             SELECT 1 FROM hook_sessions WHERE user_id = ?2 AND session_id = ?3 AND said <> '[]' AND captures < ?5
               AND (?6 OR captured_at IS NULL OR captured_at < ?7))",
    )
    .bind(new.id)
    .bind(new.user)
    .bind(new.session)
    .bind(new.now)
    .bind(constants::HOOK_CAPTURES)
    .bind(new.is_last)
    .bind(new.now.plus(-constants::HOOK_CAPTURE_PAUSE))
}

/// Gives the item of such a job what was said: a cursor of the stage
/// ([`CaptureCursor`](crate::job::cursors::CaptureCursor)).
pub fn hand_over_said(job: &JobId, user: &UserId, session: &str) -> Write {
    Write::new(
        "UPDATE job_items SET cursor = (
             SELECT json_object('session_id', session_id, 'project', project, 'said', json(said))
             FROM hook_sessions WHERE user_id = ?2 AND session_id = ?3)
         WHERE id = (SELECT first_item FROM jobs WHERE id = ?1)",
    )
    .bind(job)
    .bind(user)
    .bind(session)
}

/// An item that is to be inserted. Items name each other by their places in the job, counted from 0.
#[derive(Clone, Debug, Serialize)]
pub struct NewItem {
    /// The stage it begins with.
    pub stage: Stage,
    /// The state it begins in.
    pub state: ItemState,
    /// Of a pack: the batch that goes on when all its packs are chunked.
    pub batch: Option<usize>,
    /// Of a batch: its packs, first and last.
    pub packs: Option<(usize, usize)>,
    /// Of a batch over a pack of an earlier job: that pack.
    pub pack: Option<ItemId>,
    /// Where the stage begins, in the stage's own JSON.
    pub cursor: Option<String>,
    /// Of a pack: its documents.
    pub documents: Vec<PackedDocument>,
    /// How many documents it is about; `None` for as many as its job.
    pub document_count: Option<usize>,
    /// Chunks that are there already.
    pub chunk_count: i64,
    /// Not to be claimed before; milliseconds since 1970.
    #[serde(serialize_with = "in_milliseconds")]
    pub next_at: Timestamp,
}

impl NewItem {
    /// Makes an item of a stage that may be claimed from `now` on.
    pub fn queued(stage: Stage, now: Timestamp) -> Self {
        Self {
            stage,
            state: ItemState::Queued,
            batch: None,
            packs: None,
            pack: None,
            cursor: None,
            documents: Vec::new(),
            document_count: Some(0),
            chunk_count: 0,
            next_at: now,
        }
    }
}

/// Inserts a job's items, in order, and returns them. `sent_at` is noted for those that are queued or
/// parked: a message follows the commit, or the sweep when they are due.
///
/// # Errors
/// A bug if the data cannot be written as JSON.
pub fn items(job: &JobId, items: &[NewItem], now: Timestamp) -> Result<Query<ItemAnnouncement>, Failure> {
    Ok(insert_items(job, json(&items)?, now).bind(Value::Null).bind(Value::Null).bind(Value::Null))
}

/// Inserts more items of the claimed item's job, from the number `first` on, which the job has to itself;
/// and returns them, as [`items`].
///
/// # Errors
/// A bug if the data cannot be written as JSON.
pub fn more_items(
    claim: &Claim,
    first: ItemId,
    items: &[NewItem],
    now: Timestamp,
) -> Result<Query<ItemAnnouncement>, Failure> {
    Ok(insert_items(&claim.job, json(&items)?, now).bind(first).bind(claim.item).bind(&claim.token))
}

fn insert_items(job: &JobId, items: String, now: Timestamp) -> Query<ItemAnnouncement> {
    // Places in the array become numbers that count on from the job's first, or from one that is given.
    // A batch names its packs, first and last, by place; over a pack of an earlier job it names that one twice.
    // An item without a number of documents is about as many as its job.
    // What somebody waits for in a queue, or the sweep sends when it is due, counts as sent.
    Query::new(formatcp!(
        "INSERT INTO job_items (id, job_id, user_id, stage, state, batch, first_pack, last_pack, documents,
                                document_count, chunk_count, progress, cursor, lease, attempts, next_at, sent_at,
                                updated_at)
         SELECT {FIRST} + r.key, j.id, j.user_id, r.value ->> 'stage', r.value ->> 'state',
                {FIRST} + (r.value ->> 'batch'),
                coalesce({FIRST} + (r.value ->> '$.packs[0]'), r.value ->> 'pack'),
                coalesce({FIRST} + (r.value ->> '$.packs[1]'), r.value ->> 'pack'),
                r.value ->> 'documents', coalesce(r.value ->> 'document_count', j.documents), r.value ->> 'chunk_count',
                0, r.value ->> 'cursor', 0, 0, r.value ->> 'next_at',
                CASE WHEN r.value ->> 'state' IN ('queued', 'parked') THEN ?3 END, ?3
         FROM jobs j CROSS JOIN json_each(?2) r WHERE j.id = ?1 AND (?5 IS NULL OR {IS_HELD})
         RETURNING id, stage, state, user_id",
        FIRST = "coalesce(?4, j.first_item)",
        IS_HELD = held_as!("?5", "?6"),
    ))
    .bind(job)
    .bind(items)
    .bind(now)
}

/// Accepts an upload whose packs are all stored: from here on the job will end. Changes nothing if it
/// was given up meanwhile.
pub fn accept(job: &JobId, now: Timestamp) -> Write {
    Write::new("UPDATE jobs SET accepted_at = ?2 WHERE id = ?1 AND accepted_at IS NULL AND cancelled_at IS NULL")
        .bind(job)
        .bind(now)
}

/// Queues the packs of an upload that this transaction accepted, and lets its batches wait for them.
/// Returns the items; those that are queued are to be announced.
pub fn release_upload(job: &JobId, now: Timestamp) -> Query<ItemAnnouncement> {
    Query::new(formatcp!(
        "UPDATE job_items SET state = CASE WHEN batch IS NULL THEN 'waiting' ELSE 'queued' END, sent_at = ?2,
             next_at = ?2, updated_at = ?2
         WHERE id BETWEEN (SELECT first_item FROM jobs WHERE id = ?1) AND (SELECT last_item FROM jobs WHERE id = ?1)
           AND state = 'uploading' AND {ACCEPTED}
         RETURNING id, stage, state, user_id",
        ACCEPTED = accepted_at!("?1", "?2"),
    ))
    .bind(job)
    .bind(now)
}

/// Lets a question wait for the one before it in its conversation, if that is not answered yet.
///
/// Until 0.2.0 it says so in a batch's columns as well, where versions before 0.1.0 look for it: while a deployment
/// goes on, and after one that was rolled back, such a version wakes what this one let wait.
pub fn wait_for_predecessor(job: &JobId) -> Write {
    Write::new(formatcp!(
        "UPDATE job_items SET state = 'waiting', waits_for_first = before.id, waits_for_last = before.id,
             first_pack = before.id, last_pack = before.id
         FROM jobs j
         JOIN conversations c ON c.user_id = j.user_id AND c.id = j.turn ->> '$.conversation_id'
         JOIN job_items before ON before.id = c.last_item AND before.state NOT IN {TERMINAL}
         WHERE j.id = ?1 AND job_items.id = j.first_item"
    ))
    .bind(job)
}

/// Notes at the question that is waited for which one it holds up; until 0.2.0 where versions before 0.1.0 look for it,
/// too.
pub fn link_predecessor(job: &JobId) -> Write {
    Write::new(
        "UPDATE job_items SET unblocks = j.first_item, batch = j.first_item FROM jobs j
         WHERE j.id = ?1 AND job_items.id = (SELECT i.waits_for_first FROM job_items i WHERE i.id = j.first_item)",
    )
    .bind(job)
}

/// Reads the first item of a job, to be announced if it is queued.
pub fn first_item(job: &JobId) -> Query<ItemAnnouncement> {
    Query::new(
        "SELECT i.id, i.stage, i.state, i.user_id FROM jobs j JOIN job_items i ON i.id = j.first_item WHERE j.id = ?1",
    )
    .bind(job)
}
