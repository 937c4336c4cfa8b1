//! Recalling what a user wants remembered.
//!
//! A user has at most [`MEMORIES`](pipeline::constants::MEMORIES) memories, so all of them are compared: the cosine to
//! each, from its embedding, and the keyword score from FTS5, fused as chunks are. Only those that are wanted are read.
//! Nothing lags behind a write, and what was forgotten is forgotten at once.

use std::collections::{HashMap, HashSet};

use pipeline::{
    constants::SIMILAR_MEMORIES,
    failure::Failure,
    ids::MemoryId,
    platform::{ports::Database, transaction::Transaction},
    scope::Scope,
    store::memories::{
        MemoryRow,
        recall::{self, ComparedMemory, EmbeddingsRow, WordMatch},
    },
    tenant::Tenant,
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    OWN_PROJECT,
    embedding_text::Direction,
    fuse::{self, Candidate, Fused, PARAMETERS},
    keyword,
    score::{self, Best},
};

/// A memory that fits what was asked.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Recalled {
    /// The memory.
    #[serde(flatten)]
    pub memory: MemoryRow,
    /// How well it fits, from 0 to 1, as of a search's hits.
    #[schemars(range(min = 0, max = 1))]
    pub score: f64,
    /// Cosine to what was asked.
    pub similarity: Option<f64>,
    /// Which ways led to it: `pinned`, `vector`, `keyword`.
    pub found_by: Vec<&'static str>,
}

/// A memory that is to be recalled, before it is read.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Ranked {
    number: i64,
    is_pinned: bool,
    /// How it was found; a pinned one may be recalled without.
    hit: Option<Fused<i64>>,
}

/// The active memories that fit a query, best first, so many at most; the pinned ones before all others, whatever is
/// asked. `vector` is the query's embedding, without which words alone decide. Those of the project come forward.
pub async fn recall<P: Database>(
    ports: &P,
    tenant: &Tenant,
    query: &str,
    project: Option<&str>,
    vector: Option<&[f32]>,
    most: usize,
) -> Result<Vec<Recalled>, Failure> {
    let mut transaction = Transaction::default();
    let embeddings = transaction.query(recall::embeddings(&tenant.user));
    let matches = keyword::expression(&Scope::default(), "body", query).and_then(|expression| {
        let words = tenant.words_of_memories().existing()?;
        Some(transaction.query(recall::by_words(words, &expression, i64::from(fuse::CANDIDATES))))
    });
    let own = project.map(|project| transaction.query(recall::of_project(&tenant.user, project)));
    let done = transaction.commit(ports).await?;
    let embeddings = done.first(embeddings)?.unwrap_or_default();
    let known = embeddings.memories().filter(|memory| memory.is_active).collect();
    let own = own.map(|own| done.first(own)).transpose()?.flatten().unwrap_or_default();
    let matches = matches.map(|matches| done.all(matches)).transpose()?.unwrap_or_default();
    let (mut ranked, best) = rank(query, known, &matches, vector, &own.numbers().collect());
    ranked.truncate(most);
    read(ports, tenant, query, &ranked, best).await
}

/// Those that are still active when they are read, in their order.
async fn read<P: Database>(
    ports: &P,
    tenant: &Tenant,
    query: &str,
    ranked: &[Ranked],
    best: Best<i64>,
) -> Result<Vec<Recalled>, Failure> {
    if ranked.is_empty() {
        return Ok(Vec::new());
    }
    let mut numbers: Vec<i64> = ranked.iter().map(|memory| memory.number).collect();
    numbers.extend(best.by_words.filter(|number| !numbers.contains(number)));
    let rows = recall::numbered(&tenant.user, &numbers)?.all(ports).await?;
    let active = rows.into_iter().filter(|row| row.memory.state == "active");
    let mut memories: HashMap<i64, MemoryRow> = active.map(|row| (row.number, row.memory)).collect();
    let found = best.by_words.and_then(|number| memories.get(&number));
    let best = best.score(query, found.map(|memory| memory.text.as_str()));
    let recall = |ranked: &Ranked| Some(recalled(memories.remove(&ranked.number)?, ranked.hit, best));
    Ok(ranked.iter().filter_map(recall).collect())
}

