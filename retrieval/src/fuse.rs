//! Keyword and vector rankings to one: a convex combination gated by how decisive the keyword list is.
//!
//! Equal-weight reciprocal rank fusion loses to the better list wherever one dominates. Measured over
//! eight development sets with leave-one-family-out tuning, this formula averages .639 nDCG@10
//! against .595 for rank fusion and loses at most .013 to the better list (.088 for rank fusion).
//! The sets, the formula and what did not help: docs/retrieval.md.

use std::{collections::HashMap, hash::Hash};

use pipeline::identifiers;

/// Hits each retriever gives to the fusion.
pub const CANDIDATES: u32 = 100;

/// The formula's parameters, tuned for the cosines of one embedding model.
#[derive(Clone, Copy, Debug)]
pub struct Parameters {
    /// The model whose spread of cosines (top hit minus tenth about .15) they assume.
    pub model: &'static str,
    /// Weight of the cosine.
    pub dense: f64,
    /// Weight of the gated keyword score.
    pub keyword: f64,
    /// Exponent of the gate.
    pub gate_exponent: f64,
    /// Keyword factor for a query that spells an identifier.
    pub identifier_query: f64,
    /// Keyword factor for a hit in code otherwise.
    pub code: f64,
    /// Cosine from which a chunk is about what was asked. Of the model's own scale: measured on this
    /// repository's documents, all-MiniLM-L6-v2 gives unrelated chunks at most .13, related ones .2 and more.
    pub relevant: f64,
}

/// Tuned with all-MiniLM-L6-v2; another model's cosines want `dense` and `keyword` tuned anew.
pub const PARAMETERS: Parameters = Parameters {
    model: "all-MiniLM-L6-v2",
    dense: 0.4,
    keyword: 0.6,
    gate_exponent: 1.5,
    identifier_query: 1.5,
    code: 0.6,
    relevant: 0.2,
};

/// Cosine from which a chunk is about what was asked, by the scale of the model that made the vectors. A model that was
/// not measured has none: what has nothing in common may lie as near there as what is about the same does here.
pub fn relevant(model: &str) -> Option<f64> {
    (model == PARAMETERS.model).then_some(PARAMETERS.relevant)
}

/// A hit of one retriever.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate<Id> {
    /// What was found.
    pub id: Id,
    /// `-bm25` (above 0) or the cosine.
    pub score: f64,
    /// A chunk of code.
    pub is_code: bool,
}

/// A hit of the fused ranking.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fused<Id> {
    /// What was found.
    pub id: Id,
    /// The combined score.
    pub score: f64,
    /// Cosine to the query, if it was found by meaning.
    pub cosine: Option<f64>,
    /// Found by words.
    pub by_keyword: bool,
}

/// Fuses two rankings, each best first. `documents` is how many the searched scope holds.
pub fn fuse<Id: Copy + Eq + Hash + Ord>(
    parameters: &Parameters,
    query: &str,
    keyword: &[Candidate<Id>],
    dense: &[Candidate<Id>],
    documents: usize,
) -> Vec<Fused<Id>> {
    let by_keyword: HashMap<Id, &Candidate<Id>> = keyword.iter().map(|hit| (hit.id, hit)).collect();
    let by_vector: HashMap<Id, &Candidate<Id>> = dense.iter().map(|hit| (hit.id, hit)).collect();
    let best = keyword.first().map_or(0.0, |hit| hit.score);
    // Without vectors there is nothing to decide between.
    let gate = if dense.is_empty() { 1.0 } else { gate(keyword, documents).powf(parameters.gate_exponent) };
    let identifier = spells_identifier(query);
    let missing_keyword = missing(keyword);
    let missing_dense = missing(dense);
    let only_dense = dense.iter().filter(|hit| !by_keyword.contains_key(&hit.id));
    let mut fused: Vec<Fused<Id>> = keyword
        .iter()
        .chain(only_dense)
        .map(|hit| {
            let cosine = by_vector.get(&hit.id).map_or(missing_dense, |found| found.score);
            let words = by_keyword.get(&hit.id).map_or(missing_keyword, |found| found.score);
            let factor = match (identifier, hit.is_code) {
                (true, _) => parameters.identifier_query,
                (false, true) => parameters.code,
                (false, false) => 1.0,
            };
            let words = if best > 0.0 { factor * gate * words / best } else { 0.0 };
            Fused {
                id: hit.id,
                score: parameters.dense * cosine + parameters.keyword * words,
                cosine: by_vector.get(&hit.id).map(|found| found.score),
                by_keyword: by_keyword.contains_key(&hit.id),
            }
        })
        .collect();
    fused.sort_unstable_by(|one, other| other.score.total_cmp(&one.score).then(one.id.cmp(&other.id)));
    fused
}

