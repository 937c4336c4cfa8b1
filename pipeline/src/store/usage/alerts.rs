//! What somebody must hear of: the table `alerts`.

use serde::{Deserialize, Serialize};

use crate::{
    failure::Failure,
    platform::{
        statement::json,
        transaction::{Query, Write},
    },
    time::Timestamp,
};

/// An alert that is to be raised.
#[derive(Clone, Debug, Serialize)]
pub struct NewAlert {
    /// Its id, which it is raised under once.
    pub id: String,
    /// What is delivered (JSON).
    pub body: String,
}

/// Raises alerts, to be delivered from `next_at` on; without that time they are kept for who asks. One that was
/// raised under its id before stays as it was.
///
/// # Errors
/// A bug if the data cannot be written as JSON.
pub fn raise(alerts: &[NewAlert], next_at: Option<Timestamp>, now: Timestamp) -> Result<Write, Failure> {
    Ok(Write::new(
        "INSERT OR IGNORE INTO alerts (id, body, created_at, attempts, next_at)
         SELECT r.value ->> 'id', r.value ->> 'body', ?2, 0, ?3 FROM json_each(?1) r",
    )
    .bind(json(&alerts)?)
    .bind(now)
    .bind(next_at))
}

/// An alert that is due to be delivered.
#[derive(Debug, Deserialize)]
pub struct DueAlert {
    /// Its id, the same at every attempt.
    pub id: String,
    /// What is delivered (JSON).
    pub body: String,
    /// Deliveries that were attempted so far.
    pub attempts: usize,
}

/// Reads the alerts that are due, the longest due first, `limit` of them.
pub fn due(now: Timestamp, limit: i64) -> Query<DueAlert> {
    Query::new("SELECT id, body, attempts FROM alerts WHERE next_at <= ?1 ORDER BY next_at LIMIT ?2")
        .bind(now)
        .bind(limit)
}

/// Notes that an alert was delivered.
pub fn note_delivered(id: &str, now: Timestamp) -> Write {
    note_attempt(id, None, None, Some(now))
}

/// Notes that the delivery of an alert failed; without `next_at` it is given up.
pub fn note_failed(id: &str, error: &str, next_at: Option<Timestamp>) -> Write {
    note_attempt(id, next_at, Some(error), None)
}

fn note_attempt(id: &str, next_at: Option<Timestamp>, error: Option<&str>, delivered_at: Option<Timestamp>) -> Write {
    Write::new("UPDATE alerts SET attempts = attempts + 1, next_at = ?2, error = ?3, delivered_at = ?4 WHERE id = ?1")
        .bind(id)
        .bind(next_at)
        .bind(error)
        .bind(delivered_at)
}

/// What an alert says.
#[derive(Debug, Deserialize)]
pub struct AlertRow {
    /// What is delivered (JSON).
    pub body: String,
}

/// Reads the alerts raised since `since`, the oldest first.
pub fn since(since: Timestamp) -> Query<AlertRow> {
    Query::new("SELECT body FROM alerts WHERE created_at >= ?1 ORDER BY created_at, id").bind(since)
}

/// Removes alerts older than `before`.
pub fn expire(before: Timestamp) -> Write {
    Write::new("DELETE FROM alerts WHERE created_at < ?1").bind(before)
}
