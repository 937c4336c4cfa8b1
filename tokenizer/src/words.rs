//! cl100k's pre-tokenizer: where a text is cut into words before tokens are sought in each.
//!
//! It is defined by a regular expression, whose alternatives are tried in order at the end of the last word:
//!
//! 1. `'(?i:[sdmt]|ll|ve|re)`: an English contraction;
//! 2. `[^\r\n\p{L}\p{N}]?+\p{L}++`: letters, and one character before them that is no digit or line end;
//! 3. `\p{N}{1,3}+`: up to three digits;
//! 4. ` ?[^\s\p{L}\p{N}]++[\r\n]*+`: symbols, a space before and line ends after them;
//! 5. `\s++$`: white space at the end of the text;
//! 6. `\s*[\r\n]`: white space up to its last line end;
//! 7. `\s+(?!\S)`: white space but for its last character, which belongs to the next word;
//! 8. `\s`: one such character, where the next word cannot have it.
//!
//! The class of the first character, and for some that of the second, decides which alternative it is; each is then
//! one walk over the text. Nothing is walked over more than twice.

use crate::classes::{Class, class_at};

/// Where the word ends that begins at `start`, which is not the end of the text.
#[inline]
pub fn word_end(text: &[u8], start: usize) -> usize {
    let (class, next) = class_at(text, start);
    match class {
        Class::Letter => letters(text, next),
        Class::Number => numbers(text, next),
        Class::Space => after_space(text, start, next),
        Class::Newline => white_space(text, start),
        Class::Other => after_symbol(text, start, next),
        Class::End => start,
    }
}

/// The word that begins with white space, which may belong to what follows it.
#[inline]
fn after_space(text: &[u8], start: usize, next: usize) -> usize {
    match class_at(text, next) {
        (Class::Letter, second) => letters(text, second),
        (Class::Other, second) if text.get(start) == Some(&b' ') => symbols(text, second),
        _ => white_space(text, start),
    }
}

#[inline]
fn after_symbol(text: &[u8], start: usize, next: usize) -> usize {
    if let Some(end) = contraction(text, start, next) {
        return end;
    }
    match class_at(text, next) {
        (Class::Letter, second) => letters(text, second),
        _ => symbols(text, next),
    }
}

/// The end of a contraction. `ſ` is an `s` to an expression that ignores case.
fn contraction(text: &[u8], start: usize, next: usize) -> Option<usize> {
    if text.get(start) != Some(&b'\'') {
        return None;
    }
    let second = text.get(next + 1).map(u8::to_ascii_lowercase);
    match (text.get(next)?.to_ascii_lowercase(), second) {
        (b's' | b'd' | b'm' | b't', _) => Some(next + 1),
        (b'l', Some(b'l')) | (b'v' | b'r', Some(b'e')) | (0xC5, Some(0xBF)) => Some(next + 2),
        _ => None,
    }
}

#[inline]
fn letters(text: &[u8], start: usize) -> usize {
    run(text, start, Class::Letter)
}

#[inline]
fn numbers(text: &[u8], start: usize) -> usize {
    let mut end = start;
    for _ in 0..2 {
        match class_at(text, end) {
            (Class::Number, next) => end = next,
            _ => break,
        }
    }
    end
}

#[inline]
fn symbols(text: &[u8], start: usize) -> usize {
    run(text, run(text, start, Class::Other), Class::Newline)
}

/// Where the characters of this class end.
#[inline]
fn run(text: &[u8], start: usize, wanted: Class) -> usize {
    let mut end = start;
    loop {
        match class_at(text, end) {
            (class, next) if class == wanted => end = next,
            _ => return end,
        }
    }
}

fn white_space(text: &[u8], start: usize) -> usize {
    let mut line_end = None;
    let mut last = start;
    let mut end = start;
    loop {
        let (class, next) = class_at(text, end);
        match class {
            Class::Newline => line_end = Some(next),
            Class::Space => {}
            Class::End => return end,
            _ => break,
        }
        last = end;
        end = next;
    }
    line_end.unwrap_or(if last > start { last } else { end })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<&str> {
        let mut words = Vec::new();
        let mut start = 0;
        while start < text.len() {
            let end = word_end(text.as_bytes(), start);
            words.push(&text[start..end]);
            start = end;
        }
        words
    }

    #[test]
    fn a_word_has_the_character_before_it() {
        assert_eq!(
            words("The\tquick (brown) fox\u{3000}漢字"),
            ["The", "\tquick", " (", "brown", ")", " fox", "\u{3000}漢字"]
        );
    }

    #[test]
    fn contractions_are_words_whatever_their_case() {
        assert_eq!(words("I'll DON'T it'ſ 'stone"), ["I", "'ll", " DON", "'T", " it", "'ſ", " '", "stone"]);
        assert_eq!(words("'stone 'lest"), ["'s", "tone", " '", "lest"]);
    }

    #[test]
    fn digits_go_by_three() {
        assert_eq!(words("12345 ½"), ["123", "45", " ", "½"]);
    }

    #[test]
    fn white_space_leaves_its_last_character_to_the_next_word() {
        assert_eq!(words("a   b"), ["a", "  ", " b"]);
        assert_eq!(words("a \n \n  b"), ["a", " \n \n", " ", " b"]);
        assert_eq!(words("a   "), ["a", "   "]);
        assert_eq!(words("a \u{a0}1"), ["a", " ", "\u{a0}", "1"]);
    }

    #[test]
    fn symbols_have_the_line_ends_after_them() {
        assert_eq!(words("x;\r\n\n  y"), ["x", ";\r\n\n", " ", " y"]);
    }
}
