//! A day on the Free plan, over the real routes, stages and schedule: what runs out first?
//!
//! Texts are real files of this machine, cut and numbered. A day is 288 steps of five minutes; each
//! does its part of the mix, works off what is queued, and lets the schedule run. It ends when the
//! first allowance is reached.
#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    clippy::cast_precision_loss,
    reason = "a simulation that cannot go on fails; its counts are far below 2^52"
)]

use std::collections::BTreeMap;

use pipeline::{
    budget::allowances::{Allowances, Resource},
    constants,
    platform::{asked::Asked, ports::Clock as _},
    store::usage::sums,
    time::{MILLISECOND, MINUTE},
};
use producers::schedule::Schedule;
use serde_json::{Value, json};
use test_platform::ready;

use crate::{corpus, rig::Rig};

/// Steps of a day: as often as the frequent trigger runs.
const STEPS: usize = 288;
/// Tokens of an answer, in every chat of the mix.
const ANSWER_TOKENS: u64 = 200;

/// What is done in a day.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mix {
    /// What it is called.
    pub name: &'static str,
    /// Documents of 2 KB, in uploads of 500.
    pub small: usize,
    /// Documents of 100 KB, in uploads of five.
    pub long: usize,
    /// Small documents that come again, changed.
    pub changed: usize,
    /// Searches, each another.
    pub searches: usize,
    /// Questions, over all routes.
    pub chats: usize,
    /// The share of the neurons that indexing may use.
    pub ingest_share: f64,
}

/// The days the plan is held to.
pub const MIXES: [Mix; 3] = [
    Mix {
        name: "small files: 2 KB each, in uploads of 500",
        small: 14_000,
        long: 0,
        changed: 0,
        searches: 0,
        chats: 0,
        ingest_share: 1.0,
    },
    Mix {
        name: "long documents: 100 KB each, in uploads of 5",
        small: 0,
        long: 300,
        changed: 0,
        searches: 0,
        chats: 0,
        ingest_share: 1.0,
    },
    Mix {
        name: "mixed: 5,000 small, 40 long, 500 changed, 1,000 searches, 300 chats",
        small: 5_000,
        long: 40,
        changed: 500,
        searches: 1_000,
        chats: 300,
        ingest_share: 0.7,
    },
];

/// What a day came to.
#[derive(Clone, Debug)]
pub struct Day {
    /// Steps until the first allowance was reached, or all of them.
    pub steps: usize,
    /// How often the mix was done by then.
    pub rounds: f64,
    /// Documents indexed.
    pub documents: usize,
    /// Used share of each resource.
    pub shares: Vec<(Resource, f64)>,
    /// Rows of D1 read and written, by route or stage, those that took most first.
    pub d1: Vec<(String, u64, u64)>,
    /// The most that one invocation of each kind asked of the platform.
    pub asked: BTreeMap<String, Asked>,
}

impl Day {
    /// The resource that ran out first.
    pub fn first(&self) -> (Resource, f64) {
        self.shares.iter().copied().max_by(|one, other| one.1.total_cmp(&other.1)).unwrap()
    }
}

/// Real text to cut documents from.
pub struct Texts {
    text: String,
    number: usize,
}

impl Default for Texts {
    fn default() -> Self {
        let files = corpus::mixed(200);
        let text: String = files.iter().map(|file| String::from_utf8_lossy(&file.content).into_owned()).collect();
        Self { text, number: 0 }
    }
}

impl Texts {
    /// The next `bytes` of text, under a number that makes it a document of its own.
    fn cut(&mut self, bytes: usize) -> String {
        self.number += 1;
        let mut content = format!("Number {}\n\n", self.number);
        let mut start = (self.number * 7_919) % self.text.len();
        while content.len() < bytes {
            start = self.text.ceil_char_boundary(start);
            let end = self.text.floor_char_boundary(start + bytes - content.len());
            content.push_str(&self.text[start..end]);
            start = 0;
        }
        content
    }
}

/// One user's day.
struct Doing<'a> {
    rig: &'a Rig,
    texts: &'a mut Texts,
    mix: Mix,
    uploaded: usize,
}

