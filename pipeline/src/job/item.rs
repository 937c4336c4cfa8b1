//! The job protocol: who may work on an item, and how its state moves.
//!
//! `uploading -> queued -> running -> done | failed | cancelled`, with `waiting` before `queued` for
//! batches, `running -> queued` with backoff, `running -> parked` until a time. Whoever claims an
//! item holds its token; every write of a stage carries the [`HELD`] fence, so that a writer whose
//! lease ran out, or whose job was cancelled, changes nothing. Only an owner's retry leaves a
//! terminal state.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    budget::day::Day,
    constants,
    failure::Failure,
    ids::{ClaimToken, DocumentId, ItemId, JobId, RANDOM_BYTES, UserId},
    job::{
        message::{Message, Stage},
        outcome::Outcome,
    },
    platform::{
        ports::{Clock, Database, Queue, Random},
        statement::{Statement, json},
        transaction::Work,
    },
    time::{SECOND, Timestamp},
};

/// The state of a job item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ItemState {
    /// Its pack is being stored; if that never ends, the pack is garbage.
    Uploading,
    /// A batch whose packs are not all chunked.
    Waiting,
    /// Wants a worker.
    Queued,
    /// Claimed.
    Running,
    /// Waits for a time, in D1.
    Parked,
    /// Finished well.
    Done,
    /// Given up; its owner can retry it.
    Failed,
    /// Stopped by its owner.
    Cancelled,
}

impl ItemState {
    /// True if nothing will change it but its owner.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }
}

/// Where a document lies in its pack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackedDocument {
    /// The document.
    pub id: DocumentId,
    /// First byte in the pack.
    pub start: u64,
    /// One past its last byte.
    pub end: u64,
}

/// A document of a pack that failed alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentFailure {
    /// The document.
    pub document_id: DocumentId,
    /// Stable machine-readable name.
    pub code: String,
    /// What its owner can do something about.
    pub detail: String,
}

/// A claimed item: the right to write for it until the lease ends.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The item.
    pub item: ItemId,
    /// Its owner.
    pub user: UserId,
    /// The job it belongs to.
    pub job: JobId,
    /// The stage it is in.
    pub stage: Stage,
    /// Proof of the claim.
    pub token: ClaimToken,
    /// Attempts since the last progress, this one included.
    pub attempts: i64,
    /// Where the stage goes on, in the stage's own JSON.
    pub cursor: Option<String>,
    /// Of a pack: its documents.
    pub documents: Vec<PackedDocument>,
    /// Of a batch: its packs.
    pub packs: Option<(ItemId, ItemId)>,
    /// Chunks made so far.
    pub chunk_count: i64,
    /// What the day has cost, when the claim was made.
    pub day: Day,
}

#[derive(Deserialize)]
struct ClaimRow {
    job_id: JobId,
    attempts: i64,
    cursor: Option<String>,
    documents: String,
    first_pack: Option<ItemId>,
    last_pack: Option<ItemId>,
    chunk_count: i64,
}

/// A message that came a moment early is not sent back for it.
const EARLY: i64 = SECOND;

