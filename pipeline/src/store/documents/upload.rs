//! Uploads: which documents are there already, and the revisions that the others take.

use const_format::formatcp;
use serde::{Deserialize, Serialize};

use super::description::every_field;
use crate::{
    failure::Failure,
    ids::{DocumentId, ItemId, JobId, UserId},
    job::item::Claim,
    platform::{
        parameters::JsonRows,
        statement::json,
        transaction::{Query, Write},
    },
    store::conditions::{LAST_ITEM, TERMINAL, accepted_at, held_as},
    time::Timestamp,
};

/// A document that is there already, or on its way.
#[derive(Clone, Debug, Deserialize)]
pub struct KnownDocument {
    /// The document.
    pub id: DocumentId,
    /// The job that brings it, until it is published: it may still be cancelled.
    pub job_id: Option<JobId>,
}

/// The latest revision of the document `d` is the one that searches see.
pub(super) const IS_PUBLISHED: &str = "d.content_hash = d.latest_hash AND d.current_item = d.latest_item";

/// Reads, of these documents and fingerprints, the documents whose latest revision has the fingerprint and is
/// published or on its way.
///
/// # Errors
/// A bug if the documents cannot be written as JSON.
pub fn known(user: &UserId, wanted: &[(&DocumentId, &str)]) -> Result<Query<KnownDocument>, Failure> {
    // A row for each document that is there, with the pack of its latest revision and the batch of that pack.
    // The same again is known where that revision is published, or where pack and batch are still on their way to
    // publish it: their job may be cancelled, so it is named.
    Ok(Query::new(formatcp!(
        "SELECT d.id, CASE WHEN {IS_PUBLISHED} THEN NULL ELSE p.job_id END AS job_id
         FROM json_each(?1) wanted
         CROSS JOIN documents d ON d.user_id = ?2 AND d.id = wanted.value ->> 0
         LEFT JOIN job_items p ON p.id = d.latest_item
         LEFT JOIN job_items b ON b.id = p.batch
         WHERE d.deleted_at IS NULL AND {IS_THE_SAME}"
    ))
    .bind(json(&wanted)?)
    .bind(user))
}

/// The document `d` with its latest pack `p` and that one's batch `b` is what is `wanted`, published or on its way.
pub(super) const IS_THE_SAME: &str = formatcp!(
    "d.latest_hash = wanted.value ->> 1
           AND ({IS_PUBLISHED}
                OR (p.state NOT IN ('failed', 'cancelled') AND b.state NOT IN {TERMINAL}))"
);

/// A revision of a document that an upload brings.
#[derive(Clone, Debug, Serialize)]
pub struct NewRevision<'a> {
    /// The document.
    pub id: &'a DocumentId,
    /// The pack that holds its bytes.
    pub pack: ItemId,
    /// Hex SHA-256 of content and description.
    pub hash: &'a str,
    /// How long its content is.
    pub bytes: usize,
    /// The document's own date, in milliseconds since 1970.
    pub created_at: i64,
    /// The client's name for it.
    pub external_id: Option<&'a str>,
    /// Shown with hits, and indexed.
    pub title: Option<&'a str>,
    /// `code`, `doc` or `conversation`.
    #[serde(rename = "type")]
    pub kind: &'a str,
    /// Programming or natural language.
    pub language: Option<&'a str>,
    /// As extraction and splitting know it.
    pub media_type: &'a str,
    /// Words to filter by.
    pub tags: &'a [String],
    /// The client's own.
    pub metadata: Option<&'a serde_json::Map<String, serde_json::Value>>,
    /// Git's hash of its bytes.
    pub blob: Option<&'a str>,
}

/// The revisions that an upload brings: in the transaction that accepts its job, or, where it is unpacked range
/// by range, in the one that moves the claimed item on.
#[derive(Clone, Debug)]
pub struct Upload<'a> {
    pub(super) user: &'a UserId,
    /// The job that this transaction accepts.
    job: Option<&'a JobId>,
    /// The claim under which an accepted job brings more.
    claim: Option<&'a Claim>,
    pub(super) revisions: JsonRows,
    pub(super) now: Timestamp,
}

