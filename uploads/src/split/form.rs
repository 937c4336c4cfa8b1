//! Files of a form, between its boundaries. A piece is a part with its headers; whether it is a file is seen when
//! it is read.

use memchr::memmem;
use pipeline::job::cursors::{Inside, Nesting, Place};

use super::found::{End, Piece, Split, Window};

pub(super) fn split(boundary: &str, inside: &mut Inside, window: Window<'_>, most: usize) -> Split {
    let bytes = window.bytes;
    let delimiter = format!("\r\n--{boundary}");
    if inside.place == Place::Behind {
        return behind(window, Vec::new());
    }
    let mut next = 0;
    if inside.place == Place::Begin {
        // The first boundary may stand at the very begin, without a line before it.
        let opening = delimiter.trim_start();
        match memmem::find(bytes, opening.as_bytes()) {
            Some(at) => next = at + opening.len(),
            None if window.is_last || window.is_longest => {
                return Split::at(0, End::Broken("the body does not hold its boundary".to_owned()), Vec::new());
            }
            None => return Split::at(0, End::More, Vec::new()),
        }
        inside.place = Place::Between;
    } else if inside.skipped.is_some() {
        let Some(at) = memmem::find(bytes, delimiter.as_bytes()) else {
            // The range may end inside of a boundary: its last bytes are looked at again.
            let next = if window.is_last { bytes.len() } else { bytes.len().saturating_sub(delimiter.len() - 1) };
            let end = if window.is_last { broken() } else { End::More };
            return Split::at(next, end, Vec::new());
        };
        inside.skipped = None;
        inside.place = Place::Between;
        next = at + delimiter.len();
    }
    parts(&delimiter, inside, window, next, most)
}

/// What follows the last boundary is to be ignored: RFC 2046, 5.1.1.
fn behind(window: Window<'_>, pieces: Vec<Piece>) -> Split {
    Split::at(window.bytes.len(), if window.is_last { End::Done } else { End::More }, pieces)
}

const NO_BOUNDARY: &str = "a line of a part begins as the boundary does; choose another boundary";

/// True if this is what follows a boundary: the end of its line, or `--`. `None` if that is not seen so far.
fn is_boundary(after: &[u8], window: Window<'_>) -> Option<bool> {
    if after.starts_with(b"--") {
        return Some(true);
    }
    if let Some(line) = memchr::memchr(b'\n', after) {
        return Some(after[..line].iter().all(u8::is_ascii_whitespace));
    }
    let may_be = after.iter().all(u8::is_ascii_whitespace) || after == b"-";
    if may_be && !window.is_last && !window.is_longest { None } else { Some(may_be) }
}

fn broken() -> End {
    End::Broken("the upload ends inside of a part".to_owned())
}

/// Takes whole parts from `next` on.
fn parts(delimiter: &str, inside: &mut Inside, window: Window<'_>, mut next: usize, most: usize) -> Split {
    let bytes = window.bytes;
    let mut pieces = Vec::new();
    loop {
        let rest = bytes.get(next..).unwrap_or_default();
        if inside.place == Place::Between {
            if rest.starts_with(b"--") {
                inside.place = Place::Behind;
                return behind(window, pieces);
            }
            let Some(line) = memchr::memchr(b'\n', rest) else {
                let end = match window {
                    Window { is_last: true, .. } => broken(),
                    Window { is_longest: true, .. } if next == 0 => {
                        End::Broken("a line is expected to end behind a boundary".to_owned())
                    }
                    _ => End::More,
                };
                return Split::at(next, end, pieces);
            };
            next += line + 1;
            inside.place = Place::Next;
            continue;
        }
        if pieces.len() == most {
            return Split::at(next, End::More, pieces);
        }
        let found = memmem::find(rest, delimiter.as_bytes());
        let follows = found.map(|length| is_boundary(&rest[length + delimiter.len()..], window));
        match found {
            Some(length) if follows == Some(Some(false)) => {
                return Split::at(next + length, End::Broken(NO_BOUNDARY.to_owned()), pieces);
            }
            // What follows it stands behind the range.
            Some(_) if follows == Some(None) => return Split::at(next, End::More, pieces),
            Some(length) => {
                pieces.push(Piece::Whole(next..next + length));
                next += length + delimiter.len();
                inside.place = Place::Between;
            }
            None if window.is_last => return Split::at(next, broken(), pieces),
            None if next == 0 && window.is_longest => {
                inside.skipped = Some(Nesting::default());
                let next = bytes.len().saturating_sub(delimiter.len() - 1);
                return Split::at(next, End::More, vec![Piece::too_long(None)]);
            }
            None => return Split::at(next, End::More, pieces),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::tests::read, *};
    use crate::format::Format;

    fn form(parts: &[String]) -> String {
        let mut form = String::new();
        for part in parts {
            form.extend(["--X\r\n", part, "\r\n"]);
        }
        form + "--X--\r\n"
    }

    fn documents(upload: &str, length: usize, longest: usize) -> (Vec<String>, End) {
        read(&Format::Form { boundary: "X".to_owned() }, upload.as_bytes(), length, longest)
    }

    #[test]
    fn a_form_without_its_end_keeps_the_parts_before() {
        let upload = form(&["a: b\r\n\r\none".to_owned(), "a: b\r\n\r\ntwo".to_owned()]);
        let (parts, end) = documents(&upload[..upload.len() - 9], 10, 100);
        assert_eq!((parts.len(), end), (1, broken()));
        assert!(matches!(documents("nothing of the kind", 5, 100).1, End::Broken(_)));
    }

    #[test]
    fn a_line_that_begins_as_the_boundary_does_ends_it_there_and_cuts_no_part() {
        let upload = form(&["a\r\n\r\n1".to_owned(), "b\r\n\r\nhalf\r\n--Xtra line\r\nhalf".to_owned()]);
        for length in [6, 17, 30, 100] {
            let (parts, end) = documents(&upload, length, 200);
            assert_eq!(parts, ["a\r\n\r\n1"], "ranges of {length}");
            assert_eq!(end, End::Broken(NO_BOUNDARY.to_owned()));
        }
        let spaced = form(&["a\r\n\r\n1".to_owned()]).replace("--X\r\n", "--X \t\r\n");
        assert_eq!(documents(&spaced, 6, 200).1, End::Done);
    }

    #[test]
    fn a_part_that_is_too_long_is_left_out_alone() {
        let upload = form(&["a\r\n\r\n1".to_owned(), "x".repeat(100), "b\r\n\r\n2".to_owned()]);
        let (parts, end) = documents(&upload, 8, 32);
        assert_eq!(
            (parts, end),
            (["a\r\n\r\n1", "too long None", "b\r\n\r\n2"].map(str::to_owned).to_vec(), End::Done)
        );
    }

    proptest! {
        #[test]
        fn wherever_ranges_end_the_parts_are_the_same(
            parts in prop::collection::vec("[a\\-\r\n:]{0,20}", 0..6), length in 1usize..60,
        ) {
            let parts: Vec<String> = parts.into_iter().map(|part| format!("h: v\r\n\r\n{part}")).collect();
            prop_assert_eq!(documents(&form(&parts), length, 200), (parts, End::Done));
        }
    }
}
