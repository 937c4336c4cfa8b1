//! How good a ranking is, and how sure one can be of it.

use std::collections::{HashMap, HashSet};

/// Ranks that count.
pub const DEPTH: usize = 10;
/// Samples by which an interval is estimated.
const SAMPLES: usize = 1_000;

/// What one query's ranking is worth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quality {
    /// nDCG@10.
    pub ndcg: f64,
    /// Recall@10.
    pub recall: f64,
}

impl Quality {
    /// Of a ranking of documents, by what each is worth.
    pub fn of(ranking: &[&str], gains: &HashMap<String, f64>) -> Self {
        Self { ndcg: ndcg_at(ranking, gains), recall: recall_at(ranking, gains) }
    }
}

/// The mean; 0 of nothing.
#[expect(clippy::cast_precision_loss, reason = "counts of queries")]
pub fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.collect();
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Between which two values the mean lies in 95 of 100 samples of the queries: the percentile bootstrap of Efron
/// (<https://doi.org/10.1214/aos/1176344552>). The same values give the same interval.
pub fn interval(values: &[f64]) -> (f64, f64) {
    if values.is_empty() {
        return (0.0, 0.0);
    }
    let mut state = 7u64;
    let mut drawn = || {
        // Knuth's multiplier; the high bits are the good ones.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).map_or(0, |drawn| drawn % values.len())
    };
    let mut means: Vec<f64> = (0..SAMPLES).map(|_| mean((0..values.len()).map(|_| values[drawn()]))).collect();
    means.sort_by(f64::total_cmp);
    (means[SAMPLES * 25 / 1_000], means[SAMPLES * 975 / 1_000 - 1])
}

/// Normalised discounted cumulative gain with linear gains. Source: Järvelin and Kekäläinen, TOIS 2002.
fn ndcg_at(ranking: &[&str], gains: &HashMap<String, f64>) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "ranks up to ten")]
    let discount = |rank: usize| (rank as f64 + 2.0).log2();
    let found: f64 =
        ranking.iter().take(DEPTH).enumerate().map(|(rank, id)| gains.get(*id).unwrap_or(&0.0) / discount(rank)).sum();
    let mut best: Vec<f64> = gains.values().copied().collect();
    best.sort_by(|one, other| other.total_cmp(one));
    let ideal: f64 = best.iter().take(DEPTH).enumerate().map(|(rank, gain)| gain / discount(rank)).sum();
    if ideal > 0.0 { found / ideal } else { 0.0 }
}

#[expect(clippy::cast_precision_loss, reason = "a few documents")]
fn recall_at(ranking: &[&str], gains: &HashMap<String, f64>) -> f64 {
    let relevant: HashSet<&str> = gains.iter().filter(|(_, gain)| **gain > 0.0).map(|(id, _)| id.as_str()).collect();
    let found = ranking.iter().take(DEPTH).filter(|id| relevant.contains(*id)).count();
    found as f64 / relevant.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gains_are_discounted_and_normalised() {
        let gains = HashMap::from([("a".to_owned(), 1.0), ("b".to_owned(), 1.0)]);
        assert!((ndcg_at(&["a", "b"], &gains) - 1.0).abs() < 1e-12);
        let expected = (1.0 / 3f64.log2()) / (1.0 + 1.0 / 3f64.log2());
        assert!((ndcg_at(&["x", "a"], &gains) - expected).abs() < 1e-12);
        assert!((recall_at(&["x", "a"], &gains) - 0.5).abs() < 1e-12);
    }

    #[test]
    fn an_interval_lies_around_the_mean_and_is_narrower_for_more_queries() {
        let values: Vec<f64> = (0..100).map(|number| f64::from(number % 2)).collect();
        let (low, high) = interval(&values);
        assert!(low > 0.38 && low < 0.5 && high > 0.5 && high < 0.62, "{low} {high}");
        let (few_low, few_high) = interval(&values[..10]);
        assert!(few_high - few_low > high - low);
        assert_eq!(interval(&values), (low, high));
        assert_eq!((interval(&[]), interval(&[0.5])), ((0.0, 0.0), (0.5, 0.5)));
    }
}
