//! Which documents keep their vectors when the index is full: what was found, given up, and wanted back.
//!
//! `hit_at` moves when a search finds a document. `evicted_at` is when its vectors were given up, and `evicting` says
//! from then until they are gone how many are: 1 when none is, and one more for each. A hit after `evicted_at` asks
//! for them back.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{
    failure::Failure,
    ids::{DocumentId, ItemId, UserId},
    platform::{
        statement::json,
        transaction::{Query, Write},
    },
    time::Timestamp,
};

/// The job `$job` embeds the document at hand: its latest revision has no vectors so far, or they were
/// evicted and wanted back before the job was made. `$of` is what the columns of `documents` begin with.
macro_rules! embeds {
    ($of:literal, $job:literal) => {
        concat!(
            "(",
            $of,
            "current_item IS NOT ",
            $of,
            "latest_item
               OR (",
            $of,
            "hit_at > ",
            $of,
            "evicted_at
                   AND ",
            $of,
            "hit_at <= (SELECT created_at FROM jobs WHERE id = ",
            $job,
            ")))"
        )
    };
}
pub(in crate::store) use embeds;

/// Notes that a user's documents were found.
///
/// # Errors
/// A bug if the ids cannot be written as JSON.
pub fn note_hits(user: &UserId, documents: &BTreeSet<&str>, now: Timestamp) -> Result<Write, Failure> {
    Ok(Write::new(
        "UPDATE documents SET hit_at = ?3 WHERE user_id = ?1 AND id IN (SELECT value FROM json_each(?2))
             AND deleted_at IS NULL",
    )
    .bind(user)
    .bind(json(documents)?)
    .bind(now))
}

/// Marks for eviction the least recently useful documents that together have `surplus` vectors, `limit`
/// at most. One whose next revision is on its way is left alone.
pub fn mark(surplus: f64, limit: i64, now: Timestamp) -> Write {
    // Innermost: what has vectors, the least recently hit first (uploaded, if it was never hit), each with the sum
    // of the vectors before it. The id makes the order, and so the sum, the same whenever it is asked for.
    // From the front as many as it takes for the surplus: those before whom less than that was marked.
    Write::new(
        "UPDATE documents SET evicted_at = ?1, evicting = 1 WHERE (user_id, id) IN (
             SELECT user_id, id FROM (
                 SELECT user_id, id,
                        sum(chunk_count) OVER (ORDER BY coalesce(hit_at, uploaded_at), id) - chunk_count AS before
                 FROM documents
                 WHERE current IS NOT NULL AND deleted_at IS NULL AND evicted_at IS NULL
                   AND current_item = latest_item)
             WHERE before < ?2 ORDER BY before LIMIT ?3)",
    )
    .bind(now)
    .bind(surplus)
    .bind(limit)
}

/// A document that is marked for eviction.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MarkedDocument {
    /// Its owner.
    pub user_id: UserId,
    /// The document.
    pub id: DocumentId,
    /// The revision whose vectors go.
    pub current: i64,
    /// How many they are.
    pub chunk_count: i64,
    /// The first of them that is not gone.
    pub next: i64,
}

impl MarkedDocument {
    /// Returns true if none of its vectors is left.
    pub const fn is_done(&self) -> bool {
        self.next >= self.chunk_count
    }
}

/// Reads documents that are marked, the earliest marked first, `limit` at most.
pub fn marked(limit: usize) -> Query<MarkedDocument> {
    Query::new(
        "SELECT user_id, id, current, chunk_count, evicting - 1 AS next FROM documents
         WHERE evicted_at IS NOT NULL AND evicting IS NOT NULL AND current IS NOT NULL AND deleted_at IS NULL
         ORDER BY evicted_at, user_id, id LIMIT ?1",
    )
    .bind(limit)
}

/// Notes how far vectors of marked documents are gone (`next`); the mark comes off where all are.
///
/// # Errors
/// A bug if the documents cannot be written as JSON.
pub fn note_removed(documents: &[MarkedDocument]) -> Result<Write, Failure> {
    Ok(Write::new(
        "UPDATE documents
         SET evicting = CASE WHEN v.value ->> 'next' < chunk_count THEN max(evicting, (v.value ->> 'next') + 1) END
         FROM json_each(?1) v
         WHERE documents.user_id = v.value ->> 'user_id' AND documents.id = v.value ->> 'id'
           AND documents.current = v.value ->> 'current' AND evicting IS NOT NULL",
    )
    .bind(json(&documents)?))
}

/// A pack whose evicted documents are wanted back.
#[derive(Clone, Debug, Deserialize)]
pub struct WantedPack {
    /// Its owner.
    pub user_id: UserId,
    /// The pack.
    pub pack: ItemId,
    /// The chunks of those documents.
    pub chunks: f64,
}

/// A sum of chunks.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct ChunkTotal {
    /// How many chunks.
    pub chunks: f64,
}

/// Reads how many chunks of a pack are embedded again: those of every document of it that was found since its
/// eviction, as the embed stage takes them, whenever that was.
pub fn chunks_to_embed(user: &UserId, pack: ItemId) -> Query<ChunkTotal> {
    Query::new(
        "SELECT total(chunk_count) AS chunks FROM documents
         WHERE user_id = ?1 AND current_item = ?2 AND hit_at > evicted_at",
    )
    .bind(user)
    .bind(pack)
}

/// Reads packs with documents that were evicted before `before` and found since, the latest found first, `limit`
/// at most; without those that a job is embedding again already.
pub fn wanted_back(before: Timestamp, limit: i64) -> Query<WantedPack> {
    // Found since they were given up, and the marks are off: their vectors are gone for certain.
    // Not what changed or was deleted meanwhile: the embed stage would find nothing to do for it.
    // Not the pack that an unfinished job restores: it is the first pack of that job's one item.
    Query::new(
        "SELECT user_id, current_item AS pack, total(chunk_count) AS chunks FROM documents
         WHERE evicted_at < ?2 AND hit_at > evicted_at AND evicting IS NULL
           AND current_item = latest_item AND deleted_at IS NULL
           AND NOT EXISTS (
               SELECT 1 FROM jobs j WHERE j.finished_at IS NULL AND j.kind = 'restore' AND EXISTS (
                   SELECT 1 FROM job_items i WHERE i.id = j.first_item AND i.first_pack = current_item))
         GROUP BY user_id, current_item ORDER BY max(hit_at) DESC LIMIT ?1",
    )
    .bind(limit)
    .bind(before)
}
