//! What the pure crates ask of the platform.
//!
//! Small traits, one per kind of effect, so that a stage's bounds say what it touches. Every method
//! can fail in two ways that look alike: it did not happen, or it did and the answer was lost. So
//! whoever calls one must be able to call it again.

#![expect(async_fn_in_trait, reason = "Workers are single-threaded: no future needs to be Send")]

use crate::{
    budget::usage::Usage,
    chat::{
        channel::{Channel, EventPage, Saying, Update},
        generation::{Generated, Generation, Sink},
    },
    failure::Failure,
    job::message::Message,
    model::{EMBEDDING, EmbeddingModel, RerankingModel},
    plan::Plan,
    platform::{
        asked::Asked,
        isolate::IsolateMemory,
        statement::{Answers, Statement},
    },
    problem::Problem,
    time::{Span, Timestamp},
};

/// Names a set of ports: `port_set! { pub trait SomePorts: Clock + Random }` is a trait that whatever has all
/// of these ports has.
#[macro_export]
macro_rules! port_set {
    ($(#[$attribute:meta])* $visibility:vis trait $name:ident: $($ports:tt)+) => {
        $(#[$attribute])*
        $visibility trait $name: $($ports)+ {}
        impl<P: $($ports)+> $name for P {}
    };
}

/// D1, which holds the truth: what the other stores hold can be made again or removed by it.
pub trait Database {
    /// Runs all statements as one transaction: all of them happen, or none does.
    ///
    /// # Errors
    ///
    /// A statement or a limit was refused, or D1 is not answering. After the latter the transaction may
    /// have happened.
    async fn transact(&self, statements: Vec<Statement>) -> Result<Answers, Failure>;
}

/// An object read from R2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// What was read of it: all, or the range that was asked for.
    pub bytes: Vec<u8>,
    /// Its version, for [`PutIf::Unchanged`].
    pub etag: String,
}

/// When a put may happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PutIf {
    /// Whatever is there now.
    Always,
    /// Only if nothing is there.
    Absent,
    /// Only if what is there is this version.
    Unchanged(String),
}

/// R2, which holds what is too large for rows.
pub trait ObjectStore {
    /// Reads an object, or the `range` (start, end) of it; `None` if there is no such object.
    ///
    /// # Errors
    ///
    /// R2 is not answering, or the object cannot be read to its end.
    async fn get(&self, key: &str, range: Option<(u64, u64)>) -> Result<Option<Object>, Failure>;
    /// Writes an object whole; answers false if the condition did not hold.
    ///
    /// # Errors
    ///
    /// R2 is not answering; the object may be written.
    async fn put(&self, key: &str, bytes: Vec<u8>, condition: PutIf) -> Result<bool, Failure>;
    /// Removes objects; those that are not there are no error.
    ///
    /// # Errors
    ///
    /// R2 is not answering; some of the objects may be gone.
    async fn delete(&self, keys: &[String]) -> Result<(), Failure>;
    /// Lists up to 1,000 keys with this prefix, after `start_after`, in order.
    ///
    /// # Errors
    ///
    /// R2 is not answering.
    async fn list(&self, prefix: &str, start_after: Option<&str>) -> Result<Vec<String>, Failure>;
}

/// The body of the request that is being answered, as far as it goes into R2 unread.
pub trait UnreadBody {
    /// Streams all of it, which are `length` bytes, into an object; none of them passes through the caller. It
    /// can be done once. Answers with what distinguishes its content from any other.
    ///
    /// # Errors
    ///
    /// It broke off, and nothing is stored; or R2 is not answering, and the object may be stored.
    async fn store_body(&self, key: &str, length: u64) -> Result<String, Failure>;
}

/// Queues, whose messages are hints: "look at this item". One that is lost or comes twice does no harm.
pub trait Queue {
    /// Sends messages, each to the queue of its stage.
    ///
    /// # Errors
    ///
    /// A queue takes none, or is not answering; some of the messages may be sent.
    async fn send(&self, messages: Vec<Message>) -> Result<(), Failure>;
}

