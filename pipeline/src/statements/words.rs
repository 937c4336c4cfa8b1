//! Words and phrases in a text, in lower case.

/// In lower case as far as beginnings are concerned: places stay the same.
pub(super) fn lowered(clause: &str) -> String {
    clause.to_ascii_lowercase()
}

/// True if a text begins with another, in whatever case.
pub(super) fn begins_as(text: &str, beginning: &str) -> bool {
    text.get(..beginning.len()).is_some_and(|text| text.eq_ignore_ascii_case(beginning))
}

/// True if a text holds one of these, as whole words; they are separated by `|`.
pub(super) fn holds(lower: &str, parts: &str) -> bool {
    // There are many parts and few words: a part is compared where a word begins with its first letter, if any does.
    let mut is_end = true;
    let begins = |(_, letter): &(usize, char)| std::mem::replace(&mut is_end, !is_of_word(*letter)) && *letter != ' ';
    let starts: Vec<&str> = lower.char_indices().filter(begins).map(|(at, _)| &lower[at..]).collect();
    let bit = |text: &str| text.bytes().next().map_or(0, |byte| 1_u128 << (byte & 127));
    let letters = starts.iter().fold(0, |letters, text| letters | bit(text));
    parts.split('|').any(|part| bit(part) & letters != 0 && starts.iter().any(|rest| is_first(rest, part)))
}

/// True if a text begins with one of these, as whole words; they are separated by `|`.
pub(super) fn begins(rest: &str, parts: &str) -> bool {
    let rest = rest.trim_start();
    parts.split('|').any(|part| is_first(rest, part))
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
