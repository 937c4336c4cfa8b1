//! A deterministic simulation of the whole product: one seed is one history of clients, workers,
//! crashes, pauses, duplicates, losses and time; afterwards everything that was promised is checked.
//!
//! Real routes, real stages, real SQL. Workers run interleaved: a call may pause its worker while
//! others go on, past its lease. A client that did not hear back asks again. What a worker has left
//! behind when it dies is whatever it left.
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a simulation that cannot go on fails")]

mod draw;
mod promises;

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::Pin,
    task::{Context, Poll, Waker},
};

use consumers::consume;
use pipeline::{
    ledger::{self, Entry},
    limits,
    message::Message,
    outcome::Outcome,
    ports::Clock as _,
    testing::{Fate, Mutation},
    time::{DAY, HOUR, MINUTE, SECOND, Timestamp},
};
use producers::cron::Schedule;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::draw::Draw;
use crate::rig::{Rig, prose};

/// Operations of one history.
const OPERATIONS: usize = 120;
/// The longest an invocation lives: a worker that paused longer is gone.
const LONGEST_LIFE: i64 = 15 * MINUTE;
/// Names that clients give their documents: few, so that revisions, deletes and cancels meet.
const NAMES: u64 = 5;

/// A worker in the middle of a message.
struct Running {
    future: Pin<Box<dyn Future<Output = Outcome>>>,
    message: Message,
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
pub fn run(seed: u64, mutation: Option<Mutation>) -> Result<Tally, String> {
    let mut simulation = Simulation::new(seed);
    if let Some(mutation) = mutation {
        simulation.rig.memory.mutate(mutation);
    }
    // Some clients want nothing any more in the end, while workers that paused are still at it.
    let erases = simulation.draw.percent(30);
    for operation in 0..OPERATIONS {
        simulation.may_resume = !(erases && operation > OPERATIONS / 2);
        simulation.operation()?;
    }
    if erases {
        simulation.erase_everything();
    }
    simulation.come_to_rest()?;
    simulation.check()?;
    if let Some(mutation) = mutation
        && !simulation.rig.memory.has_mutated()
    {
        // A rule that no statement holds is not there to be taken out.
        assert!(seed < 50, "no statement holds the rule `{}`", mutation.name);
    }
    Ok(Tally {
        seeds: 1,
        deliveries: simulation.invocations,
        revisions: simulation.written,
        turns: simulation.turns.values().map(|count| *count as u64).sum(),
    })
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
        rig.memory.set_limits(r#"{"archive_after_days": 1}"#);
        // No worker takes another's claim before that ran out.
        rig.memory.change("CREATE TABLE stolen (item INTEGER)");
        rig.memory.change(
            "CREATE TRIGGER theft AFTER UPDATE OF token ON job_items
             WHEN old.token IS NOT NULL AND new.token IS NOT NULL AND old.token <> new.token
              AND old.state = 'running' AND old.lease >= new.updated_at
             BEGIN INSERT INTO stolen VALUES (new.id); END",
        );
        Self {
            rig,
            draw: Draw::new(seed),
            seed,
            running: Vec::new(),
            may_resume: true,
            quiet: false,
            invocations: 0,
            written: 0,
            expected: BTreeMap::new(),
            contents: BTreeMap::new(),
            jobs: BTreeMap::new(),
            turns: BTreeMap::new(),
            poisons: BTreeSet::new(),
        }
    }

    fn operation(&mut self) -> Result<(), String> {
        self.rig.memory.advance(i64::try_from(self.draw.below(4_000)).unwrap());
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
            91..=93 => self.rig.memory.advance(limits::LEASE + SECOND),
            94 => self.rig.memory.advance(20 * MINUTE),
            95 => self.a_day_passes(),
            96 => self.poison(),
            97..=98 => self.retry(),
            _ => self.never_half_visible()?,
        }
        Ok(())
    }

