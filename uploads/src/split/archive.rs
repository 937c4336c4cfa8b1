//! Files of a folder, as a tar archive holds them: a header and the file's bytes, in blocks of 512 bytes.

use std::{
    io::{Cursor, Read},
    ops::Range,
};

use pipeline::{
    constants,
    job::cursors::{Inside, Place},
    problem::excerpt,
};
use tar::{Archive, EntryType};

use super::found::{End, LeftOut, Piece, Split, Window};

const BLOCK: u64 = 512;
/// Where a block that continues a sparse file's header says whether another one does:
/// <https://www.gnu.org/software/tar/manual/html_node/Standard.html>
const IS_EXTENDED: usize = 504;
/// More than the headers of one file take: a long name and its attributes have blocks of their own.
const HEADERS: usize = 128 * 1024;

/// An entry that stands whole in a range, or behind its end.
struct Entry {
    /// One past its last block.
    end: u64,
    size: u64,
    kind: Kind,
    name: String,
}

/// What an entry is to us.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Its content is a document.
    File,
    /// Somebody would look for its content, which cannot be read here.
    LeftOut(LeftOut),
    /// A folder or a device: it has no content.
    Empty,
}

/// The reason that is given for an entry that is none.
const NO_HEADER: &str = "what stands there is no header of a file: its checksum or its size is wrong";

pub(super) fn split(inside: &mut Inside, window: Window<'_>, most: usize) -> Split {
    let (mut next, mut pieces) = (0, Vec::new());
    if inside.place == Place::Behind {
        return behind(window, 0, pieces);
    }
    while pieces.len() < most {
        let rest = usize::try_from(next).ok().and_then(|next| window.bytes.get(next..)).unwrap_or_default();
        let entry = match entry(rest) {
            Ok(Some(entry)) => entry,
            Ok(None) if rest.is_empty() && !window.is_last => break,
            Ok(None) => {
                inside.place = Place::Behind;
                return behind(window, next, pieces);
            }
            Err(_) if !window.is_last && rest.len() < HEADERS => break,
            Err(why) => return Split::broken(next, why, pieces),
        };
        let is_too_long = entry.size > constants::DOCUMENT_BYTES as u64;
        // A size that leads nowhere is no size.
        let Some(end) = next.checked_add(entry.end).filter(|end| *end > next) else {
            return Split::broken(next, NO_HEADER, pieces);
        };
        let is_whole = end <= window.bytes.len() as u64;
        if entry.kind != Kind::Empty && !is_whole && window.is_last {
            let why = format!("the upload ends inside of {:?}", excerpt(&entry.name));
            return Split::broken(next, why, pieces);
        }
        match entry.kind {
            Kind::File if is_too_long => pieces.push(Piece::too_long(Some(entry.name))),
            Kind::File if !is_whole => {
                return Split { needs: Some(entry.end), ..Split::ending(next, End::More, pieces) };
            }
            Kind::File => pieces.extend(range(next, end).map(Piece::Whole)),
            Kind::LeftOut(why) => pieces.push(Piece::LeftOut { name: Some(entry.name), why }),
            Kind::Empty => {}
        }
        next = end;
        if next >= window.bytes.len() as u64 {
            break;
        }
    }
    Split::ending(next, End::More, pieces)
}

fn range(from: u64, to: u64) -> Option<Range<usize>> {
    Some(usize::try_from(from).ok()?..usize::try_from(to).ok()?)
}

/// The archive has ended: only the blocks of zeros may follow that fill its last record.
fn behind(window: Window<'_>, from: u64, pieces: Vec<Piece>) -> Split {
    let rest = usize::try_from(from).ok().and_then(|from| window.bytes.get(from..)).unwrap_or_default();
    match rest.iter().position(|byte| *byte != 0) {
        Some(at) => {
            let why = "something follows the archive's end; send archives one by one";
            Split::broken(from + at as u64, why, pieces)
        }
        None => Split::at(window.bytes.len(), if window.is_last { End::Done } else { End::More }, pieces),
    }
}

