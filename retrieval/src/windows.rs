//! Chunks to windows that the model can read whole, and the windows' vectors back to one per chunk.
//!
//! A chunk may have a thousand tokens; the model reads 512 word pieces. Each chunk becomes as many
//! windows of equal size as it needs, each led by the document's title. The chunk's vector is the
//! mean of its windows' weighted by their length, normalised. So has a text of a client of `/v1/embeddings`.

use pipeline::{
    budget::{ledger, purpose::Purpose},
    constants,
    failure::{Failure, FailureKind},
    ids::UserId,
    model::{EMBEDDING, EmbeddingModel},
    platform::ports::{Clock, Database, Deployment, Embedder, KeyValue, Meter},
};

use crate::word_pieces::{self, Word};

/// The two special tokens around every input.
const SPECIAL: usize = 2;
/// Pieces of the title that lead each window; more would crowd out the text.
const TITLE_PIECES: usize = 48;

/// One input of the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// What is embedded.
    pub text: String,
    /// Its word pieces, special tokens included: what the call costs, and its weight in the mean.
    pub pieces: usize,
}

/// The windows of a chunk: at least one, each within the model's reach.
pub fn windows(model: &EmbeddingModel, title: &str, text: &str) -> Vec<Window> {
    let title = shortened(title);
    let title_pieces = word_pieces::count(title);
    let words = word_pieces::words(text);
    let total: usize = words.iter().map(|word| word.pieces).sum();
    let capacity = model.window.saturating_sub(SPECIAL + title_pieces).max(1);
    // Even windows: 520 pieces are two of 260, not one of 508 and one of 12.
    let target = total.div_ceil(total.div_ceil(capacity).max(1)).max(1);
    cuts(&words, target, capacity)
        .windows(2)
        .map(|pair| {
            let (from, to) = (pair[0], pair[1]);
            let start = if from == 0 { 0 } else { words[from].start };
            let end = words.get(to).map_or(text.len(), |word| word.start);
            let pieces: usize = words[from..to].iter().map(|word| word.pieces).sum();
            let separator = if title.is_empty() { "" } else { "\n" };
            Window { text: format!("{title}{separator}{}", &text[start..end]), pieces: pieces + title_pieces + SPECIAL }
        })
        .collect()
}

/// Word indices where windows begin, the end included. A word longer than the capacity is cut short by
/// the model; no word of real text is.
fn cuts(words: &[Word], target: usize, capacity: usize) -> Vec<usize> {
    let mut cuts = vec![0];
    let mut filled = 0;
    for (index, word) in words.iter().enumerate() {
        let full = filled >= target || filled + word.pieces > capacity;
        if filled > 0 && full {
            cuts.push(index);
            filled = 0;
        }
        filled += word.pieces;
    }
    cuts.push(words.len());
    cuts
}

fn shortened(title: &str) -> &str {
    let mut pieces = 0;
    for word in word_pieces::words(title) {
        pieces += word.pieces;
        if pieces > TITLE_PIECES {
            return title[..word.start].trim_end();
        }
    }
    title
}

/// One vector for a chunk from its windows' vectors: their weighted mean, normalised to length one.
#[expect(clippy::cast_precision_loss, reason = "a window has at most 512 pieces")]
pub fn pool(vectors: &[Vec<f32>], pieces: &[usize]) -> Vec<f32> {
    let dimensions = vectors.first().map_or(0, Vec::len);
    let mut pooled = vec![0f32; dimensions];
    for (vector, weight) in vectors.iter().zip(pieces) {
        let length = norm(vector).max(f32::MIN_POSITIVE);
        for (sum, value) in pooled.iter_mut().zip(vector) {
            *sum += value / length * *weight as f32;
        }
    }
    let length = norm(&pooled).max(f32::MIN_POSITIVE);
    for value in &mut pooled {
        *value /= length;
    }
    pooled
}

fn norm(vector: &[f32]) -> f32 {
    vector.iter().map(|value| value * value).sum::<f32>().sqrt()
}

