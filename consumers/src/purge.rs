//! Purge: revisions that were replaced, deleted or cancelled out of every store.
//!
//! In: a purge item and the superseded revisions that are noted under it.
//! Does, per message:
//! 1. reads up to 50 revisions and the chunks they still have;
//! 2. removes their vectors;
//! 3. takes their bytes out of their packs in R2, or the pack if nothing in it is wanted;
//! 4. removes their chunks, full-text rows and notes in one fenced transaction, which also writes what
//!    was removed where into the receipt.
//!
//! A writer whose lease ran out can still upsert vectors for as long as an invocation lives, so a
//! revision whose batch was at work lately is visited a second time when nothing unseen can write.
//!
//! Sends on: purge again while superseded revisions are left.

use std::collections::{BTreeMap, HashSet};

use pipeline::{
    constants,
    failure::Failure,
    ids::{DocumentId, ItemId, JobId, vector_id},
    job::{
        cursors::PurgeCursor,
        item::{Claim, ItemState, Move, PackedDocument, Progress},
        outcome::Outcome,
        protocol::complete,
        purge::{self, Purge},
    },
    platform::{
        object_keys,
        ports::{Clock, Database, ObjectStore, PutIf, Queue, Random, VectorIndex},
        statement::json,
        transaction::Transaction,
    },
    store::{
        self,
        documents::superseded::{self, Purged, PurgedRevision, SupersededRevision},
        jobs::items,
    },
    time::Timestamp,
};
use serde::Serialize;

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
    let revisions = superseded::of_item(claim).all(ports).await?;
    let mut emptied = Vec::new();
    let mut removed =
        Removed { chunks: revisions.iter().map(|revision| revision.chunks_now).sum(), ..Removed::default() };
    removed.vectors = remove_vectors(ports, &revisions).await?;
    remove_bytes(ports, claim, &revisions, &mut removed, &mut emptied).await?;
    let more = i64::try_from(revisions.len()).unwrap_or(0) == constants::PURGED_PER_MESSAGE;
    let next = if more { Move::Continue(json(&PurgeCursor {})?) } else { Move::Finish };
    let mut work = Transaction::default();
    remove_rows(ports, claim, &revisions, &mut work)?;
    work.write(items::add_to_receipt(claim, &json(&removed)?));
    // A pack that is gone holds no documents: its job may expire.
    work.write(items::forget_packs(claim, &emptied)?);
    complete(ports, claim, work, &Progress::default(), next).await
}

/// The chunks a revision has or had: as many vectors as it can have.
fn chunks(revision: &SupersededRevision) -> i64 {
    revision.chunk_count.unwrap_or(0).max(revision.chunks_now)
}

/// True when nothing unseen can still write for a revision.
fn is_final(revision: &SupersededRevision, now: Timestamp) -> bool {
    let last_write = revision.batch_updated_at.unwrap_or(now);
    revision.batch_state.is_none_or(ItemState::is_terminal) && now.since(last_write) > constants::MAX_WRITER_LIFE
}

/// Idempotent: removing what is not there is no error.
async fn remove_vectors<P: VectorIndex>(ports: &P, revisions: &[SupersededRevision]) -> Result<i64, Failure> {
    let ids: Vec<String> = revisions
        .iter()
        .flat_map(|revision| {
            (0..chunks(revision)).map(|index| vector_id(&revision.document_id, revision.revision, index))
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
    revisions: &[SupersededRevision],
    removed: &mut Removed,
    emptied: &mut Vec<ItemId>,
) -> Result<(), Failure> {
    let mut by_pack: BTreeMap<ItemId, HashSet<&DocumentId>> = BTreeMap::new();
    for revision in revisions {
        by_pack.entry(revision.pack).or_default().insert(&revision.document_id);
    }
    let packs: Vec<ItemId> = by_pack.keys().copied().collect();
    for pack in superseded::packs(&claim.user, &packs)?.all(ports).await? {
        let key = object_keys::pack(&claim.user, pack.pack);
        if pack.wanted == 0 {
            ports.delete(&[key]).await?;
            removed.objects += 1;
            emptied.push(pack.pack);
            continue;
        }
        let superseded = by_pack.remove(&pack.pack).unwrap_or_default();
        blank(ports, &key, &pack.documents, &superseded).await?;
        removed.objects_rewritten += 1;
    }
    Ok(())
}

/// Overwrites the bytes of superseded documents with zeros; the others' offsets stay right.
async fn blank<P: ObjectStore>(
    ports: &P,
    key: &str,
    documents: &str,
    superseded: &HashSet<&DocumentId>,
) -> Result<(), Failure> {
    let documents: Vec<PackedDocument> =
        serde_json::from_str(documents).map_err(|error| Failure::bug(format!("documents of {key}: {error}")))?;
    let Some(object) = ports.get(key, None).await? else { return Ok(()) };
    let mut bytes = object.bytes;
    for document in documents.iter().filter(|document| superseded.contains(&document.id)) {
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

/// Adds the statements that remove the revisions' rows, and note once more what must be visited again.
fn remove_rows<P: Clock + Random>(
    ports: &P,
    claim: &Claim,
    revisions: &[SupersededRevision],
    work: &mut Transaction,
) -> Result<(), Failure> {
    let now = ports.now();
    let purged: Vec<PurgedRevision<'_>> = revisions
        .iter()
        .map(|revision| PurgedRevision {
            document: &revision.document_id,
            revision: revision.revision,
            pack: revision.pack,
            chunks: chunks(revision),
            is_final: is_final(revision, now),
        })
        .collect();
    let purged = Purged::new(&purged)?;
    work.write(superseded::visit_again(claim, &purged));
    let job = JobId::new(now, ports.bytes());
    let due = now.plus(constants::MAX_WRITER_LIFE);
    purge::schedule(work, Purge { job: &job, user: &claim.user, kind: "retire", due, now })?;
    for write in store::chunks::write::purge(claim, &purged) {
        work.write(write);
    }
    work.write(superseded::remove(claim, &purged));
    Ok(())
}
