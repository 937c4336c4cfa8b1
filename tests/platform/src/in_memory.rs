//! The platform as one invocation sees it, with what all of them share, and the ports that need little more.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, VecDeque},
    ops::Deref,
    rc::Rc,
};

use pipeline::{
    budget::usage::Usage,
    chat::{
        channel::{Channel, StreamState, TurnEvent},
        generation::Generation,
    },
    failure::Failure,
    job::message::Message,
    platform::{
        asked::Asked,
        isolate::IsolateMemory,
        ports::{Burst, Clock, Deployment as _, Meter, Random, Sha256, VectorRecord, Webhook},
    },
    time::{Span, Timestamp},
};
use serde_json::Value;

use crate::{
    connection::Borrowed,
    fate::{Fate, Judgement, Script},
    mutation::Watched,
    service::Service,
};

/// Every port, in memory, as one invocation sees it. Others see the same through [`InMemory::worker`].
pub struct InMemory {
    shared: Rc<Shared>,
    usage: Cell<Usage>,
    pub(crate) asked: Cell<Asked>,
    pub(crate) invocation: RefCell<String>,
    pub(crate) reserved: Cell<bool>,
    pub(crate) crashed: Cell<bool>,
}

/// Rows that a channel writes before its first event: what makes its tables, and its alarm.
const ROWS_OF_NEW_CHANNEL: u64 = 5;

/// What was posted to the outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// Where to.
    pub url: String,
    /// With which headers.
    pub headers: Vec<(&'static str, String)>,
    /// What.
    pub body: String,
}

/// What all invocations share.
pub struct Shared {
    pub(crate) connection: Borrowed,
    /// The body of the request that is being answered.
    pub(crate) body: RefCell<Vec<u8>>,
    pub(crate) body_breaks_off: Cell<bool>,
    pub(crate) objects: RefCell<BTreeMap<String, (Vec<u8>, u64)>>,
    pub(crate) versions: Cell<u64>,
    pub(crate) queue: RefCell<VecDeque<Message>>,
    pub(crate) values: RefCell<BTreeMap<String, Vec<u8>>>,
    pub(crate) vectors: RefCell<BTreeMap<String, (String, VectorRecord)>>,
    pub(crate) now: Cell<Timestamp>,
    pub(crate) random: Cell<u64>,
    pub(crate) fates: RefCell<Box<dyn FnMut() -> Fate>>,
    pub(crate) embedded: Cell<usize>,
    pub(crate) embedding_model: Cell<Option<&'static str>>,
    pub(crate) generations: RefCell<Vec<Generation>>,
    pub(crate) scripts: RefCell<VecDeque<Script>>,
    pub(crate) judgements: RefCell<VecDeque<Judgement>>,
    pub(crate) judged: RefCell<Vec<(String, Vec<String>)>>,
    pub(crate) channels: RefCell<BTreeMap<String, Vec<TurnEvent>>>,
    /// What was said in sessions, by the names of their channels.
    pub(crate) said: RefCell<BTreeMap<String, Vec<Value>>>,
    pub(crate) streams: RefCell<BTreeMap<String, StreamState>>,
    pub(crate) limits: RefCell<Option<Vec<u8>>>,
    pub(crate) drafts_only: Cell<bool>,
    pub(crate) plan: RefCell<String>,
    pub(crate) webhook: RefCell<Option<Webhook>>,
    pub(crate) seen: RefCell<BTreeMap<String, Timestamp>>,
    pub(crate) posted: RefCell<Vec<Delivered>>,
    pub(crate) failing_outside: Cell<usize>,
    pub(crate) refused_bursts: RefCell<Vec<Burst>>,
    pub(crate) billed: Cell<f64>,
    pub(crate) answer_tokens: Cell<u64>,
    pub(crate) billed_after_reserving: Cell<f64>,
    pub(crate) watched: Watched,
    pub(crate) refused: RefCell<Vec<String>>,
    pub(crate) most_asked: RefCell<BTreeMap<String, Asked>>,
    pub(crate) out: Cell<Option<(Service, Timestamp)>>,
    pub(crate) database_bytes: Cell<Option<u64>>,
    pub(crate) visibility_lag: Cell<Span>,
    pub(crate) shown_at: RefCell<BTreeMap<String, Timestamp>>,
    pub(crate) neurons_left: Cell<Option<f64>>,
    pub(crate) times_spent: Cell<usize>,
    pub(crate) longest_call: Cell<usize>,
    pub(crate) isolate: RefCell<IsolateMemory>,
}

impl Deref for InMemory {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}

impl std::fmt::Debug for InMemory {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("InMemory").finish_non_exhaustive()
    }
}

impl Default for InMemory {
    fn default() -> Self {
        Self::new(1)
    }
}

impl InMemory {
    /// An empty platform; `seed` decides its ids.
    ///
    /// # Panics
    /// If the migrations do not run.
    pub fn new(seed: u64) -> Self {
        Self::with_schema(seed, "")
    }

    /// An empty platform with more in its database than the migrations bring: a test's own tables.
    pub fn with_schema(seed: u64, schema: &'static str) -> Self {
        Self::over(Borrowed::new(schema), seed)
    }

    /// A platform whose database an earlier version left: its first `migrations` had run, it held what
    /// `dump` inserts, and the later migrations have run since.
    ///
    /// # Panics
    /// If the dump or the migrations do not run.
    pub fn upgraded(seed: u64, migrations: usize, dump: &str) -> Self {
        Self::over(Borrowed::upgraded(migrations, dump), seed)
    }

