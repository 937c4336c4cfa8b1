//! Finding chunks by words and by meaning, for searches and for answers.
//!
//! 1. A ranking that was cached for the present state of the user's index is read again; none is while Vectorize
//!    does not show so far what was published last.
//! 2. Otherwise both retrievers run at once: FTS5, and the query's embedding through Vectorize.
//! 3. The best hits by meaning are compared window by window ([`late`]), both rankings fused ([`fuse`]), and the hits
//!    read from D1 where they are visible.
//!
//! If the model or Vectorize fails, or the day's neurons are spent, words alone answer, and
//! [`Found::mode`] says so.

pub mod cache;
pub mod embedding_text;
pub mod fuse;
pub mod keyword;
pub mod late;
pub mod memories;
pub mod relevance;
pub mod request;
pub mod retrievers;
pub mod score;
pub mod windows;
pub mod word_pieces;

use std::collections::{HashMap, HashSet};

use futures_util::future::join;
use pipeline::{
    budget::day::Budget,
    failure::Failure,
    ids::ChunkRow,
    insertion_sort::insertion_sort,
    model::EMBEDDING,
    platform::ports::{Clock, Database, Embedder, KeyValue, VectorIndex},
    tenant::Tenant,
};

pub use pipeline::store::chunks::search::FoundChunk;

use self::{
    cache::{NewEntries, Ranked, RankedHits},
    embedding_text::Direction,
    fuse::{Candidate, Fused, PARAMETERS},
    retrievers::Arm,
    score::Best,
};
pub use self::{
    request::{Filters, GroupBy, Mode, Search, SearchRequest},
    retrievers::Hit,
};

/// What a search found.
#[derive(Debug)]
pub struct Found {
    /// The hits, best first.
    pub hits: Vec<Hit>,
    /// How they were looked for: by keyword alone if the rest is not answering.
    pub mode: Mode,
    /// The ranking came from the cache.
    pub cached: bool,
}

/// A ranking and how it came about.
struct Ranking {
    ranked: RankedHits,
    mode: Mode,
    cached: bool,
    new_entries: NewEntries,
}

/// Chunks read beyond what is asked when hits are grouped, so that groups can be filled, or when those of a project
/// come forward.
const GROUPED_FACTOR: usize = 5;
/// What a hit or a memory of the project that is worked in has more of its score.
pub const OWN_PROJECT: f64 = 1.25;

/// Searches within a user's documents. See the crate for its steps.
pub async fn search<P>(ports: &P, tenant: &Tenant, search: &Search, budget: &Budget) -> Result<Found, Failure>
where
    P: Database + KeyValue + Embedder + VectorIndex + Clock,
{
    let ranking = rank(ports, tenant, search, budget).await?;
    let hits = hits(ports, tenant, search, &ranking.ranked).await?;
    cache::remember(ports, ranking.new_entries, budget).await;
    if budget.may_cache() {
        retrievers::note_hits(ports, tenant, &hits).await;
    }
    Ok(Found { hits, mode: ranking.mode, cached: ranking.cached })
}

/// The same with an embedding the caller has, and nothing cached: for answers, which are cached
/// themselves, and decide themselves what is about the question. Without a vector words alone decide.
pub async fn search_with<P>(
    ports: &P,
    tenant: &Tenant,
    search: &Search,
    vector: Option<Vec<f32>>,
    budget: &Budget,
) -> Result<Found, Failure>
where
    P: Database + VectorIndex + Clock,
{
    let vector = vector.map(|vector| (vector, NewEntries::default())).ok_or_else(|| Failure::transient("no embedding"));
    let ranking = both_arms(ports, tenant, search, std::future::ready(vector), None).await?;
    let hits = hits(ports, tenant, search, &ranking.ranked).await?;
    if budget.may_cache() {
        retrievers::note_hits(ports, tenant, &hits).await;
    }
    Ok(Found { hits, mode: ranking.mode, cached: false })
}

