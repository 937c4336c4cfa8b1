//! The embedding model: what it costs, what it reads, and how its cosines are weighed.

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
