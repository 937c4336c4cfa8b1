//! Passwords and tokens where a protocol has its place for them.

use std::ops::Range;

use data_encoding::BASE64;

use super::{
    randomness,
    rules::{self, ANY, is_of},
};

/// Bytes of the longest name and password.
const LONGEST: usize = 256;
/// Bytes of the longest host that is looked at.
const LONGEST_HOST: usize = 100;
/// Bytes of the longest token.
const LONGEST_TOKEN: usize = 2_000;
/// Bytes of the shortest token.
const SHORTEST_TOKEN: usize = 20;

/// The password in the URL whose authority begins here.
pub fn in_url(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    let is_part = |byte: &&u8| byte.is_ascii_graphic() && !b"@/,\"'`\\<>{}()[]".contains(*byte);
    let end = start + bytes.get(start..)?.iter().take(LONGEST).take_while(is_part).count();
    if bytes.get(end) != Some(&b'@') || is_nobodys(bytes.get(end + 1..)?) {
        return None;
    }
    password(bytes, start..end)
}

/// The password behind an option such as curl's `-u`.
pub fn in_option(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    let start = start + usize::from(matches!(bytes.get(start), Some(b'"' | b'\'')));
    let is_part = |byte: &&u8| byte.is_ascii_graphic() && !b"\"'`\\<>{}()/".contains(*byte);
    let end = start + bytes.get(start..)?.iter().take(LONGEST).take_while(is_part).count();
    let password = password(bytes, start..end)?;
    // Without a user it is no password: `sort -u :x1`.
    (password.start > start + 1).then_some(password)
}

/// The password of `user:password`, if it is one.
fn password(bytes: &[u8], both: Range<usize>) -> Option<Range<usize>> {
    let colon = bytes.get(both.clone())?.iter().position(|byte| *byte == b':')?;
    let range = both.start + colon + 1..both.end;
    let (user, password) = (bytes.get(both.start..both.start + colon)?, bytes.get(range.clone())?);
    let is_variable = password.first().is_some_and(|byte| b"$%*".contains(byte));
    (!is_variable && randomness::is_password(user, &decoded(password))).then_some(range)
}

/// What a URL says where it writes bytes as `%5B`.
fn decoded(bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    loop {
        rest = match rest {
            [] => return decoded,
            [b'%', high, low, tail @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                decoded.push((hexadecimal(*high) << 4) | hexadecimal(*low));
                tail
            }
            [byte, tail @ ..] => {
                decoded.push(*byte);
                tail
            }
        };
    }
}

/// What a hexadecimal digit stands for.
const fn hexadecimal(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

/// True for hosts that everybody has: what opens them opens nothing of anybody's.
fn is_nobodys(bytes: &[u8]) -> bool {
    let is_part = |byte: &&u8| byte.is_ascii_alphanumeric() || b".-_".contains(*byte);
    let length = bytes.iter().take(LONGEST_HOST).take_while(is_part).count();
    let host = bytes.get(..length).unwrap_or_default().to_ascii_lowercase();
    matches!(host.as_slice(), b"localhost" | b"0.0.0.0" | b"host" | b"hostname")
        || host.starts_with(b"127.")
        || host.windows(7).any(|part| part == b"example")
}

/// The token behind `Bearer`.
pub fn bearer(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    let rest = bytes.get(start..)?;
    let length = rest.iter().take(LONGEST_TOKEN).take_while(|byte| is_of(**byte, ANY)).count();
    let token = rest.get(..length)?;
    let token = token.get(..token.iter().rposition(|byte| *byte != b'.')? + 1)?;
    let is_one = token.len() >= SHORTEST_TOKEN && randomness::is_random(token);
    is_one.then(|| start..start + token.len())
}

/// What stands behind `Basic`, if it is a name and a password.
pub fn basic(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    let rest = bytes.get(start..)?;
    let length = rest.iter().take(LONGEST).take_while(|byte| is_of(**byte, rules::BASE64) || **byte == b'=').count();
    let both = BASE64.decode(rest.get(..length)?).ok()?;
    let is_text = both.iter().all(u8::is_ascii_graphic);
    (is_text && password(&both, 0..both.len()).is_some()).then_some(start..start + length)
}
