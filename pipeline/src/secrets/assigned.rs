//! What is assigned to a name that says it is secret: `api_key = "…"`, `"password": "…"`, `--token …`.

use std::ops::Range;

use super::{
    randomness,
    rules::{ANY, is_of},
};

/// What may stand behind such a word in a name: `SECRET_KEY_BASE`, `password_prod`. Anything else makes it a name of
/// something that is not secret: `token_count`, `password_hash`.
const TAILS: [&str; 8] = ["base", "value", "prod", "production", "staging", "dev", "live", "base64"];
/// What makes it harmless before: these are passed around in every API.
const HARMLESS: [&str; 12] = [
    "public",
    "csrf",
    "xsrf",
    "next",
    "page",
    "continuation",
    "sync",
    "consistency",
    "idempotency",
    "cancel",
    "cancellation",
    "pagination",
];
/// Bytes between a name and what assigns to it: `env["TOKEN"] || `.
const CLOSING: usize = 6;
/// Spaces before a value.
const SPACES: usize = 24;
/// Bytes of the longest value.
const LONGEST: usize = 150;
/// Bytes of the longest type between a name and what it is assigned.
const LONGEST_TYPE: usize = 40;
/// Bytes of the longest name of an option.
const LONGEST_OPTION: usize = 40;

/// The value that is assigned to the name whose telling word lies between `start` and `end`.
pub fn range(qualifiers: &[&str], bytes: &[u8], start: usize, end: usize) -> Option<Range<usize>> {
    let end = name_end(bytes, end)?;
    let before = bytes.get(..start)?;
    if !is_meant(qualifiers, before) {
        return None;
    }
    let Assignment { value, is_quoted } = assignment(bytes, end, is_option(before))?;
    let found = literal(bytes, value, is_quoted).or_else(|| literal(bytes, behind_type(bytes, value)?, is_quoted))?;
    randomness::is_random(bytes.get(found.clone())?).then_some(found)
}

const fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// Where the name ends of which a telling word ends here; `None` if it goes on and means something else.
fn name_end(bytes: &[u8], end: usize) -> Option<usize> {
    let ends = |at: usize| !bytes.get(at).copied().is_some_and(is_of_name);
    if ends(end) {
        return Some(end);
    }
    let digits = bytes.get(end..)?.iter().take(3).take_while(|byte| byte.is_ascii_digit()).count();
    if digits > 0 && ends(end + digits) {
        return Some(end + digits);
    }
    let tail = end + usize::from(matches!(bytes.get(end), Some(b'_' | b'-')));
    let is_tail = |word: &&str| {
        let there = bytes.get(tail..tail + word.len());
        there.is_some_and(|there| there.eq_ignore_ascii_case(word.as_bytes())) && ends(tail + word.len())
    };
    TAILS.iter().find(|word| is_tail(word)).map(|word| tail + word.len())
}

/// True if what stands before a telling word does not take its meaning away, or gives it one where it has none.
fn is_meant(qualifiers: &[&str], before: &[u8]) -> bool {
    let before = match before {
        [rest @ .., b'_' | b'-' | b'.' | b' '] => rest,
        _ => before,
    };
    let ends_with = |word: &&str| {
        let last = before.len().checked_sub(word.len()).and_then(|start| before.get(start..));
        last.is_some_and(|last| last.eq_ignore_ascii_case(word.as_bytes()))
    };
    if qualifiers.is_empty() { !HARMLESS.iter().any(ends_with) } else { qualifiers.iter().any(ends_with) }
}

/// True if the name whose telling word follows is an option of a program: its value needs nothing before it.
fn is_option(before: &[u8]) -> bool {
    let name = before.iter().rev().take(LONGEST_OPTION).take_while(|byte| is_of_name(**byte)).count();
    before.get(before.len() - name..).is_some_and(|name| name.starts_with(b"--"))
}

/// Something that is assigned.
struct Assignment {
    /// Where it begins.
    value: usize,
    /// It counts only within quotation marks.
    is_quoted: bool,
}

