//! One document, an array of them, or an object that holds the array: split at the outermost elements, which
//! are parsed one by one afterwards. So a range is looked through byte by byte, but only for where values end.

use pipeline::job::cursors::{Inside, Nesting, Outermost, Place};

use super::found::{End, Piece, Split, Window};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// The field that holds the documents, as it is written.
const DOCUMENTS: &[u8] = b"\"documents\"";
const ENDS_TOO_EARLY: &str = "the upload ends inside of it";

pub(super) fn split(inside: &mut Inside, window: Window<'_>, most: usize) -> Split {
    let mut next = 0;
    if matches!(inside.place, Place::Behind | Place::End) {
        return behind(inside, window, 0, Vec::new());
    }
    if let Some(nesting) = inside.skipped.take() {
        match skip(nesting, window.bytes) {
            Ok(end) => {
                next = end;
                inside.place = Place::Between;
            }
            Err(nesting) => {
                inside.skipped = Some(nesting);
                let end = if window.is_last { broken(ENDS_TOO_EARLY) } else { End::More };
                return Split::at(window.bytes.len(), end, Vec::new());
            }
        }
    }
    if inside.place == Place::Begin {
        match begin(window) {
            Begin::Elements(outermost, at) => {
                next = at;
                inside.place = Place::First;
                inside.outermost = outermost;
            }
            Begin::Alone => return alone(inside, window),
            Begin::CutOff => return cut_off(window),
            Begin::Broken(why) => return Split::at(0, End::Broken(why), Vec::new()),
        }
    }
    elements(inside, window, next, most)
}

fn broken(why: &str) -> End {
    End::Broken(why.to_owned())
}

/// What an upload begins with.
enum Begin {
    /// Elements of what it is, from here on.
    Elements(Outermost, usize),
    /// It is one document.
    Alone,
    /// The range ends before that is clear.
    CutOff,
    /// Neither.
    Broken(String),
}

/// Looks for the first element: of the outermost array, or of the one under `documents`.
fn begin(window: Window<'_>) -> Begin {
    let bytes = window.bytes;
    let is_mark_cut_off = bytes.len() < BYTE_ORDER_MARK.len() && BYTE_ORDER_MARK.starts_with(bytes);
    if is_mark_cut_off {
        return Begin::CutOff;
    }
    let mut at = blank(bytes, if bytes.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 });
    match bytes.get(at) {
        Some(b'[') => return Begin::Elements(Outermost::Array, at + 1),
        Some(b'{') => at += 1,
        Some(_) => return Begin::Broken("the body is neither a JSON object nor an array".to_owned()),
        None => return Begin::CutOff,
    }
    let mut other = None;
    loop {
        at = blank(bytes, at);
        match bytes.get(at) {
            Some(b',') => at += 1,
            Some(b'"') => {
                let key = &bytes[at..];
                at = match value_of_field(bytes, at) {
                    Some(Ok(value)) => value,
                    Some(Err(why)) => return Begin::Broken(why.to_owned()),
                    None => return Begin::CutOff,
                };
                if key.starts_with(DOCUMENTS) && bytes[at] == b'[' {
                    return other.map_or(Begin::Elements(Outermost::Object, at + 1), Begin::Broken);
                }
                if key.starts_with(b"\"content\"") {
                    return Begin::Alone;
                }
                let Some(end) = value_end(bytes, at, false) else { return Begin::CutOff };
                // What is null is not there.
                if bytes[at..end].trim_ascii() != b"null" {
                    other.get_or_insert_with(|| beside(key));
                }
                at = end;
            }
            // One document that lacks its content: its refusal says so.
            Some(b'}') => return Begin::Alone,
            Some(_) => return Begin::Broken("the body is not JSON: a key was expected".to_owned()),
            None => return Begin::CutOff,
        }
    }
}

/// The whole upload is one document.
fn alone(inside: &mut Inside, window: Window<'_>) -> Split {
    inside.outermost = Outermost::Document;
    if window.is_last {
        return Split::at(window.bytes.len(), End::Done, vec![Piece::Whole(0..window.bytes.len())]);
    }
    if window.is_longest {
        inside.place = Place::Between;
        return Split::at(window.bytes.len(), End::Done, vec![Piece::too_long(None)]);
    }
    Split::at(0, End::More, Vec::new())
}

/// The range ends before its first document.
fn cut_off(window: Window<'_>) -> Split {
    if window.is_last || window.is_longest {
        return Split::at(0, broken("the upload ends, or is too long, before its first document"), Vec::new());
    }
    Split::at(0, End::More, Vec::new())
}

