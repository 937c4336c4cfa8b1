//! Upsert: a batch's vectors into Vectorize, then its documents' new revisions into view.
//!
//! In: a batch (job item) whose vectors wait in R2.
//! Does, per message:
//! 1. reads a slice of vectors from R2 and its chunks' descriptions from D1;
//! 2. upserts them, each under `{document}-{revision}-{index}`;
//! 3. after the last slice publishes every document of the batch in one fenced transaction: the
//!    revision pointer and the content hash, and the revision that was current as superseded;
//! 4. removes the slices from R2.
//!
//! Sends on: upsert again while slices are left; purge for what was replaced.

use pipeline::{
    constants,
    failure::Failure,
    ids::{ChunkRow, DocumentId, JobId, UserId, vector_id},
    job::{
        cursors::{self, UpsertCursor},
        item::{Claim, Move, Progress},
        kind::JobKind,
        outcome::Outcome,
        protocol::{commit, complete},
        purge::{self, Purge},
    },
    namespace::Namespace,
    platform::{
        object_keys,
        ports::{Clock, Database, ObjectStore, Queue, Random, VectorIndex, VectorRecord},
        statement::json,
        transaction::Transaction,
    },
    store::{
        self,
        chunks::read::DescribedChunk,
        documents::{publish, superseded},
    },
    vectors,
};
use serde::Serialize;

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
    /// In lower case, as filters ask for it.
    language: Option<String>,
    tags: Vec<String>,
    /// Milliseconds since 1970: Vectorize compares numbers.
    created_at: i64,
    /// The owner, where vectors of others lie beside theirs.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a UserId>,
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
    // Nothing reads them any more; if this is lost the schedule removes them.
    let _ = ports.delete(&keys).await;
    Ok(Outcome::Done)
}

/// Idempotent: ids derive from document, revision and index, and an upsert overwrites.
async fn upsert_slice<P: Database + VectorIndex>(ports: &P, claim: &Claim, bytes: &[u8]) -> Result<i64, Failure> {
    let vectors = vectors::decode(bytes)?;
    let passed = i64::try_from(vectors.len()).unwrap_or(0);
    let rows: Vec<ChunkRow> = vectors.iter().map(|(row, _)| *row).collect();
    let mut looks = Transaction::default();
    let described = looks.query(store::chunks::read::described(&claim.user, &rows)?);
    let shared = looks.query(store::users::namespace(&claim.user));
    let looked = looks.commit(ports).await?;
    let shared = looked.first(shared)?.and_then(|row| row.shared_namespace);
    let namespace = Namespace::of(&claim.user, shared);
    let mut described = looked.all(described)?.into_iter().peekable();
    let mut records = Vec::with_capacity(vectors.len());
    // Both are in the order of the chunks; a chunk without a description is no longer wanted.
    for (row, values) in vectors {
        if let Some(chunk) = described.next_if(|chunk| chunk.id == row) {
            records.push(record(&chunk, &namespace, values)?);
        }
    }
    for records in records.chunks(constants::VECTORS_PER_UPSERT) {
        VectorIndex::upsert(ports, namespace.name(), records).await?;
    }
    Ok(passed)
}

fn record(chunk: &DescribedChunk, namespace: &Namespace, values: Vec<f32>) -> Result<VectorRecord, Failure> {
    let metadata = json(&Metadata {
        doc_id: &chunk.document_id,
        title: chunk.title.as_deref().unwrap_or_default(),
        chunk_index: chunk.chunk_index,
        kind: &chunk.kind,
        language: chunk.language.as_deref().map(str::to_lowercase),
        tags: serde_json::from_str(&chunk.tags).unwrap_or_default(),
        created_at: chunk.created_at.milliseconds(),
        user_id: namespace.owner(),
    })?;
    let id = vector_id(&chunk.document_id, chunk.revision, chunk.chunk_index);
    Ok(VectorRecord { id, values, metadata })
}