async fn rank<P>(ports: &P, tenant: &Tenant, search: &Search, budget: &Budget) -> Result<Ranking, Failure>
where
    P: Database + KeyValue + Embedder + VectorIndex + Clock,
{
    let mode = search.request.mode;
    // What was published a moment ago is not found by meaning so far.
    let is_settled = mode == Mode::Keyword || tenant.is_settled(ports.now());
    // A search with a token asks for what is changing right now.
    let is_kept = is_settled && search.after.is_none();
    let key = if is_kept { Some(cache::ranking_key(tenant, search)?) } else { None };
    if let Some(key) = &key
        && let Some(ranked) = cache::ranking(ports, key).await
    {
        return Ok(Ranking { ranked, mode, cached: true, new_entries: NewEntries::default() });
    }
    let vector = embed_query(ports, &search.request.query, budget);
    let both = both_arms(ports, tenant, search, vector, fuse::relevant(&ports.embedding_model())).await?;
    let ranking = key.filter(|_| both.mode == mode).map(|key| (key, both.ranked.clone()));
    Ok(Ranking { new_entries: NewEntries { ranking, ..both.new_entries }, ..both })
}

/// Words and meaning at once, fused; words alone if the query's vector or Vectorize fails. What was found by meaning
/// alone, with a cosine below `relevant`, is nothing that was sought.
async fn both_arms<P>(
    ports: &P,
    tenant: &Tenant,
    search: &Search,
    vector: impl Future<Output = Result<(Vec<f32>, NewEntries), Failure>>,
    relevant: Option<f64>,
) -> Result<Ranking, Failure>
where
    P: Database + VectorIndex,
{
    let mode = search.request.mode;
    let wants_words = mode != Mode::Vector;
    let words =
        async { if wants_words { retrievers::by_keyword(ports, tenant, search).await } else { Ok(Arm::default()) } };
    let meaning = async {
        if mode == Mode::Keyword {
            return Ok((Vec::new(), Vec::new(), NewEntries::default()));
        }
        let (vector, new_entries) = vector.await?;
        Ok::<_, Failure>((retrievers::nearest(ports, tenant, search, &vector).await?, vector, new_entries))
    };
    let (words, meaning) = join(words, meaning).await;
    let mut words = words?;
    let looked_up = async {
        let (nearest, vector, new_entries) = meaning?;
        let dense = retrievers::by_vectors(ports, tenant, search, &nearest, &words).await?;
        Ok::<_, Failure>((dense, vector, new_entries))
    };
    let mut raised = 0.0;
    let (dense, new_entries, mode) = if let Ok((mut dense, vector, new_entries)) = looked_up.await {
        raised = late::rescore(&Direction::of(&vector), &dense.windows, &mut dense.hits);
        (dense, new_entries, mode)
    } else {
        // Degraded: words alone, also for who asked for meaning alone.
        if !wants_words {
            words = retrievers::by_keyword(ports, tenant, search).await?;
        }
        (Arm::default(), NewEntries::default(), Mode::Keyword)
    };
    let Arm { hits: dense, windows } = dense;
    let words = words.hits;
    let mut fused = combine(search, mode, &words, &dense);
    // What was raised to be ranked is told as it is.
    for hit in fused.iter_mut().filter(|hit| !windows.contains_key(&hit.id)) {
        hit.cosine = hit.cosine.map(|cosine| cosine - raised);
    }
    fused.retain(|hit| hit.by_keyword || relevant.is_none_or(|least| hit.cosine.is_some_and(|cosine| cosine >= least)));
    let best = match mode {
        Mode::Keyword => Best::of(&words, &[]),
        Mode::Vector => Best::of(&[], &dense),
        Mode::Hybrid => Best::of(&words, &dense),
    };
    let ranked = RankedHits { hits: ranked(search, fused), best };
    Ok(Ranking { ranked, mode, cached: false, new_entries })
}

/// A query's embedding, from KV if it is there; otherwise with what of it is worth keeping.
///
/// It costs less than a neuron, which is counted after it, not reserved before: a reservation would
/// cost more rows than the search.
pub async fn embed_query<P: KeyValue + Embedder>(
    ports: &P,
    query: &str,
    budget: &Budget,
) -> Result<(Vec<f32>, NewEntries), Failure> {
    let key = cache::embedding_key(query);
    if let Some(vector) = cache::embedding(ports, &key).await {
        return Ok((vector, NewEntries::default()));
    }
    let vector = embed_text(ports, query, budget).await?;
    Ok((vector.clone(), NewEntries { embedding: Some((key, vector)), ranking: None }))
}

