//! What an isolate remembers from one invocation to the next: a few numbers that cost nothing to keep, and whose
//! loss does no harm. The platform ends an isolate when it likes, and has several of one Worker at once.

use std::collections::BTreeMap;

use crate::{
    budget::usage::{Totals, Usage},
    constants,
    ids::UserId,
    time::{Span, Timestamp},
};

/// Callers, and users, that are remembered at most; 100 bytes each. One more, and all are forgotten.
const REMEMBERED: usize = 1_000;
/// Requests without a row that are worth one of their own.
const UNRECORDED_DUE: u64 = 50;
/// How long they wait for it if they are fewer.
const UNRECORDED_KEPT: Span = Span::minutes(5);

/// What this isolate has seen of a caller who was refused.
#[derive(Clone, Copy, Debug)]
struct Refused {
    /// So long the caller may be banned by another isolate.
    suspected_until: Timestamp,
    /// So long the caller is banned.
    banned_until: Option<Timestamp>,
}

/// What one user did here since the day was counted.
#[derive(Clone, Copy, Debug)]
struct Done {
    /// When the day was counted, as whoever asked last had it; `None` before anybody did.
    counted_at: Option<Timestamp>,
    totals: Totals,
}

/// The memory of an isolate.
#[derive(Debug, Default)]
pub struct IsolateMemory {
    callers: BTreeMap<String, Refused>,
    users: BTreeMap<UserId, Done>,
    unrecorded: Totals,
    unrecorded_since: Option<Timestamp>,
}

impl IsolateMemory {
    /// Notes that a caller asked more often than is allowed: for as long as a ban lasts it is worth a look whether
    /// there is one.
    pub fn note_refused(&mut self, caller: &str, now: Timestamp) {
        let suspected_until = now.plus(constants::BAN);
        let banned_until = self.banned_until(caller);
        self.remember(caller, Refused { suspected_until, banned_until });
    }

    /// Notes that a caller is banned.
    pub fn note_ban(&mut self, caller: &str, until: Timestamp) {
        self.remember(caller, Refused { suspected_until: until, banned_until: Some(until) });
    }

    /// Returns until when a caller is banned, or was, as far as is known here.
    pub fn banned_until(&self, caller: &str) -> Option<Timestamp> {
        self.callers.get(caller)?.banned_until
    }

    /// Returns true if a caller was refused here lately.
    pub fn is_suspected(&self, caller: &str, now: Timestamp) -> bool {
        self.callers.get(caller).is_some_and(|refused| now < refused.suspected_until)
    }

    fn remember(&mut self, caller: &str, refused: Refused) {
        if self.callers.len() >= REMEMBERED && !self.callers.contains_key(caller) {
            self.callers.clear();
        }
        self.callers.insert(caller.to_owned(), refused);
    }

    /// Adds an invocation that has ended to what its user did.
    pub fn note_done(&mut self, user: &UserId, usage: Usage) {
        self.done(user).totals.add(usage);
    }

    /// Returns what a user did here since the day was counted, as far as somebody had asked when it was done.
    pub fn done_since(&mut self, user: &UserId, counted_at: Timestamp) -> Totals {
        let done = self.done(user);
        // What was done before is in the count.
        if done.counted_at < Some(counted_at) {
            *done = Done { counted_at: Some(counted_at), totals: Totals::default() };
        }
        done.totals
    }

    fn done(&mut self, user: &UserId) -> &mut Done {
        if self.users.len() >= REMEMBERED && !self.users.contains_key(user) {
            self.users.clear();
        }
        self.users.entry(user.clone()).or_insert(Done { counted_at: None, totals: Totals::default() })
    }

    /// Leaves an invocation without a row of its own: it is counted with others.
    pub fn leave_unrecorded(&mut self, usage: Usage, now: Timestamp) {
        self.unrecorded.add(usage);
        self.unrecorded_since.get_or_insert(now);
    }

    /// Returns the invocations that were left, if they are worth a row; they are given once.
    pub fn take_unrecorded(&mut self, now: Timestamp) -> Option<Totals> {
        let since = self.unrecorded_since?;
        if self.unrecorded.invocations < UNRECORDED_DUE && now.since(since) < UNRECORDED_KEPT {
            return None;
        }
        self.unrecorded_since = None;
        Some(std::mem::take(&mut self.unrecorded))
    }