/// One transaction: what was current is superseded, what was pending becomes current. False if the claim
/// was lost.
async fn publish<P: Database + Queue + Clock + Random>(
    ports: &P,
    claim: &Claim,
    progress: &Progress,
) -> Result<bool, Failure> {
    let packs = claim.packs.ok_or_else(|| Failure::bug("a batch without packs"))?;
    let now = ports.now();
    let job = JobId::new(now, ports.bytes());
    let mut work = Transaction::default();
    work.write(superseded::by_publishing(claim, packs));
    purge::schedule(&mut work, Purge { job: &job, user: &claim.user, kind: JobKind::Purge, due: now, now })?;
    work.write(publish::publish(claim, packs));
    work.write(store::users::bump_published(claim, now));
    commit(ports, claim, work, progress, Move::Finish).await
}

#[cfg(test)]
mod tests {
    use test_platform::ready;

    use pipeline::{constants::LEASE, job::message::Stage, time::MILLISECOND};

    use super::*;
    use crate::fixture::Index;

    const PUBLISHED: &str = "SELECT count(*) AS n FROM documents WHERE current IS NOT NULL";

    #[test]
    fn a_batch_is_published_once() {
        let index = Index::new();
        let batch = index.embed(index.upload(&[("a.md", "ships sail"), ("b.md", "trains run")]));
        assert_eq!(index.number(PUBLISHED), 0);
        assert_eq!(index.consume(Stage::Upsert, batch).outcome, Outcome::Done);
        assert_eq!(index.number(PUBLISHED), 2);
        assert_eq!(index.memory.vector_ids().len(), 2);
        let slices =
            |index: &Index| index.memory.object_keys().iter().filter(|key| key.starts_with("vectors/")).count();
        assert_eq!(slices(&index), 0);
        // The message comes again: it finds nothing to claim, and changes nothing.
        let version = index.number("SELECT index_version FROM users");
        assert_eq!(index.consume(Stage::Upsert, batch).outcome, Outcome::Done);
        assert_eq!(index.number("SELECT index_version FROM users"), version);
        assert_eq!(index.number("SELECT count(*) AS n FROM garbage"), 0);
    }

    #[test]
    fn a_lost_claim_publishes_nothing() {
        let index = Index::new();
        let batch = index.embed(index.upload(&[("a.md", "ships sail")]));
        let late = index.claim(Stage::Upsert, batch).unwrap();
        index.memory.advance(LEASE + MILLISECOND);
        let now = index.claim(Stage::Upsert, batch).unwrap();
        assert_eq!(ready(upsert(&index.memory, &late)).unwrap(), Outcome::Done);
        assert_eq!(index.number(PUBLISHED), 0);
        // Whoever has the item now still finds the vectors.
        assert_eq!(ready(upsert(&index.memory, &now)).unwrap(), Outcome::Done);
        assert_eq!(index.number(PUBLISHED), 1);
    }

    #[test]
    fn a_revision_that_was_uploaded_over_is_not_published() {
        let index = Index::new();
        let batch = index.embed(index.upload(&[("a.md", "ships sail")]));
        let second = index.upload(&[("a.md", "ships sink")]);
        index.consume(Stage::Upsert, batch);
        assert_eq!(index.number(PUBLISHED), 0);
        index.publish(second);
        assert_eq!(index.number("SELECT current FROM documents"), 2);
    }

    #[test]
    fn what_was_current_is_superseded() {
        let index = Index::new();
        let first = index.upload(&[("a.md", "ships sail")]);
        index.publish(first);
        index.publish(index.upload(&[("a.md", "ships sink")]));
        assert_eq!(index.number("SELECT current FROM documents"), 2);
        assert_eq!(index.number("SELECT pack FROM garbage WHERE revision = 1"), first.0);
        assert_eq!(index.number("SELECT retire_item FROM garbage"), index.newest_purge().0);
    }
}
