//! Documents: the table `documents`, and the revisions of theirs that are superseded (`garbage`).

use serde::Deserialize;

use crate::{
    platform::transaction::{Query, Write},
    time::Timestamp,
};

/// How many vectors are stored, as last counted.
#[derive(Debug, Deserialize)]
pub struct StoredVectors {
    /// The count.
    pub value: f64,
}

/// The count of stored vectors; no row before the first count.
pub fn stored_vectors() -> Query<StoredVectors> {
    Query::new("SELECT value FROM counters WHERE name = 'vectors_stored'")
}

/// Removes documents that were deleted before `before`. Nothing in flight is this old: a tombstone has
/// fenced off all it could.
pub fn expire(before: Timestamp) -> Write {
    Write::new(
        "DELETE FROM documents WHERE deleted_at < ?1
           AND NOT EXISTS (SELECT 1 FROM garbage g WHERE g.document_id = documents.id)",
    )
    .bind(before)
}
