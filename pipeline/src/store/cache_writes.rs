//! The KV writes that caches may still do today: the row `kv_writes` of the table `counters`.
//!
//! Its value is the day's number times 10,000 plus the writes of that day. The row `item` of the same table
//! belongs to [`crate::store::jobs`].

use crate::{
    platform::transaction::Write,
    time::{DAY, Timestamp},
};

/// Takes `writes` of the day's `most`; changes nothing if they are not left.
pub fn take(writes: i64, most: f64, now: Timestamp) -> Write {
    Write::new(
        "INSERT INTO counters (name, value) VALUES ('kv_writes', ?1 * 10000 + ?2)
         ON CONFLICT (name) DO UPDATE SET value = CASE WHEN value / 10000 = ?1 THEN value ELSE ?1 * 10000 END + ?2
         WHERE value / 10000 <> ?1 OR value % 10000 + ?2 <= ?3",
    )
    .bind(now.start_of_day().milliseconds() / DAY)
    .bind(writes)
    .bind(most)
}
