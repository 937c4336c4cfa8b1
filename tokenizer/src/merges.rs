//! Byte pair encoding of a word that is no token: of all neighbours whose bytes together are a token, the pair of the
//! lowest rank is joined, the leftmost of equals, until there is none.

use std::{cmp::Reverse, collections::BinaryHeap};

use crate::vocabulary;

/// Bytes of a word whose parts fit the bits of a number. The others are rare.
const SHORT: usize = 64;
/// The rank of what is no token: higher than any.
const NONE: u32 = u32::MAX;

/// Calls `visit` with the place where each token of the word `text[start..end]` begins.
#[inline]
pub fn for_each_start(text: &[u8], start: usize, end: usize, visit: &mut impl FnMut(usize)) {
    if end - start <= SHORT {
        let mut parts = short(text, start, end - start);
        while parts != 0 {
            visit(start + parts.trailing_zeros() as usize);
            parts &= parts - 1;
        }
    } else {
        let parts = long(text, start, end);
        let mut at = 0;
        while let Some(part) = parts.get(at) {
            visit(start + at);
            at = part.end;
        }
    }
}

/// The parts of a word: a bit is set where one begins. Finding the lowest rank costs a look at each byte.
fn short(text: &[u8], start: usize, length: usize) -> u64 {
    let mut parts = u64::MAX >> (SHORT - length);
    // Of the token that a part and the next would be.
    let mut ranks = [NONE; SHORT];
    let joined = |parts: u64, at: usize| -> u32 {
        let next = after(parts, at);
        if next == SHORT {
            return NONE;
        }
        rank(text, start + at, start + after(parts, next).min(length))
    };
    for (at, rank) in ranks.iter_mut().enumerate().take(length) {
        *rank = joined(parts, at);
    }
    loop {
        let (at, lowest) = lowest(&ranks[..length]);
        if lowest == NONE {
            return parts;
        }
        let next = after(parts, at);
        parts &= !(1 << next);
        ranks[next] = NONE;
        ranks[at] = joined(parts, at);
        let before = parts & ((1 << at) - 1);
        if before != 0 {
            let previous = SHORT - 1 - before.leading_zeros() as usize;
            ranks[previous] = joined(parts, previous);
        }
    }
}

/// The first bit that is set after `at`, or the number of bits.
#[inline]
fn after(parts: u64, at: usize) -> usize {
    (parts & (u64::MAX << at << 1)).trailing_zeros() as usize
}

#[inline]
fn lowest(ranks: &[u32]) -> (usize, u32) {
    let mut found = (0, NONE);
    for (at, rank) in ranks.iter().enumerate() {
        if *rank < found.1 {
            found = (at, *rank);
        }
    }
    found
}

#[inline]
fn rank(text: &[u8], start: usize, end: usize) -> u32 {
    vocabulary::rank(text, start, end).unwrap_or(NONE)
}

/// A part of a long word, at the place of its first byte.
struct Part {
    previous: usize,
    end: usize,
    /// Of the token that it and the next would be.
    rank: u32,
}

/// The parts of a long word. A heap finds the lowest rank: one endless word costs little more than its length.
fn long(text: &[u8], start: usize, end: usize) -> Vec<Part> {
    let part = |at: usize| Part {
        previous: at.saturating_sub(1),
        end: at + 1,
        rank: if start + at + 1 < end { rank(text, start + at, start + at + 2) } else { NONE },
    };
    let mut parts: Vec<Part> = (0..end - start).map(part).collect();
    let pairs = parts.iter().enumerate().filter(|(_, part)| part.rank != NONE);
    let mut queue: BinaryHeap<_> = pairs.map(|(at, part)| Reverse((part.rank, at))).collect();
    while let Some(Reverse((lowest, at))) = queue.pop() {
        // Either part has been joined to another meanwhile.
        if parts[at].rank != lowest {
            continue;
        }
        let next = parts[at].end;
        let next_end = parts[next].end;
        parts[next].rank = NONE;
        parts[at].end = next_end;
        if let Some(following) = parts.get_mut(next_end) {
            following.previous = at;
        }
        for changed in [at, parts[at].previous] {
            let joined = parts.get(parts[changed].end).map(|next| next.end);
            let rank = joined.map_or(NONE, |end| rank(text, start + changed, start + end));
            if rank != NONE && rank != parts[changed].rank {
                queue.push(Reverse((rank, changed)));
            }
            parts[changed].rank = rank;
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_heap(word: &[u8]) -> Vec<usize> {
        let parts = long(word, 0, word.len());
        std::iter::successors(Some(0), |at| Some(parts[*at].end).filter(|end| *end < word.len())).collect()
    }

    fn by_bits(word: &[u8]) -> Vec<usize> {
        let parts = short(word, 0, word.len());
        (0..word.len()).filter(|at| parts >> at & 1 == 1).collect()
    }

    #[test]
    fn both_ways_agree_where_both_apply() {
        for length in 1..=SHORT {
            for step in 1..40 {
                let word: Vec<u8> = (0..length).map(|place| b"etaoinsrhldcumfpgwybvkxjqz"[place * step % 26]).collect();
                assert_eq!(by_bits(&word), by_heap(&word), "{}", String::from_utf8_lossy(&word));
            }
        }
    }
}
