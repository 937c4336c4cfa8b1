//! A deterministic simulation of the whole product: one seed is one history of clients, workers,
//! crashes, pauses, duplicates, losses and time; afterwards everything that was promised is checked.
//!
//! Real routes, real stages, real SQL. Workers run interleaved: a call may pause its worker while
//! others go on, past its lease. A client that did not hear back asks again. What a worker has left
//! behind when it dies is whatever it left.
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a simulation that cannot go on fails")]

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

use crate::rig::{Rig, prose};

/// Operations of one history.
const OPERATIONS: usize = 120;
/// The longest an invocation lives: a worker that paused longer is gone.
const LONGEST_LIFE: i64 = 15 * MINUTE;
/// Names that clients give their documents: few, so that revisions, deletes and cancels meet.
const NAMES: u64 = 5;

/// xorshift64*. Source: Marsaglia, "Xorshift RNGs", 2003; Vigna, 2016.
#[derive(Clone, Debug)]
struct Draw(u64);

impl Draw {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }
}

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

    /// A document that searches see is there whole.
    fn never_half_visible(&mut self) -> Result<(), String> {
        let half = self.rig.memory.look(
            "SELECT d.id, d.current FROM documents d WHERE d.current IS NOT NULL AND d.deleted_at IS NULL
               AND d.chunk_count <> (SELECT count(*) FROM chunks c
                    WHERE c.id >= d.current_first AND c.id < d.current_first + d.chunk_count
                      AND c.document_id = d.id AND c.revision = d.current)",
        );
        if half.is_empty() { Ok(()) } else { self.violated(&format!("half-visible: {half:?}")) }
    }

    /// No more faults: everything that was accepted is worked off, what failed is tried again by its
    /// owner, and nothing is left to do.
    fn come_to_rest(&mut self) -> Result<(), String> {
        self.rig.memory.heal();
        let mut context = Context::from_waker(Waker::noop());
        for mut running in std::mem::take(&mut self.running) {
            if self.rig.memory.now().since(running.started) <= LONGEST_LIFE {
                // Without faults nothing waits for anything: it ends.
                let ended = (0..10_000).any(|_| running.future.as_mut().poll(&mut context).is_ready());
                assert!(ended, "seed {}: a worker that never ends", self.seed);
            }
        }
        for _ in 0..5 {
            if !self.rig.converge() {
                let open = self.rig.memory.look(
                    "SELECT j.kind, i.stage, i.state, i.attempts, i.error FROM jobs j
                     LEFT JOIN job_items i ON i.id BETWEEN j.first_item AND j.last_item WHERE j.finished_at IS NULL",
                );
                return self.violated(&format!("work is left: {open:?}"));
            }
            let failed = self.failed_jobs();
            if failed.is_empty() {
                break;
            }
            for job in failed {
                self.rig.request("POST", &format!("/api/jobs/{job}/retry"), &Value::Null);
            }
        }
        self.rig.memory.advance(2 * limits::SETTLE);
        if !self.rig.converge() {
            return self.violated("the second visit does not end");
        }
        // Before they are summed up: a row of one that was taken for dead, and its own.
        self.none(
            "neurons are counted twice",
            "SELECT a.id FROM usage_log a JOIN usage_log b ON b.id = a.id AND b.source <> 'abandoned' WHERE a.source = 'abandoned'",
        )?;
        self.rig.memory.advance(2 * HOUR);
        for schedule in [Schedule::Hourly, Schedule::Frequent] {
            self.rig.run_cron(schedule).1.map_err(|failure| failure.to_string())?;
        }
        Ok(())
    }

    fn erase_everything(&mut self) {
        self.rig.memory.heal();
        let listed = self.rig.request("GET", "/api/documents", &Value::Null).body;
        for document in listed["data"].as_array().into_iter().flatten() {
            let id = document["id"].as_str().unwrap_or_default();
            let answer = self.rig.request("DELETE", &format!("/api/documents/{id}"), &Value::Null);
            assert_eq!(answer.status, 202, "seed {}: {}", self.seed, answer.body);
            if let Some(name) = document["external_id"].as_str() {
                self.expected.insert(name.to_owned(), BTreeSet::from([None]));
            }
        }
        self.rig.drain();
    }

    fn violated<T>(&self, what: &str) -> Result<T, String> {
        Err(format!("seed {}: {what}", self.seed))
    }

    fn none(&self, what: &str, sql: &'static str) -> Result<(), String> {
        let rows = self.rig.memory.look(sql);
        if rows.is_empty() { Ok(()) } else { self.violated(&format!("{what}: {rows:?}")) }
    }

    fn check(&mut self) -> Result<(), String> {
        self.never_half_visible()?;
        self.check_documents()?;
        self.check_leftovers()?;
        self.check_conversations()?;
        // Reading brought back what was archived; that leaves nothing either.
        self.rig.run_cron(Schedule::Frequent).1.map_err(|failure| failure.to_string())?;
        self.check_objects()?;
        self.check_ledger()
    }

    /// Nothing lost, nothing that was deleted, each found by its own words.
    fn check_documents(&self) -> Result<(), String> {
        for (name, expected) in &self.expected {
            let published = self.published(name);
            if !expected.contains(&published) {
                let begin =
                    |content: &Option<String>| content.as_deref().map(|text| text.chars().take(40).collect::<String>());
                let expected: Vec<_> = expected.iter().map(begin).collect();
                return self.violated(&format!("{name} holds {:?}, expected {expected:?}", begin(&published)));
            }
            if let Some(content) = &published {
                let id = self.document_id(name).unwrap_or_default();
                let original = self.rig.request("GET", &format!("/api/documents/{id}/original"), &Value::Null);
                if original.body.as_str() != Some(content) {
                    return self.violated(&format!("the original of {name} is not what was uploaded"));
                }
            }
            let Some(word) =
                published.as_deref().and_then(|text| text.split_whitespace().find(|word| word.contains("unique")))
            else {
                continue;
            };
            let query = json!({"query": word, "mode": "keyword", "group_by": "document"});
            if !self.rig.search(&query).contains(name) {
                return self.violated(&format!("{name} is not found by {word}"));
            }
        }
        Ok(())
    }

    /// Every question once, with one answer, in order; archived or not.
    fn check_conversations(&self) -> Result<(), String> {
        for (conversation, turns) in &self.turns {
            let answer = self.rig.request("GET", &format!("/api/conversations/{conversation}"), &Value::Null);
            let numbers: Vec<i64> = answer.body["messages"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|message| message["number"].as_i64())
                .collect();
            let expected: Vec<i64> = (1..=2 * i64::try_from(*turns).unwrap()).collect();
            if numbers != expected {
                return self.violated(&format!("{conversation} of {turns} turns has messages {numbers:?}"));
            }
        }
        self.none(
            "a turn of no conversation",
            "SELECT number FROM turns t WHERE NOT EXISTS (SELECT 1 FROM conversations c WHERE c.user_id = t.user_id AND c.id = t.conversation_id)",
        )
    }

    /// No orphan in any store.
    fn check_leftovers(&self) -> Result<(), String> {
        self.none("a claim was stolen", "SELECT * FROM stolen")?;
        self.none("garbage is left", "SELECT * FROM garbage")?;
        self.none("a job is left", "SELECT id, kind FROM jobs WHERE finished_at IS NULL")?;
        self.none(
            "an orphaned chunk",
            "SELECT c.id, c.document_id, c.revision FROM chunks c LEFT JOIN documents d ON d.user_id = c.user_id AND d.id = c.document_id
             WHERE d.current IS NOT c.revision OR d.deleted_at IS NOT NULL",
        )?;
        self.none(
            "chunks and full text differ",
            "SELECT 1 AS differ WHERE (SELECT count(*) FROM chunks) <> (SELECT count(*) FROM chunks_fts_docsize)",
        )?;
        let wanted: BTreeSet<String> = self
            .rig
            .memory
            .look("SELECT document_id, revision, chunk_index FROM chunks")
            .iter()
            .map(|chunk| {
                let id = chunk["document_id"].as_str().unwrap_or_default();
                format!("{id}-{}-{}", chunk["revision"], chunk["chunk_index"])
            })
            .collect();
        let stored: BTreeSet<String> = self.rig.memory.vector_ids().into_iter().collect();
        if wanted != stored {
            let differ: Vec<&String> = wanted.symmetric_difference(&stored).collect();
            return self.violated(&format!("vectors: {differ:?}"));
        }
        self.check_objects()?;
        let unreadable = self.rig.memory.look("SELECT id FROM dead_letters WHERE stage = 'unreadable'");
        if unreadable.len() == self.poisons.len() {
            Ok(())
        } else {
            self.violated(&format!("{} of {} unreadable messages are recorded", unreadable.len(), self.poisons.len()))
        }
    }

    /// Every object is a pack that holds a document, or the archive of a conversation.
    fn check_objects(&self) -> Result<(), String> {
        let text = |rows: Vec<Value>, field: &str| -> BTreeSet<String> {
            rows.iter().map(|row| row[field].as_str().map_or_else(|| row[field].to_string(), str::to_owned)).collect()
        };
        let packs = text(
            self.rig.memory.look(
                "SELECT DISTINCT current_item AS pack FROM documents WHERE current IS NOT NULL AND deleted_at IS NULL",
            ),
            "pack",
        );
        let archives = text(
            self.rig.memory.look("SELECT archived_key FROM conversations WHERE archived_key IS NOT NULL"),
            "archived_key",
        );
        for key in self.rig.memory.object_keys() {
            let is_pack = key.rsplit_once("/packs/").is_some_and(|(_, pack)| packs.contains(pack));
            if !is_pack && !archives.contains(&key) && !key.starts_with("archives/usage/") {
                return self.violated(&format!("an orphaned object: {key}"));
            }
        }
        Ok(())
    }

    /// The day's neurons are the sum of all usage rows; nothing stays reserved.
    fn check_ledger(&self) -> Result<(), String> {
        self.none("neurons are still reserved", "SELECT * FROM reservations")?;
        let sums = self.rig.memory.look(
            "SELECT (SELECT total(neurons) FROM budget) AS days,
                    (SELECT total(neurons) FROM usage_log) + (SELECT total(neurons) FROM usage_hourly)
                        + (SELECT total(neurons) FROM usage_daily) AS rows",
        );
        let number = |field: &str| sums[0][field].as_f64().unwrap_or(f64::NAN);
        let (days, rows) = (number("days"), number("rows"));
        if (days - rows).abs() > 1e-6 {
            return self.violated(&format!("the ledger says {days} neurons, its rows {rows}"));
        }
        let billed = self.rig.memory.billed_after_reserving();
        if rows + 1e-6 >= billed {
            Ok(())
        } else {
            self.violated(&format!("{billed} neurons were spent, {rows} counted"))
        }
    }
}
