//! The time, and how it is written.

use std::time::Duration;

use time::{OffsetDateTime, format_description::well_known::Rfc3339, macros::format_description};

use crate::escapes::harmless;

/// Now, in UTC.
pub fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// So long from now, where the calendar goes as far.
pub fn after(span: Duration) -> Option<OffsetDateTime> {
    now().checked_add(span.try_into().ok()?)
}

/// A point in time as people read it.
pub fn text(at: OffsetDateTime) -> String {
    at.format(format_description!("[year]-[month]-[day] [hour]:[minute] UTC")).unwrap_or_default()
}

/// What the API writes, as people read it; as it came, if it is no time.
pub fn text_of(rfc3339: &str) -> String {
    OffsetDateTime::parse(rfc3339, &Rfc3339).map_or_else(|_| harmless(rfc3339).into_owned(), text)
}

/// True for a time that nobody waits for with a program open.
pub fn is_far(rfc3339: &str) -> bool {
    OffsetDateTime::parse(rfc3339, &Rfc3339).is_ok_and(|at| at - now() > Duration::from_mins(2))
}

/// How long ago that was.
pub fn ago(rfc3339: &str) -> String {
    let Ok(at) = OffsetDateTime::parse(rfc3339, &Rfc3339) else {
        return harmless(rfc3339).into_owned();
    };
    format!("{} ago", span((now() - at).try_into().unwrap_or_default()))
}

/// How long something takes.
pub fn span(span: Duration) -> String {
    match span.as_secs() {
        0 => format!("{} ms", span.as_millis()),
        seconds @ 1..=119 => format!("{seconds} s"),
        seconds @ 120..=3_599 => format!("{} min", seconds / 60),
        seconds @ 3_600..=172_799 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

/// Something from 0 to 1.
pub fn jitter() -> f64 {
    let mut byte = [0u8; 1];
    let _ = getrandom::fill(&mut byte);
    f64::from(byte[0]) / 255.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_written_in_the_unit_that_people_would_use() {
        let said = [0, 90, 150, 7_200, 864_000].map(|seconds| span(Duration::from_secs(seconds)));
        assert_eq!(said, ["0 ms", "90 s", "2 min", "2 h", "10 days"]);
        assert_eq!(text_of("2026-11-26T21:15:00.000Z"), "2026-11-26 21:15 UTC");
        assert_eq!(text_of("soon"), "soon");
        assert!(is_far("9999-01-01T00:00:00Z") && !is_far("2020-01-01T00:00:00Z") && !is_far("soon"));
    }
}
