//! Points in time, and spans between them, in milliseconds: the form D1 stores and JavaScript speaks.

use std::{
    borrow::Cow,
    ops::{Add, AddAssign, Div, Mul, Neg, Sub},
};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// The shortest span there is.
pub const MILLISECOND: Span = Span::milliseconds(1);
/// A second.
pub const SECOND: Span = Span::seconds(1);
/// A minute.
pub const MINUTE: Span = Span::minutes(1);
/// An hour.
pub const HOUR: Span = Span::hours(1);
/// A day.
pub const DAY: Span = Span::days(1);

/// A span of time in whole milliseconds; negative if it goes back. Unlike [`std::time::Duration`], which
/// cannot say by how much something is late.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(i64);

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// So many milliseconds.
    pub const fn milliseconds(count: i64) -> Self {
        Self(count)
    }

    /// So many seconds.
    pub const fn seconds(count: i64) -> Self {
        Self(count * 1_000)
    }

    /// So many minutes.
    pub const fn minutes(count: i64) -> Self {
        Self::seconds(count * 60)
    }

    /// So many hours.
    pub const fn hours(count: i64) -> Self {
        Self::minutes(count * 60)
    }

    /// So many days.
    pub const fn days(count: i64) -> Self {
        Self::hours(count * 24)
    }

    /// Its length in milliseconds.
    pub const fn as_milliseconds(self) -> i64 {
        self.0
    }

    /// Its length in whole seconds.
    pub const fn as_seconds(self) -> i64 {
        self.0 / 1_000
    }
}

impl Neg for Span {
    type Output = Self;

    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl Add for Span {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Sub for Span {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl Mul<Span> for i64 {
    type Output = Span;

    fn mul(self, span: Span) -> Span {
        Span(self * span.0)
    }
}

impl AddAssign for Span {
    fn add_assign(&mut self, more: Self) {
        self.0 += more.0;
    }
}

impl Mul<Span> for f64 {
    type Output = Span;

    /// This share of it, to the nearest millisecond.
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "spans are far below 2^52")]
    fn mul(self, span: Span) -> Span {
        Span((self * span.0 as Self).round() as i64)
    }
}

impl Div<i64> for Span {
    type Output = Self;

    fn div(self, parts: i64) -> Self {
        Self(self.0 / parts)
    }
}

impl Div for Span {
    type Output = i64;

    /// How often `other` fits into it.
    fn div(self, other: Self) -> i64 {
        self.0 / other.0
    }
}

/// A [`Span`] in a field that is called after milliseconds: for `#[serde(with)]`.
pub mod whole_milliseconds {
    use super::{Deserialize, Deserializer, Serializer, Span};

    /// Writes how many they are.
    ///
    /// # Errors
    /// What the serializer fails with.
    pub fn serialize<S: Serializer>(span: &Span, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(span.0)
    }

    /// Reads how many they are.
    ///
    /// # Errors
    /// It is no such number, or a negative one.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
        let milliseconds = u64::deserialize(deserializer)?;
        Ok(Span(i64::try_from(milliseconds).unwrap_or(i64::MAX)))
    }
}

/// A [`Span`] in a field that is called after days: for `#[serde(with)]`.
pub mod whole_days {
    use super::{DAY, Deserialize, Deserializer, Serializer, Span};

    /// Writes how many they are.
    ///
    /// # Errors
    /// What the serializer fails with.
    pub fn serialize<S: Serializer>(span: &Span, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(*span / DAY)
    }

    /// Reads how many they are.
    ///
    /// # Errors
    /// It is no such number, or a negative one.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
        u32::deserialize(deserializer).map(|days| Span::days(i64::from(days)))
    }
}

/// What is said of a text that is no point in time.
pub const EXPECTED_TIME: &str = "expected a time in RFC 3339 such as 2026-01-31T12:00:00Z";

