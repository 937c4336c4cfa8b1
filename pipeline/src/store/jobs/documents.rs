//! What became of the documents of a job's packs.

use const_format::formatcp;
use serde::Deserialize;

use crate::{
    ids::{DocumentId, JobId, UserId},
    platform::transaction::Query,
};

/// How far the document `$document` has come: as far as its pack `p`, and then as its batch `b`, unless it failed alone
/// or another upload took it over.
macro_rules! document_state {
    ($document:literal) => {
        concat!(
            "CASE WHEN EXISTS (SELECT 1 FROM json_each(coalesce(p.failures, '[]')) f
                               WHERE f.value ->> 'document_id' = ",
            $document,
            ") THEN 'failed'
                  WHEN p.state IN ('failed', 'cancelled') THEN p.state
                  WHEN b.state IN ('failed', 'cancelled') AND p.state = 'done' THEN b.state
                  WHEN EXISTS (SELECT 1 FROM json_each(coalesce(p.superseded, '[]')) s WHERE s.value = ",
            $document,
            ") THEN 'superseded'
                  WHEN p.state = 'done' AND b.state = 'waiting' THEN 'running'
                  WHEN p.state = 'done' THEN b.state
                  ELSE coalesce(p.state, 'done') END"
        )
    };
}
pub(in crate::store) use document_state;

/// How far a document of a job is.
#[derive(Clone, Debug, Deserialize)]
pub struct DocumentState {
    /// Its id.
    pub document_id: DocumentId,
    /// `superseded`, or as its pack and batch.
    pub status: String,
}

/// Reads how far the documents of a user's job are, of those that were packed.
pub fn states(user: &UserId, job: &JobId) -> Query<DocumentState> {
    // A pack lists where in it each of its documents lies.
    Query::new(formatcp!(
        "SELECT d.value ->> 'id' AS document_id, {STATE} AS status
         FROM jobs j JOIN job_items p ON p.id BETWEEN j.first_item AND j.last_item AND p.batch IS NOT NULL
         JOIN json_each(p.documents) d LEFT JOIN job_items b ON b.id = p.batch
         WHERE j.id = ?1 AND j.user_id = ?2",
        STATE = document_state!("d.value ->> 'id'"),
    ))
    .bind(job)
    .bind(user)
}
