//! Measure usage: what the day has cost so far, for everybody who decides about spending.
//!
//! 1. Neurons of invocations that died are taken for spent.
//! 2. What is stored is counted where that is due: the more documents there are, the rarer, for each is looked at,
//!    the deleted too.
//! 3. Today's usage is summed by user, and over all kept in the day's row of `budget`, with the keys that made many
//!    requests and the users who had much. `GET /api/usage` reads these sums: it adds nothing up itself. So is what
//!    is stored: the size of the database as D1 says it, and what was counted.
//! 4. What waited for space in D1 or R2 goes on if there is space now, and what waited for its user's share if the user
//!    is alone now.
//! 5. A threshold that was passed becomes an alert, once a day.

use std::collections::BTreeMap;

use pipeline::{
    budget::{
        allowances::{Allowances, Resource},
        day::{Budget, Day, Level, WAITS_FOR_SHARE, WAITS_FOR_SPACE},
        ledger, shares,
    },
    failure::Failure,
    platform::{
        ports::{Clock, Database, Deployment, KeyValue, Meter},
        statement::json,
        transaction::Transaction,
    },
    store::{
        counters::{self, Stored},
        jobs::items,
        usage::{
            budget::{self, Measured},
            sums::{self, UserTotals},
        },
    },
    time::{HOUR, Span, Timestamp},
};
use serde::Serialize;

use super::alerts;

/// The share of its quota from which on a key's requests are kept for those who hold it to it.
const BUSY_SHARE: f64 = 0.5;

/// How long what is stored is not counted again, for each row of a document that there was: a hundredth and a half of
/// the day's rows are read for it, however many they are.
const COUNTED_FOR_EACH: Span = Span::seconds(1);

/// The same at least, if there was any.
const COUNTED_AT_MOST_EVERY: Span = Span::minutes(15);

/// The same where R2 is nearly full, and somebody may have deleted to have space, at most.
const COUNTED_WHERE_TIGHT: Span = HOUR;

/// Measures once. Returns how many alerts are new.
///
/// # Errors
/// What the database fails with; the next run measures again.
pub async fn measure<P: Database + KeyValue + Deployment + Meter + Clock>(ports: &P) -> Result<usize, Failure> {
    ledger::charge_abandoned(ports).await?;
    let now = ports.now();
    let allowances = Allowances::load(ports).await.allowances;
    count_stored(ports, &allowances, now).await?;
    let day = measure_day(ports, &allowances, now).await?;
    raise_alerts(ports, &Budget::new(allowances, &day), &day, now).await
}

/// Counts what is stored, if that is due.
async fn count_stored<P: Database>(ports: &P, allowances: &Allowances, now: Timestamp) -> Result<(), Failure> {
    let stored = counters::stored().first(ports).await?.unwrap_or_default();
    if !is_count_due(&stored, allowances, now) {
        return Ok(());
    }
    counters::count_stored(now).run(ports).await.map(drop)
}

fn is_count_due(stored: &Stored, allowances: &Allowances, now: Timestamp) -> bool {
    let Some(counted_at) = stored.counted_at else { return true };
    let is_tight = Level::of(stored.r2_bytes / allowances.r2_bytes) >= Level::Tight;
    if stored.documents == 0 {
        return true;
    }
    let kept = (stored.documents * COUNTED_FOR_EACH).max(COUNTED_AT_MOST_EVERY);
    now.since(counted_at) >= if is_tight { kept.min(COUNTED_WHERE_TIGHT) } else { kept }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a quota is far below 2^52"
)]
fn busy(quota: u64) -> u64 {
    (quota as f64 * BUSY_SHARE) as u64
}

/// Sums today up and keeps it; the day as everybody reads it from here on.
async fn measure_day<P: Database + Meter>(ports: &P, allowances: &Allowances, now: Timestamp) -> Result<Day, Failure> {
    let today = now.start_of_day();
    let mut sum = Transaction::default();
    sum.write(sums::sum_users(today));
    let users = sum.query(sums::of_users(today, |resource| shares::kept_from(allowances, resource)));
    let keys = sum.query(sums::busy_keys(today, busy(allowances.requests_per_key)));
    let stored = sum.query(counters::stored());
    let before = sum.query(budget::day(now));
    let summed = sum.commit(ports).await?;
    let mut requests_by_key: BTreeMap<String, u64> = BTreeMap::new();
    requests_by_key.extend(summed.all(keys)?.into_iter().map(|row| (row.key_id, row.requests)));
    let users = summed.all(users)?;
    let stored = summed.first(stored)?.unwrap_or_default();
    let used = used(users.first(), &stored, ports.database_bytes());
    let measured =
        Measured { used: json(&used)?, requests_by_key: json(&requests_by_key)?, users: of_users(&users, allowances)? };
    let mut keep = Transaction::default();
    let before = summed.first(before)?.unwrap_or_default();
    let after = Day { used: Some(measured.used.clone()), users: measured.users.clone(), ..Day::default() };
    keep.write(budget::keep_measured(now, measured));
    let ended = no_longer_waited_for(allowances, &before, &after);
    for end_of_reason in &ended {
        keep.write(items::end_waiting(end_of_reason, now));
    }
    if !ended.is_empty() {
        keep.write(items::show_jobs_with_parked_items(now));
    }
    let day = keep.query(budget::day(now));
    Ok(keep.commit(ports).await?.first(day)?.unwrap_or_default())
}

