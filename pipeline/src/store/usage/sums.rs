//! Sums of usage: hours from the log, days from the hours, and whatever lies in between added up.
//!
//! Rows that are summed up are removed by the statement that follows in the same transaction:
//! [`delete_log`] after [`sum_hours`], [`delete_hours`] after [`sum_days`].

use const_format::formatcp;
use serde::Deserialize;

use crate::{
    budget::{allowances::Resource, usage::Totals},
    constants,
    ids::UserId,
    platform::transaction::{Query, Write},
    store::usage::COUNTED,
    time::{DAY, HOUR, Timestamp},
};

/// The sums of [`COUNTED`], under the same names and in the same order; 0 over no rows.
const SUMS: &str = "total(neurons) AS neurons,
                coalesce(sum(d1_rows_read), 0) AS d1_rows_read, coalesce(sum(d1_rows_written), 0) AS d1_rows_written,
                coalesce(sum(kv_reads), 0) AS kv_reads, coalesce(sum(kv_writes), 0) AS kv_writes,
                coalesce(sum(r2_class_a), 0) AS r2_class_a, coalesce(sum(r2_class_b), 0) AS r2_class_b,
                coalesce(sum(queue_operations), 0) AS queue_operations,
                coalesce(sum(vectors_queried), 0) AS vectors_queried,
                coalesce(sum(vectors_upserted), 0) AS vectors_upserted,
                coalesce(sum(object_requests), 0) AS object_requests,
                coalesce(sum(object_rows_read), 0) AS object_rows_read,
                coalesce(sum(object_rows_written), 0) AS object_rows_written,
                coalesce(sum(object_milliseconds), 0) AS object_milliseconds";

/// Reads the sum of everything of everybody since a full hour: hours that are summed up already, and the rows of
/// those that are not. One row, whatever there is. It reads all of them: for the schedule.
pub fn totals(since: Timestamp) -> Query<Totals> {
    Query::new(formatcp!(
        "SELECT coalesce(sum(invocations), 0) AS invocations, {SUMS}
         FROM (SELECT invocations, {COUNTED} FROM usage_hourly WHERE hour >= ?1
               UNION ALL SELECT requests, {COUNTED} FROM usage_log WHERE at >= ?1)"
    ))
    .bind(since)
}

/// Sums up what each user took since the beginning of `today`, for [`of_user`] and [`of_users`]. Whoever did
/// nothing since it was last done is left as they are.
pub fn sum_users(today: Timestamp) -> Write {
    // Innermost: hours that are summed up already, and the rows of those that are not.
    // A user with as many invocations as were known did nothing: their row is not written again.
    Write::new(formatcp!(
        "INSERT OR REPLACE INTO usage_of_users (user_id, day, invocations, {COUNTED})
         SELECT * FROM (
             SELECT user_id, ?1 AS day, sum(invocations) AS invocations, {SUMS}
             FROM (SELECT user_id, invocations, {COUNTED} FROM usage_hourly WHERE hour >= ?1
                   UNION ALL SELECT coalesce(user_id, ''), requests, {COUNTED} FROM usage_log WHERE at >= ?1)
             GROUP BY user_id) summed
         WHERE NOT EXISTS (SELECT 1 FROM usage_of_users known WHERE known.user_id = summed.user_id
                           AND known.day = summed.day AND known.invocations = summed.invocations)"
    ))
    .bind(today)
}

/// What everybody took of a day, or one user who took much.
#[derive(Debug, Deserialize)]
pub struct UserTotals {
    /// The user; `None` for everybody.
    pub user_id: Option<UserId>,
    /// How many users have a key that is good and used it today or yesterday, counted no further than two. In the
    /// row of everybody.
    pub users: u64,
    /// What they took.
    #[serde(flatten)]
    pub totals: Totals,
}

