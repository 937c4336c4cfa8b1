//! What the day has cost, and what may be spent right now: the tables `budget` and `reservations`.
//!
//! Neurons are exact: the transaction that writes an invocation's usage row adds what it spent to the
//! day, and gives its reservation up.

use const_format::formatcp;
use serde::Deserialize;

use crate::{
    budget::{day::Day, purpose::Purpose},
    ids::UserId,
    platform::transaction::{Query, Write},
    time::Timestamp,
};

/// Neurons of the day `$day` that are spent or reserved, and those of them for indexing, as two columns. What was
/// reserved on the day before and is not recorded so far may be spent today.
macro_rules! neurons_of_day {
    ($day:literal) => {
        concat!(
            "coalesce((SELECT neurons FROM budget WHERE day = ",
            $day,
            "), 0)
                + (SELECT total(neurons) FROM reservations WHERE day <= ",
            $day,
            ") AS neurons,
            coalesce((SELECT ingest_neurons FROM budget WHERE day = ",
            $day,
            "), 0)
                + (SELECT total(neurons) FROM reservations WHERE day <= ",
            $day,
            " AND purpose = 'ingest') AS ingest_neurons"
        )
    };
}

/// Reads the day of `now`: one row, whatever there is.
pub fn day(now: Timestamp) -> Query<Day> {
    Query::new(formatcp!(
        "SELECT {NEURONS}, b.used AS budget_used, b.requests_by_key AS budget_keys, b.users AS budget_users,
                b.counted_at AS budget_counted_at
         FROM (SELECT 1) LEFT JOIN budget b ON b.day = ?1",
        NEURONS = neurons_of_day!("?1"),
    ))
    .bind(now.start_of_day())
}

/// Neurons of the day `$day` that the user `$user` has spent or reserved, as a column: as last counted, and what the
/// usage rows since then add: one bound of time, so that no older row is read. A row of its own would have to be
/// written with each of these.
macro_rules! neurons_of_user {
    ($user:literal, $day:literal) => {
        concat!(
            "coalesce((SELECT neurons FROM usage_of_users WHERE user_id = ",
            $user,
            " AND day = ",
            $day,
            "), 0)
                + (SELECT total(neurons) FROM usage_log WHERE user_id = ",
            $user,
            " AND at > max(",
            $day,
            " - 1, coalesce((SELECT counted_at FROM budget WHERE day = ",
            $day,
            "), 0)))
                + (SELECT total(neurons) FROM reservations WHERE user_id = ",
            $user,
            " AND day <= ",
            $day,
            ") AS neurons_of_user"
        )
    };
}

/// A day, and what one user has had of it.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct UserDay {
    /// What it has cost.
    #[serde(flatten)]
    pub day: Day,
    /// Neurons the user has spent or reserved.
    pub neurons_of_user: f64,
}

/// Reads the day of `now` and the user's part of it: one row, whatever there is.
pub fn day_of_user(user: &UserId, now: Timestamp) -> Query<UserDay> {
    Query::new(formatcp!(
        "SELECT {NEURONS}, {NEURONS_OF_USER}",
        NEURONS = neurons_of_day!("?2"),
        NEURONS_OF_USER = neurons_of_user!("?1", "?2"),
    ))
    .bind(user)
    .bind(now.start_of_day())
}

/// Neurons that are to be set aside.
#[derive(Clone, Copy, Debug)]
pub struct NewReservation<'a> {
    /// The invocation that will spend them.
    pub invocation: &'a str,
    /// What for.
    pub purpose: Purpose,
    /// Whose work it is.
    pub user: &'a UserId,
    /// How many.
    pub neurons: f64,
    /// What the day may cost in all.
    pub most: f64,
    /// What of it indexing may use.
    pub most_for_ingest: f64,
    /// What of it the user may use, if there are others: users with a key that is good.
    pub most_for_user: f64,
    /// Now.
    pub now: Timestamp,
}

/// Sets neurons aside, on top of what the invocation has set aside before, if they fit what is left of
/// the day. Looking and writing are one statement: concurrent workers cannot overspend together.
pub fn reserve(new: NewReservation<'_>) -> Write {
    // Computed once, however often it is looked at.
    Write::new(formatcp!(
        "WITH day AS MATERIALIZED (SELECT {NEURONS}, {NEURONS_OF_USER})
         INSERT INTO reservations (id, day, purpose, user_id, neurons, made_at)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6 FROM day
         WHERE day.neurons + ?5 <= ?7 AND (?3 <> 'ingest' OR day.ingest_neurons + ?5 <= ?8)
           AND (day.neurons_of_user + ?5 <= ?9
                OR NOT EXISTS (SELECT 1 FROM api_keys WHERE user_id <> ?4 AND revoked_at IS NULL))
         ON CONFLICT (id) DO UPDATE SET neurons = neurons + excluded.neurons",
        NEURONS = neurons_of_day!("?2"),
        NEURONS_OF_USER = neurons_of_user!("?4", "?2"),
    ))
    .bind(new.invocation)
    .bind(new.now.start_of_day())
    .bind(new.purpose.name())
    .bind(new.user)
    .bind(new.neurons)
    .bind(new.now)
    .bind(new.most)
    .bind(new.most_for_ingest)
    .bind(new.most_for_user)
}

/// Gives an invocation's reservation up.
pub fn release(invocation: &str) -> Write {
    Write::new("DELETE FROM reservations WHERE id = ?1").bind(invocation)
}

/// Takes the reservations made before `before`, whose invocations cannot be alive any more, for spent today.
/// Before [`release_abandoned`], in the same transaction: whoever comes second finds none.
pub fn spend_abandoned(before: Timestamp, now: Timestamp) -> Write {
    // A row for each purpose: without one of them nothing is inserted.
    Write::new(
        "INSERT INTO budget (day, neurons, ingest_neurons)
         SELECT ?1, sum(neurons), CASE purpose WHEN 'ingest' THEN sum(neurons) ELSE 0 END
         FROM reservations WHERE made_at < ?2 GROUP BY purpose
         ON CONFLICT (day) DO UPDATE SET neurons = neurons + excluded.neurons,
                                         ingest_neurons = ingest_neurons + excluded.ingest_neurons",
    )
    .bind(now.start_of_day())
    .bind(before)
}

/// Gives the reservations made before `before` up, after they were taken for spent.
pub fn release_abandoned(before: Timestamp) -> Write {
    Write::new("DELETE FROM reservations WHERE made_at < ?1").bind(before)
}

/// Adds what an invocation spent to the day, unless its usage row is there already: it must come before
/// that row in the transaction that writes both.
pub fn spend(invocation: &str, purpose: Purpose, neurons: f64, now: Timestamp) -> Write {
    // What indexing spends is counted a second time, against its own share.
    // The first of a day makes the day's row; one whose usage row is there was counted with it.
    Write::new(
        "INSERT INTO budget (day, neurons, ingest_neurons)
         SELECT ?1, ?2, CASE ?3 WHEN 'ingest' THEN ?2 ELSE 0 END
         WHERE NOT EXISTS (SELECT 1 FROM usage_log WHERE at = ?4 AND id = ?5)
         ON CONFLICT (day) DO UPDATE SET neurons = neurons + excluded.neurons,
                                         ingest_neurons = ingest_neurons + excluded.ingest_neurons",
    )
    .bind(now.start_of_day())
    .bind(neurons)
    .bind(purpose.name())
    .bind(now)
    .bind(invocation)
}

/// What was measured of a day beside its neurons.
#[derive(Clone, Debug)]
pub struct Measured {
    /// What is used, by resource (JSON).
    pub used: String,
    /// Requests of busy keys (JSON).
    pub requests_by_key: String,
    /// What users have had who had much (JSON); `None` while one is alone.
    pub users: Option<String>,
}

/// Keeps what was measured of the day beside its neurons.
pub fn keep_measured(now: Timestamp, measured: Measured) -> Write {
    Write::new(
        "INSERT INTO budget (day, neurons, ingest_neurons, counted_at, used, requests_by_key, users)
         VALUES (?1, 0, 0, ?2, ?3, ?4, ?5)
         ON CONFLICT (day) DO UPDATE SET counted_at = excluded.counted_at, used = excluded.used,
                                         requests_by_key = excluded.requests_by_key, users = excluded.users",
    )
    .bind(now.start_of_day())
    .bind(now)
    .bind(measured.used)
    .bind(measured.requests_by_key)
    .bind(measured.users)
}

/// Removes days before `before`.
pub fn expire(before: Timestamp) -> Write {
    Write::new("DELETE FROM budget WHERE day < ?1").bind(before)
}
