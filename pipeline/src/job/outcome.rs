//! What a stage made of a message. Only the batch loop turns it into ack and retry.

use crate::{
    constants,
    failure::{Failure, FailureKind},
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
    /// The name the log line carries.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Retry { .. } => "retried",
            Self::Park { .. } => "parked",
            Self::Dead { .. } => "dead",
        }
    }

    /// What the batch loop says of it.
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Done => None,
            Self::Retry { why, .. } | Self::Park { why, .. } | Self::Dead { why } => Some(why),
        }
    }
}

/// Decides a failed attempt's fate: the failure's kind and how often it was tried.
///
/// `jitter` is uniform in 0..=255 and spreads the retries of a burst (full jitter).
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

/// How long until the next attempt, in whole seconds: full jitter under an exponential ceiling.
///
/// Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
pub fn backoff(attempts: i64, jitter: u8) -> Span {
    let ceiling = ((1 << attempts.clamp(0, 16)) * constants::BACKOFF_BASE).min(constants::BACKOFF_CEILING);
    Span::seconds(ceiling.as_seconds() * (i64::from(jitter) + 1) / 256)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_grows_to_its_ceiling_and_is_spread() {
        assert_eq!(backoff(0, 255), Span::seconds(1));
        assert_eq!(backoff(4, 255), Span::seconds(16));
        assert_eq!(backoff(40, 255), Span::seconds(300));
        assert_eq!(backoff(40, 0), Span::seconds(1));
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
