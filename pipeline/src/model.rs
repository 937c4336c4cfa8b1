//! The models that search needs: what they cost, and what they read.

use serde::Deserialize;

use crate::failure::Failure;

/// A sentence-embedding model of Workers AI.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EmbeddingModel {
    /// Its name in the catalogue.
    pub name: &'static str,
    /// Length of a vector.
    pub dimensions: usize,
    /// Word pieces it reads, its two special tokens included; it ignores what comes after.
    pub window: usize,
    /// Neurons per million input tokens.
    /// <https://developers.cloudflare.com/workers-ai/platform/pricing>/
    pub neurons_per_million_tokens: f64,
}

/// The model every vector in the index is made with.
pub const EMBEDDING: EmbeddingModel = EmbeddingModel {
    name: "@cf/baai/bge-small-en-v1.5",
    dimensions: 384,
    window: 512,
    neurons_per_million_tokens: 1_841.0,
};

impl EmbeddingModel {
    /// Neurons that embedding this many word pieces costs.
    #[expect(clippy::cast_precision_loss, reason = "token counts are far below 2^52")]
    pub fn neurons(&self, word_pieces: u64) -> f64 {
        word_pieces as f64 * self.neurons_per_million_tokens / 1e6
    }
}

/// A model of Workers AI that reads a query and a text together and says how well they fit: a cross-encoder.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RerankingModel {
    /// Its name in the catalogue.
    pub name: &'static str,
    /// Tokens that it reads of a query and a text together; it ignores what comes after.
    /// <https://github.com/FlagOpen/FlagEmbedding/issues/917>
    pub window: usize,
    /// Neurons per million input tokens.
    /// <https://developers.cloudflare.com/workers-ai/platform/pricing>/
    pub neurons_per_million_tokens: f64,
}

/// The model that searches are reranked with.
/// <https://developers.cloudflare.com/workers-ai/models/bge-reranker-base>/
pub const RERANKING: RerankingModel =
    RerankingModel { name: "@cf/baai/bge-reranker-base", window: 512, neurons_per_million_tokens: 283.0 };

/// The special tokens around a query and a text.
const SPECIAL: usize = 4;

impl RerankingModel {
    /// Neurons that reranking these texts costs at most: the model does not say what it read, and no token is shorter
    /// than a byte.
    #[expect(clippy::cast_precision_loss, reason = "token counts are far below 2^52")]
    pub fn neurons(&self, query: &str, texts: &[String]) -> f64 {
        let pairs = texts.iter().map(|text| (query.len() + text.len() + SPECIAL).min(self.window));
        pairs.sum::<usize>() as f64 * self.neurons_per_million_tokens / 1e6
    }
}

/// Reads what the reranking model answers about so many texts (JSON): the score of each, in their order.
///
/// # Errors
/// The answer does not say one number of each text, and of nothing else.
pub fn scores(answer: &str, texts: usize) -> Result<Vec<f64>, Failure> {
    #[derive(Deserialize)]
    struct Judgements {
        response: Vec<Judgement>,
    }
    #[derive(Deserialize)]
    struct Judgement {
        id: usize,
        score: f64,
    }
    let nonsense = || Failure::transient("Workers AI: the answer does not hold one score for each text");
    let Judgements { response } = serde_json::from_str(answer).map_err(|_| nonsense())?;
    let mut scores = vec![None; texts];
    for Judgement { id, score } in response {
        let place = scores.get_mut(id).filter(|place| place.is_none()).ok_or_else(nonsense)?;
        *place = Some(score);
    }
    scores.into_iter().collect::<Option<_>>().ok_or_else(nonsense)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::FailureKind;

    #[test]
    fn scores_stand_in_the_order_of_the_texts() {
        let answer = r#"{"response": [{"id": 2, "score": 0.9}, {"id": 0, "score": -3}, {"id": 1, "score": 0.1}]}"#;
        assert_eq!(scores(answer, 3).unwrap(), [-3.0, 0.1, 0.9]);
        assert_eq!(scores(r#"{"response": []}"#, 0).unwrap(), [0.0; 0]);
    }

    #[test]
    fn an_answer_that_does_not_fit_the_texts_is_none() {
        for nonsense in [
            "",
            "null",
            "{}",
            r#"{"response": null}"#,
            r#"{"response": []}"#,
            r#"{"response": [{"id": 0, "score": 1}]}"#,
            r#"{"response": [{"id": 0, "score": 1}, {"id": 0, "score": 1}]}"#,
            r#"{"response": [{"id": 0, "score": 1}, {"id": 2, "score": 1}]}"#,
            r#"{"response": [{"id": 0, "score": 1}, {"id": -1, "score": 1}]}"#,
            r#"{"response": [{"id": 0, "score": 1}, {"id": 0.5, "score": 1}]}"#,
            r#"{"response": [{"id": 0, "score": 1}, {"id": 1, "score": null}]}"#,
            r#"{"response": [{"id": 0, "score": 1}, {"id": 1, "score": "high"}]}"#,
            r#"{"response": [{"id": 0, "score": 1}, {"id": 1, "score": 1e999}]}"#,
            r#"{"response": [{"id": 0, "score": 1}, {"id": 1, "score": 1}, {"id": 1, "score": 1}]}"#,
        ] {
            assert_eq!(scores(nonsense, 2).unwrap_err().kind, FailureKind::Transient, "{nonsense}");
        }
    }

    #[test]
    fn reranking_costs_at_most_a_window_for_each_text() {
        let close = |one: f64, other: f64| (one - other).abs() < 1e-9;
        assert!(close(RERANKING.neurons("q", &[]), 0.0));
        assert!(close(RERANKING.neurons("quick", &["fox".to_owned()]), 12.0 * 283.0 / 1e6));
        assert!(close(RERANKING.neurons("quick", &vec!["fox".repeat(1_000); 20]), 20.0 * 512.0 * 283.0 / 1e6));
    }
}
