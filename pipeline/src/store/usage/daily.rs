//! The sums of each day, which go into an archive when their month is over: the table `usage_daily`.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    platform::transaction::{Query, Write},
    time::Timestamp,
};

/// The oldest day that is kept in D1.
#[derive(Debug, Deserialize)]
pub struct OldestDay {
    /// Its beginning; `None` if no day is kept.
    pub day: Option<Timestamp>,
}

/// Reads the oldest day that is kept: one row, whatever there is.
pub fn oldest_day() -> Query<OldestDay> {
    Query::new("SELECT min(day) AS day FROM usage_daily")
}

/// Reads all days of a month such as `2026-11`, as they are: an archive keeps every column there is.
pub fn days(month: &str) -> Query<Box<RawValue>> {
    Query::new(
        "SELECT * FROM usage_daily WHERE strftime('%Y-%m', day / 1000, 'unixepoch') = ?1 ORDER BY day, user_id, source",
    )
    .bind(month)
}

/// Removes a month's days, in the transaction that keeps its archive.
pub fn delete(month: &str) -> Write {
    Write::new("DELETE FROM usage_daily WHERE strftime('%Y-%m', day / 1000, 'unixepoch') = ?1").bind(month)
}
