//! A part of the platform is out for a while: nothing that was accepted fails for it, and what was stopped goes on
//! by itself.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{cell::Cell, collections::VecDeque, rc::Rc};

use consumers::dead_letter;
use pipeline::{
    constants,
    failure::Failure,
    job::{
        message::Message,
        outcome::{Outcome, wait_for_database},
    },
    platform::{errors, ports::Clock as _},
    time::{MINUTE, SECOND, Span, Timestamp},
};
use producers::schedule::Schedule;
use serde_json::{Value, json};
use test_platform::{Fate, Script, ready};
use tests::rig::Rig;

/// A queue as the platform has it: it delivers a message when its delay has passed, counts its deliveries, and
/// hands it to the dead-letter queue when it has retried it often enough.
struct Deliveries<'a> {
    rig: &'a Rig,
    waiting: VecDeque<(Timestamp, u32, Message)>,
    given_up: usize,
}

impl<'a> Deliveries<'a> {
    fn new(rig: &'a Rig) -> Self {
        Self { rig, waiting: VecDeque::new(), given_up: 0 }
    }

    fn take_in(&mut self) {
        while let Some(message) = self.rig.memory.receive() {
            self.waiting.push_back((self.rig.memory.now(), 0, message));
        }
    }

    /// Delivers whatever is due next, at its time; false if nothing is left.
    fn deliver(&mut self) -> bool {
        self.take_in();
        let Some(next) = (0..self.waiting.len()).min_by_key(|place| self.waiting[*place].0) else { return false };
        let (due, deliveries, message) = self.waiting.remove(next).unwrap();
        let now = self.rig.memory.now();
        if due > now {
            self.rig.memory.advance(due.since(now));
        }
        let outcome = self.rig.process_again(&message, deliveries + 1).outcome;
        if let Outcome::Retry { after, .. } = outcome {
            self.put_back(after, deliveries + 1, message);
        }
        true
    }

    fn put_back(&mut self, after: Span, deliveries: u32, message: Message) {
        if deliveries <= constants::QUEUE_RETRIES {
            let due = self.rig.memory.now().plus(after);
            self.waiting.push_back((due, deliveries, message));
            return;
        }
        self.given_up += 1;
        ready(dead_letter::record(&self.rig.memory.worker("given-up"), "given-up", &message.encode(), 1));
    }

    /// Delivers until nothing is left.
    fn run(&mut self) {
        for _ in 0..10_000 {
            if !self.deliver() {
                return;
            }
        }
        panic!("messages without end");
    }
}

fn documents() -> Value {
    json!([{"external_id": "tides.md", "content": "What the tides do at night."}])
}

/// No call works until then.
fn out_until(rig: &Rig, end: Timestamp) {
    let clock = rig.memory.worker("a clock");
    rig.memory.set_fates(move || if clock.now() < end { Fate::Fails } else { Fate::Works });
}

#[test]
fn an_outage_of_everything_for_an_hour_fails_no_healthy_item_and_needs_no_sweep() {
    for minutes in [1, 5, 60] {
        let rig = Rig::new(21);
        let job = rig.upload(&documents());
        out_until(&rig, rig.memory.now().plus(Span::minutes(minutes)));
        let mut deliveries = Deliveries::new(&rig);
        deliveries.run();
        assert_eq!(rig.job(&job)["status"], "succeeded", "{minutes} minutes");
        assert_eq!(deliveries.given_up, 0, "{minutes} minutes");
        assert!(rig.memory.look("SELECT id FROM dead_letters").is_empty());
    }
}

#[test]
fn while_d1_is_out_a_message_waits_longer_each_time_up_to_five_minutes() {
    let rig = Rig::new(22);
    rig.upload(&documents());
    let message = rig.memory.receive().unwrap();
    rig.memory.set_fates(|| Fate::Fails);
    let delays = |deliveries: u32| -> Vec<Span> {
        let process = |_| match rig.process_again(&message, deliveries).outcome {
            Outcome::Retry { after, .. } => after,
            other => panic!("{other:?}"),
        };
        (0..50).map(process).collect()
    };
    let longest = |deliveries: u32| delays(deliveries).into_iter().max().unwrap();
    assert!(longest(1) <= 2 * SECOND);
    for many in [20, 99] {
        assert!((2 * MINUTE..=5 * MINUTE).contains(&longest(many)), "many tries end nothing");
    }
}

#[test]
fn a_dead_letter_of_a_healthy_item_leaves_it_to_the_sweep() {
    let rig = Rig::new(23);
    let job = rig.upload(&documents());
    let message = rig.memory.receive().unwrap();
    let outcome = ready(dead_letter::record(&rig.memory, "given-up", &message.encode(), 1));
    assert_eq!(outcome, Outcome::Done);
    assert!(rig.memory.look("SELECT id FROM dead_letters").is_empty());
    assert!(rig.converge());
    assert_eq!(rig.job(&job)["status"], "succeeded");
}