/// Claims the message's item for its stage; `None` if there is nothing to do: done, cancelled, held
/// by another, not yet due, out of attempts. The sweeper owns liveness, so the message may go.
///
/// Idempotent: a second claim while the first holds changes nothing.
pub async fn claim<P: Database + Clock + Random>(ports: &P, message: &Message) -> Result<Option<Claim>, Failure> {
    let now = ports.now();
    let token = ClaimToken::new(now, ports.bytes::<RANDOM_BYTES>());
    let claim = Statement::new(
        "UPDATE job_items SET state = 'running', token = ?1, lease = ?2, attempts = attempts + 1, updated_at = ?3
         WHERE id = ?4 AND user_id = ?5 AND stage = ?6 AND attempts < ?7 AND next_at <= ?8
           AND (state IN ('queued', 'parked') OR (state = 'running' AND lease < ?3))
         RETURNING job_id, attempts, cursor, documents, first_pack, last_pack, chunk_count",
    )
    .bind(&token)
    .bind(now.plus(constants::LEASE))
    .bind(now)
    .bind(message.item)
    .bind(&message.user)
    .bind(message.stage.name())
    .bind(constants::ATTEMPTS)
    .bind(now.plus(EARLY));
    let answers = ports.batch(vec![claim, Day::select(now)]).await?;
    let Some(row) = answers.at(0)?.first::<ClaimRow>()? else { return Ok(None) };
    let documents = serde_json::from_str(&row.documents)
        .map_err(|error| Failure::bug(format!("documents of item {}: {error}", message.item)))?;
    Ok(Some(Claim {
        item: message.item,
        user: message.user.clone(),
        job: row.job_id,
        stage: message.stage,
        token,
        attempts: row.attempts,
        cursor: row.cursor,
        documents,
        packs: row.first_pack.zip(row.last_pack),
        chunk_count: row.chunk_count,
        day: answers.at(1)?.first()?.unwrap_or_default(),
    }))
}

/// Where an item goes when a message's worth of work is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Move {
    /// More of the same stage, from this cursor.
    Continue(String),
    /// On to the next stage, which begins at this cursor.
    To(Stage, String),
    /// Nothing left to do.
    Finish,
}

/// What a message's work adds to its item.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Chunks made.
    pub chunks_made: i64,
    /// Chunks taken through the stage.
    pub chunks_passed: i64,
    /// Documents that failed alone.
    pub failures: Vec<DocumentFailure>,
}

/// The SQL condition that the claim bound as `?1` (item) and `?2` (token) still holds.
///
/// A stage's own statements carry it, and run in one batch with [`settle`], which gives the claim up.
pub const HELD: &str = "EXISTS (SELECT 1 FROM job_items WHERE id = ?1 AND token = ?2)";

impl Claim {
    /// A statement whose `?1` and `?2` are the item and the token, for the [`HELD`] fence.
    pub fn fenced(&self, sql: &'static str) -> Statement {
        debug_assert!(sql.contains("token = ?2"), "a write without the fence");
        Statement::new(sql).bind(self.item).bind(&self.token)
    }
}

/// An item that has just been queued because what it waited for ended.
#[derive(Debug, Deserialize)]
pub struct Woken {
    id: ItemId,
    stage: Stage,
}

impl Woken {
    /// The message that tells its stage.
    pub fn message(self, user: &UserId) -> Message {
        Message { stage: self.stage, item: self.id, user: user.clone() }
    }
}

/// Commits a message's work and moves the item on, in one transaction, then sends what follows.
///
/// `work` holds the stage's statements, fenced by [`Claim::fenced`]. If the claim was lost nothing
/// is written. A lost answer is harmless: the redelivered message finds the item moved on. A lost
/// send is too: the sweeper finds an item that nobody claimed.
pub async fn settle<P: Database + Queue + Clock>(
    ports: &P,
    claim: &Claim,
    work: Work,
    progress: &Progress,
    next: Move,
) -> Result<Outcome, Failure> {
    commit(ports, claim, work, progress, next).await.map(|_| Outcome::Done)
}

/// As [`settle`]; false if the claim was lost and nothing was written.
pub async fn commit<P: Database + Queue + Clock>(
    ports: &P,
    claim: &Claim,
    work: Work,
    progress: &Progress,
    next: Move,
) -> Result<bool, Failure> {
    let now = ports.now();
    let retire = work.retire();
    let mut statements = work.statements;
    let moved = statements.len();
    statements.push(move_statement(claim, progress, &next, now)?);
    statements.push(wake_waiting(claim.item, now));
    statements.push(finish_job_of(claim.item, now));
    let answers = ports.batch(statements).await?;
    if answers.at(moved)?.changes == 0 {
        return Ok(false);
    }
    let mut messages = Vec::from_iter(Work::retire_message(retire, &answers, &claim.user)?);
    let stage = match next {
        Move::Continue(_) => Some(claim.stage),
        Move::To(stage, _) => Some(stage),
        Move::Finish => None,
    };
    messages.extend(stage.map(|stage| Message { stage, item: claim.item, user: claim.user.clone() }));
    let woken: Option<Woken> = answers.at(moved + 1)?.first()?;
    messages.extend(woken.map(|woken| woken.message(&claim.user)));
    if !messages.is_empty() {
        ports.send(messages).await?;
    }
    Ok(true)
}

