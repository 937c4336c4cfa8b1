//! `POST /api/search`: chunks by words and by meaning, fused by [`retrieval`].

pub mod request;
mod rerank;

use http::{HeaderName, StatusCode};
use pipeline::{
    budget::day::Budget,
    constants,
    failure::{Failure, FailureKind},
    platform::ports::{Clock, Database, Deployment, Embedder, KeyValue, Meter, Reranker, VectorIndex},
    store::{self, jobs::read::ArrivalRow},
    tenant::Tenant,
    time::{Span, Timestamp},
};
use retrieval::{Hit, Mode, Search};
use schemars::JsonSchema;
use serde::Serialize;

use self::request::CheckedSearch;
use crate::{
    api::jobs,
    http::{
        call::Call,
        reply::{Answer, Reply},
    },
};

/// The answer. `freshness` is `complete` if everything that the job behind `after` brings could be found: the job
/// had ended well before the search began, and by meaning long enough for Vectorize to show what it wrote. It is
/// `partial` for a job that is not known: nobody can say what it brings.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SearchAnswer {
    pub(crate) hits: Vec<Hit>,
    pub(crate) mode: Mode,
    pub(crate) freshness: &'static str,
    /// The first 20 hits are in the order of the reranking model, of which their scores say nothing. It is not asked to
    /// put a single hit in order.
    reranked: bool,
    /// The ranking came from the cache: that of the search, before it was reranked.
    cached: bool,
    took_ms: i64,
}

/// What a search found.
#[derive(Debug)]
pub struct Searched {
    /// As the route answers it.
    pub answer: SearchAnswer,
    /// Why it was not looked for as it was to be.
    pub degraded: Option<&'static str>,
}

/// Answers the route.
pub async fn search<P>(ports: &P, call: &Call<'_>) -> Answer
where
    P: Database + KeyValue + Embedder + Reranker + VectorIndex + Deployment + Meter + Clock,
{
    let asked = request::parse(call.request.body())?;
    let search = &asked.search;
    let waited = call.wait();
    let mut since = None;
    if let Some(job) = search.after.as_ref().filter(|_| waited > Span::ZERO) {
        let tenant = &call.tenant;
        jobs::wait_for_end(ports, &tenant.user, job, waited).await?;
        // Their first documents may have come since they were read, and with them what is asked by words.
        if tenant.words_of_chunks().existing().is_none() {
            since = store::users::tenant(&tenant.user).first(ports).await?;
        }
    }
    let tenant = since.as_ref().unwrap_or(&call.tenant);
    let Searched { answer, degraded } = find(ports, tenant, call.budget, &asked).await?;
    let reply = Reply::json(StatusCode::OK, &answer);
    let reply = if search.after.is_some() { reply.after_wait(waited) } else { reply };
    Ok(match degraded {
        Some(why) => reply.with(HeaderName::from_static("x-degraded"), why),
        None => reply,
    })
}

/// Searches, and says what is to be said of what was found.
pub async fn find<P>(ports: &P, tenant: &Tenant, budget: &Budget, asked: &CheckedSearch) -> Result<Searched, Failure>
where
    P: Database + KeyValue + Embedder + Reranker + VectorIndex + Deployment + Meter + Clock,
{
    let search = &asked.search;
    let started = ports.now();
    // Before the search: a job that ends during it may have come too late.
    let arrival = arrival(ports, tenant, search).await?;
    let wider = asked.rerank.then(|| rerank::wider(search));
    let mut found = retrieval::search(ports, tenant, wider.as_ref().unwrap_or(search), budget).await?;
    let mut reranked = Ok(false);
    if asked.rerank {
        reranked = rerank::rerank(ports, tenant, budget, &search.request.query, &mut found.hits).await;
        found.hits.truncate(search.top_k);
    }
    let has_arrived = || arrival.is_some_and(|arrival| has_arrived(arrival, found.mode, started));
    let is_complete = search.after.is_none() || has_arrived();
    let freshness = if is_complete { "complete" } else { "partial" };
    let not_reranked = reranked.as_ref().err().map(|failure| failure.kind);
    let degraded = degraded(budget, found.mode != search.request.mode, not_reranked);
    let answer = SearchAnswer {
        hits: found.hits,
        mode: found.mode,
        freshness,
        reranked: reranked.is_ok_and(|is_reranked| is_reranked),
        cached: found.cached,
        took_ms: ports.now().since(started).as_milliseconds(),
    };
    Ok(Searched { answer, degraded })
}

/// Why a search is not what was asked for: it was by keyword alone, or a failure of this kind left it as it was found.
fn degraded(budget: &Budget, by_keyword: bool, not_reranked: Option<FailureKind>) -> Option<&'static str> {
    match (by_keyword, not_reranked, budget.is_without_neurons()) {
        (false, None, _) => None,
        (false, Some(FailureKind::Exhausted), _) => Some("too few of today's neurons are left; not reranked"),
        (false, Some(_), _) => Some("the reranking model is not available; not reranked"),
        (true, None, true) => Some("today's neurons are spent; found by keyword"),
        (true, None, false) => Some("vector search is not available; found by keyword"),
        (true, Some(_), true) => Some("today's neurons are spent; found by keyword, not reranked"),
        (true, Some(FailureKind::Exhausted), false) => {
            Some("vector search is not available; found by keyword, not reranked: too few of today's neurons are left")
        }
        (true, Some(_), false) => Some("vector search and reranking are not available; found by keyword"),
    }
}

/// How far the job behind the search's token is; nothing of nobody's job, or of another's.
async fn arrival<P: Database>(ports: &P, tenant: &Tenant, search: &Search) -> Result<Option<ArrivalRow>, Failure> {
    let Some(job) = &search.after else { return Ok(None) };
    store::jobs::read::arrival(&tenant.user, job).first(ports).await
}

/// True if a search that began at `began` could find all that the job brought.
fn has_arrived(arrival: ArrivalRow, mode: Mode, began: Timestamp) -> bool {
    let lag = if mode == Mode::Keyword { Span::ZERO } else { constants::VECTORS_VISIBLE_AFTER };
    arrival.is_whole && arrival.finished_at.is_some_and(|finished| finished.plus(lag) <= began)
}
