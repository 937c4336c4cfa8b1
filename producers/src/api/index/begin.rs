//! How the job of an upload begins, whether its packs are still to be stored or its body lies in R2 already.

use pipeline::{
    failure::Failure,
    ids::{ItemId, JobId, UserId},
    job::kind::JobKind,
    platform::transaction::{Committed, Selected, Transaction},
    store::{
        counters,
        idempotency::{self, NewKey},
        jobs::create::{self, FirstItem, NewItem, NewJob},
    },
    time::Timestamp,
};

use crate::http::{
    idempotency::{Key, in_flight},
    reply::Refusal,
};

/// A job that is to begin.
#[derive(Clone, Copy, Debug)]
pub struct NewUpload<'a> {
    /// Its id.
    pub job: &'a JobId,
    /// Whose it is.
    pub user: &'a UserId,
    /// The idempotency key, if the request has one.
    pub key: Option<&'a Key>,
    /// False while its packs are being stored.
    pub is_accepted: bool,
    /// Its items.
    pub items: &'a [NewItem],
    /// How many item numbers it takes: no fewer than it has items.
    pub numbers: usize,
    /// How many documents it is about.
    pub documents: usize,
    /// How many documents that came with them cannot be indexed.
    pub rejected: usize,
    /// Now.
    pub now: Timestamp,
}

/// Claims the key, and makes the job with its items. Two requests with one key: the second inserts no key here,
/// and then no job either.
///
/// # Errors
/// A bug if an item cannot be written as JSON.
pub fn begin(work: &mut Transaction, new: NewUpload<'_>) -> Result<Selected<FirstItem>, Failure> {
    let NewUpload { job, user, now, .. } = new;
    let (key, body_hash) = new.key.map(|key| (key.key.as_str(), key.body_hash.as_str())).unzip();
    work.write(idempotency::claim(NewKey { user, key, body_hash, job, now }));
    let begun = work.query(create::job(NewJob {
        id: job,
        user,
        kind: JobKind::Index,
        is_accepted: new.is_accepted,
        items: new.numbers,
        documents: new.documents,
        rejected: new.rejected,
        key,
        now,
    }));
    work.write(counters::take_item_numbers(job, new.numbers));
    work.announce(create::items(job, new.items, now)?);
    Ok(begun)
}

/// The number of the first item of a job that has begun; if another request came with its key, that is said.
///
/// # Errors
/// A conflict, or a bug if the row is not what the code expects.
pub fn first_item(done: &Committed, begun: Selected<FirstItem>) -> Result<ItemId, Refusal> {
    match done.first(begun)? {
        Some(first) => Ok(first.first_item),
        None => Err(in_flight().into()),
    }
}