/// Takes whole elements from `next` on.
fn elements(inside: &mut Inside, window: Window<'_>, mut next: usize, most: usize) -> Split {
    let bytes = window.bytes;
    let mut pieces = Vec::new();
    loop {
        next = blank(bytes, next);
        let Some(byte) = bytes.get(next) else {
            let end = if window.is_last { broken("the upload ends inside of its array") } else { End::More };
            return Split::at(next, end, pieces);
        };
        match (inside.place, byte) {
            (Place::Between | Place::First, b']') => {
                inside.place = Place::Behind;
                return behind(inside, window, next + 1, pieces);
            }
            (Place::Between, b',') => {
                next += 1;
                inside.place = Place::Next;
                continue;
            }
            (Place::Between, _) => return Split::at(next, broken("a comma was expected between documents"), pieces),
            (_, b',' | b']' | b'}' | b':') => return Split::at(next, broken("a document was expected"), pieces),
            _ => {}
        }
        if pieces.len() == most {
            return Split::at(next, End::More, pieces);
        }
        match value_end(bytes, next, window.is_last) {
            Some(end) => {
                pieces.push(Piece::Whole(next..end));
                next = end;
                inside.place = Place::Between;
            }
            None if window.is_last => return Split::at(next, broken(ENDS_TOO_EARLY), pieces),
            None if next == 0 && window.is_longest => {
                inside.skipped = skip(Nesting::default(), bytes).err();
                return Split::at(bytes.len(), End::More, vec![Piece::too_long(None)]);
            }
            None => return Split::at(next, End::More, pieces),
        }
    }
}

/// The array has ended, and the range goes on at `next`: an object that holds it may go on, and nothing else.
fn behind(inside: &mut Inside, window: Window<'_>, mut next: usize, pieces: Vec<Piece>) -> Split {
    let bytes = window.bytes;
    if inside.outermost == Outermost::Unknown {
        return Split::at(bytes.len(), End::Done, pieces);
    }
    if inside.outermost == Outermost::Object && inside.place == Place::Behind {
        match rest_of_object(window, next) {
            Ok(end) => {
                next = end;
                inside.place = Place::End;
            }
            Err((at, end)) => return Split::at(at, end, pieces),
        }
    }
    next = blank(bytes, next);
    let end = match next < bytes.len() {
        true => broken("something follows what holds the documents"),
        false if window.is_last => End::Done,
        false => End::More,
    };
    Split::at(next, end, pieces)
}

/// One past the object whose documents have ended; or where the range ends inside of it, or it is not right. It holds
/// nothing else: what nobody would see is not passed over in silence.
fn rest_of_object(window: Window<'_>, from: usize) -> Result<usize, (usize, End)> {
    let bytes = window.bytes;
    let ends_inside =
        |at| (at, if window.is_last { broken("the upload ends inside of its object") } else { End::More });
    let next = blank(bytes, from);
    match bytes.get(next) {
        Some(b'}') => Ok(next + 1),
        Some(b',') => {
            let field = blank(bytes, next + 1);
            match bytes.get(field) {
                Some(b'"') if bytes[field..].starts_with(DOCUMENTS) => {
                    Err((field, broken("`documents` stands in it twice: send all in one array")))
                }
                // A name that the range cuts off is told as far as it goes.
                Some(b'"') if window.is_last || window.is_longest || bytes.len() - field > DOCUMENTS.len() => {
                    Err((field, End::Broken(beside(&bytes[field..]))))
                }
                Some(b'"') | None => Err(ends_inside(next)),
                Some(_) => Err((field, broken("a field was expected"))),
            }
        }
        Some(_) => Err((next, broken("the end of the object was expected"))),
        None => Err(ends_inside(next)),
    }
}

/// What is said of a field that stands beside `documents`; `field` begins with its name.
fn beside(field: &[u8]) -> String {
    let name = field.iter().skip(1).take_while(|byte| **byte != b'"').copied().take(LONGEST_NAME).collect::<Vec<u8>>();
    let name = String::from_utf8_lossy(&name);
    format!("`{name}` stands beside `documents`: say it of each document, or leave it out")
}

/// So much is told of the name of a field.
const LONGEST_NAME: usize = 60;

/// Where the value begins of the field whose name begins at `at`; `None` if the bytes end before.
fn value_of_field(bytes: &[u8], at: usize) -> Option<Result<usize, &'static str>> {
    let colon = blank(bytes, value_end(bytes, at, false)?);
    if bytes.get(colon)? != &b':' {
        return Some(Err("a key without a value"));
    }
    let value = blank(bytes, colon + 1);
    bytes.get(value).map(|_| Ok(value))
}

/// The first byte from `at` on that is not blank.
fn blank(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(rest.len())
}

/// One past the value that begins at `at`; `None` if the bytes end before it does.
fn value_end(bytes: &[u8], at: usize, is_last: bool) -> Option<usize> {
    match bytes.get(at)? {
        b'{' | b'[' | b'"' => skip(Nesting::default(), &bytes[at..]).ok().map(|length| at + length),
        _ => {
            let rest = &bytes[at..];
            let end = rest.iter().position(|byte| matches!(byte, b',' | b']' | b'}') || byte.is_ascii_whitespace());
            end.or_else(|| is_last.then_some(rest.len())).map(|length| at + length)
        }
    }
}