/// What assigns something to the name that ends here.
fn assignment(bytes: &[u8], end: usize, is_option: bool) -> Option<Assignment> {
    let closing = bytes.get(end..)?.iter().take(CLOSING);
    let closing = closing.take_while(|byte| b"\"'`\\[])* \t".contains(byte)).count();
    let at = end + closing;
    let between = bytes.get(end..at)?;
    let is_closed = between.iter().any(|byte| b"\"'`".contains(byte));
    let is_apart = matches!(between.last(), Some(b' ' | b'\t'));
    let (length, is_quoted) = match bytes.get(at..)? {
        [b'=', b'=', b'=', ..] | [b':', b':', b'=', ..] => (3, false),
        [b':', b':', ..] => return None,
        [b'=', b'=' | b'>' | b'~', ..] | [b':', b'=', ..] | [b'|', b'|', ..] | [b'?', b'?' | b'=', ..] => (2, false),
        [b'=' | b':' | b'>', ..] => (1, false),
        [b',', ..] if is_closed => (1, true),
        [b'i', b's', b' ' | b':', ..] if is_apart => (3, false),
        _ if is_option && is_apart => (0, false),
        _ => return None,
    };
    Some(Assignment { value: at + length, is_quoted })
}

/// Where a value begins behind the type of what it is assigned to: `: &str = "…"`.
fn behind_type(bytes: &[u8], at: usize) -> Option<usize> {
    let is_of_type = |byte: &u8| byte.is_ascii_alphanumeric() || b" _&'<>[]*".contains(byte);
    let length = bytes.get(at..)?.iter().take(LONGEST_TYPE).take_while(|byte| is_of_type(byte)).count();
    match bytes.get(at + length..)? {
        [b'=', b'=', ..] => None,
        [b'=', ..] => Some(at + length + 1),
        _ => None,
    }
}

/// The value that stands here as it is: nothing that is called, looked up or put together.
fn literal(bytes: &[u8], at: usize, is_quoted: bool) -> Option<Range<usize>> {
    let rest = bytes.get(at..)?;
    let spaces = rest.iter().take(SPACES).take_while(|byte| matches!(byte, b' ' | b'\t' | b'*')).count();
    let start = at + spaces;
    // Marks of a string's kind, as in `b"…"` and `r#"…"`, or the backslash before an escaped quotation mark.
    let start = match bytes.get(start..)? {
        [b'r', b'#', b'"', ..] => start + 2,
        [b'b' | b'r' | b'f' | b'u' | b'L' | b'@' | b'\\', b'"' | b'\'', ..] => start + 1,
        _ => start,
    };
    match *bytes.get(start)? {
        quote @ (b'"' | b'\'' | b'`') => quoted(bytes, start + 1, quote),
        _ if is_quoted => None,
        _ => bare(bytes, start),
    }
}

/// True for what a value may hold: no space, no quotation mark, nothing that other syntax is made of.
fn is_of_value(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\"'`\\<>{}()[];,".contains(&byte)
}

fn quoted(bytes: &[u8], start: usize, quote: u8) -> Option<Range<usize>> {
    let end = start + bytes.get(start..)?.iter().take(LONGEST + 1).take_while(|byte| is_of_value(**byte)).count();
    let is_closed = bytes.get(end).is_some_and(|byte| *byte == quote || *byte == b'\\');
    (is_closed && is_value(bytes, start, end)).then_some(start..end)
}

/// A value without quotation marks ends where a line, a sentence or an argument does; elsewhere it is code.
fn bare(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    let is_part = |byte: &&u8| is_of_value(**byte) && !b":&".contains(*byte);
    let rest = bytes.get(start..)?;
    let length = rest.iter().take(LONGEST + 1).take_while(is_part).count();
    let end = match rest.get(length) {
        None => true,
        Some(byte) if byte.is_ascii_whitespace() => true,
        // Marks that are in no token may be an operator as well.
        Some(byte) => b"\"'`,;&<)}|\\".contains(byte) && rest.iter().take(length).all(|byte| is_of(*byte, ANY)),
    };
    let dots = rest.get(..length)?.iter().rev().take_while(|byte| **byte == b'.').count();
    let last = start + length - dots;
    (end && is_value(bytes, start, last)).then_some(start..last)
}

fn is_value(bytes: &[u8], start: usize, end: usize) -> bool {
    // A variable, a file, a format, a reference.
    let is_other = bytes.get(start).is_some_and(|byte| b"$%@&#*!".contains(byte));
    end - start <= LONGEST && !is_other
}
