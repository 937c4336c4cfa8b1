//! From the latest revision to the current one: what the stages read of it, and its coming into view.

use const_format::formatcp;
use serde::Deserialize;

use super::{
    description::{every_field, latest, next},
    eviction::embeds,
};
use crate::{
    failure::Failure,
    ids::{ChunkRow, DocumentId, ItemId},
    job::item::Claim,
    platform::{
        statement::json,
        transaction::{Query, Write},
    },
    store::{
        columns::{flag, pack_of},
        conditions::HELD,
    },
};

/// The latest revision of a document, as it is to be chunked.
#[derive(Clone, Debug, Deserialize)]
pub struct LatestRevision {
    /// The document.
    pub id: DocumentId,
    /// Its number.
    pub revision: i64,
    /// Its title.
    pub title: Option<String>,
    /// `code`, `doc` or `conversation`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Programming or natural language.
    pub language: Option<String>,
    /// As extraction and splitting know it.
    pub media_type: String,
    /// Words to filter by (JSON).
    pub tags: String,
    /// The number of its owner, after which their full-text table is named.
    pub user_number: i64,
    /// There is one of their chunks.
    #[serde(deserialize_with = "flag")]
    pub chunk_words: bool,
}

/// Reads the documents of the claimed pack that still want its revision: others were deleted, or uploaded again.
///
/// # Errors
/// A bug if the ids cannot be written as JSON.
pub fn wanted_of_pack(claim: &Claim) -> Result<Query<LatestRevision>, Failure> {
    let ids: Vec<&DocumentId> = claim.documents.iter().map(|document| &document.id).collect();
    Ok(Query::new(formatcp!(
        "SELECT d.id, d.latest AS revision, u.number AS user_number, u.chunk_words,
                {TITLE}, {TYPE}, {LANGUAGE}, {MEDIA_TYPE}, {TAGS}
         FROM json_each(?1) wanted
         CROSS JOIN documents d ON d.user_id = ?2 AND d.id = wanted.value
         JOIN users u ON u.id = d.user_id
         WHERE d.latest_item = ?3",
        TITLE = next!("title"),
        TYPE = next!("type"),
        LANGUAGE = next!("language"),
        MEDIA_TYPE = next!("media_type"),
        TAGS = next!("tags"),
    ))
    .bind(json(&ids)?)
    .bind(&claim.user)
    .bind(claim.item))
}

/// The latest revision is what the document is described as from now on.
macro_rules! describe_latest {
    ($field:literal) => {
        concat!($field, " = ", latest!("", $field))
    };
}

/// Publishes the documents of a batch's packs, first to last: what was pending becomes current, the content
/// hash that makes a re-upload a duplicate with it. Those that took another revision since stay as they
/// are, and one without chunks stays unpublished.
pub fn publish(claim: &Claim, (first, last): (ItemId, ItemId)) -> Write {
    // The chunks say which revision each pack holds, and how much of it.
    // The owner comes with them: by ?3 alone SQLite would read all documents of theirs to find those of a batch.
    claim
        .fenced(formatcp!(
            "WITH published AS MATERIALIZED (
                 SELECT ?3 AS user_id, c.document_id AS id, {PACK} AS pack, c.revision, min(c.id) AS first,
                        count(*) AS chunks
                 FROM chunks c WHERE c.id BETWEEN ?4 * ?6 AND ?5 * ?6 + ?6 - 1
                 GROUP BY 2, 3, 4)
             UPDATE documents SET
                 {DESCRIBE_LATEST},
                 pending = NULL, superseded_item = NULL,
                 current = published.revision, current_item = latest_item, current_first = published.first,
                 chunk_count = published.chunks, content_hash = latest_hash,
                 evicted_at = CASE WHEN {EMBEDDED} THEN NULL ELSE evicted_at END
             FROM published
             WHERE documents.user_id = published.user_id AND documents.id = published.id
               AND documents.latest_item = published.pack
               AND {HELD}",
            PACK = pack_of!("c"),
            DESCRIBE_LATEST = every_field!(describe_latest),
            EMBEDDED = embeds!("", "?7"),
        ))
        .bind(&claim.user)
        .bind(first)
        .bind(last)
        .bind(ChunkRow::PER_ITEM)
        .bind(&claim.job)
}