/// The entry at the begin of these bytes, its long name and attributes included; `None` at the archive's end.
fn entry(bytes: &[u8]) -> Result<Option<Entry>, String> {
    // The library's own words repeat bytes of the archive.
    let no_header = |_| NO_HEADER.to_owned();
    let mut archive = Archive::new(Cursor::new(bytes));
    let Some(entry) = archive.entries().map_err(no_header)?.next() else { return Ok(None) };
    let mut entry = entry.map_err(no_header)?;
    let stored = match entry.header().entry_type() {
        // Its size is that of the file; in the archive it is shorter.
        EntryType::GNUSparse => entry.header().entry_size().map_err(no_header)?,
        _ => entry.size(),
    };
    let begin = entry.raw_file_position() + more_headers(&entry, bytes);
    let end = stored.div_ceil(BLOCK).checked_mul(BLOCK).and_then(|length| length.checked_add(begin));
    Ok(Some(Entry {
        end: end.ok_or_else(|| NO_HEADER.to_owned())?,
        size: entry.size(),
        kind: kind(&mut entry),
        name: file_name(&entry.path_bytes()),
    }))
}

/// A file's name. What is not UTF-8 is read as Latin-1, which has a character for every byte: two names stay two.
pub fn file_name(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| bytes.iter().copied().map(char::from).collect(), str::to_owned)
}

fn kind<R: Read>(entry: &mut tar::Entry<'_, R>) -> Kind {
    let is_sparse = |entry: &mut tar::Entry<'_, R>| {
        let attributes = entry.pax_extensions().ok().flatten();
        attributes.into_iter().flatten().flatten().any(|attribute| attribute.key_bytes().starts_with(b"GNU.sparse."))
    };
    match entry.header().entry_type() {
        EntryType::Regular | EntryType::Continuous if is_sparse(entry) => Kind::LeftOut(LeftOut::Sparse),
        EntryType::Regular | EntryType::Continuous => Kind::File,
        EntryType::GNUSparse => Kind::LeftOut(LeftOut::Sparse),
        EntryType::Link => Kind::LeftOut(LeftOut::HardLink),
        EntryType::Symlink => Kind::LeftOut(LeftOut::SymbolicLink),
        kind if entry.size() == 0 || is_known(kind) => Kind::Empty,
        _ => Kind::LeftOut(LeftOut::UnknownKind),
    }
}

/// True for kinds of entries that have no text, whatever their header says of a size.
fn is_known(kind: EntryType) -> bool {
    kind.is_dir()
        || kind.is_character_special()
        || kind.is_block_special()
        || kind.is_fifo()
        || kind.is_pax_global_extensions()
        || kind.is_pax_local_extensions()
}

