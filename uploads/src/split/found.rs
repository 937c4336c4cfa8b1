//! A range of an upload, and what is found in it.

use std::ops::Range;

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
    /// It cannot be read, and is left out.
    LeftOut {
        /// What it is called, if that is known.
        name: Option<String>,
        /// Why.
        why: LeftOut,
    },
}

/// Why a document is left out of what is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftOut {
    /// It is longer than any may be.
    TooLong,
    /// It is long, and every attempt at reading it ended without a result.
    TooCostly,
    /// A file of an archive that names another, which has its content.
    HardLink,
    /// An entry of an archive that names a path, inside of the archive or not.
    SymbolicLink,
    /// A file of an archive whose empty parts are left out.
    Sparse,
    /// An entry of an archive that has content, and of a kind that is not known.
    UnknownKind,
}

impl Piece {
    pub(super) const fn too_long(name: Option<String>) -> Self {
        Self::LeftOut { name, why: LeftOut::TooLong }
    }
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
    /// How long that range must be, if what stands here says so.
    pub needs: Option<u64>,
}

impl Split {
    pub(super) fn at(next: usize, end: End, pieces: Vec<Piece>) -> Self {
        Self::ending(next as u64, end, pieces)
    }

    /// Ends at `next`, which may lie behind the range.
    pub fn ending(next: u64, end: End, pieces: Vec<Piece>) -> Self {
        Self { pieces, next, end, needs: None }
    }

    /// Cannot be read on at `next`, because of this.
    pub fn broken(next: u64, why: impl Into<String>, pieces: Vec<Piece>) -> Self {
        Self::ending(next, End::Broken(why.into()), pieces)
    }

    /// How long a range must be that holds more than this one did; at most so long.
    pub fn longer(&self, length: u64, most: u64) -> u64 {
        self.needs.filter(|needs| *needs > length).unwrap_or(4 * length).min(most)
    }

    /// True if a longer range must be looked at.
    pub fn wants_more(&self) -> bool {
        self.end == End::More && self.next == 0
    }
}
