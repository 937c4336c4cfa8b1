//! Documents as their owners see them.

use const_format::formatcp;
use serde::Deserialize;

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

/// Which of a user's documents are listed; all if nothing is set.
#[derive(Clone, Debug, Default)]
pub struct DocumentFilter {
    /// Those that were uploaded before this one: when it was, and its id.
    pub behind: Option<(Timestamp, DocumentId)>,
    /// Those of this type.
    pub kind: Option<String>,
    /// Those in this language.
    pub language: Option<String>,
    /// Those with this tag.
    pub tag: Option<String>,
    /// The one that its client calls so.
    pub external_id: Option<String>,
    /// Those whose client's names begin so.
    pub prefix: Option<String>,
    /// Those that are so far.
    pub status: Option<String>,
    /// Those whose own date is not before this.
    pub created_after: Option<Timestamp>,
    /// Those whose own date is before this.
    pub created_before: Option<Timestamp>,
}

/// A document `d` with the pack `p` of its latest revision and that one's batch `b`, whose states say how far it is.
const DOCUMENT: &str = "SELECT d.id, d.external_id, d.title, d.type, d.language, d.media_type, d.tags, d.metadata,
                d.created_at, d.uploaded_at, d.bytes, d.latest_item, d.current, d.current_item, d.chunk_count,
                d.evicted_at,
                CASE WHEN d.latest_item IS d.current_item THEN 'indexed'
                     WHEN p.state = 'failed' OR b.state IN ('failed', 'done') THEN 'failed'
                     WHEN p.state = 'cancelled' OR b.state = 'cancelled' THEN 'cancelled'
                     ELSE 'indexing' END AS status
         FROM documents d LEFT JOIN job_items p ON p.id = d.latest_item LEFT JOIN job_items b ON b.id = p.batch";

/// Reads a user's documents, the one that was uploaded last first, without those that were deleted.
pub fn list(user: &UserId, filter: DocumentFilter, limit: i64) -> Query<DocumentRow> {
    // A filter that is absent is NULL and lets everything through.
    let (behind, id) = filter.behind.unzip();
    Query::new(formatcp!(
        "SELECT * FROM ({DOCUMENT}
             WHERE d.user_id = ?1 AND d.deleted_at IS NULL
               AND (?2 IS NULL OR (d.uploaded_at, d.id) < (?2, ?3))
               AND (?4 IS NULL OR d.type = ?4) AND (?5 IS NULL OR d.language = ?5)
               AND (?6 IS NULL OR EXISTS (SELECT 1 FROM json_each(d.tags) WHERE value = ?6))
               AND (?7 IS NULL OR d.external_id = ?7)
               AND (?8 IS NULL OR substr(d.external_id, 1, length(?8)) = ?8)
               AND (?9 IS NULL OR d.created_at >= ?9) AND (?10 IS NULL OR d.created_at < ?10)
             ORDER BY d.uploaded_at DESC, d.id DESC)
         WHERE ?11 IS NULL OR status = ?11 LIMIT ?12"
    ))
    .bind(user)
    .bind(behind)
    .bind(id.as_ref())
    .bind(filter.kind)
    .bind(filter.language)
    .bind(filter.tag)
    .bind(filter.external_id)
    .bind(filter.prefix)
    .bind(filter.created_after)
    .bind(filter.created_before)
    .bind(filter.status)
    .bind(limit)
}

/// Reads a user's document, unless it was deleted.
pub fn get(user: &UserId, document: &DocumentId) -> Query<DocumentRow> {
    Query::new(formatcp!("{DOCUMENT} WHERE d.user_id = ?1 AND d.id = ?2 AND d.deleted_at IS NULL"))
        .bind(user)
        .bind(document)
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
