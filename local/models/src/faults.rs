//! Failure on demand, so that tests can see what the product makes of it.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

/// What AI says when the day's neurons are spent: the API's words, and what the binding says for them.
const SPENT: [&str; 2] = [
    "3036: You have used up your daily free allocation of 10,000 neurons.",
    "4006: you have used up your daily free allocation of 10,000 neurons, please upgrade to a paid plan",
];

/// How long a vector that was upserted is not found as [`Faults::as_in_production`] has it. Vectorize takes up to
/// [two minutes](pipeline::constants::VECTORS_VISIBLE_AFTER): of that nobody who tries something out sees the end.
const VISIBLE_AFTER_MS: u64 = 2_000;

/// Bytes of text that an embedding call holds at most as [`Faults::as_in_production`] has it. No page says how
/// many: calls of fewer than 100 long texts were seen to fail. Of texts that fill the model's window, in English,
/// these are fifty-six: a call of as many as a message sends may fail, if they are in another language.
const LONGEST_CALL_BYTES: usize = 128 * 1024;

/// What goes wrong, and how often (0 to 1). Set whole by `POST /faults`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fault of its own, and any of them may come together")]
pub struct Faults {
    /// AI calls that fail before anything is done.
    pub ai_fails: f64,
    /// AI calls that do their work and lose the answer.
    pub ai_answers_lost: f64,
    /// Vectorize calls that fail before anything is done.
    pub vectorize_fails: f64,
    /// Vectorize calls that do their work and lose the answer.
    pub vectorize_answers_lost: f64,
    /// Milliseconds every call takes longer.
    pub stall_ms: u64,
    /// Milliseconds until an upserted vector is seen by queries.
    pub visible_after_ms: u64,
    /// Milliseconds from now on in which AI does not answer: an outage.
    pub ai_out_ms: u64,
    /// Milliseconds from now on in which Vectorize does not answer.
    pub vectorize_out_ms: u64,
    /// AI answers 429 to every call.
    pub ai_rate_limited: bool,
    /// Bytes of text that one embedding call may hold together; nothing: no limit.
    pub ai_longest_call: Option<usize>,
    /// Neurons that are left; nothing: no limit. When they are spent AI answers error 3036, or the 4006 that
    /// the binding makes of it, in turn.
    pub neurons_left: Option<f64>,
    /// AI answers error 3040 (out of capacity) to every call.
    pub out_of_capacity: bool,
    /// Language models think before they answer, in a field beside the answer: also those that do not by themselves.
    pub llm_thinks: bool,
    /// Language models end their answer without a word.
    pub llm_silent: bool,
    /// Language models answer what is no text.
    pub llm_garbage: bool,
    /// Language models break off after so many pieces…
    pub llm_breaks_after: Option<u64>,
    /// …so many more times; nothing: every time.
    pub llm_breaks: Option<u64>,
    /// Milliseconds every piece of an answer takes longer.
    pub llm_token_ms: u64,
}

impl Faults {
    /// Nothing that goes wrong, but all that production does not do at once or not at all.
    pub fn as_in_production() -> Self {
        Self { visible_after_ms: VISIBLE_AFTER_MS, ai_longest_call: Some(LONGEST_CALL_BYTES), ..Self::default() }
    }
}

/// The faults in force and the randomness that picks their victims.
#[derive(Debug, Default)]
pub struct Injector {
    faults: Mutex<Faults>,
    set_at: Mutex<Option<Instant>>,
    calls: AtomicU64,
    times_spent: AtomicU64,
}

/// What is to happen to one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It works.
    Works,
    /// It fails before anything is done.
    Fails,
    /// It is done, and its answer is lost.
    AnswerLost,
}

impl Injector {
    /// With these faults in force, and no outage.
    pub fn new(faults: Faults) -> Self {
        Self { faults: Mutex::new(faults), ..Self::default() }
    }

    /// The faults in force.
    pub fn faults(&self) -> Faults {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces them.
    pub fn set(&self, faults: Faults) {
        *self.faults.lock().unwrap_or_else(PoisonError::into_inner) = faults;
        *self.set_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// True for so many milliseconds after the faults were set.
    pub fn is_out(&self, milliseconds: u64) -> bool {
        let set_at = *self.set_at.lock().unwrap_or_else(PoisonError::into_inner);
        set_at.is_some_and(|set_at| set_at.elapsed() < Duration::from_millis(milliseconds))
    }

    /// How AI says that the neurons are spent: in the two ways it has, in turn.
    pub fn spent(&self) -> String {
        SPENT[usize::from(self.times_spent.fetch_add(1, Ordering::Relaxed) % 2 == 1)].to_owned()
    }

    /// Spends neurons; false if there are not enough left.
    pub fn spend(&self, neurons: f64) -> bool {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut faults.neurons_left {
            None => true,
            Some(left) if *left >= neurons => {
                *left -= neurons;
                true
            }
            Some(_) => false,
        }
    }

    /// Counts an answer that broke off; the last that was ordered ends the fault.
    pub fn count_break(&self) {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(left) = &mut faults.llm_breaks {
            *left = left.saturating_sub(1);
            if *left == 0 {
                faults.llm_breaks_after = None;
            }
        }
    }

    /// Draws a call's fate: a sequence that is the same in every run of the server.
    pub fn draw(&self, fails: f64, answer_lost: f64) -> Fate {
        let drawn = uniform(self.calls.fetch_add(1, Ordering::Relaxed));
        if drawn < fails {
            Fate::Fails
        } else if drawn < fails + answer_lost {
            Fate::AnswerLost
        } else {
            Fate::Works
        }
    }
}

/// `SplitMix64` of a counter, from 0 to 1. Source: Steele, Lea and Flood, OOPSLA 2014.
#[expect(clippy::cast_precision_loss, reason = "53 bits fit a float exactly")]
fn uniform(counter: u64) -> f64 {
    let mut mixed = counter.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    (mixed >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use pipeline::constants;

    use super::*;

    #[test]
    fn about_as_many_fail_as_asked() {
        let injector = Injector::default();
        let failed = (0..10_000).filter(|_| injector.draw(0.1, 0.1) != Fate::Works).count();
        assert!((1_800..2_200).contains(&failed), "{failed}");
    }

    #[test]
    fn production_takes_what_one_message_embeds_and_no_call_of_a_hundred_full_windows() {
        let faults = Faults::as_in_production();
        let longest = faults.ai_longest_call.unwrap();
        // A word piece of English is about four and a half bytes.
        let window = pipeline::model::EMBEDDING.window * 9 / 2;
        assert!(constants::WINDOWS_PER_MESSAGE * window < longest);
        assert!(constants::TEXTS_PER_EMBEDDING_CALL * window > longest);
        assert!(faults.visible_after_ms > 0);
    }

    #[test]
    fn neurons_run_out() {
        let injector = Injector::default();
        assert!(injector.spend(1e9));
        injector.set(Faults { neurons_left: Some(10.0), ..Faults::default() });
        assert!(injector.spend(6.0) && !injector.spend(6.0) && injector.spend(4.0));
        assert!(injector.spent().starts_with("3036: ") && injector.spent().starts_with("4006: "));
    }

    #[test]
    fn an_outage_begins_when_it_is_set_and_ends_by_itself() {
        let injector = Injector::default();
        assert!(!injector.is_out(u64::MAX));
        injector.set(Faults::default());
        assert!(injector.is_out(u64::MAX) && !injector.is_out(0));
    }
}