    /// Takes invocations back that were given and for which no row was written.
    pub fn put_back_unrecorded(&mut self, totals: Totals, now: Timestamp) {
        self.unrecorded.invocations += totals.invocations;
        self.unrecorded.usage += totals.usage;
        self.unrecorded_since.get_or_insert(now);
    }

    /// Returns how long a caller stays banned, in whole seconds and one more.
    pub fn banned_for(&self, caller: &str, now: Timestamp) -> Option<Span> {
        left_of_ban(self.banned_until(caller)?, now)
    }
}

/// Returns how long a ban still lasts, in whole seconds and one more; `None` if it is over.
pub fn left_of_ban(until: Timestamp, now: Timestamp) -> Option<Span> {
    let left = until.since(now);
    (left > Span::ZERO).then_some(Span::seconds(left.as_seconds() + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{MILLISECOND, MINUTE, SECOND};

    const READ: Usage = Usage {
        neurons: 0.0,
        d1_rows_read: 7,
        d1_rows_written: 0,
        kv_reads: 0,
        kv_writes: 0,
        r2_class_a: 0,
        r2_class_b: 0,
        queue_operations: 0,
        vectors_queried: 0,
        vectors_upserted: 0,
        object_requests: 0,
        object_rows_read: 0,
        object_rows_written: 0,
        object_awake: Span::ZERO,
    };

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_milliseconds(milliseconds)
    }

    fn user(number: usize) -> UserId {
        UserId::parse(&format!("usr_{number:026}")).unwrap()
    }

    #[test]
    fn what_a_user_did_is_known_until_it_is_counted() {
        let mut memory = IsolateMemory::default();
        assert_eq!(memory.done_since(&user(1), at(100)), Totals::default());
        memory.note_done(&user(1), READ);
        memory.note_done(&user(1), READ);
        memory.note_done(&user(2), READ);
        assert_eq!(memory.done_since(&user(1), at(100)).usage.d1_rows_read, 14);
        assert_eq!(memory.done_since(&user(1), at(400)), Totals::default(), "it is in the count of then");
        assert_eq!(memory.done_since(&user(2), at(100)), Totals::default(), "it may be in the count");
    }

    #[test]
    fn what_has_no_row_is_given_once_when_there_is_much_of_it_or_it_has_waited() {
        let mut memory = IsolateMemory::default();
        assert_eq!(memory.take_unrecorded(at(0)), None);
        (0..49).for_each(|_| memory.leave_unrecorded(READ, at(1_000)));
        assert_eq!(memory.take_unrecorded(at(1_000)), None);
        memory.leave_unrecorded(READ, at(1_000));
        let taken = memory.take_unrecorded(at(1_000)).unwrap();
        assert_eq!((taken.invocations, taken.usage.d1_rows_read), (50, 350));
        memory.leave_unrecorded(READ, at(2_000));
        let due = at(2_000).plus(5 * MINUTE);
        assert_eq!(memory.take_unrecorded(due.plus(-MILLISECOND)), None);
        assert_eq!(memory.take_unrecorded(due).unwrap().invocations, 1);
        assert_eq!(memory.take_unrecorded(due), None);
        memory.leave_unrecorded(READ, due);
        memory.put_back_unrecorded(taken, due);
        assert_eq!(memory.take_unrecorded(due).unwrap().invocations, 51, "no row was written for what is put back");
    }

    #[test]
    fn a_caller_is_suspected_as_long_as_a_ban_would_last() {
        let mut memory = IsolateMemory::default();
        memory.note_refused("one", at(0));
        let over = at(0).plus(constants::BAN);
        assert!(memory.is_suspected("one", over.plus(-MILLISECOND)) && !memory.is_suspected("one", over));
        assert!(!memory.is_suspected("another", at(0)));
        memory.note_ban("one", at(5_000));
        memory.note_refused("one", at(1_000));
        assert_eq!(memory.banned_for("one", at(4_000)), Some(2 * SECOND), "a refusal does not end a ban");
        assert_eq!(memory.banned_for("one", at(5_000)), None);
    }

    #[test]
    fn however_many_come_no_more_is_remembered() {
        let mut memory = IsolateMemory::default();
        for number in 0..3 * REMEMBERED {
            memory.note_refused(&number.to_string(), at(0));
            memory.note_done(&user(number), READ);
        }
        assert!(memory.callers.len() <= REMEMBERED && memory.users.len() <= REMEMBERED);
    }
}
