//! Finding chunks by their words, looking up what was found by meaning, and reading hits.
//!
//! `CROSS JOIN` keeps `SQLite` from turning a join around: what was found is looked up, not the other way
//! round, whatever the planner believes about the length of a JSON array.
//!
//! All end in the same condition of visibility (`is_visible!`): the chunk's document is the user's, not
//! deleted, and the chunk is of the revision that is current, of the first one if none is yet, or of one that
//! the search's consistency token stands for.

use const_format::formatcp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    failure::Failure,
    filters::Filters,
    ids::{ChunkRow, DocumentId, JobId, UserId},
    platform::{statement::json, transaction::Query},
    store::{columns::pack_of, users::words::Words},
    time::Timestamp,
};

/// Of the document `d`, whose latest revision is in the pack `p`, the chunk `c` is one that may be seen; to
/// who knows the job `$after` also what that job has written.
macro_rules! is_visible {
    ($after:literal) => {
        concat!(
            "d.deleted_at IS NULL
           AND CASE WHEN p.state = 'done' AND (d.current IS NULL OR p.job_id = ",
            $after,
            ") THEN ",
            pack_of!("c"),
            " = d.latest_item ELSE c.revision = d.current END"
        )
    };
}

/// The document `d` is dated at or after `$from` and before `$to`, and one of `$documents` (JSON). What is
/// NULL does not matter.
macro_rules! is_within {
    ($from:literal, $to:literal, $documents:literal) => {
        concat!(
            "(",
            $from,
            " IS NULL OR d.created_at >= ",
            $from,
            ") AND (",
            $to,
            " IS NULL OR d.created_at < ",
            $to,
            ")
           AND (",
            $documents,
            " IS NULL OR d.id IN (SELECT value FROM json_each(",
            $documents,
            ")))"
        )
    };
}

/// The best chunks by their words, read as `$read` says, if a condition holds that has nothing to do with a row.
macro_rules! by_words {
    ($read:expr, $condition:literal) => {
        // Ordered by `rank`, FTS5 sorts by itself and hands out what is wanted; ordered by `bm25()`, every
        // chunk that holds one of the words would be a row read.
        formatcp!(
            "SELECT {READ}
             FROM (SELECT rowid, -rank AS score FROM chunks_fts_@user
                   WHERE chunks_fts_@user MATCH ?1 AND rank MATCH 'bm25(0.0, 3.0, 1.0, 1.0)' {CONDITION}
                   ORDER BY rank LIMIT ?2) f
             CROSS JOIN chunks c ON c.id = f.rowid
             CROSS JOIN documents d ON d.user_id = c.user_id AND d.id = c.document_id
             LEFT JOIN job_items p ON p.id = d.latest_item
             WHERE c.user_id = ?3 AND {IS_VISIBLE}
               AND {IS_WITHIN}
             ORDER BY f.score DESC LIMIT ?8",
            READ = $read,
            CONDITION = $condition,
            IS_VISIBLE = is_visible!("?4"),
            IS_WITHIN = is_within!("?5", "?6", "?7"),
        )
    };
}

/// Chunks at the head of a ranking whose windows are read as well: each is some hundred bytes.
pub const FIRST: usize = 20;

/// A [`ScoredChunk`].
const SCORED: &str = "f.rowid AS id, f.score, d.type = 'code' AS is_code";
/// A [`FoundChunk`].
const FOUND: &str = "c.id, d.id AS document_id, d.external_id, d.title, d.type, c.chunk_index, c.start, c.\"end\",
                c.start_line, c.end_line, c.text, d.hit_at, d.evicted_at";

/// Whose chunks are looked for, and what they must be.
#[derive(Clone, Copy, Debug)]
pub struct Sought<'a> {
    /// The user.
    pub user: &'a UserId,
    /// What hits must be.
    pub filters: &'a Filters,
    /// The job behind the search's consistency token.
    pub after: Option<&'a JobId>,
}

impl Sought<'_> {
    /// As the statements want it: NULL for any.
    fn document_ids(&self) -> Result<Option<String>, Failure> {
        let ids = &self.filters.document_ids;
        if ids.is_empty() { Ok(None) } else { json(ids).map(Some) }
    }
}

