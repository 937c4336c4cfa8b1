//! As many requests as the server takes of one key in a time, less a few for whoever uses it at the same time: what is
//! never refused is never counted towards a ban.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use pipeline::constants;

/// Over how long requests are counted.
const PERIOD: Duration = Duration::from_secs(constants::BURST_PERIOD.as_seconds().unsigned_abs());
/// Requests of this program in that time.
const MOST: usize = constants::BURST_PER_KEY as usize * 4 / 5;

/// When the last requests were made.
#[derive(Debug, Default)]
pub struct Pace(Mutex<VecDeque<Instant>>);

impl Pace {
    /// Waits until another request may be made, and notes it.
    pub fn wait(&self) {
        while let Some(pause) = self.take(Instant::now()) {
            std::thread::sleep(pause);
        }
    }

    /// Notes a request that is made now; or how long to wait before it may be.
    fn take(&self, now: Instant) -> Option<Duration> {
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while made.front().is_some_and(|first| now.duration_since(*first) >= PERIOD) {
            made.pop_front();
        }
        match made.front() {
            Some(first) if made.len() >= MOST => Some(PERIOD.saturating_sub(now.duration_since(*first))),
            _ => {
                made.push_back(now);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_period_holds_more_requests_than_a_key_may_make() {
        let pace = Pace::default();
        let begin = Instant::now();
        let mut made = Vec::new();
        for tenth in 0..1_000u32 {
            let now = begin + Duration::from_millis(100) * tenth;
            made.extend((0..50).filter(|_| pace.take(now).is_none()).map(|_| now));
        }
        assert!(made.len() > 9 * MOST, "{}", made.len());
        for (place, first) in made.iter().enumerate() {
            let within = made[place..].iter().take_while(|other| other.duration_since(*first) < PERIOD).count();
            assert!(within <= MOST && MOST < constants::BURST_PER_KEY as usize);
        }
    }
}
