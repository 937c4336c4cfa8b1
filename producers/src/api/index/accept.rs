//! The commit of an upload: from planned packs to a job that cannot be lost.
//!
//! 1. One D1 transaction announces the job, its items and the idempotency key. The item rows are
//!    the intent: if what follows never ends, the sweeper knows which objects to remove.
//! 2. The packs go to R2, each under its item's number, only if nothing is there.
//! 3. One D1 transaction makes the job: it is accepted, its documents take their next revision, a
//!    revision that was still in flight becomes garbage, its items are queued. A compare-and-set
//!    on the announcement guards it all. From here on the job will end.
//! 4. Messages are sent. If that fails the sweeper sends them.

use futures_util::future::join_all;
use pipeline::job::purge::{self, Purge};
use pipeline::{
    failure::Failure,
    ids::{DocumentId, ItemId, JobId},
    job::{item::PackedDocument, message::Stage},
    platform::{
        object_keys,
        ports::{Clock, Database, ObjectStore, PutIf, Queue, Random},
        statement::json,
        transaction::Transaction,
    },
    problem::{Code, Problem},
    tenant::Tenant,
    time::Timestamp,
};
use pipeline::{
    job::item::ItemState,
    platform::transaction::Write,
    store::{
        idempotency::{self, NewKey},
        jobs::create::{self, NewItem, NewJob},
    },
};
use serde::Serialize;

use super::{Prepared, pack::Batch};
use crate::http::reply::Refusal;

/// What is to be committed.
#[derive(Clone, Copy, Debug)]
pub struct Accepted<'a> {
    /// The job's id.
    pub job: &'a JobId,
    /// Whose it is.
    pub tenant: &'a Tenant,
    /// Its documents, none of them a duplicate.
    pub documents: &'a [Prepared],
    /// Their packs.
    pub batches: &'a [Batch],
    /// Idempotency key and hex SHA-256 of the body.
    pub idempotency: Option<(&'a str, &'a str)>,
    /// The answer to replay.
    pub response: &'a str,
}

