//! Hashes of small things: what makes two of them the same.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

/// Hex SHA-256 of the parts, each separated from the next by its length.
pub fn of(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    HEXLOWER.encode(&hash.finalize())
}

/// Hex SHA-256 of a text's words: case, punctuation and spacing make no difference.
pub fn of_words(text: &str) -> String {
    let lower = text.to_lowercase();
    let words: Vec<&str> =
        lower.split(|character: char| !character.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    of(&[words.join(" ").as_bytes()])
}