/// A short text's embedding, while there are neurons. The model ignores what is beyond its window: a text that long
/// has said what it is about.
///
/// # Errors
/// The day's neurons are spent, or the model does not answer.
pub async fn embed_text<P: Embedder>(ports: &P, text: &str, budget: &Budget) -> Result<Vec<f32>, Failure> {
    if budget.is_without_neurons() {
        return Err(Failure::exhausted("today's neurons are spent"));
    }
    let tokens = (text.len() as u64 / 4 + 2).min(EMBEDDING.window as u64);
    let vectors = ports.embed(&EMBEDDING, std::slice::from_ref(&text.to_owned()), tokens).await?;
    vectors.into_iter().next().ok_or_else(|| Failure::transient("the model gave no vector"))
}

fn combine(
    search: &Search,
    mode: Mode,
    words: &[Candidate<ChunkRow>],
    dense: &[Candidate<ChunkRow>],
) -> Vec<Fused<ChunkRow>> {
    let single = |hits: &[Candidate<ChunkRow>], by_vector: bool| -> Vec<Fused<ChunkRow>> {
        let cosine = |hit: &Candidate<ChunkRow>| by_vector.then_some(hit.score);
        let fused =
            hits.iter().map(|hit| Fused { id: hit.id, score: hit.score, cosine: cosine(hit), by_keyword: !by_vector });
        fused.collect()
    };
    match mode {
        Mode::Keyword => single(words, false),
        Mode::Vector => single(dense, true),
        Mode::Hybrid => fuse::fuse(&PARAMETERS, &search.request.query, words, dense),
    }
}

/// As many as are asked for.
fn ranked(search: &Search, fused: Vec<Fused<ChunkRow>>) -> Vec<Ranked> {
    let is_more = search.request.group_by.is_some() || search.request.project.is_some();
    let wanted = if is_more { search.top_k * GROUPED_FACTOR } else { search.top_k };
    score::relative(fused)
        .into_iter()
        .take(wanted)
        .map(|hit| Ranked { row: hit.id, score: hit.score, cosine: hit.cosine, by_keyword: hit.by_keyword })
        .collect()
}

async fn hits<P: Database>(
    ports: &P,
    tenant: &Tenant,
    search: &Search,
    ranked: &RankedHits,
) -> Result<Vec<Hit>, Failure> {
    let RankedHits { hits: ranked, best } = ranked;
    let mut rows: Vec<ChunkRow> = ranked.iter().map(|hit| hit.row).collect();
    rows.extend(best.by_words.filter(|row| !rows.contains(row)));
    let chunks = retrievers::read_chunks(ports, tenant, search, &rows).await?;
    let mut by_row: HashMap<ChunkRow, FoundChunk> = chunks.into_iter().map(|chunk| (chunk.id, chunk)).collect();
    let best = best_score(search, best, &by_row);
    let least = search.request.min_score.unwrap_or(0.0);
    let hits = ranked.iter().filter_map(|hit| {
        let chunk = by_row.remove(&hit.row)?;
        let found_by = [(hit.cosine.is_some(), "vector"), (hit.by_keyword, "keyword")];
        Some(Hit {
            chunk,
            score: hit.score * best,
            similarity: hit.cosine,
            found_by: found_by.into_iter().filter(|(found, _)| *found).map(|(_, name)| name).collect(),
        })
    });
    let mut hits: Vec<Hit> = hits.collect();
    if let Some(project) = &search.request.project {
        prefer(project, &mut hits);
    }
    let mut documents = HashSet::new();
    let grouped = search.request.group_by == Some(GroupBy::Document);
    hits.retain(|hit| hit.score >= least && (!grouped || documents.insert(hit.chunk.document_id.clone())));
    hits.truncate(search.top_k);
    Ok(hits)
}

/// Lets the hits in a project's own documents come forward.
fn prefer(project: &str, hits: &mut [Hit]) {
    for hit in hits.iter_mut() {
        let name = hit.chunk.external_id.as_deref().unwrap_or_default();
        if pipeline::project::path_in(project, name).is_some() {
            hit.score *= OWN_PROJECT;
        }
    }
    insertion_sort(hits, |one, other| one.score > other.score);
    for hit in hits {
        hit.score = hit.score.min(1.0);
    }
}

fn best_score(search: &Search, best: &Best<ChunkRow>, chunks: &HashMap<ChunkRow, FoundChunk>) -> f64 {
    let chunk = best.by_words.and_then(|row| chunks.get(&row));
    let text = chunk.map(|chunk| format!("{}\n{}", chunk.title.as_deref().unwrap_or_default(), chunk.text));
    best.score(&search.request.query, text.as_deref())
}
