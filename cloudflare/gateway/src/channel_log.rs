//! What a channel keeps in its `SQLite`: numbered events, the shared text and its edits.

use operational_transform::OperationSeq;
use pipeline::{chat::channel::StreamState, constants};
use producers::api::sessions::scratch::Scratch;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use worker::{Result, SqlStorage, SqlStorageValue, State};

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS events (
        sequence INTEGER PRIMARY KEY, job TEXT, attempt TEXT, length INTEGER NOT NULL, last TEXT, data TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS edits (revision INTEGER PRIMARY KEY, operation TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS kept (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;";

/// Edits kept for those who lag behind.
const EDITS: i64 = 1_000;
/// Events between two prunings.
const PRUNE_EVERY: i64 = 100;

/// The log of one channel.
pub struct Log {
    sql: SqlStorage,
}

/// An event as it is sent: JSON with its `seq`.
pub struct Entry {
    /// The JSON.
    pub text: String,
    /// The last event of its turn.
    pub is_last: bool,
}

#[derive(Deserialize)]
struct Row {
    sequence: f64,
    data: String,
    last: Option<String>,
}

impl From<Row> for Entry {
    fn from(row: Row) -> Self {
        Self { is_last: row.last.is_some(), text: numbered(row.sequence, &row.data) }
    }
}

/// The event with its number first.
fn numbered(sequence: f64, data: &str) -> String {
    format!(r#"{{"seq":{sequence},{}"#, data.strip_prefix('{').unwrap_or("}"))
}

impl Log {
    /// Opens a channel's log, and makes it if it is new.
    pub fn open(state: &State) -> Self {
        let log = Self { sql: state.storage().sql() };
        log.make();
        log
    }

    /// Makes the tables where they are missing: in a new channel, and in one that forgot everything.
    pub fn make(&self) {
        for statement in SCHEMA.split(';').filter(|statement| !statement.trim().is_empty()) {
            // What cannot be made now fails with its first use, and says so there.
            let _ = self.sql.exec(statement, None);
        }
    }

    fn rows<T: DeserializeOwned>(&self, sql: &str, values: Vec<SqlStorageValue>) -> Result<Vec<T>> {
        self.sql.exec(sql, values)?.to_array()
    }

    /// Appends an event; of a turn with its job, attempt and length of text.
    pub fn append(&self, data: &Value, turn: Option<(&str, &str, usize)>) -> Result<Entry> {
        let kind = data["type"].as_str().unwrap_or_default();
        let is_last = turn.is_some() && matches!(kind, "done" | "failed" | "cancelled");
        let (job, attempt, length) = turn.unwrap_or_default();
        let text = |text: &str| if text.is_empty() { SqlStorageValue::Null } else { text.into() };
        let data = data.to_string();
        let values = vec![
            text(job),
            text(attempt),
            number(i64::try_from(length).unwrap_or(0)),
            text(if is_last { kind } else { "" }),
            data.as_str().into(),
        ];
        let rows: Vec<Row> = self.rows(
            "INSERT INTO events (job, attempt, length, last, data) VALUES (?1, ?2, ?3, ?4, ?5)
             RETURNING sequence, data, last",
            values,
        )?;
        let row =
            rows.into_iter().next().ok_or_else(|| worker::Error::RustError("an event without a number".to_owned()))?;
        #[expect(clippy::cast_possible_truncation, reason = "a count of events")]
        let sequence = row.sequence as i64;
        if sequence % PRUNE_EVERY == 0 {
            self.sql
                .exec("DELETE FROM events WHERE sequence <= ?1", vec![number(sequence - constants::CHANNEL_EVENTS)])?;
        }
        Ok(row.into())
    }

    /// All events after a number.
    pub fn since(&self, sequence: i64) -> Result<Vec<Entry>> {
        let rows: Vec<Row> = self.rows(
            "SELECT sequence, data, last FROM events WHERE sequence > ?1 ORDER BY sequence",
            vec![number(sequence)],
        )?;
        Ok(rows.into_iter().map(Entry::from).collect())
    }

    /// A turn's events after a number.
    pub fn of_job(&self, job: &str, sequence: i64) -> Result<Vec<Entry>> {
        let rows: Vec<Row> = self.rows(
            "SELECT sequence, data, last FROM events WHERE sequence > ?1 AND job = ?2 ORDER BY sequence",
            vec![number(sequence), job.into()],
        )?;
        Ok(rows.into_iter().map(Entry::from).collect())
    }

    /// What was published of a turn.
    pub fn stream_state(&self, job: &str) -> Result<StreamState> {
        #[derive(Deserialize)]
        struct Row {
            attempt: String,
            length: f64,
            ended: f64,
        }
        let rows: Vec<Row> = self.rows(
            "SELECT e.attempt, total(e.length) AS length,
                    EXISTS (SELECT 1 FROM events WHERE job = ?1 AND last IN ('done', 'cancelled')) AS ended
             FROM events e WHERE e.job = ?1 AND e.attempt = (SELECT max(attempt) FROM events WHERE job = ?1)
             GROUP BY e.attempt",
            vec![job.into()],
        )?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of bytes")]
        let state =
            |row: Row| StreamState { attempt: row.attempt, length: row.length as usize, ended: row.ended != 0.0 };
        Ok(rows.into_iter().next().map(state).unwrap_or_default())
    }

    /// The number of the last event.
    pub fn last(&self) -> Result<i64> {
        #[derive(Deserialize)]
        struct Row {
            last: f64,
        }
        let rows: Vec<Row> = self.rows("SELECT coalesce(max(sequence), 0) AS last FROM events", Vec::new())?;
        #[expect(clippy::cast_possible_truncation, reason = "a count of events")]
        let last = |row: &Row| row.last as i64;
        Ok(rows.first().map_or(0, last))
    }

    /// The shared text.
    pub fn scratch(&self) -> Result<Scratch> {
        let Some(text) = self.kept("scratch")? else { return Ok(Scratch::default()) };
        let (revision, text) = serde_json::from_str(&text)?;
        Ok(Scratch { revision, text })
    }

    /// Edits made after a revision, in order.
    pub fn edits_after(&self, revision: i64) -> Result<Vec<OperationSeq>> {
        #[derive(Deserialize)]
        struct Row {
            operation: String,
        }
        let rows: Vec<Row> =
            self.rows("SELECT operation FROM edits WHERE revision > ?1 ORDER BY revision", vec![number(revision)])?;
        rows.iter().map(|row| Ok(serde_json::from_str(&row.operation)?)).collect()
    }

    /// Keeps the text with the edit that made it.
    pub fn keep_edit(&self, scratch: &Scratch, operation: &OperationSeq) -> Result<()> {
        let operation = serde_json::to_string(operation)?;
        self.sql.exec(
            "INSERT INTO edits (revision, operation) VALUES (?1, ?2)",
            vec![number(scratch.revision), operation.into()],
        )?;
        if scratch.revision % PRUNE_EVERY == 0 {
            self.sql.exec("DELETE FROM edits WHERE revision <= ?1", vec![number(scratch.revision - EDITS)])?;
        }
        self.keep("scratch", &serde_json::to_string(&(scratch.revision, &scratch.text))?)
    }

    /// Keeps a value under a name.
    pub fn keep(&self, name: &str, value: &str) -> Result<()> {
        let sql =
            "INSERT INTO kept (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
        self.sql.exec(sql, vec![name.into(), value.into()]).map(drop)
    }

    /// The value under a name.
    pub fn kept(&self, name: &str) -> Result<Option<String>> {
        #[derive(Deserialize)]
        struct Row {
            value: String,
        }
        let rows: Vec<Row> = self.rows("SELECT value FROM kept WHERE name = ?1", vec![name.into()])?;
        Ok(rows.into_iter().next().map(|row| row.value))
    }
}

/// Numbers travel as floats; ours are below 2^53.
fn number(value: i64) -> SqlStorageValue {
    #[expect(clippy::cast_precision_loss, reason = "counts, far below 2^53")]
    SqlStorageValue::Float(value as f64)
}
