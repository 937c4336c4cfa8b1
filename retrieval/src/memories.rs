//! Recalling what a user wants remembered.
//!
//! A user has at most [`MEMORIES`](pipeline::constants::MEMORIES) memories, so all of them are compared: the cosine to
//! each, from the embedding beside its text, and the keyword score from FTS5, fused as chunks are.
//! Nothing lags behind a write, and what was forgotten is forgotten at once.

use std::collections::HashMap;

use data_encoding::BASE64;
use pipeline::{
    failure::Failure,
    platform::{ports::Database, transaction::Transaction},
    scope::Scope,
    store::memories::{self, MemoryRow, RecallRow, WordMatch},
    tenant::Tenant,
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    fuse::{self, Candidate, Fused, PARAMETERS},
    keyword,
};

/// A memory that fits what was asked.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Recalled {
    /// The memory.
    #[serde(flatten)]
    pub memory: MemoryRow,
    /// How well it fits.
    pub score: f64,
    /// Cosine to what was asked.
    pub similarity: Option<f64>,
    /// Which ways led to it: `pinned`, `vector`, `keyword`.
    pub found_by: Vec<&'static str>,
}

/// The active memories that fit a query, best first; the pinned ones before all others, whatever is
/// asked. `vector` is the query's embedding, without which words alone decide.
pub async fn recall<P: Database>(
    ports: &P,
    tenant: &Tenant,
    query: &str,
    vector: Option<&[f32]>,
) -> Result<Vec<Recalled>, Failure> {
    // An expression that matches nothing, where the query holds no word.
    let expression = keyword::expression(&Scope::of_user(tenant.number), "body", query)
        .unwrap_or_else(|| "scope : \"nothing\"".to_owned());
    let mut transaction = Transaction::default();
    let all = transaction.query(memories::all(&tenant.user));
    let matches = transaction.query(memories::by_words(&expression, i64::from(fuse::CANDIDATES)));
    let done = transaction.commit(ports).await?;
    Ok(rank(query, done.all(all)?, &done.all(matches)?, vector))
}

fn rank(query: &str, rows: Vec<RecallRow>, matches: &[WordMatch], vector: Option<&[f32]>) -> Vec<Recalled> {
    let active = rows.into_iter().filter(|row| row.memory.state == "active");
    let known: HashMap<i64, RecallRow> = active.map(|row| (row.number, row)).collect();
    let candidate = |id: i64, score: f64| Candidate { id, score, is_code: false };
    let words: Vec<Candidate<i64>> = matches
        .iter()
        .filter(|found| known.contains_key(&found.number))
        .map(|found| candidate(found.number, found.score))
        .collect();
    let mut dense: Vec<Candidate<i64>> = known
        .values()
        .filter_map(|row| Some(candidate(row.number, cosine(vector?, &decode(row.embedding.as_deref()?)?))))
        .filter(|found| found.score >= RELATED)
        .collect();
    dense.sort_by(|one, other| other.score.total_cmp(&one.score).then(one.id.cmp(&other.id)));
    let scores: HashMap<i64, Fused<i64>> =
        fuse::fuse(&PARAMETERS, query, &words, &dense, known.len()).into_iter().map(|hit| (hit.id, hit)).collect();
    let hits = known.into_values().map(|row| (scores.get(&row.number), row.memory));
    let mut recalled: Vec<Recalled> = hits.filter_map(|(hit, memory)| recalled(memory, hit)).collect();
    recalled.sort_by(|one, other| {
        let pinned = other.memory.pinned.cmp(&one.memory.pinned);
        pinned.then(other.score.total_cmp(&one.score)).then_with(|| one.memory.id.cmp(&other.memory.id))
    });
    recalled
}

