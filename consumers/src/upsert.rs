//! Upsert: a batch's vectors into Vectorize, then its documents' new revisions into view.
//!
//! In: a batch (job item) whose vectors wait in R2.
//! Does, per message:
//! 1. reads a slice of vectors from R2 and its chunks' descriptions from D1;
//! 2. upserts them, each under `{document}-{revision}-{index}`;
//! 3. after the last slice publishes every document of the batch in one fenced transaction: the
//!    revision pointer, the content hash last, and the revision that was current as garbage;
//! 4. removes the slices from R2.
//!
//! Sends on: upsert again while slices are left; retire for what was replaced.

use pipeline::job::purge::{self, Purge};
use pipeline::{
    constants,
    failure::Failure,
    ids::{ChunkRow, DocumentId, ItemId, JobId, vector_id},
    job::{
        cursors::{self, UpsertCursor},
        item::{Claim, Move, Progress},
        outcome::Outcome,
        protocol::{commit, complete},
    },
    platform::{
        object_keys,
        ports::{Clock, Database, ObjectStore, Queue, Random, VectorIndex, VectorRecord},
        statement::{Statement, json},
        transaction::Transaction,
    },
    store::users,
    time::Timestamp,
    vectors,
};
use serde::{Deserialize, Serialize};

/// What a chunk's vector says of it.
#[derive(Debug, Deserialize)]
struct Description {
    id: ChunkRow,
    document_id: DocumentId,
    revision: i64,
    chunk_index: i64,
    title: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    language: Option<String>,
    tags: String,
    created_at: Timestamp,
}

/// Metadata in Vectorize; text stays in D1.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    doc_id: &'a DocumentId,
    title: &'a str,
    chunk_index: i64,
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<&'a str>,
    tags: Vec<String>,
    /// Milliseconds since 1970: Vectorize compares numbers.
    created_at: i64,
}

/// Runs the stage. See the module for its steps.
pub async fn upsert<P>(ports: &P, claim: &Claim) -> Result<Outcome, Failure>
where
    P: Database + ObjectStore + Queue + VectorIndex + Clock + Random,
{
    let cursor: UpsertCursor = cursors::read(claim)?.ok_or_else(|| Failure::bug("a batch without vectors"))?;
    let keys: Vec<String> =
        cursor.slices.iter().map(|made_by| object_keys::vectors(&claim.user, claim.item, made_by)).collect();
    let key = keys.get(cursor.slice).ok_or_else(|| Failure::bug("there is no such slice of vectors"))?;
    let slice = ports.get(key, None).await?.ok_or_else(|| Failure::bug(format!("vectors {key} are not in R2")))?;
    let passed = upsert_slice(ports, claim, &slice.bytes).await?;
    let progress = Progress { chunks_passed: passed, ..Progress::default() };
    let next = UpsertCursor { slice: cursor.slice + 1, ..cursor };
    if next.slice < keys.len() {
        return complete(ports, claim, Transaction::default(), &progress, Move::Continue(json(&next)?)).await;
    }
    if !publish(ports, claim, &progress).await? {
        // The claim was lost: whoever has the item now, or tries it again, still reads the slices.
        return Ok(Outcome::Done);
    }
    // Nothing reads them any more; if this is lost the collector removes them.
    let _ = ports.delete(&keys).await;
    Ok(Outcome::Done)
}

/// Idempotent: ids derive from document, revision and index, and an upsert overwrites.
async fn upsert_slice<P: Database + VectorIndex>(ports: &P, claim: &Claim, bytes: &[u8]) -> Result<i64, Failure> {
    let vectors = vectors::decode(bytes)?;
    let passed = i64::try_from(vectors.len()).unwrap_or(0);
    let described = descriptions(ports, claim, &vectors).await?;
    let mut described = described.into_iter().peekable();
    let mut records = Vec::with_capacity(vectors.len());
    // Both are in the order of the chunks; a chunk without a description is no longer wanted.
    for (row, values) in vectors {
        if let Some(description) = described.next_if(|description| description.id == row) {
            records.push(record(&description, values)?);
        }
    }
    for records in records.chunks(constants::VECTORS_PER_UPSERT) {
        VectorIndex::upsert(ports, claim.user.as_str(), records).await?;
    }
    Ok(passed)
}

async fn descriptions<P: Database>(
    ports: &P,
    claim: &Claim,
    vectors: &[(ChunkRow, Vec<f32>)],
) -> Result<Vec<Description>, Failure> {
    let rows: Vec<ChunkRow> = vectors.iter().map(|(row, _)| *row).collect();
    let query = Statement::new(
        "SELECT c.id, c.document_id, c.revision, c.chunk_index,
                CASE WHEN d.pending IS NULL THEN d.title ELSE d.pending ->> '$.title' END AS title,
                CASE WHEN d.pending IS NULL THEN d.type ELSE d.pending ->> '$.type' END AS type,
                CASE WHEN d.pending IS NULL THEN d.language ELSE d.pending ->> '$.language' END AS language,
                CASE WHEN d.pending IS NULL THEN d.tags ELSE d.pending ->> '$.tags' END AS tags,
                CASE WHEN d.pending IS NULL THEN d.created_at ELSE d.pending ->> '$.created_at' END AS created_at
         FROM json_each(?1) wanted
         CROSS JOIN chunks c ON c.id = wanted.value
         CROSS JOIN documents d ON d.user_id = ?2 AND d.id = c.document_id
         WHERE d.latest_item = c.id >> 14
         ORDER BY c.id",
    )
    .bind(json(&rows)?)
    .bind(&claim.user);
    ports.batch(vec![query]).await?.at(0)?.all()
}

