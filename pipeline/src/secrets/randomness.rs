//! What looks random, and what is made of words or is plainly a sample.

use super::rules::{ANY, is_of};

/// Bits that a byte of a secret without a form of its own has at least, by Shannon: as gitleaks has it.
const LEAST_BITS: f32 = 3.5;
/// Of one that is all hexadecimal, of which each has four at most.
const LEAST_BITS_OF_HEX: f32 = 3.0;
/// Of one with four kinds of characters, which may be shorter.
const LEAST_BITS_OF_MIXED: f32 = 3.1;
/// Bytes of the shortest one, of the shortest with four kinds of characters, and of the shortest hexadecimal one.
const SHORTEST: usize = 12;
const SHORTEST_MIXED: usize = 10;
const SHORTEST_HEX: usize = 32;
/// Bytes of the shortest password where nothing but a password can stand.
const SHORTEST_PASSWORD: usize = 8;
const LEAST_BITS_OF_PASSWORD: f32 = 2.5;
/// Pairs of letters that tell words from what is random.
const TELLING_PAIRS: usize = 6;

/// What stands in samples, in lower case.
const SAMPLES: [&str; 42] = [
    "example",
    "sample",
    "placeholder",
    "changeme",
    "change-me",
    "change_me",
    "replace",
    "redacted",
    "withheld",
    "dummy",
    "fake",
    "your",
    "insert",
    "todo",
    "password",
    "passwd",
    "secret",
    "hunter2",
    "letmein",
    "qwerty",
    "foobar",
    "xxxx",
    "test",
    "mock",
    "demo",
    "default",
    "getenv",
    "environ",
    "deadbeef",
    "cafebabe",
    "123456",
    "987654",
    "...",
    "1b2c3d",
    "lorem",
    "hidden",
    "invalid",
    "bogus",
    "notreal",
    "opensesame",
    "open sesame",
    // "John Doe" as the first page about JSON Web Tokens has him, in base64.
    "ikpvag4grg9lii",
];

/// Bit `b` of row `a` is set if the letters `ab` are among the 210 pairs that make up 95 % of the pairs in this
/// repository's own words. In what is random three pairs in ten are.
const PAIRS: [u32; 26] = {
    const FOLLOWERS: [&str; 26] = [
        "bcdgiklmnprstuy",
        "aejlouy",
        "aehiklortu",
        "adeios",
        "acdefglmnpqrstvwxy",
        "aeilortu",
        "eirs",
        "aeiou",
        "acdeglmnoprstvz",
        "eos",
        "eis",
        "adeilostu",
        "abeiop",
        "acdefgiknostuv",
        "bcdfklmnoprstuvw",
        "aeiloprtu",
        "u",
        "acdegikmnorstuy",
        "acehiopstuw",
        "acehiorstuy",
        "celmnprst",
        "aei",
        "aehinors",
        "t",
        "st",
        "e",
    ];
    let mut pairs = [0; 26];
    let mut first = 0;
    while first < 26 {
        let followers = FOLLOWERS[first].as_bytes();
        let mut place = 0;
        while place < followers.len() {
            pairs[first] |= 1 << (followers[place] - b'a');
            place += 1;
        }
        first += 1;
    }
    pairs
};

/// Bits for each byte, by Shannon.
#[expect(clippy::cast_precision_loss, reason = "no value is so long")]
pub fn entropy(bytes: &[u8]) -> f32 {
    if bytes.is_empty() {
        return 0.0;
    }
    let mut counts = [0_u16; 128];
    for byte in bytes {
        counts[usize::from(byte & 127)] += 1;
    }
    let length = bytes.len() as f32;
    let sum: f32 = counts.iter().filter(|count| **count > 1).map(|count| f32::from(*count)).map(|n| n * n.log2()).sum();
    length.log2() - sum / length
}

/// True for a value that nobody would write by hand, or would know: not a word, not a name, not a sample.
pub fn is_random(value: &[u8]) -> bool {
    let is_hex = is_hex(value);
    let least = match value.len() {
        SHORTEST_HEX.. if is_hex => LEAST_BITS_OF_HEX,
        SHORTEST_MIXED.. if is_mixed(value) => LEAST_BITS_OF_MIXED,
        SHORTEST.. => LEAST_BITS,
        _ => return false,
    };
    has_letters_and_digits(value)
        && entropy(value) >= least
        && (is_hex || !is_words(value))
        && !is_uuid(value)
        && !is_sample(value)
}

/// True for what is a password where one stands: shorter ones than elsewhere, but no sample and no word.
pub fn is_password(user: &[u8], password: &[u8]) -> bool {
    password.len() >= SHORTEST_PASSWORD
        && password != user
        && has_letters_and_digits(password)
        && entropy(password) >= LEAST_BITS_OF_PASSWORD
        && !is_words(password)
        && !is_sample(password)
}

/// True for hexadecimal digits, of whose letters most pairs are common ones.
pub fn is_hex(value: &[u8]) -> bool {
    value.iter().all(u8::is_ascii_hexdigit)
}

fn has_letters_and_digits(value: &[u8]) -> bool {
    value.iter().any(u8::is_ascii_digit) && value.iter().any(u8::is_ascii_alphabetic)
}

/// Small and capital letters, digits, and marks that are in no name.
fn is_mixed(value: &[u8]) -> bool {
    let has = |is: fn(&u8) -> bool| value.iter().any(is);
    has(u8::is_ascii_lowercase)
        && has(u8::is_ascii_uppercase)
        && has(u8::is_ascii_digit)
        && has(|byte| !is_of(*byte, ANY))
}

fn is_uuid(value: &[u8]) -> bool {
    let is_right = |(place, byte): (usize, &u8)| match place {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    value.len() == 36 && value.iter().enumerate().all(is_right)
}

/// True for what is made of words: seven in ten of its pairs of letters are common ones.
pub fn is_words(value: &[u8]) -> bool {
    let (mut pairs, mut common) = (0, 0);
    for pair in value.windows(2) {
        let [first, second] = [pair[0], pair[1]];
        let is_pair = first.is_ascii_alphabetic() && second.is_ascii_alphabetic();
        // In `someName` another word begins.
        if !is_pair || (first.is_ascii_lowercase() && second.is_ascii_uppercase()) {
            continue;
        }
        let [row, bit] = [first, second].map(|letter| letter.to_ascii_lowercase() - b'a');
        pairs += 1;
        common += PAIRS[usize::from(row) % PAIRS.len()] >> bit & 1;
    }
    pairs >= TELLING_PAIRS && common as usize * 10 >= pairs * 7
}

/// True for what stands in for a secret: it says so, also in `p4ssw0rd`, or counts on as `a1b2c3` does.
pub fn is_sample(value: &[u8]) -> bool {
    if counts_on(value, 1) || counts_on(value, 2) {
        return true;
    }
    let lower = String::from_utf8_lossy(value).to_ascii_lowercase();
    let read: String = lower.chars().map(as_letter).collect();
    SAMPLES.iter().any(|sample| lower.contains(sample) || read.contains(sample))
}

/// The letter that a digit or mark stands for where people write so.
const fn as_letter(character: char) -> char {
    match character {
        '0' => 'o',
        '1' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        other => other,
    }
}

/// True if a third of the bytes are followed, so many places on, by the next of the alphabet.
fn counts_on(value: &[u8], step: usize) -> bool {
    let Some(later) = value.get(step..) else { return false };
    let on = value.iter().zip(later).filter(|(byte, later)| u16::from(**byte) + 1 == u16::from(**later)).count();
    !later.is_empty() && on * 3 >= later.len()
}
