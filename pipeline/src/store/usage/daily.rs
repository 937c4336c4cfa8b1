//! The sums of each day, which go into an archive when their month is over: the table `usage_daily`.

use const_format::formatcp;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    budget::usage::Totals,
    failure::Failure,
    ids::UserId,
    platform::{
        statement::json,
        transaction::{Query, Write},
    },
    store::usage::COUNTED,
    time::Timestamp,
};

/// What one user took on a day by way of one source, as it is in D1 and in a month's archive.
#[derive(Clone, Debug, Deserialize)]
pub struct DailyRow {
    /// The day's beginning.
    pub day: Timestamp,
    /// The user; empty for what belongs to nobody.
    pub user_id: String,
    /// An operation's path, a stage or a step of the schedule.
    pub source: String,
    /// What was taken.
    #[serde(flatten)]
    pub totals: Totals,
}

/// Reads what a user took on these days; nobody else's rows are read.
///
/// # Errors
/// A bug if the days cannot be written as JSON.
pub fn of_user(user: &UserId, days: &[Timestamp]) -> Result<Query<DailyRow>, Failure> {
    let days: Vec<i64> = days.iter().map(|day| day.milliseconds()).collect();
    Ok(Query::new(formatcp!(
        "SELECT u.day, u.user_id, u.source, u.invocations, {COUNTED}
         FROM json_each(?2) d CROSS JOIN usage_daily u ON u.day = d.value AND u.user_id = ?1
         ORDER BY u.day, u.source"
    ))
    .bind(user)
    .bind(json(&days)?))
}

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