/// A chunk that was found.
#[derive(Clone, Debug, Deserialize)]
pub struct ScoredChunk {
    /// Its number.
    pub id: ChunkRow,
    /// How well it fits.
    pub score: f64,
    /// 1 if its document is code.
    pub is_code: i64,
    /// The vectors of its windows, where it was found by meaning and they were wanted; empty if none are kept.
    pub windows: Option<String>,
}

/// Reads chunks that match a full-text expression, best first by bm25 with the title weighted three times. Of
/// the `ranked` best those that may be seen and are what is sought; `limit` at most.
///
/// # Errors
/// A bug if the filters cannot be written as JSON.
pub fn by_words(
    sought: Sought<'_>,
    words: Words,
    expression: String,
    ranked: i64,
    limit: i64,
) -> Result<Query<ScoredChunk>, Failure> {
    ranked_by_words(by_words!(SCORED, ""), sought, words, expression, ranked, limit)
}

/// The same for an expression that is of use only where nothing matches another: `unless`, which the user's chunks
/// are asked first.
///
/// # Errors
/// A bug if the filters cannot be written as JSON.
pub fn by_words_unless(
    sought: Sought<'_>,
    words: Words,
    unless: String,
    expression: String,
    ranked: i64,
    limit: i64,
) -> Result<Query<ScoredChunk>, Failure> {
    let sql = by_words!(SCORED, "AND NOT EXISTS (SELECT 1 FROM chunks_fts_@user WHERE chunks_fts_@user MATCH ?9)");
    Ok(ranked_by_words(sql, sought, words, expression, ranked, limit)?.bind(unless))
}

/// The same, read at once: for who ranks them anew by what they say.
///
/// # Errors
/// A bug if the filters cannot be written as JSON.
pub fn read_by_words(
    sought: Sought<'_>,
    words: Words,
    expression: String,
    ranked: i64,
    limit: i64,
) -> Result<Query<FoundChunk>, Failure> {
    ranked_by_words(by_words!(FOUND, ""), sought, words, expression, ranked, limit)
}

/// How many chunks match an expression.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct MatchCount {
    /// As many, counted no further than was asked.
    pub count: i64,
}

/// Counts for each of these full-text expressions how many chunks match it, up to `most`; in their order.
///
/// # Errors
/// A bug if the expressions cannot be written as JSON.
pub fn counts(words: Words, expressions: &[String], most: i64) -> Result<Query<MatchCount>, Failure> {
    Ok(Query::new(
        "SELECT (SELECT count(*) FROM (
                    SELECT 1 FROM chunks_fts_@user WHERE chunks_fts_@user MATCH wanted.value LIMIT ?2)) AS count
         FROM json_each(?1) wanted ORDER BY wanted.key",
    )
    .over(words)
    .bind(json(&expressions)?)
    .bind(most))
}

fn ranked_by_words<Row>(
    sql: &'static str,
    sought: Sought<'_>,
    words: Words,
    expression: String,
    ranked: i64,
    limit: i64,
) -> Result<Query<Row>, Failure> {
    Ok(Query::new(sql)
        .over(words)
        .bind(expression)
        .bind(ranked)
        .bind(sought.user)
        .bind(sought.after)
        .bind(sought.filters.created_after)
        .bind(sought.filters.created_before)
        .bind(sought.document_ids()?)
        .bind(limit))
}

/// A vector that was found: its document, the document's revision, the chunk's place in it, the score.
pub type FoundVector = (DocumentId, i64, i64, f64);

