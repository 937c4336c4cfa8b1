//! Counts word pieces as the BERT uncased tokenizer makes them, which bge-small and `MiniLM` share.
//!
//! The model reads 512 pieces and drops the rest without a word, so windows must be cut by this
//! count and not by another vocabulary's. Only the count is needed, so the vocabulary is here as
//! fingerprints: the upper 44 bits of the 64-bit FNV-1a hash of each of its 30,522 entries in UTF-8
//! (vocab.txt of bert-base-uncased, Apache-2.0), which a word that is none of them shares once in
//! 500 million look-ups. `bert_uncased.fingerprints` has how many begin with each of the 4,096 values
//! of the upper 12 bits, a byte each, then the lower 32 bits of all, sorted, little endian; a test of
//! `local/models` writes it, and holds the counts against the tokenizer's.

use std::{ops::RangeInclusive, sync::OnceLock};

const FINGERPRINTS: &[u8] = include_bytes!("bert_uncased.fingerprints");
/// Groups of fingerprints, by their upper bits.
const GROUPS: usize = 1 << 12;
/// The longest entry of the vocabulary, in characters.
const LONGEST: usize = 18;
/// What Latin, Greek and Cyrillic letters carry, and the tokenizer takes away. Marks of other scripts count.
const ACCENTS: RangeInclusive<char> = '\u{300}'..='\u{36f}';
/// Vowels of Indic scripts that are written in two parts, and what else is taken apart into two characters.
const TWO_PARTS: [RangeInclusive<char>; 10] = [
    '\u{9cb}'..='\u{9cc}',
    '\u{b4b}'..='\u{b4c}',
    '\u{b94}'..='\u{b94}',
    '\u{bca}'..='\u{bcc}',
    '\u{ccb}'..='\u{ccb}',
    '\u{d4a}'..='\u{d4c}',
    '\u{ddc}'..='\u{dde}',
    '\u{1b06}'..='\u{1b12}',
    '\u{1b40}'..='\u{1b41}',
    '\u{11000}'..='\u{11fff}',
];
/// Longer words are one unknown piece. <https://github.com/google-research/bert/blob/master/tokenization.py>
const LONGEST_WORD: usize = 100;
const SLOTS: usize = 1 << 16;

/// A word, a punctuation character or an ideograph, with its number of pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    /// First byte in the text.
    pub start: usize,
    /// Pieces it makes.
    pub pieces: usize,
}

/// The words of a text, in order.
pub fn words(text: &str) -> Vec<Word> {
    let mut words = Vec::with_capacity(text.len() / 5);
    let mut start = None;
    for (offset, character) in text.char_indices() {
        // Most of every text.
        if character.is_ascii_alphanumeric() {
            start.get_or_insert(offset);
            continue;
        }
        let alone = is_punctuation(character) || is_ideograph(character);
        let between = is_between(character);
        if alone || between {
            end_word(text, start.take(), offset, &mut words);
        }
        if alone {
            words.push(Word { start: offset, pieces: 1 });
        } else if !between && start.is_none() {
            start = Some(offset);
        }
    }
    end_word(text, start, text.len(), &mut words);
    words
}

/// Word pieces of a text, special tokens not included.
pub fn count(text: &str) -> usize {
    words(text).iter().map(|word| word.pieces).sum()
}

fn end_word(text: &str, start: Option<usize>, end: usize, words: &mut Vec<Word>) {
    if let Some(start) = start {
        words.push(Word { start, pieces: pieces(&text[start..end]) });
    }
}

/// Pieces of one word: the longest entry that begins it, then the longest that goes on, and so on.
fn pieces(word: &str) -> usize {
    if !word.bytes().all(|byte| byte.is_ascii_graphic()) {
        return most_pieces(word);
    }
    let word = word.as_bytes();
    if word.len() > LONGEST_WORD {
        return 1;
    }
    let mut pieces = 0;
    let mut at = 0;
    while at < word.len() {
        let Some(length) = longest_entry(&word[at..], at > 0) else { return 1 };
        at += length;
        pieces += 1;
    }
    pieces
}

/// One piece for each character that the tokenizer makes of the word, which is never too few: what it takes away or
/// sets apart besides (control characters, marks, rare punctuation) stands in larger tables than a count is worth.
fn most_pieces(word: &str) -> usize {
    let is_of_run =
        |character: char| character.is_alphanumeric() || ACCENTS.contains(&character) || is_symbol(character);
    let runs = word.split(|character| !is_of_run(character));
    let of_runs = runs.map(|run| run.chars().map(parts).sum::<usize>().min(LONGEST_WORD));
    let of_others = word.chars().filter(|character| !is_of_run(*character)).map(parts);
    of_runs.chain(of_others).sum()
}

/// How many characters one is taken apart into (Unicode's NFD), without accents.
fn parts(character: char) -> usize {
    match character {
        '\0'..'\u{300}' => 1,
        // A syllable has two letters or three.
        '\u{ac00}'..='\u{d7a3}' => 2 + usize::from(!(u32::from(character) - 0xac00).is_multiple_of(28)),
        // Notes have heads, stems and flags.
        '\u{1d15e}'..='\u{1d1c0}' => 3,
        _ if ACCENTS.contains(&character) => 0,
        _ => 1 + usize::from(TWO_PARTS.iter().any(|range| range.contains(&character))),
    }
}

