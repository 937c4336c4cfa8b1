//! What searches keep in KV: query embeddings for a week, rankings for an hour.
//!
//! A cached ranking holds chunk rows and scores, never text, and its name holds the version of the
//! user's index, so that every publish and delete makes it unreachable. KV allows 1,000 writes a
//! day, which are spent by value: a counter in D1 admits caches until half of them are gone,
//! and the budget ends caching when the day is nearly spent.

use pipeline::{
    budget::day::Budget,
    failure::Failure,
    fingerprint,
    ids::ChunkRow,
    model::EMBEDDING,
    platform::{
        object_keys,
        ports::{Clock, Database, KeyValue},
        statement::json,
    },
    store::counters,
    tenant::Tenant,
    time::{HOUR, Span},
};
use serde::{Deserialize, Serialize};

use crate::{request::Search, score::Best};

/// The share of a day's KV writes that caches may spend; the rest is for configuration, and for
/// banning callers who hammer.
const WRITES_SHARE: f64 = 0.5;
const EMBEDDING_KEPT: Span = Span::days(7);
const RANKING_KEPT: Span = HOUR;

/// A ranking as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankedHits {
    /// The hits, best first.
    pub hits: Vec<Ranked>,
    /// What their scores are measured by.
    pub best: Best<ChunkRow>,
}

/// One hit of a ranking.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ranked {
    /// The chunk.
    pub row: ChunkRow,
    /// Its score as a share of the best one's.
    pub score: f64,
    /// Cosine to the query, if it was found by meaning.
    pub cosine: Option<f64>,
    /// Found by words.
    pub by_keyword: bool,
}

/// The name of a query's embedding. Of all users: it says nothing about who asked.
pub fn embedding_key(query: &str) -> String {
    object_keys::cached_embedding(&fingerprint::of(&[EMBEDDING.name.as_bytes(), query.as_bytes()]))
}

/// The name of a search's ranking.
pub fn ranking_key(tenant: &Tenant, search: &Search) -> Result<String, Failure> {
    let request = json(&search.request)?;
    let parts = [tenant.user.as_str().as_bytes(), &tenant.index_version.to_le_bytes(), request.as_bytes()];
    Ok(object_keys::cached_search(&fingerprint::of(&parts)))
}

/// A cached embedding; a KV that fails has none.
pub async fn embedding<P: KeyValue>(ports: &P, key: &str) -> Option<Vec<f32>> {
    let bytes = ports.get_value(key).await.ok()??;
    let values: Vec<f32> =
        bytes.chunks_exact(4).map(|chunk| chunk.try_into().map_or(0.0, f32::from_le_bytes)).collect();
    (values.len() == EMBEDDING.dimensions).then_some(values)
}

/// A cached ranking; a KV that fails has none.
pub async fn ranking<P: KeyValue>(ports: &P, key: &str) -> Option<RankedHits> {
    serde_json::from_slice(&ports.get_value(key).await.ok()??).ok()
}

/// What of a search is worth keeping.
#[derive(Debug, Default)]
pub struct NewEntries {
    /// A new embedding and its name.
    pub embedding: Option<(String, Vec<f32>)>,
    /// A new ranking and its name.
    pub ranking: Option<(String, RankedHits)>,
}

/// Writes what is new, if the day's writes allow. A failure costs nothing but the cache.
pub async fn remember<P: Database + KeyValue + Clock>(ports: &P, new: NewEntries, budget: &Budget) {
    let entries: Vec<(String, Vec<u8>, Span)> = new
        .embedding
        .map(|(key, vector)| (key, vector.iter().flat_map(|value| value.to_le_bytes()).collect(), EMBEDDING_KEPT))
        .into_iter()
        .chain(new.ranking.and_then(|(key, ranking)| Some((key, serde_json::to_vec(&ranking).ok()?, RANKING_KEPT))))
        .collect();
    let wanted = i64::try_from(entries.len()).unwrap_or(0);
    if wanted == 0 || !admit(ports, wanted, budget).await.unwrap_or(false) {
        return;
    }
    for (key, value, kept) in entries {
        let _ = ports.put_value(&key, value, kept).await;
    }
}

/// Reserves KV writes for caches; false when the day has no more for them.
pub async fn admit<P: Database + Clock>(ports: &P, writes: i64, budget: &Budget) -> Result<bool, Failure> {
    if !budget.may_cache() {
        return Ok(false);
    }
    let most = (budget.allowances.kv_writes * WRITES_SHARE).floor();
    Ok(counters::take_kv_writes(writes, most, ports.now()).run(ports).await? > 0)
}