/// Commits an upload. See the module for its steps.
pub async fn accept<P>(ports: &P, accepted: Accepted<'_>) -> Result<(), Refusal>
where
    P: Database + ObjectStore + Queue + Clock + Random,
{
    let items = new_items(&accepted, ports.now());
    let first = announce(ports, &accepted, &items).await?;
    let packs = packs(&items, first);
    store_packs(ports, &accepted, &packs).await?;
    make_job(ports, &accepted, &packs).await
}

/// The packs of each batch, then the batch.
fn new_items(accepted: &Accepted<'_>, now: Timestamp) -> Vec<NewItem> {
    let mut items = Vec::new();
    for batch in accepted.batches {
        let first = items.len();
        let batch_place = first + batch.len();
        for pack in batch {
            let documents = packed(accepted.documents, &pack.documents);
            items.push(NewItem {
                state: ItemState::Uploading,
                batch: Some(batch_place),
                document_count: Some(documents.len()),
                documents,
                ..NewItem::queued(Stage::Chunk, now)
            });
        }
        items.push(NewItem {
            state: ItemState::Uploading,
            packs: batch_place.checked_sub(1).map(|last| (first, last)),
            ..NewItem::queued(Stage::Embed, now)
        });
    }
    items
}

fn packed(documents: &[Prepared], places: &[usize]) -> Vec<PackedDocument> {
    let mut start = 0;
    places
        .iter()
        .filter_map(|place| documents.get(*place))
        .map(|prepared| {
            let end = start + prepared.document.content.len() as u64;
            let packed = PackedDocument { id: prepared.id.clone(), start, end };
            start = end;
            packed
        })
        .collect()
}

/// The numbers of the packs, in the order of the plan.
fn packs(items: &[NewItem], first: ItemId) -> Vec<ItemId> {
    (first.0..).zip(items).filter(|(_, item)| item.batch.is_some()).map(|(number, _)| ItemId(number)).collect()
}

/// Step 1. Returns the number of this job's first item.
async fn announce<P: Database + Clock>(
    ports: &P,
    accepted: &Accepted<'_>,
    items: &[NewItem],
) -> Result<ItemId, Refusal> {
    let now = ports.now();
    let user = &accepted.tenant.user;
    let (key, body_hash) = accepted.idempotency.unzip();
    let mut transaction = Transaction::default();
    // Two requests with one key: the second inserts nothing here, and then no job either.
    transaction.write(idempotency::claim(NewKey { user, key, body_hash, job: accepted.job, now }));
    let job = transaction.query(create::job(NewJob {
        id: accepted.job,
        user,
        kind: "index",
        is_accepted: false,
        items: items.len(),
        documents: accepted.documents.len(),
        key,
        now,
    }));
    transaction.write(create::take_numbers(accepted.job, items.len()));
    transaction.query(create::items(accepted.job, items, now)?);
    match transaction.commit(ports).await?.first(job)? {
        Some(first) => Ok(first.first_item),
        None => {
            Err(Problem::field(Code::Conflict, "Idempotency-Key", "another request with this key is being worked on")
                .into())
        }
    }
}

/// Step 2. Idempotent by name: the item's number is this job's alone.
async fn store_packs<P: ObjectStore>(ports: &P, accepted: &Accepted<'_>, packs: &[ItemId]) -> Result<(), Failure> {
    let planned = accepted.batches.iter().flatten();
    let puts = packs.iter().zip(planned).map(|(item, pack)| {
        let mut bytes = Vec::with_capacity(pack.bytes);
        for place in &pack.documents {
            bytes.extend_from_slice(&accepted.documents[*place].document.content);
        }
        let key = object_keys::pack(&accepted.tenant.user, *item);
        async move { ports.put(&key, bytes, PutIf::Absent).await }
    });
    for stored in join_all(puts).await {
        if !stored? {
            return Err(Failure::bug("a pack's name was taken"));
        }
    }
    Ok(())
}

/// A document row for step 3.
#[derive(Debug, Serialize)]
struct DocumentRow<'a> {
    id: &'a DocumentId,
    pack: ItemId,
    hash: &'a str,
    bytes: usize,
    created_at: i64,
    #[serde(flatten)]
    description: &'a super::validate::Description,
}

/// Step 3. Every statement is guarded by the first: `accepted_at` is this call's own.
async fn make_job<P: Database + Queue + Clock + Random>(
    ports: &P,
    accepted: &Accepted<'_>,
    packs: &[ItemId],
) -> Result<(), Refusal> {
    let now = ports.now();
    let user = &accepted.tenant.user;
    let documents = json(&document_rows(accepted, packs, now))?;
    let mut work = Transaction::default();
    let accept = work.write(create::accept(accepted.job, now));
    // A revision that was still on its way will never be seen now.
    let superseded = Write::new(
        "INSERT INTO garbage (retire_item, document_id, revision, pack, user_id)
         SELECT (SELECT value + 1 FROM counters WHERE name = 'item'), d.id, d.latest, d.latest_item, d.user_id
         FROM json_each(?1) r CROSS JOIN documents d ON d.user_id = ?2 AND d.id = r.value ->> 'id'
         -- What a cancel went back to is no revision in flight, whatever number was given out last.
         WHERE d.deleted_at IS NULL AND d.latest_item IS NOT NULL AND d.latest_item IS NOT d.current_item
           AND EXISTS (SELECT 1 FROM jobs WHERE id = ?3 AND accepted_at = ?4)",
    )
    .bind(documents.as_str())
    .bind(user)
    .bind(accepted.job)
    .bind(now);
    work.write(superseded);
    let retire_job = JobId::new(now, ports.bytes());
    purge::schedule(&mut work, Purge { job: &retire_job, user, kind: "retire", due: now, now })?;
    work.write(upsert_documents(&documents, accepted, now));
    work.announce(create::release_upload(accepted.job, now));
    let (key, _) = accepted.idempotency.unzip();
    work.write(idempotency::answer(user, key, accepted.job, accepted.response, now));
    let done = work.commit(ports).await?;
    if done.changes(accept) == 0 {
        return Err(Problem::new(Code::Unavailable, "the upload took too long and was given up; send it again").into());
    }
    // The job is committed: a lost message costs a sweep, not the job.
    let _ = ports.send(done.messages()?).await;
    Ok(())
}