fn move_statement(claim: &Claim, progress: &Progress, next: &Move, now: Timestamp) -> Result<Statement, Failure> {
    let (stage, state, cursor, next_at) = match next {
        Move::Continue(cursor) => (claim.stage, ItemState::Queued, Some(cursor.clone()), now),
        Move::To(stage, cursor) => (*stage, ItemState::Queued, Some(cursor.clone()), now),
        Move::Finish => (claim.stage, ItemState::Done, None, now),
    };
    let failures = if progress.failures.is_empty() { None } else { Some(json(&progress.failures)?) };
    Ok(Statement::new(
        "UPDATE job_items SET stage = ?3, state = ?4, cursor = ?5, next_at = ?6, sent_at = ?7, updated_at = ?7,
             token = NULL, attempts = 0, error = NULL, chunk_count = chunk_count + ?8,
             progress = CASE WHEN stage = ?3 THEN progress + ?9 ELSE 0 END,
             failures = coalesce(?10, failures)
         WHERE id = ?1 AND token = ?2",
    )
    .bind(claim.item)
    .bind(&claim.token)
    .bind(stage.name())
    .bind(state_name(state))
    .bind(cursor)
    .bind(next_at)
    .bind(now)
    .bind(progress.chunks_made)
    .bind(progress.chunks_passed)
    .bind(failures))
}

/// Queues what waits for an item when nothing it waits for is left to do: the batch of a pack, or the
/// next question of a conversation. Returns it.
pub fn wake_waiting(item: ItemId, now: Timestamp) -> Statement {
    Statement::new(
        "UPDATE job_items SET state = 'queued', next_at = ?2, sent_at = ?2, updated_at = ?2,
             chunk_count = (SELECT total(p.chunk_count) FROM job_items p
                            WHERE p.id BETWEEN job_items.first_pack AND job_items.last_pack)
         WHERE id = (SELECT batch FROM job_items WHERE id = ?1) AND state = 'waiting'
           AND NOT EXISTS (SELECT 1 FROM job_items p
                           WHERE p.id BETWEEN job_items.first_pack AND job_items.last_pack
                             AND p.state NOT IN ('done', 'failed', 'cancelled'))
         RETURNING id, stage",
    )
    .bind(item)
    .bind(now)
}

/// Marks an item's job finished when every item of it is terminal.
pub fn finish_job_of(item: ItemId, now: Timestamp) -> Statement {
    Statement::new(
        "UPDATE jobs SET finished_at = ?2
         WHERE id = (SELECT job_id FROM job_items WHERE id = ?1) AND finished_at IS NULL AND accepted_at IS NOT NULL
           AND NOT EXISTS (SELECT 1 FROM job_items
                           WHERE id BETWEEN jobs.first_item AND jobs.last_item
                             AND state NOT IN ('done', 'failed', 'cancelled'))",
    )
    .bind(item)
    .bind(now)
}

/// Gives a claim back after a failed attempt, as `outcome` says. Changes nothing if it was lost.
pub async fn release<P: Database + Queue + Clock>(ports: &P, claim: &Claim, outcome: &Outcome) -> Result<(), Failure> {
    let now = ports.now();
    let (state, next_at, why) = match outcome {
        Outcome::Done => return Ok(()),
        Outcome::Dead { why } => return fail(ports, claim.item, &claim.user, why, Some(&claim.token)).await,
        Outcome::Retry { after, why } => (ItemState::Queued, now.plus(i64::from(*after) * SECOND), why),
        Outcome::Park { until, why } => (ItemState::Parked, *until, why),
    };
    // Parking is nobody's failed attempt.
    let release = Statement::new(
        "UPDATE job_items SET state = ?3, next_at = ?4, sent_at = ?5, updated_at = ?5, token = NULL, error = ?6,
             attempts = CASE ?3 WHEN 'parked' THEN 0 ELSE attempts END
         WHERE id = ?1 AND token = ?2",
    )
    .bind(claim.item)
    .bind(&claim.token)
    .bind(state_name(state))
    .bind(next_at)
    .bind(now)
    .bind(why.as_str());
    let mut statements = vec![release];
    if state == ItemState::Parked {
        statements.push(park_job_of(claim.item));
    }
    ports.batch(statements).await.map(drop)
}

