//! Documents that go: deleted by their owners, withdrawn with a cancelled job, expired.

use const_format::formatcp;
use serde::Deserialize;

use crate::{
    ids::{DocumentId, UserId},
    platform::transaction::{Query, Write},
    store::conditions::past_retention,
    time::{DAY, Timestamp},
};

/// Makes a document a tombstone without content. No pack is its latest any more, and its revision moves on
/// (`latest + 1`), so that nothing in flight can publish.
pub fn tombstone(user: &UserId, document: &DocumentId, now: Timestamp) -> Write {
    Write::new(
        "UPDATE documents SET
             deleted_at = ?3, latest = latest + 1, latest_item = NULL, latest_hash = NULL, pending = NULL,
             current = NULL, current_item = NULL, current_first = NULL, chunk_count = NULL, content_hash = NULL,
             external_id = NULL, title = NULL, language = NULL, tags = '[]', metadata = NULL, bytes = 0,
             evicted_at = NULL, evicting = NULL
         WHERE user_id = ?1 AND id = ?2 AND deleted_at IS NULL",
    )
    .bind(user)
    .bind(document)
    .bind(now)
}

/// Takes back the revisions that this transaction noted as superseded by a cancel: what is current is the
/// latest again, and a document that was never published is gone.
pub fn withdraw(user: &UserId, now: Timestamp) -> Write {
    Write::new(
        "UPDATE documents SET pending = NULL, latest_item = current_item, latest_hash = content_hash,
             deleted_at = CASE WHEN current IS NULL THEN ?2 END
         WHERE user_id = ?1 AND (id, latest) IN (
             SELECT g.document_id, g.revision FROM garbage g, counters c
             WHERE c.name = 'item' AND g.retire_item = c.value + 1 AND g.user_id = ?1)",
    )
    .bind(user)
    .bind(now)
}

/// A document past its retention.
#[derive(Clone, Debug, Deserialize)]
pub struct OldDocument {
    /// Its owner.
    pub user_id: UserId,
    /// The document.
    pub id: DocumentId,
}

/// At most `limit` documents that were uploaded longer ago than their owners want (`retention` of their
/// profile). Those who never said are passed over without a look at their documents.
pub fn past_retention(now: Timestamp, limit: i64) -> Query<OldDocument> {
    Query::new(formatcp!(
        "SELECT d.user_id, d.id FROM users u CROSS JOIN documents d ON d.user_id = u.id
         WHERE {PAST_RETENTION} AND d.deleted_at IS NULL LIMIT ?3",
        PAST_RETENTION = past_retention!("document_days", "d.uploaded_at"),
    ))
    .bind(now)
    .bind(DAY)
    .bind(limit)
}

/// Removes tombstones from before `before` whose revisions are purged. Nothing in flight may be that old:
/// a tombstone has refused all it could write.
pub fn expire(before: Timestamp) -> Write {
    Write::new(
        "DELETE FROM documents WHERE deleted_at < ?1
           AND NOT EXISTS (SELECT 1 FROM garbage g WHERE g.document_id = documents.id)",
    )
    .bind(before)
}
