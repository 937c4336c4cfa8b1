//! A deterministic simulation of the whole product: one seed is one history of clients, workers,
//! crashes, pauses, duplicates, losses and time; afterwards everything that was promised is checked.
//!
//! Real routes, real stages, real SQL. Workers run interleaved: a call may pause its worker while
//! others go on, past its lease. A client that did not hear back asks again. What a worker has left
//! behind when it dies is whatever it left.
#![expect(clippy::unwrap_used, reason = "a simulation that cannot go on fails")]

mod clients;
mod draw;
mod promises;

use std::{
    collections::{BTreeMap, BTreeSet},
    panic::{self, AssertUnwindSafe},
    task::{Context, Poll, Waker},
};

use consumers::{consume, dead_letter};
use pipeline::{
    constants,
    job::{message::Message, outcome::Outcome},
    platform::ports::Clock as _,
    time::{DAY, HOUR, MINUTE, SECOND, Span, Timestamp},
};
use producers::schedule::Schedule;
use serde::{Deserialize, Serialize};
use test_platform::{Fate, Mutation, ready};

use self::draw::Draw;
use crate::rig::{Rig, Worker};

/// Operations of one history.
const OPERATIONS: usize = 120;
/// The longest an invocation lives: a worker that paused longer is gone.
const LONGEST_LIFE: Span = Span::minutes(15);

/// Allowances that do not run out.
const PLENTY: &str = r#"{"archive_after_days": 1}"#;

/// A worker in the middle of a message, or of the schedule.
struct Running {
    future: Worker,
    message: Option<Message>,
    started: Timestamp,
}

/// One history.
pub struct Simulation {
    rig: Rig,
    draw: Draw,
    seed: u64,
    running: Vec<Running>,
    may_resume: bool,
    quiet: bool,
    days_parked: u32,
    invocations: u64,
    written: u64,
    /// What a name's document may hold: one thing, unless a cancel left it open; `None` is nothing.
    expected: BTreeMap<String, BTreeSet<Option<String>>>,
    /// Everything a name ever held.
    contents: BTreeMap<String, Vec<String>>,
    /// The last job that wrote a name's document, for cancels.
    jobs: BTreeMap<String, String>,
    /// Conversations and how many turns of each were accepted.
    turns: BTreeMap<String, usize>,
    /// Unreadable messages.
    poisons: BTreeSet<String>,
}

/// Counts over many histories.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Tally {
    /// Histories.
    pub seeds: u64,
    /// Messages delivered.
    pub deliveries: u64,
    /// Documents' revisions accepted.
    pub revisions: u64,
    /// Questions accepted.
    pub turns: u64,
}

impl Tally {
    /// Adds another's.
    pub fn add(&mut self, other: Self) {
        self.seeds += other.seeds;
        self.deliveries += other.deliveries;
        self.revisions += other.revisions;
        self.turns += other.turns;
    }
}

/// Runs one history; what was violated, if anything was.
pub fn run(seed: u64) -> Result<Tally, String> {
    let mut simulation = Simulation::new(seed);
    simulation.history()?;
    Ok(Tally {
        seeds: 1,
        deliveries: simulation.invocations,
        revisions: simulation.written,
        turns: simulation.turns.values().map(|count| *count as u64).sum(),
    })
}

/// What a history without a rule came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Without {
    /// No statement of it held the rule.
    Unused,
    /// Nothing was violated.
    Unnoticed,
    /// Something was violated, or went to pieces.
    Violated,
}

/// Runs one history without a rule.
pub fn run_without(seed: u64, mutation: Mutation) -> Without {
    let mut simulation = Simulation::new(seed);
    simulation.rig.memory.mutate(mutation);
    let kept = panic::catch_unwind(AssertUnwindSafe(|| simulation.history())).is_ok_and(|history| history.is_ok());
    match (simulation.rig.memory.has_mutated(), kept) {
        (false, _) => Without::Unused,
        (true, true) => Without::Unnoticed,
        (true, false) => Without::Violated,
    }
}

