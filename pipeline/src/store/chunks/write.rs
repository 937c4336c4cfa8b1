//! Chunks that come and go, always with their full-text rows.

use const_format::formatcp;
use serde::Serialize;

use crate::{
    failure::Failure,
    ids::{ChunkRow, DocumentId, UserId},
    indexed::IndexedRow,
    job::item::Claim,
    platform::{parameters::JsonRows, statement::json, transaction::Write},
    store::{conditions::HELD, documents::superseded::Purged, users::words::Words},
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
    /// The terms that cut a query down to what it should see.
    pub scope: &'a str,
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
pub fn insert(claim: &Claim, words: Words, chunks: &JsonRows) -> Vec<Write> {
    let of_array = |array| {
        let [into_words, into_chunks] =
            [INSERT_WORDS, INSERT_CHUNKS].map(|sql| claim.fenced(sql).bind(array).bind(&claim.user));
        [into_words.over(words), into_chunks]
    };
    chunks.arrays().flat_map(of_array).collect()
}

const INSERT_WORDS: &str = formatcp!(
    "INSERT INTO chunks_fts_@user (rowid, scope, title, body, ident)
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

/// Puts chunks of a user into their full-text table whose rows were made anew: those that are there by now and not in
/// it.
///
/// # Errors
/// A bug if the rows cannot be written as JSON.
pub fn index_anew(user: &UserId, words: Words, rows: &[IndexedRow]) -> Result<Write, Failure> {
    Ok(Write::new(
        "INSERT INTO chunks_fts_@user (rowid, scope, title, body, ident)
         SELECT c.id, r.value ->> 'scope', r.value ->> 'title', c.text, r.value ->> 'parts'
         FROM json_each(?1) r CROSS JOIN chunks c ON c.id = r.value ->> 'id' AND c.user_id = ?2
         WHERE NOT EXISTS (SELECT 1 FROM chunks_fts_@user own WHERE own.rowid = c.id)",
    )
    .over(words)
    .bind(json(&rows)?)
    .bind(user))
}

/// Removes the chunks of purged revisions, their full-text rows first, if there are any.
pub fn purge(claim: &Claim, words: Option<Words>, purged: &Purged) -> Vec<Write> {
    let [of_words, of_chunks] = [
        formatcp!("DELETE FROM chunks_fts_@user WHERE rowid IN ({CHUNKS_OF_PURGED})"),
        formatcp!("DELETE FROM chunks WHERE id IN ({CHUNKS_OF_PURGED})"),
    ]
    .map(|sql| claim.fenced(sql).bind(purged.rows()).bind(ChunkRow::PER_ITEM));
    words.map(|words| of_words.over(words)).into_iter().chain([of_chunks]).collect()
}
