//! API keys, of which only a digest is kept: the table `api_keys`.

use const_format::formatcp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    ids::UserId,
    platform::transaction::{Query, Write},
    store::users::TENANT,
    tenant::Tenant,
    time::Timestamp,
};

/// A key that is to be inserted.
#[derive(Clone, Copy, Debug)]
pub struct NewApiKey<'a> {
    /// The public part of the key, by which it is found.
    pub id: &'a str,
    /// Whose key it is.
    pub user: &'a UserId,
    /// What its owner calls it.
    pub name: &'a str,
    /// Hex HMAC-SHA-256 of the key.
    pub digest: &'a str,
    /// Now.
    pub now: Timestamp,
}

/// Inserts a key; changes nothing if there is no such user.
pub fn insert(new: NewApiKey<'_>) -> Write {
    Write::new(
        "INSERT INTO api_keys (id, user_id, name, digest, created_at)
         SELECT ?1, id, ?3, ?4, ?5 FROM users WHERE id = ?2",
    )
    .bind(new.id)
    .bind(new.user)
    .bind(new.name)
    .bind(new.digest)
    .bind(new.now)
}

/// A key with its user.
#[derive(Clone, Debug, Deserialize)]
pub struct ApiKeyRow {
    /// Hex HMAC-SHA-256 of the key.
    pub digest: String,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// Whose key it is.
    #[serde(flatten)]
    pub tenant: Tenant,
}

/// Finds a key by its public part, revoked or not.
pub fn find(id: &str) -> Query<ApiKeyRow> {
    Query::new(formatcp!(
        "SELECT k.digest, k.revoked_at, {TENANT} FROM api_keys k JOIN users u ON u.id = k.user_id WHERE k.id = ?1"
    ))
    .bind(id)
}

/// A key in a list.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Key")]
pub struct ApiKeyEntry {
    /// The public part of the key.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// When it was issued.
    pub created_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// Reads a user's keys, the newest first, those behind the one of this time and id.
pub fn list(user: &UserId, behind: Option<(Timestamp, &str)>, limit: i64) -> Query<ApiKeyEntry> {
    Query::new(
        "SELECT id, name, created_at, revoked_at FROM api_keys
         WHERE user_id = ?1 AND (?2 IS NULL OR (created_at, id) < (?2, ?3))
         ORDER BY created_at DESC, id DESC LIMIT ?4",
    )
    .bind(user)
    .bind(behind.map(|(time, _)| time))
    .bind(behind.map(|(_, id)| id))
    .bind(limit)
}

/// Reads one of a user's keys.
pub fn key(user: &UserId, id: &str) -> Query<ApiKeyEntry> {
    Query::new("SELECT id, name, created_at, revoked_at FROM api_keys WHERE id = ?2 AND user_id = ?1")
        .bind(user)
        .bind(id)
}

/// Revokes a user's key: it holds from the next request on. Changes nothing if it was revoked before, or if it is the
/// last one that they have, unless it is to go all the same (`even_last`): of the last two, one is revoked.
pub fn revoke(user: &UserId, id: &str, even_last: bool, now: Timestamp) -> Write {
    Write::new(
        "UPDATE api_keys SET revoked_at = ?3 WHERE id = ?1 AND user_id = ?2 AND revoked_at IS NULL
           AND (?4 OR EXISTS (SELECT 1 FROM api_keys other
                              WHERE other.user_id = ?2 AND other.id <> ?1 AND other.revoked_at IS NULL))",
    )
    .bind(id)
    .bind(user)
    .bind(now)
    .bind(even_last)
}
