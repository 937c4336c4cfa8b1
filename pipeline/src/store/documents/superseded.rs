//! Superseded revisions: replaced, deleted or cancelled ones, which must disappear from every store.
//!
//! They are noted in the transaction that supersedes them, under the next item number
//! ([`NEXT_ITEM`]): the purge item that the same transaction makes of them
//! ([`crate::job::purge::schedule`]). The purge stage works them off.

use const_format::{concatcp, formatcp};
use serde::{Deserialize, Serialize};

use super::{
    delete::{Cause, MAY_GO},
    filter::{DocumentFilter, over},
    upload::{BROUGHT, Upload},
};
use crate::{
    failure::Failure,
    ids::{ChunkRow, DocumentId, ItemId, JobId, UserId},
    job::item::{Claim, ItemState},
    platform::{
        statement::json,
        transaction::{Query, Write},
    },
    store::{
        conditions::{HELD, NEXT_ITEM},
        jobs::items,
    },
    time::{DAY, Timestamp},
};

/// Where a superseded revision is noted.
const NOTE: &str = "INSERT INTO garbage (retire_item, document_id, revision, pack, user_id)";

/// Notes the revisions that an upload supersedes: those that are still on their way and will never be
/// seen now. Their packs say so, since their job would call them done, and so do their documents, since a cancel of
/// the upload cannot bring them back. Before [`take_revisions`](super::upload::take_revisions), which numbers the
/// next ones.
pub fn by_upload(upload: &Upload<'_>) -> Vec<Write> {
    // What a cancel went back to is no revision in flight, whatever number was given out last.
    let mut writes = upload.writes(formatcp!(
        "{NOTE}
         SELECT {NEXT_ITEM}, d.id, d.latest, d.latest_item, d.user_id
         FROM json_each(?1) r CROSS JOIN documents d ON d.user_id = ?2 AND d.id = r.value ->> 'id'
         WHERE d.deleted_at IS NULL AND d.latest_item IS NOT NULL AND d.latest_item IS NOT d.current_item
           AND {BROUGHT}"
    ));
    writes.push(items::note_superseded());
    writes.push(Write::new(NOTE_IN_DOCUMENTS).bind(upload.user));
    writes
}

/// The pack that a document's next revision takes over from, while that one is still the latest.
const NOTE_IN_DOCUMENTS: &str = formatcp!(
    "UPDATE documents SET superseded_item = latest_item
     WHERE user_id = ?1 AND id IN (SELECT document_id FROM garbage WHERE retire_item = {NEXT_ITEM})"
);

/// Notes the revisions that publishing the packs of a batch, first to last, replaces. Before
/// [`publish`](super::publish::publish), and under its conditions.
pub fn by_publishing(claim: &Claim, (first, last): (ItemId, ItemId)) -> Write {
    // Documents of these packs whose latest revision lies in them and replaces another.
    // Not one without chunks: it stays unpublished, and so the other stays current.
    claim
        .fenced(formatcp!(
            "{NOTE}
             SELECT {NEXT_ITEM}, d.id, d.current, d.current_item, d.user_id
             FROM job_items p, json_each(p.documents) packed
             CROSS JOIN documents d ON d.user_id = ?3 AND d.id = packed.value ->> 'id'
             WHERE p.id BETWEEN ?4 AND ?5 AND d.latest_item = p.id
               AND d.current IS NOT NULL AND d.current_item <> p.id
               AND {HELD}
               AND EXISTS (SELECT 1 FROM chunks c
                           WHERE c.id BETWEEN p.id * ?6 AND p.id * ?6 + ?6 - 1 AND c.document_id = d.id)"
        ))
        .bind(&claim.user)
        .bind(first)
        .bind(last)
        .bind(ChunkRow::PER_ITEM)
}

