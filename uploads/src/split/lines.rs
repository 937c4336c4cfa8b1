//! A document in each line.

use pipeline::job::cursors::{Inside, Nesting};

use super::found::{End, Piece, Split, Window};

pub(super) fn split(inside: &mut Inside, window: Window<'_>, most: usize) -> Split {
    let mut next = 0;
    if inside.skipped.is_some() {
        let Some(end) = memchr::memchr(b'\n', window.bytes) else {
            return Split::at(window.bytes.len(), if window.is_last { End::Done } else { End::More }, Vec::new());
        };
        inside.skipped = None;
        next = end + 1;
    }
    let mut pieces = Vec::new();
    while pieces.len() < most && next < window.bytes.len() {
        let rest = &window.bytes[next..];
        let end = match memchr::memchr(b'\n', rest) {
            Some(end) => end,
            None if window.is_last => rest.len(),
            None => break,
        };
        if !rest[..end].trim_ascii().is_empty() {
            pieces.push(Piece::Whole(next..next + end));
        }
        next = (next + end + 1).min(window.bytes.len());
    }
    if window.is_last && next == window.bytes.len() {
        return Split::at(next, End::Done, pieces);
    }
    if next == 0 && window.is_longest {
        inside.skipped = Some(Nesting::default());
        return Split::at(window.bytes.len(), End::More, vec![Piece::too_long(None)]);
    }
    Split::at(next, End::More, pieces)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::tests::read, *};
    use crate::format::Format;

    #[test]
    fn a_line_that_is_too_long_is_left_out_alone() {
        let upload = format!("a\n{}\nb\nlast", "x".repeat(100));
        let (documents, end) = read(&Format::Lines, upload.as_bytes(), 8, 32);
        assert_eq!((documents, end), (["a", "too long None", "b", "last"].map(str::to_owned).to_vec(), End::Done));
    }

    proptest! {
        #[test]
        fn wherever_ranges_end_the_lines_are_the_same(upload in "[a-c\\n ]{0,60}", length in 1usize..70) {
            let expected: Vec<String> =
                upload.split('\n').filter(|line| !line.trim().is_empty()).map(str::to_owned).collect();
            prop_assert_eq!(read(&Format::Lines, upload.as_bytes(), length, 100), (expected, End::Done));
        }
    }
}
