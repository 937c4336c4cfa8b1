//! One history: chance decides what is done next, workers run a step at a time.

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
use test_platform::{Fate, ready};

use super::{
    draw::Draw,
    plan::{OPERATIONS, Plan},
    queues::Queues,
    streamed::Streamed,
    tally::Tally,
    trace::{Trace, outcome_of, task_of},
};
use crate::{
    quietly,
    rig::{Rig, held::Worker},
};

/// The longest an invocation lives: a worker that paused longer is gone.
pub(super) const LONGEST_LIFE: Span = Span::minutes(15);

/// Allowances that do not run out.
pub(super) const PLENTY: &str = r#"{"archive_after_days": 1}"#;

/// What watches from inside of the database.
const WATCHES: &str = "
    -- No worker takes another's claim before that ran out.
    CREATE TABLE stolen (item INTEGER);
    CREATE TRIGGER theft AFTER UPDATE OF token ON job_items
    WHEN old.token IS NOT NULL AND new.token IS NOT NULL AND old.token <> new.token
     AND old.state = 'running' AND old.lease >= new.updated_at
    BEGIN INSERT INTO stolen VALUES (new.id); END;
    -- What has ended has ended: only its owner can try it again, what failed and the batch that waits for it.
    CREATE TABLE undone (item INTEGER);
    CREATE TRIGGER undoing AFTER UPDATE OF state ON job_items
    WHEN old.state IN ('done', 'cancelled') AND new.state IN ('queued', 'running', 'parked', 'failed')
    BEGIN INSERT INTO undone VALUES (new.id); END;
    -- Nobody but its worker lets an item fail that has attempts left.
    CREATE TABLE healthy (item INTEGER);
    CREATE TRIGGER failing AFTER UPDATE OF state ON job_items
    WHEN old.state IN ('queued', 'parked', 'waiting', 'uploading') AND new.state = 'failed' AND old.attempts < 16
    BEGIN INSERT INTO healthy VALUES (new.id); END;
    -- What was cancelled stays so.
    CREATE TABLE revived (item INTEGER);
    CREATE TRIGGER reviving AFTER UPDATE OF state ON job_items
    WHEN new.state IN ('waiting', 'queued', 'running', 'parked')
     AND EXISTS (SELECT 1 FROM jobs WHERE id = new.job_id AND cancelled_at IS NOT NULL)
    BEGIN INSERT INTO revived VALUES (new.id); END;
    CREATE TABLE handed_over (item INTEGER, said TEXT);
    CREATE TRIGGER handing_over AFTER UPDATE OF cursor ON job_items WHEN new.stage = 'capture' AND old.cursor IS NULL
    BEGIN INSERT INTO handed_over VALUES (new.id, new.cursor); END;
";

/// A worker in the middle of a message, or of the schedule.
pub(super) struct Running {
    pub(super) name: String,
    pub(super) task: String,
    pub(super) future: Worker,
    pub(super) message: Option<Message>,
    pub(super) started: Timestamp,
}

/// One history.
pub struct Simulation {
    pub(super) rig: Rig,
    pub(super) draw: Draw,
    pub(super) seed: u64,
    pub(super) running: Vec<Running>,
    pub(super) may_resume: bool,
    pub(super) quiet: bool,
    pub(super) plan: Plan,
    /// The operations done so far, each with the draws it began with.
    pub(super) begun_with: Vec<(usize, Option<Draw>)>,
    pub(super) trace: Trace,
    pub(super) queues: Queues,
    pub(super) minutes_waited: u32,
    pub(super) days_parked: u32,
    pub(super) invocations: u64,
    pub(super) written: u64,
    /// What a name's document may hold: one thing, unless a cancel left it open; `None` is nothing.
    pub(super) expected: BTreeMap<String, BTreeSet<Option<String>>>,
    /// Everything a name ever held.
    pub(super) contents: BTreeMap<String, Vec<String>>,
    /// The last job that wrote a name's document, for cancels.
    pub(super) jobs: BTreeMap<String, String>,
    /// Since when a name's document may be what it is now.
    pub(super) uploaded: BTreeMap<String, Timestamp>,
    /// Jobs that were cancelled.
    pub(super) cancelled: Vec<String>,
    /// Uploads that were streamed.
    pub(super) streamed: Vec<Streamed>,
    /// Conversations and how many turns of each were accepted.
    pub(super) turns: BTreeMap<String, usize>,
    /// Unreadable messages.
    pub(super) poisons: BTreeSet<String>,
}

/// Runs one history; what was violated, if anything was.
pub fn run(seed: u64) -> Result<Tally, String> {
    let mut simulation = Simulation::new(seed);
    simulation.caught()?;
    Ok(simulation.tally())
}