/// How the reasons end for which nothing waits any more: there is space again, or one user is alone again.
fn no_longer_waited_for(allowances: &Allowances, before: &Day, after: &Day) -> Vec<&'static str> {
    let is_full = |day: &Day| Budget::new(*allowances, day).is_without_space();
    let has_space = is_full(before) && !is_full(after);
    let is_alone = before.users.is_some() && after.users.is_none();
    [(has_space, WAITS_FOR_SPACE), (is_alone, WAITS_FOR_SHARE)]
        .into_iter()
        .filter_map(|(is_over, end_of_reason)| is_over.then_some(end_of_reason))
        .collect()
}

/// What is used of each resource; neurons are not asked for here.
#[expect(clippy::cast_precision_loss, reason = "bytes of a database are far below 2^52")]
fn used(everybody: Option<&UserTotals>, stored: &Stored, database_bytes: u64) -> BTreeMap<Resource, f64> {
    let totals = everybody.map(|row| row.totals).unwrap_or_default();
    let mut used: BTreeMap<Resource, f64> = BTreeMap::new();
    for resource in Resource::ALL {
        used.insert(resource, resource.used(&totals.usage, totals.invocations));
    }
    used.insert(Resource::D1Bytes, database_bytes as f64);
    used.insert(Resource::R2Bytes, stored.r2_bytes);
    used
}

/// What users have had who had much (JSON); nothing while one is alone.
fn of_users(rows: &[UserTotals], allowances: &Allowances) -> Result<Option<String>, Failure> {
    if rows.first().is_none_or(|everybody| everybody.users < 2) {
        return Ok(None);
    }
    let mut kept = BTreeMap::new();
    for row in rows {
        if let Some(user) = &row.user_id {
            kept.insert(user.as_str(), shares::kept(allowances, &row.totals));
        }
    }
    json(&kept).map(Some)
}

/// A threshold that was passed.
#[derive(Debug, Serialize)]
struct Passed {
    resource: Resource,
    level: Level,
    used: f64,
    allowance: f64,
    percent: f64,
    degraded: Vec<String>,
}

