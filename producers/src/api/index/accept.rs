//! The commit of an upload: from planned packs to a job that cannot be lost.
//!
//! 1. One D1 transaction announces the job, its items and the idempotency key. The item rows are
//!    the intent: if what follows never ends, the sweep knows which objects to remove.
//! 2. The packs go to R2, each under its item's number, only if nothing is there.
//! 3. One D1 transaction makes the job: it is accepted, its documents take their next revision, a
//!    revision that was still in flight is superseded, its items are queued. A compare-and-set
//!    on the announcement guards it all. From here on the job will end.
//! 4. Messages are sent. If that fails the sweep sends them.
//!
//! What fails before the third step frees its idempotency key: the client that is asked to try again can.

use futures_util::future::join_all;
use pipeline::{
    failure::Failure,
    ids::{ItemId, JobId},
    job::{
        item::ItemState,
        kind::JobKind,
        purge::{self, Purge},
    },
    platform::{
        object_keys,
        ports::{Clock, Database, ObjectStore, PutIf, Queue, Random},
        transaction::Transaction,
    },
    problem::{Code, Problem},
    store::{
        documents::{
            superseded,
            upload::{self, Upload},
        },
        idempotency,
        jobs::create::{self, NewItem},
    },
    tenant::Tenant,
};
use uploads::{PreparedDocument, pack::Batch, packed};

use super::begin::{self, NewUpload};
use crate::http::{
    idempotency::{Key, free_key},
    reply::Refusal,
};

/// What is to be committed.
#[derive(Clone, Copy, Debug)]
pub struct PlannedUpload<'a> {
    /// The job's id.
    pub job: &'a JobId,
    /// Whose it is.
    pub tenant: &'a Tenant,
    /// Its documents, none of them a duplicate.
    pub documents: &'a [PreparedDocument],
    /// Their packs.
    pub batches: &'a [Batch],
    /// The idempotency key, if the request has one.
    pub key: Option<&'a Key>,
    /// The answer to replay.
    pub response: &'a str,
    /// How many documents of the request cannot be indexed.
    pub rejected: usize,
}

/// Commits an upload. See the module for its steps.
pub async fn accept<P>(ports: &P, plan: PlannedUpload<'_>) -> Result<(), Refusal>
where
    P: Database + ObjectStore + Queue + Clock + Random,
{
    let committed = commit(ports, &plan).await;
    if let Err(Refusal::Failure(_)) = &committed {
        // If this fails, too, the key is free when the request has been silent for a lease.
        let _ = free_key(ports, &plan.tenant.user, plan.job).await;
    }
    committed
}

async fn commit<P>(ports: &P, plan: &PlannedUpload<'_>) -> Result<(), Refusal>
where
    P: Database + ObjectStore + Queue + Clock + Random,
{
    let states = (ItemState::Uploading, ItemState::Uploading);
    let items = packed::new_items(plan.documents, plan.batches, states, ports.now());
    let first = insert_uploading(ports, plan, &items).await?;
    let packs = packed::pack_numbers(&items, first);
    store_packs(ports, plan, &packs).await?;
    make_job(ports, plan, &packs).await
}

/// Step 1. Returns the number of this job's first item.
async fn insert_uploading<P: Database + Clock>(
    ports: &P,
    plan: &PlannedUpload<'_>,
    items: &[NewItem],
) -> Result<ItemId, Refusal> {
    let mut transaction = Transaction::default();
    let new = NewUpload {
        job: plan.job,
        user: &plan.tenant.user,
        key: plan.key,
        is_accepted: false,
        items,
        numbers: items.len(),
        documents: plan.documents.len(),
        rejected: plan.rejected,
        now: ports.now(),
    };
    let begun = begin::begin(&mut transaction, new)?;
    begin::first_item(&transaction.commit(ports).await?, begun)
}

/// Step 2. Idempotent by name: the item's number is this job's alone.
async fn store_packs<P: ObjectStore>(ports: &P, plan: &PlannedUpload<'_>, packs: &[ItemId]) -> Result<(), Failure> {
    let planned = plan.batches.iter().flatten();
    let puts = packs.iter().zip(planned).map(|(item, pack)| {
        let bytes = packed::bytes(plan.documents, pack);
        let key = object_keys::pack(&plan.tenant.user, *item);
        async move { ports.put(&key, bytes, PutIf::Absent).await }
    });
    for stored in join_all(puts).await {
        if !stored? {
            return Err(Failure::bug("a pack's name was taken"));
        }
    }
    Ok(())
}

/// Step 3. Every statement is guarded by the first: `accepted_at` is this call's own.
async fn make_job<P: Database + Queue + Clock + Random>(
    ports: &P,
    plan: &PlannedUpload<'_>,
    packs: &[ItemId],
) -> Result<(), Refusal> {
    let now = ports.now();
    let user = &plan.tenant.user;
    let revisions = packed::revisions(plan.documents, plan.batches, packs, now);
    let upload = Upload::new(user, plan.job, &revisions, now)?;
    let mut work = Transaction::default();
    let accept = work.write(create::accept(plan.job, now));
    work.write_all(superseded::by_upload(&upload));
    let purge_job = JobId::new(now, ports.bytes());
    purge::schedule(&mut work, Purge { job: &purge_job, user, kind: JobKind::Purge, due: now, now })?;
    work.write_all(upload::take_revisions(&upload));
    work.announce(create::release_upload(plan.job, now));
    let key = plan.key.map(|key| key.key.as_str());
    work.write(idempotency::answer(user, key, plan.job, plan.response, now));
    let done = work.commit(ports).await?;
    if done.changes(accept) == 0 {
        return Err(Problem::new(Code::Unavailable, "the upload took too long and was given up; send it again").into());
    }
    // The job is committed: a lost message costs a sweep, not the job.
    let _ = ports.send(done.messages()?).await;
    Ok(())
}
