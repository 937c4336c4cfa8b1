//! `GET /api/usage?month=2026-11`: what the tenant took on each finished day of a month, from D1, or from the archive
//! that the schedule has put the month into.

use pipeline::{
    archive_format,
    budget::usage::Totals,
    failure::Failure,
    ids::UserId,
    platform::{
        object_keys,
        ports::{Database, ObjectStore},
    },
    problem::{Code, Problem},
    store::usage::daily::{self, DailyRow},
    time::{DAY, Timestamp},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A month by its days.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "UsageOfMonth")]
pub struct MonthView {
    month: String,
    /// Of the days that are over and on which there was anything, the first first.
    days: Vec<DayView>,
    /// All of them together.
    total: Totals,
}

/// A day by what was done on it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "UsageOfPastDay")]
struct DayView {
    /// Such as `2026-11-23`, UTC.
    day: String,
    total: Totals,
    sources: Vec<SourceView>,
}

/// What one operation, stage or step of the schedule took.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "UsageOfSource")]
struct SourceView {
    source: String,
    #[serde(flatten)]
    total: Totals,
}

/// A month's archive, as far as it is looked at.
#[derive(Deserialize)]
struct Archived {
    days: Vec<DailyRow>,
}

/// The days of a month such as `2026-11`.
///
/// # Errors
/// [`Code::Invalid`] for what is no month.
pub fn days_of(month: &str) -> Result<Vec<Timestamp>, Problem> {
    let first = Timestamp::parse(&format!("{month}-01T00:00:00Z"));
    let first = first.filter(|first| first.month() == month && !month.starts_with('0'));
    let first =
        first.ok_or_else(|| Problem::field(Code::Invalid, "month", "expected a month such as 2026-11, in UTC"))?;
    Ok((0..31).map(|day| first.plus(day * DAY)).filter(|day| day.month() == month).collect())
}

/// Reads what a user took in a month.
///
/// # Errors
/// What the database or the object store fails with.
pub async fn read<P: Database + ObjectStore>(
    ports: &P,
    user: &UserId,
    month: String,
    days: &[Timestamp],
) -> Result<MonthView, Failure> {
    let mut rows = daily::of_user(user, days)?.all(ports).await?;
    if rows.is_empty()
        && let Some(object) = ports.get(&object_keys::archived_usage(&month), None).await?
    {
        let archived: Archived = archive_format::decode(&object.bytes)?;
        rows = archived.days.into_iter().filter(|row| row.user_id == user.as_str()).collect();
    }
    Ok(view(month, rows))
}

fn view(month: String, rows: Vec<DailyRow>) -> MonthView {
    let mut view = MonthView { month, days: Vec::new(), total: Totals::default() };
    for DailyRow { day, source, totals, .. } in rows {
        let day = day.date();
        if view.days.last().is_none_or(|last| last.day != day) {
            view.days.push(DayView { day, total: Totals::default(), sources: Vec::new() });
        }
        view.total.add_all(totals);
        if let Some(last) = view.days.last_mut() {
            last.total.add_all(totals);
            last.sources.push(SourceView { source, total: totals });
        }
    }
    view
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_has_its_days_and_nothing_else_is_one() {
        assert_eq!(days_of("2026-11").unwrap().len(), 30);
        assert_eq!(days_of("2024-02").unwrap().last().unwrap().date(), "2024-02-29");
        for nothing in ["2026-13", "2026-11-01", "november", "", "2026-1", "0x26-11", "0026-11", "0000-01"] {
            assert_eq!(days_of(nothing).unwrap_err().status, 422, "{nothing}");
        }
    }
}