/// KV, which holds caches: any of it may be missing, or older than what it was made from.
pub trait KeyValue {
    /// Reads a value; `None` if it was never written, or has disappeared.
    ///
    /// # Errors
    ///
    /// KV is not answering, or its day is spent.
    async fn get_value(&self, key: &str) -> Result<Option<Vec<u8>>, Failure>;
    /// Writes a value that disappears after `kept` (a minute at least).
    ///
    /// # Errors
    ///
    /// KV is not answering, or its day is spent; the value may be written.
    async fn put_value(&self, key: &str, value: Vec<u8>, kept: Span) -> Result<(), Failure>;
}

/// Workers AI, as far as it makes vectors of texts.
pub trait Embedder {
    /// Returns the name of the model that makes them: production's, or the one that stands in for it on one machine.
    /// What a cosine says depends on it.
    fn embedding_model(&self) -> String {
        EMBEDDING.name.to_owned()
    }
    /// Makes a vector of each text, in order. At most [`crate::constants::TEXTS_PER_EMBEDDING_CALL`]
    /// texts, which are `word_pieces` long together: what the call costs.
    ///
    /// # Errors
    ///
    /// The model is not answering, the account's neurons are spent, or the answer does not fit the texts.
    async fn embed(&self, model: &EmbeddingModel, texts: &[String], word_pieces: u64)
    -> Result<Vec<Vec<f32>>, Failure>;
}

/// Workers AI, as far as it says how well texts fit a query.
pub trait Reranker {
    /// Scores each text, in order: the higher, the better it fits. On which scale is the model's own affair.
    ///
    /// # Errors
    ///
    /// The model is not answering, the account's neurons are spent, or the answer does not fit the texts.
    async fn rerank(&self, model: &RerankingModel, query: &str, texts: &[String]) -> Result<Vec<f64>, Failure>;
}

/// Workers AI, as far as it answers prompts.
pub trait Generator {
    /// Streams the answer into `sink` until it ends or the sink wants no more. Answers with the tokens
    /// that it took, and what the model calls.
    ///
    /// # Errors
    ///
    /// The model says nothing for [`crate::chat::generation::STALL`], says nothing at all, or
    /// breaks off. What the sink has got by then does not count.
    async fn generate<S: Sink>(&self, generation: &Generation, sink: &mut S) -> Result<Generated, Failure>;
}

/// Durable Objects, each a channel in which turns are published while they are written.
pub trait Channels {
    /// Publishes an update in a channel; answers false if it wants no more from this attempt.
    ///
    /// # Errors
    ///
    /// The channel is not answering; it may have the update.
    async fn publish(&self, channel: &Channel, update: Update) -> Result<bool, Failure>;
    /// Reads a page of what has happened in a session's channel after an event.
    ///
    /// # Errors
    ///
    /// The channel is not answering.
    async fn events_after(&self, channel: &Channel, since: i64) -> Result<EventPage, Failure>;
    /// Says something in a session: the number of the event, or why it may not be said.
    ///
    /// # Errors
    ///
    /// The channel is not answering; it may have been said.
    async fn say(&self, saying: &Saying) -> Result<Result<i64, Problem>, Failure>;
}

/// A vector as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct VectorRecord {
    /// Names its chunk or memory: see [`crate::ids::vector_id`].
    pub id: String,
    /// The vector itself, normalised to length one.
    pub values: Vec<f32>,
    /// What queries can filter by: a JSON object of strings, numbers and booleans.
    pub metadata: String,
}

/// A vector that a query found.
#[derive(Clone, Debug, PartialEq)]
pub struct VectorMatch {
    /// The id it was stored under.
    pub id: String,
    /// Its cosine similarity to the query.
    pub score: f64,
}

/// Vectorize, which is eventually consistent: what was written shows up later.
pub trait VectorIndex {
    /// Stores or overwrites vectors in a namespace.
    ///
    /// # Errors
    ///
    /// Vectorize refuses a vector, or is not answering; some of them may be stored.
    async fn upsert(&self, namespace: &str, vectors: &[VectorRecord]) -> Result<(), Failure>;
    /// Finds the `top_k` nearest in a namespace, best first. `filter` is a JSON object, if there is one.
    ///
    /// # Errors
    ///
    /// Vectorize is not answering.
    async fn query(
        &self,
        namespace: &str,
        vector: &[f32],
        top_k: usize,
        filter: Option<String>,
    ) -> Result<Vec<VectorMatch>, Failure>;
    /// Removes vectors; ids that are not there are no error.
    ///
    /// # Errors
    ///
    /// Vectorize is not answering; some of them may be gone.
    async fn remove(&self, ids: &[String]) -> Result<(), Failure>;
}

