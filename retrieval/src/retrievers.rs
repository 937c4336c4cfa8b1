//! The two ways of finding chunks, and what is read and noted of those that were found.
//!
//! Both end in the condition of visibility of [`store::chunks::search`]: what Vectorize or a cache says of a chunk is
//! nothing until D1 confirms it.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use pipeline::{
    constants,
    failure::Failure,
    ids::{ChunkRow, DocumentId, UserId, parse_vector_id},
    platform::{
        ports::{Clock, Database, VectorIndex},
        statement::json,
        transaction::Transaction,
    },
    scope::Scope,
    store::{
        self,
        chunks::search::{FIRST, FoundChunk, FoundVector, ScoredChunk, Sought},
    },
    tenant::Tenant,
    time::{DAY, Timestamp},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    fuse::{CANDIDATES, Candidate},
    keyword::{self, Beginnings},
    request::{Filters, Search},
};

/// Full-text rows ranked before it is asked which are visible: some may be of revisions on their way out.
const RANKED: i64 = 200;

/// What one way of finding chunks found.
#[derive(Debug, Default)]
pub struct Arm {
    /// The chunks, best first.
    pub hits: Vec<Candidate<ChunkRow>>,
    /// Of those by meaning that are looked at window by window: their windows' vectors, as text; `None` for one that
    /// keeps none. What is not looked at is not there.
    pub windows: BTreeMap<ChunkRow, Option<String>>,
}

impl Arm {
    fn of(found: Vec<ScoredChunk>) -> Self {
        let mut arm = Self::default();
        for chunk in found {
            arm.hits.push(Candidate { id: chunk.id, score: chunk.score, is_code: chunk.is_code != 0 });
            if let Some(windows) = chunk.windows {
                arm.windows.insert(chunk.id, Some(windows).filter(|windows| !windows.is_empty()));
            }
        }
        arm
    }
}

fn sought<'a>(tenant: &'a Tenant, search: &'a Search) -> Sought<'a> {
    Sought { user: &tenant.user, filters: &search.request.filters, after: search.after.as_ref() }
}

/// Chunks that hold the query's words, best first; of a name in code that no chunk holds those before all others that
/// hold what begins as it does.
pub async fn by_keyword<P: Database>(ports: &P, tenant: &Tenant, search: &Search) -> Result<Arm, Failure> {
    let Some(own) = tenant.words_of_chunks().existing() else { return Ok(Arm::default()) };
    let filters = &search.request.filters;
    let scope =
        filters.tags.iter().fold(
            Scope::default().kind(filters.kind.as_deref()).language(filters.language.as_deref()),
            |scope, tag| scope.tag(tag),
        );
    let query = &search.request.query;
    let Some(expression) = keyword::expression(&scope, COLUMNS, query) else { return Ok(Arm::default()) };
    let ranked = if is_narrow(filters) { RANKED * 5 } else { RANKED };
    let (sought, limit) = (sought(tenant, search), i64::from(CANDIDATES));
    let words = store::chunks::search::by_words(sought, own, expression, ranked, limit)?;
    let Some(Beginnings { whole, beginnings }) = keyword::part_of_name(scope, COLUMNS, query) else {
        return Ok(Arm::of(words.all(ports).await?));
    };
    // One request for both.
    let mut transaction = Transaction::default();
    let words = transaction.query(words);
    let beginnings =
        transaction.query(store::chunks::search::by_words_unless(sought, own, whole, beginnings, ranked, limit)?);
    let done = transaction.commit(ports).await?;
    let (beginnings, words) = (Arm::of(done.all(beginnings)?), Arm::of(done.all(words)?));
    Ok(Arm { hits: beginnings_first(beginnings.hits, words.hits), ..words })
}

/// The columns that hold words.
const COLUMNS: &str = "title body ident";

/// One ranking of chunks that hold what begins as a name and all its parts do, and then of those that hold some part.
fn beginnings_first(beginnings: Vec<Candidate<ChunkRow>>, words: Vec<Candidate<ChunkRow>>) -> Vec<Candidate<ChunkRow>> {
    let (Some(last), Some(best)) = (beginnings.last(), words.first()) else {
        return if beginnings.is_empty() { words } else { beginnings };
    };
    let factor = (last.score / best.score).min(1.0);
    let seen: HashSet<ChunkRow> = beginnings.iter().map(|hit| hit.id).collect();
    let rest = words.into_iter().filter(|hit| !seen.contains(&hit.id));
    let rest = rest.map(|hit| Candidate { score: hit.score * factor, ..hit });
    beginnings.into_iter().chain(rest).take(CANDIDATES as usize).collect()
}

