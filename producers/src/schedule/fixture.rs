//! Jobs as the product makes them, for the tests beside the schedule's steps.

use pipeline::{
    ids::{ItemId, JobId, UserId},
    job::kind::JobKind,
    platform::{
        ports::{Clock as _, Random as _},
        transaction::Transaction,
    },
    store::{
        counters,
        jobs::create::{self, NewItem, NewJob},
    },
};
use test_platform::{InMemory, ready};

/// The user whose jobs they are.
pub(super) fn user() -> UserId {
    UserId::parse("usr_00000000000000000000000000").unwrap()
}

/// Inserts a job that was accepted, with these items; the number of its first item.
pub(super) fn insert_job(memory: &InMemory, kind: JobKind, items: &[NewItem]) -> ItemId {
    let (now, user) = (memory.now(), user());
    let id = JobId::new(now, memory.bytes());
    let documents = items.iter().filter_map(|item| item.document_count).sum();
    let new = NewJob {
        id: &id,
        user: &user,
        kind,
        is_accepted: true,
        items: items.len(),
        documents,
        rejected: 0,
        key: None,
        now,
    };
    let mut transaction = Transaction::default();
    let row = transaction.query(create::job(new));
    transaction.write(counters::take_item_numbers(&id, items.len()));
    transaction.query(create::items(&id, items, now).unwrap());
    ready(transaction.commit(memory)).unwrap().first(row).unwrap().unwrap().first_item
}
