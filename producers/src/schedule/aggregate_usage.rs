//! Aggregate: usage rows into hours, hours into days, finished months into an archive.
//!
//! Sums are recomputed from their rows, and these removed in the same transaction: whatever is
//! repeated or breaks off, every row counts once. An hour is summed up when no invocation of it can
//! write any more.

use pipeline::{
    constants,
    failure::Failure,
    platform::{
        ports::{Clock, Database},
        statement::Statement,
    },
    time::{HOUR, Timestamp},
};

/// Sums up what is over. Returns how many usage rows went.
pub async fn aggregate<P: Database + Clock>(ports: &P) -> Result<u64, Failure> {
    let now = ports.now();
    let open = now.plus(-constants::MAX_WRITER_LIFE);
    let open = open.plus(-open.milliseconds().rem_euclid(HOUR));
    let answers = ports.batch(vec![hours(open), forget_rows(open)]).await?;
    let gone = answers.at(1)?.changes;
    let today = open.start_of_day();
    ports.batch(vec![days(today), forget_hours(today)]).await?;
    Ok(gone)
}

fn hours(open: Timestamp) -> Statement {
    Statement::new(
        "INSERT OR REPLACE INTO usage_hourly
         SELECT at / 3600000 * 3600000, coalesce(user_id, ''), coalesce(key_id, ''), source, count(*), total(neurons),
                sum(d1_rows_read), sum(d1_rows_written), sum(kv_reads), sum(kv_writes), sum(r2_class_a), sum(r2_class_b),
                sum(queue_operations), sum(vectors_queried), sum(vectors_upserted), sum(object_requests)
         FROM usage_log WHERE at < ?1
         GROUP BY 1, 2, 3, 4",
    )
    .bind(open)
}

fn forget_rows(open: Timestamp) -> Statement {
    Statement::new("DELETE FROM usage_log WHERE at < ?1").bind(open)
}

/// Days that are over, all of whose hours are summed up.
fn days(today: Timestamp) -> Statement {
    Statement::new(
        "INSERT OR REPLACE INTO usage_daily
         SELECT hour / 86400000 * 86400000, user_id, source, sum(invocations), total(neurons), sum(d1_rows_read),
                sum(d1_rows_written), sum(kv_reads), sum(kv_writes), sum(r2_class_a), sum(r2_class_b),
                sum(queue_operations), sum(vectors_queried), sum(vectors_upserted), sum(object_requests)
         FROM usage_hourly WHERE hour < ?1
         GROUP BY 1, 2, 3",
    )
    .bind(today)
}

fn forget_hours(today: Timestamp) -> Statement {
    Statement::new("DELETE FROM usage_hourly WHERE hour < ?1").bind(today)
}
