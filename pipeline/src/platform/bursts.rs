//! Bursts counted in memory, for while the rate-limit binding does not answer.
//!
//! It counts what one isolate sees, so a caller who reaches several gets more than their quota: a limit all the same.

use std::collections::BTreeMap;

use crate::{
    constants,
    platform::ports::Burst,
    time::{MINUTE, Span, Timestamp},
};

/// Callers that are counted each by themselves; 100 bytes each. Those beyond share one count.
const CALLERS: usize = 1_000;
/// Who shares a count while there are too many callers.
const OTHERS: &str = "others";

/// Requests of one caller since the first of a period.
#[derive(Clone, Copy, Debug)]
struct Window {
    until: Timestamp,
    requests: u32,
}

/// Requests of callers in the present period of each.
#[derive(Clone, Debug, Default)]
pub struct Bursts {
    windows: BTreeMap<(Burst, String), Window>,
}

impl Bursts {
    /// Begins with nobody who has asked.
    pub const fn new() -> Self {
        Self { windows: BTreeMap::new() }
    }

    /// Counts a request; answers false if it is one too many.
    pub fn admit(&mut self, burst: Burst, caller: &str, now: Timestamp) -> bool {
        let (quota, period) = quota(burst);
        let key = self.key(burst, caller, now);
        let window = self.windows.entry(key).or_insert(Window { until: now.plus(period), requests: 0 });
        if window.until <= now {
            *window = Window { until: now.plus(period), requests: 0 };
        }
        window.requests = window.requests.saturating_add(1);
        window.requests <= quota
    }

    /// Under which name a caller is counted: their own, as long as there is space.
    fn key(&mut self, burst: Burst, caller: &str, now: Timestamp) -> (Burst, String) {
        let key = (burst, caller.to_owned());
        if self.windows.contains_key(&key) || self.windows.len() < CALLERS {
            return key;
        }
        self.windows.retain(|_, window| window.until > now);
        if self.windows.len() < CALLERS { key } else { (burst, OTHERS.to_owned()) }
    }
}

/// Requests in a period, as `wrangler.toml` configures the binding.
const fn quota(burst: Burst) -> (u32, Span) {
    match burst {
        Burst::Address => (constants::BURST_PER_ADDRESS, constants::BURST_PERIOD),
        Burst::Key => (constants::BURST_PER_KEY, constants::BURST_PERIOD),
        Burst::Refused => (constants::REFUSALS_BEFORE_BAN, MINUTE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::MILLISECOND;

    fn admitted(bursts: &mut Bursts, burst: Burst, caller: &str, now: Timestamp) -> usize {
        (0..1_000).take_while(|_| bursts.admit(burst, caller, now)).count()
    }

    #[test]
    fn a_caller_has_a_quota_in_each_period() {
        let mut bursts = Bursts::new();
        let now = Timestamp::from_milliseconds(1_000);
        assert_eq!(admitted(&mut bursts, Burst::Address, "one", now), 300);
        assert_eq!(admitted(&mut bursts, Burst::Address, "another", now), 300);
        assert_eq!(admitted(&mut bursts, Burst::Key, "one", now), 100);
        assert_eq!(admitted(&mut bursts, Burst::Refused, "one", now), 50);
        let end = now.plus(constants::BURST_PERIOD);
        assert!(!bursts.admit(Burst::Address, "one", end.plus(-MILLISECOND)));
        assert_eq!(admitted(&mut bursts, Burst::Address, "one", end), 300);
        assert!(!bursts.admit(Burst::Refused, "one", end), "its period is a minute");
    }

    #[test]
    fn callers_beyond_the_space_share_a_quota_and_take_no_more_space() {
        let mut bursts = Bursts::new();
        let now = Timestamp::from_milliseconds(1_000);
        for number in 0..CALLERS {
            assert!(bursts.admit(Burst::Address, &number.to_string(), now));
        }
        let beyond = (0..5_000).filter(|number| bursts.admit(Burst::Address, &format!("new {number}"), now)).count();
        assert_eq!(beyond, 300);
        assert!(bursts.admit(Burst::Address, "7", now), "who is counted already goes on");
        assert!(bursts.windows.len() <= CALLERS + 3, "one more for each kind of burst");
        let later = now.plus(constants::BURST_PERIOD);
        assert!(bursts.admit(Burst::Address, "new 4999", later), "their space is free again");
        assert_eq!(bursts.windows.len(), 1);
    }
}
