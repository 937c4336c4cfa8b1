//! Keyword and vector rankings to one: a sum of both, each on the scale of its own distribution.
//!
//! Neither score can be added as it is: BM25 has no upper end, and a model's cosines have a spread of their own. So a
//! keyword score is counted in multiples of the mean over all candidates, where what the words did not find counts
//! nothing: a list that is decided about few hits gives them many multiples, one that likes everything alike gives
//! each hit one. A cosine is counted in standard deviations above the last of its list. Nothing depends on how many
//! documents there are, and a model whose cosines are moved or stretched ranks as it did.
//!
//! What was measured, and what was tried and dropped: docs/retrieval.md.

use std::{collections::HashMap, hash::Hash};

use pipeline::identifiers;

/// Hits each retriever gives to the fusion.
pub const CANDIDATES: u32 = 100;

/// The formula's parameters.
#[derive(Clone, Copy, Debug)]
pub struct Parameters {
    /// The model with which they were measured.
    pub model: &'static str,
    /// Weight of the keyword score, counted in means, beside that of the cosine, counted in deviations.
    pub keyword: f64,
    /// Keyword factor for a query that spells an identifier.
    pub identifier_query: f64,
    /// Keyword factor for a hit in code otherwise.
    pub code: f64,
    /// Cosine from which a chunk is about what was asked. Of the model's own scale: measured on this
    /// repository's documents, all-MiniLM-L6-v2 gives unrelated chunks at most .13, related ones .2 and more.
    pub relevant: f64,
}

/// Measured with all-MiniLM-L6-v2; but for `relevant` they do not depend on the scale of a model's cosines.
pub const PARAMETERS: Parameters =
    Parameters { model: "all-MiniLM-L6-v2", keyword: 2.7, identifier_query: 1.5, code: 0.5, relevant: 0.2 };

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

/// Fuses two rankings, each best first.
pub fn fuse<Id: Copy + Eq + Hash + Ord>(
    parameters: &Parameters,
    query: &str,
    keyword: &[Candidate<Id>],
    dense: &[Candidate<Id>],
) -> Vec<Fused<Id>> {
    let by_keyword: HashMap<Id, &Candidate<Id>> = keyword.iter().map(|hit| (hit.id, hit)).collect();
    let by_vector: HashMap<Id, &Candidate<Id>> = dense.iter().map(|hit| (hit.id, hit)).collect();
    let identifier = spells_identifier(query);
    let mean = mean(keyword, dense.len());
    let missing = missing(keyword);
    let spread = Spread::of(dense);
    let only_dense = dense.iter().filter(|hit| !by_keyword.contains_key(&hit.id));
    let mut fused: Vec<Fused<Id>> = keyword
        .iter()
        .chain(only_dense)
        .map(|hit| {
            let cosine = by_vector.get(&hit.id).map(|found| found.score);
            let words = by_keyword.get(&hit.id).map_or(missing, |found| found.score);
            let factor = match (identifier, hit.is_code) {
                (true, _) => parameters.identifier_query,
                (false, true) => parameters.code,
                (false, false) => 1.0,
            };
            let words = if mean > 0.0 { parameters.keyword * factor * words / mean } else { 0.0 };
            Fused {
                id: hit.id,
                score: words + spread.deviations(cosine),
                cosine,
                by_keyword: by_keyword.contains_key(&hit.id),
            }
        })
        .collect();
    fused.sort_unstable_by(|one, other| other.score.total_cmp(&one.score).then(one.id.cmp(&other.id)));
    fused
}

/// The mean keyword score over as many candidates as the longer list has: what words did not find has none.
#[expect(clippy::cast_precision_loss, reason = "at most a thousand candidates")]
fn mean<Id>(keyword: &[Candidate<Id>], dense: usize) -> f64 {
    keyword.iter().map(|hit| hit.score).sum::<f64>() / keyword.len().max(dense).max(1) as f64
}

/// The keyword score of a hit that the list lacks: of a full list it scores at most the last, of another nothing.
fn missing<Id>(list: &[Candidate<Id>]) -> f64 {
    if list.len() < CANDIDATES as usize { 0.0 } else { list.last().map_or(0.0, |hit| hit.score) }
}

/// How the cosines of a list are spread.
#[derive(Clone, Copy, Debug)]
struct Spread {
    last: f64,
    deviation: f64,
    is_empty: bool,
}

