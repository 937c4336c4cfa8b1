//! How far lists of R2 were looked through that one run of the schedule cannot see whole: the table `listings`.

use serde::Deserialize;

use crate::platform::transaction::{Query, Write};

/// A list that is not looked through to its end.
#[derive(Clone, Debug, Deserialize)]
pub struct Listing {
    /// What its keys begin with.
    pub prefix: String,
    /// The last key that was looked at.
    pub seen_until: String,
}

/// Reads the lists that are not looked through to their ends.
pub fn seen() -> Query<Listing> {
    Query::new("SELECT prefix, seen_until FROM listings")
}

/// Notes how far a list was looked through; without a key to its end, so that it begins anew.
pub fn note(prefix: &str, seen_until: Option<&str>) -> Write {
    let Some(seen_until) = seen_until else {
        return Write::new("DELETE FROM listings WHERE prefix = ?1").bind(prefix);
    };
    Write::new("INSERT OR REPLACE INTO listings (prefix, seen_until) VALUES (?1, ?2)").bind(prefix).bind(seen_until)
}
