//! Scripts without spaces between words: Chinese, Japanese, Thai, Lao, Khmer, Burmese.
//!
//! To the full-text index a whole sentence in them is one word, and a dictionary of their words is larger than
//! everything else in a Worker (docs/decisions/027-no-dictionaries.md). So their letters are indexed two by two, each
//! with its neighbour, beside what the index makes of a text by itself, and are looked for two by two. The index and
//! the query use the same rules. Texts in other scripts pay a look at their bytes and are indexed as they are.

use std::ops::RangeInclusive;

/// Letters of these scripts.
const LETTERS: [RangeInclusive<char>; 19] = [
    // Han, Hiragana, Katakana.
    '\u{4e00}'..='\u{9fff}',
    '\u{3041}'..='\u{3096}',
    '\u{30a1}'..='\u{30fa}',
    '\u{30fc}'..='\u{30ff}',
    '\u{309d}'..='\u{309f}',
    '\u{3005}'..='\u{3007}',
    '\u{3400}'..='\u{4dbf}',
    '\u{f900}'..='\u{faff}',
    '\u{ff66}'..='\u{ff9f}',
    '\u{20000}'..='\u{323af}',
    // Thai, Lao.
    '\u{e01}'..='\u{e30}',
    '\u{e32}'..='\u{e33}',
    '\u{e40}'..='\u{e46}',
    '\u{e81}'..='\u{eb0}',
    '\u{eb2}'..='\u{eb3}',
    '\u{ebd}'..='\u{ec6}',
    // Burmese, Khmer.
    '\u{1000}'..='\u{102a}',
    '\u{103f}'..='\u{103f}',
    '\u{1780}'..='\u{17b3}',
];

/// Signs that stand above, below or behind a letter. The index takes them for spaces, so that no term holds one.
const SIGNS: [RangeInclusive<char>; 9] = [
    '\u{e31}'..='\u{e31}',
    '\u{e34}'..='\u{e3a}',
    '\u{e47}'..='\u{e4e}',
    '\u{eb1}'..='\u{eb1}',
    '\u{eb4}'..='\u{ebc}',
    '\u{ec8}'..='\u{ece}',
    '\u{102b}'..='\u{103e}',
    '\u{17b4}'..='\u{17d3}',
    '\u{3099}'..='\u{309a}',
];

/// True for a letter of a script without spaces.
pub fn is_letter(character: char) -> bool {
    character >= '\u{e01}' && LETTERS.iter().any(|range| range.contains(&character))
}

fn is_sign(character: char) -> bool {
    character >= '\u{e31}' && SIGNS.iter().any(|range| range.contains(&character))
}

/// True for bytes that may begin a letter of these scripts. No Latin, Greek or Cyrillic letter, no accent and no
/// typographic quotation mark has one.
fn may_begin_letter(byte: u8) -> bool {
    matches!(byte, 0xe0 | 0xe1 | 0xe3..=0xe9 | 0xef | 0xf0)
}

/// The words of a text that hold letters of these scripts, with their signs.
fn words(text: &str) -> impl Iterator<Item = &str> {
    // Most texts have none: that is all that is done for them.
    let text = if text.bytes().any(may_begin_letter) { text } else { "" };
    text.split(|character: char| !(character.is_alphanumeric() || character == '_' || is_sign(character)))
        .filter(|word| word.contains(is_letter))
}

/// What a word consists of: runs of letters of these scripts, and what stands in another between them.
fn stretches(word: &str) -> Vec<&str> {
    let mut stretches = Vec::new();
    let (mut start, mut before) = (0, None);
    for (offset, character) in word.char_indices() {
        let is_unspaced = is_letter(character) || is_sign(character);
        if before.is_some_and(|before| before != is_unspaced) {
            stretches.push(&word[start..offset]);
            start = offset;
        }
        before = Some(is_unspaced);
    }
    stretches.push(&word[start..]);
    // A sign without a letter is nothing.
    stretches.retain(|stretch| !stretch.chars().all(is_sign));
    stretches
}

