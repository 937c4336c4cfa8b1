//! Ports in memory, for native tests: the real migrations and the real SQL on `SQLite`, and faults of
//! both kinds at every call.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, VecDeque},
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};

use rusqlite::{Connection, params_from_iter, types::ValueRef};
use serde_json::{Map, Value as Json, value::RawValue};

use crate::{
    failure::Failure,
    generation::{Flow, Generation, Sink, Tokens},
    message::Message,
    model::EmbeddingModel,
    ports::{
        Clock, Database, Embedder, Generator, KeyValue, Object, ObjectStore, PutIf, Queue, Random, Rooms, Sha256,
        VectorIndex, VectorMatch, VectorRecord,
    },
    room::{self, Room, Telling, Told, TurnEvent},
    statement::{Answers, Rows, Statement, Value},
    time::Timestamp,
};

/// Runs a future that never waits for anything outside of it.
///
/// # Panics
/// If it does wait.
#[expect(clippy::panic, reason = "a test that would hang must fail")]
pub fn ready<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..1_000_000 {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
    panic!("a future that waits for something outside of the test");
}

/// What a call comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It works.
    Works,
    /// It fails and nothing was done.
    Fails,
    /// It was done, but the answer was lost.
    AnswerLost,
    /// From this call on nothing is done any more: the worker is gone.
    Crashes,
    /// It was done, and then the worker is gone.
    CrashesAfter,
}

/// Every port, in memory.
pub struct Memory {
    connection: Connection,
    objects: RefCell<BTreeMap<String, (Vec<u8>, u64)>>,
    versions: Cell<u64>,
    queue: RefCell<VecDeque<Message>>,
    values: RefCell<BTreeMap<String, Vec<u8>>>,
    vectors: RefCell<BTreeMap<String, (String, VectorRecord)>>,
    now: Cell<i64>,
    random: Cell<u64>,
    fates: RefCell<Box<dyn FnMut() -> Fate>>,
    crashed: Cell<bool>,
    embedded: Cell<usize>,
    generations: RefCell<Vec<Generation>>,
    scripts: RefCell<VecDeque<Script>>,
    rooms: RefCell<BTreeMap<String, Vec<TurnEvent>>>,
    told: RefCell<BTreeMap<String, Told>>,
}

/// What the language model does when it is asked next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Script {
    /// Says this, word by word.
    Says(&'static str),
    /// Fails at once.
    Fails(Failure),
    /// Says this and then breaks off.
    BreaksOff(&'static str),
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Memory").finish_non_exhaustive()
    }
}

const MIGRATIONS: [&str; 6] = [
    include_str!("../../migrations/0001_users_and_keys.sql"),
    include_str!("../../migrations/0002_jobs_and_documents.sql"),
    include_str!("../../migrations/0003_chunks.sql"),
    include_str!("../../migrations/0004_requests.sql"),
    include_str!("../../migrations/0005_conversations.sql"),
    include_str!("../../migrations/0006_sessions.sql"),
];

impl Default for Memory {
    fn default() -> Self {
        Self::new(1)
    }
}

impl Memory {
    /// An empty platform; `seed` decides its ids.
    ///
    /// # Panics
    /// If the migrations do not run.
    #[expect(clippy::expect_used, reason = "a test cannot go on without its database")]
    pub fn new(seed: u64) -> Self {
        let connection = Connection::open_in_memory().expect("SQLite opens in memory");
        connection.execute_batch("PRAGMA foreign_keys = ON").expect("a pragma");
        for migration in MIGRATIONS {
            connection.execute_batch(migration).expect("the migrations run");
        }
        Self {
            connection,
            objects: RefCell::default(),
            versions: Cell::new(0),
            queue: RefCell::default(),
            values: RefCell::default(),
            vectors: RefCell::default(),
            // 2026-11-22T00:00:00Z and a bit.
            now: Cell::new(1_795_305_600_000 + 3_600_000),
            random: Cell::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            fates: RefCell::new(Box::new(|| Fate::Works)),
            crashed: Cell::new(false),
            embedded: Cell::new(0),
            generations: RefCell::default(),
            scripts: RefCell::default(),
            rooms: RefCell::default(),
            told: RefCell::default(),
        }
    }

    /// Decides the fate of every call from here on.
    pub fn set_fates(&self, fates: impl FnMut() -> Fate + 'static) {
        *self.fates.borrow_mut() = Box::new(fates);
        self.crashed.set(false);
    }