/// Reads what everybody took of `today`, as last summed up by [`sum_users`], in the first row; in those that follow
/// what each user took who took at least so much of one of the resources.
pub fn of_users(today: Timestamp, at_least: impl Fn(Resource) -> f64) -> Query<UserTotals> {
    let columns = [
        Resource::Requests,
        Resource::QueueOperations,
        Resource::D1RowsRead,
        Resource::D1RowsWritten,
        Resource::KvReads,
        Resource::KvWrites,
        Resource::R2ClassA,
        Resource::R2ClassB,
        Resource::ObjectRequests,
        Resource::ObjectRowsRead,
        Resource::ObjectRowsWritten,
        Resource::VectorsQueried,
    ];
    // Everybody's row says how many users there are beside the sums: a second look at the same day's rows, and those of
    // the day before, ends at the second whose keys are not all revoked.
    // Behind it a row for each user who took at least as much of one resource as is bound for it: GB-seconds first, as
    // the milliseconds awake that are stored; then the others in the order of `columns`. What belongs to no user (the
    // user '') is only in the sums.
    let query = Query::new(formatcp!(
        "SELECT NULL AS user_id, coalesce(sum(invocations), 0) AS invocations, {SUMS},
                (SELECT count(*) FROM (
                     SELECT 1 FROM usage_of_users lately
                     WHERE day >= ?1 - {DAY} AND invocations > 0
                       AND EXISTS (SELECT 1 FROM api_keys WHERE user_id = lately.user_id AND revoked_at IS NULL)
                     LIMIT 2)) AS users
         FROM usage_of_users WHERE day = ?1
         UNION ALL
         SELECT user_id, invocations, {COUNTED}, 0 FROM usage_of_users
         WHERE day = ?1 AND user_id <> ''
           AND (invocations >= ?3 OR queue_operations >= ?4 OR d1_rows_read >= ?5 OR d1_rows_written >= ?6
                OR kv_reads >= ?7 OR kv_writes >= ?8 OR r2_class_a >= ?9 OR r2_class_b >= ?10
                OR object_requests >= ?11 OR object_rows_read >= ?12 OR object_rows_written >= ?13
                OR vectors_queried >= ?14 OR object_milliseconds >= ?2)",
        DAY = DAY.as_milliseconds(),
    ))
    .bind(today)
    .bind(at_least(Resource::ObjectGbSeconds) / constants::OBJECT_GB * 1_000.0);
    columns.into_iter().fold(query, |query, resource| query.bind(at_least(resource)))
}

/// Reads what a user took of `today`, as last summed up by [`sum_users`]: nobody else's row is read.
pub fn of_user(user: &UserId, today: Timestamp) -> Query<Totals> {
    Query::new(formatcp!("SELECT invocations, {COUNTED} FROM usage_of_users WHERE user_id = ?1 AND day = ?2"))
        .bind(user)
        .bind(today)
}

/// How many requests a key made.
#[derive(Debug, Deserialize)]
pub struct KeyRequests {
    /// The key's id.
    pub key_id: String,
    /// Requests made with it.
    pub requests: u64,
}

/// Reads the keys that made at least `at_least` requests since a full hour.
pub fn busy_keys(since: Timestamp, at_least: u64) -> Query<KeyRequests> {
    Query::new(
        "SELECT key_id, sum(requests) AS requests
         FROM (SELECT key_id, invocations AS requests FROM usage_hourly WHERE hour >= ?1 AND key_id <> ''
               UNION ALL SELECT key_id, 1 FROM usage_log WHERE at >= ?1 AND key_id IS NOT NULL)
         GROUP BY key_id HAVING sum(requests) >= ?2",
    )
    .bind(since)
    .bind(at_least)
}

/// Sums up the hours before the full hour `open`, each from all of its rows: they are over for longer than an
/// invocation can live, so that no row follows that would replace the sum.
pub fn sum_hours(open: Timestamp) -> Write {
    // The full hour that a row lies in: what is left of an integer that is divided and multiplied again.
    // Columns of the key are never NULL: nobody's rows replace their sum as everybody's do.
    Write::new(formatcp!(
        "INSERT OR REPLACE INTO usage_hourly (hour, user_id, key_id, source, invocations, {COUNTED})
         SELECT at / {HOUR} * {HOUR}, coalesce(user_id, ''), coalesce(key_id, ''), source, sum(requests), {SUMS}
         FROM usage_log WHERE at < ?1
         GROUP BY 1, 2, 3, 4",
        HOUR = HOUR.as_milliseconds(),
    ))
    .bind(open)
}

/// Removes the rows of the hours that [`sum_hours`] summed up.
pub fn delete_log(open: Timestamp) -> Write {
    Write::new("DELETE FROM usage_log WHERE at < ?1").bind(open)
}

/// Sums up the days before `today`, all of whose hours are summed up.
pub fn sum_days(today: Timestamp) -> Write {
    Write::new(formatcp!(
        "INSERT OR REPLACE INTO usage_daily (day, user_id, source, invocations, {COUNTED})
         SELECT hour / {DAY} * {DAY}, user_id, source, sum(invocations), {SUMS}
         FROM usage_hourly WHERE hour < ?1
         GROUP BY 1, 2, 3",
        DAY = DAY.as_milliseconds(),
    ))
    .bind(today)
}

/// Removes the hours of the days that [`sum_days`] summed up.
pub fn delete_hours(today: Timestamp) -> Write {
    Write::new("DELETE FROM usage_hourly WHERE hour < ?1").bind(today)
}
