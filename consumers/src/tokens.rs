//! How many cl100k tokens a slice of a text has, in constant time.
//!
//! A splitter asks for the size of overlapping slices again and again. Tokenising each anew would cost several times
//! as much as all the rest, so the text is tokenised once and a slice's size is the number of tokens that begin in it.

use text_splitter::ChunkSizer;
pub use tokenizer::{Beginning, beginning};

/// Measures the beginning of a text that has at most so many tokens: [`beginning`], or in tests something simpler.
pub type Measure<'a> = &'a dyn Fn(&str, usize) -> Beginning;

/// A text's token starts.
#[derive(Debug)]
pub struct TokenCounts<'a> {
    text: &'a str,
    /// A bit for each byte: whether a token begins there.
    starts: Vec<u64>,
    /// Tokens that begin before each of these numbers.
    before: Vec<usize>,
}

/// Bytes of a text that one number describes.
const BITS: usize = u64::BITS as usize;

impl<'a> TokenCounts<'a> {
    /// Tokenises a text once.
    pub fn new(text: &'a str) -> Self {
        let mut starts = vec![0u64; text.len() / BITS + 1];
        tokenizer::for_each_start(text, |at| {
            if let Some(bits) = starts.get_mut(at / BITS) {
                *bits |= 1 << (at % BITS);
            }
        });
        let mut total = 0;
        let count = |bits: &u64| {
            let before = total;
            total += bits.count_ones() as usize;
            before
        };
        let before = starts.iter().map(count).collect();
        Self { text, starts, before }
    }

    /// Tokens that begin in this byte range.
    pub fn count(&self, start: usize, end: usize) -> usize {
        self.count_before(end).saturating_sub(self.count_before(start))
    }

    fn count_before(&self, at: usize) -> usize {
        let (Some(bits), Some(before)) = (self.starts.get(at / BITS), self.before.get(at / BITS)) else { return 0 };
        before + (bits & ((1 << (at % BITS)) - 1)).count_ones() as usize
    }
}

impl ChunkSizer for TokenCounts<'_> {
    /// `chunk` is always a slice of the text, so that its address gives its place.
    fn size(&self, chunk: &str) -> usize {
        let start = (chunk.as_ptr() as usize).wrapping_sub(self.text.as_ptr() as usize);
        debug_assert!(start + chunk.len() <= self.text.len(), "a slice of another text");
        self.count(start, start + chunk.len())
    }
}

/// Measures a text in words.
#[cfg(test)]
pub fn words(text: &str, most: usize) -> Beginning {
    let mut beginning = Beginning::default();
    for word in text.split_whitespace() {
        if beginning.tokens == most {
            return beginning;
        }
        beginning =
            Beginning { bytes: word.as_ptr().addr() + word.len() - text.as_ptr().addr(), tokens: beginning.tokens + 1 };
    }
    Beginning { bytes: text.len(), ..beginning }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokenizer::count;

    use super::*;

    #[test]
    fn a_text_has_as_many_tokens_as_begin_in_it() {
        let text = include_str!("../../ARCHITECTURE.md");
        let counts = TokenCounts::new(text);
        assert_eq!(counts.count(0, text.len()), count(text));
        let mut starts = Vec::new();
        tokenizer::for_each_start(text, |at| starts.push(at));
        for (place, start) in starts.into_iter().enumerate() {
            assert_eq!((counts.count(0, start), counts.count(start, start + 1)), (place, 1));
        }
    }

    proptest! {
        #[test]
        fn counts_add_up(text in "\\PC{0,200}", cut in 0usize..200) {
            let cut = cut.min(text.len());
            let counts = TokenCounts::new(&text);
            prop_assert_eq!(counts.count(0, cut) + counts.count(cut, text.len()), counts.count(0, text.len()));
        }
    }
}
