//! What a channel used: rows of its own storage, and time in which it was awake.
//!
//! A channel is a Durable Object. Whoever asks it something counts what it then says it has used, in their own
//! row of the ledger. What its participants cause by WebSocket it records itself, now and then.

use serde::{Deserialize, Serialize};

use crate::{
    budget::usage::Usage,
    constants::{MESSAGES_PER_OBJECT_REQUEST, OBJECT_HIBERNATES_AFTER},
    time::{Span, Timestamp, whole_milliseconds},
};

/// What a channel used and nobody has counted yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChannelUsage {
    /// Rows its statements read.
    pub rows_read: u64,
    /// Rows its statements wrote, and alarms it set.
    pub rows_written: u64,
    /// For how long it was awake.
    #[serde(rename = "milliseconds", with = "whole_milliseconds")]
    pub awake: Span,
    /// Messages that came in: a twentieth of a request each.
    pub messages: u64,
}

/// Rows written from which on a channel records what it used: one row of D1 for so many of its own.
const ROWS_WRITTEN_DUE: u64 = 200;
/// The same for rows read, of which a day has fifty times as many.
const ROWS_READ_DUE: u64 = 50 * ROWS_WRITTEN_DUE;
/// The same for the time awake: some hundred records a day for a channel that never sleeps.
const AWAKE_DUE: Span = Span::minutes(15);

impl ChannelUsage {
    /// Adds it to what an invocation used.
    pub fn add_to(self, usage: &mut Usage) {
        usage.object_rows_read += self.rows_read;
        usage.object_rows_written += self.rows_written;
        usage.object_awake += self.awake;
        usage.object_requests += self.messages.div_ceil(MESSAGES_PER_OBJECT_REQUEST);
    }

    /// True if it is worth a record.
    pub fn is_due(self) -> bool {
        self.rows_written >= ROWS_WRITTEN_DUE || self.rows_read >= ROWS_READ_DUE || self.awake >= AWAKE_DUE
    }

    /// As the value of a header.
    pub fn to_header(self) -> String {
        serde_json::to_string(&self).unwrap_or_default()
    }

    /// Reads [`to_header`](Self::to_header); what cannot be read counts as nothing.
    pub fn from_header(value: &str) -> Self {
        serde_json::from_str(value).unwrap_or_default()
    }
}

/// How long a channel is awake, as the platform bills it: from an event until it is left alone for
/// [`OBJECT_HIBERNATES_AFTER`], and for as long as a stream is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Awake {
    counted_until: Option<Timestamp>,
}

impl Awake {
    /// Something happens now: what that adds to the time awake. `held` says whether a stream has been open
    /// since the last time.
    pub fn notice(&mut self, now: Timestamp, held: bool) -> Span {
        let until = now.plus(OBJECT_HIBERNATES_AFTER);
        let from = self.counted_until.filter(|counted| held || *counted >= now).unwrap_or(now);
        self.counted_until = Some(until.max(from));
        until.since(from).max(Span::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000;

    fn awake(events: &[(i64, bool)]) -> i64 {
        let mut awake = Awake::default();
        let noticed = events.iter().map(|(at, held)| awake.notice(Timestamp::from_milliseconds(*at), *held));
        noticed.map(Span::as_milliseconds).sum()
    }

    #[test]
    fn a_channel_is_awake_until_it_is_left_alone_for_ten_seconds() {
        assert_eq!(awake(&[(0, false)]), 10 * SECOND);
        assert_eq!(awake(&[(0, false), (4 * SECOND, false)]), 14 * SECOND);
        assert_eq!(awake(&[(0, false), (60 * SECOND, false)]), 20 * SECOND, "it slept in between");
        assert_eq!(awake(&[(0, false), (60 * SECOND, true)]), 70 * SECOND, "a stream kept it awake");
        assert_eq!(awake(&[(5 * SECOND, false), (SECOND, false)]), 10 * SECOND, "a clock that was set back");
    }

    #[test]
    fn what_is_said_in_a_header_is_counted() {
        let used = ChannelUsage { rows_read: 1, rows_written: 2, awake: Span::milliseconds(3), messages: 21 };
        let header = r#"{"rows_read":1,"rows_written":2,"milliseconds":3,"messages":21}"#;
        assert_eq!(used.to_header(), header, "another version reads it");
        let mut usage = Usage { object_requests: 1, ..Usage::default() };
        ChannelUsage::from_header(&used.to_header()).add_to(&mut usage);
        let expected = Usage {
            object_requests: 3,
            object_rows_read: 1,
            object_rows_written: 2,
            object_awake: Span::milliseconds(3),
            ..Usage::default()
        };
        assert_eq!(usage, expected);
        assert_eq!(ChannelUsage::from_header("?"), ChannelUsage::default());
    }

    #[test]
    fn little_is_not_worth_a_record() {
        assert!(!ChannelUsage { rows_written: 199, rows_read: 9_999, ..ChannelUsage::default() }.is_due());
        assert!(ChannelUsage { rows_written: 200, ..ChannelUsage::default() }.is_due());
        assert!(ChannelUsage { awake: Span::minutes(15), ..ChannelUsage::default() }.is_due());
    }
}
