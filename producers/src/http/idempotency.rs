//! `Idempotency-Key`: the same request under the same key is done once, and answered as things are now.

use data_encoding::HEXLOWER;
use http::HeaderName;
use pipeline::{
    constants,
    failure::Failure,
    ids::{JobId, UserId},
    platform::{
        ports::{Clock, Database, Sha256},
        transaction::Transaction,
    },
    problem::{Code, Problem},
    store::{
        idempotency::{self, KeyRow},
        jobs::sweep,
    },
    tenant::Tenant,
    time::Span,
};

use crate::http::{
    call::Call,
    reply::{Refusal, Reply},
};

/// An `Idempotency-Key`, and what it came with.
#[derive(Clone, Debug)]
pub struct Key {
    /// The key.
    pub key: String,
    /// Hex SHA-256 of the request's body, and its query string if it has one.
    pub body_hash: String,
    /// Of a turn that the same request joins while it goes on: for how long after its beginning. Any other key
    /// stands for its first request for good.
    pub joined_within: Option<Span>,
}

/// What there is to do about a request.
#[derive(Debug)]
pub enum Begun {
    /// Nothing: its key was answered before.
    Answered(Replay),
    /// What it asks for, under its key if it has one.
    New(Option<Key>),
}

/// A request that was answered before.
#[derive(Clone, Debug)]
pub struct Replay {
    /// The job that it began.
    pub job: JobId,
    /// The answer as it was then (JSON).
    pub response: String,
}

impl Replay {
    /// The answer as it is now, marked as that of an earlier request.
    pub fn mark(answer: Reply) -> Reply {
        answer.with(HeaderName::from_static("idempotency-replayed"), "true")
    }
}

/// Begins a request that may have an `Idempotency-Key`.
pub async fn begin<P: Database + Sha256 + Clock>(ports: &P, call: &Call<'_>) -> Result<Begun, Refusal> {
    let Some(key) = key(call)? else { return Ok(Begun::New(None)) };
    let mut body_hash = HEXLOWER.encode(&ports.sha256(call.request.body()).await?);
    // What stands in the query string is a part of what is asked for: with another it is another request.
    if let Some(query) = call.request.uri().query().filter(|query| !query.is_empty()) {
        body_hash = format!("{body_hash}?{query}");
    }
    let key = Key { key, body_hash, joined_within: None };
    let answered = replay(ports, &call.tenant, &key).await?;
    Ok(answered.map_or(Begun::New(Some(key)), Begun::Answered))
}

/// Begins a request that does nothing to be repeated: its key is read, and not used.
pub fn pass_over(call: &Call<'_>) -> Result<Begun, Problem> {
    key(call).map(|_| Begun::New(None))
}

/// Begins a request whose body is streamed: it is known by what R2 says of its content, once it is there. A key
/// that came with a body that was read at once, or that is being worked on, is refused before.
pub async fn begin_unread<P: Database>(ports: &P, call: &Call<'_>) -> Result<Option<String>, Refusal> {
    let Some(key) = key(call)? else { return Ok(None) };
    match idempotency::find(&call.tenant.user, &key).first(ports).await? {
        Some(KeyRow { response: None, .. }) => Err(in_flight().into()),
        Some(row) if !row.body_hash.starts_with(STORED) => Err(reused().into()),
        _ => Ok(Some(key)),
    }
}

/// What stands before the hash of a body that was streamed.
const STORED: &str = "stored:";

impl Key {
    /// Of a body that was streamed, by what R2 says of its content.
    pub fn of_stored(key: String, content: &str) -> Self {
        Self { key, body_hash: format!("{STORED}{content}"), joined_within: None }
    }
}

fn reused() -> Problem {
    Problem::field(Code::KeyReused, "Idempotency-Key", "this key came with another body before; use a new one")
}

/// Another request came with the same key, and is not answered yet.
pub fn in_flight() -> Problem {
    Problem::field(
        Code::Conflict,
        "Idempotency-Key",
        "a request with this key is being worked on; send it again in a moment",
    )
}

fn key(call: &Call<'_>) -> Result<Option<String>, Problem> {
    let Some(value) = call.request.headers().get("idempotency-key") else { return Ok(None) };
    let limit = constants::IDEMPOTENCY_KEY_BYTES;
    if value.len() > limit {
        let detail = format!("{} bytes; the limit is {limit}: make a shorter one", value.len());
        return Err(Problem::field(Code::TooLarge, "Idempotency-Key", detail));
    }
    let is_visible = !value.is_empty() && value.as_bytes().iter().all(|byte| matches!(byte, b' '..=b'~'));
    let key = value.to_str().ok().filter(|_| is_visible).map(str::to_owned);
    let wrong = || {
        let detail = format!("expected 1 to {limit} visible ASCII characters");
        Problem::field(Code::Invalid, "Idempotency-Key", detail)
    };
    key.ok_or_else(wrong).map(Some)
}

/// Gives the key of an upload free that was not accepted and now cannot be any more, so that the same request can
/// be made again at once; false if it was accepted. What it has stored is left to the sweep.
///
/// # Errors
/// What the database fails with.
pub async fn free_key<P: Database + Clock>(ports: &P, user: &UserId, job: &JobId) -> Result<bool, Failure> {
    let mut transaction = Transaction::default();
    let refused = transaction.write(sweep::refuse_upload(job, ports.now()));
    transaction.write(idempotency::release(user, job));
    Ok(transaction.commit(ports).await?.changes(refused) > 0)
}

/// What an earlier request with this key began; `None` if there is none to wait for. A request that has
/// been at work for a whole lease is taken for dead: if it is not, it will find that it is not accepted.
pub async fn replay<P: Database + Clock>(ports: &P, tenant: &Tenant, key: &Key) -> Result<Option<Replay>, Refusal> {
    let row = idempotency::find(&tenant.user, &key.key).first(ports).await?;
    match row {
        None => Ok(None),
        Some(row) if row.body_hash != key.body_hash => Err(reused().into()),
        Some(KeyRow { response: None, job_id, created_at, .. })
            if ports.now().since(created_at) > constants::LEASE && free_key(ports, &tenant.user, &job_id).await? =>
        {
            Ok(None)
        }
        Some(KeyRow { response: None, .. }) => Err(in_flight().into()),
        Some(KeyRow { response: Some(response), job_id, .. }) => Ok(Some(Replay { job: job_id, response })),
    }
}