impl Spread {
    #[expect(clippy::cast_precision_loss, reason = "at most a thousand candidates")]
    fn of<Id>(dense: &[Candidate<Id>]) -> Self {
        let count = dense.len().max(1) as f64;
        let mean = dense.iter().map(|hit| hit.score).sum::<f64>() / count;
        let variance = dense.iter().map(|hit| (hit.score - mean).powi(2)).sum::<f64>() / count;
        let last = dense.last().map_or(0.0, |hit| hit.score);
        Self { last, deviation: variance.sqrt(), is_empty: dense.is_empty() }
    }

    /// How many standard deviations a cosine is worth, counted from 0, or from the last of the list where that is
    /// below: no hit is worth less than nothing, and the order is the same. What the list lacks is worth as much as
    /// its last; where all are alike, nothing is said for or against any.
    fn deviations(&self, cosine: Option<f64>) -> f64 {
        match cosine {
            _ if self.is_empty => 0.0,
            _ if self.deviation < f64::EPSILON => 1.0,
            cosine => (cosine.unwrap_or(self.last) - self.last.min(0.0)) / self.deviation,
        }
    }
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
        fuse(&PARAMETERS, query, &hits(keyword), &hits(dense)).into_iter().map(|hit| hit.id).collect()
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

    /// Computed from the formula outside of Rust: how much more every hit scores than one that scores nothing.
    #[test]
    fn the_worked_examples_of_the_formula() {
        const WORDS: [(u32, f64); 3] = [(1, 8.0), (2, 4.0), (3, 2.0)];
        const DENSE: [(u32, f64); 4] = [(2, 0.6), (4, 0.5), (1, 0.4), (5, 0.1)];
        let stretched = DENSE.map(|(id, cosine)| (id, 0.5 + 0.5 * cosine));
        let plain = [(1, 7.774_996), (2, 5.758_327), (4, 2.138_090), (3, 1.542_857), (5, 0.0)];
        let in_code = [(1, 4.689_282), (2, 4.215_470), (4, 2.138_090), (3, 0.771_429), (5, 0.0)];
        let by_name = [(1, 10.860_710), (2, 7.301_184), (3, 2.314_286), (4, 2.138_090), (5, 0.0)];
        let check =
            |query: &str, is_code: bool, words: &[(u32, f64)], dense: &[(u32, f64)], expected: &[(u32, f64)]| {
                let of = |list: &[(u32, f64)]| -> Vec<Candidate<u32>> {
                    hits(list).into_iter().map(|hit| Candidate { is_code, ..hit }).collect()
                };
                let least = Spread::of(&of(dense)).deviations(None);
                let fused = fuse(&PARAMETERS, query, &of(words), &of(dense));
                let scores: Vec<(u32, f64)> = fused.iter().map(|hit| (hit.id, hit.score - least)).collect();
                assert_eq!(scores.len(), expected.len());
                for ((id, score), (wanted, exact)) in scores.iter().zip(expected) {
                    assert!(id == wanted && (score - exact).abs() < 1e-5, "{query} {is_code}: {scores:?}");
                }
            };
        check("plain words", false, &WORDS, &DENSE, &plain);
        check("plain words", false, &WORDS, &stretched, &plain);
        check("plain words", true, &WORDS, &DENSE, &in_code);
        check("read_file", false, &WORDS, &DENSE, &by_name);
        check("plain words", false, &[], &[(2, 0.6), (4, 0.5)], &[(2, 2.0), (4, 0.0)]);
        check("plain words", false, &WORDS[..2], &[], &[(1, 3.600_000), (2, 1.800_000)]);
    }

    #[test]
    fn a_lone_hit_by_meaning_is_worth_something() {
        let fused = fuse(&PARAMETERS, "q", &[], &hits(&[(1, 0.4)]));
        assert!(fused[0].score > 0.0);
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
        ) {
            let sorted = |map: &std::collections::BTreeMap<u32, f64>| {
                let mut list: Vec<(u32, f64)> = map.iter().map(|(id, score)| (*id, *score)).collect();
                list.sort_by(|one, other| other.1.total_cmp(&one.1));
                hits(&list)
            };
            let fused = fuse(&PARAMETERS, "q", &sorted(&keyword), &sorted(&dense));
            let expected: std::collections::BTreeSet<u32> = keyword.keys().chain(dense.keys()).copied().collect();
            prop_assert_eq!(fused.len(), expected.len());
            prop_assert!(fused.windows(2).all(|pair| pair[0].score >= pair[1].score));
            prop_assert!(fused.iter().all(|hit| hit.score.is_finite() && hit.score >= 0.0));
        }
    }
}
