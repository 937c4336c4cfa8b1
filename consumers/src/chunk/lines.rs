//! Which lines of a document a chunk lies on: people and agents speak of lines, not of bytes.

use std::ops::Range;

/// Counts the lines of a text on the way through it.
#[derive(Debug)]
pub struct Lines<'a> {
    text: &'a str,
    /// How far it was counted.
    at: usize,
    /// The line of that byte, from 1; nothing if it is not known how many stand before the text.
    line: Option<i64>,
}

impl<'a> Lines<'a> {
    /// Of a text before which so many line ends stand, if that is known.
    pub fn after(before: Option<i64>, text: &'a str) -> Self {
        Self { text, at: 0, line: before.map(|before| before + 1) }
    }

    /// The lines of the range's first and last byte. Ranges come in order, and none is empty.
    pub fn of(&mut self, range: &Range<usize>) -> Option<(i64, i64)> {
        let first = self.line? + ends(self.text, self.at..range.start);
        let last_byte = range.end.saturating_sub(1).max(range.start);
        let last = first + ends(self.text, range.start..last_byte);
        (self.at, self.line) = (last_byte, Some(last));
        Some((first, last))
    }
}

/// The line ends in a part of a text. A carriage return alone ends none, as in git and in most editors.
pub fn ends(text: &str, range: Range<usize>) -> i64 {
    let bytes = text.as_bytes().get(range).unwrap_or_default();
    bytes.iter().map(|byte| i64::from(*byte == b'\n')).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_end_belongs_to_the_line_that_it_ends() {
        let text = "one\ntwo\r\nthree";
        let mut lines = Lines::after(Some(0), text);
        assert_eq!([lines.of(&(0..4)), lines.of(&(4..9)), lines.of(&(9..14))], [(1, 1), (2, 2), (3, 3)].map(Some));
        assert_eq!(Lines::after(Some(41), text).of(&(0..14)), Some((42, 44)));
        assert_eq!(Lines::after(None, text).of(&(0..14)), None);
    }

    proptest! {
        #[test]
        fn lines_are_those_that_an_editor_counts(
            text in "[ab\\n]{1,60}",
            cuts in prop::collection::btree_set(1usize..60, 0..6),
        ) {
            let mut bounds: Vec<usize> = cuts.into_iter().filter(|cut| *cut < text.len()).collect();
            bounds.insert(0, 0);
            bounds.push(text.len());
            let mut lines = Lines::after(Some(0), &text);
            for pair in bounds.windows(2) {
                let line_of = |byte: usize| i64::try_from(text[..byte].split('\n').count()).unwrap();
                let expected = (line_of(pair[0]), line_of(pair[1] - 1));
                prop_assert_eq!(lines.of(&(pair[0]..pair[1])), Some(expected));
            }
        }
    }
}