    fn over(connection: Borrowed, seed: u64) -> Self {
        let shared = Shared {
            connection,
            body: RefCell::default(),
            body_breaks_off: Cell::default(),
            objects: RefCell::default(),
            versions: Cell::new(0),
            queue: RefCell::default(),
            values: RefCell::default(),
            vectors: RefCell::default(),
            // 2026-11-22T00:00:00Z and a bit.
            now: Cell::new(Timestamp::from_milliseconds(1_795_305_600_000 + 3_600_000)),
            random: Cell::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            fates: RefCell::new(Box::new(|| Fate::Works)),
            embedded: Cell::new(0),
            embedding_model: Cell::default(),
            generations: RefCell::default(),
            scripts: RefCell::default(),
            judgements: RefCell::default(),
            judged: RefCell::default(),
            channels: RefCell::default(),
            said: RefCell::default(),
            streams: RefCell::default(),
            limits: RefCell::default(),
            drafts_only: Cell::default(),
            plan: RefCell::default(),
            webhook: RefCell::default(),
            seen: RefCell::default(),
            posted: RefCell::default(),
            failing_outside: Cell::default(),
            refused_bursts: RefCell::default(),
            billed: Cell::default(),
            answer_tokens: Cell::default(),
            billed_after_reserving: Cell::default(),
            watched: Watched::default(),
            refused: RefCell::default(),
            most_asked: RefCell::default(),
            out: Cell::default(),
            database_bytes: Cell::default(),
            visibility_lag: Cell::new(Span::ZERO),
            shown_at: RefCell::default(),
            neurons_left: Cell::default(),
            times_spent: Cell::default(),
            longest_call: Cell::new(usize::MAX),
            isolate: RefCell::default(),
        };
        Self::of(Rc::new(shared), "")
    }

    fn of(shared: Rc<Shared>, invocation: &str) -> Self {
        Self {
            shared,
            usage: Cell::default(),
            asked: Cell::default(),
            invocation: RefCell::new(invocation.to_owned()),
            reserved: Cell::default(),
            crashed: Cell::default(),
        }
    }

    /// The same platform as another invocation sees it, which may run at the same time.
    #[must_use]
    pub fn worker(&self, invocation: &str) -> Self {
        Self::of(Rc::clone(&self.shared), invocation)
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

    /// The body of the request that is about to be answered.
    pub fn set_body(&self, body: Vec<u8>) {
        *self.body.borrow_mut() = body;
    }

    /// Lets bodies that are streamed break off on their way from here on.
    pub fn break_body_off(&self) {
        self.body_breaks_off.set(true);
    }

    /// Begins an invocation: what it uses is counted from zero.
    pub fn begin(&self, invocation: &str) {
        invocation.clone_into(&mut self.invocation.borrow_mut());
        self.usage.set(Usage::default());
        self.asked.set(Asked::on(self.plan()));
        self.reserved.set(false);
    }

    /// Counts what the platform is used for.
    pub(crate) fn count(&self, add: impl FnOnce(&mut Usage)) {
        let mut usage = self.usage.get();
        add(&mut usage);
        self.usage.set(usage);
    }

    /// Counts a message's delivery: a read, and the delete of one that will not come again.
    pub fn count_delivery(&self, is_last: bool) {
        self.count(|usage| usage.queue_operations += if is_last { 2 } else { 1 });
    }

    /// Counts what a channel does: a row for each event, and for a new channel its tables and its alarm.
    pub(crate) fn count_channel(&self, is_known: bool, events: usize) {
        let rows = events as u64 + if is_known { 0 } else { ROWS_OF_NEW_CHANNEL };
        self.count(|usage| usage.object_rows_written += rows);
    }

    /// Lets time pass.
    pub fn advance(&self, span: Span) {
        self.now.set(self.now.get().plus(span));
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

    /// What the reranking model does next, in this order; after that it likes all texts alike.
    pub fn judge(&self, judgements: impl IntoIterator<Item = Judgement>) {
        *self.judgements.borrow_mut() = judgements.into_iter().collect();
    }

    /// The queries and texts that the reranking model was asked about so far.
    pub fn judged(&self) -> Vec<(String, Vec<String>)> {
        self.judged.borrow().clone()
    }

    /// What a channel was told, as its listeners heard it.
    pub fn heard(&self, channel: &Channel) -> Vec<TurnEvent> {
        self.channels.borrow().get(&channel.name()).cloned().unwrap_or_default()
    }

    /// Writes a value into KV, as an operator does.
    pub fn set_value(&self, key: &str, value: &[u8]) {
        self.values.borrow_mut().insert(key.to_owned(), value.to_vec());
    }

    /// True once an injected crash has ended this invocation.
    pub fn is_gone(&self) -> bool {
        self.crashed.get()
    }
}

impl Meter for InMemory {
    fn invocation(&self) -> String {
        self.invocation.borrow().clone()
    }

    fn usage(&self) -> Usage {
        self.usage.get()
    }

    fn asked(&self) -> Asked {
        self.asked.get()
    }

    fn database_bytes(&self) -> u64 {
        self.size()
    }

    fn has_reserved(&self) -> bool {
        self.reserved.get()
    }

    fn note_reservation(&self) {
        self.reserved.set(true);
    }
}

impl Clock for InMemory {
    fn now(&self) -> Timestamp {
        self.now.get()
    }

    async fn sleep(&self, span: Span) {
        self.advance(span);
    }
}

impl Random for InMemory {
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

impl Sha256 for InMemory {
    async fn sha256(&self, bytes: &[u8]) -> Result<[u8; 32], Failure> {
        use sha2::Digest as _;
        self.call(Service::Runtime, || Ok(sha2::Sha256::digest(bytes).into())).await
    }
}
