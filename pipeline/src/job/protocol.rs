//! The job protocol: who may work on an item, and how its state moves.
//!
//! `uploading -> queued -> running -> done | failed | cancelled`, with `waiting` before `queued` for
//! batches and for questions, `running -> queued` with backoff, `running -> parked` until a time. Whoever
//! claims an item holds its token; every write of a stage carries the fence
//! ([`HELD`](crate::store::conditions::HELD)), so that a writer whose lease ran out, or whose job was
//! cancelled, changes nothing. Only an owner's retry leaves a terminal state.

use crate::{
    budget::day::Day,
    failure::Failure,
    ids::{ClaimToken, ItemId, RANDOM_BYTES, UserId},
    job::{
        item::{Claim, ItemState, Move, Progress},
        message::{Message, Stage},
        outcome::Outcome,
    },
    platform::{
        ports::{Clock, Database, Queue, Random},
        transaction::{Committed, Transaction},
    },
    store::{dead_letters, jobs::items, usage},
    time::Timestamp,
};

/// Claims the message's item for its stage; `None` if it cannot be claimed now: done, cancelled, held by another,
/// not yet due, out of attempts. What becomes of the message `unclaimed` decides (`consumers/src/consume.rs`).
///
/// Idempotent: a second claim while the first holds changes nothing.
///
/// # Errors
/// What the database fails with; a bug if the row is not what the code expects.
pub async fn claim<P: Database + Clock + Random>(ports: &P, message: &Message) -> Result<Option<Claim>, Failure> {
    let now = ports.now();
    let token = ClaimToken::new(now, ports.bytes::<RANDOM_BYTES>());
    let mut transaction = Transaction::default();
    let claimed = transaction.query(items::claim(message, &token, now));
    let day = transaction.query(usage::budget::day(now));
    let done = transaction.commit(ports).await?;
    let Some(row) = done.first(claimed)? else { return Ok(None) };
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
        day: done.first(day)?.unwrap_or_else(Day::default),
    }))
}

/// Commits a message's work and moves the item on, in one transaction, then sends what follows.
///
/// `work` holds the stage's statements, fenced by [`Claim::fenced`]. If the claim was lost nothing
/// is written. A lost answer is harmless: the redelivered message finds the item moved on. A lost
/// send is too: the sweep finds an item that nobody claimed.
///
/// # Errors
/// What the database or the queue fails with; whether the work was committed is then unknown.
pub async fn complete<P: Database + Queue + Clock>(
    ports: &P,
    claim: &Claim,
    work: Transaction,
    progress: &Progress,
    next: Move,
) -> Result<Outcome, Failure> {
    commit(ports, claim, work, progress, next).await.map(|_| Outcome::Done)
}

/// Completes the item as [`complete`] does; returns false if the claim was lost and nothing was written, or given back
/// by the work itself.
///
/// # Errors
/// As [`complete`].
pub async fn commit<P: Database + Queue + Clock>(
    ports: &P,
    claim: &Claim,
    mut work: Transaction,
    progress: &Progress,
    next: Move,
) -> Result<bool, Failure> {
    let now = ports.now();
    let moved = work.write(items::advance(claim, progress, &next, now)?);
    work.announce(items::wake_waiting(claim.item, now));
    work.write(items::finish_job(claim.item, now));
    let done = work.commit(ports).await?;
    let is_moved = done.changes(moved) > 0;
    let mut messages = done.messages()?;
    if is_moved {
        messages.extend(next_stage(claim, &next).map(|stage| message(claim, stage)));
    }
    if !messages.is_empty() {
        ports.send(messages).await?;
    }
    Ok(is_moved)
}

/// The stage that a moved item waits for, if it is not finished.
fn next_stage(claim: &Claim, next: &Move) -> Option<Stage> {
    match next {
        Move::Continue(_) => Some(claim.stage),
        Move::To(stage, _) => Some(*stage),
        Move::Finish => None,
    }
}

fn message(claim: &Claim, stage: Stage) -> Message {
    Message { stage, item: claim.item, user: claim.user.clone() }
}

/// Gives a claim back after a failed attempt, as `outcome` says. Changes nothing if it was lost, and is then
/// false.
///
/// # Errors
/// What the database or the queue fails with; the lease then runs out.
pub async fn release<P: Database + Queue + Clock>(
    ports: &P,
    claim: &Claim,
    outcome: &Outcome,
) -> Result<bool, Failure> {
    let now = ports.now();
    let (state, next_at, why) = match outcome {
        Outcome::Done => return Ok(true),
        Outcome::Dead { why } => return fail(ports, claim, why).await,
        Outcome::Retry { after, why } => (ItemState::Queued, now.plus(*after), why),
        Outcome::Park { until, why } => (ItemState::Parked, *until, why),
    };
    let mut transaction = Transaction::default();
    let given_back = transaction.write(items::give_back(claim, state, next_at, why, now));
    if state == ItemState::Parked {
        transaction.write(items::park_job(claim.item));
    }
    Ok(transaction.commit(ports).await?.changes(given_back) > 0)
}

/// Holds on to a claim for another lease; false if it was lost, and the work is no longer wanted.
///
/// # Errors
/// What the database fails with.
pub async fn renew<P: Database + Clock>(ports: &P, claim: &Claim) -> Result<bool, Failure> {
    Ok(items::renew(claim, ports.now()).run(ports).await? > 0)
}

/// Lets a claimed item fail: its state, a dead letter its owner can see and replay, and whatever waited for
/// it. Changes nothing if the claim was lost, and says so by false.
async fn fail<P: Database + Queue + Clock>(ports: &P, claim: &Claim, why: &str) -> Result<bool, Failure> {
    let now = ports.now();
    let mut transaction = Transaction::default();
    // First: it looks whether the claim still holds.
    transaction.write(dead_letters::record_failed(claim, why, now));
    let failed = transaction.write(items::fail(claim, why, now));
    let done = end(ports, transaction, claim.item, now).await?;
    Ok(done.changes(failed) > 0)
}

/// Gives an item up, as [`release`] does for a claim, if D1 says now that it has no attempts left and that
/// nobody holds it; false if it does not. What its row says decides, not what somebody read of it before.
///
/// # Errors
/// What the database or the queue fails with. It may be repeated.
pub async fn give_up<P: Database + Queue + Clock>(ports: &P, item: ItemId, user: &UserId) -> Result<bool, Failure> {
    let now = ports.now();
    let mut transaction = Transaction::default();
    // First: it looks at the item as it is before.
    transaction.write(dead_letters::record_given_up(item, user, now));
    let given_up = transaction.write(items::give_up(item, user, now));
    let done = end(ports, transaction, item, now).await?;
    Ok(done.changes(given_up) > 0)
}

/// Commits the end of an item with what follows from it: what waited for it, and the end of its job.
async fn end<P: Database + Queue>(
    ports: &P,
    mut transaction: Transaction,
    item: ItemId,
    now: Timestamp,
) -> Result<Committed, Failure> {
    transaction.announce(items::wake_waiting(item, now));
    transaction.write(items::finish_job(item, now));
    let done = transaction.commit(ports).await?;
    let messages = done.messages()?;
    if !messages.is_empty() {
        ports.send(messages).await?;
    }
    Ok(done)
}
