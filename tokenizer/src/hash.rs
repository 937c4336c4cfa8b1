//! The hash by which the vocabulary's table is laid out: the build script fills the table, the crate reads it.

/// Entries of the table. A few more than tokens: the last tokens to be placed then find a free entry soon.
pub const SLOTS: u64 = 102_000;
/// Groups of tokens that share a displacement; four tokens in each.
pub const BUCKETS: u64 = 25_000;

const FIRST: u64 = 0x9E37_79B9_7F4A_7C15;
const SECOND: u64 = 0xD6E8_FEB8_6659_FD93;
const THIRD: u64 = 0xFF51_AFD7_ED55_8CCD;

/// The state before the first bytes of a key.
#[inline]
pub const fn begin(length: usize) -> u64 {
    (length as u64).wrapping_mul(SECOND)
}

/// The state after eight more bytes of a key; a last, shorter group is filled up with zeros.
#[inline]
pub const fn mix(state: u64, eight: u64) -> u64 {
    let product = (state ^ eight).wrapping_mul(FIRST);
    product ^ (product >> 32)
}

/// The bucket that holds a key.
#[inline]
pub const fn bucket(hash: u64) -> usize {
    (((hash >> 32) * BUCKETS) >> 32) as usize
}

/// The place of a key whose bucket has this displacement.
#[inline]
pub const fn slot(hash: u64, displacement: u16) -> usize {
    let moved = (hash ^ (displacement as u64).wrapping_mul(SECOND)).wrapping_mul(THIRD);
    (((moved >> 32) * SLOTS) >> 32) as usize
}

/// Bytes of an entry.
pub const ENTRY_BYTES: usize = 6;

/// What an entry keeps of its key's hash: most strings that are no token are known by it and their length.
#[inline]
pub const fn fingerprint(hash: u64) -> u64 {
    hash & 0x1F
}

/// The upper part of an entry, which distinguishes its own key from most others: the key's length less one (7 bits),
/// the fingerprint (5). Below it are where the key's bytes begin (19) and the rank (17).
///
/// An entry of zeros, which no token has, could be that of a single byte: each of those is a token, and has an entry of
/// its own.
#[inline]
pub const fn signature(length: usize, hash: u64) -> u64 {
    (length as u64).wrapping_sub(1) | fingerprint(hash) << 7
}