#[test]
fn a_dead_letter_of_an_item_that_a_worker_holds_leaves_it_to_its_worker() {
    let rig = Rig::new(23);
    rig.upload(&documents());
    let message = rig.memory.receive().unwrap();
    rig.memory
        .change("UPDATE job_items SET state = 'running', attempts = 16, lease = 9e15, token = 'clm_x' WHERE id = 1");
    assert_eq!(ready(dead_letter::record(&rig.memory, "given-up", &message.encode(), 1)), Outcome::Done);
    assert_eq!(rig.memory.look("SELECT state FROM job_items WHERE id = 1"), [json!({ "state": "running" })]);
}

/// The sweep reads that an item is out of attempts; before it writes, the item has come on.
#[test]
fn the_sweep_gives_nothing_up_that_has_come_on_since_it_looked() {
    for instead in [
        "UPDATE job_items SET attempts = 0 WHERE id = 1",
        "UPDATE job_items SET state = 'running', lease = 9e15, token = 'clm_x' WHERE id = 1",
        "UPDATE job_items SET state = 'done' WHERE id = 1",
    ] {
        let rig = Rig::new(24);
        rig.upload(&documents());
        rig.memory.lose_messages();
        rig.memory.change("UPDATE job_items SET attempts = 16 WHERE id = 1");
        rig.memory.advance(5 * MINUTE);
        // Its calls: the uploads that never ended, the stuck items, and then the one that gives up.
        let calls = Rc::new(Cell::new(0));
        let changed = rig.memory.worker("meanwhile");
        rig.memory.set_fates(move || {
            calls.set(calls.get() + 1);
            if calls.get() == 3 {
                changed.change(instead);
            }
            Fate::Works
        });
        let (report, done) = rig.run_cron(Schedule::Frequent);
        assert_eq!((report.swept.failed, done), (0, Ok(())), "{instead}");
        assert!(rig.memory.look("SELECT id FROM dead_letters").is_empty(), "{instead}");
    }
}

/// The worker is stopped as soon as it has claimed the message's item, if it can be claimed.
fn stopped_after_its_claim(rig: &Rig, message: &Message, deliveries: u32) {
    rig.memory.set_fates(|| Fate::CrashesAfter);
    rig.process_again(message, deliveries);
    rig.memory.heal();
}

#[test]
fn the_message_of_a_worker_that_was_stopped_comes_again_when_its_lease_ends_whatever_the_stage() {
    let rig = Rig::new(25);
    let job = rig.upload(&documents());
    let mut stages = 0;
    while let Some(message) = rig.memory.receive() {
        let began = rig.memory.now();
        stopped_after_its_claim(&rig, &message, 1);
        // The platform delivers it again; the lease of the dead worker holds.
        let Outcome::Retry { after, .. } = rig.process_again(&message, 2).outcome else {
            panic!("{message:?} waits for the sweep")
        };
        assert!((constants::LEASE..=constants::LEASE + 2 * SECOND).contains(&after), "{after:?}");
        rig.memory.advance(after);
        assert_eq!(rig.process_again(&message, 3).outcome, Outcome::Done);
        assert!(rig.memory.now().since(began) < constants::LEASE + 5 * SECOND);
        stages += 1;
    }
    assert_eq!((stages, &rig.job(&job)["status"]), (3, &json!("succeeded")));
}

#[test]
fn a_message_that_meets_a_living_worker_again_and_again_is_left_to_the_sweep() {
    let rig = Rig::new(26);
    rig.upload(&documents());
    let message = rig.memory.receive().unwrap();
    rig.memory
        .change("UPDATE job_items SET state = 'running', attempts = 1, lease = 9e15, token = 'clm_x' WHERE id = 1");
    let last = constants::DELIVERIES_BEFORE_SWEEP;
    assert!(matches!(rig.process_again(&message, last - 1).outcome, Outcome::Retry { .. }));
    assert_eq!(rig.process_again(&message, last).outcome, Outcome::Done);
}

#[test]
fn an_item_whose_worker_is_stopped_every_time_says_so_in_its_dead_letter() {
    let rig = Rig::new(27);
    let job = rig.upload(&documents());
    let message = rig.memory.receive().unwrap();
    let mut deliveries = 0;
    loop {
        deliveries += 2;
        assert!(deliveries < constants::DELIVERIES_BEFORE_SWEEP, "it goes on for ever");
        stopped_after_its_claim(&rig, &message, deliveries - 1);
        // The platform delivers it again within seconds; then it waits for the dead worker's lease.
        match rig.process_again(&message, deliveries).outcome {
            Outcome::Retry { after, .. } => rig.memory.advance(after),
            Outcome::Dead { .. } => break,
            other => panic!("{other:?}"),
        }
    }
    let letter = rig.request("GET", "/api/dead-letters", &Value::Null).body["items"][0].clone();
    let why = letter["why"].as_str().unwrap();
    assert!(why.contains("stopped by the platform") && why.contains("CPU"), "{why}");
    // The batch that waited for it finds nothing to do.
    rig.drain();
    assert_eq!(rig.job(&job)["status"], "failed");
    // Its owner tries it again, and it works.
    let path = format!("/api/dead-letters/{}/replay", letter["id"].as_str().unwrap());
    assert_eq!(rig.request("POST", &path, &Value::Null).status, 202);
    rig.drain();
    assert_eq!(rig.job(&job)["status"], "succeeded");
}

