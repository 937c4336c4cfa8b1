//! What is older than its owner wants to keep it (`retention` of their profile), by kind.
//!
//! Memories are removed by their own module
//! ([`memories::delete_past_retention`](crate::store::memories::delete_past_retention)): nothing hangs on them.

use const_format::formatcp;
use serde::Deserialize;

use crate::{
    ids::{ConversationId, DocumentId, UserId},
    platform::transaction::Query,
    store::conditions::past_retention,
    time::{DAY, Timestamp},
};

/// A document past its retention.
#[derive(Clone, Debug, Deserialize)]
pub struct OldDocument {
    /// Its owner.
    pub user_id: UserId,
    /// The document.
    pub id: DocumentId,
}

/// At most `limit` documents that were uploaded longer ago than their owners want. Those who never said
/// are passed over without a look at their documents.
pub fn documents(now: Timestamp, limit: i64) -> Query<OldDocument> {
    Query::new(formatcp!(
        "SELECT d.user_id, d.id FROM users u CROSS JOIN documents d ON d.user_id = u.id
         WHERE {PAST_RETENTION} AND d.deleted_at IS NULL LIMIT ?3",
        PAST_RETENTION = past_retention!("document_days", "d.uploaded_at"),
    ))
    .bind(now)
    .bind(DAY)
    .bind(limit)
}

/// A conversation past its retention.
#[derive(Clone, Debug, Deserialize)]
pub struct OldConversation {
    /// Its owner.
    pub user_id: UserId,
    /// The conversation.
    pub id: ConversationId,
}

/// At most `limit` conversations that were continued longer ago than their owners want.
pub fn conversations(now: Timestamp, limit: i64) -> Query<OldConversation> {
    Query::new(formatcp!(
        "SELECT c.user_id, c.id FROM users u CROSS JOIN conversations c ON c.user_id = u.id
         WHERE {PAST_RETENTION} LIMIT ?3",
        PAST_RETENTION = past_retention!("conversation_days", "c.updated_at"),
    ))
    .bind(now)
    .bind(DAY)
    .bind(limit)
}
