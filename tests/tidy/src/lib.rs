//! What the sources promise about their own shape.
//!
//! Each rule is a plain function from [`sources::Sources`] to [`Finding`]s, and says in each finding what
//! to do about it. `tests/repository.rs` runs all of them over the repository; the tests beside each rule
//! run it over a few lines that break it.
//!
//! * [`circles`]: no files of a crate use each other in a circle.
//! * [`apart`]: the schedule uses no handler of the API, and no handler a step of the schedule.
//! * [`statements`]: SQL is in the stores alone, every table has one owner, what must be said once is.
//! * [`map`]: ARCHITECTURE's map names every folder that holds sources.
//! * [`sizes`]: no file and no line is too long.
//! * [`fence`]: the pure crates know neither the platform nor what is built on them.
//! * [`pipes`]: a script's pipe is read to its end.
//! * [`links`]: a link of the documentation leads to a file that is there.
//! * [`docs`]: the documentation of ports, store and jobs says more than a name does.

pub mod apart;
pub mod circles;
pub mod docs;
pub mod fence;
pub mod links;
pub mod map;
mod modules;
pub mod pipes;
pub mod sizes;
pub mod sources;
pub mod statements;
mod syntax;

use std::fmt;

/// Where a rule is broken, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Path of the file, from the repository's root.
    pub file: String,
    /// Number of the line, from 1; 0 if the finding is about the whole file.
    pub line: usize,
    /// What is wrong, and how to mend it.
    pub what: String,
}

impl Finding {
    fn new(file: &str, line: usize, what: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(formatter, "{}: {}", self.file, self.what),
            line => write!(formatter, "{}:{line}: {}", self.file, self.what),
        }
    }
}
