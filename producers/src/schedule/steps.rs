//! Steps that nobody waits for: each runs where an invocation has queries for it, the rest in the next ones.
//!
//! 1. What a trigger makes due is noted in D1, beside what earlier invocations had no room for.
//! 2. Every due step runs for which there is room.
//! 3. Those that are done are taken off the note. What breaks off before that runs once more, which is harmless.

use pipeline::{
    failure::Failure,
    store::counters::{self, StepsDue},
};

use super::{
    aggregate_usage, archive_conversations, archive_usage, eviction, expiry, own_words,
    report::{FirstFailure, Report},
    retention, sweep,
    trigger::{Schedule, SchedulePorts},
};

/// A step. Its place is its bit in the note, which outlives a release: a new one comes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    WakeAndFinish,
    Aggregate,
    Expire,
    ArchiveUsage,
    Evict,
    CountAndEvict,
    Retention,
    ArchiveConversations,
    RetryPurges,
    OwnWords,
}

/// The query that takes steps off the note.
const QUERIES_TO_NOTE: u64 = 1;

impl Step {
    /// In the order in which due ones run: what always ends first, what may take many invocations last.
    const ALL: [Self; 10] = [
        Self::WakeAndFinish,
        Self::RetryPurges,
        Self::Aggregate,
        Self::Expire,
        Self::ArchiveUsage,
        Self::Evict,
        Self::CountAndEvict,
        Self::Retention,
        Self::ArchiveConversations,
        Self::OwnWords,
    ];

    /// What a trigger makes due.
    const fn due(schedule: Schedule) -> &'static [Self] {
        match schedule {
            Schedule::Frequent => &[],
            Schedule::Hourly => &[Self::WakeAndFinish, Self::Aggregate, Self::Evict, Self::OwnWords],
            Schedule::Daily => &[
                Self::WakeAndFinish,
                Self::RetryPurges,
                Self::Aggregate,
                Self::Expire,
                Self::ArchiveUsage,
                Self::CountAndEvict,
                Self::Retention,
                Self::ArchiveConversations,
            ],
        }
    }

    const fn bit(self) -> i64 {
        1 << self as u8
    }

    /// D1 queries without which it is not begun; one that loops asks by itself what is left.
    const fn queries(self) -> u64 {
        match self {
            Self::WakeAndFinish => 3,
            Self::Aggregate | Self::ArchiveUsage | Self::ArchiveConversations => 4,
            Self::Retention => 11,
            Self::RetryPurges => sweep::QUERIES_TO_RETRY_PURGES,
            Self::Expire => expiry::QUERIES,
            Self::Evict | Self::CountAndEvict => eviction::QUERIES,
            Self::OwnWords => own_words::QUERIES,
        }
    }

    /// Runs it; true if more of it is left for another invocation. One that fails waits until it is due again.
    async fn run<P: SchedulePorts>(self, ports: &P, report: &mut Report, failures: &mut FirstFailure) -> bool {
        match self {
            Self::WakeAndFinish => {
                failures.keep(sweep::wake_and_finish(ports).await);
            }
            Self::RetryPurges => {
                failures.keep(sweep::retry_purges(ports).await);
            }
            Self::Aggregate => report.aggregated = failures.keep(aggregate_usage::aggregate(ports).await).unwrap_or(0),
            Self::Expire => report.expired = failures.keep(expiry::expire(ports).await).unwrap_or(0),
            Self::ArchiveUsage => {
                failures.keep(archive_usage::archive_month(ports).await);
            }
            Self::Evict | Self::CountAndEvict => {
                let count = self == Self::CountAndEvict;
                let done = failures.keep(eviction::evict(ports, count).await).unwrap_or_default();
                report.evicted += done.0;
                return done.1;
            }
            Self::Retention => {
                let done = failures.keep(retention::enforce_retention(ports).await).unwrap_or_default();
                report.retention = done.0;
                return done.1;
            }
            Self::ArchiveConversations => {
                let done = failures.keep(archive_conversations::enqueue_idle(ports).await).unwrap_or_default();
                report.archived = done.0;
                return done.1;
            }
            Self::OwnWords => {
                let done = failures.keep(own_words::move_shared(ports).await).unwrap_or_default();
                report.words_moved = done.0;
                return done.1;
            }
        }
        false
    }
}

/// Runs what is due, as far as there is room.
pub(super) async fn work_off<P: SchedulePorts>(
    ports: &P,
    schedule: Schedule,
    report: &mut Report,
    failures: &mut FirstFailure,
) {
    let now_due = Step::due(schedule).iter().fold(0, |bits, step| bits | step.bit());
    // Without the note what is due now is done all the same.
    let due = failures.keep(note_due(ports, now_due).await).unwrap_or(now_due);
    let mut done = 0;
    for step in Step::ALL.into_iter().filter(|step| due & step.bit() != 0) {
        let has_queries_left = ports.asked().queries_left() >= step.queries() + QUERIES_TO_NOTE;
        if has_queries_left && !step.run(ports, report, failures).await {
            done |= step.bit();
        }
    }
    if done != 0 {
        failures.keep(counters::note_done_steps(done).run(ports).await);
    }
}

async fn note_due<P: SchedulePorts>(ports: &P, now_due: i64) -> Result<i64, Failure> {
    let query = if now_due == 0 { counters::due_steps() } else { counters::note_due_steps(now_due) };
    let StepsDue { value } = query.first(ports).await?.unwrap_or_default();
    Ok(value)
}

#[cfg(test)]
mod tests {
    use test_platform::{InMemory, ready};

    use super::*;

    #[test]
    fn every_step_has_a_bit_of_its_own() {
        let bits = Step::ALL.iter().fold(0, |bits, step| bits | step.bit());
        assert_eq!(bits.count_ones() as usize, Step::ALL.len());
    }

    #[test]
    fn what_a_trigger_makes_due_is_noted_and_taken_off_when_it_is_done() {
        let memory = InMemory::new(1);
        let (mut report, mut failures) = (Report::default(), FirstFailure::default());
        ready(work_off(&memory, Schedule::Daily, &mut report, &mut failures));
        failures.outcome.unwrap();
        assert_eq!(memory.look("SELECT value FROM counters WHERE name = 'steps_due'")[0]["value"], 0);
    }

    #[test]
    fn what_an_invocation_has_no_room_for_is_done_by_the_next() {
        let memory = InMemory::new(1);
        let (mut report, mut failures) = (Report::default(), FirstFailure::default());
        memory.begin("full");
        // All but what the note, the first two steps and the last note take.
        for _ in 0..38 {
            ready(counters::due_steps().first(&memory)).unwrap();
        }
        ready(work_off(&memory, Schedule::Daily, &mut report, &mut failures));
        let left = memory.look("SELECT value FROM counters WHERE name = 'steps_due'")[0]["value"].as_i64().unwrap();
        assert_eq!(left & (Step::WakeAndFinish.bit() | Step::Aggregate.bit()), 0);
        assert_ne!(left & Step::Expire.bit(), 0);
        assert!(memory.take_refused().is_empty());
        memory.begin("next");
        ready(work_off(&memory, Schedule::Frequent, &mut report, &mut failures));
        assert_eq!(memory.look("SELECT value FROM counters WHERE name = 'steps_due'")[0]["value"], 0);
    }
}
