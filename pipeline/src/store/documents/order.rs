//! The order in which owners decide what their documents hold: that in which D1 accepts uploads and deletes.
//!
//! An upload that was streamed is accepted long before its documents are known. Numbers of job items order it among
//! the others, since D1 gives them out one after the other: it decides with the first number of its job
//! (`documents.decided`), everything else with the last number that was given out by then. So a document whose
//! number is the larger one was decided later. Nothing here reads a clock.

use const_format::formatcp;
use serde::{Deserialize, Serialize};

use super::upload::{IS_PUBLISHED, IS_THE_SAME};
use crate::{
    failure::Failure,
    ids::{DocumentId, JobId, UserId},
    job::item::Claim,
    platform::{
        statement::json,
        transaction::{Query, Write},
    },
    store::conditions::{HELD, LAST_ITEM, held_as},
};

/// When the document `d` was decided, as the streamed upload whose job is `j` compares it with its own number.
///
/// Rows that versions before 0.1.0 wrote last do not say so, or still say what was said before: the number of their
/// latest pack comes close, and of those that were deleted and never said so only the time is known. A pack of a
/// streamed upload has a number between its upload's first and last, so that both stand alike to those of others.
pub(in crate::store) const DECIDED: &str =
    "coalesce(max(coalesce(d.decided, d.latest_item), coalesce(d.latest_item, d.decided)),
                 CASE WHEN d.deleted_at >= j.accepted_at THEN j.last_item END, 0)";

/// What is known of a document before a streamed upload brings it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It stands further up in the same upload, whatever it holds there.
    Repeated,
    /// It is there with the same content, or on its way.
    Known,
    /// Its owner decided otherwise since the upload was accepted.
    Superseded,
    /// It holds something else, or was deleted, from before the upload.
    Older,
}

/// A document of a range of an upload that has a row already.
#[derive(Clone, Debug, Deserialize)]
pub struct Standings {
    /// The document.
    pub id: DocumentId,
    /// How it stands to the upload.
    pub standing: Standing,
    /// When it was decided.
    pub decided: i64,
    /// The job that brings the same, until it is published: it may still be cancelled.
    pub job_id: Option<JobId>,
}

/// Reads how the documents of one range of an upload stand, each given with its fingerprint; no row for a new one.
///
/// # Errors
/// A bug if the documents cannot be written as JSON.
pub fn standings(claim: &Claim, wanted: &[(&DocumentId, &str)]) -> Result<Query<Standings>, Failure> {
    // An upload decides with its first number. Those between are its packs', which only rows without a decision
    // name; whatever else was decided since has at least its last.
    Ok(Query::new(formatcp!(
        "SELECT d.id, {DECIDED} AS decided,
                CASE WHEN {DECIDED} >= j.first_item AND {DECIDED} < j.last_item THEN 'repeated'
                     WHEN d.deleted_at IS NULL AND {IS_THE_SAME} THEN 'known'
                     WHEN {DECIDED} >= j.last_item THEN 'superseded'
                     ELSE 'older' END AS standing,
                CASE WHEN {IS_PUBLISHED} THEN NULL ELSE p.job_id END AS job_id
         FROM jobs j CROSS JOIN json_each(?1) wanted
         CROSS JOIN documents d ON d.user_id = ?2 AND d.id = wanted.value ->> 0
         LEFT JOIN job_items p ON p.id = d.latest_item
         LEFT JOIN job_items b ON b.id = p.batch
         WHERE j.id = ?3"
    ))
    .bind(json(&wanted)?)
    .bind(&claim.user)
    .bind(&claim.job))
}

/// A document of a range, and when it was decided when its standing was read; `None` for a new one.
#[derive(Clone, Debug, Serialize)]
pub struct Seen(pub DocumentId, pub Option<i64>);

/// Notes that these documents, which the upload of a claim brings too, hold what was decided after it: with what is
/// not published of them the upload's own is lost, should it be cancelled.
///
/// # Errors
/// A bug if the documents cannot be written as JSON.
pub fn note_yielded(claim: &Claim, documents: &[DocumentId]) -> Result<Write, Failure> {
    Ok(claim
        .fenced(formatcp!(
            "UPDATE documents SET superseded_item = ?1
             WHERE user_id = ?3 AND id IN (SELECT value FROM json_each(?4)) AND deleted_at IS NULL
               AND max(latest_item, coalesce(decided, 0)) > ?1 AND latest_item IS NOT current_item AND {HELD}"
        ))
        .bind(&claim.user)
        .bind(json(&documents)?))
}

/// Notes that a user uploaded these once more, each given with its fingerprint: those that are there already, or on
/// their way, while streamed uploads from before are still to be unpacked. Else it reads and writes nothing: what
/// is there already costs nothing.
///
/// Where an upload is unpacked it is the upload's own claim and number that are bound, else none.
///
/// # Errors
/// A bug if the documents cannot be written as JSON.
pub fn confirm(user: &UserId, same: &[(&DocumentId, &str)], claim: Option<&Claim>) -> Result<Write, Failure> {
    // Innermost: the newest upload of theirs that was accepted before and may still bring documents, if there is one.
    // Only what was decided before it is decided anew.
    let (item, token) = claim.map(|claim| (claim.item, &claim.token)).unzip();
    Ok(Write::new(formatcp!(
        "UPDATE documents SET decided = coalesce(?3, {LAST_ITEM})
         WHERE (user_id, id) IN (
             SELECT d.user_id, d.id
             FROM (SELECT j.first_item AS number
                   FROM uploads u INDEXED BY uncleared_uploads
                   CROSS JOIN jobs j ON j.id = u.job_id CROSS JOIN job_items i ON i.id = j.first_item
                   WHERE u.cleared_at IS NULL AND u.user_id = ?2 AND i.state NOT IN ('done', 'cancelled')
                     AND (?3 IS NULL OR j.first_item < ?3)
                   ORDER BY j.first_item DESC LIMIT 1) late
             CROSS JOIN json_each(?1) wanted
             CROSS JOIN documents d ON d.user_id = ?2 AND d.id = wanted.value ->> 0
             LEFT JOIN job_items p ON p.id = d.latest_item
             LEFT JOIN job_items b ON b.id = p.batch
             WHERE d.deleted_at IS NULL AND {IS_THE_SAME} AND coalesce(d.decided, d.latest_item) < late.number)
           AND (?3 IS NULL OR {IS_HELD})",
        IS_HELD = held_as!("?3", "?4"),
    ))
    .bind(json(&same)?)
    .bind(user)
    .bind(item)
    .bind(token))
}