/// Runs a day, again and again until an allowance is reached.
pub fn day(mix: Mix, texts: &mut Texts) -> Day {
    let rig = Rig::new(1);
    rig.memory.set_limits(&json!({ "ingest_share": mix.ingest_share }).to_string());
    rig.memory.set_answer_tokens(ANSWER_TOKENS);
    // From midnight on.
    rig.memory.advance(rig.memory.now().next_day().since(rig.memory.now()));
    let mut doing = Doing { rig: &rig, texts, mix, uploaded: 0 };
    let mut steps = 0;
    let mut shares = Vec::new();
    // What a day does not reach, a day with twice the work may.
    for step in 0..STEPS {
        doing.step(step);
        rig.drain();
        rig.run_cron(Schedule::Frequent).1.unwrap();
        if step % 12 == 1 {
            rig.run_cron(Schedule::Hourly).1.unwrap();
        }
        if step == 3 * 12 + 4 {
            rig.run_cron(Schedule::Daily).1.unwrap();
        }
        rig.memory.advance(5 * MINUTE - MILLISECOND);
        steps = step + 1;
        shares = used(&rig, mix.ingest_share);
        let waits = !rig.memory.look("SELECT id FROM job_items WHERE state = 'parked' AND stage = 'embed'").is_empty();
        let no_more_ingest = waits && mix.chats == 0;
        if shares.iter().any(|(_, share)| *share >= 0.995) || no_more_ingest {
            break;
        }
        rig.memory.advance(MILLISECOND);
    }
    let documents = rig.memory.look("SELECT count(*) AS count FROM documents WHERE current IS NOT NULL")[0]["count"]
        .as_u64()
        .unwrap();
    Day {
        steps,
        rounds: steps as f64 / STEPS as f64,
        documents: usize::try_from(documents).unwrap(),
        shares,
        d1: d1_by_source(&rig),
        asked: rig.memory.most_asked(),
    }
}

/// Documents in requests that are read at once, as estimates are.
fn requests(documents: &Value) -> Vec<Vec<Value>> {
    let mut requests: Vec<Vec<Value>> = Vec::new();
    let mut bytes = usize::MAX;
    for document in documents.as_array().into_iter().flatten() {
        let length = document.to_string().len() + 1;
        match requests.last_mut() {
            Some(request) if bytes.saturating_add(length) < constants::READ_AT_ONCE_BYTES - 100 => {
                bytes += length;
                request.push(document.clone());
            }
            _ => {
                bytes = length;
                requests.push(vec![document.clone()]);
            }
        }
    }
    requests
}

/// What `dry_run` says of documents and what indexing them then takes: `(name, said, taken)`.
pub fn estimate(documents: &Value) -> Vec<(&'static str, f64, f64)> {
    let rig = Rig::new(1);
    let requests = requests(documents);
    let said: Vec<Value> = requests
        .iter()
        .map(|request| rig.request("POST", "/api/index?dry_run=true", &json!({ "documents": request })).body)
        .collect();
    for request in requests {
        rig.upload(&Value::from(request));
    }
    rig.drain();
    let taken = rig.memory.look(
        "SELECT (SELECT total(neurons) FROM usage_log) AS neurons,
                (SELECT total(queue_operations) FROM usage_log) AS queue_operations,
                (SELECT total(d1_rows_written) FROM usage_log
                 WHERE source IN ('/api/index', 'chunk', 'embed', 'upsert')) AS d1_rows_written,
                (SELECT count(*) FROM chunks) AS chunks",
    );
    ["neurons", "chunks", "queue_operations", "d1_rows_written"]
        .into_iter()
        .map(|name| (name, said_of(&said, name), taken[0][name].as_f64().unwrap()))
        .collect()
}

fn said_of(said: &[Value], name: &str) -> f64 {
    said.iter().filter_map(|answer| answer["estimate"][name].as_f64()).sum()
}

fn d1_by_source(rig: &Rig) -> Vec<(String, u64, u64)> {
    rig.memory
        .look(
            "SELECT source, sum(read) AS read, sum(written) AS written FROM (
                 SELECT source, d1_rows_read AS read, d1_rows_written AS written FROM usage_hourly
                 UNION ALL SELECT source, d1_rows_read, d1_rows_written FROM usage_log)
             GROUP BY source ORDER BY read DESC LIMIT 8",
        )
        .iter()
        .map(|row| {
            let number = |field: &str| row[field].as_u64().unwrap_or(0);
            (row["source"].as_str().unwrap_or_default().to_owned(), number("read"), number("written"))
        })
        .collect()
}