impl<'a> Upload<'a> {
    /// Makes the writes for these revisions; `now` is the time at which the job is accepted.
    ///
    /// # Errors
    /// As [`JsonRows::push`].
    pub fn new(
        user: &'a UserId,
        job: &'a JobId,
        revisions: &[NewRevision<'_>],
        now: Timestamp,
    ) -> Result<Self, Failure> {
        Ok(Self { user, job: Some(job), claim: None, revisions: JsonRows::of(revisions)?, now })
    }

    /// Makes the writes for these revisions, which the holder of a claim found at `now`.
    ///
    /// # Errors
    /// As [`JsonRows::push`].
    pub fn unpacked(claim: &'a Claim, revisions: &[NewRevision<'_>], now: Timestamp) -> Result<Self, Failure> {
        let revisions = JsonRows::of(revisions)?;
        Ok(Self { user: &claim.user, job: None, claim: Some(claim), revisions, now })
    }

    /// Makes a write of this text for every array of revisions: what describes a thousand documents is more than D1
    /// takes as one parameter.
    pub(super) fn writes(&self, sql: &'static str) -> Vec<Write> {
        let (item, token) = self.claim.map(|claim| (claim.item, &claim.token)).unzip();
        let write =
            |array| Write::new(sql).bind(array).bind(self.user).bind(self.job).bind(self.now).bind(item).bind(token);
        self.revisions.arrays().map(write).collect()
    }
}

/// The upload brings its revisions: this very transaction accepted its job, or the claim under which it is
/// unpacked still holds.
pub(super) const BROUGHT: &str = concat!("(", accepted_at!("?3", "?4"), " OR ", held_as!("?5", "?6"), ")");

/// A field of the first revision, until one is published: nobody sees another one.
macro_rules! describe_first {
    ($field:literal) => {
        concat!($field, " = CASE WHEN current IS NULL THEN excluded.", $field, " ELSE ", $field, " END")
    };
}

/// Writes a new document, the next revision of one that is there, or the return of one that was deleted.
/// While a revision is current, what describes the next one waits in `pending`.
pub fn take_revisions(upload: &Upload<'_>) -> Vec<Write> {
    // Nothing at all unless this very transaction accepted the job, or moves on the item that unpacks it.
    // A new document begins with revision 1; one that is there takes its next number and its next pack, which fences
    // off whatever is in flight of the one before; one that was deleted is back.
    // While a revision is current its description stays, and what describes the next one waits in `pending`. Until
    // one is current nobody sees another, so the columns describe the newest at once.
    // An upload that is unpacked decides with its own number, which is that of the item that unpacks it. Of those its
    // transaction goes without what was decided since (`jobs::items::plan_again`).
    upload.writes(formatcp!(
        "INSERT INTO documents (user_id, id, external_id, title, type, language, media_type, tags, metadata, created_at,
                                uploaded_at, bytes, blob, latest, latest_item, latest_hash, decided)
         SELECT ?2, r.value ->> 'id', r.value ->> 'external_id', r.value ->> 'title', r.value ->> 'type',
                r.value ->> 'language', r.value ->> 'media_type', r.value ->> 'tags', r.value ->> 'metadata',
                r.value ->> 'created_at', ?4, r.value ->> 'bytes', r.value ->> 'blob', 1, r.value ->> 'pack',
                r.value ->> 'hash',
                coalesce(?5, {LAST_ITEM})
         FROM json_each(?1) r WHERE {BROUGHT}
         ON CONFLICT (user_id, id) DO UPDATE SET
             latest = latest + 1, latest_item = excluded.latest_item, latest_hash = excluded.latest_hash,
             deleted_at = NULL, decided = excluded.decided,
             pending = CASE WHEN current IS NULL THEN NULL ELSE {PENDING} END,
             {DESCRIBE_FIRST}",
        DESCRIBE_FIRST = every_field!(describe_first),
    ))
}

/// What describes the inserted revision. The tags and the metadata are JSON themselves.
const PENDING: &str = "json_object(
                 'external_id', excluded.external_id, 'title', excluded.title, 'type', excluded.type,
                 'language', excluded.language, 'media_type', excluded.media_type,
                 'tags', json(excluded.tags), 'metadata', json(excluded.metadata),
                 'created_at', excluded.created_at, 'uploaded_at', excluded.uploaded_at, 'bytes', excluded.bytes,
                 'blob', excluded.blob)";
