//! What a stage made of a message. Only the consumer Worker turns it into ack and retry.

use crate::{
    constants,
    failure::{Failure, FailureKind},
    platform::ports::{Clock, Random},
    time::{Span, Timestamp},
};

/// What became of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The work is done, or was done before, or is no longer wanted.
    Done,
    /// Deliver again later.
    Retry {
        /// How long until the next delivery, in whole seconds: queues know no less.
        after: Span,
        /// What failed.
        why: String,
    },
    /// Wait in D1 (not in the queue, which forgets after a day) until this time.
    Park {
        /// When the work may go on.
        until: Timestamp,
        /// Which allowance is spent.
        why: String,
    },
    /// It will never work: recorded as a dead letter.
    Dead {
        /// A message its owner can act on.
        why: String,
    },
}

impl Outcome {
    /// Returns the name the log line carries.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Retry { .. } => "retried",
            Self::Park { .. } => "parked",
            Self::Dead { .. } => "dead",
        }
    }

    /// Returns what the log of the consumer Worker says of it.
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Done => None,
            Self::Retry { why, .. } | Self::Park { why, .. } | Self::Dead { why } => Some(why),
        }
    }
}

/// Decides a failed attempt's fate: the failure's kind and how often it was tried.
///
/// `jitter` is uniform in 0..=255 and spreads the retries of a burst (equal jitter).
pub fn fate(failure: &Failure, attempts: i64, now: Timestamp, jitter: u8) -> Outcome {
    let why = failure.why.clone();
    match failure.kind {
        FailureKind::Exhausted => Outcome::Park { until: now.next_day(), why },
        FailureKind::Input => Outcome::Dead { why },
        FailureKind::Bug if attempts >= constants::ATTEMPTS_AFTER_BUG => Outcome::Dead { why },
        FailureKind::Transient if attempts >= constants::ATTEMPTS => Outcome::Dead { why },
        FailureKind::Transient | FailureKind::Bug => Outcome::Retry { after: backoff(attempts, jitter), why },
    }
}

/// The delivery of a message from which on it waits no longer while D1 does not answer: about three minutes, so
/// that it is soon back when D1 is.
const LONGEST_WAIT: u32 = 8;

/// Decides what becomes of a message when D1 does not say anything about its item: the queue keeps it, longer each
/// time it was delivered. That is nobody's failed attempt, so no kind of failure ends it.
///
/// Where D1's day is spent a queue, which forgets after a day, is no place to wait: the message may go, and the
/// sweep sends it again once D1 answers.
pub fn wait_for_database<P: Clock + Random>(ports: &P, failure: Failure, deliveries: u32) -> Outcome {
    let [jitter] = ports.bytes::<1>();
    match failure.kind {
        FailureKind::Exhausted => Outcome::Park { until: ports.now().next_day(), why: failure.why },
        FailureKind::Transient | FailureKind::Bug | FailureKind::Input => {
            let after = backoff(i64::from(deliveries.min(LONGEST_WAIT)), jitter);
            Outcome::Retry { after, why: failure.why }
        }
    }
}

/// Returns how long until the next attempt, in whole seconds: equal jitter, from half of an exponential ceiling up to
/// all of it, so that chance does not use the attempts up while a service is out.
///
/// Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
pub fn backoff(attempts: i64, jitter: u8) -> Span {
    let ceiling = ((1 << attempts.clamp(0, 16)) * constants::BACKOFF_BASE).min(constants::BACKOFF_CEILING);
    Span::seconds((ceiling.as_seconds() * (i64::from(jitter) + 257) / 512).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_grows_to_its_ceiling_and_is_spread() {
        assert_eq!(backoff(0, 255), Span::seconds(1));
        assert_eq!(backoff(4, 255), Span::seconds(16));
        assert_eq!(backoff(40, 255), Span::minutes(20));
        assert_eq!(backoff(40, 0), Span::seconds(602));
    }

    #[test]
    fn the_attempts_outlast_an_hour_without_a_service() {
        let shortest: i64 = (1..constants::ATTEMPTS).map(|attempts| backoff(attempts, 0).as_seconds()).sum();
        assert!(shortest > 3_600, "{shortest} s");
    }

    #[test]
    fn the_kind_decides() {
        let now = Timestamp::from_milliseconds(0);
        let transient = Failure::transient("busy");
        assert!(matches!(fate(&transient, 1, now, 0), Outcome::Retry { .. }));
        assert!(matches!(fate(&transient, constants::ATTEMPTS, now, 0), Outcome::Dead { .. }));
        assert!(matches!(fate(&Failure::input("not text"), 1, now, 0), Outcome::Dead { .. }));
        let parked = fate(&Failure::exhausted("neurons"), 1, now, 0);
        assert_eq!(parked, Outcome::Park { until: now.next_day(), why: "neurons".into() });
    }
}
