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
        let end = words::word_end(text, start);
        if vocabulary::rank(text, start, end).is_some() {
            visit(start);
        } else {
            merges::for_each_start(text, start, end, &mut visit);
        }
        start = end;
    }
}
