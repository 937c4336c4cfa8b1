//! The `SQLite` of a Durable Object, with every row counted as its allowance counts it.

use std::cell::Cell;

use pipeline::budget::channel_usage::ChannelUsage;
use serde::de::DeserializeOwned;
use worker::{Result, SqlCursor, SqlStorage, SqlStorageValue};

/// The storage, and what was used of it and of the object's time that is not reported yet.
pub struct CountedSql {
    sql: SqlStorage,
    used: Cell<ChannelUsage>,
}

impl CountedSql {
    /// Counts from nothing.
    pub fn new(sql: SqlStorage) -> Self {
        Self { sql, used: Cell::default() }
    }

    /// Adds what is used beside statements.
    pub fn add(&self, more: ChannelUsage) {
        let used = self.used.get();
        self.used.set(ChannelUsage {
            rows_read: used.rows_read + more.rows_read,
            rows_written: used.rows_written + more.rows_written,
            awake: used.awake + more.awake,
            messages: used.messages + more.messages,
        });
    }

    /// Returns what is not reported yet.
    pub fn used(&self) -> ChannelUsage {
        self.used.get()
    }

    /// The same, for somebody who counts it from here on.
    pub fn take_used(&self) -> ChannelUsage {
        self.used.take()
    }

    /// Runs a statement that gives no rows.
    pub fn write(&self, sql: &str, values: Vec<SqlStorageValue>) -> Result<()> {
        self.count(&self.sql.exec(sql, values)?);
        Ok(())
    }

    /// All rows of a statement.
    pub fn rows<T: DeserializeOwned>(&self, sql: &str, values: Vec<SqlStorageValue>) -> Result<Vec<T>> {
        self.rows_while(sql, values, |_| true)
    }

    /// The rows up to the first that is not wanted; those after it are not even read.
    pub fn rows_while<T: DeserializeOwned>(
        &self,
        sql: &str,
        values: Vec<SqlStorageValue>,
        mut is_wanted: impl FnMut(&T) -> bool,
    ) -> Result<Vec<T>> {
        let cursor = self.sql.exec(sql, values)?;
        let mut rows = Vec::new();
        for row in cursor.next::<T>() {
            let row = row?;
            if !is_wanted(&row) {
                break;
            }
            rows.push(row);
        }
        self.count(&cursor);
        Ok(rows)
    }

    fn count(&self, cursor: &SqlCursor) {
        let (rows_read, rows_written) = (cursor.rows_read() as u64, cursor.rows_written() as u64);
        self.add(ChannelUsage { rows_read, rows_written, ..ChannelUsage::default() });
    }
}

/// Numbers travel as floats; ours are below 2^53.
pub fn number(value: i64) -> SqlStorageValue {
    #[expect(clippy::cast_precision_loss, reason = "counts, far below 2^53")]
    SqlStorageValue::Float(value as f64)
}

/// The same on the way back.
#[expect(clippy::cast_possible_truncation, reason = "counts, far below 2^53")]
pub fn whole(value: f64) -> i64 {
    value as i64
}
