//! What is known of an upload that was streamed.

use std::collections::{BTreeMap, BTreeSet};

/// An upload that was streamed.
#[derive(Clone, Debug)]
pub(super) struct Streamed {
    pub(super) job: String,
    /// What it holds, by name.
    pub(super) contents: BTreeMap<String, String>,
    /// What each name was to hold before it was accepted, and goes on to hold where it is never unpacked.
    pub(super) before: BTreeMap<String, BTreeSet<Option<String>>>,
    /// Documents in it, also those that cannot be read.
    pub(super) documents: usize,
}
