//! What is found for a question: memories and sources that are about it.

use futures_util::future::join;
use pipeline::{
    budget::day::Budget,
    failure::Failure,
    ids::MemoryId,
    platform::ports::{Clock, Database, Embedder, KeyValue, VectorIndex},
};
use retrieval::{Filters, Mode, Search, SearchRequest, memories};

use super::{
    context::Context,
    sources::{self, Source},
};

/// Chunks looked at for one answer.
const SOURCES: i64 = 8;

/// Memories read for one answer: of short ones about as many as the largest prompt has room for.
const MEMORIES: usize = 50;

/// What was found for the question.
#[derive(Debug, Default)]
pub struct Findings {
    /// Memories that fit, each with its text.
    pub memories: Vec<(MemoryId, String)>,
    /// Sources that are about it, the best first.
    pub sources: Vec<Source>,
    /// Why the answer may be worse than on another day.
    pub degraded: Option<String>,
}

/// Looks for both at once. A model or index that fails leaves what words alone find.
pub async fn find<P>(ports: &P, context: &Context, budget: &Budget) -> Result<Findings, Failure>
where
    P: Database + KeyValue + Embedder + VectorIndex + Clock,
{
    let ask = &context.turn.request;
    if ask.is_plain() {
        return Ok(Findings::default());
    }
    let query = context.query.clone();
    let filters = ask.source_filters().filter(|_| context.tenant.document_count > 0);
    let looks = ask.may_use_memory() || filters.is_some();
    let vector = if looks { retrieval::embed_query(ports, &query, budget).await.ok() } else { None };
    let vector = vector.map(|(vector, _)| vector);
    let recalled = async {
        if !ask.may_use_memory() {
            return Ok(Vec::new());
        }
        memories::recall(ports, &context.tenant, &query, None, vector.as_deref(), MEMORIES).await
    };
    let search = filters.map(|filters| search(filters, query.clone()));
    let found = async {
        let Some(search) = &search else { return Ok(None) };
        retrieval::search_with(ports, &context.tenant, search, vector.clone(), budget).await.map(Some)
    };
    let (found, recalled) = join(found, recalled).await;
    let found = found?;
    let degraded = found.as_ref().is_some_and(|found| found.mode != Mode::Hybrid);
    Ok(Findings {
        memories: sources::memories(recalled?),
        sources: found.map(|found| sources::relevant(&query, found.hits)).unwrap_or_default(),
        degraded: degraded.then(|| "sources were found by keyword alone".to_owned()),
    })
}

fn search(filters: Filters, query: String) -> Search {
    let request = SearchRequest {
        query,
        top_k: SOURCES,
        mode: Mode::Hybrid,
        min_score: None,
        group_by: None,
        project: None,
        after: None,
        filters,
    };
    Search { request, top_k: usize::try_from(SOURCES).unwrap_or(8), after: None }
}
