//! Which documents of a range are whole: an upload is read range by range, and a range ends anywhere.
//!
//! A range begins where the one before was read to: at a document, or inside one that is too long. What a
//! form needs to know beside is in [`Inside`]. A document that the range cuts off is read again as the first
//! of the next one, which is made longer until it holds the document, or all that a document may have.

mod archive;
mod form;
mod json;
mod lines;

use std::ops::Range;

use pipeline::job::cursors::Inside;

use crate::format::Format;

/// A range of an upload.
#[derive(Clone, Copy, Debug)]
pub struct Window<'a> {
    /// Its bytes.
    pub bytes: &'a [u8],
    /// It reaches the upload's end.
    pub is_last: bool,
    /// It holds as much as any document may have: none that is longer is waited for.
    pub is_longest: bool,
}

/// A document of a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// It is whole: these bytes of the range.
    Whole(Range<usize>),
    /// It is longer than any may be, and left out.
    TooLong {
        /// What it is called, if that is known.
        name: Option<String>,
    },
}

/// How a range ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// More follows.
    More,
    /// All documents of the upload are found.
    Done,
    /// It cannot be read on, and why.
    Broken(String),
}

/// What is found in a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Its documents, in order.
    pub pieces: Vec<Piece>,
    /// Where the next range begins, counted from this one's begin; it may lie behind its end.
    pub next: u64,
    /// How it ends. [`End::More`] without a step on asks for a longer range.
    pub end: End,
}

impl Split {
    fn at(next: usize, end: End, pieces: Vec<Piece>) -> Self {
        Self { pieces, next: next as u64, end }
    }

    /// True if a longer range must be looked at.
    pub fn wants_more(&self) -> bool {
        self.end == End::More && self.next == 0
    }
}

/// Finds the whole documents of a range, at most so many.
pub fn split(format: &Format, inside: &mut Inside, window: Window<'_>, most: usize) -> Split {
    match format {
        Format::Lines => lines::split(inside, window, most),
        Format::Json => json::split(inside, window, most),
        Format::Archive => archive::split(window, most),
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
                        Piece::TooLong { name } => format!("too long {name:?}"),
                    });
                }
                if !found.wants_more() {
                    break found;
                }
                assert!(size < longest && end < upload.len(), "no step at {offset}");
                size = (size * 2).min(longest);
            };
            offset += usize::try_from(found.next).unwrap();
            if found.end != End::More {
                return (documents, found.end);
            }
        }
    }
}
