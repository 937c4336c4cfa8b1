//! `Idempotency-Key`: the same key with the same body is answered the same, without doing it again.

use http::{HeaderName, StatusCode, header};
use pipeline::{
    constants,
    platform::{ports::Database, statement::Statement},
    problem::{Code, Problem},
    tenant::Tenant,
};
use serde::Deserialize;

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
    #[derive(Deserialize)]
    struct Row {
        body_hash: String,
        job_id: String,
        response: Option<String>,
    }
    let query =
        Statement::new("SELECT body_hash, job_id, response FROM idempotency_keys WHERE user_id = ?1 AND key = ?2")
            .bind(&tenant.user)
            .bind(key);
    let row: Option<Row> = ports.batch(vec![query]).await?.at(0)?.first()?;
    match row {
        None => Ok(None),
        Some(row) if row.body_hash != body_hash => Err(Problem::field(
            Code::KeyReused,
            "Idempotency-Key",
            "this key came with another body before; use a new one",
        )
        .into()),
        Some(Row { response: None, .. }) => Err(Problem::field(
            Code::Conflict,
            "Idempotency-Key",
            "the first request with this key is still being worked on",
        )
        .into()),
        Some(Row { response: Some(response), job_id, .. }) => Ok(Some(
            Reply::bytes(StatusCode::ACCEPTED, "application/json", response.into_bytes())
                .with(header::LOCATION, &format!("/api/jobs/{job_id}"))
                .with(HeaderName::from_static("idempotency-replayed"), "true"),
        )),
    }
}