/// 10 % of all calls kill their worker, before or after they took effect.
pub(super) fn chaos(seed: u64) -> impl FnMut() -> Fate + 'static {
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
    pub(super) fn new(seed: u64) -> Self {
        let rig = Rig::with_schema(seed, WATCHES);
        let mut draw = Draw::new(seed);
        rig.memory.set_limits(match draw.below(5) {
            // Indexing parks for tomorrow when a few documents are embedded, answers do without a model.
            0 => r#"{"archive_after_days": 1, "neurons": 30, "ingest_share": 0.05}"#,
            // Documents give their vectors up.
            1 => r#"{"archive_after_days": 1, "vectors_stored": 4}"#,
            _ => PLENTY,
        });
        Self {
            rig,
            draw,
            seed,
            running: Vec::new(),
            may_resume: true,
            quiet: false,
            plan: Plan::default(),
            begun_with: Vec::new(),
            trace: Trace::default(),
            queues: Queues::default(),
            minutes_waited: 0,
            days_parked: 0,
            invocations: 0,
            written: 0,
            expected: BTreeMap::new(),
            contents: BTreeMap::new(),
            jobs: BTreeMap::new(),
            uploaded: BTreeMap::new(),
            cancelled: Vec::new(),
            streamed: Vec::new(),
            turns: BTreeMap::new(),
            poisons: BTreeSet::new(),
        }
    }

    /// What it did.
    pub(super) fn tally(&self) -> Tally {
        Tally {
            seeds: 1,
            deliveries: self.invocations,
            revisions: self.written,
            turns: self.turns.values().map(|count| *count as u64).sum(),
        }
    }

    fn history(&mut self) -> Result<(), String> {
        // Some clients want nothing any more in the end, while workers that paused are still at it.
        let erases = self.draw.percent(30);
        self.keep_documents(Some(1));
        for (operation, draw) in std::mem::take(&mut self.plan.operations) {
            self.draw = draw.unwrap_or_else(|| self.draw.clone());
            if self.trace.is_written() {
                self.begun_with.push((operation, Some(self.draw.clone())));
            }
            self.trace.begin(Some(operation));
            self.may_resume = !(erases && operation > OPERATIONS / 2);
            self.begin_outage(operation);
            self.operation()?;
            self.all_admitted()?;
        }
        self.trace.begin(None);
        if erases {
            self.note("clients", || "delete every document".to_owned());
            self.erase_everything();
        }
        self.note("everybody", || "no more faults: all comes to rest".to_owned());
        self.outlive_outage()?;
        self.come_to_rest()?;
        self.check()?;
        self.all_admitted()
    }

    /// No invocation asked what production refuses one.
    fn all_admitted(&self) -> Result<(), String> {
        match self.rig.memory.take_refused().first() {
            Some(refused) => self.violated(&format!("production refuses an invocation: {refused}")),
            None => Ok(()),
        }
    }

    /// The history; a panic is a violation, too.
    pub(super) fn caught(&mut self) -> Result<(), String> {
        let ended = quietly(|| panic::catch_unwind(AssertUnwindSafe(|| self.history())));
        ended.unwrap_or_else(|panicked| {
            let text = panicked.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panicked.downcast_ref::<&str>().map(ToString::to_string));
            Err(text.unwrap_or_else(|| "a panic".to_owned()))
        })
    }

    fn operation(&mut self) -> Result<(), String> {
        self.rig.memory.advance(Span::milliseconds(i64::try_from(self.draw.below(4_000)).unwrap()));
        match self.draw.below(100) {
            0..=5 if self.streams() => self.upload_stream(),
            0..=13 => self.upload(),
            14..=17 => self.delete(),
            18..=20 => self.cancel()?,
            21..=25 => self.ask(),
            26..=27 => self.work_with_claude(),
            28..=30 => self.read(),
            31..=33 => self.search()?,
            34..=62 => self.deliver(),
            63..=67 => self.work_quietly(),
            68..=77 => self.resume(),
            78..=85 => self.cron(Schedule::Frequent),
            86..=88 => self.cron(Schedule::Hourly),
            89..=90 => self.cron(Schedule::Daily),
            91 if self.forgets() => self.cron(Schedule::Daily),
            92 if self.forgets() => self.a_day_passes(),
            91..=93 => self.pass("a lease", constants::LEASE + SECOND),
            94 => self.pass("twenty minutes", 20 * MINUTE),
            95 => self.a_day_passes(),
            96 => self.poison(),
            97..=98 => self.retry(),
            _ => self.never_half_visible()?,
        }
        Ok(())
    }

    /// Writes a line into the trace.
    pub(super) fn note(&mut self, who: &str, what: impl FnOnce() -> String) {
        self.trace.note(self.rig.memory.now(), who, what);
    }

    fn pass(&mut self, name: &str, span: Span) {
        self.rig.memory.advance(span);
        self.note("clock", || format!("{name} passes"));
    }

    fn deliver(&mut self) {
        self.bring_back();
        // Any message may be next.
        for _ in 0..self.draw.below(3) {
            if let Some(message) = self.rig.memory.receive() {
                self.rig.memory.redeliver(message);
            }
        }
        let Some(message) = self.rig.memory.receive() else { return };
        if self.draw.percent(2) {
            self.note("queue", || format!("loses {}", task_of(&message)));
            return;
        }
        if self.draw.percent(20) {
            self.note("queue", || format!("delivers {} twice", task_of(&message)));
            self.rig.memory.redeliver(message.clone());
        }
        self.begin(message);
    }

    /// A while without crashes, in which work gets far; some workers pause.
    pub(super) fn work_quietly(&mut self) {
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
            self.put_under(move || if draw.percent(6) { Fate::Pauses } else { Fate::Works });
        } else {
            self.put_under(chaos(seed));
        }
    }

    /// Decides what happens to calls from here on; in a calm history they work, or pause.
    pub(super) fn put_under(&self, mut fates: impl FnMut() -> Fate + 'static) {
        let is_calm = self.plan.is_calm;
        let fates = move || match fates() {
            Fate::Pauses => Fate::Pauses,
            fate if !is_calm => fate,
            _ => Fate::Works,
        };
        self.rig.memory.set_fates(self.trace.watch(fates));
    }

    fn begin(&mut self, message: Message) {
        self.invocations += 1;
        let started = self.rig.memory.now();
        let name = format!("worker-{}", self.invocations);
        let future = self.rig.worker_again(&name, &message, self.deliveries(&message));
        self.go_on(Running { name, task: task_of(&message), future, message: Some(message), started });
    }

    /// Lets a worker run until it pauses, dies or ends.
    fn go_on(&mut self, mut running: Running) {
        let now = self.rig.memory.now();
        if now.since(running.started) > LONGEST_LIFE {
            // Its invocation was ended; the message is lost, or comes again.
            self.note(&running.name, || format!("{}: paused for too long, it is gone", running.task));
            return;
        }
        if running.message.is_none() {
            self.may_forget();
        }
        self.set_fates();
        let mut context = Context::from_waker(Waker::noop());
        let polled = running.future.as_mut().poll(&mut context);
        self.rig.memory.heal();
        self.note(&running.name, || format!("{}: {}", running.task, outcome_of(&polled)));
        match polled {
            Poll::Pending => self.running.push(running),
            Poll::Ready(Outcome::Retry { after, .. }) => self.deliver_again(running.message, after),
            Poll::Ready(_) => running.message.iter().for_each(|message| self.forget_deliveries(message)),
        }
    }

    /// A queue gives some messages up, of some of them because their items have no attempts left.
    fn deliver_again(&mut self, message: Option<Message>, after: Span) {
        let Some(message) = message else { return };
        if self.plan.outage.is_some() {
            return self.put_back(message, after);
        }
        if self.draw.percent(if self.gives_up_soon() { 60 } else { 95 }) {
            self.rig.memory.redeliver(message);
            return;
        }
        let is_spent = self.draw.percent(80);
        if is_spent {
            self.rig.use_up_attempts(&message);
        }
        self.note("queue", || format!("gives {} up, attempts used up: {is_spent}", task_of(&message)));
        let worker = self.rig.memory.worker(&format!("worker-{}-given-up", self.invocations));
        ready(dead_letter::record(&worker, "given-up", &message.encode(), 1));
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
        let name = format!("cron-{}", self.invocations);
        let future = self.rig.cron_worker(&name, schedule);
        self.go_on(Running { name, task: format!("{schedule:?} schedule"), future, message: None, started });
    }

    /// Queues forget what is older.
    pub(super) fn a_day_passes(&mut self) {
        self.rig.memory.advance(DAY + HOUR);
        self.rig.memory.lose_messages();
        self.note("clock", || "a day and an hour pass; the queues forget".to_owned());
    }

    fn poison(&mut self) {
        let id = format!("poison-{}", self.draw.below(3));
        let fates = chaos(self.draw.next());
        self.put_under(fates);
        let outcome = ready(consume(&self.rig.memory.worker(&id), &id, "{\"v\":1,\"stage\":\"dance\"}", 1)).outcome;
        self.rig.memory.heal();
        // Until it is recorded the queue delivers it again.
        if matches!(outcome, Outcome::Retry { .. }) {
            ready(consume(&self.rig.memory.worker(&id), &id, "{\"v\":1,\"stage\":\"dance\"}", 2));
        }
        self.note("queue", || format!("delivers {id}, which nobody can read: {}", outcome.name()));
        self.poisons.insert(id);
    }
}
