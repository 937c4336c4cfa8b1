//! Scores of all modes on one scale: 0 fits not at all, 1 fits wholly.
//!
//! What a ranking is made by cannot be one: BM25 has no upper end and depends on everything else that is indexed, and
//! the fused score counts both in units of their own distribution. They only order. So the best hit is measured by
//! itself, and the others have as much of its score as they have of its number: the order stays. Of words it is
//! measured by how many of the query's it holds, of meaning by its cosine, of both by the better of the two. So a
//! least score means the same in every mode. Formula and reasons: docs/retrieval.md.

use std::hash::Hash;

use serde::{Deserialize, Serialize};

use crate::{
    fuse::{Candidate, Fused},
    keyword,
};

/// What says how well the best of a ranking fits.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best<Id> {
    /// The highest cosine.
    pub cosine: f64,
    /// The best by words, if one was found by words.
    pub by_words: Option<Id>,
}

impl<Id: Copy + Eq + Hash> Best<Id> {
    /// The best of two rankings, each best first.
    pub fn of(words: &[Candidate<Id>], dense: &[Candidate<Id>]) -> Self {
        let cosine = dense.first().map_or(0.0, |hit| hit.score.clamp(0.0, 1.0));
        Self { cosine, by_words: words.first().map(|hit| hit.id) }
    }

    /// The score of the best hit. `text` is of the best by words, as far as it can be read.
    pub fn score(&self, query: &str, text: Option<&str>) -> f64 {
        if self.by_words.is_none() {
            return self.cosine;
        }
        self.cosine.max(keyword::share_found(&keyword::terms(query), text.unwrap_or_default()))
    }
}

/// Makes every score a share of the best one.
pub fn relative<Id>(mut ranking: Vec<Fused<Id>>) -> Vec<Fused<Id>> {
    let best = ranking.first().map_or(0.0, |hit| hit.score);
    for hit in &mut ranking {
        hit.score = if best > 0.0 { (hit.score / best).clamp(0.0, 1.0) } else { 0.0 };
    }
    ranking
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(scores: &[f64]) -> Vec<Candidate<usize>> {
        scores.iter().enumerate().map(|(id, score)| Candidate { id, score: *score, is_code: false }).collect()
    }

    fn close(one: f64, other: f64) -> bool {
        (one - other).abs() < 1e-12
    }

    #[test]
    fn the_best_hit_scores_as_the_better_of_both_says() {
        let best = Best::of(&candidates(&[7.5, 2.0]), &candidates(&[0.6, 0.5]));
        assert!(close(best.score("ships sail fast today", Some("A ship sails fast.")), 0.75));
        assert!(close(best.score("ships sail fast today", Some("ships")), 0.6));
        let by_words = Best::of(&candidates(&[1e-6]), &[]);
        assert!(close(by_words.score("ships sail", Some("ships sail")), 1.0), "however common its words are");
        let by_meaning = Best::of(&[], &candidates(&[0.3]));
        assert!(close(by_meaning.score("ships", None), 0.3));
        assert!(close(Best::<usize>::of(&[], &candidates(&[-0.3])).score("ships", None), 0.0));
    }

    #[test]
    fn what_was_found_by_words_holds_one_of_them_however_it_is_inflected() {
        let best = Best::of(&candidates(&[7.5]), &[]);
        assert!(close(best.score("queries", Some("One query.")), 1.0));
        assert!(close(best.score("queries batteries", None), 0.5));
    }

    #[test]
    fn scores_are_shares_of_the_best() {
        let fused = |score| Fused { id: 0, score, cosine: None, by_keyword: true };
        let scores = |ranking: &[f64]| -> Vec<f64> {
            relative(ranking.iter().copied().map(fused).collect()).iter().map(|hit| hit.score).collect()
        };
        assert_eq!(scores(&[2.0, 1.0, 0.0, -1.0]), [1.0, 0.5, 0.0, 0.0]);
        assert_eq!(scores(&[0.0, -1.0]), [0.0, 0.0]);
        assert_eq!(scores(&[]), [0.0; 0]);
    }
}
