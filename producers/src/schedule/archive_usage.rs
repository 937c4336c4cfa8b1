//! Months: the daily sums of a finished month into one object, and out of D1.
//!
//! Written, read back, noted as kept and removed from D1 in one transaction.

use pipeline::{
    archive,
    failure::Failure,
    platform::{
        object_keys,
        ports::{Clock, Database, ObjectStore, PutIf},
        statement::Statement,
    },
    time::{DAY, Timestamp},
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Days that are kept in D1 whatever the month: who asks about last week should not wait for R2.
const KEPT_DAYS: i64 = 35;

/// A finished month.
#[derive(Serialize)]
struct Month<'a> {
    version: u32,
    month: &'a str,
    days: Vec<Box<RawValue>>,
}

/// Archives the oldest month that is over. Returns its name.
pub async fn archive<P: Database + ObjectStore + Clock>(ports: &P) -> Result<Option<String>, Failure> {
    #[derive(Deserialize)]
    struct Oldest {
        day: Option<Timestamp>,
    }
    let now = ports.now();
    let oldest = Statement::new("SELECT min(day) AS day FROM usage_daily");
    let oldest = ports.batch(vec![oldest]).await?.at(0)?.first::<Oldest>()?.and_then(|row| row.day);
    let Some(month) = oldest.map(Timestamp::month).filter(|month| *month < now.plus(-KEPT_DAYS * DAY).month()) else {
        return Ok(None);
    };
    let days = Statement::new(
        "SELECT * FROM usage_daily WHERE strftime('%Y-%m', day / 1000, 'unixepoch') = ?1 ORDER BY day, user_id, source",
    )
    .bind(month.as_str());
    let days = ports.batch(vec![days]).await?.0.into_iter().next().map(|rows| rows.rows).unwrap_or_default();
    let bytes = archive::encode(&Month { version: 1, month: &month, days })?;
    let key = object_keys::archived_usage(&month);
    // The same rows give the same bytes: a second attempt overwrites like with like.
    ports.put(&key, bytes.clone(), PutIf::Always).await?;
    if ports.get(&key, None).await?.is_none_or(|object| object.bytes != bytes) {
        return Err(Failure::transient(format!("{key} does not hold what was written")));
    }
    let keep = Statement::new(
        "INSERT INTO archives (key, kind, subject, state, updated_at) VALUES (?1, 'usage', ?2, 'kept', ?3)
         ON CONFLICT DO UPDATE SET state = 'kept', updated_at = excluded.updated_at",
    )
    .bind(key)
    .bind(month.as_str())
    .bind(now);
    let forget = Statement::new("DELETE FROM usage_daily WHERE strftime('%Y-%m', day / 1000, 'unixepoch') = ?1")
        .bind(month.as_str());
    ports.batch(vec![keep, forget]).await?;
    Ok(Some(month))
}
