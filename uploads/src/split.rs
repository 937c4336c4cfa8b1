//! Which documents of a range are whole: an upload is read range by range, and a range ends anywhere.
//!
//! A range begins where the one before was read to: at a document, or inside one that is too long. What a
//! form needs to know beside is in [`Inside`]. A document that the range cuts off is read again as the first
//! of the next one, which is made longer until it holds the document, or all that a document may have.

mod archive;
mod form;
mod found;
mod json;
mod lines;

use pipeline::job::cursors::Inside;

pub(crate) use self::archive::file_name;
pub use self::found::{End, LeftOut, Piece, Split, Window};
use crate::format::Format;

/// Finds the whole documents of a range, at most so many.
pub fn split(format: &Format, inside: &mut Inside, window: Window<'_>, most: usize) -> Split {
    match format {
        Format::Lines => lines::split(inside, window, most),
        Format::Json => json::split(inside, window, most),
        Format::Archive => archive::split(inside, window, most),
        Format::Form { boundary } => form::split(boundary, inside, window, most),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads an upload in ranges of `length` bytes, as the unpack stage does; the text of each document, and how
    /// the upload ended.
    pub(super) fn read(format: &Format, upload: &[u8], length: usize, longest: usize) -> (Vec<String>, End) {
        let mut inside = Inside::default();
        let (mut offset, mut documents) = (0, Vec::new());
        loop {
            let mut size = length;
            let found = loop {
                let end = (offset + size).min(upload.len());
                let bytes = upload.get(offset..end).unwrap_or_default();
                let window = Window { bytes, is_last: end == upload.len(), is_longest: size >= longest };
                let found = split(format, &mut inside, window, 3);
                for piece in &found.pieces {
                    documents.push(match piece {
                        Piece::Whole(range) => String::from_utf8_lossy(&bytes[range.clone()]).into_owned(),
                        Piece::LeftOut { name, why: LeftOut::TooLong } => format!("too long {name:?}"),
                        Piece::LeftOut { name, why } => format!("{why:?} {name:?}"),
                    });
                }
                if !found.wants_more() {
                    break found;
                }
                assert!(size < longest && end < upload.len(), "no step at {offset}");
                size = (size * 2).min(longest);
            };
            offset = offset.saturating_add(usize::try_from(found.next).unwrap());
            if found.end != End::More {
                return (documents, found.end);
            }
            if offset > upload.len() {
                return (documents, End::Broken("behind its end".to_owned()));
            }
        }
    }
}