    /// A request under fire; a client that did not hear back asks again, calmly.
    fn request(&mut self, method: &str, path: &str, key: Option<&str>, body: &Value) -> crate::rig::Answer {
        self.rig.memory.set_fates(chaos(self.draw.next()));
        let first = self.rig.request_with_key(method, path, key, body);
        self.rig.memory.heal();
        if first.status < 500 {
            return first;
        }
        let mut answer = self.rig.request_with_key(method, path, key, body);
        // The first may have died while it held the key: it is let go after a while.
        for _ in 0..20 {
            if answer.status != 409 {
                break;
            }
            self.rig.memory.advance(5 * MINUTE);
            let _ = self.rig.run_cron(Schedule::Frequent);
            answer = self.rig.request_with_key(method, path, key, body);
        }
        answer
    }

    fn name(&mut self) -> String {
        format!("doc-{}.md", self.draw.below(NAMES))
    }

    fn upload(&mut self) {
        let mut documents = Vec::new();
        let mut contents = BTreeMap::new();
        for _ in 0..=self.draw.below(3) {
            let name = self.name();
            self.written += 1;
            let word = format!("unique{}x{}", self.seed, self.written);
            let content = match self.draw.below(10) {
                0 => prose(&word, 14),
                1 => format!("fn {word}() {{ sail(); }}\n"),
                // Something it held before: what it holds now, or what it goes back to.
                2 | 3 => self.earlier(&name).unwrap_or(word),
                _ => format!("About {word}, in a few words."),
            };
            contents.insert(name, content);
        }
        for (name, content) in &contents {
            documents.push(json!({"external_id": name, "content": content}));
        }
        let key = self.draw.percent(50).then(|| format!("key-{}", self.written));
        let answer = self.request("POST", "/api/index", key.as_deref(), &json!({ "documents": documents }));
        assert!(matches!(answer.status, 200 | 202), "seed {}: {}", self.seed, answer.body);
        for (name, content) in contents {
            self.contents.entry(name.clone()).or_default().push(content.clone());
            self.expected.insert(name.clone(), BTreeSet::from([Some(content)]));
            let is_queued = answer.body["items"]
                .as_array()
                .into_iter()
                .flatten()
                .any(|item| item["external_id"] == json!(name) && item["status"] == "queued");
            // What is on its way already stays the business of the job that brings it.
            if let (true, Some(job)) = (is_queued, answer.body["job_id"].as_str()) {
                self.jobs.insert(name, job.to_owned());
            }
        }
    }

    fn earlier(&mut self, name: &str) -> Option<String> {
        let contents = self.contents.get(name)?;
        let place = usize::try_from(self.draw.below(contents.len() as u64)).unwrap();
        contents.get(place).cloned()
    }

    fn document_id(&self, name: &str) -> Option<String> {
        let found = self.rig.request("GET", &format!("/api/documents?external_id={name}"), &Value::Null);
        found.body["data"][0]["id"].as_str().map(str::to_owned)
    }

    fn delete(&mut self) {
        let name = self.name();
        // By its id: the name of a revision that is on its way is not listed yet.
        let Some(id) = self.document_id(&name) else { return };
        let answer = self.request("DELETE", &format!("/api/documents/{id}"), None, &Value::Null);
        assert!(matches!(answer.status, 202 | 404), "seed {}: {}", self.seed, answer.body);
        self.expected.insert(name.clone(), BTreeSet::from([None]));
        self.jobs.remove(&name);
    }

    /// What the cancelled job wrote may be there or not; what was there before it may be, too.
    fn cancel(&mut self) {
        let name = self.name();
        let Some(job) = self.jobs.get(&name).cloned() else { return };
        let before: Vec<(String, Option<String>)> = self
            .jobs
            .iter()
            .filter(|(_, of)| **of == job)
            .map(|(name, _)| (name.clone(), self.published(name)))
            .collect();
        let answer = self.request("POST", &format!("/api/jobs/{job}/cancel"), None, &Value::Null);
        assert!(matches!(answer.status, 200 | 202 | 404 | 409), "seed {}: {}", self.seed, answer.body);
        for (name, published) in before {
            self.expected.entry(name.clone()).or_default().insert(published);
            self.jobs.remove(&name);
        }
    }