fn record(description: &Description, values: Vec<f32>) -> Result<VectorRecord, Failure> {
    let metadata = json(&Metadata {
        doc_id: &description.document_id,
        title: description.title.as_deref().unwrap_or_default(),
        chunk_index: description.chunk_index,
        kind: &description.kind,
        language: description.language.as_deref(),
        tags: serde_json::from_str(&description.tags).unwrap_or_default(),
        created_at: description.created_at.milliseconds(),
    })?;
    let id = vector_id(&description.document_id, description.revision, description.chunk_index);
    Ok(VectorRecord { id, values, metadata })
}

/// One transaction: what was current becomes garbage, what was pending becomes current, the content
/// hash that makes a re-upload a duplicate with it. A document without chunks stays unpublished. False
/// if the claim was lost.
async fn publish<P: Database + Queue + Clock + Random>(
    ports: &P,
    claim: &Claim,
    progress: &Progress,
) -> Result<bool, Failure> {
    let (first, last) = claim.packs.ok_or_else(|| Failure::bug("a batch without packs"))?;
    let replaced = claim
        .fenced_statement(
            "INSERT INTO garbage (retire_item, document_id, revision, pack, user_id)
             SELECT (SELECT value + 1 FROM counters WHERE name = 'item'), d.id, d.current, d.current_item, d.user_id
             FROM job_items p, json_each(p.documents) packed
             CROSS JOIN documents d ON d.user_id = ?3 AND d.id = packed.value ->> 'id'
             WHERE p.id BETWEEN ?4 AND ?5 AND d.latest_item = p.id AND d.current IS NOT NULL AND d.current_item <> p.id
               AND EXISTS (SELECT 1 FROM job_items WHERE id = ?1 AND token = ?2)
               AND EXISTS (SELECT 1 FROM chunks c WHERE c.id BETWEEN p.id * ?6 AND p.id * ?6 + ?6 - 1 AND c.document_id = d.id)",
        )
        .bind(&claim.user)
        .bind(first)
        .bind(last)
        .bind(ChunkRow::PER_ITEM);
    let now = ports.now();
    let job = JobId::new(now, ports.bytes());
    let mut work = Transaction::from(vec![replaced]);
    purge::schedule(&mut work, Purge { job: &job, user: &claim.user, kind: "retire", due: now, now })?;
    work.push(publish_statement(claim, first, last));
    work.push(users::bump_by(claim));
    commit(ports, claim, work, progress, Move::Finish).await
}

fn publish_statement(claim: &Claim, first: ItemId, last: ItemId) -> Statement {
    claim
        .fenced_statement(
            "WITH published AS MATERIALIZED (
                 SELECT c.document_id AS id, c.id >> 14 AS pack, c.revision, min(c.id) AS first, count(*) AS chunks FROM chunks c
                 WHERE c.id BETWEEN ?4 * ?6 AND ?5 * ?6 + ?6 - 1
                 GROUP BY 1, 2, 3)
             UPDATE documents SET
                 external_id = CASE WHEN pending IS NULL THEN external_id ELSE pending ->> '$.external_id' END,
                 title = CASE WHEN pending IS NULL THEN title ELSE pending ->> '$.title' END,
                 type = CASE WHEN pending IS NULL THEN type ELSE pending ->> '$.type' END,
                 language = CASE WHEN pending IS NULL THEN language ELSE pending ->> '$.language' END,
                 media_type = CASE WHEN pending IS NULL THEN media_type ELSE pending ->> '$.media_type' END,
                 tags = CASE WHEN pending IS NULL THEN tags ELSE pending ->> '$.tags' END,
                 metadata = CASE WHEN pending IS NULL THEN metadata ELSE pending ->> '$.metadata' END,
                 created_at = CASE WHEN pending IS NULL THEN created_at ELSE pending ->> '$.created_at' END,
                 uploaded_at = CASE WHEN pending IS NULL THEN uploaded_at ELSE pending ->> '$.uploaded_at' END,
                 bytes = CASE WHEN pending IS NULL THEN bytes ELSE pending ->> '$.bytes' END,
                 pending = NULL,
                 current = published.revision, current_item = latest_item, current_first = published.first,
                 chunk_count = published.chunks, content_hash = latest_hash,
                 evicted_at = CASE WHEN current_item IS NOT latest_item
                                     OR (hit_at > evicted_at AND hit_at <= (SELECT created_at FROM jobs WHERE id = ?7))
                                   THEN NULL ELSE evicted_at END
             FROM published
             WHERE documents.user_id = ?3 AND documents.id = published.id AND documents.latest_item = published.pack
               AND EXISTS (SELECT 1 FROM job_items WHERE id = ?1 AND token = ?2)",
        )
        .bind(&claim.user)
        .bind(first)
        .bind(last)
        .bind(ChunkRow::PER_ITEM)
        .bind(&claim.job)
}
