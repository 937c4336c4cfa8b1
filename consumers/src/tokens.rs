//! How many cl100k tokens a slice of a text has, in constant time.
//!
//! A splitter asks for the size of overlapping slices again and again. Tokenising each anew costs
//! four times as much as all the rest (52 ms against 12 ms per 100 KB in workerd), so the text is
//! tokenised once and a slice's size is the number of tokens that begin inside it.

use std::sync::OnceLock;

use text_splitter::ChunkSizer;
use tiktoken_rs::{CoreBPE, cl100k_base_singleton};

/// Tokens are sought in pieces no longer than this: one endless word would cost the square of its length.
const PIECE_BYTES: usize = 512;

/// A text's token starts.
#[derive(Debug)]
pub struct TokenCounts<'a> {
    text: &'a str,
    /// `before[i]`: tokens that begin before byte `i`.
    before: Vec<u32>,
}

impl<'a> TokenCounts<'a> {
    /// Tokenises a text once.
    pub fn new(text: &'a str) -> Self {
        let vocabulary = cl100k_base_singleton();
        let lengths = token_lengths(vocabulary);
        let mut before = vec![0u32; text.len() + 1];
        let mut at = 0;
        for piece in pieces(text) {
            for token in vocabulary.encode_ordinary(piece) {
                if let Some(start) = before.get_mut(at + 1) {
                    *start = 1;
                }
                at += usize::from(lengths.get(token as usize).copied().unwrap_or(1));
            }
        }
        let mut total = 0;
        for count in &mut before {
            total += *count;
            *count = total;
        }
        Self { text, before }
    }

    /// Tokens that begin in this byte range.
    pub fn count(&self, start: usize, end: usize) -> usize {
        let at = |offset: usize| self.before.get(offset).copied().unwrap_or(0);
        at(end).saturating_sub(at(start)) as usize
    }
}

/// Tokens of a whole text.
pub fn count(text: &str) -> usize {
    pieces(text).map(|piece| cl100k_base_singleton().encode_ordinary(piece).len()).sum()
}

impl ChunkSizer for TokenCounts<'_> {
    /// `chunk` is always a slice of the text, so that its address tells its place.
    fn size(&self, chunk: &str) -> usize {
        let start = (chunk.as_ptr() as usize).wrapping_sub(self.text.as_ptr() as usize);
        debug_assert!(start + chunk.len() <= self.text.len(), "a slice of another text");
        self.count(start, start + chunk.len())
    }
}

/// Loads the vocabulary. Costs 170 ms in workerd, so it is done while the isolate starts.
pub fn warm() {
    token_lengths(cl100k_base_singleton());
}

/// Each token's length in bytes, by rank.
fn token_lengths(vocabulary: &CoreBPE) -> &'static [u16] {
    /// cl100k's ranks run to 100,255. <https://github.com/openai/tiktoken/blob/main/tiktoken_ext/openai_public.py>
    const RANKS: u32 = 100_256;
    static LENGTHS: OnceLock<Vec<u16>> = OnceLock::new();
    LENGTHS.get_or_init(|| {
        (0..RANKS)
            .map(|rank| vocabulary.decode_bytes(&[rank]).map_or(1, |bytes| u16::try_from(bytes.len()).unwrap_or(1)))
            .collect()
    })
}

/// The text cut after a white-space character wherever a piece would grow beyond [`PIECE_BYTES`]
/// without one; ordinary text is cut at line ends only.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (piece, after) = rest.split_at(piece_end(rest));
        rest = after;
        Some(piece)
    })
}

fn piece_end(text: &str) -> usize {
    let mut run = 0;
    for (offset, character) in text.char_indices() {
        run = if character.is_alphanumeric() == previous_kind(text, offset) { run + character.len_utf8() } else { 0 };
        if run >= PIECE_BYTES {
            return offset + character.len_utf8();
        }
    }
    text.len()
}

/// Whether the character before `offset` is alphanumeric: a word ends where the kind changes.
fn previous_kind(text: &str, offset: usize) -> bool {
    text[..offset].chars().next_back().is_some_and(char::is_alphanumeric)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_whole_text_counts_as_the_tokenizer_counts_it() {
        let text = include_str!("../../ARCHITECTURE.md");
        let counts = TokenCounts::new(text);
        assert_eq!(counts.count(0, text.len()), cl100k_base_singleton().encode_ordinary(text).len());
    }

    #[test]
    fn an_endless_word_is_cut() {
        let text = "a".repeat(100_000);
        assert!(pieces(&text).all(|piece| piece.len() <= PIECE_BYTES + 1));
        assert!(TokenCounts::new(&text).count(0, text.len()) > 1_000);
    }

    proptest! {
        #[test]
        fn pieces_join_to_the_text(text in "(\\PC|[a-z]{300}|\\s{300}){0,10}") {
            prop_assert_eq!(pieces(&text).collect::<String>(), text);
        }

        #[test]
        fn counts_add_up(text in "\\PC{0,200}", cut in 0usize..200) {
            let cut = cut.min(text.len());
            let counts = TokenCounts::new(&text);
            prop_assert_eq!(counts.count(0, cut) + counts.count(cut, text.len()), counts.count(0, text.len()));
        }
    }
}
