//! Files of a folder, as a tar archive holds them: a header and the file's bytes, in blocks of 512 bytes.

use std::io::Cursor;

use pipeline::{constants, problem::excerpt};
use tar::{Archive, EntryType};

use super::found::{End, Piece, Split, Window};

const BLOCK: u64 = 512;
/// More than the headers of one file take: a long name and its attributes have blocks of their own.
const HEADERS: usize = 128 * 1024;

/// An entry that stands whole in a range, or behind its end.
struct Entry {
    /// One past its last block.
    end: u64,
    size: u64,
    is_file: bool,
    name: String,
}

pub(super) fn split(window: Window<'_>, most: usize) -> Split {
    let (mut next, mut pieces) = (0, Vec::new());
    while pieces.len() < most {
        let rest = usize::try_from(next).ok().and_then(|next| window.bytes.get(next..)).unwrap_or_default();
        let entry = match entry(rest) {
            Ok(Some(entry)) => entry,
            Ok(None) => return end_of(window, rest, next, pieces),
            Err(_) if !window.is_last && rest.len() < HEADERS => break,
            Err(why) => return Split { pieces, next, end: End::Broken(why) },
        };
        let is_too_long = entry.size > constants::DOCUMENT_BYTES as u64;
        let end = next + entry.end;
        if end > window.bytes.len() as u64 && (window.is_last || !is_too_long) && entry.is_file {
            if window.is_last {
                let why = format!("the upload ends inside of {:?}", excerpt(&entry.name));
                return Split { pieces, next, end: End::Broken(why) };
            }
            break;
        }
        match (entry.is_file, usize::try_from(next).ok().zip(usize::try_from(end).ok())) {
            (true, _) if is_too_long => pieces.push(Piece::TooLong { name: Some(entry.name) }),
            (true, Some((from, to))) => pieces.push(Piece::Whole(from..to)),
            _ => {}
        }
        next = end;
        if next >= window.bytes.len() as u64 {
            break;
        }
    }
    Split { pieces, next, end: End::More }
}

/// No entry begins here: the archive ends, or the range does.
fn end_of(window: Window<'_>, rest: &[u8], next: u64, pieces: Vec<Piece>) -> Split {
    let end = if window.is_last || !rest.is_empty() { End::Done } else { End::More };
    Split { pieces, next, end }
}

/// The entry at the begin of these bytes, its long name and attributes included; `None` at the archive's end.
fn entry(bytes: &[u8]) -> Result<Option<Entry>, String> {
    let mut archive = Archive::new(Cursor::new(bytes));
    let Some(entry) = archive.entries().map_err(|error| error.to_string())?.next() else { return Ok(None) };
    let entry = entry.map_err(|error| error.to_string())?;
    let size = entry.size();
    Ok(Some(Entry {
        end: entry.raw_file_position() + size.div_ceil(BLOCK) * BLOCK,
        size,
        is_file: matches!(entry.header().entry_type(), EntryType::Regular | EntryType::Continuous),
        name: String::from_utf8_lossy(&entry.path_bytes()).into_owned(),
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::tests::read, *};
    use crate::{format::Format, parse};

    fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        let mut folder = tar::Header::new_gnu();
        folder.set_entry_type(EntryType::Directory);
        folder.set_size(0);
        builder.append_data(&mut folder, "folder/", std::io::empty()).unwrap();
        for (name, content) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            builder.append_data(&mut header, name, *content).unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[test]
    fn an_archive_that_ends_early_keeps_the_files_before() {
        let whole = archive(&[("a.md", b"one"), ("b.md", &[b'x'; 3_000])]);
        let (documents, end) = read(&Format::Archive, &whole[..512 + 1024 + 512 + 1_000], 700, 100_000);
        assert_eq!(documents.len(), 1);
        assert_eq!(end, End::Broken("the upload ends inside of \"b.md\"".to_owned()));
    }

    #[test]
    fn a_header_that_is_none_ends_it_there() {
        let mut whole = archive(&[("a.md", b"one"), ("b.md", b"two"), ("c.md", b"three")]);
        whole[512 + 1024 + 20] ^= 0x55;
        let (documents, end) = read(&Format::Archive, &whole, 700, 200_000);
        assert_eq!(documents.len(), 1);
        assert!(matches!(end, End::Broken(_)), "{end:?}");
    }

    proptest! {
        #[test]
        fn wherever_ranges_end_the_files_are_the_same(
            sizes in prop::collection::vec(0usize..2_000, 0..8), length in 1usize..6_000, long: bool,
        ) {
            let name = |index: usize| format!("{}/{index}.md", if long { "n".repeat(150) } else { "n".to_owned() });
            let names: Vec<String> = (0..sizes.len()).map(name).collect();
            let contents: Vec<Vec<u8>> = sizes.iter().map(|size| vec![b'x'; *size]).collect();
            let files: Vec<(&str, &[u8])> =
                names.iter().map(String::as_str).zip(contents.iter().map(Vec::as_slice)).collect();
            let (documents, end) = read(&Format::Archive, &archive(&files), length, 1_000_000);
            prop_assert_eq!(end, End::Done);
            let found: Vec<(String, Vec<u8>)> = documents.iter().map(|text| {
                let input = parse::archived(text.as_bytes()).unwrap();
                (input.external_id.unwrap(), input.content.0.to_vec())
            }).collect();
            let expected: Vec<(String, Vec<u8>)> = names.iter().cloned().zip(contents.clone()).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
