//! What of a folder is not there as its owner has it: documents by name, compared by git's hash of their bytes.

use const_format::formatcp;
use serde::Deserialize;

use super::{description::latest, filter::STATUS};
use crate::{
    failure::Failure,
    ids::{DocumentId, UserId},
    platform::{statement::json, transaction::Query},
};

/// How a file stands to the document of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileState {
    /// There is no document of that name.
    Missing,
    /// It holds something else.
    Changed,
    /// It holds the same, and could not be indexed or was cancelled.
    Failed,
    /// It holds the same, and is on its way.
    InProgress,
}

/// A file that is not there as it is wanted.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Different {
    /// Its place among those that were asked about.
    pub place: usize,
    /// How it stands.
    pub state: FileState,
}

/// Reads of these documents, each with a hash, those that are not published with it; in order.
///
/// # Errors
/// A bug if the documents cannot be written as JSON.
pub fn different(user: &UserId, wanted: &[(DocumentId, &str)]) -> Result<Query<Different>, Failure> {
    // A row of the table for each document that is there. Packs are looked at only where the latest revision is not the
    // one that searches see.
    Ok(Query::new(formatcp!(
        "SELECT place, state FROM (
             SELECT wanted.key AS place,
                    CASE WHEN d.id IS NULL OR d.deleted_at IS NOT NULL THEN 'missing'
                         WHEN {BLOB} IS NOT wanted.value ->> 1 THEN 'changed'
                         ELSE CASE {STATUS} WHEN 'indexed' THEN NULL WHEN 'indexing' THEN 'in_progress'
                                            ELSE 'failed' END END AS state
             FROM json_each(?1) wanted
             LEFT JOIN documents d ON d.user_id = ?2 AND d.id = wanted.value ->> 0)
         WHERE state IS NOT NULL ORDER BY place",
        BLOB = latest!("d.", "blob"),
    ))
    .bind(json(&wanted)?)
    .bind(user))
}