/// 10 % of all calls kill their worker, before or after they took effect.
fn chaos(seed: u64) -> impl FnMut() -> Fate + 'static {
    let mut draw = Draw::new(seed ^ 0x5eed);
    move || match draw.below(100) {
        0..=4 => Fate::Crashes,
        5..=9 => Fate::CrashesAfter,
        10..=11 => Fate::Fails,
        12 => Fate::AnswerLost,
        13..=16 => Fate::Pauses,
        _ => Fate::Works,
    }
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let rig = Rig::new(seed);
        let mut draw = Draw::new(seed);
        rig.memory.set_limits(match draw.below(5) {
            // Indexing parks for tomorrow when a few documents are embedded, answers do without a model.
            0 => r#"{"archive_after_days": 1, "neurons": 30, "ingest_share": 0.05}"#,
            // Documents give their vectors up.
            1 => r#"{"archive_after_days": 1, "vectors_stored": 4}"#,
            _ => PLENTY,
        });
        // No worker takes another's claim before that ran out.
        rig.memory.change("CREATE TABLE stolen (item INTEGER)");
        rig.memory.change(
            "CREATE TRIGGER theft AFTER UPDATE OF token ON job_items
             WHEN old.token IS NOT NULL AND new.token IS NOT NULL AND old.token <> new.token
              AND old.state = 'running' AND old.lease >= new.updated_at
             BEGIN INSERT INTO stolen VALUES (new.id); END",
        );
        // What has ended has ended: only its owner can try it again.
        rig.memory.change("CREATE TABLE undone (item INTEGER)");
        rig.memory.change(
            "CREATE TRIGGER undoing AFTER UPDATE OF state ON job_items
             WHEN old.state IN ('done', 'cancelled') AND new.state = 'failed'
             BEGIN INSERT INTO undone VALUES (new.id); END",
        );
        Self {
            rig,
            draw,
            seed,
            running: Vec::new(),
            may_resume: true,
            quiet: false,
            days_parked: 0,
            invocations: 0,
            written: 0,
            expected: BTreeMap::new(),
            contents: BTreeMap::new(),
            jobs: BTreeMap::new(),
            turns: BTreeMap::new(),
            poisons: BTreeSet::new(),
        }
    }

    fn history(&mut self) -> Result<(), String> {
        // Some clients want nothing any more in the end, while workers that paused are still at it.
        let erases = self.draw.percent(30);
        for operation in 0..OPERATIONS {
            self.may_resume = !(erases && operation > OPERATIONS / 2);
            self.operation()?;
        }
        if erases {
            self.erase_everything();
        }
        self.come_to_rest()?;
        self.check()
    }

    fn operation(&mut self) -> Result<(), String> {
        self.rig.memory.advance(Span::milliseconds(i64::try_from(self.draw.below(4_000)).unwrap()));
        match self.draw.below(100) {
            0..=13 => self.upload(),
            14..=17 => self.delete(),
            18..=20 => self.cancel(),
            21..=27 => self.ask(),
            28..=30 => self.read(),
            31..=33 => self.search()?,
            34..=62 => self.deliver(),
            63..=67 => self.work_quietly(),
            68..=77 => self.resume(),
            78..=85 => self.cron(Schedule::Frequent),
            86..=88 => self.cron(Schedule::Hourly),
            89..=90 => self.cron(Schedule::Daily),
            91..=93 => self.rig.memory.advance(constants::LEASE + SECOND),
            94 => self.rig.memory.advance(20 * MINUTE),
            95 => self.a_day_passes(),
            96 => self.poison(),
            97..=98 => self.retry(),
            _ => self.never_half_visible()?,
        }
        Ok(())
    }

    fn deliver(&mut self) {
        // Any message may be next.
        for _ in 0..self.draw.below(3) {
            if let Some(message) = self.rig.memory.receive() {
                self.rig.memory.redeliver(message);
            }
        }
        let Some(message) = self.rig.memory.receive() else { return };
        if self.draw.percent(2) {
            return;
        }
        if self.draw.percent(20) {
            self.rig.memory.redeliver(message.clone());
        }
        self.begin(message);
    }

    /// A while without crashes, in which work gets far; some workers pause.
    fn work_quietly(&mut self) {
        self.quiet = true;
        for _ in 0..8 {
            self.deliver();
        }
        self.quiet = false;
    }

    /// What happens to the calls of the next worker.
    fn set_fates(&mut self) {
        let seed = self.draw.next();
        if self.quiet {
            let mut draw = Draw::new(seed);
            self.rig.memory.set_fates(move || if draw.percent(6) { Fate::Pauses } else { Fate::Works });
        } else {
            self.rig.memory.set_fates(chaos(seed));
        }
    }

    fn begin(&mut self, message: Message) {
        self.invocations += 1;
        let started = self.rig.memory.now();
        let future = self.rig.worker(&format!("worker-{}", self.invocations), &message);
        self.go_on(Running { future, message: Some(message), started });
    }

    /// Lets a worker run until it pauses, dies or ends.
    fn go_on(&mut self, mut running: Running) {
        let now = self.rig.memory.now();
        if now.since(running.started) > LONGEST_LIFE {
            return; // Its invocation was ended; the message is lost, or comes again.
        }
        self.set_fates();
        let mut context = Context::from_waker(Waker::noop());
        let polled = running.future.as_mut().poll(&mut context);
        self.rig.memory.heal();
        match polled {
            Poll::Pending => self.running.push(running),
            Poll::Ready(Outcome::Retry { .. }) => self.deliver_again(running.message),
            Poll::Ready(_) => {}
        }
    }

    /// A queue gives some messages up.
    fn deliver_again(&mut self, message: Option<Message>) {
        let Some(message) = message else { return };
        if self.draw.percent(95) {
            self.rig.memory.redeliver(message);
            return;
        }
        let worker = self.rig.memory.worker(&format!("worker-{}-given-up", self.invocations));
        ready(dead_letter::record(&worker, "given-up", &message.encode()));
    }

    fn resume(&mut self) {
        if self.running.is_empty() || !self.may_resume {
            return;
        }
        let place = usize::try_from(self.draw.below(self.running.len() as u64)).unwrap();
        let running = self.running.swap_remove(place);
        self.go_on(running);
    }

    fn cron(&mut self, schedule: Schedule) {
        self.invocations += 1;
        let started = self.rig.memory.now();
        let future = self.rig.cron_worker(&format!("cron-{}", self.invocations), schedule);
        self.go_on(Running { future, message: None, started });
    }

    /// Queues forget what is older.
    fn a_day_passes(&mut self) {
        self.rig.memory.advance(DAY + HOUR);
        self.rig.memory.lose_messages();
    }

    fn poison(&mut self) {
        let id = format!("poison-{}", self.draw.below(3));
        self.rig.memory.set_fates(chaos(self.draw.next()));
        let worker = self.rig.memory.worker(&id);
        let outcome = ready(consume(&worker, &id, "{\"v\":1,\"stage\":\"dance\"}")).outcome;
        self.rig.memory.heal();
        // Until it is recorded the queue delivers it again.
        if matches!(outcome, Outcome::Retry { .. }) {
            let worker = self.rig.memory.worker(&id);
            ready(consume(&worker, &id, "{\"v\":1,\"stage\":\"dance\"}"));
        }
        self.poisons.insert(id);
    }
}