/// The invocation itself: what it is called and what it has used so far.
pub trait Meter {
    /// Returns the name that its usage row and its reservation carry, unique to it.
    fn invocation(&self) -> String;
    /// Returns what it has used, counted where the platform is called.
    fn usage(&self) -> Usage;
    /// Returns how often it has asked the platform so far, against how often one invocation may.
    fn asked(&self) -> Asked;
    /// Returns the bytes of the database, as it last said; 0 if it has not so far.
    fn database_bytes(&self) -> u64;
    /// Returns true once it has set neurons aside.
    fn has_reserved(&self) -> bool;
    /// Notes that it has set neurons aside.
    fn note_reservation(&self);
}

/// The isolate that an invocation runs in: those before it and after it may share it.
pub trait Isolate {
    /// Works on what the isolate remembers.
    fn with_memory<T>(&self, work: impl FnOnce(&mut IsolateMemory) -> T) -> T;
}

/// How this deployment is configured.
pub trait Deployment {
    /// Returns the `PLAN` variable.
    fn plan_name(&self) -> String;
    /// Returns the plan it runs on: the Free plan, which asks for least, if it names none that there is.
    fn plan(&self) -> Plan {
        Plan::parse(&self.plan_name()).unwrap_or_default()
    }
    /// Returns the `LIMITS` variable: see [`crate::budget::allowances`].
    fn limits(&self) -> Option<Vec<u8>>;
    /// Returns where alerts are sent, if anywhere.
    fn webhook(&self) -> Option<Webhook>;
    /// Returns the `DRAFTS_ONLY` variable: true where what a model writes is not shown before it was checked, since its
    /// models invent too much.
    fn drafts_only(&self) -> bool;
}

/// Where alerts are sent, and what they are signed with.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook {
    /// An address that takes POST.
    pub url: String,
    /// The key of the signatures: `whsec_` and base64. It is why there is no `Debug`.
    pub secret: String,
}

/// Servers that are not ours.
pub trait Outside {
    /// Posts JSON. Answers with the status of the answer, whatever it is.
    ///
    /// # Errors
    ///
    /// The server is not answering; it may have what was posted.
    async fn post(&self, url: &str, headers: &[(&'static str, String)], body: String) -> Result<u16, Failure>;
}

/// How many requests in a short time are a burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Burst {
    /// Requests of one address, whoever is behind it.
    Address,
    /// Requests with one API key.
    Key,
    /// Requests that were refused: more of them lead into the penalty box.
    Refused,
}

/// The rate-limit binding, which counts approximately, for each location, at no cost.
pub trait RateLimiter {
    /// Counts a request; answers false if it is one too many. While the binding fails it is counted in
    /// memory: see [`Bursts`](super::bursts::Bursts).
    async fn admit(&self, burst: Burst, caller: &str) -> bool;
}

/// The time of day, and waiting. Code that is tested in a simulated time reads no other clock.
pub trait Clock {
    /// Returns the present time. On Workers it stands still during CPU work.
    fn now(&self) -> Timestamp;
    /// Waits, which costs no CPU.
    async fn sleep(&self, span: Span);
}

/// Randomness that nobody can foresee: ids and keys are made of it.
pub trait Random {
    /// Fills the buffer with random bytes.
    fn fill(&self, buffer: &mut [u8]);

    /// Makes an array of random bytes.
    fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut buffer = [0; N];
        self.fill(&mut buffer);
        buffer
    }
}

/// SHA-256 of large inputs, by the platform: its native code costs a fraction of wasm.
pub trait Sha256 {
    /// Computes the digest of `bytes`.
    ///
    /// # Errors
    ///
    /// The platform cannot compute it.
    async fn sha256(&self, bytes: &[u8]) -> Result<[u8; 32], Failure>;
}
