//! Tokens with a form of their own.

use std::ops::Range;

use super::{
    randomness,
    rules::{Before, Part, SAFE, is_of},
};

/// Bits that a byte of a token has at least, by Shannon: fewer have only samples such as `ghp_xxxx…`.
const LEAST_BITS: f32 = 2.8;
/// Bytes of a token that are looked at for that.
const LOOKED_AT: usize = 400;
/// Bytes of the shortest that is looked at for words: in a short one they may be there by chance.
const TELLING_LENGTH: usize = 30;

/// The token whose beginning lies between `start` and `end`, if all of it is there.
pub fn range(
    before: Before,
    parts: &[Part],
    holds: &str,
    bytes: &[u8],
    start: usize,
    end: usize,
) -> Option<Range<usize>> {
    let first = first(before, bytes.get(..start)?)?;
    let last = last(parts, bytes, end)?;
    let body = bytes.get(end..last)?;
    if !holds.is_empty() && !body.windows(holds.len()).any(|part| part == holds.as_bytes()) {
        return None;
    }
    let looked_at = body.get(..LOOKED_AT).unwrap_or(body);
    let is_one = randomness::entropy(looked_at) >= LEAST_BITS && !is_written(looked_at);
    is_one.then_some(first..last)
}

/// True for what somebody wrote as a sample: `ghp_YourPersonalAccessToken…`.
fn is_written(body: &[u8]) -> bool {
    let is_words = body.len() >= TELLING_LENGTH && !randomness::is_hex(body) && randomness::is_words(body);
    is_words || randomness::is_sample(body)
}

/// Where a token begins whose known beginning stands behind these bytes.
fn first(before: Before, bytes: &[u8]) -> Option<usize> {
    match before {
        Before::Anything => Some(bytes.len()),
        Before::NoWord => is_word_begin(bytes).then_some(bytes.len()),
        Before::Of(classes, least, most) => {
            let count = bytes.iter().rev().take(most + 1).take_while(|byte| is_of(**byte, classes)).count();
            (least..=most).contains(&count).then(|| bytes.len() - count)
        }
    }
}

/// True if a word may begin behind these bytes: also behind an escaped line end, as JSON writes it.
fn is_word_begin(bytes: &[u8]) -> bool {
    match bytes {
        [] | [.., b'\\', b'n' | b'r' | b't'] => true,
        [.., last] => !is_of(*last, SAFE),
    }
}

/// Where a token ends whose parts begin here. One that goes on is none of these.
fn last(parts: &[Part], bytes: &[u8], start: usize) -> Option<usize> {
    let (mut end, mut classes) = (start, 0);
    for part in parts {
        let rest = bytes.get(end..)?;
        match *part {
            Part::Is(text) => {
                rest.starts_with(text.as_bytes()).then_some(())?;
                end += text.len();
            }
            Part::Of(of, least, most) => {
                let count = rest.iter().take(most).take_while(|byte| is_of(**byte, of)).count();
                (count >= least).then_some(())?;
                end += count;
                classes = of;
            }
        }
    }
    if bytes.get(end).is_some_and(|byte| is_of(*byte, classes)) {
        return None;
    }
    // A sentence ends with a dot that is no part of it.
    let dots = bytes.get(start..end)?.iter().rev().take_while(|byte| **byte == b'.').count();
    Some(end - dots)
}