fn longest_entry(word: &[u8], goes_on: bool) -> Option<usize> {
    let mut hash = FNV_OFFSET;
    if goes_on {
        hash = fnv(fnv(hash, b'#'), b'#');
    }
    // Of every beginning; they are looked up from the longest on, for most words are entries.
    let mut hashes = [0; LONGEST];
    let length = word.len().min(LONGEST);
    for (byte, of_beginning) in word.iter().zip(&mut hashes) {
        hash = fnv(hash, byte.to_ascii_lowercase());
        *of_beginning = hash;
    }
    hashes[..length].iter().rposition(|hash| is_entry(*hash)).map(|place| place + 1)
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;

fn fnv(hash: u64, byte: u8) -> u64 {
    (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME)
}

/// The 44 bits that are kept of an entry's hash.
const fn fingerprint(hash: u64) -> u64 {
    hash >> 20
}

fn is_entry(hash: u64) -> bool {
    let (table, sought) = (table(), fingerprint(hash));
    let mut slot = slot(sought);
    loop {
        match table.get(slot) {
            Some(entry) if *entry == sought => return true,
            Some(0) | None => return false,
            Some(_) => slot = (slot + 1) % SLOTS,
        }
    }
}

/// Fibonacci hashing: the lower bits alone know little of a word's last letters, and crowd.
#[expect(clippy::cast_possible_truncation, reason = "a slot has 16 bits")]
const fn slot(fingerprint: u64) -> usize {
    (fingerprint.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - SLOTS.trailing_zeros())) as usize
}

/// An open-addressing table of the fingerprints; 0 is none of them and marks a free slot.
fn table() -> &'static [u64] {
    static TABLE: OnceLock<Vec<u64>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut table = vec![0u64; SLOTS];
        for entry in entries() {
            let mut slot = slot(entry);
            while table[slot] != 0 {
                slot = (slot + 1) % SLOTS;
            }
            table[slot] = entry;
        }
        table
    })
}

/// The fingerprints of the vocabulary.
fn entries() -> impl Iterator<Item = u64> {
    let (sizes, lower) = FINGERPRINTS.split_at(GROUPS);
    let upper = (0..).zip(sizes).flat_map(|(upper, size)| std::iter::repeat_n(upper, usize::from(*size)));
    let lower = lower.chunks_exact(4).map(|bytes| bytes.try_into().map_or(0, u32::from_le_bytes));
    upper.zip(lower).map(|(upper, lower): (u64, u32)| upper << 32 | u64::from(lower))
}

/// The file of fingerprints of a vocabulary.
pub fn file_of_fingerprints<'a>(vocabulary: impl Iterator<Item = &'a str>) -> Vec<u8> {
    let of = |entry: &str| fingerprint(entry.bytes().fold(FNV_OFFSET, fnv));
    let entries: std::collections::BTreeSet<u64> = vocabulary.map(of).collect();
    let mut sizes = vec![0_u8; GROUPS];
    let mut lower = Vec::with_capacity(entries.len() * 4);
    for entry in entries {
        let group = entry.to_le_bytes();
        sizes[usize::from(u16::from_le_bytes([group[4], group[5]]))] += 1;
        lower.extend(&group[..4]);
    }
    [sizes, lower].concat()
}

/// White space. Other control characters are taken away, and what stands around them is one word.
fn is_between(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r') || (character.is_whitespace() && !character.is_control())
}

/// Arrows, frames, dingbats and emoji: none of them is punctuation, so that a long row of them is one word.
fn is_symbol(character: char) -> bool {
    matches!(character, '\u{2190}'..='\u{2307}' | '\u{2400}'..='\u{2767}' | '\u{2794}'..='\u{27bf}'
        | '\u{2800}'..='\u{28ff}' | '\u{2b00}'..='\u{2bff}' | '\u{1f000}'..='\u{1faff}')
}

/// BERT's punctuation: every ASCII symbol, and Unicode's punctuation (the common blocks of it).
fn is_punctuation(character: char) -> bool {
    character.is_ascii_punctuation()
        || matches!(character, '\u{a1}' | '\u{a7}' | '\u{ab}' | '\u{b6}' | '\u{b7}' | '\u{bb}' | '\u{bf}'
            | '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{2043}' | '\u{2045}'..='\u{205e}'
            | '\u{3001}'..='\u{3003}' | '\u{3008}'..='\u{3011}'
            | '\u{ff01}'..='\u{ff0f}')
}

/// BERT's CJK blocks: each character stands alone.
fn is_ideograph(character: char) -> bool {
    matches!(character, '\u{4e00}'..='\u{9fff}' | '\u{3400}'..='\u{4dbf}' | '\u{20000}'..='\u{2ebef}'
        | '\u{f900}'..='\u{faff}' | '\u{2f800}'..='\u{2fa1f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_words() {
        // As the reference tokenizer splits them: em ##bed ##ding ##s; token ##ization; http ##ser ##ver.
        for (text, pieces) in [("the", 1), ("embeddings", 4), ("Tokenization!", 3), ("a_b", 3), ("", 0), ("日本", 2)]
        {
            assert_eq!(count(text), pieces, "{text}");
        }
        assert_eq!(count(&"x".repeat(101)), 1);
        // A row of signs is one word, and a word is never longer.
        assert_eq!(count(&"\u{2500}".repeat(600)), LONGEST_WORD);
        // Five syllables of Hangul are thirteen letters; an accent is none.
        assert_eq!((count("\u{c804}\u{d1b5}\u{bb38}\u{d654}\u{c758}"), count("na\u{ef}ve")), (13, 5));
    }

    #[test]
    fn every_fingerprint_is_found() {
        assert_eq!(entries().count(), 30_522);
        assert!(is_entry("the".bytes().fold(FNV_OFFSET, fnv)));
        assert!(!is_entry("qqqqqqq".bytes().fold(FNV_OFFSET, fnv)));
    }
}