/// Of the documents `d` that are about to be deleted.
const GONE: &str = concatcp!(
    NOTE,
    "
         WITH gone AS MATERIALIZED (
             SELECT d.user_id, d.id, d.latest, d.latest_item, d.current, d.current_item FROM documents d
             WHERE d.latest_item IS NOT NULL AND "
);

/// Both their revisions: the latest and the current one. After a cancel the latest pack is the current one, though
/// the number given out was another.
const BOTH: &str = formatcp!(
    ")
         SELECT {NEXT_ITEM}, id, CASE WHEN latest_item = current_item THEN current ELSE latest END, latest_item, user_id
         FROM gone
         UNION ALL
         SELECT {NEXT_ITEM}, id, current, current_item, user_id FROM gone WHERE current_item <> latest_item"
);

/// Notes both revisions of a document that is about to be deleted. Before
/// [`tombstones`](super::delete::tombstones), which forget them.
pub fn by_delete(user: &UserId, document: &DocumentId, cause: Cause, now: Timestamp) -> Write {
    Write::new(formatcp!("{GONE}d.user_id = ?1 AND d.id = ?2 AND d.deleted_at IS NULL AND {MAY_GO}{BOTH}"))
        .bind(user)
        .bind(document)
        .bind(now)
        .bind(cause == Cause::Retention)
        .bind(DAY)
}

/// Notes both revisions of each document that a filter means, of `most` at most: of those that were uploaded last.
/// Before [`tombstones`](super::delete::tombstones).
pub fn by_delete_of(user: &UserId, filter: &DocumentFilter, most: i64) -> Write {
    const NEWEST: &str = concatcp!(" ORDER BY d.uploaded_at DESC, d.id DESC LIMIT ?11", BOTH);
    filter.values(user).into_iter().fold(Write::new(over!(filter, GONE, NEWEST)), Write::bind).bind(most)
}

/// Notes the revisions that a job has not published, since it is about to be cancelled: it works on them, or would
/// if its owner let it try again what failed. Before [`withdraw`](super::delete::withdraw).
pub fn by_cancel(user: &UserId, job: &JobId) -> Write {
    // Of the documents of all its packs, how far they have ever come, those whose latest revision is still the
    // pack's, and not current. What is published stays.
    // Nothing of a job that has ended: what failed in it may be tried again.
    Write::new(formatcp!(
        "{NOTE}
         SELECT {NEXT_ITEM}, d.id, d.latest, p.id, d.user_id
         FROM jobs j JOIN job_items p ON p.id BETWEEN j.first_item AND j.last_item AND p.batch IS NOT NULL
         JOIN json_each(p.documents) packed
         CROSS JOIN documents d ON d.user_id = j.user_id AND d.id = packed.value ->> 'id' AND d.latest_item = p.id
         WHERE j.id = ?1 AND j.user_id = ?2 AND finished_at IS NULL AND d.current_item IS NOT p.id"
    ))
    .bind(job)
    .bind(user)
}

/// A revision that a newer one or a delete replaced, with what its purge has to know.
#[derive(Clone, Debug, Deserialize)]
pub struct SupersededRevision {
    /// Its document.
    pub document_id: DocumentId,
    /// Its number.
    pub revision: i64,
    /// The pack that holds its bytes and numbers its chunks.
    pub pack: ItemId,
    /// Chunks it had at the first visit; `None` before.
    pub chunk_count: Option<i64>,
    /// Chunks it has now.
    pub chunks_now: i64,
    /// The state of the batch that writes its vectors; `None` if the batch expired.
    pub batch_state: Option<ItemState>,
    /// When that batch last changed.
    pub batch_updated_at: Option<Timestamp>,
}

/// Reads the first superseded revisions of the claimed purge item, at most so many, always in the same order.
pub fn of_item(claim: &Claim, most: i64) -> Query<SupersededRevision> {
    // Chunks are numbered after their pack, so a range finds those of a revision.
    // The batch of the pack is whose worker may still be writing its vectors.
    Query::new(
        "SELECT g.document_id, g.revision, g.pack, g.chunk_count,
                (SELECT count(*) FROM chunks c WHERE c.id BETWEEN g.pack * ?2 AND g.pack * ?2 + ?2 - 1
                    AND c.document_id = g.document_id AND c.revision = g.revision) AS chunks_now,
                b.state AS batch_state, b.updated_at AS batch_updated_at
         FROM garbage g
         LEFT JOIN job_items p ON p.id = g.pack
         LEFT JOIN job_items b ON b.id = p.batch
         WHERE g.retire_item = ?1 AND g.user_id = ?3 ORDER BY g.document_id, g.revision LIMIT ?4",
    )
    .bind(claim.item)
    .bind(ChunkRow::PER_ITEM)
    .bind(&claim.user)
    .bind(most)
}

/// A pack that holds bytes of superseded revisions.
#[derive(Clone, Debug, Deserialize)]
pub struct PackRow {
    /// The pack.
    pub pack: ItemId,
    /// Its documents (JSON).
    pub documents: String,
    /// How many of them are wanted: not deleted, their latest or current revision in this pack.
    pub wanted: i64,
}

/// Reads these packs, with how many of their documents are wanted. Not those that are gone: a receipt counts each once,
/// however many messages it takes to purge what was in it.
///
/// # Errors
/// A bug if the packs cannot be written as JSON.
pub fn packs(user: &UserId, packs: &[ItemId]) -> Result<Query<PackRow>, Failure> {
    Ok(Query::new(
        "SELECT p.id AS pack, p.documents,
                (SELECT count(*) FROM json_each(p.documents) packed
                 CROSS JOIN documents d ON d.user_id = p.user_id AND d.id = packed.value ->> 'id'
                 WHERE d.deleted_at IS NULL AND (d.latest_item = p.id OR d.current_item = p.id)) AS wanted
         FROM json_each(?1) purged JOIN job_items p ON p.id = purged.value AND p.user_id = ?2
         WHERE p.documents <> '[]'",
    )
    .bind(json(&packs)?)
    .bind(user))
}

/// A revision whose vectors and bytes are gone.
#[derive(Clone, Debug, Serialize)]
pub struct PurgedRevision<'a> {
    /// Its document.
    pub document: &'a DocumentId,
    /// Its number.
    pub revision: i64,
    /// The pack that numbers its chunks.
    pub pack: ItemId,
    /// Chunks it has or had.
    pub chunks: i64,
    /// True if nothing unseen can still write for it; if not, it is visited again.
    pub is_final: bool,
}

