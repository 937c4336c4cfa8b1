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
    pub(super) fn at(next: usize, end: End, pieces: Vec<Piece>) -> Self {
        Self { pieces, next: next as u64, end }
    }

    /// True if a longer range must be looked at.
    pub fn wants_more(&self) -> bool {
        self.end == End::More && self.next == 0
    }
}