/// Reads the chunks of vectors that were found, which come best first: those that may be seen and are what is sought;
/// with the windows of the [`FIRST`], and of those in `also`. Of what is not looked at window by window `windows` is
/// NULL; of what is, but keeps none, it is empty: such a chunk is one window, whose cosine is the vector's.
///
/// # Errors
/// A bug if the vectors or the filters cannot be written as JSON.
pub fn by_vectors(sought: Sought<'_>, found: &[FoundVector], also: &[ChunkRow]) -> Result<Query<ScoredChunk>, Failure> {
    let filters = sought.filters;
    let tags = if filters.tags.is_empty() { None } else { Some(json(&filters.tags)?) };
    // Only published revisions have vectors to be found; where the job behind the token has published or
    // chunked another one, what is current is no longer what is sought.
    Ok(Query::new(formatcp!(
        "SELECT c.id, m.value ->> 3 AS score, d.type = 'code' AS is_code,
                CASE WHEN m.key < {FIRST} OR c.id IN (SELECT value FROM json_each(?10))
                     THEN coalesce(c.windows, '') END AS windows
         FROM json_each(?1) m
         CROSS JOIN documents d ON d.user_id = ?2 AND d.id = m.value ->> 0
         CROSS JOIN chunks c ON c.id = d.current_first + (m.value ->> 2)
              AND c.document_id = d.id AND c.user_id = d.user_id
         LEFT JOIN job_items p ON p.id = d.latest_item
         WHERE d.deleted_at IS NULL AND d.current = m.value ->> 1
           AND NOT (p.state = 'done' AND p.job_id = coalesce(?3, '') AND d.latest_item <> d.current_item)
           AND {IS_WITHIN}
           AND (?7 IS NULL OR NOT EXISTS (
                SELECT 1 FROM json_each(?7) wanted
                WHERE lower(wanted.value) NOT IN (SELECT lower(value) FROM json_each(d.tags))))
           AND (?8 IS NULL OR d.type = ?8) AND (?9 IS NULL OR lower(d.language) = lower(?9))
         ORDER BY m.value ->> 3 DESC",
        IS_WITHIN = is_within!("?4", "?5", "?6"),
    ))
    .bind(json(&found)?)
    .bind(sought.user)
    .bind(sought.after)
    .bind(filters.created_after)
    .bind(filters.created_before)
    .bind(sought.document_ids()?)
    .bind(tags)
    .bind(filters.kind.as_deref())
    .bind(filters.language.as_deref())
    .bind(json(&also)?))
}

/// A found chunk as hits show it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct FoundChunk {
    /// Its row; its owner knows it by document and index.
    #[serde(skip_serializing)]
    #[schemars(skip)]
    pub id: ChunkRow,
    /// Its document.
    pub document_id: DocumentId,
    /// The client's name for the document.
    pub external_id: Option<String>,
    /// The document's title.
    pub title: Option<String>,
    /// The document's type: `code`, `doc` or `conversation`.
    #[serde(rename = "type", skip_serializing)]
    #[schemars(skip)]
    pub kind: String,
    /// Place in the document.
    pub chunk_index: i64,
    /// First byte in the document's extracted text.
    pub start: i64,
    /// One past the last.
    pub end: i64,
    /// The line of the first byte, from 1; nothing in what was indexed before lines were counted.
    pub start_line: Option<i64>,
    /// The line of the last one.
    pub end_line: Option<i64>,
    /// The text.
    pub text: String,
    /// When its document was last noted as found ([`crate::store::documents::eviction::note_hits`]).
    #[serde(skip_serializing)]
    #[schemars(skip)]
    pub hit_at: Option<Timestamp>,
    /// When its document's vectors were given up.
    #[serde(skip_serializing)]
    #[schemars(skip)]
    pub evicted_at: Option<Timestamp>,
}

/// Reads chunks of a user for their hits, where they are still visible: a cached ranking may be older than a
/// delete.
///
/// # Errors
/// A bug if the rows cannot be written as JSON.
pub fn hits(user: &UserId, after: Option<&JobId>, rows: &[ChunkRow]) -> Result<Query<FoundChunk>, Failure> {
    Ok(Query::new(formatcp!(
        "SELECT {FOUND}
         FROM json_each(?1) wanted CROSS JOIN chunks c ON c.id = wanted.value AND c.user_id = ?2
         CROSS JOIN documents d ON d.user_id = c.user_id AND d.id = c.document_id
         LEFT JOIN job_items p ON p.id = d.latest_item
         WHERE {IS_VISIBLE}",
        IS_VISIBLE = is_visible!("?3"),
    ))
    .bind(json(&rows)?)
    .bind(user)
    .bind(after))
}