/// True for filters that the full-text scope cannot express, so that more must be ranked.
fn is_narrow(filters: &Filters) -> bool {
    filters.created_after.is_some() || filters.created_before.is_some() || !filters.document_ids.is_empty()
}

/// The vectors that are nearest, best first. Vectorize alone decides nothing: [`by_vectors`] does.
pub async fn nearest<P: VectorIndex>(
    ports: &P,
    tenant: &Tenant,
    search: &Search,
    vector: &[f32],
) -> Result<Vec<FoundVector>, Failure> {
    let namespace = tenant.namespace();
    let filter = vector_filter(&search.request.filters, namespace.owner())?;
    let matches = ports.query(namespace.name(), vector, constants::VECTOR_TOP_K, filter).await?;
    let found = matches.iter().filter_map(|vector| {
        parse_vector_id(&vector.id).map(|(document, revision, index)| (document, revision, index, vector.score))
    });
    Ok(found.collect())
}

/// The chunks of these vectors, best first: the first of them, and of those that were found by words, are to be looked
/// at window by window.
pub async fn by_vectors<P: Database>(
    ports: &P,
    tenant: &Tenant,
    search: &Search,
    found: &[FoundVector],
    words: &Arm,
) -> Result<Arm, Failure> {
    if found.is_empty() {
        return Ok(Arm::default());
    }
    let first: Vec<ChunkRow> = words.hits.iter().take(FIRST).map(|hit| hit.id).collect();
    Ok(Arm::of(store::chunks::search::by_vectors(sought(tenant, search), found, &first)?.all(ports).await?))
}

/// What Vectorize's metadata indexes can narrow down by themselves; to one owner, where others' vectors lie beside
/// theirs.
fn vector_filter(filters: &Filters, owner: Option<&UserId>) -> Result<Option<String>, Failure> {
    #[derive(Default, PartialEq, Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Filter<'a> {
        #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
        kind: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        language: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        doc_id: Option<OneOf<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        created_at: Option<Range>,
        #[serde(skip_serializing_if = "Option::is_none")]
        user_id: Option<&'a UserId>,
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
        language: filters.language.as_deref().map(str::to_lowercase),
        doc_id: (!filters.document_ids.is_empty()).then_some(OneOf { values: &filters.document_ids }),
        created_at: (range != Range::default()).then_some(range),
        user_id: owner,
    };
    if filter == Filter::default() { Ok(None) } else { json(&filter).map(Some) }
}

/// One hit.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Hit {
    /// What was found.
    #[serde(flatten)]
    pub chunk: FoundChunk,
    /// How well it fits, from 0 to 1; docs/retrieval.md says what it is made of.
    #[schemars(range(min = 0, max = 1))]
    pub score: f64,
    /// Cosine to the query, if it was found by meaning.
    pub similarity: Option<f64>,
    /// Which ways led to it: `vector`, `keyword`.
    pub found_by: Vec<&'static str>,
}

/// True if it should be noted that a chunk's document was found: once a day is enough, and at once if that
/// brings its vectors back.
fn is_worth_noting(chunk: &FoundChunk, now: Timestamp) -> bool {
    let noted = chunk.hit_at.is_some_and(|hit_at| now.since(hit_at) < DAY);
    !noted || chunk.evicted_at.is_some_and(|evicted_at| chunk.hit_at.is_none_or(|hit_at| hit_at <= evicted_at))
}

/// Documents noted for one search: the best; what is far down was not of use.
const NOTED: usize = 5;

/// Notes that documents were found: what decides which keep their vectors when the index is full.
/// Failing to is no failure of the search.
pub async fn note_hits<P: Database + Clock>(ports: &P, tenant: &Tenant, hits: &[Hit]) {
    let now = ports.now();
    // Filled one by one: collecting would bring a sort of its own into both Workers.
    let mut ids = BTreeSet::new();
    let noted = hits.iter().take(NOTED).filter(|hit| is_worth_noting(&hit.chunk, now));
    ids.extend(noted.map(|hit| hit.chunk.document_id.as_str()));
    if ids.is_empty() {
        return;
    }
    let Ok(note) = store::documents::eviction::note_hits(&tenant.user, &ids, now) else { return };
    let _ = note.run(ports).await;
}

/// Reads chunks for their hits; those that may not be seen any more are left out.
pub async fn read_chunks<P: Database>(
    ports: &P,
    tenant: &Tenant,
    search: &Search,
    rows: &[ChunkRow],
) -> Result<Vec<FoundChunk>, Failure> {
    store::chunks::search::hits(&tenant.user, search.after.as_ref(), rows)?.all(ports).await
}