fn document_rows<'a>(accepted: &Accepted<'a>, packs: &[ItemId], now: Timestamp) -> Vec<DocumentRow<'a>> {
    let planned = accepted.batches.iter().flatten();
    packs
        .iter()
        .zip(planned)
        .flat_map(|(item, pack)| pack.documents.iter().map(move |place| (*item, *place)))
        .filter_map(|(pack, place)| accepted.documents.get(place).map(|prepared| (pack, prepared)))
        .map(|(pack, prepared)| DocumentRow {
            id: &prepared.id,
            pack,
            hash: &prepared.fingerprint,
            bytes: prepared.document.content.len(),
            created_at: prepared.document.description.created_at.unwrap_or(now).milliseconds(),
            description: &prepared.document.description,
        })
        .collect()
}

/// A new document, the next revision of one that is there, or the return of one that was deleted.
/// While a revision is current, what describes the next one waits in `pending`.
fn upsert_documents(documents: &str, accepted: &Accepted<'_>, now: Timestamp) -> Write {
    Write::new(
        "INSERT INTO documents (user_id, id, external_id, title, type, language, media_type, tags, metadata, created_at,
                                uploaded_at, bytes, latest, latest_item, latest_hash)
         SELECT ?2, r.value ->> 'id', r.value ->> 'external_id', r.value ->> 'title', r.value ->> 'type', r.value ->> 'language',
                r.value ->> 'media_type', r.value ->> 'tags', r.value ->> 'metadata', r.value ->> 'created_at',
                ?4, r.value ->> 'bytes', 1, r.value ->> 'pack', r.value ->> 'hash'
         FROM json_each(?1) r WHERE EXISTS (SELECT 1 FROM jobs WHERE id = ?3 AND accepted_at = ?4)
         ON CONFLICT (user_id, id) DO UPDATE SET
             latest = latest + 1, latest_item = excluded.latest_item, latest_hash = excluded.latest_hash, deleted_at = NULL,
             pending = CASE WHEN current IS NULL THEN NULL ELSE json_object(
                 'external_id', excluded.external_id, 'title', excluded.title, 'type', excluded.type, 'language', excluded.language,
                 'media_type', excluded.media_type, 'tags', json(excluded.tags), 'metadata', json(excluded.metadata),
                 'created_at', excluded.created_at, 'uploaded_at', excluded.uploaded_at, 'bytes', excluded.bytes) END,
             external_id = CASE WHEN current IS NULL THEN excluded.external_id ELSE external_id END,
             title = CASE WHEN current IS NULL THEN excluded.title ELSE title END,
             type = CASE WHEN current IS NULL THEN excluded.type ELSE type END,
             language = CASE WHEN current IS NULL THEN excluded.language ELSE language END,
             media_type = CASE WHEN current IS NULL THEN excluded.media_type ELSE media_type END,
             tags = CASE WHEN current IS NULL THEN excluded.tags ELSE tags END,
             metadata = CASE WHEN current IS NULL THEN excluded.metadata ELSE metadata END,
             created_at = CASE WHEN current IS NULL THEN excluded.created_at ELSE created_at END,
             uploaded_at = CASE WHEN current IS NULL THEN excluded.uploaded_at ELSE uploaded_at END,
             bytes = CASE WHEN current IS NULL THEN excluded.bytes ELSE bytes END",
    )
    .bind(documents)
    .bind(&accepted.tenant.user)
    .bind(accepted.job)
    .bind(now)
}
