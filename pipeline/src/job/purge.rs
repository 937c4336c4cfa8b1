//! Handing superseded revisions to the purge stage.
//!
//! Whatever makes a revision superseded (a publish, a delete, a cancel) notes it in its own transaction
//! (`store::documents`) under the next item number; [`schedule`] then makes the job and the item of that
//! number. Where nothing was noted it changes nothing.

use crate::{
    failure::Failure,
    ids::{JobId, UserId},
    job::{item::ItemState, kind::JobKind, message::Stage},
    platform::transaction::Transaction,
    store::{
        counters,
        jobs::create::{self, NewItem},
    },
    time::Timestamp,
};

/// What superseded revisions are purged as.
#[derive(Clone, Copy, Debug)]
pub struct Purge<'a> {
    /// The id of the job it becomes.
    pub job: &'a JobId,
    /// Whose revisions they are.
    pub user: &'a UserId,
    /// [`JobKind::Delete`] when their owner asked for it and wants a receipt, else [`JobKind::Purge`].
    pub kind: JobKind,
    /// Not before this.
    pub due: Timestamp,
    /// Now.
    pub now: Timestamp,
}

/// Makes one purge item of the revisions that earlier statements noted. It is announced if it is due:
/// what waits is sent by the sweep.
///
/// # Errors
/// A bug if the item cannot be written as JSON.
pub fn schedule(transaction: &mut Transaction, purge: Purge<'_>) -> Result<(), Failure> {
    let Purge { job, user, kind, due, now } = purge;
    transaction.write(create::purge_job(job, user, kind, now));
    transaction.write(counters::take_item_numbers(job, 1));
    let state = if due > now { ItemState::Parked } else { ItemState::Queued };
    let item = NewItem { state, next_at: due, document_count: None, ..NewItem::queued(Stage::Purge, now) };
    transaction.announce(create::items(job, &[item], now)?);
    Ok(())
}
