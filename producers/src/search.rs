//! `POST /api/search`: chunks by words and by meaning, fused.
//!
//! 1. A ranking that was cached for the present state of the user's index is read again.
//! 2. Otherwise both arms run at once: FTS5, and the query's embedding through Vectorize.
//! 3. Their rankings are fused ([`fuse`]), the hits read from D1 through the fence.
//!
//! If the model or Vectorize fails, words alone answer, and the answer says so.

pub mod arms;
pub mod cache;
pub mod fuse;
pub mod keyword;
pub mod request;

use std::collections::{HashMap, HashSet};

use futures_util::future::join;
use http::{HeaderName, StatusCode};
use pipeline::{
    failure::Failure,
    ids::{ChunkRow, DocumentId},
    model::EMBEDDING,
    ports::{Clock, Database, Embedder, KeyValue, VectorIndex},
    statement::Statement,
};
use serde::{Deserialize, Serialize};

use self::{
    arms::FoundChunk,
    cache::{Memory, Ranked},
    fuse::{Candidate, Fused, PARAMETERS},
    request::{GroupBy, Mode, Search},
};
use crate::{
    authenticate::Caller,
    reply::{Answer, Reply},
    routes::Call,
};

/// One hit.
#[derive(Debug, Serialize)]
struct Hit {
    document_id: DocumentId,
    external_id: Option<String>,
    title: Option<String>,
    chunk_index: i64,
    start: i64,
    end: i64,
    text: String,
    score: f64,
    found_by: Vec<&'static str>,
}

/// The answer. `freshness` is `partial` while the job behind `after` is still at work.
#[derive(Debug, Serialize)]
struct SearchAnswer {
    hits: Vec<Hit>,
    mode: Mode,
    freshness: &'static str,
    cached: bool,
    took_ms: i64,
}

/// A ranking and how it came about.
struct Ranking {
    hits: Vec<Ranked>,
    mode: Mode,
    cached: bool,
    memory: Memory,
}

/// Chunks read beyond what is asked when hits are grouped, so that groups can be filled.
const GROUPED_FACTOR: usize = 5;

