//! When a request is sent again, and how long is waited before.

use std::time::Duration;

use ureq::http::HeaderMap;

use crate::{
    clock,
    failure::{Exit, Failure},
};

/// Attempts of one request, the first included.
const ATTEMPTS: u32 = 5;
/// The pause before the second attempt, doubled before each other.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// What has to wait longer is waiting for another day: whoever asked reads that.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// All pauses of one request together: a server that says "soon" for ever is not waited for.
const LONGEST_WAIT: Duration = Duration::from_mins(3);

/// What a failed attempt says about the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It would fail again.
    Final,
    /// It may work; nobody knows whether this one did anything.
    Again,
    /// It was never sent, and may be the next time.
    Unsent,
    /// It did nothing, and may work after so long.
    After(Duration),
}

impl Verdict {
    /// What a refusal says.
    pub fn of_refusal(status: u16, headers: &HeaderMap) -> Self {
        match (status, retry_after(headers)) {
            (429, after) => Self::After(after.unwrap_or(Duration::from_secs(1))),
            (503, Some(after)) => Self::After(after),
            (408 | 500 | 502 | 503 | 504, _) => Self::Again,
            _ => Self::Final,
        }
    }

    /// What a connection that broke says.
    pub fn of_error(error: &ureq::Error) -> Self {
        match error {
            ureq::Error::ConnectionFailed => Self::Unsent,
            ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => Self::Unsent,
            ureq::Error::Timeout(_) | ureq::Error::Io(_) | ureq::Error::Protocol(_) => Self::Again,
            _ => Self::Final,
        }
    }
}

/// `Retry-After` in seconds. As a date it is rare, and taken for a second.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get("retry-after")?.to_str().ok()?.trim();
    Some(Duration::from_secs(value.parse().unwrap_or(1)))
}

/// The attempts of one request.
#[derive(Debug, Default)]
pub struct Attempts {
    made: u32,
    waited: Duration,
    /// How long the server asked for, where that was too long.
    asked_for: Option<Duration>,
}

impl Attempts {
    /// How long to wait before the next attempt; `None` if there is none.
    pub fn pause(&mut self, verdict: Verdict, may_repeat: bool) -> Option<Duration> {
        self.made += 1;
        let pause = match verdict {
            Verdict::Final => return None,
            Verdict::Again if !may_repeat => return None,
            Verdict::Again | Verdict::Unsent => FIRST_PAUSE * 2u32.pow(self.made - 1),
            Verdict::After(pause) if pause > LONGEST_PAUSE => {
                self.asked_for = Some(pause);
                return None;
            }
            Verdict::After(pause) => pause.max(FIRST_PAUSE.mul_f64(f64::from(self.made - 1))),
        };
        // Who is told to wait is answered by a server that lives: that is worth more attempts than silence.
        let most = if matches!(verdict, Verdict::After(_)) { 4 * ATTEMPTS } else { ATTEMPTS };
        if self.made >= most || self.waited + pause > LONGEST_WAIT {
            return None;
        }
        self.waited += pause;
        // Clients that were refused together do not come back together.
        Some(pause.mul_f64(1.0 + clock::jitter() / 4.0))
    }

    /// The last failure, with how long to wait where the server said so.
    pub fn give_up(&self, failure: Failure) -> Failure {
        let Some(asked_for) = self.asked_for.filter(|_| failure.exit == Exit::Quota) else { return failure };
        let until = clock::text(clock::now() + asked_for);
        failure.advise(format!("it can be asked again from {until} on ({} from now)", clock::span(asked_for)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_have_been_done_is_repeated_only_where_that_does_no_harm() {
        assert_eq!(Attempts::default().pause(Verdict::Again, false), None);
        assert!(Attempts::default().pause(Verdict::Again, true).is_some());
        assert!(Attempts::default().pause(Verdict::After(Duration::from_secs(1)), false).is_some());
        assert!(Attempts::default().pause(Verdict::Unsent, false).is_some());
        assert_eq!(Attempts::default().pause(Verdict::Final, true), None);
    }

    #[test]
    fn a_request_ends_however_often_it_is_told_to_wait() {
        let mut attempts = Attempts::default();
        let pauses = std::iter::from_fn(|| attempts.pause(Verdict::After(Duration::ZERO), true)).take(1_000).count();
        assert!(pauses < 20, "{pauses}");
        let mut attempts = Attempts::default();
        assert_eq!(std::iter::from_fn(|| attempts.pause(Verdict::Again, true)).take(1_000).count(), 4);
    }

    #[test]
    fn an_allowance_that_is_spent_is_not_waited_for_but_said_to_come_back() {
        let mut attempts = Attempts::default();
        assert_eq!(attempts.pause(Verdict::After(Duration::from_hours(1)), true), None);
        let said = attempts.give_up(Failure::new(Exit::Quota, "spent")).advice.unwrap();
        assert!(said.contains("1 h"), "{said}");
    }
}
