//! Words and phrases in a text, in lower case.

use std::sync::OnceLock;

/// Phrases that are looked for as whole words.
///
/// A list is cut up once, when it is first asked for: dozens of lists are held against each of the clauses of a long
/// message, within the ten milliseconds of CPU that an invocation has.
pub(super) struct Phrases {
    list: &'static str,
    index: OnceLock<Index>,
}

/// The phrases with the hashes of their first words. Most words of a text begin none of them, which two masks tell
/// sooner: of the bytes that phrases begin with, and of the hashes' last seven bits.
struct Index {
    by_first_word: Vec<(u32, &'static str)>,
    first_bytes: u128,
    hashes: u128,
}

impl Phrases {
    /// Phrases in lower case that are separated by `|`.
    pub(super) const fn new(list: &'static str) -> Self {
        Self { list, index: OnceLock::new() }
    }

    fn index(&self) -> &Index {
        self.index.get_or_init(|| {
            let mut index = Index { by_first_word: Vec::new(), first_bytes: 0, hashes: 0 };
            for part in self.list.split('|') {
                let hash = hash(first_word(part));
                index.by_first_word.push((hash, part));
                index.first_bytes |= first_byte(part);
                index.hashes |= 1 << (hash & 127);
            }
            index
        })
    }

    /// Those that a text begins with, as whole words.
    pub(super) fn leading<'a>(&'a self, text: &'a str) -> impl Iterator<Item = &'static str> + 'a {
        let index = self.index();
        let sought = if first_byte(text) & index.first_bytes == 0 { None } else { Some(hash(first_word(text))) };
        let sought = sought.filter(|hash| 1 << (hash & 127) & index.hashes != 0);
        let phrases = sought.map_or(&[][..], |_| &index.by_first_word);
        phrases.iter().filter(move |(hash, part)| Some(*hash) == sought && is_first(text, part)).map(|(_, part)| *part)
    }
}

/// The word that a text begins with, or the character that is part of none.
fn first_word(text: &str) -> &str {
    let end = text.find(|letter| !is_of_word(letter)).unwrap_or(text.len());
    let one = text.chars().next().map_or(0, char::len_utf8);
    &text[..end.max(one)]
}

fn first_byte(text: &str) -> u128 {
    text.bytes().next().map_or(0, |byte| 1 << (byte & 127))
}

/// FNV-1a.
fn hash(word: &str) -> u32 {
    word.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// In lower case as far as beginnings are concerned: places stay the same.
pub(super) fn lowered(clause: &str) -> String {
    clause.to_ascii_lowercase()
}

/// True if a text begins with another, in whatever case.
pub(super) fn begins_as(text: &str, beginning: &str) -> bool {
    text.get(..beginning.len()).is_some_and(|text| text.eq_ignore_ascii_case(beginning))
}

/// True if a text holds one of these, as whole words.
pub(super) fn holds(lower: &str, phrases: &Phrases) -> bool {
    let mut is_end = true;
    let begins = |(_, letter): &(usize, char)| std::mem::replace(&mut is_end, !is_of_word(*letter)) && *letter != ' ';
    lower.char_indices().filter(begins).any(|(at, _)| phrases.leading(&lower[at..]).next().is_some())
}

/// True if a text begins with one of these, as whole words.
pub(super) fn begins(rest: &str, phrases: &Phrases) -> bool {
    phrases.leading(rest.trim_start()).next().is_some()
}

fn is_first(text: &str, part: &str) -> bool {
    text.strip_prefix(part).is_some_and(|rest| !rest.starts_with(is_of_word))
}

fn is_of_word(letter: char) -> bool {
    letter.is_alphanumeric() || "'_-".contains(letter)
}

pub(super) fn words(lower: &str) -> impl Iterator<Item = &str> {
    lower.split_whitespace().map(|word| word.trim_matches(|letter: char| ".,:;!()`\"".contains(letter)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    static LIST: Phrases = Phrases::new("we|we need|don't|/s|first,|é|requirements:|a-b|b");

    /// What is meant, at any length of time.
    fn holds_one(lower: &str) -> bool {
        let is_start = |at: &usize| {
            lower.is_char_boundary(*at) && !lower[..*at].ends_with(is_of_word) && !lower[*at..].starts_with(' ')
        };
        (0..lower.len()).filter(is_start).any(|at| LIST.list.split('|').any(|part| is_first(&lower[at..], part)))
    }

    #[test]
    fn phrases_are_whole_words() {
        for held in ["we", "so we need it", "oh /s", "first, we", "don't", "caf é", "the requirements: a", "(a-b)"] {
            assert!(holds(held, &LIST), "{held}");
        }
        for other in ["west", "don'ts", "/so", "first we-", "café", "requirements", "a-bc", ""] {
            assert!(!holds(other, &LIST), "{other}");
        }
        assert_eq!(LIST.leading("we need tea").collect::<Vec<_>>(), ["we", "we need"]);
    }

    proptest! {
        #[test]
        fn a_phrase_is_found_wherever_it_stands(text in "(we|need|don't|/s|first|,|é|requirements|:|a|-|b| |x){0,12}") {
            prop_assert_eq!(holds(&text, &LIST), holds_one(&text));
        }
    }
}
