//! When a request is sent again, and how long is waited before.

use std::time::Duration;

use pipeline::problem::Problem;
use ureq::http::HeaderMap;

use crate::{
    clock,
    failure::{Exit, Failure},
};

/// Attempts of one request, the first included.
const ATTEMPTS: u32 = 5;
/// The pause before the second attempt, doubled before each other.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// Where it is not said when to come back.
const SOON: Duration = Duration::from_secs(1);
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
    pub fn of_refusal(status: u16, headers: &HeaderMap, problem: Option<&Problem>) -> Self {
        match (status, retry_after(headers)) {
            (429, after) => Self::After(after.unwrap_or(SOON)),
            // An attempt that was given up here is still being worked on there.
            (409, after) if problem.is_some_and(is_under_way) => Self::After(after.unwrap_or(SOON)),
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

/// True for a refusal that says that the same request came before, and is not answered yet.
fn is_under_way(problem: &Problem) -> bool {
    problem.errors.iter().any(|error| error.pointer.eq_ignore_ascii_case("Idempotency-Key"))
}

/// `Retry-After` in seconds. As a date it is rare, and taken for a second.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get("retry-after")?.to_str().ok()?.trim();
    Some(value.parse().map_or(SOON, Duration::from_secs))
}

/// The attempts of one request.
#[derive(Debug, Default)]
pub struct Attempts {
    made: u32,
    waited: Duration,
    /// How long the server asked for, where that was too long.
    asked_for: Option<Duration>,
    /// Nobody knows whether an attempt did what it was to do.
    is_unsure: bool,
}

impl Attempts {
    /// How long to wait before the next attempt; `None` if there is none.
    pub fn pause(&mut self, verdict: Verdict, may_repeat: bool) -> Option<Duration> {
        self.made += 1;
        self.is_unsure |= verdict == Verdict::Again;
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

    /// True if an attempt may have done what the next one finds done.
    pub const fn may_be_done(&self) -> bool {
        self.is_unsure
    }

    /// The last failure, with how long to wait where the server said so, or how often it was tried.
    pub fn give_up(&self, failure: Failure) -> Failure {
        if let Some(asked_for) = self.asked_for {
            let from_now = format!("{} from now", clock::span(asked_for));
            return failure.advise(match clock::after(asked_for) {
                Some(until) => format!("it can be asked again from {} on ({from_now})", clock::text(until)),
                None => format!("it can be asked again {from_now}"),
            });
        }
        if self.made < 2 || failure.exit == Exit::Quota {
            return failure;
        }
        let tried = format!("it was tried {} times", self.made);
        let advice = failure.advice.as_ref().map_or(tried.clone(), |advice| format!("{tried}; {advice}"));
        failure.advise(advice)
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

    #[test]
    fn a_pause_that_no_calendar_holds_is_said_all_the_same() {
        let mut attempts = Attempts::default();
        for seconds in [u64::MAX, 9_999_999_999_999] {
            assert_eq!(attempts.pause(Verdict::After(Duration::from_secs(seconds)), true), None);
            let said = attempts.give_up(Failure::new(Exit::Quota, "spent")).advice.unwrap();
            assert!(said.contains("days from now"), "{said}");
        }
    }

    #[test]
    fn what_was_tried_once_is_not_said_to_have_been_tried_again_and_again() {
        let down = || Failure::new(Exit::Failed, "down").advise("look with `friend doctor`");
        let mut attempts = Attempts::default();
        assert_eq!(attempts.pause(Verdict::After(Duration::from_hours(1)), true), None);
        let said = attempts.give_up(down()).advice.unwrap();
        assert!(said.contains("1 h from now") && !said.contains("tried"), "{said}");
        let mut attempts = Attempts::default();
        while attempts.pause(Verdict::Again, true).is_some() {}
        assert_eq!(attempts.give_up(down()).advice.unwrap(), "it was tried 5 times; look with `friend doctor`");
    }

    #[test]
    fn a_request_that_is_being_worked_on_is_sent_again_and_another_conflict_is_not() {
        let problem = |pointer: &str| {
            Problem::field(
                pipeline::problem::Code::Conflict,
                pointer,
                "it is being worked on; send it again in a moment",
            )
        };
        let verdict = |pointer| Verdict::of_refusal(409, &HeaderMap::new(), Some(&problem(pointer)));
        assert_eq!(verdict("Idempotency-Key"), Verdict::After(SOON));
        assert_eq!([verdict("/id"), Verdict::of_refusal(409, &HeaderMap::new(), None)], [Verdict::Final; 2]);
    }
}
