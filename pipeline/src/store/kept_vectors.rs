//! Vectors as they were embedded, of documents that are known by git's hash of their bytes: the table `kept_vectors`.
//!
//! What is found here again is not embedded again: a revision that comes back, the unchanged part of one that changed,
//! a file under another name.

use const_format::formatcp;
use serde::{Deserialize, Serialize};

use super::{
    conditions::HELD,
    documents::{description::latest, superseded::Purged},
};
use crate::{
    failure::Failure,
    ids::{DocumentId, UserId},
    job::item::Claim,
    platform::{
        parameters::JsonRows,
        statement::json,
        transaction::{Query, Write},
    },
    time::Timestamp,
};

/// Revisions of a document whose vectors are kept: those of the branches that somebody changes between.
const REVISIONS: i64 = 4;

/// A vector that is kept.
#[derive(Clone, Debug, Deserialize)]
pub struct KeptVector {
    /// Of which text, and of which model.
    pub fingerprint: String,
    /// It, as text.
    pub vector: String,
}

/// Reads what is kept under these fingerprints, of these documents and of all that hold these bytes.
///
/// # Errors
/// A bug if they cannot be written as JSON.
pub fn find(
    user: &UserId,
    documents: &[&DocumentId],
    blobs: &[&str],
    fingerprints: &[&str],
) -> Result<Query<KeptVector>, Failure> {
    // Both ways lead by an index to few rows; the texts in them are compared where they lie.
    Ok(Query::new(
        "SELECT v.value ->> 0 AS fingerprint, v.value ->> 1 AS vector
         FROM (SELECT k.vectors FROM json_each(?2) wanted
               CROSS JOIN kept_vectors k ON k.user_id = ?1 AND k.document_id = wanted.value
               UNION ALL
               SELECT k.vectors FROM json_each(?3) wanted
               CROSS JOIN kept_vectors k INDEXED BY kept_vectors_by_blob
                          ON k.user_id = ?1 AND k.blob = wanted.value) kept
         CROSS JOIN json_each(kept.vectors) v
         WHERE v.value ->> 0 IN (SELECT value FROM json_each(?4))
         GROUP BY 1",
    )
    .bind(user)
    .bind(json(&documents)?)
    .bind(json(&blobs)?)
    .bind(json(&fingerprints)?))
}

/// A run of chunks of one document that a message embedded.
#[derive(Clone, Debug, Serialize)]
pub struct KeptRun<'a> {
    /// The document.
    pub document: &'a DocumentId,
    /// Git's hash of the revision's bytes.
    pub blob: &'a str,
    /// The place in the document of the first of them.
    pub first: i64,
    /// The fingerprint and the vector of each.
    pub vectors: Vec<(&'a str, String)>,
}

/// Keeps the vectors of runs, and of each of their documents only the newest revisions. Of a document that was deleted
/// or holds something else by now nothing is kept.
///
/// # Errors
/// As [`JsonRows::push`].
pub fn keep(claim: &Claim, runs: &[KeptRun<'_>], now: Timestamp) -> Result<Vec<Write>, Failure> {
    let insert = |array: &str| claim.fenced(INSERT).bind(array).bind(&claim.user).bind(now);
    let mut writes: Vec<Write> = JsonRows::of(runs)?.arrays().map(insert).collect();
    let mut documents: Vec<&DocumentId> = runs.iter().map(|run| run.document).collect();
    documents.dedup();
    writes.push(claim.fenced(TRIM).bind(json(&documents)?).bind(&claim.user).bind(REVISIONS));
    Ok(writes)
}

const INSERT: &str = formatcp!(
    "INSERT OR REPLACE INTO kept_vectors (user_id, document_id, blob, first, vectors, kept_at)
     SELECT d.user_id, d.id, r.value ->> 'blob', r.value ->> 'first', r.value ->> 'vectors', ?5
     FROM json_each(?3) r CROSS JOIN documents d ON d.user_id = ?4 AND d.id = r.value ->> 'document'
     WHERE d.deleted_at IS NULL AND {BLOB} = r.value ->> 'blob' AND {HELD}",
    BLOB = latest!("d.", "blob"),
);

const TRIM: &str = formatcp!(
    "DELETE FROM kept_vectors
     WHERE user_id = ?4 AND document_id IN (SELECT value FROM json_each(?3)) AND {HELD}
       AND (document_id, blob) IN (
           SELECT document_id, blob FROM (
               SELECT k.document_id, k.blob,
                      row_number() OVER (PARTITION BY k.document_id ORDER BY max(k.kept_at) DESC, k.blob) AS place
               FROM json_each(?3) wanted CROSS JOIN kept_vectors k ON k.user_id = ?4 AND k.document_id = wanted.value
               GROUP BY k.document_id, k.blob)
           WHERE place > ?5)"
);

/// Removes what is kept of purged revisions whose documents are deleted.
pub fn purge(claim: &Claim, purged: &Purged) -> Write {
    claim
        .fenced(formatcp!(
            "DELETE FROM kept_vectors WHERE user_id = ?4 AND {HELD} AND document_id IN (
                 SELECT d.id FROM json_each(?3) r
                 CROSS JOIN documents d ON d.user_id = ?4 AND d.id = r.value ->> 'document'
                 WHERE d.deleted_at IS NOT NULL)"
        ))
        .bind(purged.rows())
        .bind(&claim.user)
}

/// Removes what nobody embedded again since `before`.
pub fn expire(before: Timestamp) -> Write {
    Write::new("DELETE FROM kept_vectors WHERE kept_at < ?1").bind(before)
}
