//! Documents as their owners see them.

use const_format::{concatcp, formatcp};
use serde::Deserialize;

use super::filter::{DocumentFilter, STATUS, over};
use crate::{
    ids::{DocumentId, ItemId, UserId},
    platform::transaction::Query,
    time::Timestamp,
};

/// A document with what its latest revision is waiting for.
#[derive(Clone, Debug, Deserialize)]
pub struct DocumentRow {
    /// Its id.
    pub id: DocumentId,
    /// The client's name for it.
    pub external_id: Option<String>,
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
    /// The client's own (JSON).
    pub metadata: Option<String>,
    /// The document's own date.
    pub created_at: Timestamp,
    /// When it was uploaded.
    pub uploaded_at: Timestamp,
    /// How long its content is.
    pub bytes: i64,
    /// Git's hash of it, in its sender's word.
    pub blob: Option<String>,
    /// The pack that holds the latest revision.
    pub latest_item: Option<ItemId>,
    /// The revision that searches see.
    pub current: Option<i64>,
    /// The pack that holds it.
    pub current_item: Option<ItemId>,
    /// Its chunks.
    pub chunk_count: Option<i64>,
    /// When its vectors were given up for others'.
    pub evicted_at: Option<Timestamp>,
    /// `indexing`, `indexed`, `failed` or `cancelled`: of the latest revision.
    pub status: String,
}

/// A document `d`, as it is shown.
const DOCUMENT: &str = formatcp!(
    "SELECT d.id, d.external_id, d.title, d.type, d.language, d.media_type, d.tags, d.metadata,
                d.created_at, d.uploaded_at, d.bytes, d.blob, d.latest_item, d.current, d.current_item, d.chunk_count,
                d.evicted_at, {STATUS} AS status
         FROM documents d"
);

/// Reads a user's documents, the one that was uploaded last first: those behind the one that was uploaded then and
/// has this id, or the first.
pub fn list(
    user: &UserId,
    filter: &DocumentFilter,
    behind: Option<(Timestamp, DocumentId)>,
    limit: i64,
) -> Query<DocumentRow> {
    const BEGINNING: &str = concatcp!(DOCUMENT, " WHERE (?11 IS NULL OR (d.uploaded_at, d.id) < (?11, ?12)) AND ");
    let (behind, id) = behind.unzip();
    over(user, filter, over!(filter, BEGINNING, " ORDER BY d.uploaded_at DESC, d.id DESC LIMIT ?13"))
        .bind(behind)
        .bind(id.as_ref())
        .bind(limit)
}

/// How many documents there are.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct DocumentCount {
    /// So many.
    pub documents: u64,
}

/// Counts the documents of a user that a filter means.
pub fn count(user: &UserId, filter: &DocumentFilter) -> Query<DocumentCount> {
    over(user, filter, over!(filter, "SELECT count(*) AS documents FROM documents d WHERE ", ""))
}

fn over<Row>(user: &UserId, filter: &DocumentFilter, sql: &'static str) -> Query<Row> {
    filter.values(user).into_iter().fold(Query::new(sql), Query::bind)
}

/// Reads a user's document, unless it was deleted.
pub fn get(user: &UserId, document: &DocumentId) -> Query<DocumentRow> {
    Query::new(formatcp!("{DOCUMENT} WHERE d.user_id = ?1 AND d.id = ?2 AND d.deleted_at IS NULL"))
        .bind(user)
        .bind(document)
}

/// A document that changed.
#[derive(Clone, Debug, Deserialize)]
pub struct ChangedDocument {
    /// The client's name for it.
    pub external_id: Option<String>,
    /// Its title.
    pub title: Option<String>,
}

/// Of so many documents that a user uploaded last, at most, those looked at for [`changed_since`].
const LOOKED_AT: i64 = 500;

/// Reads the documents that a user uploaded since, the last first; of one project, if it is named: those whose names
/// begin with it.
pub fn changed_since(user: &UserId, project: Option<&str>, since: Timestamp, limit: usize) -> Query<ChangedDocument> {
    // No more rows are read than are looked at, however many others there are.
    Query::new(
        "SELECT external_id, title FROM (
             SELECT external_id, title, uploaded_at FROM documents
             WHERE user_id = ?1 AND uploaded_at > ?2 AND deleted_at IS NULL ORDER BY uploaded_at DESC LIMIT ?5)
         WHERE ?3 IS NULL OR substr(external_id, 1, length(?3) + 1) = ?3 || '/'
         ORDER BY uploaded_at DESC LIMIT ?4",
    )
    .bind(user)
    .bind(since)
    .bind(project)
    .bind(limit)
    .bind(LOOKED_AT)
}

/// Where a document's bytes lie.
#[derive(Clone, Debug, Deserialize)]
pub struct OriginalRow {
    /// The pack.
    pub pack: ItemId,
    /// First byte in the pack.
    pub start: u64,
    /// One past its last byte.
    pub end: u64,
    /// What they are.
    pub media_type: String,
}

/// Reads where the bytes of a user's document lie: of the revision that is current, or of the first one while
/// none is.
pub fn original(user: &UserId, document: &DocumentId) -> Query<OriginalRow> {
    // The pack's row lists where in it each of its documents lies.
    Query::new(
        "SELECT p.id AS pack, packed.value ->> 'start' AS start, packed.value ->> 'end' AS \"end\", d.media_type
         FROM documents d JOIN job_items p ON p.id = coalesce(d.current_item, d.latest_item) AND p.user_id = d.user_id
         JOIN json_each(p.documents) packed ON packed.value ->> 'id' = d.id
         WHERE d.user_id = ?1 AND d.id = ?2 AND d.deleted_at IS NULL",
    )
    .bind(user)
    .bind(document)
}
