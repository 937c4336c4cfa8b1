//! Counts tokens as cl100k does, exactly, without its regular expressions and without anything to load.
//!
//! A text is cut into words by a scanner of cl100k's pre-tokenizer ([`words`]). Most words are tokens, which a static
//! perfect hash knows ([`vocabulary`]); the others are put together from bytes ([`merges`]). The tables come from
//! tiktoken-rs at build time, and tests compare every result with it.

mod classes;
mod hash;
mod merges;
mod vocabulary;
mod words;

/// Tokens of a text.
pub fn count(text: &str) -> usize {
    let mut count = 0;
    for_each_start(text, |_| count += 1);
    count
}

/// Calls `visit` with the byte at which each token begins, in order. A token may begin inside of a character.
pub fn for_each_start(text: &str, mut visit: impl FnMut(usize)) {
    let text = text.as_bytes();
    let mut start = 0;
    while start < text.len() {
        start = visit_word(text, start, &mut visit);
    }
}

/// The same for the word that begins at `start`; where it ends.
#[inline]
fn visit_word(text: &[u8], start: usize, visit: &mut impl FnMut(usize)) -> usize {
    let end = words::word_end(text, start);
    if vocabulary::rank(text, start, end).is_some() {
        visit(start);
    } else {
        merges::for_each_start(text, start, end, visit);
    }
    end
}

/// Tokens that a text has at least: one for each word, more for a word that is longer than any token. What counts so
/// needs no vocabulary, which is a megabyte.
pub fn least(text: &str) -> usize {
    let text = text.as_bytes();
    let (mut start, mut least) = (0, 0);
    while start < text.len() {
        let end = words::word_end(text, start);
        least += (end - start).div_ceil(vocabulary::MAX_BYTES);
        start = end;
    }
    least
}

/// The beginning of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Beginning {
    /// Its bytes.
    pub bytes: usize,
    /// Its tokens.
    pub tokens: usize,
}

/// As much of a text as has at most so many tokens: all of it if it has no more, otherwise to the end of a token that
/// white space does not end with. What is beyond is not looked at, however long it is.
///
/// Where a token ends nothing is joined, so that what stands before it has the same tokens without what follows;
/// white space alone is cut into words by what follows it.
pub fn beginning(text: &str, most: usize) -> Beginning {
    let mut fits = Beginning::default();
    let (mut start, mut tokens) = (0, 0);
    while start < text.len() {
        start = visit_word(text.as_bytes(), start, &mut |at| {
            let is_end = text.get(..at).is_some_and(|before| !before.ends_with(char::is_whitespace));
            if tokens <= most && is_end {
                fits = Beginning { bytes: at, tokens };
            }
            tokens += 1;
        });
        if tokens > most {
            return fits;
        }
    }
    Beginning { bytes: start, tokens }
}