/// The revisions that one message has purged, for the statements that remove their rows.
#[derive(Clone, Debug)]
pub struct Purged(String);

impl Purged {
    /// Makes the writes for these revisions.
    ///
    /// # Errors
    /// A bug if they cannot be written as JSON.
    pub fn new(revisions: &[PurgedRevision<'_>]) -> Result<Self, Failure> {
        json(&revisions).map(Self)
    }

    /// As `json_each` unfolds them.
    pub(in crate::store) fn rows(&self) -> &str {
        &self.0
    }
}

/// Notes once more, for a second visit, the revisions that something unseen may still write for.
pub fn visit_again(claim: &Claim, purged: &Purged) -> Write {
    claim
        .fenced(formatcp!(
            "INSERT INTO garbage (retire_item, document_id, revision, pack, user_id, chunk_count)
             SELECT {NEXT_ITEM}, r.value ->> 'document', r.value ->> 'revision',
                    r.value ->> 'pack', j.user_id, r.value ->> 'chunks'
             FROM json_each(?3) r JOIN job_items j ON j.id = ?1
             WHERE NOT r.value ->> 'is_final' AND {HELD}"
        ))
        .bind(purged.rows())
}

/// Removes the notes of purged revisions.
pub fn remove(claim: &Claim, purged: &Purged) -> Write {
    claim
        .fenced(formatcp!(
            "DELETE FROM garbage WHERE retire_item = ?1
               AND (document_id, revision) IN (
                   SELECT r.value ->> 'document', r.value ->> 'revision' FROM json_each(?3) r)
               AND {HELD}"
        ))
        .bind(purged.rows())
}
