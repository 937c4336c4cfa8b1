//! The two ways of finding chunks, and reading what was found.
//!
//! `CROSS JOIN` keeps `SQLite` from turning a join around: what was found is looked up, not the
//! other way round, whatever the planner believes about the length of a JSON array.
//!
//! Both end in the same fence: the chunk's document is the tenant's, not deleted, and the chunk is
//! of the revision that is current, of the first one if none is yet, or of one that the search's
//! consistency token stands for.

use std::collections::BTreeSet;

use pipeline::{
    constants,
    failure::Failure,
    ids::{ChunkRow, DocumentId, parse_vector_id},
    platform::{
        ports::{Clock, Database, VectorIndex},
        statement::{Statement, json},
    },
    scope::Scope,
    tenant::Tenant,
    time::{DAY, Timestamp},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Hit,
    fuse::{CANDIDATES, Candidate},
    keyword,
    request::{Filters, Search},
};

/// Full-text rows ranked before the fence: some may be of revisions on their way out.
const RANKED: i64 = 200;

#[derive(Debug, Deserialize)]
struct Found {
    id: ChunkRow,
    score: f64,
    is_code: i64,
}

impl From<Found> for Candidate<ChunkRow> {
    fn from(found: Found) -> Self {
        Self { id: found.id, score: found.score, is_code: found.is_code != 0 }
    }
}

/// Chunks that hold the query's words, best first by bm25 with the title weighted three times.
///
/// Ordered by `rank`, FTS5 sorts by itself and hands out what is wanted; ordered by `bm25()`, every
/// chunk that holds one of the words would be a row read.
pub async fn by_keyword<P: Database>(
    ports: &P,
    tenant: &Tenant,
    search: &Search,
) -> Result<Vec<Candidate<ChunkRow>>, Failure> {
    let filters = &search.request.filters;
    let scope = filters.tags.iter().fold(
        Scope::of_user(tenant.number).kind(filters.kind.as_deref()).language(filters.language.as_deref()),
        |scope, tag| scope.tag(tag),
    );
    let Some(expression) = keyword::expression(&scope, "title body ident", &search.request.query) else {
        return Ok(Vec::new());
    };
    let query = Statement::new(
        "SELECT f.rowid AS id, f.score, d.type = 'code' AS is_code
         FROM (SELECT rowid, -rank AS score FROM chunks_fts
               WHERE chunks_fts MATCH ?1 AND rank MATCH 'bm25(0.0, 3.0, 1.0, 1.0)' ORDER BY rank LIMIT ?2) f
         CROSS JOIN chunks c ON c.id = f.rowid
         CROSS JOIN documents d ON d.user_id = c.user_id AND d.id = c.document_id
         LEFT JOIN job_items p ON p.id = d.latest_item
         WHERE c.user_id = ?3 AND d.deleted_at IS NULL
           AND CASE WHEN p.state = 'done' AND (d.current IS NULL OR p.job_id = ?4) THEN c.id >> 14 = d.latest_item ELSE c.revision = d.current END
           AND (?5 IS NULL OR d.created_at >= ?5) AND (?6 IS NULL OR d.created_at < ?6)
           AND (?7 IS NULL OR d.id IN (SELECT value FROM json_each(?7)))
         ORDER BY f.score DESC LIMIT ?8",
    )
    .bind(expression)
    .bind(if is_narrow(filters) { RANKED * 5 } else { RANKED })
    .bind(&tenant.user)
    .bind(search.after.as_ref())
    .bind(filters.created_after)
    .bind(filters.created_before)
    .bind(document_ids(filters)?)
    .bind(i64::from(CANDIDATES));
    let found: Vec<Found> = ports.batch(vec![query]).await?.at(0)?.all()?;
    Ok(found.into_iter().map(Candidate::from).collect())
}

/// True for filters that the full-text scope cannot express, so that more must be ranked.
fn is_narrow(filters: &Filters) -> bool {
    filters.created_after.is_some() || filters.created_before.is_some() || !filters.document_ids.is_empty()
}

fn document_ids(filters: &Filters) -> Result<Option<String>, Failure> {
    if filters.document_ids.is_empty() { Ok(None) } else { json(&filters.document_ids).map(Some) }
}

/// Chunks whose vectors are nearest, best first. Vectorize alone decides nothing: D1 does.
pub async fn by_vector<P: Database + VectorIndex>(
    ports: &P,
    tenant: &Tenant,
    search: &Search,
    vector: &[f32],
) -> Result<Vec<Candidate<ChunkRow>>, Failure> {
    let filters = &search.request.filters;
    let matches = ports.query(tenant.user.as_str(), vector, constants::VECTOR_TOP_K, vector_filter(filters)?).await?;
    let matched: Vec<(DocumentId, i64, i64, f64)> = matches
        .iter()
        .filter_map(|found| {
            parse_vector_id(&found.id).map(|(document, revision, index)| (document, revision, index, found.score))
        })
        .collect();
    if matched.is_empty() {
        return Ok(Vec::new());
    }
    let tags = if filters.tags.is_empty() { None } else { Some(json(&filters.tags)?) };
    let query = Statement::new(
        "SELECT c.id, m.value ->> 3 AS score, d.type = 'code' AS is_code
         FROM json_each(?1) m
         CROSS JOIN documents d ON d.user_id = ?2 AND d.id = m.value ->> 0
         CROSS JOIN chunks c ON c.id = d.current_first + (m.value ->> 2) AND c.document_id = d.id AND c.user_id = d.user_id
         LEFT JOIN job_items p ON p.id = d.latest_item
         WHERE d.deleted_at IS NULL AND d.current = m.value ->> 1
           AND NOT (p.state = 'done' AND p.job_id = coalesce(?3, '') AND d.latest_item <> d.current_item)
           AND (?4 IS NULL OR d.created_at >= ?4) AND (?5 IS NULL OR d.created_at < ?5)
           AND (?6 IS NULL OR d.id IN (SELECT value FROM json_each(?6)))
           AND (?7 IS NULL OR NOT EXISTS (SELECT 1 FROM json_each(?7) wanted
                                          WHERE lower(wanted.value) NOT IN (SELECT lower(value) FROM json_each(d.tags))))
           AND (?8 IS NULL OR d.type = ?8) AND (?9 IS NULL OR d.language = ?9)
         ORDER BY m.value ->> 3 DESC",
    )
    .bind(json(&matched)?)
    .bind(&tenant.user)
    .bind(search.after.as_ref())
    .bind(filters.created_after)
    .bind(filters.created_before)
    .bind(document_ids(filters)?)
    .bind(tags)
    .bind(filters.kind.as_deref())
    .bind(filters.language.as_deref());
    let found: Vec<Found> = ports.batch(vec![query]).await?.at(0)?.all()?;
    Ok(found.into_iter().map(Candidate::from).collect())
}

