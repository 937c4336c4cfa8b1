//! What is known of an upload that was streamed.

use std::collections::{BTreeMap, BTreeSet};

/// An upload that was streamed.
#[derive(Clone, Debug)]
pub(super) struct Streamed {
    pub(super) job: String,
    /// What it holds, by name.
    pub(super) contents: BTreeMap<String, String>,
    /// Those that nobody else wrote, deleted or stopped since: it decides what they hold.
    pub(super) decides: BTreeSet<String>,
    /// Documents in it, also those that cannot be read.
    pub(super) documents: usize,
}
