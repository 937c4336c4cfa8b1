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
use pipeline::{
    failure::Failure,
    ids::{DocumentId, ItemId, JobId},
    job::{
        item::PackedDocument,
        message::{Message, Stage},
    },
    platform::{
        object_keys,
        ports::{Clock, Database, ObjectStore, PutIf, Queue, Random},
        statement::{Statement, json},
        transaction::{RetireJob, Work},
    },
    problem::{Code, Problem},
    tenant::Tenant,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

use super::{pack::Batch, validate::Prepared};
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

/// A job item to announce. `place` counts from 1: the item's number is the counter before plus it.
#[derive(Debug, Serialize)]
struct ItemRow {
    place: i64,
    stage: &'static str,
    batch: Option<i64>,
    first_pack: Option<i64>,
    last_pack: Option<i64>,
    documents: Vec<PackedDocument>,
}

/// Commits an upload. See the module for its steps.
pub async fn accept<P>(ports: &P, accepted: Accepted<'_>) -> Result<(), Refusal>
where
    P: Database + ObjectStore + Queue + Clock + Random,
{
    let rows = item_rows(&accepted);
    let before = announce(ports, &accepted, &rows).await?;
    store_packs(ports, &accepted, &rows, before).await?;
    make_job(ports, &accepted, &rows, before).await?;
    let messages: Vec<Message> = packs(&rows)
        .map(|row| Message {
            stage: Stage::Chunk,
            item: ItemId(before + row.place),
            user: accepted.tenant.user.clone(),
        })
        .collect();
    // The job is committed: a lost message costs a sweep, not the job.
    let _ = ports.send(messages).await;
    Ok(())
}

/// The packs of each batch, then the batch.
fn item_rows(accepted: &Accepted<'_>) -> Vec<ItemRow> {
    let mut rows = Vec::new();
    let mut place = 0;
    for batch in accepted.batches {
        let first = place + 1;
        let last = place + i64::try_from(batch.len()).unwrap_or(0);
        for pack in batch {
            place += 1;
            let documents = packed(accepted.documents, &pack.documents);
            rows.push(ItemRow {
                place,
                stage: "chunk",
                batch: Some(last + 1),
                first_pack: None,
                last_pack: None,
                documents,
            });
        }
        place += 1;
        rows.push(ItemRow {
            place,
            stage: "embed",
            batch: None,
            first_pack: Some(first),
            last_pack: Some(last),
            documents: Vec::new(),
        });
    }
    rows
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

fn packs(rows: &[ItemRow]) -> impl Iterator<Item = &ItemRow> {
    rows.iter().filter(|row| row.batch.is_some())
}

/// Step 1. Returns the item counter before this job's items.
async fn announce<P: Database + Clock>(ports: &P, accepted: &Accepted<'_>, rows: &[ItemRow]) -> Result<i64, Refusal> {
    #[derive(Deserialize)]
    struct Counter {
        value: i64,
    }
    let now = ports.now();
    let count = i64::try_from(rows.len()).unwrap_or(0);
    let user = &accepted.tenant.user;
    let (key, body_hash) = accepted.idempotency.unzip();
    // Two requests with one key: the second inserts nothing here, and the guard lets nothing follow.
    let claim_key = Statement::new(
        "INSERT OR IGNORE INTO idempotency_keys (user_id, key, body_hash, job_id, created_at)
         SELECT ?1, ?2, ?3, ?4, ?5 WHERE ?2 IS NOT NULL",
    )
    .bind(user)
    .bind(key)
    .bind(body_hash)
    .bind(accepted.job)
    .bind(now);
    let count_up = Statement::new(
        "UPDATE counters SET value = value + ?1
         WHERE name = 'item' AND (?2 IS NULL OR EXISTS (SELECT 1 FROM idempotency_keys WHERE user_id = ?3 AND key = ?2 AND job_id = ?4))
         RETURNING value",
    )
    .bind(count)
    .bind(key)
    .bind(user)
    .bind(accepted.job);
    let insert_job = Statement::new(
        "INSERT INTO jobs (id, user_id, kind, created_at, first_item, last_item, documents)
         SELECT ?1, ?2, 'index', ?3, value - ?4 + 1, value, ?5 FROM counters
         WHERE name = 'item' AND (?6 IS NULL OR EXISTS (SELECT 1 FROM idempotency_keys WHERE user_id = ?2 AND key = ?6 AND job_id = ?1))",
    )
    .bind(accepted.job)
    .bind(user)
    .bind(now)
    .bind(count)
    .bind(i64::try_from(accepted.documents.len()).unwrap_or(0))
    .bind(key);
    let insert_items = Statement::new(
        "INSERT INTO job_items (id, job_id, user_id, stage, state, batch, first_pack, last_pack, documents, document_count,
                                chunk_count, progress, lease, attempts, next_at, updated_at)
         SELECT j.first_item - 1 + (r.value ->> 'place'), j.id, j.user_id, r.value ->> 'stage', 'uploading',
                j.first_item - 1 + (r.value ->> 'batch'), j.first_item - 1 + (r.value ->> 'first_pack'),
                j.first_item - 1 + (r.value ->> 'last_pack'), r.value ->> 'documents', json_array_length(r.value, '$.documents'),
                0, 0, 0, 0, ?2, ?2
         FROM json_each(?1) r JOIN jobs j ON j.id = ?3",
    )
    .bind(json(&rows)?)
    .bind(now)
    .bind(accepted.job);
    let answers = ports.batch(vec![claim_key, count_up, insert_job, insert_items]).await?;
    match answers.at(1)?.first::<Counter>()? {
        Some(counter) => Ok(counter.value - count),
        None => {
            Err(Problem::field(Code::Conflict, "Idempotency-Key", "another request with this key is being worked on")
                .into())
        }
    }
}

/// Step 2. Idempotent by name: the item's number is this job's alone.
async fn store_packs<P: ObjectStore>(
    ports: &P,
    accepted: &Accepted<'_>,
    rows: &[ItemRow],
    before: i64,
) -> Result<(), Failure> {
    let planned = accepted.batches.iter().flatten();
    let puts = packs(rows).zip(planned).map(|(row, pack)| {
        let mut bytes = Vec::with_capacity(pack.bytes);
        for place in &pack.documents {
            bytes.extend_from_slice(&accepted.documents[*place].document.content);
        }
        let key = object_keys::pack(&accepted.tenant.user, ItemId(before + row.place));
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
    pack: i64,
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
    rows: &[ItemRow],
    before: i64,
) -> Result<(), Refusal> {
    let now = ports.now();
    let user = &accepted.tenant.user;
    let documents = json(&document_rows(accepted, rows, before, now))?;
    let accept = Statement::new(
        "UPDATE jobs SET accepted_at = ?2 WHERE id = ?1 AND accepted_at IS NULL AND cancelled_at IS NULL",
    )
    .bind(accepted.job)
    .bind(now);
    // A revision that was still on its way will never be seen now.
    let superseded = Statement::new(
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
    let mut work = Work::from(vec![accept, superseded]);
    let retire_job = JobId::new(now, ports.bytes());
    work.schedule_retirement(RetireJob { job: &retire_job, user, kind: "retire", due: now, now });
    work.statements.push(upsert_documents(&documents, accepted, now));
    work.statements.push(
        Statement::new(
            "UPDATE job_items SET state = CASE WHEN batch IS NULL THEN 'waiting' ELSE 'queued' END, sent_at = ?2, next_at = ?2, updated_at = ?2
             WHERE id BETWEEN ?3 AND ?4 AND state = 'uploading' AND EXISTS (SELECT 1 FROM jobs WHERE id = ?1 AND accepted_at = ?2)",
        )
        .bind(accepted.job)
        .bind(now)
        .bind(before + 1)
        .bind(before + i64::try_from(rows.len()).unwrap_or(0)),
    );
    work.statements.push(
        Statement::new(
            "UPDATE idempotency_keys SET response = ?3 WHERE user_id = ?1 AND key = ?2 AND job_id = ?4
               AND EXISTS (SELECT 1 FROM jobs WHERE id = ?4 AND accepted_at = ?5)",
        )
        .bind(user)
        .bind(accepted.idempotency.map(|(key, _)| key))
        .bind(accepted.response)
        .bind(accepted.job)
        .bind(now),
    );
    let retire = work.retire();
    let answers = ports.batch(work.statements).await?;
    if answers.at(0)?.changes == 0 {
        return Err(Problem::new(Code::Unavailable, "the upload took too long and was given up; send it again").into());
    }
    let retire_message = Work::retire_message(retire, &answers, user)?;
    let _ = ports.send(Vec::from_iter(retire_message)).await;
    Ok(())
}

fn document_rows<'a>(accepted: &Accepted<'a>, rows: &[ItemRow], before: i64, now: Timestamp) -> Vec<DocumentRow<'a>> {
    let planned = accepted.batches.iter().flatten();
    packs(rows)
        .zip(planned)
        .flat_map(|(row, pack)| pack.documents.iter().map(move |place| (before + row.place, *place)))
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
fn upsert_documents(documents: &str, accepted: &Accepted<'_>, now: Timestamp) -> Statement {
    Statement::new(
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