    /// Lets every call work again, as a new worker.
    pub fn heal(&self) {
        self.set_fates(|| Fate::Works);
    }

    /// Lets time pass.
    pub fn advance(&self, milliseconds: i64) {
        self.now.set(self.now.get() + milliseconds);
    }

    /// Takes the next message off the queue.
    pub fn receive(&self) -> Option<Message> {
        self.queue.borrow_mut().pop_front()
    }

    /// Puts a message back, as a redelivery.
    pub fn redeliver(&self, message: Message) {
        self.queue.borrow_mut().push_back(message);
    }

    /// Forgets every queued message.
    pub fn lose_messages(&self) {
        self.queue.borrow_mut().clear();
    }

    /// Keys of all objects.
    pub fn object_keys(&self) -> Vec<String> {
        self.objects.borrow().keys().cloned().collect()
    }

    /// Ids of all vectors.
    pub fn vector_ids(&self) -> Vec<String> {
        self.vectors.borrow().keys().cloned().collect()
    }

    /// Texts embedded so far.
    pub fn embedded(&self) -> usize {
        self.embedded.get()
    }

    /// What the language model does next, in this order; after that it repeats its prompt's last line.
    pub fn script(&self, scripts: impl IntoIterator<Item = Script>) {
        *self.scripts.borrow_mut() = scripts.into_iter().collect();
    }

    /// What the language model was asked so far.
    pub fn generations(&self) -> Vec<Generation> {
        self.generations.borrow().clone()
    }

    /// What a room was told, as its listeners heard it.
    pub fn heard(&self, room: &Room) -> Vec<TurnEvent> {
        self.rooms.borrow().get(&room.name()).cloned().unwrap_or_default()
    }

    /// Writes a value into KV, as an operator does.
    pub fn set_value(&self, key: &str, value: &[u8]) {
        self.values.borrow_mut().insert(key.to_owned(), value.to_vec());
    }

    /// The rows of a query, as JSON; for looking at what is stored.
    ///
    /// # Panics
    /// If the SQL is wrong.
    #[expect(clippy::expect_used, reason = "a test's own SQL")]
    pub fn look(&self, sql: &'static str) -> Vec<Json> {
        let rows = self.execute(&Statement::new(sql)).expect("SQL of the test");
        rows.rows.iter().map(|row| serde_json::from_str(row.get()).expect("a row is JSON")).collect()
    }

    /// Draws a call's fate. A worker that is gone does nothing any more.
    fn call<T>(&self, what: &str, effect: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
        if self.crashed.get() {
            return Err(Failure::transient(format!("{what}: the worker is gone")));
        }
        let fate = (self.fates.borrow_mut())();
        match fate {
            Fate::Works => effect(),
            Fate::Fails => Err(Failure::transient(format!("{what}: injected failure"))),
            Fate::AnswerLost => effect().and(Err(Failure::transient(format!("{what}: injected loss of the answer")))),
            Fate::Crashes => {
                self.crashed.set(true);
                Err(Failure::transient(format!("{what}: injected crash")))
            }
            Fate::CrashesAfter => {
                let done = effect();
                self.crashed.set(true);
                done.and(Err(Failure::transient(format!("{what}: injected crash"))))
            }
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "as D1 binds it; our numbers are below 2^53")]
    fn execute(&self, statement: &Statement) -> Result<Rows, Failure> {
        let bug = |error: rusqlite::Error| Failure::bug(format!("{error} in {}", statement.sql));
        let before = self.connection.total_changes();
        let mut prepared = self.connection.prepare_cached(statement.sql).map_err(bug)?;
        let names: Vec<String> = prepared.column_names().into_iter().map(str::to_owned).collect();
        let values = statement.values.iter().map(|value| match value {
            Value::Null => rusqlite::types::Value::Null,
            // D1 binds every number as a float; SQL that divides by a parameter must fail here too.
            Value::Integer(number) => rusqlite::types::Value::Real(*number as f64),
            Value::Real(number) => rusqlite::types::Value::Real(*number),
            Value::Text(text) => rusqlite::types::Value::Text(text.clone()),
        });
        let mut found = prepared.query(params_from_iter(values)).map_err(bug)?;
        let mut rows = Vec::new();
        while let Some(row) = found.next().map_err(bug)? {
            let mut object = Map::new();
            for (place, name) in names.iter().enumerate() {
                let value = match row.get_ref(place).map_err(bug)? {
                    ValueRef::Null | ValueRef::Blob(_) => Json::Null,
                    ValueRef::Integer(number) => Json::from(number),
                    ValueRef::Real(number) => Json::from(number),
                    ValueRef::Text(text) => Json::from(String::from_utf8_lossy(text)),
                };
                object.insert(name.clone(), value);
            }
            let text = Json::Object(object).to_string();
            rows.push(RawValue::from_string(text).map_err(|error| Failure::bug(error.to_string()))?);
        }
        Ok(Rows { rows, changes: self.connection.total_changes() - before })
    }
}