/// All that is recalled, those in `own` being the project's, and what its scores are measured by.
fn rank(
    query: &str,
    known: Vec<ComparedMemory<'_>>,
    matches: &[WordMatch],
    vector: Option<&[f32]>,
    own: &HashSet<i64>,
) -> (Vec<Ranked>, Best<i64>) {
    let pinned: HashMap<i64, bool> = known.iter().map(|memory| (memory.number, memory.is_pinned)).collect();
    let candidate = |id: i64, score: f64| Candidate { id, score, is_code: false };
    let words: Vec<Candidate<i64>> = matches
        .iter()
        .filter(|found| pinned.contains_key(&found.number))
        .map(|found| candidate(found.number, found.score))
        .collect();
    let direction = vector.map(Direction::of);
    let cosine = |memory: &ComparedMemory<'_>| direction.as_ref()?.cosine(&memory.embedding);
    let mut dense: Vec<Candidate<i64>> =
        known.iter().filter_map(|memory| Some(candidate(memory.number, cosine(memory)?))).collect();
    let compared: HashSet<i64> = dense.iter().map(|found| found.id).collect();
    dense.retain(|found| found.score >= RELATED);
    best_first(&mut dense);
    let mut fused = score::relative(fuse::fuse(&PARAMETERS, query, &words, &dense));
    for hit in fused.iter_mut().filter(|hit| hit.cosine.is_none() && compared.contains(&hit.id)) {
        hit.score *= BY_WORDS_ALONE;
    }
    let hits: HashMap<i64, Fused<i64>> = fused.into_iter().map(|hit| (hit.id, hit)).collect();
    let ranked = known.into_iter().map(|memory| Ranked {
        number: memory.number,
        is_pinned: memory.is_pinned,
        hit: hits.get(&memory.number).copied(),
    });
    let mut ranked: Vec<Ranked> = ranked.filter(|memory| memory.is_pinned || memory.hit.is_some()).collect();
    put_in_order(&mut ranked, own);
    (ranked, Best::of(&words, &dense))
}

/// The pinned first, then the best. Those in `own`, which are the project's, come forward: of the pinned, and of the
/// others by what their score has more.
fn put_in_order(ranked: &mut [Ranked], own: &HashSet<i64>) {
    for memory in ranked.iter_mut().filter(|memory| own.contains(&memory.number)) {
        if let Some(hit) = &mut memory.hit {
            hit.score *= OWN_PROJECT;
        }
    }
    let score = |memory: &Ranked| memory.hit.map_or(0.0, |hit| hit.score);
    ranked.sort_unstable_by(|one, other| {
        let by_pin = other.is_pinned.cmp(&one.is_pinned);
        by_pin
            .then(score(other).total_cmp(&score(one)))
            .then_with(|| own.contains(&other.number).cmp(&own.contains(&one.number)))
            .then(one.number.cmp(&other.number))
    });
    for hit in ranked.iter_mut().filter_map(|memory| memory.hit.as_mut()) {
        hit.score = hit.score.min(1.0);
    }
}

fn best_first(found: &mut [Candidate<i64>]) {
    found.sort_unstable_by(|one, other| other.score.total_cmp(&one.score).then(one.id.cmp(&other.id)));
}

/// A memory that was found, or is recalled whatever is asked. `best` is the score of the best that was found.
fn recalled(memory: MemoryRow, hit: Option<Fused<i64>>, best: f64) -> Recalled {
    let similarity = hit.and_then(|hit| hit.cosine);
    let found_by = [
        (memory.pinned, "pinned"),
        (similarity.is_some(), "vector"),
        (hit.is_some_and(|hit| hit.by_keyword), "keyword"),
    ];
    Recalled {
        score: hit.map_or(0.0, |hit| hit.score * best),
        similarity,
        found_by: found_by.into_iter().filter(|(found, _)| *found).map(|(_, name)| name).collect(),
        memory,
    }
}

/// What the score counts of a memory that has a word of what was asked, but is not about it by its meaning. A memory is
/// a sentence, of which a single word that both hold says little ("three days" of "on which day am I treated?"):
/// docs/answers.md has what it was measured by.
const BY_WORDS_ALONE: f64 = 0.6;

/// Cosine from which a memory is about what was asked; short texts lie closer together than chunks.
const RELATED: f64 = 0.3;

/// Cosine from which one memory is like another: whoever remembers is shown it, to correct it or to leave both. It is
/// no identity: a memory with a "not" more lies closer to another than most paraphrases do. Measured with
/// all-MiniLM-L6-v2, in `tests/tests/end_to_end/memories.rs`.
const SIMILAR: f64 = 0.6;