/// Hides an item's job from the sweep until the first of its parked items is due, if nothing else of
/// it is left to do.
fn park_job_of(item: ItemId) -> Statement {
    Statement::new(
        "UPDATE jobs SET due_at = (SELECT min(next_at) FROM job_items
                                   WHERE id BETWEEN jobs.first_item AND jobs.last_item AND state = 'parked')
         WHERE id = (SELECT job_id FROM job_items WHERE id = ?1 AND state = 'parked')
           AND NOT EXISTS (SELECT 1 FROM job_items
                           WHERE id BETWEEN jobs.first_item AND jobs.last_item AND state IN ('queued', 'running'))",
    )
    .bind(item)
}

/// Holds on to a claim for another lease; false if it was lost, and the work is no longer wanted.
pub async fn renew<P: Database + Clock>(ports: &P, claim: &Claim) -> Result<bool, Failure> {
    let renew = Statement::new("UPDATE job_items SET lease = ?3 WHERE id = ?1 AND token = ?2")
        .bind(claim.item)
        .bind(&claim.token)
        .bind(ports.now().plus(constants::LEASE));
    Ok(ports.batch(vec![renew]).await?.at(0)?.changes > 0)
}

/// Gives an item up: its state, a dead letter its owner can see and replay, and whatever waited for
/// it. With a token only if that claim still holds; without one (sweeper, dead-letter queue) unless
/// the item is terminal already.
pub async fn fail<P: Database + Queue + Clock>(
    ports: &P,
    item: ItemId,
    user: &UserId,
    why: &str,
    token: Option<&ClaimToken>,
) -> Result<(), Failure> {
    let now = ports.now();
    let dead_letter = Statement::new(
        "INSERT INTO dead_letters (id, user_id, item_id, stage, why, created_at)
         SELECT 'item-' || id || '-' || stage, user_id, id, stage, ?3, ?4 FROM job_items
         WHERE id = ?1 AND user_id = ?5 AND (token = ?2 OR ?2 IS NULL) AND state NOT IN ('done', 'failed', 'cancelled')
         ON CONFLICT (id) DO UPDATE SET why = excluded.why, created_at = excluded.created_at, replayed_at = NULL",
    )
    .bind(item)
    .bind(token)
    .bind(why)
    .bind(now)
    .bind(user);
    let fail = Statement::new(
        "UPDATE job_items SET state = 'failed', token = NULL, error = ?3, updated_at = ?4
         WHERE id = ?1 AND user_id = ?5 AND (token = ?2 OR ?2 IS NULL) AND state NOT IN ('done', 'failed', 'cancelled')",
    )
    .bind(item)
    .bind(token)
    .bind(why)
    .bind(now)
    .bind(user);
    let answers = ports.batch(vec![dead_letter, fail, wake_waiting(item, now), finish_job_of(item, now)]).await?;
    if let Some(woken) = answers.at(2)?.first::<Woken>()? {
        ports.send(vec![woken.message(user)]).await?;
    }
    Ok(())
}

/// The state's name in D1.
pub const fn state_name(state: ItemState) -> &'static str {
    match state {
        ItemState::Uploading => "uploading",
        ItemState::Waiting => "waiting",
        ItemState::Queued => "queued",
        ItemState::Running => "running",
        ItemState::Parked => "parked",
        ItemState::Done => "done",
        ItemState::Failed => "failed",
        ItemState::Cancelled => "cancelled",
    }
}
