//! The full-text tables that all users shared in earlier versions: `chunks_fts` and `memories_fts`.
//!
//! Nothing is looked for in them. What is left in them is to be moved into its owner's own table
//! ([`words`](super::users::words)), also what the version before writes while it is replaced. A later release drops
//! them.

use const_format::formatcp;
use serde::Deserialize;

use crate::{
    failure::Failure,
    ids::UserId,
    platform::{
        statement::json,
        transaction::{Query, Write},
    },
    store::columns::flag,
};

/// A row of one of the tables, with the chunk that it is of, as its document describes its revision, or the memory.
#[derive(Clone, Debug, Deserialize)]
pub struct SharedRow {
    /// Its number, which is also that of the chunk or memory.
    pub id: i64,
    /// Whose it is; nobody's where the chunk or memory is gone.
    pub user: Option<UserId>,
    /// Their number.
    pub number: i64,
    /// Their own table is there.
    #[serde(deserialize_with = "flag")]
    pub is_there: bool,
    /// The document's title.
    pub title: Option<String>,
    /// `code`, `doc` or `conversation`; nothing of a memory.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Programming or natural language.
    pub language: Option<String>,
    /// As extraction and splitting know it.
    pub media_type: Option<String>,
    /// Words to filter by (JSON).
    pub tags: Option<String>,
    /// The text.
    pub text: Option<String>,
}

/// The field `$field` of the document `d`, as it describes the revision of the chunk `c`.
macro_rules! of_revision {
    ($field:literal) => {
        concat!(
            "CASE WHEN d.pending IS NULL OR d.current IS c.revision THEN d.",
            $field,
            " ELSE d.pending ->> '$.",
            $field,
            "' END AS ",
            $field
        )
    };
}

/// Reads the first rows of the chunks' table, so many at most.
pub fn chunks(limit: i64) -> Query<SharedRow> {
    Query::new(formatcp!(
        "SELECT shared.rowid AS id, u.id AS user, coalesce(u.number, 0) AS number,
                coalesce(u.chunk_words, 0) AS is_there, c.text, {TITLE}, {TYPE}, {LANGUAGE}, {MEDIA_TYPE}, {TAGS}
         FROM (SELECT rowid FROM chunks_fts ORDER BY rowid LIMIT ?1) shared
         LEFT JOIN chunks c ON c.id = shared.rowid
         LEFT JOIN documents d ON d.user_id = c.user_id AND d.id = c.document_id
         LEFT JOIN users u ON u.id = d.user_id",
        TITLE = of_revision!("title"),
        TYPE = of_revision!("type"),
        LANGUAGE = of_revision!("language"),
        MEDIA_TYPE = of_revision!("media_type"),
        TAGS = of_revision!("tags"),
    ))
    .bind(limit)
}

/// Reads the first rows of the memories' table, so many at most.
pub fn memories(limit: i64) -> Query<SharedRow> {
    Query::new(
        "SELECT shared.rowid AS id, u.id AS user, coalesce(u.number, 0) AS number,
                coalesce(u.memory_words, 0) AS is_there, m.text
         FROM (SELECT rowid FROM memories_fts ORDER BY rowid LIMIT ?1) shared
         LEFT JOIN memories m ON m.number = shared.rowid
         LEFT JOIN users u ON u.id = m.user_id",
    )
    .bind(limit)
}

/// Takes chunks that are moved, or gone, out of the table that was shared.
///
/// # Errors
/// A bug if the numbers cannot be written as JSON.
pub fn forget_chunks(rows: &[i64]) -> Result<Write, Failure> {
    Ok(Write::new("DELETE FROM chunks_fts WHERE rowid IN (SELECT value FROM json_each(?1))").bind(json(&rows)?))
}

/// Takes memories that are moved, or gone, out of the table that was shared.
///
/// # Errors
/// A bug if the numbers cannot be written as JSON.
pub fn forget_memories(rows: &[i64]) -> Result<Write, Failure> {
    Ok(Write::new("DELETE FROM memories_fts WHERE rowid IN (SELECT value FROM json_each(?1))").bind(json(&rows)?))
}