/// How decisive the keyword list is about its own top: 1 if the K-th hit scores nothing beside it.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "K is from 3 to 20"
)]
fn gate<Id>(keyword: &[Candidate<Id>], documents: usize) -> f64 {
    let place = (0.5 * (documents as f64).sqrt()).round().clamp(3.0, 20.0) as usize;
    let best = keyword.first().map_or(0.0, |hit| hit.score);
    let kth = keyword.get(place - 1).map_or(0.0, |hit| hit.score);
    if best > 0.0 { ((best - kth) / best).clamp(0.0, 1.0) } else { 0.0 }
}

/// The score of a hit that a list lacks: of a full list it scores at most the last, of another nothing.
fn missing<Id>(list: &[Candidate<Id>]) -> f64 {
    if list.len() < CANDIDATES as usize { 0.0 } else { list.last().map_or(0.0, |hit| hit.score) }
}

/// True for a query that spells code: camelCase, `snake_case`, `a.b`, `()`, `::`, `->`, braces or `=`.
fn spells_identifier(query: &str) -> bool {
    let dotted = query.split_whitespace().any(|word| {
        word.split_once('.').is_some_and(|(before, after)| {
            before.ends_with(char::is_alphanumeric) && after.starts_with(char::is_alphabetic)
        })
    });
    dotted
        || ["()", "::", "->", "{", "}", "="].iter().any(|mark| query.contains(mark))
        || identifiers::words(query).any(identifiers::is_compound)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hits(scores: &[(u32, f64)]) -> Vec<Candidate<u32>> {
        scores.iter().map(|(id, score)| Candidate { id: *id, score: *score, is_code: false }).collect()
    }

    fn order(query: &str, keyword: &[(u32, f64)], dense: &[(u32, f64)]) -> Vec<u32> {
        fuse(&PARAMETERS, query, &hits(keyword), &hits(dense), 100).into_iter().map(|hit| hit.id).collect()
    }

    #[test]
    fn a_decisive_keyword_list_wins_and_an_undecided_one_does_not() {
        let dense = [(1, 0.50), (2, 0.48), (3, 0.40)];
        assert_eq!(order("q", &[(3, 10.0), (2, 1.0), (1, 1.0), (4, 1.0), (5, 1.0)], &dense)[0], 3);
        assert_eq!(order("q", &[(3, 10.0), (2, 9.9), (1, 9.9), (4, 9.9), (5, 9.9)], &dense)[0], 1);
    }

    #[test]
    fn without_keyword_hits_the_dense_order_stays() {
        assert_eq!(order("q", &[], &[(2, 0.5), (1, 0.4)]), [2, 1]);
        assert_eq!(order("q", &[(2, 5.0), (1, 4.0)], &[]), [2, 1]);
        assert_eq!(order("q", &[(4, 5.0), (3, 5.0), (2, 5.0), (5, 5.0), (6, 5.0), (1, 4.0)], &[])[5], 1);
    }

    #[test]
    fn the_worked_example_of_the_formula() {
        // n = 100: K = 5; b1 = 8, b5 = 2; g = .75^1.5; score(1) = .4 * .6 + .6 * g.
        let keyword = hits(&[(1, 8.0), (2, 4.0), (3, 3.0), (4, 2.5), (5, 2.0)]);
        let fused = fuse(&PARAMETERS, "plain words", &keyword, &hits(&[(1, 0.6)]), 100);
        assert!((fused[0].score - (0.24 + 0.6 * 0.75f64.powf(1.5))).abs() < 1e-12);
        assert!(fused[0].cosine.is_some() && fused[0].by_keyword && fused[1].cosine.is_none());
    }

    #[test]
    fn a_model_that_was_not_measured_has_no_threshold() {
        assert_eq!(relevant("all-MiniLM-L6-v2"), Some(0.2));
        assert_eq!(relevant(pipeline::model::EMBEDDING.name), None);
    }

    #[test]
    fn queries_that_spell_code() {
        for query in ["readFile", "read_file", "os.path join", "f()", "a::b", "x -> y", "x = 1"] {
            assert!(spells_identifier(query), "{query}");
        }
        for query in ["how to read a file", "It ends. Then", "version 3.5 of it"] {
            assert!(!spells_identifier(query), "{query}");
        }
    }

    proptest! {
        #[test]
        fn every_candidate_comes_out_once_best_first(
            keyword in prop::collection::btree_map(0u32..200, 0.01f64..20.0, 0..100),
            dense in prop::collection::btree_map(0u32..200, -1f64..1.0, 0..100),
            documents in 0usize..100_000,
        ) {
            let sorted = |map: &std::collections::BTreeMap<u32, f64>| {
                let mut list: Vec<(u32, f64)> = map.iter().map(|(id, score)| (*id, *score)).collect();
                list.sort_by(|one, other| other.1.total_cmp(&one.1));
                hits(&list)
            };
            let fused = fuse(&PARAMETERS, "q", &sorted(&keyword), &sorted(&dense), documents);
            let expected: std::collections::BTreeSet<u32> = keyword.keys().chain(dense.keys()).copied().collect();
            prop_assert_eq!(fused.len(), expected.len());
            prop_assert!(fused.windows(2).all(|pair| pair[0].score >= pair[1].score));
            prop_assert!(fused.iter().all(|hit| hit.score.is_finite()));
        }
    }
}