fn used(rig: &Rig, ingest_share: f64) -> Vec<(Resource, f64)> {
    let allowances = Allowances { ingest_share, ..Allowances::default() };
    let today = rig.memory.now().start_of_day();
    let totals = ready(sums::totals(today).first(&rig.memory)).unwrap().unwrap_or_default();
    Resource::ALL
        .into_iter()
        .map(|resource| (resource, resource.used(&totals.usage, totals.invocations) / allowances.of(resource)))
        .collect()
}

impl Doing<'_> {
    /// A step's part of something that is done so often a day, in lots of `lot`.
    fn part(daily: usize, lot: usize, step: usize) -> usize {
        let lots = daily.div_ceil(lot);
        let by = |step: usize| lots * step / STEPS;
        let due = by(step + 1) - by(step);
        if lots == 0 { 0 } else { due }
    }

    fn step(&mut self, step: usize) {
        for _ in 0..Self::part(self.mix.small, 500, step) {
            self.upload(500, 2_048);
        }
        for _ in 0..Self::part(self.mix.long, 5, step) {
            self.upload(5, 100 * 1024);
        }
        for _ in 0..Self::part(self.mix.changed, 50, step) {
            self.change(50);
        }
        for number in 0..Self::part(self.mix.searches, 1, step) {
            let query = format!("how is number {} of the files made, and what does it return", step * 100 + number);
            let found = self.rig.request("POST", "/api/search", &json!({ "query": query }));
            assert_eq!(found.status, 200, "{}", found.body);
        }
        for number in 0..Self::part(self.mix.chats, 1, step) {
            let questions = [
                "Greet who wrote number",
                "Write down in a few sentences what the files say about all the things that are done in number",
                "Write a call of the function in number",
                "Write which design is better: compare them and evaluate the trade-off of number",
            ];
            // Not asked for facts: what no file can answer would cost nothing.
            let message = format!("{} {}", questions[(step + number) % questions.len()], step * 10 + number);
            let asked = self.rig.ask(&json!({ "message": message }));
            assert!(asked.status < 300, "{}", asked.body);
        }
    }

    fn upload(&mut self, count: usize, bytes: usize) {
        let documents: Vec<Value> = (0..count)
            .map(|_| {
                self.uploaded += 1;
                json!({ "external_id": format!("{}.txt", self.uploaded), "content": self.texts.cut(bytes) })
            })
            .collect();
        self.rig.upload(&Value::from(documents));
    }

    fn change(&mut self, count: usize) {
        let documents: Vec<Value> = (1..=count)
            .filter(|number| *number <= self.uploaded)
            .map(|number| json!({ "external_id": format!("{number}.txt"), "content": self.texts.cut(2_048) }))
            .collect();
        if !documents.is_empty() {
            self.rig.upload(&Value::from(documents));
        }
    }
}

/// The same day for the obvious design: a message, a KV write, a usage row and a status row per chunk and
/// stage, an object per document. Operations per document of so many chunks, by the plan's counting.
pub fn obvious_design(documents: f64, chunks: f64, searches: f64, chats: f64) -> Vec<(Resource, f64)> {
    let allowances = Allowances::default();
    let stages = 3.0;
    let used = |resource| match resource {
        // Write, read and delete of each message; per chunk and stage.
        Resource::QueueOperations => 3.0 * (documents + chunks * (stages - 1.0) + chats),
        // Status in KV after each stage, and a cached answer.
        Resource::KvWrites => documents * stages + chunks + searches + chats,
        Resource::KvReads => searches * 2.0 + chats * 2.0,
        // A document, its job, its status per stage; a chunk and its full text; a usage row per operation.
        Resource::D1RowsWritten => {
            documents * (2.0 + stages) + chunks * (2.0 + 2.0 * stages) + searches * 4.0 + chats * 12.0
        }
        Resource::R2ClassA => documents * 2.0 + chunks,
        Resource::R2ClassB => documents + chunks,
        Resource::Requests => documents + chunks * (stages - 1.0) + searches + chats,
        _ => 0.0,
    };
    Resource::ALL.into_iter().map(|resource| (resource, used(resource) / allowances.of(resource))).collect()
}
