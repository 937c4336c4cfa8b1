//! What was used, what the day has cost, and who must hear of it: the tables `usage_log`, `usage_hourly`,
//! `usage_daily`, `budget`, `reservations` and `alerts`.

use crate::{budget::day::Day, platform::transaction::Query, time::Timestamp};

/// The day of `now`: one row, whatever there is.
pub fn day(now: Timestamp) -> Query<Day> {
    Query::new(
        "SELECT coalesce((SELECT neurons FROM budget WHERE day = ?1), 0)
                    + (SELECT total(neurons) FROM reservations WHERE day = ?1) AS neurons,
                coalesce((SELECT ingest_neurons FROM budget WHERE day = ?1), 0)
                    + (SELECT total(neurons) FROM reservations WHERE day = ?1 AND purpose = 'ingest') AS ingest_neurons,
                (SELECT used FROM budget WHERE day = ?1) AS budget_used,
                (SELECT requests_by_key FROM budget WHERE day = ?1) AS budget_keys",
    )
    .bind(now.start_of_day())
}