/// Texts of a call that is not made again with fewer when it fails.
const FEWEST_TEXTS: usize = 12;

/// Who pays for calls of the model.
#[derive(Clone, Copy, Debug)]
pub struct Payer<'a> {
    /// What for.
    pub purpose: Purpose,
    /// Whose share of the day it is.
    pub user: &'a UserId,
}

/// The windows' vectors, for one reading of which the caller has set neurons aside. The model takes 100 texts a call,
/// but was seen to fail on fewer long ones: a call that fails is made again with half of its texts, and so are those
/// after it. A call without an answer may have been billed, so that neurons are set aside anew before the next.
///
/// # Errors
/// What the model fails with, or [`FailureKind::Exhausted`] if the day has no neurons for another call.
pub async fn embed<P>(ports: &P, windows: &[&Window], payer: Payer<'_>) -> Result<Vec<Vec<f32>>, Failure>
where
    P: Embedder + Database + KeyValue + Deployment + Meter + Clock,
{
    let mut vectors = Vec::with_capacity(windows.len());
    let mut most = constants::TEXTS_PER_EMBEDDING_CALL;
    let mut rest = windows;
    while !rest.is_empty() {
        let (call, others) = rest.split_at(most.min(rest.len()));
        match embed_texts(ports, call).await {
            Ok(answer) => {
                vectors.extend(answer);
                rest = others;
            }
            Err(failure) if failure.kind == FailureKind::Exhausted || call.len() <= FEWEST_TEXTS => {
                return Err(failure);
            }
            Err(_) => {
                ledger::reserve(ports, payer.purpose, payer.user, EMBEDDING.neurons(pieces(call))).await?;
                most = call.len().div_ceil(2);
            }
        }
    }
    Ok(vectors)
}

fn pieces(call: &[&Window]) -> u64 {
    call.iter().map(|window| window.pieces as u64).sum()
}

/// One call.
async fn embed_texts<P: Embedder>(ports: &P, call: &[&Window]) -> Result<Vec<Vec<f32>>, Failure> {
    let texts: Vec<String> = call.iter().map(|window| window.text.clone()).collect();
    let answer = ports.embed(&EMBEDDING, &texts, pieces(call)).await?;
    if answer.len() != texts.len() || answer.iter().any(|vector| vector.len() != EMBEDDING.dimensions) {
        return Err(Failure::transient("the model's answer has the wrong shape"));
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use pipeline::model::EMBEDDING;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_short_chunk_is_one_window_with_its_title() {
        let windows = windows(&EMBEDDING, "notes.md", "hello world");
        assert_eq!(windows, [Window { text: "notes.md\nhello world".to_owned(), pieces: 2 + 3 + 2 }]);
    }

    #[test]
    fn a_long_chunk_is_even_windows() {
        let text = "word ".repeat(1_000);
        let windows = windows(&EMBEDDING, "", &text);
        assert_eq!(windows.iter().map(|window| window.pieces).collect::<Vec<_>>(), [502, 502]);
    }

    #[test]
    fn the_mean_is_weighted_and_normalised() {
        let pooled = pool(&[vec![2.0, 0.0], vec![0.0, 1.0]], &[3, 4]);
        assert!((pooled[0] - 0.6).abs() < 1e-6 && (pooled[1] - 0.8).abs() < 1e-6, "{pooled:?}");
    }

    proptest! {
        #[test]
        fn windows_cover_the_text_and_fit_the_model(
            words in prop::collection::vec("[a-zA-Z]{1,12}|\\PC{1,6}|[0-9]{1,9}|[=-]{3,40}", 0..1500),
            title in "[a-z ]{0,300}",
        ) {
            let text = words.join(" ");
            let windows = windows(&EMBEDDING, &title, &text);
            prop_assert!(!windows.is_empty());
            let head = shortened(&title).len() + usize::from(!shortened(&title).is_empty());
            let joined: String = windows.iter().map(|window| &window.text[head..]).collect();
            prop_assert_eq!(joined, text);
            for window in &windows {
                prop_assert!(window.pieces <= EMBEDDING.window);
            }
        }
    }
}
