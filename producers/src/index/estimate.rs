//! What indexing documents will cost, before it is done.

use pipeline::{limits, model::EMBEDDING};
use serde::Serialize;

use super::pack::Batch;

/// The expected cost of an upload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Estimate {
    /// Word pieces the embedding model will read.
    pub tokens: u64,
    /// Chunks.
    pub chunks: u64,
    /// Workers AI neurons.
    pub neurons: f64,
    /// Queue operations.
    pub queue_operations: u64,
}

/// Bytes per chunk of a long document: chunks are filled to 500 to 1,000 tokens of about 4 bytes.
const BYTES_PER_CHUNK: usize = 2_600;

/// Estimates from the texts and their work units.
pub fn estimate(texts: &[&[u8]], batches: &[Batch]) -> Estimate {
    let mut estimate = Estimate::default();
    for text in texts {
        let chunks = text.len().div_ceil(BYTES_PER_CHUNK) as u64;
        estimate.chunks += chunks;
        estimate.tokens += tokens(text) + 6 * chunks;
    }
    estimate.neurons = (EMBEDDING.neurons(estimate.tokens) * 100.0).round() / 100.0;
    estimate.queue_operations = batches.iter().map(messages).sum::<u64>() * limits::OPERATIONS_PER_MESSAGE;
    estimate
}

/// Messages of a batch: one per pack and slice of a pack, and one or more each for embed and upsert.
fn messages(batch: &Batch) -> u64 {
    let slices: usize = batch.iter().map(|pack| pack.bytes.div_ceil(limits::CHUNK_SLICE_BYTES)).sum();
    let bytes: usize = batch.iter().map(|pack| pack.bytes).sum();
    let rounds = bytes.div_ceil(limits::BATCH_BYTES * 5 / 4);
    (slices + 2 * rounds) as u64
}

/// Word pieces of a text, roughly, at a cost of one look at each byte: a run of letters is a piece
/// for every seven of them, a run of digits for every three, and every symbol is one.
fn tokens(text: &[u8]) -> u64 {
    let mut tokens = 0;
    let mut letters = 0u64;
    let mut digits = 0u64;
    for byte in text {
        if byte.is_ascii_alphabetic() || *byte >= 0x80 {
            letters += 1;
            continue;
        }
        tokens += letters.div_ceil(7);
        letters = 0;
        if byte.is_ascii_digit() {
            digits += 1;
            continue;
        }
        tokens += digits.div_ceil(3);
        digits = 0;
        tokens += u64::from(!byte.is_ascii_whitespace());
    }
    tokens + letters.div_ceil(7) + digits.div_ceil(3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::pack;

    #[test]
    fn words_digits_and_symbols() {
        assert_eq!(tokens(b"the quick brown-fox 12345."), 4 + 1 + 2 + 1);
    }

    #[test]
    fn operations_grow_with_text_and_not_with_files() {
        let text = vec![b'x'; 2_048];
        let texts: Vec<&[u8]> = vec![&text; 1_000];
        let estimate = estimate(&texts, &pack::plan(&[2_048; 1_000]));
        assert_eq!(estimate.chunks, 1_000);
        assert!(estimate.queue_operations < 200, "{estimate:?}");
    }
}