    /// The text searches see of a name's document.
    fn published(&self, name: &str) -> Option<String> {
        let id = self.document_id(name)?;
        let document = self.rig.request("GET", &format!("/api/documents/{id}?text=true"), &Value::Null).body;
        document["revision"].as_i64()?;
        let chunks = document["chunks"].as_array()?;
        Some(chunks.iter().map(|chunk| chunk["text"].as_str().unwrap_or_default()).collect())
    }

    fn ask(&mut self) {
        self.written += 1;
        let going_on = self.turns.keys().nth(usize::try_from(self.draw.below(4)).unwrap()).cloned();
        // Each is new, so that none is answered from the cache.
        let message = format!("What about question number {}?", self.written);
        let key = format!("ask-{}", self.written);
        let body = json!({"message": message, "conversation_id": going_on});
        let answer = self.request("POST", "/api/chat", Some(&key), &body);
        assert!(matches!(answer.status, 200 | 202), "seed {}: {}", self.seed, answer.body);
        let conversation = answer.body["conversation_id"].as_str().unwrap_or_default().to_owned();
        *self.turns.entry(conversation).or_default() += 1;
    }

    fn read(&mut self) {
        let Some(id) = self.turns.keys().next().cloned() else { return };
        let answer = self.request("GET", &format!("/api/conversations/{id}"), None, &Value::Null);
        assert_eq!(answer.status, 200, "seed {}: {}", self.seed, answer.body);
    }

    /// What is deleted is never found, and what is found is what was written.
    fn search(&mut self) -> Result<(), String> {
        let answer = self.request("POST", "/api/search", None, &json!({"query": "about unique words", "top_k": 50}));
        for hit in answer.body["hits"].as_array().into_iter().flatten() {
            let name = hit["external_id"].as_str().unwrap_or_default();
            let gone = BTreeSet::from([None]);
            if self.expected.get(name).is_none_or(|expected| *expected == gone) {
                return self.violated(&format!("{name} is found, and was deleted"));
            }
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
        let worker = self.rig.memory.worker(&format!("worker-{}", self.invocations));
        let started = self.rig.memory.now();
        let body = message.encode();
        let stage = message.stage;
        let id = format!("worker-{}", self.invocations);
        let future = async move {
            let report = consume(&worker, &id, &body).await;
            worker.count_delivery(!matches!(report.outcome, Outcome::Retry { .. }));
            let entry = Entry { user: report.user.as_ref(), key: None, source: stage.name(), purpose: stage.purpose() };
            let _ = ledger::record(&worker, entry).await;
            report.outcome
        };
        self.go_on(Running { future: Box::pin(future), message, started });
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
            Poll::Ready(Outcome::Retry { .. }) => self.rig.memory.redeliver(running.message),
            Poll::Ready(_) => {}
        }
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
        self.rig.memory.set_fates(chaos(self.draw.next()));
        let _ = self.rig.run_cron(schedule);
        self.rig.memory.heal();
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
        let outcome = pipeline::testing::ready(consume(&worker, &id, "{\"v\":1,\"stage\":\"dance\"}")).outcome;
        self.rig.memory.heal();
        // Until it is recorded the queue delivers it again.
        if matches!(outcome, Outcome::Retry { .. }) {
            let worker = self.rig.memory.worker(&id);
            pipeline::testing::ready(consume(&worker, &id, "{\"v\":1,\"stage\":\"dance\"}"));
        }
        self.poisons.insert(id);
    }

    fn failed_jobs(&self) -> Vec<String> {
        self.rig
            .memory
            .look("SELECT DISTINCT job_id FROM job_items WHERE state = 'failed'")
            .iter()
            .filter_map(|row| row["job_id"].as_str().map(str::to_owned))
            .collect()
    }

    fn retry(&mut self) {
        for job in self.failed_jobs().into_iter().take(1) {
            self.request("POST", &format!("/api/jobs/{job}/retry"), None, &Value::Null);
        }
    }
}