/// A memory that is like one that was just remembered.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Similar {
    /// Its id.
    pub id: MemoryId,
    /// What it says.
    pub text: String,
    /// Cosine of both.
    pub similarity: f64,
}

/// The memories most like a vector, proposed ones included, the nearest first; not the one it is of, in row `own`.
pub async fn similar<P: Database>(
    ports: &P,
    tenant: &Tenant,
    own: i64,
    vector: &[f32],
    embeddings: &EmbeddingsRow,
) -> Result<Vec<Similar>, Failure> {
    let direction = Direction::of(vector);
    let others = embeddings.memories().filter(|memory| memory.number != own);
    let scored = others.filter_map(|memory| {
        let score = direction.cosine(&memory.embedding)?;
        Some(Candidate { id: memory.number, score, is_code: false })
    });
    let mut near: Vec<Candidate<i64>> = scored.filter(|found| found.score >= SIMILAR).collect();
    best_first(&mut near);
    near.truncate(SIMILAR_MEMORIES);
    if near.is_empty() {
        return Ok(Vec::new());
    }
    let numbers: Vec<i64> = near.iter().map(|found| found.id).collect();
    let rows = recall::numbered(&tenant.user, &numbers)?.all(ports).await?;
    let mut memories: HashMap<i64, MemoryRow> = rows.into_iter().map(|row| (row.number, row.memory)).collect();
    let similar = near.into_iter().filter_map(|found| {
        let MemoryRow { id, text, .. } = memories.remove(&found.id)?;
        Some(Similar { id, text, similarity: found.score })
    });
    Ok(similar.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedding_text::encode;

    const FAR: [f32; 2] = [0.0, 1.0];
    const NEAR: [f32; 2] = [1.0, 0.1];

    fn order(matches: &[WordMatch], vector: Option<&[f32]>) -> Vec<i64> {
        order_of(&[FAR, NEAR, FAR, FAR].map(|vector| encode(&vector)), matches, vector)
    }

    fn order_of(embeddings: &[String; 4], matches: &[WordMatch], vector: Option<&[f32]>) -> Vec<i64> {
        let known = embeddings.iter().zip(1..).map(|(embedding, number)| ComparedMemory {
            number,
            is_active: true,
            is_pinned: number == 3,
            embedding: embedding.into(),
        });
        rank("q", known.collect(), matches, vector, &HashSet::new()).0.into_iter().map(|memory| memory.number).collect()
    }

    #[test]
    fn pinned_first_then_by_score_and_nothing_that_does_not_fit() {
        let matches = [WordMatch { number: 4, score: 1.0 }];
        assert_eq!(order(&matches, Some(&[1.0, 0.0])), [3, 4, 2]);
        assert_eq!(order(&matches, None), [3, 4]);
    }

    #[test]
    fn what_has_a_word_alone_comes_after_what_is_about_it_unless_words_are_all_there_is() {
        let matches = [WordMatch { number: 1, score: 2.0 }, WordMatch { number: 2, score: 1.9 }];
        assert_eq!(order(&matches, Some(&[1.0, 0.0])), [3, 2, 1]);
        assert_eq!(order(&matches, None), [3, 1, 2]);
        // Remembered while no model answered, the first has nothing that could be compared.
        let embeddings = [String::new(), encode(&NEAR), encode(&FAR), encode(&FAR)];
        assert_eq!(order_of(&embeddings, &matches, Some(&[1.0, 0.0])), [3, 1, 2]);
    }

    #[test]
    fn a_projects_own_come_forward_by_a_quarter_and_no_further() {
        let ranked = |scores: [(i64, f64); 3]| {
            scores.map(|(number, score)| Ranked {
                number,
                is_pinned: false,
                hit: Some(Fused { id: number, score, cosine: None, by_keyword: true }),
            })
        };
        let mut close = ranked([(1, 1.0), (2, 0.9), (3, 0.5)]);
        put_in_order(&mut close, &HashSet::from([2, 3]));
        assert_eq!(close.map(|memory| memory.number), [2, 1, 3]);
        assert!(close[0].hit.unwrap().score <= 1.0);
    }

    #[test]
    fn a_match_of_a_memory_that_is_gone_counts_for_nothing() {
        assert_eq!(order(&[WordMatch { number: 5, score: 1.0 }], None), [3]);
    }
}