impl Database for Memory {
    async fn batch(&self, statements: Vec<Statement>) -> Result<Answers, Failure> {
        self.call("D1", || {
            let transaction =
                self.connection.unchecked_transaction().map_err(|error| Failure::bug(error.to_string()))?;
            let rows: Result<Vec<Rows>, Failure> = statements.iter().map(|statement| self.execute(statement)).collect();
            let rows = rows?;
            transaction.commit().map_err(|error| Failure::bug(error.to_string()))?;
            Ok(Answers(rows))
        })
    }
}

impl ObjectStore for Memory {
    async fn get(&self, key: &str, range: Option<(u64, u64)>) -> Result<Option<Object>, Failure> {
        self.call("R2", || {
            let objects = self.objects.borrow();
            let Some((bytes, version)) = objects.get(key) else { return Ok(None) };
            let bytes = match range {
                Some((start, end)) => {
                    let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                    bytes[at(start)..at(end)].to_vec()
                }
                None => bytes.clone(),
            };
            Ok(Some(Object { bytes, etag: version.to_string() }))
        })
    }

    async fn put(&self, key: &str, bytes: Vec<u8>, condition: PutIf) -> Result<bool, Failure> {
        self.call("R2", || {
            let mut objects = self.objects.borrow_mut();
            let holds = match (&condition, objects.get(key)) {
                (PutIf::Always, _) | (PutIf::Absent, None) => true,
                (PutIf::Absent, Some(_)) | (PutIf::Unchanged(_), None) => false,
                (PutIf::Unchanged(etag), Some((_, version))) => *etag == version.to_string(),
            };
            if holds {
                self.versions.set(self.versions.get() + 1);
                objects.insert(key.to_owned(), (bytes, self.versions.get()));
            }
            Ok(holds)
        })
    }

    async fn delete(&self, keys: &[String]) -> Result<(), Failure> {
        self.call("R2", || {
            self.objects.borrow_mut().retain(|key, _| !keys.contains(key));
            Ok(())
        })
    }

    async fn list(&self, prefix: &str, start_after: Option<&str>) -> Result<Vec<String>, Failure> {
        self.call("R2", || {
            let objects = self.objects.borrow();
            let keys = objects
                .keys()
                .filter(|key| key.starts_with(prefix) && start_after.is_none_or(|start| key.as_str() > start));
            Ok(keys.take(1_000).cloned().collect())
        })
    }
}

impl Queue for Memory {
    async fn send(&self, messages: Vec<Message>) -> Result<(), Failure> {
        self.call("queue", || {
            self.queue.borrow_mut().extend(messages);
            Ok(())
        })
    }
}

impl KeyValue for Memory {
    async fn get_value(&self, key: &str) -> Result<Option<Vec<u8>>, Failure> {
        self.call("KV", || Ok(self.values.borrow().get(key).cloned()))
    }

    async fn put_value(&self, key: &str, value: Vec<u8>, _seconds: u32) -> Result<(), Failure> {
        self.call("KV", || {
            self.values.borrow_mut().insert(key.to_owned(), value);
            Ok(())
        })
    }
}

/// A bag of hashed words: texts that share words are near each other.
fn bag_of_words(dimensions: usize, text: &str) -> Vec<f32> {
    let mut vector = vec![1e-3; dimensions];
    for word in text.split(|character: char| !character.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let hash = word
            .to_lowercase()
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let place = usize::try_from(hash % dimensions as u64).unwrap_or(0);
        vector[place] += 1.0;
    }
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    vector.iter().map(|value| value / length).collect()
}