/// A memory that was found, or is recalled whatever is asked.
fn recalled(memory: MemoryRow, hit: Option<&Fused<i64>>) -> Option<Recalled> {
    if hit.is_none() && !memory.pinned {
        return None;
    }
    let similarity = hit.and_then(|hit| hit.cosine);
    let found_by = [
        (memory.pinned, "pinned"),
        (similarity.is_some(), "vector"),
        (hit.is_some_and(|hit| hit.by_keyword), "keyword"),
    ];
    Some(Recalled {
        score: hit.map_or(0.0, |hit| hit.score),
        similarity,
        found_by: found_by.into_iter().filter(|(found, _)| *found).map(|(_, name)| name).collect(),
        memory,
    })
}

/// Cosine from which a memory is about what was asked; short texts lie closer together than chunks.
const RELATED: f64 = 0.3;

/// Cosine from which two memories say the same thing in other words. Paraphrases that
/// all-MiniLM-L6-v2 was trained on lie above .85; statements that differ in a name or number below.
pub const SAME: f64 = 0.92;

/// The memory, proposed ones included, nearest to a vector, if it says the same.
pub async fn nearest_same<P: Database>(
    ports: &P,
    tenant: &Tenant,
    vector: &[f32],
) -> Result<Option<MemoryRow>, Failure> {
    let rows = memories::all(&tenant.user).all(ports).await?;
    let scored = rows.into_iter().filter_map(|row| {
        let score = cosine(vector, &decode(row.embedding.as_deref()?)?);
        (score >= SAME).then_some((score, row.memory))
    });
    Ok(scored.max_by(|one, other| one.0.total_cmp(&other.0)).map(|(_, memory)| memory))
}

/// An embedding as D1 keeps it.
pub fn encode(vector: &[f32]) -> String {
    BASE64.encode(&vector.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>())
}

fn decode(text: &str) -> Option<Vec<f32>> {
    let bytes = BASE64.decode(text.as_bytes()).ok()?;
    Some(bytes.chunks_exact(4).map(|chunk| chunk.try_into().map_or(0.0, f32::from_le_bytes)).collect())
}

/// Of vectors of any length.
fn cosine(one: &[f32], other: &[f32]) -> f64 {
    let dot = |one: &[f32], other: &[f32]| -> f64 {
        one.iter().zip(other).map(|(one, other)| f64::from(*one) * f64::from(*other)).sum()
    };
    let length = (dot(one, one) * dot(other, other)).sqrt();
    if length > 0.0 { dot(one, other) / length } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use pipeline::{ids::MemoryId, time::Timestamp};

    use super::*;

    fn row(number: i64, text: &str, pinned: bool, vector: &[f32]) -> RecallRow {
        let id = MemoryId::parse(&format!("mem_{number:026}")).unwrap();
        let memory = MemoryRow {
            id,
            kind: "fact".into(),
            text: text.into(),
            source: None,
            confidence: 1.0,
            state: "active".into(),
            pinned,
            supersedes: None,
            created_at: Timestamp::from_milliseconds(0),
            recalled_at: None,
        };
        RecallRow { number, embedding: Some(encode(vector)), memory }
    }

    #[test]
    fn pinned_first_then_by_score_and_nothing_that_does_not_fit() {
        let rows = || {
            vec![
                row(1, "far", false, &[0.0, 1.0]),
                row(2, "near", false, &[1.0, 0.1]),
                row(3, "pinned", true, &[0.0, 1.0]),
                row(4, "worded", false, &[0.0, 1.0]),
            ]
        };
        let names = |recalled: Vec<Recalled>| recalled.into_iter().map(|hit| hit.memory.text).collect::<Vec<_>>();
        let matches = [WordMatch { number: 4, score: 1.0 }];
        assert_eq!(names(rank("q", rows(), &matches, Some(&[1.0, 0.0]))), ["pinned", "worded", "near"]);
        assert_eq!(names(rank("q", rows(), &matches, None)), ["pinned", "worded"]);
    }

    #[test]
    fn an_embedding_reads_back() {
        assert_eq!(decode(&encode(&[0.25, -1.0])), Some(vec![0.25, -1.0]));
        assert!((cosine(&[2.0, 0.0], &[0.5, 0.0]) - 1.0).abs() < 1e-12);
    }
}
