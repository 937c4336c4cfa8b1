//! Chunks that come and go, always with their full-text rows.

use const_format::formatcp;
use serde::Serialize;

use crate::{
    ids::{ChunkRow, DocumentId},
    job::item::Claim,
    platform::{parameters::JsonRows, transaction::Write},
    store::{conditions::HELD, documents::superseded::Purged},
};

/// A chunk that is to be inserted, with what its full-text row says.
#[derive(Clone, Debug, Serialize)]
pub struct NewChunk<'a> {
    /// Its number.
    pub id: ChunkRow,
    /// Its document.
    pub document: &'a DocumentId,
    /// The document's revision.
    pub revision: i64,
    /// Its place in the document.
    pub index: i64,
    /// First byte in the document's extracted text.
    pub start: usize,
    /// One past the last.
    pub end: usize,
    /// The line of the first byte, from 1.
    pub start_line: Option<i64>,
    /// The line of the last one.
    pub end_line: Option<i64>,
    /// The text.
    pub text: &'a str,
    /// The terms that cut a query down to what it may and should see.
    pub scope: String,
    /// Its document's title, and the symbols it defines, with their parts.
    pub title: String,
    /// The parts of its words: of identifiers, and of sentences without spaces.
    pub ident: String,
}

/// The documents of which the claimed pack still holds the latest revision.
const LATEST_OF_PACK: &str = "json_each(?3) r
             CROSS JOIN documents d ON d.user_id = ?4 AND d.id = r.value ->> 'document'
             WHERE d.latest_item = ?1 AND d.latest = r.value ->> 'revision'";

/// Inserts chunks ([`NewChunk`]s) of documents that still want their revision, the full-text rows first: a chunk
/// that is there already has its own. A repeat changes nothing.
pub fn insert(claim: &Claim, chunks: &JsonRows) -> Vec<Write> {
    let of_array = |array| [INSERT_WORDS, INSERT_CHUNKS].map(|sql| claim.fenced(sql).bind(array).bind(&claim.user));
    chunks.arrays().flat_map(of_array).collect()
}

const INSERT_WORDS: &str = formatcp!(
    "INSERT INTO chunks_fts (rowid, scope, title, body, ident)
             SELECT r.value ->> 'id', r.value ->> 'scope', r.value ->> 'title', r.value ->> 'text', r.value ->> 'ident'
             FROM {LATEST_OF_PACK} AND {HELD}
               AND NOT EXISTS (SELECT 1 FROM chunks WHERE chunks.id = r.value ->> 'id')"
);

const INSERT_CHUNKS: &str = formatcp!(
    "INSERT OR IGNORE INTO chunks (id, user_id, document_id, revision, chunk_index, start, \"end\",
                                   start_line, end_line, text)
             SELECT r.value ->> 'id', d.user_id, d.id, d.latest, r.value ->> 'index', r.value ->> 'start',
                    r.value ->> 'end', r.value ->> 'start_line', r.value ->> 'end_line', r.value ->> 'text'
             FROM {LATEST_OF_PACK} AND {HELD}"
);

/// The vectors of a chunk's windows ([`crate::store::chunks::search::ScoredChunk::windows`]).
#[derive(Clone, Debug, Serialize)]
pub struct ChunkWindows {
    /// The chunk.
    pub id: ChunkRow,
    /// They, as text.
    pub windows: String,
}

/// Keeps windows beside the chunks that are still there.
///
/// # Errors
/// A bug if they cannot be written as JSON.
pub fn keep_windows(claim: &Claim, windows: &[ChunkWindows]) -> Result<Write, Failure> {
    Ok(claim
        .fenced(formatcp!(
            "UPDATE chunks SET windows = r.value ->> 'windows' FROM json_each(?3) r
             WHERE chunks.id = r.value ->> 'id' AND chunks.user_id = ?4 AND {HELD}"
        ))
        .bind(json(&windows)?)
        .bind(&claim.user))
}

/// The chunks that purged revisions have.
const CHUNKS_OF_PURGED: &str = formatcp!(
    "SELECT c.id FROM json_each(?3) r
             CROSS JOIN chunks c ON c.id BETWEEN r.value ->> 'pack' * ?4 AND r.value ->> 'pack' * ?4 + ?4 - 1
                          AND c.document_id = r.value ->> 'document' AND c.revision = r.value ->> 'revision'
             WHERE {HELD}"
);

/// Removes the chunks of purged revisions, their full-text rows first.
pub fn purge(claim: &Claim, purged: &Purged) -> [Write; 2] {
    [
        formatcp!("DELETE FROM chunks_fts WHERE rowid IN ({CHUNKS_OF_PURGED})"),
        formatcp!("DELETE FROM chunks WHERE id IN ({CHUNKS_OF_PURGED})"),
    ]
    .map(|sql| claim.fenced(sql).bind(purged.rows()).bind(ChunkRow::PER_ITEM))
}
