//! Hashes of small things: what makes two of them the same.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

/// Hex SHA-256 of the parts, each told from the next by its length.
pub fn of(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    HEXLOWER.encode(&hash.finalize())
}
