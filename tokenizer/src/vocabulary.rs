//! cl100k's tokens: a perfect hash from their bytes to their ranks, in static memory.
//!
//! A key's bucket has a displacement that leads each of its keys to an entry of its own; there its bytes are compared.

use crate::hash;

/// As many as the longest token has.
pub const MAX_BYTES: usize = 128;

static BYTES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/bytes.bin"));
static ENTRIES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/entries.bin"));
static DISPLACEMENTS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/displacements.bin"));

/// The rank of the token whose bytes are `text[start..end]`, if there is one.
#[inline]
pub fn rank(text: &[u8], start: usize, end: usize) -> Option<u32> {
    let length = end - start;
    if length == 0 || length > MAX_BYTES {
        return None;
    }
    let first = eight(text, start, length);
    let mut hash = hash::mix(hash::begin(length), first);
    let mut at = start + 8;
    while at < end {
        hash = hash::mix(hash, eight(text, at, end - at));
        at += 8;
    }
    let entry = entry(hash);
    if entry >> 36 != hash::signature(length, hash) {
        return None;
    }
    let offset = (entry >> 17 & 0x7_FFFF) as usize;
    let same = eight(BYTES, offset, length) == first
        && (length <= 8 || BYTES.get(offset + 8..offset + length) == text.get(start + 8..end));
    same.then_some((entry & 0x1_FFFF) as u32)
}

#[inline]
fn entry(hash: u64) -> u64 {
    let bucket = hash::bucket(hash);
    let displacement = DISPLACEMENTS.as_chunks().0.get(bucket).map_or(0, |bytes| u16::from_le_bytes(*bytes));
    let slot = hash::slot(hash, displacement);
    // Of the eight bytes the last two are the next entry's.
    let bytes = ENTRIES.get(slot * hash::ENTRY_BYTES..).and_then(<[u8]>::first_chunk);
    bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes) & (u64::MAX >> 16))
}

/// The eight bytes at `at` as a number; those beyond `length` are zeros.
#[inline]
fn eight(text: &[u8], at: usize, length: usize) -> u64 {
    let Some(bytes) = text.get(at..).and_then(<[u8]>::first_chunk) else { return rest(text, at, length) };
    let number = u64::from_le_bytes(*bytes);
    if length >= 8 { number } else { number & !(u64::MAX << (8 * length)) }
}

/// The same where the text ends before eight bytes.
#[cold]
fn rest(text: &[u8], at: usize, length: usize) -> u64 {
    let bytes = text.iter().skip(at).take(length.min(8));
    bytes.rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use tiktoken_rs::cl100k_base_singleton;

    use super::*;

    #[test]
    fn every_token_is_found_by_its_bytes_wherever_it_lies() {
        for token in 0..100_256 {
            let mut bytes = cl100k_base_singleton().decode_bytes(&[token]).unwrap();
            let length = bytes.len();
            assert_eq!(rank(&bytes, 0, length), Some(token));
            bytes.extend(b"more than eight bytes");
            assert_eq!(rank(&bytes, 0, length), Some(token));
        }
    }

    #[test]
    fn what_is_no_token_is_not_found() {
        for text in ["", "qqqqqq", " tokenizes exactly", "\u{10FFFF}"] {
            assert_eq!(rank(text.as_bytes(), 0, text.len()), None, "{text:?}");
        }
        assert_eq!(rank(&[b' '; 200], 0, 200), None);
    }
}
