//! Chunks as the stages and their owners read them.

use const_format::formatcp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    failure::Failure,
    ids::{ChunkRow, DocumentId, ItemId, UserId},
    job::item::Claim,
    platform::{statement::json, transaction::Query},
    store::{
        columns::pack_of,
        documents::{description::next, eviction::embeds},
    },
    time::Timestamp,
};

/// A chunk that is to be embedded.
#[derive(Clone, Debug, Deserialize)]
pub struct ChunkToEmbed {
    /// Its number.
    pub id: ChunkRow,
    /// Its document.
    pub document_id: DocumentId,
    /// Its place in the document.
    pub chunk_index: i64,
    /// Its document's title.
    pub title: Option<String>,
    /// Git's hash of its document's bytes, if that came with them.
    pub blob: Option<String>,
    /// The text.
    pub text: String,
}

/// Reads the chunks of a batch's packs, first to last, that want a vector, from the row `next` on; `limit` at
/// most. Of a pack that is embedded again only what was evicted and is wanted back.
pub fn to_embed(claim: &Claim, (_, last): (ItemId, ItemId), next: ChunkRow, limit: usize) -> Query<ChunkToEmbed> {
    // Chunks of the documents' latest revisions alone: what was uploaded over or deleted since has another pack.
    // A job that restores an evicted document embeds no other of the same pack.
    Query::new(formatcp!(
        "SELECT c.id, c.document_id, c.chunk_index, c.text, {TITLE}, {BLOB}
         FROM chunks c
         JOIN documents d ON d.user_id = c.user_id AND d.id = c.document_id
         WHERE c.id >= ?1 AND c.id < ?2 AND c.user_id = ?3
           AND d.latest_item = {PACK}
           AND {EMBEDDED}
         ORDER BY c.id LIMIT ?4",
        PACK = pack_of!("c"),
        TITLE = next!("title"),
        BLOB = next!("blob"),
        EMBEDDED = embeds!("d.", "?5"),
    ))
    .bind(next)
    .bind(ChunkRow::first(ItemId(last.0 + 1)))
    .bind(&claim.user)
    .bind(limit)
    .bind(&claim.job)
}

/// What a chunk's vector says of it.
#[derive(Clone, Debug, Deserialize)]
pub struct DescribedChunk {
    /// Its number.
    pub id: ChunkRow,
    /// Its document.
    pub document_id: DocumentId,
    /// The document's revision.
    pub revision: i64,
    /// Its place in the document.
    pub chunk_index: i64,
    /// The document's title.
    pub title: Option<String>,
    /// `code`, `doc` or `conversation`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Programming or natural language.
    pub language: Option<String>,
    /// Words to filter by (JSON).
    pub tags: String,
    /// The document's own date.
    pub created_at: Timestamp,
}

/// Reads these chunks of a user, in order, as their documents' latest revisions describe them; without those that
/// are no longer wanted.
///
/// # Errors
/// A bug if the rows cannot be written as JSON.
pub fn described(user: &UserId, rows: &[ChunkRow]) -> Result<Query<DescribedChunk>, Failure> {
    // `CROSS JOIN` starts from the rows that are asked for, whatever the planner believes about their number.
    // A chunk of a pack that is no longer its document's latest is no longer wanted.
    Ok(Query::new(formatcp!(
        "SELECT c.id, c.document_id, c.revision, c.chunk_index,
                {TITLE}, {TYPE}, {LANGUAGE}, {TAGS}, {CREATED_AT}
         FROM json_each(?1) wanted
         CROSS JOIN chunks c ON c.id = wanted.value
         CROSS JOIN documents d ON d.user_id = ?2 AND d.id = c.document_id
         WHERE d.latest_item = {PACK}
         ORDER BY c.id",
        PACK = pack_of!("c"),
        TITLE = next!("title"),
        TYPE = next!("type"),
        LANGUAGE = next!("language"),
        TAGS = next!("tags"),
        CREATED_AT = next!("created_at"),
    ))
    .bind(json(&rows)?)
    .bind(user))
}

/// A chunk's place in its document's extracted text.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ChunkSpan {
    /// Its place in the document.
    pub chunk_index: i64,
    /// First byte.
    pub start: i64,
    /// One past the last.
    pub end: i64,
    /// The line of the first byte, from 1; nothing in what was indexed before lines were counted.
    pub start_line: Option<i64>,
    /// The line of the last one.
    pub end_line: Option<i64>,
    /// The text, if it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// Reads the chunks of the current revision of a user's document, in order.
pub fn spans(user: &UserId, document: &DocumentId, with_text: bool) -> Query<ChunkSpan> {
    Query::new(
        "SELECT c.chunk_index, c.start, c.\"end\", c.start_line, c.end_line, CASE WHEN ?3 THEN c.text END AS text
         FROM documents d JOIN chunks c ON c.id >= d.current_first AND c.id < d.current_first + d.chunk_count
         WHERE d.user_id = ?1 AND d.id = ?2 AND d.deleted_at IS NULL ORDER BY c.id",
    )
    .bind(user)
    .bind(document)
    .bind(with_text)
}

/// Which chunks of a document are read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Within {
    /// From the one on that holds this line; whose lines are not known, it may hold any.
    pub from_line: Option<i64>,
    /// As far as the one that holds this line.
    pub to_line: Option<i64>,
    /// From the one on that holds this byte.
    pub from_byte: Option<i64>,
    /// So many at most.
    pub limit: i64,
}

/// Reads chunks of the current revision of a user's document with their text, in order and without a gap.
pub fn within(user: &UserId, document: &DocumentId, within: Within) -> Query<ChunkSpan> {
    Query::new(
        "SELECT c.chunk_index, c.start, c.\"end\", c.start_line, c.end_line, c.text
         FROM documents d JOIN chunks c ON c.id >= d.current_first AND c.id < d.current_first + d.chunk_count
         WHERE d.user_id = ?1 AND d.id = ?2 AND d.deleted_at IS NULL
           AND (?3 IS NULL OR coalesce(c.end_line, ?3) >= ?3) AND (?4 IS NULL OR coalesce(c.start_line, ?4) <= ?4)
           AND (?5 IS NULL OR c.\"end\" > ?5)
         ORDER BY c.id LIMIT ?6",
    )
    .bind(user)
    .bind(document)
    .bind(within.from_line)
    .bind(within.to_line)
    .bind(within.from_byte)
    .bind(within.limit)
}