async fn raise_alerts<P: Database + Deployment>(
    ports: &P,
    budget: &Budget,
    day: &Day,
    now: Timestamp,
) -> Result<usize, Failure> {
    let used = day.used();
    let date = now.date();
    let mut raised = Vec::new();
    for resource in Resource::ALL {
        for (level, _) in Level::THRESHOLDS.into_iter().filter(|(level, _)| *level <= budget.level(resource)) {
            let passed = Passed {
                resource,
                level,
                used: used.get(&resource).copied().unwrap_or(0.0),
                allowance: budget.allowances.of(resource),
                percent: (budget.share(resource) * 1_000.0).round() / 10.0,
                degraded: budget.degradations(),
            };
            let id = format!("{date}-{}-{}", resource.name(), level.name());
            raised.push(alerts::alert(id, "budget.threshold_passed", passed, now)?);
        }
    }
    if raised.is_empty() {
        return Ok(0);
    }
    let new = alerts::raise(ports, &raised, now)?.run(ports).await?;
    Ok(usize::try_from(new).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        task::{Context, Waker},
    };

    use pipeline::{
        constants,
        time::{DAY, MILLISECOND, MINUTE},
    };
    use test_platform::{Fate, InMemory, ready};

    use super::*;

    /// 850 of the platform's first day of 1,000 KV writes.
    const USED: &str =
        "INSERT INTO usage_log (at, id, source, neurons, d1_rows_read, d1_rows_written, kv_reads, kv_writes,
                               r2_class_a, r2_class_b, queue_operations, vectors_queried, vectors_upserted, key_id)
         VALUES (1795309200000, 'one', 'chat', 0, 0, 0, 0, 850, 0, 0, 0, 0, 0, 'key')";

    /// A hundred more.
    const MORE_USED: &str =
        "INSERT INTO usage_log SELECT * FROM (SELECT at, 'two', user_id, source, neurons, d1_rows_read,
             d1_rows_written, kv_reads, 100, r2_class_a, r2_class_b, queue_operations, vectors_queried,
             vectors_upserted, object_requests, key_id, object_rows_read, object_rows_written, object_milliseconds,
             requests
         FROM usage_log WHERE id = 'one')";

    #[test]
    fn rows_of_deleted_documents_are_looked_at_no_more_often_than_others() {
        let memory = InMemory::new(1);
        let count = || {
            ready(measure(&memory)).unwrap();
            ready(counters::stored().first(&memory)).unwrap().unwrap()
        };
        memory.change(
            "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 7200)
             INSERT INTO documents (user_id, id, type, media_type, tags, created_at, uploaded_at, bytes, latest,
                                    latest_item, current, current_item, chunk_count, deleted_at)
             SELECT 'user', 'document-' || n, 'doc', '', '[]', 0, n, 5, 1, n, 1, n, 10, 1 FROM n",
        );
        let first = count();
        assert_eq!((first.documents, first.r2_bytes.to_bits(), first.vectors.to_bits()), (7_200, 0, 0));
        memory.advance(2 * HOUR + -MILLISECOND);
        assert_eq!(count().counted_at, first.counted_at);
        memory.advance(MILLISECOND);
        assert!(count().counted_at > first.counted_at);
    }

    #[test]
    fn few_documents_are_counted_every_fifteen_minutes_and_none_every_time() {
        const COUNTED_AT: Timestamp = Timestamp::from_milliseconds(0);
        let stored = |documents| Stored { documents, counted_at: Some(COUNTED_AT), ..Stored::default() };
        let is_due =
            |documents, after| is_count_due(&stored(documents), &Allowances::default(), COUNTED_AT.plus(after));
        assert!(is_due(0, 5 * MINUTE) && !is_due(1, 5 * MINUTE));
        assert!(!is_due(1, 15 * MINUTE + -MILLISECOND) && is_due(1, 15 * MINUTE));
    }

    #[test]
    fn an_alert_is_raised_once_a_threshold_and_day() {
        let memory = InMemory::new(1);
        memory.change(USED);
        assert_eq!(ready(measure(&memory)).unwrap(), 1);
        assert_eq!(ready(measure(&memory)).unwrap(), 0, "it was raised before");
        memory.change(MORE_USED);
        assert_eq!(ready(measure(&memory)).unwrap(), 1, "the next threshold");
        memory.advance(DAY);
        assert_eq!(ready(measure(&memory)).unwrap(), 0, "nothing is used today");
        memory.change("UPDATE usage_log SET at = at + 86400000");
        assert_eq!(ready(measure(&memory)).unwrap(), 2, "another day");
    }

    #[test]
    fn the_day_says_what_is_used_and_which_keys_are_busy() {
        let memory = InMemory::new(1);
        memory.change(USED);
        memory.set_limits(r#"{"requests_per_key": 2}"#);
        ready(measure(&memory)).unwrap();
        let day = ready(budget::day(memory.now()).first(&memory)).unwrap().unwrap();
        assert!((day.used()[&Resource::KvWrites] - 850.0).abs() < 1e-9);
        assert_eq!(day.requests_of_key("key"), 1);
        memory.set_limits(r#"{"requests_per_key": 4}"#);
        ready(measure(&memory)).unwrap();
        let day = ready(budget::day(memory.now()).first(&memory)).unwrap().unwrap();
        assert_eq!(day.requests_of_key("key"), 0, "one of four is not worth keeping");
    }

    #[test]
    fn two_runs_at_once_charge_a_dead_worker_once() {
        // The reservations, the allowances, what is stored and its count, the sums, the row of the day.
        for call in 1..7 {
            let memory = InMemory::new(1);
            memory.change(
                "INSERT INTO reservations (id, day, purpose, neurons, made_at)
                 VALUES ('dead', 1795305600000, 'ingest', 7, 1795309200000)",
            );
            memory.advance(constants::MAX_WRITER_LIFE + MILLISECOND);
            let mut calls = 0;
            memory.set_fates(move || {
                calls += 1;
                if calls == call { Fate::Pauses } else { Fate::Works }
            });
            let worker = memory.worker("first");
            let mut first = pin!(measure(&worker));
            let _ = first.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            memory.heal();
            memory.advance(MILLISECOND);
            ready(measure(&memory.worker("second"))).unwrap();
            let _ = ready(first);
            let day = ready(budget::day(memory.now()).first(&memory)).unwrap().unwrap();
            assert!((day.neurons - 7.0).abs() < 1e-9, "call {call}: {day:?}");
            assert_eq!(memory.look("SELECT source FROM usage_log").len(), 1, "call {call}");
        }
    }

    #[test]
    fn neurons_of_a_worker_that_died_are_taken_for_spent_once_it_cannot_be_alive() {
        let memory = InMemory::new(1);
        memory.change(
            "INSERT INTO reservations (id, day, purpose, neurons, made_at)
             VALUES ('dead', 1795305600000, 'ingest', 7, 1795309200000)",
        );
        memory.advance(constants::MAX_WRITER_LIFE);
        ready(measure(&memory)).unwrap();
        assert!(memory.look("SELECT * FROM usage_log").is_empty());
        memory.advance(MILLISECOND);
        for _ in 0..2 {
            ready(measure(&memory)).unwrap();
            assert!(memory.look("SELECT * FROM reservations").is_empty());
            let day = ready(budget::day(memory.now()).first(&memory)).unwrap().unwrap();
            assert!((day.neurons - 7.0).abs() < 1e-9 && (day.ingest_neurons - 7.0).abs() < 1e-9, "{day:?}");
            assert_eq!(memory.look("SELECT source FROM usage_log").len(), 1);
        }
    }
}
