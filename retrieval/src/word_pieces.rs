//! Counts word pieces as the BERT uncased tokenizer makes them, which bge-small and `MiniLM` share.
//!
//! The model reads 512 pieces and drops the rest without a word, so windows must be cut by this
//! count and not by another vocabulary's. Only the count is needed, so the vocabulary is here as
//! fingerprints: the 32-bit FNV-1a hash of each of its 30,522 entries in UTF-8, sorted, little
//! endian (`bert_uncased.fingerprints`, made from vocab.txt of bert-base-uncased, Apache-2.0).
//! Two strings share a fingerprint once in 140,000 look-ups; the count is then off by one.

use std::sync::OnceLock;

const FINGERPRINTS: &[u8] = include_bytes!("bert_uncased.fingerprints");
/// The longest entry of the vocabulary, in characters.
const LONGEST: usize = 18;
/// Longer words are one unknown piece. <https://github.com/google-research/bert/blob/master/tokenization.py>
const LONGEST_WORD: usize = 100;
const SLOTS: usize = 1 << 17;

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
        let between = character.is_whitespace() || character.is_control();
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
///
/// Accents would have to be stripped by Unicode's decomposition tables; a word with any character
/// beyond ASCII counts one piece a character instead, which is never too few.
fn pieces(word: &str) -> usize {
    if !word.is_ascii() {
        return word.chars().count().min(LONGEST_WORD);
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

const FNV_OFFSET: u32 = 0x811c_9dc5;

fn fnv(hash: u32, byte: u8) -> u32 {
    (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
}

fn is_entry(hash: u32) -> bool {
    let table = table();
    let mut slot = hash as usize % SLOTS;
    loop {
        match table.get(slot) {
            Some(entry) if *entry == hash => return true,
            Some(0) | None => return false,
            Some(_) => slot = (slot + 1) % SLOTS,
        }
    }
}

/// An open-addressing table of the fingerprints; 0 is none of them and marks a free slot.
fn table() -> &'static [u32] {
    static TABLE: OnceLock<Vec<u32>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut table = vec![0u32; SLOTS];
        for bytes in FINGERPRINTS.chunks_exact(4) {
            let hash = bytes.try_into().map_or(0, u32::from_le_bytes);
            let mut slot = hash as usize % SLOTS;
            while table[slot] != 0 {
                slot = (slot + 1) % SLOTS;
            }
            table[slot] = hash;
        }
        table
    })
}

/// BERT's punctuation: every ASCII symbol, and Unicode's punctuation (the common blocks of it).
fn is_punctuation(character: char) -> bool {
    character.is_ascii_punctuation()
        || matches!(character, '\u{a1}' | '\u{a7}' | '\u{ab}' | '\u{b6}' | '\u{b7}' | '\u{bb}' | '\u{bf}'
            | '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{205e}' | '\u{3001}'..='\u{3003}' | '\u{3008}'..='\u{3011}'
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
    }

    #[test]
    fn every_fingerprint_is_found() {
        assert_eq!(FINGERPRINTS.len(), 30_522 * 4);
        assert!(is_entry("the".bytes().fold(FNV_OFFSET, fnv)));
        assert!(!is_entry("qqqqqqq".bytes().fold(FNV_OFFSET, fnv)));
    }
}
