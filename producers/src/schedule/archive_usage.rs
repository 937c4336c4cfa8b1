//! Archive usage: the daily sums of a finished month into one object, and out of D1.
//!
//! Written, read back, noted as kept and removed from D1 in one transaction.

use pipeline::{
    archive_format,
    failure::Failure,
    platform::{
        object_keys,
        ports::{Clock, Database, ObjectStore, PutIf},
        transaction::Transaction,
    },
    store::{archives, usage::daily},
    time::{Span, Timestamp},
};
use serde::Serialize;
use serde_json::value::RawValue;

/// How long days are kept in D1 whatever the month: who asks about last week should not wait for R2.
const KEPT: Span = Span::days(35);

/// A finished month.
#[derive(Serialize)]
struct Month<'a> {
    version: u32,
    month: &'a str,
    days: Vec<Box<RawValue>>,
}

/// Archives the oldest month that is over. Returns its name.
///
/// # Errors
/// What the database or the object store fails with; the next run begins again.
pub async fn archive_month<P: Database + ObjectStore + Clock>(ports: &P) -> Result<Option<String>, Failure> {
    let now = ports.now();
    let oldest = daily::oldest_day().first(ports).await?.and_then(|row| row.day);
    let Some(month) = oldest.map(Timestamp::month).filter(|month| *month < now.plus(-KEPT).month()) else {
        return Ok(None);
    };
    let days = daily::days(&month).all(ports).await?;
    let bytes = archive_format::encode(&Month { version: 1, month: &month, days })?;
    let key = object_keys::archived_usage(&month);
    // The same rows give the same bytes: a second attempt overwrites like with like.
    ports.put(&key, bytes.clone(), PutIf::Always).await?;
    if ports.get(&key, None).await?.is_none_or(|object| object.bytes != bytes) {
        return Err(Failure::transient(format!("{key} does not hold what was written")));
    }
    let mut transaction = Transaction::default();
    transaction.write(archives::keep_usage(&key, &month, now));
    transaction.write(daily::delete(&month));
    transaction.commit(ports).await?;
    Ok(Some(month))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use test_platform::{Fate, InMemory, ready};

    use super::*;

    /// A day of September 2026 and one of October; it is November the 22nd.
    const DAYS: &str = "INSERT INTO usage_daily VALUES
             (1788307200000, 'user', 'chat', 1, 2.5, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
             (1790899200000, 'user', 'chat', 1, 2.5, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)";

    #[test]
    fn a_month_that_is_over_goes_into_one_object_and_the_last_weeks_stay_at_hand() {
        let memory = InMemory::new(1);
        memory.change(DAYS);
        assert_eq!(ready(archive_month(&memory)).unwrap().as_deref(), Some("2026-09"));
        assert_eq!(ready(archive_month(&memory)).unwrap(), None, "October has days that are kept");
        assert_eq!(memory.look("SELECT day FROM usage_daily").len(), 1);
        assert_eq!(memory.look("SELECT subject, state FROM archives")[0]["state"], "kept");
        let object = ready(memory.get(&object_keys::archived_usage("2026-09"), None)).unwrap().unwrap();
        let month: Value = archive_format::decode(&object.bytes).unwrap();
        assert_eq!((&month["month"], &month["days"][0]["neurons"]), (&Value::from("2026-09"), &Value::from(2.5)));
    }

    #[test]
    fn a_month_leaves_d1_only_when_its_object_holds_it() {
        let memory = InMemory::new(1);
        memory.change(DAYS);
        let mut call = 0;
        // The oldest day, the days, the put, and then the get.
        memory.set_fates(move || {
            call += 1;
            if call == 4 { Fate::Fails } else { Fate::Works }
        });
        assert!(ready(archive_month(&memory)).is_err());
        assert_eq!(memory.look("SELECT day FROM usage_daily").len(), 2);
        memory.heal();
        assert_eq!(ready(archive_month(&memory)).unwrap().as_deref(), Some("2026-09"));
    }
}
