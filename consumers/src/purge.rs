//! Retire: revisions that were replaced, deleted or cancelled out of every store.
//!
//! In: a retire item and its rows in `garbage`.
//! Does, per message:
//! 1. reads up to 50 revisions and the chunks they still have;
//! 2. removes their vectors;
//! 3. takes their bytes out of their packs in R2, or the pack if nothing in it is wanted;
//! 4. removes their chunks and full-text rows and settles the garbage in one fenced transaction,
//!    which also writes what was removed where into the receipt.
//!
//! A writer whose lease ran out can still upsert vectors for as long as an invocation lives, so a
//! revision whose batch was at work lately is visited a second time when nothing unseen can write.
//!
//! Sends on: retire again while garbage is left.

use std::collections::{BTreeMap, HashSet};

use pipeline::job::purge::{self, Purge};
use pipeline::{
    constants,
    failure::Failure,
    ids::{ChunkRow, DocumentId, ItemId, JobId, vector_id},
    job::{
        cursors::PurgeCursor,
        item::{Claim, ItemState, Move, PackedDocument, Progress},
        outcome::Outcome,
        protocol::complete,
    },
    platform::{
        object_keys,
        ports::{Clock, Database, ObjectStore, PutIf, Queue, Random, VectorIndex},
        statement::{Statement, json},
        transaction::Transaction,
    },
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

/// A revision to remove.
#[derive(Debug, Deserialize)]
struct Revision {
    document_id: DocumentId,
    revision: i64,
    pack: ItemId,
    /// Chunks it had at the first pass.
    chunk_count: Option<i64>,
    /// Chunks it has in D1 now.
    chunks_now: i64,
    /// The batch that wrote its vectors.
    batch_state: Option<ItemState>,
    batch_updated_at: Option<Timestamp>,
}

impl Revision {
    fn chunks(&self) -> i64 {
        self.chunk_count.unwrap_or(0).max(self.chunks_now)
    }

    /// True when nothing unseen can still write for it.
    fn is_settled(&self, now: Timestamp) -> bool {
        let last_write = self.batch_updated_at.unwrap_or(now);
        self.batch_state.is_none_or(ItemState::is_terminal) && now.since(last_write) > constants::MAX_WRITER_LIFE
    }
}

/// A pack that holds bytes of retired revisions.
#[derive(Debug, Deserialize)]
struct Pack {
    pack: ItemId,
    documents: String,
    wanted: i64,
}

/// What one message removed.
#[derive(Debug, Default, Serialize)]
struct Removed {
    vectors: i64,
    chunks: i64,
    objects: i64,
    objects_rewritten: i64,
}

/// Runs the stage. See the module for its steps.
pub async fn purge<P>(ports: &P, claim: &Claim) -> Result<Outcome, Failure>
where
    P: Database + ObjectStore + Queue + VectorIndex + Clock + Random,
{
    let revisions = revisions(ports, claim).await?;
    let mut emptied = Vec::new();
    let mut removed =
        Removed { chunks: revisions.iter().map(|revision| revision.chunks_now).sum(), ..Removed::default() };
    removed.vectors = remove_vectors(ports, &revisions).await?;
    remove_bytes(ports, claim, &revisions, &mut removed, &mut emptied).await?;
    let more = i64::try_from(revisions.len()).unwrap_or(0) == constants::PURGED_PER_MESSAGE;
    let next = if more { Move::Continue(json(&PurgeCursor {})?) } else { Move::Finish };
    let mut work = settle_garbage(ports, claim, &revisions, &removed)?;
    work.push(forget_packs(claim, &emptied)?);
    complete(ports, claim, work, &Progress::default(), next).await
}

async fn revisions<P: Database>(ports: &P, claim: &Claim) -> Result<Vec<Revision>, Failure> {
    let query = Statement::new(
        "SELECT g.document_id, g.revision, g.pack, g.chunk_count,
                (SELECT count(*) FROM chunks c WHERE c.id BETWEEN g.pack * ?2 AND g.pack * ?2 + ?2 - 1
                    AND c.document_id = g.document_id AND c.revision = g.revision) AS chunks_now,
                b.state AS batch_state, b.updated_at AS batch_updated_at
         FROM garbage g
         LEFT JOIN job_items p ON p.id = g.pack
         LEFT JOIN job_items b ON b.id = p.batch
         WHERE g.retire_item = ?1 AND g.user_id = ?3 LIMIT ?4",
    )
    .bind(claim.item)
    .bind(ChunkRow::PER_ITEM)
    .bind(&claim.user)
    .bind(constants::PURGED_PER_MESSAGE);
    ports.batch(vec![query]).await?.at(0)?.all()
}

/// Idempotent: removing what is not there is no error.
async fn remove_vectors<P: VectorIndex>(ports: &P, revisions: &[Revision]) -> Result<i64, Failure> {
    let ids: Vec<String> = revisions
        .iter()
        .flat_map(|revision| {
            (0..revision.chunks()).map(|index| vector_id(&revision.document_id, revision.revision, index))
        })
        .collect();
    for ids in ids.chunks(constants::VECTORS_PER_UPSERT) {
        ports.remove(ids).await?;
    }
    Ok(i64::try_from(ids.len()).unwrap_or(0))
}

/// Idempotent: zeros over zeros, and a pack that is gone stays gone.
async fn remove_bytes<P: Database + ObjectStore>(
    ports: &P,
    claim: &Claim,
    revisions: &[Revision],
    removed: &mut Removed,
    emptied: &mut Vec<ItemId>,
) -> Result<(), Failure> {
    let mut by_pack: BTreeMap<ItemId, HashSet<&DocumentId>> = BTreeMap::new();
    for revision in revisions {
        by_pack.entry(revision.pack).or_default().insert(&revision.document_id);
    }
    let packs: Vec<ItemId> = by_pack.keys().copied().collect();
    for pack in packs_with_wanted(ports, claim, &packs).await? {
        let key = object_keys::pack(&claim.user, pack.pack);
        if pack.wanted == 0 {
            ports.delete(&[key]).await?;
            removed.objects += 1;
            emptied.push(pack.pack);
            continue;
        }
        let retired = by_pack.remove(&pack.pack).unwrap_or_default();
        blank(ports, &key, &pack.documents, &retired).await?;
        removed.objects_rewritten += 1;
    }
    Ok(())
}

async fn packs_with_wanted<P: Database>(ports: &P, claim: &Claim, packs: &[ItemId]) -> Result<Vec<Pack>, Failure> {
    let query = Statement::new(
        "SELECT p.id AS pack, p.documents,
                (SELECT count(*) FROM json_each(p.documents) packed
                 CROSS JOIN documents d ON d.user_id = p.user_id AND d.id = packed.value ->> 'id'
                 WHERE d.deleted_at IS NULL AND (d.latest_item = p.id OR d.current_item = p.id)) AS wanted
         FROM json_each(?1) retired JOIN job_items p ON p.id = retired.value AND p.user_id = ?2",
    )
    .bind(json(&packs)?)
    .bind(&claim.user);
    ports.batch(vec![query]).await?.at(0)?.all()
}

/// A pack that is gone holds no documents: its job may expire.
fn forget_packs(claim: &Claim, packs: &[ItemId]) -> Result<Statement, Failure> {
    Ok(claim
        .fenced_statement(
            "UPDATE job_items SET documents = '[]'
             WHERE id IN (SELECT value FROM json_each(?3)) AND documents <> '[]'
               AND EXISTS (SELECT 1 FROM job_items WHERE id = ?1 AND token = ?2)",
        )
        .bind(json(&packs)?))
}

/// Overwrites the retired documents' bytes with zeros; the others' offsets stay right.
async fn blank<P: ObjectStore>(
    ports: &P,
    key: &str,
    documents: &str,
    retired: &HashSet<&DocumentId>,
) -> Result<(), Failure> {
    let documents: Vec<PackedDocument> =
        serde_json::from_str(documents).map_err(|error| Failure::bug(format!("documents of {key}: {error}")))?;
    let Some(object) = ports.get(key, None).await? else { return Ok(()) };
    let mut bytes = object.bytes;
    for document in documents.iter().filter(|document| retired.contains(&document.id)) {
        let range = usize::try_from(document.start).unwrap_or(0)..usize::try_from(document.end).unwrap_or(0);
        if let Some(range) = bytes.get_mut(range) {
            range.fill(0);
        }
    }
    if ports.put(key, bytes, PutIf::Unchanged(object.etag)).await? {
        return Ok(());
    }
    Err(Failure::transient(format!("{key} was rewritten by another")))
}

/// The statements that remove the rows; revisions that must be visited again become new garbage.
fn settle_garbage<P: Clock + Random>(
    ports: &P,
    claim: &Claim,
    revisions: &[Revision],
    removed: &Removed,
) -> Result<Transaction, Failure> {
    #[derive(Serialize)]
    struct Row<'a> {
        document: &'a DocumentId,
        revision: i64,
        pack: ItemId,
        chunks: i64,
        settled: bool,
    }
    let now = ports.now();
    let rows: Vec<Row<'_>> = revisions
        .iter()
        .map(|revision| Row {
            document: &revision.document_id,
            revision: revision.revision,
            pack: revision.pack,
            chunks: revision.chunks(),
            settled: revision.is_settled(now),
        })
        .collect();
    let rows = json(&rows)?;
    let with_rows = |sql| claim.fenced_statement(sql).bind(rows.as_str()).bind(ChunkRow::PER_ITEM);
    let again = with_rows(
        "INSERT INTO garbage (retire_item, document_id, revision, pack, user_id, chunk_count)
         SELECT (SELECT value + 1 FROM counters WHERE name = 'item'), r.value ->> 'document', r.value ->> 'revision',
                r.value ->> 'pack', j.user_id, r.value ->> 'chunks'
         FROM json_each(?3) r JOIN job_items j ON j.id = ?1 AND j.token = ?2
         WHERE NOT r.value ->> 'settled' AND ?4",
    );
    let mut work = Transaction::from(vec![again]);
    let job = JobId::new(now, ports.bytes());
    let due = now.plus(constants::MAX_WRITER_LIFE);
    purge::schedule(&mut work, Purge { job: &job, user: &claim.user, kind: "retire", due, now })?;
    work.push(with_rows(
        "DELETE FROM chunks_fts WHERE rowid IN (
             SELECT c.id FROM json_each(?3) r
             CROSS JOIN chunks c ON c.id BETWEEN r.value ->> 'pack' * ?4 AND r.value ->> 'pack' * ?4 + ?4 - 1
                          AND c.document_id = r.value ->> 'document' AND c.revision = r.value ->> 'revision'
             WHERE EXISTS (SELECT 1 FROM job_items WHERE id = ?1 AND token = ?2))",
    ));
    work.push(with_rows(
        "DELETE FROM chunks WHERE id IN (
             SELECT c.id FROM json_each(?3) r
             CROSS JOIN chunks c ON c.id BETWEEN r.value ->> 'pack' * ?4 AND r.value ->> 'pack' * ?4 + ?4 - 1
                          AND c.document_id = r.value ->> 'document' AND c.revision = r.value ->> 'revision'
             WHERE EXISTS (SELECT 1 FROM job_items WHERE id = ?1 AND token = ?2))",
    ));
    work.push(with_rows(
        "DELETE FROM garbage WHERE retire_item = ?1 AND ?4
             AND (document_id, revision) IN (SELECT r.value ->> 'document', r.value ->> 'revision' FROM json_each(?3) r)
             AND EXISTS (SELECT 1 FROM job_items WHERE id = ?1 AND token = ?2)",
    ));
    work.push(add_to_receipt(claim, removed)?);
    Ok(work)
}

/// Sums what each message removed; the owner of a delete reads it with the job.
fn add_to_receipt(claim: &Claim, removed: &Removed) -> Result<Statement, Failure> {
    Ok(claim
        .fenced_statement(
            "UPDATE jobs SET receipt = json_object(
                 'vectors', coalesce(receipt ->> '$.vectors', 0) + (?3 ->> '$.vectors'),
                 'chunks', coalesce(receipt ->> '$.chunks', 0) + (?3 ->> '$.chunks'),
                 'objects', coalesce(receipt ->> '$.objects', 0) + (?3 ->> '$.objects'),
                 'objects_rewritten', coalesce(receipt ->> '$.objects_rewritten', 0) + (?3 ->> '$.objects_rewritten'))
             WHERE id = ?4 AND EXISTS (SELECT 1 FROM job_items WHERE id = ?1 AND token = ?2)",
        )
        .bind(json(removed)?)
        .bind(&claim.job))
}