#[test]
fn an_attempt_that_failed_with_a_reason_says_that_reason_after_others_were_stopped() {
    let rig = Rig::new(28);
    rig.upload(&documents());
    let message = rig.memory.receive().unwrap();
    stopped_after_its_claim(&rig, &message, 1);
    rig.memory.advance(constants::LEASE + SECOND);
    stopped_after_its_claim(&rig, &message, 2);
    let said = || rig.memory.look("SELECT error FROM job_items WHERE id = 1")[0]["error"].clone();
    assert!(said().as_str().unwrap().contains("stopped by the platform"));
    rig.memory.advance(constants::LEASE + SECOND);
    // The call after the claim is R2's; D1 hears of its failure.
    let calls = Cell::new(0);
    rig.memory.set_fates(move || {
        calls.set(calls.get() + 1);
        if calls.get() == 2 { Fate::Fails } else { Fate::Works }
    });
    rig.process_again(&message, 3);
    rig.memory.heal();
    assert!(said().as_str().unwrap().starts_with("R2"), "{}", said());
}

#[test]
fn a_spent_allowance_of_the_model_parks_until_midnight_and_costs_no_attempt() {
    let rig = Rig::new(29);
    let spent = errors::of_workers_ai("4006: you have used up your daily free allocation");
    rig.memory.script([Script::Fails(spent.clone()), Script::Fails(spent.clone()), Script::Fails(spent)]);
    let asked = rig.ask(&json!({"message": "When is high tide?"}));
    rig.drain();
    // A question is answered by what was found: there is nothing to try again today.
    let view = rig.job(asked.body["job_id"].as_str().unwrap());
    assert_eq!(view["status"], "succeeded", "{view}");
    assert_eq!(rig.memory.look("SELECT attempts FROM job_items")[0]["attempts"], 0);
}

#[test]
fn an_upload_whose_packs_could_not_be_stored_can_be_sent_again_at_once() {
    let rig = Rig::new(30);
    let key = Some("the same key");
    let body = json!({ "documents": documents() });
    let upload = || rig.request_with_key("POST", "/api/index", key, &body);
    let mut refused = 0;
    for call in 1..100 {
        let calls = Cell::new(0);
        rig.memory.set_fates(move || {
            calls.set(calls.get() + 1);
            if calls.get() == call { Fate::Fails } else { Fate::Works }
        });
        let answer = upload();
        rig.memory.heal();
        if answer.status == 503 {
            refused += 1;
            assert_eq!(upload().status, 202, "call {call}");
            rig.drain();
        }
        let id = rig.request("GET", "/api/documents?external_id=tides.md", &Value::Null).body["items"][0]["id"].clone();
        if let Some(id) = id.as_str() {
            rig.request("DELETE", &format!("/api/documents/{id}"), &Value::Null);
        }
        rig.drain();
        rig.memory.change("DELETE FROM idempotency_keys");
    }
    assert!(refused >= 3, "{refused}");
    // What was given up leaves nothing behind.
    rig.memory.advance(constants::MAX_WRITER_LIFE + MINUTE);
    assert!(rig.converge());
    assert!(rig.memory.look("SELECT id FROM jobs WHERE accepted_at IS NULL").is_empty());
}

#[test]
fn an_upload_whose_request_died_holds_its_key_for_a_lease_and_no_longer() {
    let rig = Rig::new(31);
    let body = json!({ "documents": documents() });
    let upload = || rig.request_with_key("POST", "/api/index", Some("the same key"), &body);
    // The invocation ends when its packs are announced, and nobody frees the key.
    rig.memory.set_fates({
        let mut is_announced = false;
        let memory = rig.memory.worker("a look");
        move || {
            if is_announced {
                return Fate::Fails;
            }
            is_announced = !memory.look("SELECT id FROM jobs").is_empty();
            if is_announced { Fate::Crashes } else { Fate::Works }
        }
    });
    upload();
    rig.memory.heal();
    assert_eq!(upload().status, 409);
    rig.memory.advance(constants::LEASE + SECOND);
    assert_eq!(upload().status, 202);
    rig.drain();
    assert_eq!(rig.search(&json!({"query": "tides", "mode": "keyword"})), ["tides.md"]);
}

#[test]
fn a_message_may_go_when_the_day_of_d1_is_spent_for_a_queue_forgets_sooner() {
    let rig = Rig::new(32);
    let outcome = wait_for_database(&rig.memory, Failure::exhausted("D1: the daily limit"), 3);
    assert_eq!(outcome, Outcome::Park { until: rig.memory.now().next_day(), why: "D1: the daily limit".to_owned() });
}
