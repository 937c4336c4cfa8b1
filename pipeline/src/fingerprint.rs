//! Hashes of small things: what makes two of them the same.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::normal_form::normal_form;

/// Hex SHA-256 of the parts, each separated from the next by its length.
pub fn of(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    HEXLOWER.encode(&hash.finalize())
}

/// Of what a memory says: two memories of the same [`normal_form`] are one.
pub fn of_memory(text: &str) -> String {
    of(&[b"memory", normal_form(text).as_bytes()])
}

/// The hashes that a memory of this text may have: of this version, and of those before it.
pub fn hashes_of_memory(text: &str) -> [String; 2] {
    [of_memory(text), of_words(text)]
}

/// As versions before 0.1.0 hashed a memory: without its punctuation and symbols, so that "C" and "C++" were one. Rows
/// keep it until the same is said again.
pub fn of_words(text: &str) -> String {
    let lower = text.to_lowercase();
    let words: Vec<&str> =
        lower.split(|character: char| !character.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    of(&[words.join(" ").as_bytes()])
}
