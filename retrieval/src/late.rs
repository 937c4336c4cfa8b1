//! Late scoring: the best hits by meaning are compared with the query window by window.
//!
//! Vectorize has one vector of a chunk, the mean of its windows, which is near to nothing where a chunk says several
//! things. The windows' own vectors are kept beside the chunk where it is long and has several, and are read with the
//! first of both rankings. A hit whose windows are known has the cosine of the best of them; one of a single window has
//! its own. Those further down, which were not looked at, are raised by what the others gained on average, so that
//! their place is no reason to fall behind.
//!
//! What it is worth: docs/retrieval.md.

use std::collections::BTreeMap;

use crate::{embedding_text::Direction, fuse::Candidate};

/// Gives the hits of `dense` the cosine of their best window, and puts them in order; answers with what was added to
/// those that were not looked at. `windows` are those of the first hits of both rankings, `None` where none are kept:
/// of a chunk of one window, a short one, or one of an earlier version.
pub fn rescore<Id: Copy + Ord>(
    query: &Direction,
    windows: &BTreeMap<Id, Option<String>>,
    dense: &mut [Candidate<Id>],
) -> f64 {
    let mut rescored = Vec::with_capacity(dense.len());
    let (mut gained, mut looked_at) = (0.0, 0.0);
    for hit in dense.iter() {
        let known = windows.get(&hit.id);
        let best = known.map(|windows| windows.as_deref().and_then(|windows| query.best_cosine(windows)));
        let cosine = best.map(|best| best.unwrap_or(hit.score));
        if let Some(cosine) = cosine {
            gained += cosine - hit.score;
            looked_at += 1.0;
        }
        rescored.push(cosine);
    }
    if looked_at == 0.0 {
        return 0.0;
    }
    let raised = gained / looked_at;
    for (hit, cosine) in dense.iter_mut().zip(rescored) {
        hit.score = cosine.unwrap_or(hit.score + raised);
    }
    dense.sort_unstable_by(|one, other| other.score.total_cmp(&one.score).then(one.id.cmp(&other.id)));
    raised
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::embedding_text;

    fn dense(scores: &[(u32, f64)]) -> Vec<Candidate<u32>> {
        scores.iter().map(|(id, score)| Candidate { id: *id, score: *score, is_code: false }).collect()
    }

    fn ranked(windows: &[(u32, Option<&[[f32; 2]]>)], scores: &[(u32, f64)]) -> Vec<(u32, f64)> {
        let text = |windows: &[[f32; 2]]| {
            embedding_text::encode_all(&windows.iter().map(|window| window.to_vec()).collect::<Vec<_>>())
        };
        let windows = windows.iter().map(|(id, windows)| (*id, windows.map(text))).collect();
        let mut hits = dense(scores);
        rescore(&Direction::of(&[1.0, 0.0]), &windows, &mut hits);
        hits.iter().map(|hit| (hit.id, (hit.score * 100.0).round() / 100.0)).collect()
    }

    #[test]
    fn a_chunk_of_which_one_window_is_about_it_comes_before_one_that_is_somewhat_about_it() {
        let two: &[[f32; 2]] = &[[1.0, 0.0], [0.0, 1.0]];
        assert_eq!(ranked(&[(2, Some(two)), (1, None)], &[(1, 0.75), (2, 0.7)]), [(2, 1.0), (1, 0.75)]);
    }

    #[test]
    fn what_was_not_looked_at_is_raised_by_what_others_gained() {
        let two: &[[f32; 2]] = &[[1.0, 0.0], [0.0, 1.0]];
        let found = ranked(&[(2, Some(two)), (1, None)], &[(1, 0.75), (2, 0.7), (3, 0.4)]);
        assert_eq!(found, [(2, 1.0), (1, 0.75), (3, 0.55)]);
    }

    #[test]
    fn without_windows_nothing_changes() {
        let scores = [(3, 0.9), (1, 0.5), (2, 0.4)];
        assert_eq!(ranked(&[], &scores), scores);
        assert_eq!(ranked(&[(3, None), (1, None)], &scores), scores);
        assert_eq!(ranked(&[(3, Some(&[]))], &scores), scores, "what cannot be read");
        assert!(ranked(&[(3, None)], &[]).is_empty());
    }

    proptest! {
        /// Whatever is known, every hit stays, once, and the order is that of the scores.
        #[test]
        fn hits_stay_and_are_in_order(scores in prop::collection::vec(-1.0..1.0f64, 0..30), known in 0usize..30) {
            let mut scores = scores;
            scores.sort_by(|one, other| other.total_cmp(one));
            let hits: Vec<(u32, f64)> = scores.iter().zip(0u32..).map(|(score, id)| (id, *score)).collect();
            let two: &[[f32; 2]] = &[[1.0, 0.0], [0.0, 1.0]];
            let windows: Vec<(u32, Option<&[[f32; 2]]>)> =
                hits.iter().take(known).map(|(id, _)| (*id, (id % 2 == 0).then_some(two))).collect();
            let found = ranked(&windows, &hits);
            let mut ids: Vec<u32> = found.iter().map(|(id, _)| *id).collect();
            ids.sort_unstable();
            prop_assert_eq!(ids, (0u32..).take(hits.len()).collect::<Vec<_>>());
            prop_assert!(found.is_sorted_by(|one, other| one.1 >= other.1));
        }
    }
}
