//! Dates that clients give: RFC 3339 text or milliseconds since 1970, within the years that RFC 3339 can write.
//!
//! [`Timestamp`] itself also reads what D1 holds, in which earlier versions kept any number.

use std::fmt;

use schemars::{Schema, SchemaGenerator, json_schema};
use serde::{
    Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};

use crate::time::Timestamp;

/// What is expected, and an example of it.
pub const EXPECTED: &str = "expected a date from year 1 to 9999, as RFC 3339 text such as \"2026-11-22T10:00:00Z\" \
                            or as whole milliseconds since 1970";

/// Reads a date where all is text, as in a query string; `None` if it is no such date.
pub fn parse(text: &str) -> Option<Timestamp> {
    let date =
        text.parse().map_or_else(|_| Timestamp::parse(text), |number| Some(Timestamp::from_milliseconds(number)));
    date.filter(|date| is_within(*date))
}

/// As a request may write it, which also may leave it out.
pub fn schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "anyOf": [
        { "type": "string", "format": "date-time" },
        {
            "type": "integer",
            "description": "Milliseconds since 1970.",
            "minimum": Timestamp::EARLIEST.milliseconds(),
            "maximum": Timestamp::LATEST.milliseconds(),
        },
        { "type": "null" },
    ] })
}

const fn is_within(date: Timestamp) -> bool {
    Timestamp::EARLIEST.milliseconds() <= date.milliseconds() && date.milliseconds() <= Timestamp::LATEST.milliseconds()
}

/// Reads a date that may be left out: for `#[serde(default, deserialize_with)]`.
///
/// # Errors
/// It is no such date.
pub fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    deserializer.deserialize_any(Dates)
}

struct Dates;

impl<'de> Visitor<'de> for Dates {
    type Value = Option<Timestamp>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(EXPECTED.trim_start_matches("expected "))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        within(Timestamp::parse(text))
    }

    fn visit_i64<E: Error>(self, milliseconds: i64) -> Result<Self::Value, E> {
        within(Some(Timestamp::from_milliseconds(milliseconds)))
    }

    fn visit_u64<E: Error>(self, milliseconds: u64) -> Result<Self::Value, E> {
        within(i64::try_from(milliseconds).ok().map(Timestamp::from_milliseconds))
    }

    fn visit_f64<E: Error>(self, milliseconds: f64) -> Result<Self::Value, E> {
        within(whole(milliseconds).map(Timestamp::from_milliseconds))
    }

    // What is of another type is answered in the same words.

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        within(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
        within(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
        within(None)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// A number without a fraction that a date can have.
#[expect(clippy::cast_possible_truncation, reason = "whole, and far below 2^53")]
fn whole(milliseconds: f64) -> Option<i64> {
    (milliseconds.fract() == 0.0 && milliseconds.abs() < 1e15).then_some(milliseconds as i64)
}

fn within<E: Error>(date: Option<Timestamp>) -> Result<Option<Timestamp>, E> {
    date.filter(|date| is_within(*date)).map(Some).ok_or_else(|| E::custom(EXPECTED))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Dated {
        #[serde(default, deserialize_with = "optional")]
        at: Option<Timestamp>,
    }

    fn read(date: &str) -> Result<Option<String>, String> {
        let dated: Result<Dated, _> = serde_json::from_str(&format!(r#"{{"at":{date}}}"#));
        dated.map(|dated| dated.at.map(Timestamp::to_rfc3339)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_date_is_text_or_milliseconds_from_year_1_to_9999() {
        for (date, written) in [
            (r#""2026-11-22T10:00:00+01:00""#, "2026-11-22T09:00:00.000Z"),
            (r#""0001-01-01T00:00:00Z""#, "0001-01-01T00:00:00.000Z"),
            (r#""9999-12-31T23:59:59.999Z""#, "9999-12-31T23:59:59.999Z"),
            ("0", "1970-01-01T00:00:00.000Z"),
            ("1.7e12", "2023-11-14T22:13:20.000Z"),
            ("-62135596800000", "0001-01-01T00:00:00.000Z"),
            ("253402300799999", "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(read(date), Ok(Some(written.to_owned())));
        }
        assert_eq!(read("null"), Ok(None));
        assert_eq!(serde_json::from_str::<Dated>("{}").unwrap().at, None);
    }

    #[test]
    fn where_all_is_text_the_same_dates_are_read() {
        for (text, written) in [
            ("2026-11-22T10:00:00+01:00", Some("2026-11-22T09:00:00.000Z")),
            ("1700000000000", Some("2023-11-14T22:13:20.000Z")),
            ("-62135596800001", None),
            ("0000-01-01T00:00:00Z", None),
            ("1.5", None),
            ("", None),
        ] {
            assert_eq!(parse(text).map(Timestamp::to_rfc3339).as_deref(), written, "{text}");
        }
    }

    #[test]
    fn no_other_date_is_taken_and_the_answer_says_what_is() {
        for date in [
            "1e300",
            "-1e300",
            "1.5",
            "253402300800000",
            "-62135596800001",
            "18446744073709551615",
            r#""0000-12-31T23:59:59Z""#,
            r#""0001-01-01T00:00:00+00:01""#,
            r#""9999-12-31T23:59:59-00:01""#,
            r#""+10000-01-01T00:00:00Z""#,
            r#""2026-02-30T00:00:00Z""#,
            r#""2026-11-22""#,
            r#""yesterday""#,
            r#""""#,
            "true",
            "[1]",
            "{}",
        ] {
            let error = read(date).unwrap_err();
            assert!(error.contains("expected a date from year 1 to 9999"), "{date}: {error}");
        }
    }
}
