//! Alert: what is due to be told goes to the webhook, signed, until it was taken.
//!
//! At least once: a delivery whose answer was lost is repeated under the same `webhook-id`.

use pipeline::{
    failure::Failure,
    platform::{
        ports::{Clock, Database, Deployment, Outside},
        statement::{Statement, json},
    },
    time::Timestamp,
    webhook,
};
use serde::{Deserialize, Serialize};

/// Deliveries of one run; each is a request to the outside, of which an invocation has 50.
const DELIVERIES: i64 = 10;

#[derive(Debug, Deserialize)]
struct Due {
    id: String,
    body: String,
    attempts: usize,
}

/// What an alert says; the shape Standard Webhooks recommends.
#[derive(Debug, Serialize)]
struct Alert<T> {
    #[serde(rename = "type")]
    kind: &'static str,
    timestamp: Timestamp,
    data: T,
}

/// The statement that raises an alert; one that was raised under this id before stays as it was.
/// Without anybody to tell, it is kept for who asks.
pub fn raise<P: Deployment>(
    ports: &P,
    id: String,
    kind: &'static str,
    data: impl Serialize,
    now: Timestamp,
) -> Result<Statement, Failure> {
    Ok(Statement::new(
        "INSERT OR IGNORE INTO alerts (id, body, created_at, attempts, next_at) VALUES (?1, ?2, ?3, 0, ?4)",
    )
    .bind(id)
    .bind(json(&Alert { kind, timestamp: now, data })?)
    .bind(now)
    .bind(ports.webhook().map(|_| now)))
}

/// Delivers what is due. Returns how many were taken.
pub async fn deliver<P: Database + Deployment + Outside + Clock>(ports: &P) -> Result<usize, Failure> {
    let Some(hook) = ports.webhook() else { return Ok(0) };
    let now = ports.now();
    let query = Statement::new("SELECT id, body, attempts FROM alerts WHERE next_at <= ?1 ORDER BY next_at LIMIT ?2")
        .bind(now)
        .bind(DELIVERIES);
    let due: Vec<Due> = ports.batch(vec![query]).await?.at(0)?.all()?;
    let mut taken = 0;
    for alert in due {
        let headers = webhook::headers(&hook.secret, &alert.id, now, &alert.body)?;
        let failed = match ports.post(&hook.url, &headers, alert.body.clone()).await {
            Ok(200..=299) => None,
            Ok(status) => Some(format!("the webhook answered {status}")),
            Err(failure) => Some(failure.why),
        };
        taken += usize::from(failed.is_none());
        ports.batch(vec![note(&alert, failed.as_deref(), now)]).await?;
    }
    Ok(taken)
}

fn note(alert: &Due, failed: Option<&str>, now: Timestamp) -> Statement {
    let next_at = failed.and_then(|_| webhook::RETRIES.get(alert.attempts)).map(|after| now.plus(*after));
    Statement::new(
        "UPDATE alerts SET attempts = attempts + 1, next_at = ?2, error = ?3, delivered_at = ?4 WHERE id = ?1",
    )
    .bind(alert.id.as_str())
    .bind(next_at)
    .bind(failed)
    .bind(failed.is_none().then_some(now))
}