/// Answers the route. See the module for its steps.
pub async fn search<P>(ports: &P, call: &Call<'_>) -> Answer
where
    P: Database + KeyValue + Embedder + VectorIndex + Clock,
{
    let started = ports.now();
    let search = request::parse(call.request.body())?;
    let caller = &call.caller;
    let ranking = rank(ports, caller, &search).await?;
    let hits = hits(ports, caller, &search, &ranking.hits).await?;
    let freshness = if is_complete(ports, caller, &search).await? { "complete" } else { "partial" };
    cache::remember(ports, ranking.memory).await;
    let degraded = ranking.mode != search.request.mode;
    let took_ms = ports.now().since(started);
    let answer = SearchAnswer { hits, mode: ranking.mode, freshness, cached: ranking.cached, took_ms };
    let reply = Reply::json(StatusCode::OK, &answer);
    Ok(if degraded {
        reply.with(HeaderName::from_static("x-degraded"), "vector search is not available; found by keyword")
    } else {
        reply
    })
}

async fn rank<P>(ports: &P, caller: &Caller, search: &Search) -> Result<Ranking, Failure>
where
    P: Database + KeyValue + Embedder + VectorIndex,
{
    let mode = search.request.mode;
    // A search with a token asks for what is changing right now.
    let key = if search.after.is_some() { None } else { Some(cache::ranking_key(caller, search)?) };
    if let Some(key) = &key
        && let Some(hits) = cache::ranking(ports, key).await
    {
        return Ok(Ranking { hits, mode, cached: true, memory: Memory::default() });
    }
    let wants_words = mode != Mode::Vector;
    let words = async { if wants_words { arms::by_keyword(ports, caller, search).await } else { Ok(Vec::new()) } };
    let meaning =
        async { if mode == Mode::Keyword { Ok((Vec::new(), None)) } else { by_meaning(ports, caller, search).await } };
    let (words, meaning) = join(words, meaning).await;
    let mut words = words?;
    let (dense, embedding, mode) = if let Ok((dense, embedding)) = meaning {
        (dense, embedding, mode)
    } else {
        // Degraded: words alone, also for who asked for meaning alone.
        if !wants_words {
            words = arms::by_keyword(ports, caller, search).await?;
        }
        (Vec::new(), None, Mode::Keyword)
    };
    let hits = combine(search, mode, &words, &dense, caller);
    let degraded = mode != search.request.mode;
    let ranking = key.filter(|_| !degraded).map(|key| (key, hits.clone()));
    Ok(Ranking { hits, mode, cached: false, memory: Memory { embedding, ranking } })
}

type Meaning = (Vec<Candidate<ChunkRow>>, Option<(String, Vec<f32>)>);

/// The vector arm, and the query's embedding with its name if it was not cached.
async fn by_meaning<P>(ports: &P, caller: &Caller, search: &Search) -> Result<Meaning, Failure>
where
    P: Database + KeyValue + Embedder + VectorIndex,
{
    let query = &search.request.query;
    let key = cache::embedding_key(query);
    if let Some(vector) = cache::embedding(ports, &key).await {
        return Ok((arms::by_vector(ports, caller, search, &vector).await?, None));
    }
    // The model ignores what is beyond its window: a query that long has said what it is about.
    let tokens = (query.len() as u64 / 4 + 2).min(EMBEDDING.window as u64);
    let vectors = ports.embed(&EMBEDDING, std::slice::from_ref(query), tokens).await?;
    let vector = vectors.into_iter().next().ok_or_else(|| Failure::transient("the model gave no vector"))?;
    let found = arms::by_vector(ports, caller, search, &vector).await?;
    Ok((found, Some((key, vector))))
}

fn combine(
    search: &Search,
    mode: Mode,
    words: &[Candidate<ChunkRow>],
    dense: &[Candidate<ChunkRow>],
    caller: &Caller,
) -> Vec<Ranked> {
    let single = |hits: &[Candidate<ChunkRow>], by_vector: bool| -> Vec<Fused<ChunkRow>> {
        hits.iter().map(|hit| Fused { id: hit.id, score: hit.score, by_vector, by_keyword: !by_vector }).collect()
    };
    let fused = match mode {
        Mode::Keyword => single(words, false),
        Mode::Vector => single(dense, true),
        Mode::Hybrid => {
            let documents = usize::try_from(caller.document_count).unwrap_or(0);
            fuse::fuse(&PARAMETERS, &search.request.query, words, dense, documents)
        }
    };
    let wanted = if search.request.group_by.is_some() { search.top_k * GROUPED_FACTOR } else { search.top_k };
    fused
        .into_iter()
        .take(wanted)
        .map(|hit| Ranked { row: hit.id, score: hit.score, by_vector: hit.by_vector, by_keyword: hit.by_keyword })
        .collect()
}

async fn hits<P: Database>(
    ports: &P,
    caller: &Caller,
    search: &Search,
    ranked: &[Ranked],
) -> Result<Vec<Hit>, Failure> {
    let rows: Vec<ChunkRow> = ranked.iter().map(|hit| hit.row).collect();
    let chunks = arms::read_chunks(ports, caller, search, &rows).await?;
    let mut by_row: HashMap<ChunkRow, FoundChunk> = chunks.into_iter().map(|chunk| (chunk.id, chunk)).collect();
    let mut documents = HashSet::new();
    let grouped = search.request.group_by == Some(GroupBy::Document);
    let hits = ranked.iter().filter_map(|hit| {
        let chunk = by_row.remove(&hit.row)?;
        if grouped && !documents.insert(chunk.document_id.clone()) {
            return None;
        }
        let found_by = [(hit.by_vector, "vector"), (hit.by_keyword, "keyword")];
        Some(Hit {
            document_id: chunk.document_id,
            external_id: chunk.external_id,
            title: chunk.title,
            chunk_index: chunk.chunk_index,
            start: chunk.start,
            end: chunk.end,
            text: chunk.text,
            score: hit.score,
            found_by: found_by.into_iter().filter(|(found, _)| *found).map(|(_, name)| name).collect(),
        })
    });
    Ok(hits.take(search.top_k).collect())
}

/// True if nothing the token stands for is still on its way.
async fn is_complete<P: Database>(ports: &P, caller: &Caller, search: &Search) -> Result<bool, Failure> {
    #[derive(Deserialize)]
    struct Row {
        finished_at: Option<i64>,
    }
    let Some(job) = &search.after else { return Ok(true) };
    let query =
        Statement::new("SELECT finished_at FROM jobs WHERE id = ?1 AND user_id = ?2").bind(job).bind(&caller.user);
    let row: Option<Row> = ports.batch(vec![query]).await?.at(0)?.first()?;
    // A token of nobody's job, or of another's, asks for nothing.
    Ok(row.is_none_or(|row| row.finished_at.is_some()))
}
