//! Documents that go: deleted by their owners, withdrawn with a cancelled job, expired.

use const_format::formatcp;

use crate::{
    ids::{DocumentId, UserId},
    platform::transaction::{Query, Write},
    store::{
        conditions::NEXT_ITEM,
        documents::description::latest,
        retention::{self, Old, past_retention},
    },
    time::Timestamp,
};

/// On whose word a document goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Its owner's, now: uploads that were accepted before do not bring it back.
    Owner,
    /// Their retention's, if that still says so when the document goes. It decides nothing about what they sent since.
    Retention,
}

/// What documents are past their owners' retention, at the time `$now`: counted from when the latest revision was
/// uploaded, published or not. What was accepted yesterday is not old because what it replaces is.
macro_rules! old_documents {
    ($now:literal, $day:literal) => {
        past_retention!("documents", latest!("old.", "uploaded_at"), "document_days", $now, $day)
    };
}

/// The document `?2` of the user `?1` may go at the time `?3`: its owner says so, or (where `?4`, with `?5` the
/// milliseconds of a day) their retention still does.
///
/// It was looked up before, and may have been uploaded again since, or its owner wants to keep it.
pub(super) const MAY_GO: &str =
    formatcp!("(NOT ?4 OR EXISTS (SELECT 1 {OLD} AND u.id = ?1 AND old.id = ?2))", OLD = old_documents!("?3", "?5"));

/// Makes tombstones without content of the documents that this transaction noted as deleted
/// ([`by_delete`](super::superseded::by_delete)). No pack is their latest any more, and their revisions move on
/// (`latest + 1`), so that nothing in flight can publish. Before the purge item takes the number they are noted under:
/// they are decided with it.
pub fn tombstones(user: &UserId, cause: Cause, now: Timestamp) -> Write {
    Write::new(formatcp!(
        "UPDATE documents SET
             deleted_at = ?2, latest = latest + 1, latest_item = NULL, latest_hash = NULL, pending = NULL,
             current = NULL, current_item = NULL, current_first = NULL, chunk_count = NULL, content_hash = NULL,
             external_id = NULL, title = NULL, language = NULL, tags = '[]', metadata = NULL, bytes = 0,
             blob = NULL, evicted_at = NULL, evicting = NULL, superseded_item = NULL,
             decided = CASE WHEN ?3 THEN coalesce(decided, latest_item) ELSE {NEXT_ITEM} END
         WHERE user_id = ?1 AND id IN (SELECT document_id FROM garbage WHERE retire_item = {NEXT_ITEM})"
    ))
    .bind(user)
    .bind(now)
    .bind(cause == Cause::Retention)
}

/// Takes back the revisions that this transaction noted as superseded by a cancel: what is current is the
/// latest again, and a document that was never published is gone. When it was decided stays: an upload from before
/// brings it back as little as a revision that was on its way then.
pub fn withdraw(user: &UserId, now: Timestamp) -> Write {
    Write::new(
        "UPDATE documents SET pending = NULL, latest_item = current_item, latest_hash = content_hash,
             superseded_item = NULL, deleted_at = CASE WHEN current IS NULL THEN ?2 END,
             decided = coalesce(decided, latest_item)
         WHERE user_id = ?1 AND (id, latest) IN (
             SELECT g.document_id, g.revision FROM garbage g, counters c
             WHERE c.name = 'item' AND g.retire_item = c.value + 1 AND g.user_id = ?1)",
    )
    .bind(user)
    .bind(now)
}

/// Reads documents that were uploaded longer ago than their owners want (`retention` of their profile), counted from
/// their latest revision.
pub fn past_retention(now: Timestamp, limit: i64) -> Query<Old<DocumentId>> {
    const OLD: &str = old_documents!("?1", "?2");
    retention::old(formatcp!("SELECT old.user_id, old.id {OLD} AND old.deleted_at IS NULL LIMIT ?3"), now, limit)
}

/// Removes tombstones from before `before` whose revisions are purged. Nothing in flight may be that old:
/// a tombstone has refused all it could write. But an upload may wait to be unpacked for as long as there is no space.
pub fn expire(before: Timestamp) -> Write {
    Write::new(
        "DELETE FROM documents WHERE deleted_at < ?1
           AND NOT EXISTS (SELECT 1 FROM garbage g WHERE g.document_id = documents.id)
           AND NOT EXISTS (SELECT 1 FROM uploads u INDEXED BY uncleared_uploads JOIN jobs j ON j.id = u.job_id
                           WHERE u.cleared_at IS NULL AND j.first_item <= documents.decided)",
    )
    .bind(before)
}