/// Bytes of the blocks that continue a sparse file's header.
fn more_headers<R: Read>(entry: &tar::Entry<'_, R>, bytes: &[u8]) -> u64 {
    if !entry.header().as_gnu().is_some_and(tar::GnuHeader::is_extended) {
        return 0;
    }
    let blocks = usize::try_from(entry.raw_file_position()).ok().and_then(|from| bytes.get(from..));
    let blocks = blocks.unwrap_or_default().chunks(512);
    let going_on = blocks.take_while(|block| block.get(IS_EXTENDED) == Some(&1)).count();
    (going_on as u64 + 1) * BLOCK
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
    fn a_file_that_a_range_cuts_off_says_how_long_the_range_must_be() {
        let whole = archive(&[("a.md", &[b'x'; 3_000])]);
        let (folder, file) = (512, 512 + 3_072);
        let cut = |from: usize, to: usize| {
            let window = Window { bytes: &whole[from..to], is_last: false, is_longest: false };
            super::split(&mut Inside::default(), window, 9)
        };
        // What stands before it is passed first.
        assert_eq!((cut(0, 2_000).next, cut(0, 2_000).wants_more()), (folder as u64, false));
        let alone = cut(folder, 2_000);
        assert_eq!((alone.wants_more(), alone.needs), (true, Some(file as u64)));
        assert_eq!((alone.longer(1_488, 10_000), alone.longer(1_488, 2_000)), (file as u64, 2_000));
        assert_eq!(cut(folder, folder + file).pieces, [Piece::Whole(0..file)]);
    }

    #[test]
    fn a_header_that_is_none_ends_it_there() {
        let mut whole = archive(&[("a.md", b"one"), ("b.md", b"two"), ("c.md", b"three")]);
        whole[512 + 1024 + 20] ^= 0x55;
        let (documents, end) = read(&Format::Archive, &whole, 700, 200_000);
        assert_eq!(documents.len(), 1);
        assert!(matches!(&end, End::Broken(why) if why.contains("no header")), "{end:?}");
    }

    #[test]
    fn names_that_are_not_utf8_stay_two_and_entries_of_unknown_kinds_are_left_out_by_name() {
        let names = [&b"\xe9.md"[..], b"\xe8.md"];
        assert_eq!(names.map(file_name), ["\u{e9}.md", "\u{e8}.md"]);
        assert_eq!(file_name("\u{e9}.md".as_bytes()), "\u{e9}.md");
        let header = header("volume", EntryType::new(b'Z'), 3);
        let upload = [header.as_bytes().as_slice(), b"abc", &[0; 509], &[0; 1_024]].concat();
        let (documents, end) = read(&Format::Archive, &upload, 700, 100_000);
        assert_eq!((documents, end), (vec!["UnknownKind Some(\"volume\")".to_owned()], End::Done));
    }

    #[test]
    fn what_follows_its_end_is_reported_and_not_dropped() {
        let (one, two) = (archive(&[("a.md", b"one")]), archive(&[("b.md", b"two")]));
        for padding in [0, 512, 9_000] {
            let both = [one.clone(), vec![0; padding], two.clone()].concat();
            for length in [700, 2_048, 40_000] {
                let (documents, end) = read(&Format::Archive, &both, length, 200_000);
                assert_eq!(documents.len(), 1);
                assert!(matches!(&end, End::Broken(why) if why.contains("follows the archive's end")), "{end:?}");
            }
            let padded = [one.clone(), vec![0; padding]].concat();
            assert_eq!(read(&Format::Archive, &padded, 700, 200_000).1, End::Done);
        }
    }

    /// An entry without its content.
    fn header(name: &str, kind: EntryType, size: u64) -> tar::Header {
        let mut header = tar::Header::new_gnu();
        header.set_path(name).unwrap();
        header.set_entry_type(kind);
        header.set_size(size);
        header.set_cksum();
        header
    }

    #[test]
    fn a_size_that_leads_back_or_nowhere_ends_it_there() {
        for size in [u64::MAX, u64::MAX - 511, u64::MAX - 1_023, u64::MAX - 2_047] {
            for kind in [EntryType::Directory, EntryType::Regular, EntryType::GNUSparse] {
                let first = header("a/", EntryType::Directory, 0);
                let second = header("b", kind, size);
                let upload = [first.as_bytes().as_slice(), second.as_bytes(), &[0; 1_024]].concat();
                let (documents, end) = read(&Format::Archive, &upload, 4_096, 100_000);
                assert_eq!(documents.len(), 0);
                assert!(matches!(end, End::Broken(_)), "{kind:?} of {size}: {end:?}");
            }
        }
    }

    #[test]
    fn what_is_no_plain_file_is_reported_and_what_follows_is_read() {
        let mut sparse = header("sparse.log", EntryType::GNUSparse, 600);
        let fields = sparse.as_gnu_mut().unwrap();
        fields.set_real_size(10_000_000);
        fields.set_is_extended(true);
        // 600 bytes at its begin, and nothing at its end.
        for (block, (offset, length)) in fields.sparse.iter_mut().zip([(0, 600), (10_000_000, 0)]) {
            block.offset.copy_from_slice(format!("{offset:011o}\0").as_bytes());
            block.numbytes.copy_from_slice(format!("{length:011o}\0").as_bytes());
        }
        sparse.set_cksum();
        // A block more of its header, which says that none follows.
        let mut archive = tar::Builder::new(Vec::new());
        archive.append(&header("link.md", EntryType::Link, 0), std::io::empty()).unwrap();
        archive.append(&header("current", EntryType::Symlink, 0), std::io::empty()).unwrap();
        archive.append(&header("a.md", EntryType::Regular, 3), b"one".as_slice()).unwrap();
        let upload = [sparse.as_bytes().as_slice(), &[0; 512], &[b'x'; 600], &[0; 424]].concat();
        let upload = [upload, archive.into_inner().unwrap()].concat();
        for length in [700, 2_048, 40_000] {
            let (documents, end) = read(&Format::Archive, &upload, length, 200_000);
            let left_out =
                ["Sparse Some(\"sparse.log\")", "HardLink Some(\"link.md\")", "SymbolicLink Some(\"current\")"];
            assert_eq!(documents[..3], left_out);
            assert_eq!((documents.len(), end), (4, End::Done), "ranges of {length}");
        }
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