/// A point in time, UTC. In JSON it is RFC 3339 text; in D1 the number of milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since 1970.
    pub const fn from_milliseconds(milliseconds: i64) -> Self {
        Self(milliseconds)
    }

    /// Milliseconds since 1970.
    pub const fn milliseconds(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970.
    pub const fn seconds(self) -> i64 {
        self.0 / 1_000
    }

    /// So much later.
    #[must_use]
    pub const fn plus(self, span: Span) -> Self {
        Self(self.0 + span.0)
    }

    /// The span from `earlier` to this.
    pub const fn since(self, earlier: Self) -> Span {
        Span(self.0 - earlier.0)
    }

    /// The full hour that this lies in.
    #[must_use]
    pub const fn start_of_hour(self) -> Self {
        Self(self.0 - self.0.rem_euclid(HOUR.0))
    }

    /// 00:00 UTC of this day, when every daily allowance starts anew.
    #[must_use]
    pub const fn start_of_day(self) -> Self {
        Self(self.0 - self.0.rem_euclid(DAY.0))
    }

    /// The next 00:00 UTC.
    #[must_use]
    pub const fn next_day(self) -> Self {
        self.start_of_day().plus(DAY)
    }

    /// 0001-01-01T00:00:00Z: the first that RFC 3339 can write and people count.
    pub const EARLIEST: Self = Self(-62_135_596_800_000);
    /// 9999-12-31T23:59:59.999Z: the last that RFC 3339 can write.
    pub const LATEST: Self = Self(253_402_300_799_999);

    /// Reads RFC 3339 text.
    pub fn parse(text: &str) -> Option<Self> {
        let parsed = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        i64::try_from(parsed.unix_timestamp_nanos() / 1_000_000).ok().map(Self)
    }

    /// The day: `2026-11-23`.
    pub fn date(self) -> String {
        self.to_rfc3339().chars().take("2026-11-23".len()).collect()
    }

    /// The month: `2026-11`.
    pub fn month(self) -> String {
        self.to_rfc3339().chars().take("2026-11".len()).collect()
    }

    /// RFC 3339 text, UTC, with milliseconds: all are equally long, and sort as text. Of a time that RFC 3339 cannot
    /// write, the nearest that it can.
    pub fn to_rfc3339(self) -> String {
        let written = self.clamp(Self::EARLIEST, Self::LATEST);
        let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(written.0) * 1_000_000).ok();
        time.map_or_else(
            || self.0.to_string(),
            |time| {
                let (date, hour, minute, second) = (time.date(), time.hour(), time.minute(), time.second());
                format!("{date}T{hour:02}:{minute:02}:{second:02}.{:03}Z", time.millisecond())
            },
        )
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_rfc3339())
    }
}

/// As clients write and read it: the milliseconds of D1 are not theirs.
impl JsonSchema for Timestamp {
    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("Timestamp")
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    /// Reads RFC 3339 text (as clients send it) or milliseconds (as D1 returns it).
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Milliseconds(i64),
            Float(f64),
            Text(String),
        }
        match Form::deserialize(deserializer)? {
            Form::Milliseconds(milliseconds) => Ok(Self(milliseconds)),
            #[expect(clippy::cast_possible_truncation, reason = "D1 returns whole milliseconds below 2^53")]
            Form::Float(milliseconds) => Ok(Self(milliseconds as i64)),
            Form::Text(text) => Self::parse(&text).ok_or_else(|| D::Error::custom(EXPECTED_TIME)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3339_both_ways() {
        let time = Timestamp::parse("2026-11-22T10:00:00.25+01:00").unwrap();
        assert_eq!(time.to_rfc3339(), "2026-11-22T09:00:00.250Z");
        assert_eq!(time.start_of_day().to_rfc3339(), "2026-11-22T00:00:00.000Z");
        assert_eq!(time.next_day().to_rfc3339(), "2026-11-23T00:00:00.000Z");
        assert_eq!(Timestamp::parse("yesterday"), None);
    }

    #[test]
    fn spans_add_up() {
        assert_eq!(24 * HOUR - 60 * MINUTE + Span::minutes(60), DAY);
        assert_eq!((DAY / HOUR, 3 * SECOND / 2), (24, Span::milliseconds(1_500)));
        assert_eq!((DAY / HOUR, Span::milliseconds(1_999).as_seconds()), (24, 1));
        let noon = Timestamp::parse("2026-11-22T12:00:00Z").unwrap();
        assert_eq!(noon.plus(-12 * HOUR), noon.start_of_day());
        assert_eq!(noon.since(noon.next_day()), -Span::hours(12));
        assert!(noon.since(noon.next_day()) < Span::ZERO);
        assert_eq!((0.25 * MINUTE, 1.0 / 60.0 * MINUTE), (15 * SECOND, SECOND));
    }
}
