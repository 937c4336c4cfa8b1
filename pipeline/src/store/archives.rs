//! Objects that hold what rows held: the table `archives`.

use crate::{platform::transaction::Write, time::Timestamp};

/// Keeps the archive of a month's usage: the object is there and holds what it should.
pub fn keep_month(key: &str, month: &str, now: Timestamp) -> Write {
    Write::new(
        "INSERT INTO archives (key, kind, subject, state, updated_at) VALUES (?1, 'usage', ?2, 'kept', ?3)
         ON CONFLICT DO UPDATE SET state = 'kept', updated_at = excluded.updated_at",
    )
    .bind(key)
    .bind(month)
    .bind(now)
}
