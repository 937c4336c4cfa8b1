//! `Idempotency-Key`: the same key with the same body is answered the same, without doing it again.

use data_encoding::HEXLOWER;
use http::{HeaderName, StatusCode, header};
use pipeline::{
    constants,
    platform::ports::{Database, Sha256},
    problem::{Code, Problem},
    store::idempotency::{self, KeyRow},
    tenant::Tenant,
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
    /// Hex SHA-256 of the request's body.
    pub body_hash: String,
}

/// What there is to do about a request.
#[derive(Debug)]
pub enum Begun {
    /// Nothing: its key was answered before, and this is that answer.
    Answered(Reply),
    /// What it asks for, under its key if it has one.
    New(Option<Key>),
}

/// Begins a request that may have an `Idempotency-Key`.
pub async fn begin<P: Database + Sha256>(ports: &P, call: &Call<'_>) -> Result<Begun, Refusal> {
    let Some(key) = key(call)? else { return Ok(Begun::New(None)) };
    let body_hash = HEXLOWER.encode(&ports.sha256(call.request.body()).await?);
    let key = Key { key, body_hash };
    let answered = replay(ports, &call.tenant, &key).await?;
    Ok(answered.map_or(Begun::New(Some(key)), Begun::Answered))
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
    let key = value.to_str().unwrap_or_default();
    if key.is_empty() || key.len() > constants::IDEMPOTENCY_KEY_BYTES {
        let detail = format!("expected 1 to {} visible ASCII characters", constants::IDEMPOTENCY_KEY_BYTES);
        return Err(Problem::field(Code::Invalid, "Idempotency-Key", detail));
    }
    Ok(Some(key.to_owned()))
}

/// The stored answer of an earlier request with this key.
async fn replay<P: Database>(ports: &P, tenant: &Tenant, key: &Key) -> Result<Option<Reply>, Refusal> {
    let row = idempotency::find(&tenant.user, &key.key).first(ports).await?;
    match row {
        None => Ok(None),
        Some(row) if row.body_hash != key.body_hash => Err(Problem::field(
            Code::KeyReused,
            "Idempotency-Key",
            "this key came with another body before; use a new one",
        )
        .into()),
        Some(KeyRow { response: None, .. }) => Err(in_flight().into()),
        Some(KeyRow { response: Some(response), job_id, .. }) => Ok(Some(
            Reply::bytes(StatusCode::ACCEPTED, "application/json", response.into_bytes())
                .with(header::LOCATION, &format!("/api/jobs/{job_id}"))
                .with(HeaderName::from_static("idempotency-replayed"), "true"),
        )),
    }
}
