//! `Idempotency-Key`: the same key with the same body is answered the same, without doing it again.

use http::{HeaderName, StatusCode, header};
use pipeline::{
    constants,
    platform::ports::Database,
    problem::{Code, Problem},
    store::idempotency::{self, KeyRow},
    tenant::Tenant,
};

use crate::http::{
    call::Call,
    reply::{Refusal, Reply},
};

/// The request's `Idempotency-Key`, if it has one.
pub fn key(call: &Call<'_>) -> Result<Option<String>, Problem> {
    let Some(value) = call.request.headers().get("idempotency-key") else { return Ok(None) };
    let key = value.to_str().unwrap_or_default();
    if key.is_empty() || key.len() > constants::IDEMPOTENCY_KEY_BYTES {
        let detail = format!("expected 1 to {} visible ASCII characters", constants::IDEMPOTENCY_KEY_BYTES);
        return Err(Problem::field(Code::Invalid, "Idempotency-Key", detail));
    }
    Ok(Some(key.to_owned()))
}

/// The stored answer of an earlier request with this key.
pub async fn replay<P: Database>(
    ports: &P,
    tenant: &Tenant,
    key: &str,
    body_hash: &str,
) -> Result<Option<Reply>, Refusal> {
    let row = idempotency::find(&tenant.user, key).first(ports).await?;
    match row {
        None => Ok(None),
        Some(row) if row.body_hash != body_hash => Err(Problem::field(
            Code::KeyReused,
            "Idempotency-Key",
            "this key came with another body before; use a new one",
        )
        .into()),
        Some(KeyRow { response: None, .. }) => Err(Problem::field(
            Code::Conflict,
            "Idempotency-Key",
            "the first request with this key is still being worked on",
        )
        .into()),
        Some(KeyRow { response: Some(response), job_id, .. }) => Ok(Some(
            Reply::bytes(StatusCode::ACCEPTED, "application/json", response.into_bytes())
                .with(header::LOCATION, &format!("/api/jobs/{job_id}"))
                .with(HeaderName::from_static("idempotency-replayed"), "true"),
        )),
    }
}
