//! Aggregate usage: usage rows into hours, hours into days.
//!
//! Sums are made of all their rows, and these removed in the same transaction: whatever is repeated or breaks
//! off, every row counts once. A row that came later would take the sum's place instead of adding to it, so an
//! hour is summed up when no invocation of it can write any more ([`constants::MAX_WRITER_LIFE`]).

use pipeline::{
    constants,
    failure::Failure,
    platform::{
        ports::{Clock, Database},
        transaction::Transaction,
    },
    store::usage::sums,
};

/// Sums up what is over. Returns how many usage rows went.
///
/// # Errors
/// What the database fails with; the next run goes on.
pub async fn aggregate<P: Database + Clock>(ports: &P) -> Result<u64, Failure> {
    let open = ports.now().plus(-constants::MAX_WRITER_LIFE).start_of_hour();
    let mut hours = Transaction::default();
    hours.write(sums::sum_hours(open));
    let summed = hours.write(sums::delete_log(open));
    let gone = hours.commit(ports).await?.changes(summed);
    let today = open.start_of_day();
    let mut days = Transaction::default();
    days.write(sums::sum_days(today));
    days.write(sums::delete_hours(today));
    days.commit(ports).await?;
    Ok(gone)
}

#[cfg(test)]
mod tests {
    use pipeline::time::{DAY, HOUR, MILLISECOND};
    use serde_json::json;
    use test_platform::{Fate, InMemory, ready};

    use super::*;

    /// Two rows of the platform's first hour, one of the next.
    const ROWS: &str =
        "INSERT INTO usage_log (at, id, source, neurons, d1_rows_read, d1_rows_written, kv_reads, kv_writes,
                               r2_class_a, r2_class_b, queue_operations, vectors_queried, vectors_upserted)
         VALUES (1795309200000, 'one', 'chat', 1.5, 1, 2, 3, 4, 5, 6, 7, 8, 9),
                (1795309200001, 'two', 'chat', 1.5, 1, 2, 3, 4, 5, 6, 7, 8, 9),
                (1795309200000 + 3600000, 'three', 'chat', 1.5, 1, 2, 3, 4, 5, 6, 7, 8, 9)";

    #[test]
    fn an_hour_is_summed_up_when_nobody_can_write_it_any_more() {
        let memory = InMemory::new(1);
        memory.change(ROWS);
        memory.advance(HOUR + constants::MAX_WRITER_LIFE - MILLISECOND);
        assert_eq!(ready(aggregate(&memory)).unwrap(), 0);
        memory.advance(MILLISECOND);
        assert_eq!(ready(aggregate(&memory)).unwrap(), 2);
        assert_eq!(ready(aggregate(&memory)).unwrap(), 0, "once");
        let sums = memory.look(
            "SELECT invocations, neurons, d1_rows_read, d1_rows_written, kv_reads, kv_writes, r2_class_a, r2_class_b,
                    queue_operations, vectors_queried, vectors_upserted, object_requests FROM usage_hourly",
        );
        let expected = json!({"invocations": 2, "neurons": 3.0, "d1_rows_read": 2, "d1_rows_written": 4, "kv_reads": 6,
            "kv_writes": 8, "r2_class_a": 10, "r2_class_b": 12, "queue_operations": 14, "vectors_queried": 16,
            "vectors_upserted": 18, "object_requests": 0});
        assert_eq!(sums, [expected]);
        assert_eq!(memory.look("SELECT id FROM usage_log").len(), 1);
    }

    #[test]
    fn whatever_breaks_off_every_row_counts_once() {
        for (fate, victim) in [(Fate::AnswerLost, 1), (Fate::Fails, 2), (Fate::AnswerLost, 2)] {
            let memory = InMemory::new(1);
            memory.change(ROWS);
            memory.advance(DAY);
            let mut call = 0;
            memory.set_fates(move || {
                call += 1;
                if call == victim { fate } else { Fate::Works }
            });
            assert!(ready(aggregate(&memory)).is_err());
            memory.heal();
            ready(aggregate(&memory)).unwrap();
            let days = memory.look("SELECT invocations, neurons FROM usage_daily");
            assert_eq!(days, [json!({"invocations": 3, "neurons": 4.5})], "{fate:?} at {victim}");
            assert!(memory.look("SELECT id FROM usage_log UNION ALL SELECT hour FROM usage_hourly").is_empty());
        }
    }
}
