//! A service that is out for a while, in a history that is calm otherwise: clients are patient, queues deliver
//! again when they are told to and give up when a queue gives up, and afterwards nothing has failed.

use consumers::dead_letter;
use pipeline::{
    constants,
    job::{message::Message, outcome::Outcome},
    platform::ports::Clock as _,
    time::{MINUTE, SECOND, Span},
};
use producers::schedule::Schedule;
use test_platform::{Fate, ready};

use super::{
    history::Simulation,
    plan::{OPERATIONS, Outage, Plan},
    queues::Late,
    tally::Tally,
    trace::{Trace, task_of},
};

/// Deliveries after which a queue gives a message up: its retries, and the first.
const DELIVERIES: u32 = constants::QUEUE_RETRIES + 1;
/// When a queue of dead letters delivers again: its `retry_delay`.
const DEAD_LETTERS_AGAIN_AFTER: Span = MINUTE;
/// Minutes of an outage that nobody outlives: the longest, and what follows it.
const MOST_MINUTES: u32 = 600;

/// Runs one history with an outage in it; what was violated, if anything was.
///
/// # Errors
/// The promise that was broken.
pub fn run_through(seed: u64, outage: Outage) -> Result<Tally, String> {
    let mut simulation = Simulation::new(seed);
    simulation.plan = plan(outage);
    simulation.caught()?;
    Ok(simulation.tally())
}

/// The lines of such a history, and what it came to.
pub fn replay_through(seed: u64, outage: Outage) -> String {
    let mut simulation = Simulation::new(seed);
    simulation.plan = plan(outage);
    simulation.trace = Trace::written();
    let end = simulation.caught().err().unwrap_or_else(|| format!("seed {seed}: every promise is kept"));
    format!("{}\n{end}", simulation.trace.of_last(OPERATIONS).join("\n"))
}

fn plan(outage: Outage) -> Plan {
    Plan { is_calm: true, outage: Some(outage), ..Plan::default() }
}

impl Simulation {
    /// Begins the plan's outage, if it has one and this is the operation.
    pub(super) fn begin_outage(&mut self, operation: usize) {
        let Some(outage) = self.plan.outage.filter(|_| operation == Outage::BEGINS_WITH) else { return };
        self.rig.memory.put_out(outage.service, outage.span);
        self.note("platform", || format!("{} is out for {} s", outage.service.name(), outage.span.as_seconds()));
    }

    /// True while a service is out.
    pub(super) fn is_out(&self) -> bool {
        self.plan.outage.is_some_and(|outage| self.rig.memory.is_out(outage.service))
    }

    /// A minute in which workers and schedule go on as they can.
    pub(super) fn wait_a_minute(&mut self) {
        self.rig.memory.heal();
        for _ in 0..6 {
            self.rig.memory.advance(10 * SECOND);
            self.work_quietly();
        }
        self.minutes_waited += 1;
        if self.minutes_waited.is_multiple_of(5) {
            self.put_under(|| Fate::Works);
            let _ = self.rig.run_cron(Schedule::Frequent);
            self.rig.memory.heal();
        }
    }

    /// A message that goes back to its queue, which delivers it again, or gives it up.
    pub(super) fn put_back(&mut self, message: Message, after: Span) {
        let task = task_of(&message);
        let deliveries = self.queues.deliveries.entry(task.clone()).or_default();
        *deliveries += 1;
        if *deliveries < DELIVERIES {
            self.keep(message, after, false);
            return;
        }
        self.queues.deliveries.remove(&task);
        self.note("queue", || format!("gives {task} up"));
        self.deliver_dead(message);
    }

    /// How often a message has been delivered with this time; once where nobody counts.
    pub(super) fn deliveries(&self, message: &Message) -> u32 {
        1 + self.queues.deliveries.get(&task_of(message)).copied().unwrap_or(0)
    }

    /// A message that its queue is rid of.
    pub(super) fn forget_deliveries(&mut self, message: &Message) {
        self.queues.deliveries.remove(&task_of(message));
    }

    fn keep(&mut self, message: Message, after: Span, is_dead: bool) {
        let at = self.rig.memory.now().plus(after);
        self.queues.late.push(Late { at, message, is_dead });
    }

    fn deliver_dead(&mut self, message: Message) {
        let worker = self.rig.memory.worker(&format!("worker-{}-given-up", self.invocations));
        let outcome = ready(dead_letter::record(&worker, "given-up", &message.encode(), 1));
        if matches!(outcome, Outcome::Retry { .. }) {
            self.keep(message, DEAD_LETTERS_AGAIN_AFTER, true);
        }
    }

    /// Delivers what is due.
    pub(super) fn bring_back(&mut self) {
        let now = self.rig.memory.now();
        let (due, late) = std::mem::take(&mut self.queues.late).into_iter().partition(|late: &Late| late.at <= now);
        self.queues.late = late;
        for Late { message, is_dead, .. } in due {
            if is_dead {
                self.deliver_dead(message);
            } else {
                self.rig.memory.redeliver(message);
            }
        }
    }

    /// The outage ends, what it held up is worked off, and nothing has failed that a user would have to repair.
    pub(super) fn outlive_outage(&mut self) -> Result<(), String> {
        if self.plan.outage.is_none() {
            return Ok(());
        }
        for _ in 0..MOST_MINUTES {
            if !self.is_out() && self.queues.late.is_empty() {
                break;
            }
            self.wait_a_minute();
        }
        self.rig.memory.advance(MINUTE);
        self.none(
            "an outage failed what its owner has to try again",
            "SELECT id, job_id, stage, error FROM job_items
                   WHERE state = 'failed'",
        )?;
        self.none("an outage left dead letters", "SELECT * FROM dead_letters WHERE stage <> 'unreadable'")
    }
}