/// The letters of a run, without signs; none of a stretch in another script.
fn letters(stretch: &str) -> Vec<char> {
    stretch.chars().filter(|character| is_letter(*character)).collect()
}

/// What a text is looked for by beside its words: the letters of each run two by two, a letter that stands alone, and
/// the words of other scripts that touch a run.
pub fn terms(text: &str) -> Vec<String> {
    let terms_of = |stretch: &str| match &letters(stretch)[..] {
        [] => vec![stretch.to_owned()],
        [alone] => vec![alone.to_string()],
        letters => letters.windows(2).map(String::from_iter).collect(),
    };
    words(text).flat_map(stretches).flat_map(terms_of).collect()
}

/// The letters that stand alone in a query: they are looked for as the beginning of a term.
pub fn lone_letters(text: &str) -> Vec<String> {
    let stretches = words(text).flat_map(stretches);
    stretches.map(letters).filter(|letters| letters.len() == 1).map(String::from_iter).collect()
}

/// What is indexed beside a text's words, with spaces between: all its [`terms`], and the last letter of each run, so
/// that every letter is the beginning of a term.
pub fn indexed(text: &str) -> String {
    let mut indexed = String::new();
    for stretch in words(text).flat_map(stretches) {
        let letters = letters(stretch);
        if letters.is_empty() {
            push(&mut indexed, stretch.chars());
        }
        for place in 0..letters.len() {
            push(&mut indexed, letters[place..].iter().copied().take(2));
        }
    }
    indexed
}

fn push(terms: &mut String, term: impl Iterator<Item = char>) {
    if !terms.is_empty() {
        terms.push(' ');
    }
    terms.extend(term);
}

/// A text with what is indexed beside its words.
pub fn with_indexed(text: String) -> String {
    match indexed(&text) {
        indexed if indexed.is_empty() => text,
        indexed => format!("{text} {indexed}"),
    }
}

/// True for a word that is no term of these rules but holds letters they divide: a sentence, where whole sentences
/// are words.
pub fn is_divided(word: &str) -> bool {
    word.contains(is_letter) && (word.chars().count() > 2 || !word.chars().all(is_letter))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn letters_two_by_two() {
        assert_eq!(terms("図書館は、犬"), ["図書", "書館", "館は", "犬"]);
        assert_eq!(indexed("図書館は、犬"), "図書 書館 館は は 犬");
        assert_eq!(lone_letters("図書館は、犬 x"), ["犬"]);
        assert_eq!(terms("ที่นี่"), ["ทน"], "signs are no letters, and part no word");
    }

    #[test]
    fn words_of_other_scripts_are_parted_from_the_letters_they_touch() {
        assert_eq!(terms("use Rust言語で 2024年"), ["Rust", "言語", "語で", "2024", "年"]);
        assert_eq!(indexed("Rust言語で"), "Rust 言語 語で で");
        assert!(is_divided("Rust言語") && is_divided("図書館") && !is_divided("図書") && !is_divided("library"));
    }

    #[test]
    fn other_scripts_are_indexed_as_they_are() {
        for text in ["plain words", "“Straße” — naïve…", "Библиотека", "도서관에서", "मेरा घर", "🎉 done"]
        {
            assert_eq!((terms(text).len(), indexed(text).as_str()), (0, ""), "{text}");
            assert_eq!(with_indexed(text.to_owned()), text);
        }
    }

    proptest! {
        #[test]
        fn what_a_text_is_looked_for_by_is_indexed(text in "[a-z 犬図書館のアイวาก่ิ。_]{0,30}") {
            let indexed = indexed(&text);
            let indexed: Vec<&str> = indexed.split(' ').collect();
            prop_assert!(terms(&text).iter().all(|term| indexed.contains(&term.as_str())));
            for letter in text.chars().filter(|character| is_letter(*character)) {
                prop_assert!(indexed.iter().any(|term| term.starts_with(letter)));
            }
        }
    }
}
