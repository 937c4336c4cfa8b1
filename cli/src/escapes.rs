//! What others wrote, as it may be shown.

use std::borrow::Cow;

/// A text without what a terminal takes for orders: escape sequences set its title, move its cursor, and write to its
/// clipboard. Of control characters lines and tabs stay; each of the others is shown to have been there.
pub fn harmless(text: &str) -> Cow<'_, str> {
    let is_order = |character: char| character.is_control() && !matches!(character, '\n' | '\t');
    if !text.contains(is_order) {
        return Cow::Borrowed(text);
    }
    let lines = text.replace("\r\n", "\n");
    Cow::Owned(lines.replace(is_order, &char::REPLACEMENT_CHARACTER.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_gives_a_terminal_no_orders() {
        assert_eq!(harmless("one\r\n\ttwo\n"), "one\r\n\ttwo\n".replace('\r', ""));
        assert_eq!(harmless("\u{1b}]52;c;bHM=\u{7}"), "\u{fffd}]52;c;bHM=\u{fffd}");
        assert_eq!(harmless("a\u{9b}2J\rb\u{8}"), "a\u{fffd}2J\u{fffd}b\u{fffd}");
    }
}
