//! Private keys in PEM, with all that lies between their first and last line.

use std::ops::Range;

use super::{
    randomness,
    rules::{BASE64, is_of},
};

const DASHES: &[u8] = b"-----";
const END: &[u8] = b"-----END";
/// What keys are called in the line that they begin with.
const LABELS: [&[u8]; 2] = [b"PRIVATE KEY", b"PRIVATE KEY BLOCK"];
/// Bytes of the longest label.
const LONGEST_LABEL: usize = 110;
/// Bytes of the longest block: of a key of RSA with 16,384 bits it has 12,700.
const LONGEST_BLOCK: usize = 16 * 1024;
/// Bytes of what may stand between its first line and the key: versions, comments, how it is encrypted.
const LONGEST_HEADERS: usize = 500;
/// Bytes of the shortest line of a key.
const SHORTEST_LINE: usize = 40;
/// Bits that a byte of it has at least.
const LEAST_BITS: f32 = 3.5;

/// The block whose `BEGIN` lies between `start` and `end`.
pub fn range(bytes: &[u8], start: usize, end: usize) -> Option<Range<usize>> {
    let first = start.checked_sub(DASHES.len())?;
    if bytes.get(first..start)? != DASHES {
        return None;
    }
    let label = position(bytes, end..end + LONGEST_LABEL, DASHES)?;
    let words = bytes.get(end..label)?;
    let is_key =
        |name: &&[u8]| words.len() >= name.len() && words[words.len() - name.len()..].eq_ignore_ascii_case(name);
    if !LABELS.iter().any(is_key) {
        return None;
    }
    let body = label + DASHES.len();
    let last = last(bytes, body);
    let within = bytes.get(..last.unwrap_or(bytes.len()))?;
    let line = line(within, body)?;
    Some(first..last.unwrap_or(line))
}

/// Where the first line of a key ends behind these headers. A program that looks for keys has none.
fn line(bytes: &[u8], body: usize) -> Option<usize> {
    let mut start = body;
    while start < body + LONGEST_HEADERS {
        // `\n` and `\r` of a string are two characters.
        let escaped = matches!(bytes.get(start..), Some([b'\\', ..]));
        start += 2 * usize::from(escaped);
        let length = bytes.get(start..)?.iter().take(LONGEST_BLOCK).take_while(|byte| is_of(**byte, BASE64)).count();
        let line = bytes.get(start..start + length)?;
        if length >= SHORTEST_LINE && is_part_of_key(line) {
            return Some(end_of_lines(bytes, start + length));
        }
        start += length + usize::from(!matches!(bytes.get(start + length), Some(b'\\')));
    }
    None
}

fn is_part_of_key(line: &[u8]) -> bool {
    let line = line.get(..SHORTEST_LINE).unwrap_or(line);
    let has = |is: fn(&u8) -> bool| line.iter().any(is);
    has(u8::is_ascii_lowercase)
        && has(u8::is_ascii_uppercase)
        && has(u8::is_ascii_digit)
        && randomness::entropy(line) >= LEAST_BITS
        && !randomness::is_words(line)
        && !randomness::is_sample(line)
}

/// Where the line ends that says so.
fn last(bytes: &[u8], body: usize) -> Option<usize> {
    let end = position(bytes, body..body + LONGEST_BLOCK, END)? + END.len();
    Some(position(bytes, end..end + LONGEST_LABEL, DASHES)? + DASHES.len())
}

/// Of a block that is cut off, where what may belong to it ends.
fn end_of_lines(bytes: &[u8], at: usize) -> usize {
    let is_part = |byte: &&u8| is_of(**byte, BASE64) || b"=\r\n\\".contains(*byte);
    at + bytes.get(at..).unwrap_or_default().iter().take(LONGEST_BLOCK).take_while(is_part).count()
}

fn position(bytes: &[u8], within: Range<usize>, words: &[u8]) -> Option<usize> {
    let part = bytes.get(within.start..within.end.min(bytes.len()))?;
    Some(within.start + part.windows(words.len()).position(|window| window == words)?)
}