impl Embedder for Memory {
    async fn embed(
        &self,
        model: &EmbeddingModel,
        texts: &[String],
        _word_pieces: u64,
    ) -> Result<Vec<Vec<f32>>, Failure> {
        self.call("AI", || {
            self.embedded.set(self.embedded.get() + texts.len());
            Ok(texts.iter().map(|text| bag_of_words(model.dimensions, text)).collect())
        })
    }
}

impl Generator for Memory {
    async fn generate<S: Sink>(&self, generation: &Generation, sink: &mut S) -> Result<Tokens, Failure> {
        self.call("AI", || {
            self.generations.borrow_mut().push(generation.clone());
            Ok(())
        })?;
        let script = self.scripts.borrow_mut().pop_front();
        let last = generation.messages.last().map(|message| message.content.clone()).unwrap_or_default();
        let (text, broken) = match script {
            Some(Script::Fails(failure)) => return Err(failure),
            Some(Script::Says(text)) => (text.to_owned(), false),
            Some(Script::BreaksOff(text)) => (text.to_owned(), true),
            None => (last.lines().last().unwrap_or_default().to_owned(), false),
        };
        let mut words = 0;
        for word in text.split_inclusive(' ') {
            self.advance(50);
            words += 1;
            if sink.accept(word).await == Flow::Stop {
                return Ok(Tokens { prompt: 100, completion: words });
            }
        }
        if broken { Err(Failure::transient("AI: broke off")) } else { Ok(Tokens { prompt: 100, completion: words }) }
    }
}

impl Rooms for Memory {
    async fn tell(&self, room: &Room, telling: Telling) -> Result<bool, Failure> {
        self.call("room", || {
            let job = telling.job.to_string();
            let admission = room::admit(self.told.borrow().get(&job), telling);
            self.told.borrow_mut().insert(job, admission.told);
            self.rooms.borrow_mut().entry(room.name()).or_default().extend(admission.events);
            Ok(admission.wanted)
        })
    }
}

impl VectorIndex for Memory {
    async fn upsert(&self, namespace: &str, vectors: &[VectorRecord]) -> Result<(), Failure> {
        self.call("Vectorize", || {
            for vector in vectors {
                self.vectors.borrow_mut().insert(vector.id.clone(), (namespace.to_owned(), vector.clone()));
            }
            Ok(())
        })
    }

    async fn query(
        &self,
        namespace: &str,
        vector: &[f32],
        top_k: usize,
        filter: Option<String>,
    ) -> Result<Vec<VectorMatch>, Failure> {
        self.call("Vectorize", || {
            let filter: Map<String, Json> =
                filter.and_then(|filter| serde_json::from_str(&filter).ok()).unwrap_or_default();
            let vectors = self.vectors.borrow();
            let mut matches: Vec<VectorMatch> = vectors
                .iter()
                .filter(|(_, (owner, record))| {
                    let metadata: Map<String, Json> = serde_json::from_str(&record.metadata).unwrap_or_default();
                    owner == namespace
                        && filter.iter().all(|(name, wanted)| wanted.is_object() || metadata.get(name) == Some(wanted))
                })
                .map(|(id, (_, record))| {
                    let score: f32 = record.values.iter().zip(vector).map(|(one, other)| one * other).sum();
                    VectorMatch { id: id.clone(), score: f64::from(score) }
                })
                .collect();
            matches.sort_by(|one, other| other.score.total_cmp(&one.score));
            matches.truncate(top_k);
            Ok(matches)
        })
    }

    async fn remove(&self, ids: &[String]) -> Result<(), Failure> {
        self.call("Vectorize", || {
            self.vectors.borrow_mut().retain(|id, _| !ids.contains(id));
            Ok(())
        })
    }
}

impl Clock for Memory {
    fn now(&self) -> Timestamp {
        Timestamp::from_milliseconds(self.now.get())
    }

    async fn sleep(&self, milliseconds: u64) {
        self.advance(i64::try_from(milliseconds).unwrap_or(i64::MAX));
    }
}

impl Random for Memory {
    fn fill(&self, buffer: &mut [u8]) {
        for byte in buffer {
            // xorshift64. Source: Marsaglia, "Xorshift RNGs", 2003.
            let mut state = self.random.get();
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            self.random.set(state);
            *byte = state.to_le_bytes()[3];
        }
    }
}

impl Sha256 for Memory {
    async fn sha256(&self, bytes: &[u8]) -> Result<[u8; 32], Failure> {
        use sha2::Digest as _;
        self.call("SHA-256", || Ok(sha2::Sha256::digest(bytes).into()))
    }
}
