//! What the pure crates ask of the platform.
//!
//! Small traits, one per kind of effect, so that a stage's bounds say what it touches. Every method
//! can fail in two ways that look alike: it did not happen, or it did and the answer was lost.

#![expect(async_fn_in_trait, reason = "Workers are single-threaded: no future needs to be Send")]

use crate::{
    budget::usage::Usage,
    chat::{
        channel::{Channel, Update},
        generation::{Generation, Sink, Tokens},
    },
    failure::Failure,
    job::message::Message,
    model::EmbeddingModel,
    platform::statement::{Answers, Statement},
    time::Timestamp,
};

/// D1: the truth.
pub trait Database {
    /// Runs all statements as one transaction; all happen or none does.
    async fn batch(&self, statements: Vec<Statement>) -> Result<Answers, Failure>;
}

/// An object read from R2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its content, all of it: no object is larger than memory allows.
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

/// R2: bytes too large for rows.
pub trait ObjectStore {
    /// Reads an object, or the `range` (start, end) of it.
    async fn get(&self, key: &str, range: Option<(u64, u64)>) -> Result<Option<Object>, Failure>;
    /// Writes an object; false if the condition did not hold.
    async fn put(&self, key: &str, bytes: Vec<u8>, condition: PutIf) -> Result<bool, Failure>;
    /// Removes objects; those that are not there are no error.
    async fn delete(&self, keys: &[String]) -> Result<(), Failure>;
    /// Up to 1,000 keys with this prefix, after `start_after`, in order.
    async fn list(&self, prefix: &str, start_after: Option<&str>) -> Result<Vec<String>, Failure>;
}

/// Queues: hints that say "look at this item".
pub trait Queue {
    /// Sends messages, each to the queue of its stage.
    async fn send(&self, messages: Vec<Message>) -> Result<(), Failure>;
}

/// KV: caches.
pub trait KeyValue {
    /// Reads a value.
    async fn get_value(&self, key: &str) -> Result<Option<Vec<u8>>, Failure>;
    /// Writes a value that disappears after `seconds` (at least 60).
    async fn put_value(&self, key: &str, value: Vec<u8>, seconds: u32) -> Result<(), Failure>;
}

/// Workers AI: texts to vectors.
pub trait Embedder {
    /// One vector per text, in order. At most [`crate::constants::TEXTS_PER_EMBEDDING_CALL`] texts,
    /// `word_pieces` long together (what the call costs).
    async fn embed(&self, model: &EmbeddingModel, texts: &[String], word_pieces: u64)
    -> Result<Vec<Vec<f32>>, Failure>;
}

/// Workers AI: a prompt to an answer.
pub trait Generator {
    /// Streams the answer into `sink` until it ends or the sink wants no more; the tokens it took.
    /// Fails if the model says nothing for [`crate::chat::generation::STALL_MILLISECONDS`], says nothing
    /// at all, or breaks off: what was sunk by then does not count.
    async fn generate<S: Sink>(&self, generation: &Generation, sink: &mut S) -> Result<Tokens, Failure>;
}

/// Durable Objects in which turns are told live.
pub trait Channels {
    /// Tells a channel; false if it wants no more from this attempt.
    async fn publish(&self, channel: &Channel, update: Update) -> Result<bool, Failure>;
}

/// A vector to store.
#[derive(Clone, Debug, PartialEq)]
pub struct VectorRecord {
    /// See [`crate::ids::vector_id`].
    pub id: String,
    /// Normalised to length one.
    pub values: Vec<f32>,
    /// A JSON object of strings, numbers and booleans.
    pub metadata: String,
}

/// A vector that a query found.
#[derive(Clone, Debug, PartialEq)]
pub struct VectorMatch {
    /// The id it was stored under.
    pub id: String,
    /// Cosine similarity to the query.
    pub score: f64,
}

/// Vectorize. Eventually consistent: what was written shows up later.
pub trait VectorIndex {
    /// Stores or overwrites vectors in a namespace.
    async fn upsert(&self, namespace: &str, vectors: &[VectorRecord]) -> Result<(), Failure>;
    /// The `top_k` nearest in a namespace, best first. `filter` is a JSON object or `None`.
    async fn query(
        &self,
        namespace: &str,
        vector: &[f32],
        top_k: usize,
        filter: Option<String>,
    ) -> Result<Vec<VectorMatch>, Failure>;
    /// Removes vectors; ids that are not there are no error.
    async fn remove(&self, ids: &[String]) -> Result<(), Failure>;
}

/// The invocation itself: what it is called and what it has used so far.
pub trait Meter {
    /// The name its usage row and its reservation carry: unique to it.
    fn invocation(&self) -> String;
    /// What it has used, counted where the platform is called.
    fn usage(&self) -> Usage;
    /// True once it has set neurons aside.
    fn has_reserved(&self) -> bool;
    /// Notes that it has.
    fn note_reservation(&self);
}

/// How this deployment is configured.
pub trait Deployment {
    /// The `LIMITS` variable: see [`crate::budget::allowances`].
    fn limits(&self) -> Option<Vec<u8>>;
    /// Where alerts go, if anywhere.
    fn webhook(&self) -> Option<Webhook>;
}

/// Where alerts go.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook {
    /// An address that takes POST.
    pub url: String,
    /// `whsec_` and base64: the key of the signatures. No `Debug`: a secret.
    pub secret: String,
}

/// HTTP to the outside.
pub trait Outside {
    /// Posts JSON; the status of the answer.
    async fn post(&self, url: &str, headers: &[(&'static str, String)], body: String) -> Result<u16, Failure>;
}

/// How many requests in a short time are a burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Burst {
    /// Of an address, whoever it is.
    Address,
    /// Of an API key.
    Key,
    /// Requests that were refused: more of them lead into the penalty box.
    Refused,
}

/// The rate-limit binding: approximate, per location, free.
pub trait RateLimiter {
    /// False if this is one request too many. A limiter that fails lets through.
    async fn admit(&self, burst: Burst, caller: &str) -> bool;
}

/// The time of day, and waiting. Code that is tested in a simulated time reads no other clock.
pub trait Clock {
    /// Now. Stands still during CPU work on Workers.
    fn now(&self) -> Timestamp;
    /// Waits; costs no CPU.
    async fn sleep(&self, milliseconds: u64);
}

/// Randomness, cryptographically strong.
pub trait Random {
    /// Fills the buffer.
    fn fill(&self, buffer: &mut [u8]);

    /// An array of random bytes.
    fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut buffer = [0; N];
        self.fill(&mut buffer);
        buffer
    }
}

/// SHA-256 of large inputs, by the platform: its native code costs a fraction of wasm.
pub trait Sha256 {
    /// The digest of `bytes`.
    async fn sha256(&self, bytes: &[u8]) -> Result<[u8; 32], Failure>;
}
