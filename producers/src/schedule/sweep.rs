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
    ids::ItemId,
    job::{message::Message, protocol},
    platform::{
        object_keys,
        ports::{Clock, Database, ObjectStore, Queue},
        transaction::Transaction,
    },
    store::{
        idempotency,
        jobs::{
            items,
            sweep::{self, StuckItem},
        },
    },
    time::Timestamp,
};

use super::Report;

/// Sweeps once. See the module for its steps.
pub async fn sweep<P: Database + ObjectStore + Queue + Clock>(ports: &P) -> Result<Report, Failure> {
    let now = ports.now();
    let abandoned = abandoned(ports, now).await?;
    let stuck = sweep::stuck_items(now).all(ports).await?;
    let (dead, alive): (Vec<StuckItem>, Vec<StuckItem>) =
        stuck.into_iter().partition(|item| item.attempts >= constants::ATTEMPTS);
    for item in &dead {
        let why = item.error.as_deref().unwrap_or("its worker stopped answering every time");
        protocol::fail(ports, item.id, &item.user_id, why, None).await?;
    }
    resend(ports, &alive, now).await?;
    Ok(Report { resent: alive.len(), failed: dead.len(), abandoned, ..Report::default() })
}

/// Idempotent: the rows, which say what to remove, go last.
async fn abandoned<P: Database + ObjectStore>(ports: &P, now: Timestamp) -> Result<usize, Failure> {
    let uploads = sweep::abandoned_uploads(now).all(ports).await?;
    for upload in &uploads {
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
    Ok(uploads.len())
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

/// What every move of an item does in its own transaction, done again: wakes what waits for nothing any
/// more, finishes jobs whose items are terminal, and shows jobs to the sweep that are not all parked. A net
/// under those, hourly: it looks at every unfinished job, and many may be parked until tomorrow.
pub async fn wake_and_finish<P: Database + Clock>(ports: &P) -> Result<(), Failure> {
    let now = ports.now();
    let mut transaction = Transaction::default();
    transaction.write(items::wake_all_waiting(now));
    transaction.write(items::show_parked_jobs(now));
    transaction.write(items::finish_all_jobs(now));
    transaction.commit(ports).await.map(drop)
}
