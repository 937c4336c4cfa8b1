//! Texts as people read them: what of two texts looks the same, and what has nothing to be seen.

use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::{CodePointSetData, props::DefaultIgnorableCodePoint};

/// A soft hyphen, and spaces without width. Other characters that are not seen themselves change what is: they join
/// letters or emoji, or choose a form of them.
const WITHOUT_WIDTH: [char; 4] = ['\u{ad}', '\u{200b}', '\u{2060}', '\u{feff}'];

/// The same for texts that differ in case, in white space, or in how their characters are encoded (Unicode's NFC).
/// Signs, digits and emoji stay: "C" is not "C++", nor is -5 the same as 5.
pub fn normal_form(text: &str) -> String {
    let composer = ComposingNormalizerBorrowed::new_nfc();
    let seen: String = text.chars().filter(|character| !WITHOUT_WIDTH.contains(character)).collect();
    // Composed again: a capital letter may become two characters.
    let lower = composer.normalize(&seen).to_lowercase();
    let composed = composer.normalize(&lower);
    composed.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// True if a text holds a character that is seen.
pub fn is_seen(text: &str) -> bool {
    let ignorable = CodePointSetData::new::<DefaultIgnorableCodePoint>();
    text.chars()
        .any(|character| !(character.is_whitespace() || character.is_control() || ignorable.contains(character)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_white_space_and_encoding_make_no_difference() {
        for (one, other) in [
            ("Ada drinks TEA", "ada  drinks\n tea "),
            ("caf\u{e9}", "cafe\u{301}"),
            ("\u{130}zmir", "I\u{307}zmir"),
            ("Ada\u{a0}drinks\u{3000}tea", "Ada drinks tea"),
            ("Ada drinks\u{200b} t\u{ad}ea\u{feff}", "Ada drinks tea"),
        ] {
            assert_eq!(normal_form(one), normal_form(other));
        }
    }

    #[test]
    fn signs_digits_and_emoji_do() {
        for (one, other) in [
            ("C", "C++"),
            ("-5", "5"),
            ("9:30", "930"),
            ("resume", "r\u{e9}sum\u{e9}"),
            ("\u{1f34e}", "\u{1f350}"),
            ("\u{1f468}\u{200d}\u{1f467}", "\u{1f468}\u{1f467}"),
            ("\u{0e21}\u{0e32}", "\u{0e21}\u{0e49}\u{0e32}"),
        ] {
            assert_ne!(normal_form(one), normal_form(other));
        }
    }

    #[test]
    fn what_has_no_width_is_not_seen() {
        for nothing in
            ["", " \t", "\u{200b}\u{200d}\u{2060}", "\u{feff}\u{ad}", "\u{202e}\u{fe0f}", "\u{3164}", "\0\u{7f}"]
        {
            assert!(!is_seen(nothing), "{nothing:?}");
        }
        for something in ["a", "\u{200b}.", "\u{1f34e}", "\u{e21}"] {
            assert!(is_seen(something), "{something:?}");
        }
    }
}