/// What Vectorize's metadata indexes can narrow down by themselves.
fn vector_filter(filters: &Filters) -> Result<Option<String>, Failure> {
    #[derive(Default, PartialEq, Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Filter<'a> {
        #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
        kind: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        language: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        doc_id: Option<OneOf<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        created_at: Option<Range>,
    }
    #[derive(PartialEq, Serialize)]
    struct OneOf<'a> {
        #[serde(rename = "$in")]
        values: &'a [DocumentId],
    }
    #[derive(Default, PartialEq, Serialize)]
    struct Range {
        #[serde(rename = "$gte", skip_serializing_if = "Option::is_none")]
        from: Option<i64>,
        #[serde(rename = "$lt", skip_serializing_if = "Option::is_none")]
        to: Option<i64>,
    }
    let range = Range {
        from: filters.created_after.map(pipeline::time::Timestamp::milliseconds),
        to: filters.created_before.map(pipeline::time::Timestamp::milliseconds),
    };
    let filter = Filter {
        kind: filters.kind.as_deref(),
        language: filters.language.as_deref(),
        doc_id: (!filters.document_ids.is_empty()).then_some(OneOf { values: &filters.document_ids }),
        created_at: (range != Range::default()).then_some(range),
    };
    if filter == Filter::default() { Ok(None) } else { json(&filter).map(Some) }
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
    /// Place in the document.
    pub chunk_index: i64,
    /// First byte in the document's extracted text.
    pub start: i64,
    /// One past the last.
    pub end: i64,
    /// The text.
    pub text: String,
    /// When its document was last noted as found ([`note_hits`]).
    #[serde(skip_serializing)]
    #[schemars(skip)]
    pub hit_at: Option<Timestamp>,
    /// When its document's vectors were given up.
    #[serde(skip_serializing)]
    #[schemars(skip)]
    pub evicted_at: Option<Timestamp>,
}

impl FoundChunk {
    /// True if it should be noted that its document was found: once a day is enough, and at once if
    /// that brings its vectors back.
    fn is_worth_noting(&self, now: Timestamp) -> bool {
        let noted = self.hit_at.is_some_and(|hit_at| now.since(hit_at) < DAY);
        !noted || self.evicted_at.is_some_and(|evicted_at| self.hit_at.is_none_or(|hit_at| hit_at <= evicted_at))
    }
}

/// Documents noted for one search: the best; what is far down was not of use.
const NOTED: usize = 5;

/// Notes that documents were found: what decides which keep their vectors when the index is full.
/// Failing to is no failure of the search.
pub async fn note_hits<P: Database + Clock>(ports: &P, tenant: &Tenant, hits: &[Hit]) {
    let now = ports.now();
    let ids: BTreeSet<&str> = hits
        .iter()
        .take(NOTED)
        .filter(|hit| hit.chunk.is_worth_noting(now))
        .map(|hit| hit.chunk.document_id.as_str())
        .collect();
    if ids.is_empty() {
        return;
    }
    let Ok(ids) = json(&ids) else { return };
    let note = Statement::new(
        "UPDATE documents SET hit_at = ?3 WHERE user_id = ?1 AND id IN (SELECT value FROM json_each(?2))
             AND deleted_at IS NULL",
    )
    .bind(&tenant.user)
    .bind(ids)
    .bind(now);
    let _ = ports.batch(vec![note]).await;
}

/// Reads chunks for their hits, through the fence again: a cached ranking may be older than a delete.
pub async fn read_chunks<P: Database>(
    ports: &P,
    tenant: &Tenant,
    search: &Search,
    rows: &[ChunkRow],
) -> Result<Vec<FoundChunk>, Failure> {
    let query = Statement::new(
        "SELECT c.id, d.id AS document_id, d.external_id, d.title, c.chunk_index, c.start, c.\"end\", c.text,
                d.hit_at, d.evicted_at
         FROM json_each(?1) wanted CROSS JOIN chunks c ON c.id = wanted.value AND c.user_id = ?2
         CROSS JOIN documents d ON d.user_id = c.user_id AND d.id = c.document_id
         LEFT JOIN job_items p ON p.id = d.latest_item
         WHERE d.deleted_at IS NULL
           AND CASE WHEN p.state = 'done' AND (d.current IS NULL OR p.job_id = ?3) THEN c.id >> 14 = d.latest_item ELSE c.revision = d.current END",
    )
    .bind(json(&rows)?)
    .bind(&tenant.user)
    .bind(search.after.as_ref());
    ports.batch(vec![query]).await?.at(0)?.all()
}