/// One past the end of a value that is open, or how deep the bytes end inside of it.
fn skip(mut nesting: Nesting, bytes: &[u8]) -> Result<usize, Nesting> {
    for (at, byte) in bytes.iter().enumerate() {
        if nesting.in_string {
            match byte {
                _ if nesting.escaped => nesting.escaped = false,
                b'\\' => nesting.escaped = true,
                b'"' => nesting.in_string = false,
                _ => {}
            }
        } else {
            match byte {
                b'"' => nesting.in_string = true,
                b'{' | b'[' => nesting.depth += 1,
                b'}' | b']' => nesting.depth = nesting.depth.saturating_sub(1),
                _ => {}
            }
        }
        if !nesting.in_string && nesting.depth == 0 && matches!(byte, b'"' | b'}' | b']') {
            return Ok(at + 1);
        }
    }
    Err(nesting)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::{super::tests::read, *};
    use crate::format::Format;

    fn documents(upload: &str, length: usize) -> (Vec<String>, End) {
        read(&Format::Json, upload.as_bytes(), length, 1_000)
    }

    #[test]
    fn an_array_its_wrapping_and_a_document_alone() {
        for length in 1..60 {
            assert_eq!(documents(r#" [ {"a":"]"}, 7 ,"x" ] "#, length).0, [r#"{"a":"]"}"#, "7", r#""x""#]);
            let wrapped = documents(r#" { "documents" : [{"b":[1]},{}] } "#, length);
            assert_eq!(wrapped, (vec![r#"{"b":[1]}"#.to_owned(), "{}".to_owned()], End::Done));
            let alone = r#"{"title":"t","content":"c [ \" "}"#;
            assert_eq!(documents(alone, length), (vec![alone.to_owned()], End::Done));
            assert_eq!(documents("[]", length), (Vec::new(), End::Done));
        }
    }

    #[test]
    fn what_was_whole_stays_when_the_rest_is_broken() {
        for (upload, whole) in [
            (r#"[{"a":1},{"b":2}"#, 2),
            (r#"[{"a":1},{"b":"#, 1),
            (r#"[{"a":1}{"b":2}]"#, 1),
            (r#"[{"a":1},]"#, 1),
            (r#"{"documents":[{"a":1},"#, 1),
            (r#"[{"a":1}] []"#, 1),
            (r#"{"documents":[{"a":1}],"b":["]"]"#, 1),
            (r#"{"documents":[{"a":1}],"b":2} {}"#, 1),
            (r#"{"documents":[{"a":1}]]"#, 1),
            (r#"{"documents":[{"a":1}],"more":[1],"documents":[{"b":2}]}"#, 1),
            (r#"{"documents":[{"a":1}],"more":7}"#, 1),
            (r#"{"documents":[{"a":1}],"content":"lost"}"#, 1),
            (r#"{"documents":[{"a":1}],}"#, 1),
            (r#"{"tags":["x"],"documents":[{"a":1}]}"#, 0),
            ("hello", 0),
            ("", 0),
        ] {
            for length in 1..20 {
                let (documents, end) = documents(upload, length);
                assert_eq!(documents.len(), whole, "{upload} in ranges of {length}");
                assert!(matches!(end, End::Broken(_)), "{upload}: {end:?}");
            }
        }
    }

    #[test]
    fn a_document_that_is_too_long_is_left_out_alone() {
        let long = format!(r#"[{{"a":1}},{{"b":"{}\"]"}},{{"c":3}}]"#, "x".repeat(100));
        let (documents, end) = read(&Format::Json, long.as_bytes(), 8, 32);
        assert_eq!(
            (documents, end),
            ([r#"{"a":1}"#, "too long None", r#"{"c":3}"#].map(str::to_owned).to_vec(), End::Done)
        );
    }

    proptest! {
        #[test]
        fn wherever_ranges_end_the_elements_are_the_same(
            texts in prop::collection::vec("[\\[\\]{},:\"\\\\ a\u{e9}]{0,12}", 0..8),
            length in 1usize..80,
            wrapped: bool,
        ) {
            let elements: Vec<Value> = texts.iter().map(|text| json!({ "content": text })).collect();
            let array = serde_json::to_string_pretty(&elements).unwrap();
            let wrapping = |array| format!(r#"{{ "documents" : {array} }}"#);
            let upload = if wrapped { wrapping(array) } else { array };
            let (documents, end) = documents(&upload, length);
            let read: Vec<Value> = documents.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
            prop_assert_eq!((read, end), (elements, End::Done));
        }

        #[test]
        fn no_bytes_make_it_panic_or_stand_still(
            upload in prop::collection::vec(prop::sample::select(b"[]{},:\"\\ a".to_vec()), 0..60),
            length in 1usize..70,
        ) {
            let _ = read(&Format::Json, &upload, length, 100);
        }
    }
}
