//! What a channel keeps in its `SQLite`: numbered events, the shared text and its edits.
//!
//! Tables are made with the first thing there is to keep: a channel that is only looked at, and one that has
//! forgotten everything, take no storage. Every row read or written is counted; what is not reported yet is kept
//! with the newest event, so that hibernation forgets little of it.

use std::cell::Cell;

use pipeline::{budget::channel_usage::ChannelUsage, chat::channel::StreamState, constants};
use producers::api::sessions::{
    edit::Edit,
    extent::{Extent, Page},
    scratch::Scratch,
};
use serde::Deserialize;
use serde_json::Value;
use worker::{Result, State};

use crate::counted_sql::{CountedSql, number, whole};

const SCHEMA: [&str; 3] = [
    "CREATE TABLE IF NOT EXISTS events (
         sequence INTEGER PRIMARY KEY, job TEXT, attempt TEXT, length INTEGER NOT NULL, last TEXT, data TEXT NOT NULL,
         total INTEGER NOT NULL, used TEXT)",
    "CREATE TABLE IF NOT EXISTS edits (revision INTEGER PRIMARY KEY, operation TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS kept (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
];

/// Which schema the tables have; without it they are of before events knew their `total`.
const VERSION: &str = "2";
const FIRST_EVENT: &str =
    "SELECT sequence, total, length(CAST(data AS BLOB)) AS bytes, used FROM events ORDER BY sequence LIMIT 1";
const LAST_EVENT: &str = "SELECT sequence, total, 0 AS bytes, used FROM events ORDER BY sequence DESC LIMIT 1";
/// Edits between two prunings.
const PRUNE_EVERY: i64 = 100;

/// The log of one channel.
pub struct Log {
    sql: CountedSql,
    has_tables: Cell<bool>,
    extent: Cell<Extent>,
}

/// An event as it is sent: JSON with its `sequence`.
pub struct Entry {
    /// Its number.
    pub number: i64,
    /// The JSON.
    pub text: String,
    /// The last event of its turn.
    pub is_last: bool,
}

/// What a turn's event belongs to.
#[derive(Clone, Copy, Debug)]
pub struct TurnPart<'a> {
    /// The turn's job.
    pub job: &'a str,
    /// The attempt that published it.
    pub attempt: &'a str,
    /// Bytes of the answer that it holds.
    pub length: usize,
}

#[derive(Deserialize)]
struct Row {
    sequence: f64,
    data: String,
    last: Option<String>,
}

impl From<Row> for Entry {
    fn from(row: Row) -> Self {
        let number = whole(row.sequence);
        Self { number, is_last: row.last.is_some(), text: numbered(number, &row.data) }
    }
}

/// The event with its number first.
fn numbered(number: i64, data: &str) -> String {
    format!(r#"{{"sequence":{number},{}"#, data.strip_prefix('{').unwrap_or("}"))
}

impl Log {
    /// Opens a channel's log, as far as there is one.
    pub fn open(state: &State) -> Self {
        let sql = CountedSql::new(state.storage().sql());
        let log = Self { sql, has_tables: Cell::default(), extent: Cell::default() };
        // What cannot be read now fails with its first use, and says so there.
        let _ = log.find();
        log
    }

    /// Looks for what was kept before hibernation.
    fn find(&self) -> Result<()> {
        #[derive(Deserialize)]
        struct Table {
            #[serde(rename = "name")]
            _name: String,
        }
        let found: Vec<Table> =
            self.sql.rows("SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'kept'", Vec::new())?;
        if found.is_empty() {
            return Ok(());
        }
        self.has_tables.set(true);
        if self.kept("version")?.as_deref() != Some(VERSION) {
            return self.upgrade();
        }
        self.find_extent()
    }

    fn find_extent(&self) -> Result<()> {
        #[derive(Deserialize)]
        struct Edge {
            sequence: f64,
            total: f64,
            bytes: f64,
            used: Option<String>,
        }
        let begins_after = self.kept("begins_after")?.and_then(|number| number.parse().ok()).unwrap_or(0);
        self.extent.set(Extent { last: begins_after, before: begins_after, ..Extent::default() });
        let edge = |sql| Ok::<_, worker::Error>(self.sql.rows::<Edge>(sql, Vec::new())?.into_iter().next());
        let first = edge(FIRST_EVENT)?;
        let last = edge(LAST_EVENT)?;
        if let (Some(first), Some(last)) = (first, last) {
            self.extent.set(Extent {
                last: whole(last.sequence),
                end: whole(last.total),
                before: whole(first.sequence) - 1,
                start: whole(first.total) - whole(first.bytes),
            });
            self.sql.add(last.used.as_deref().map(ChannelUsage::from_header).unwrap_or_default());
        }
        Ok(())
    }

    /// The first schema's events go: they do not say how large they are. Their numbers go on.
    fn upgrade(&self) -> Result<()> {
        #[derive(Deserialize)]
        struct Last {
            last: f64,
        }
        let last: Vec<Last> = self.sql.rows("SELECT coalesce(max(sequence), 0) AS last FROM events", Vec::new())?;
        self.sql.write("DROP TABLE events", Vec::new())?;
        self.make()?;
        self.begin_after(last.first().map_or(0, |row| whole(row.last)))
    }

    fn make(&self) -> Result<()> {
        for statement in SCHEMA {
            self.sql.write(statement, Vec::new())?;
        }
        self.has_tables.set(true);
        self.keep("version", VERSION)
    }

    fn make_where_missing(&self) -> Result<()> {
        if self.has_tables.get() { Ok(()) } else { self.make() }
    }

    /// Lets events be numbered after those that were forgotten.
    pub fn begin_after(&self, number: i64) -> Result<()> {
        self.extent.set(Extent { last: number, before: number, ..Extent::default() });
        self.keep("begins_after", &number.to_string())
    }

    /// After everything was removed: what is used of it may still be reported.
    pub fn forget(&self) {
        self.has_tables.set(false);
        self.extent.set(Extent::default());
    }

    /// The count of what the channel uses.
    pub const fn counter(&self) -> &CountedSql {
        &self.sql
    }

    /// Notes that what was used has been reported: with the newest event it would be reported again after hibernation.
    pub fn note_reported(&self) -> Result<()> {
        if !self.has_tables.get() {
            return Ok(());
        }
        self.sql.write("UPDATE events SET used = NULL WHERE sequence = ?1", vec![number(self.extent.get().last)])
    }

    /// Appends an event; of a turn with what it belongs to.
    pub fn append(&self, data: &Value, turn: Option<TurnPart<'_>>) -> Result<Entry> {
        self.make_where_missing()?;
        let kind = data["type"].as_str().unwrap_or_default();
        let is_last = turn.is_some() && matches!(kind, "done" | "failed" | "cancelled");
        let data = data.to_string();
        let extent = self.extent.get().with(data.len());
        // A turn's publisher learns in a moment what its events took.
        let used = if turn.is_some() { None } else { Some(self.sql.used().to_header()) };
        let length = turn.map_or(0, |turn| i64::try_from(turn.length).unwrap_or(0));
        self.sql.write(
            "INSERT INTO events (sequence, job, attempt, length, last, data, total, used)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            vec![
                number(extent.last),
                turn.map(|turn| turn.job).into(),
                turn.map(|turn| turn.attempt).into(),
                number(length),
                is_last.then_some(kind).into(),
                data.as_str().into(),
                number(extent.end),
                used.into(),
            ],
        )?;
        self.extent.set(extent);
        self.prune()?;
        Ok(Entry { number: extent.last, text: numbered(extent.last, &data), is_last })
    }

    fn prune(&self) -> Result<()> {
        #[derive(Deserialize)]
        struct End {
            sequence: f64,
            total: f64,
        }
        let extent = self.extent.get();
        if !extent.is_full() {
            return Ok(());
        }
        let sql = "SELECT sequence, total FROM events ORDER BY sequence";
        let goes = |row: &End| extent.goes(whole(row.sequence), whole(row.total));
        let gone: Vec<End> = self.sql.rows_while(sql, Vec::new(), goes)?;
        let Some(End { sequence, total }) = gone.last() else { return Ok(()) };
        self.sql.write("DELETE FROM events WHERE sequence <= ?1", vec![number(whole(*sequence))])?;
        self.extent.set(extent.without(whole(*sequence), whole(*total)));
        Ok(())
    }

    /// The newest events after a number that fit a page, oldest first.
    pub fn newest(&self, after: i64) -> Result<Vec<Entry>> {
        let sql = "SELECT sequence, data, last FROM events WHERE sequence > ?1 ORDER BY sequence DESC";
        let mut entries = self.page(sql, after)?;
        entries.reverse();
        Ok(entries)
    }

    /// The next events after a number that fit a page.
    pub fn next(&self, after: i64) -> Result<Vec<Entry>> {
        self.page("SELECT sequence, data, last FROM events WHERE sequence > ?1 ORDER BY sequence", after)
    }

    fn page(&self, sql: &str, after: i64) -> Result<Vec<Entry>> {
        if !self.has_tables.get() || after >= self.last() {
            return Ok(Vec::new());
        }
        let mut page = Page::default();
        let rows: Vec<Row> = self.sql.rows_while(sql, vec![number(after)], |row: &Row| page.takes(row.data.len()))?;
        Ok(rows.into_iter().map(Entry::from).collect())
    }

    /// A turn's events after a number: no more than the log holds.
    pub fn of_job(&self, job: &str, after: i64) -> Result<Vec<Entry>> {
        if !self.has_tables.get() {
            return Ok(Vec::new());
        }
        let rows: Vec<Row> = self.sql.rows(
            "SELECT sequence, data, last FROM events WHERE sequence > ?1 AND job = ?2 ORDER BY sequence",
            vec![number(after), job.into()],
        )?;
        Ok(rows.into_iter().map(Entry::from).collect())
    }

    /// What was published of a turn, by its latest attempt.
    pub fn stream_state(&self, job: &str) -> Result<StreamState> {
        #[derive(Deserialize)]
        struct Attempt {
            attempt: String,
            length: f64,
            ended: f64,
        }
        if !self.has_tables.get() {
            return Ok(StreamState::default());
        }
        // A piece says where it begins: the first ones may be gone.
        let attempts: Vec<Attempt> = self.sql.rows(
            "SELECT attempt, max(coalesce(data ->> '$.at', 0) + length) AS length,
                    max(coalesce(last, '') IN ('done', 'cancelled')) AS ended
             FROM events WHERE job = ?1 GROUP BY attempt ORDER BY attempt",
            vec![job.into()],
        )?;
        let ended = attempts.iter().any(|attempt| attempt.ended != 0.0);
        let Some(latest) = attempts.into_iter().next_back() else { return Ok(StreamState::default()) };
        let length = usize::try_from(whole(latest.length)).unwrap_or(0);
        Ok(StreamState { attempt: latest.attempt, length, ended })
    }

    /// The number of the last event.
    pub fn last(&self) -> i64 {
        self.extent.get().last
    }

    /// The shared text.
    pub fn scratch(&self) -> Result<Scratch> {
        let Some(text) = self.kept("scratch")? else { return Ok(Scratch::default()) };
        let (revision, text) = serde_json::from_str(&text)?;
        Ok(Scratch { revision, text })
    }

    /// The next edits made after a revision, in order: at most so many, and no more than one is rebased over.
    pub fn edits_after(&self, revision: i64, most: usize) -> Result<Vec<Edit>> {
        #[derive(Deserialize)]
        struct Row {
            operation: String,
        }
        if most == 0 {
            return Ok(Vec::new());
        }
        let mut bytes = 0;
        let rows: Vec<Row> = self.sql.rows_while(
            "SELECT operation FROM edits WHERE revision > ?1 ORDER BY revision",
            vec![number(revision)],
            |row: &Row| {
                bytes += row.operation.len();
                bytes <= constants::REBASE_BYTES
            },
        )?;
        rows.iter().map(|row| Ok(Edit::of_log(&row.operation)?)).collect()
    }

    /// Keeps the text with the edit that made it.
    pub fn keep_edit(&self, scratch: &Scratch, edit: &Edit) -> Result<()> {
        self.make_where_missing()?;
        let operation = serde_json::to_string(edit)?;
        self.sql.write(
            "INSERT OR REPLACE INTO edits (revision, operation) VALUES (?1, ?2)",
            vec![number(scratch.revision), operation.into()],
        )?;
        if scratch.revision % PRUNE_EVERY == 0 {
            let behind = i64::try_from(constants::EDITS_BEHIND).unwrap_or(0);
            self.sql.write("DELETE FROM edits WHERE revision <= ?1", vec![number(scratch.revision - behind)])?;
        }
        self.keep_scratch(scratch)
    }

    /// Keeps the text.
    pub fn keep_scratch(&self, scratch: &Scratch) -> Result<()> {
        self.keep("scratch", &serde_json::to_string(&(scratch.revision, &scratch.text))?)
    }

    /// Keeps a value under a name.
    pub fn keep(&self, name: &str, value: &str) -> Result<()> {
        self.make_where_missing()?;
        let sql =
            "INSERT INTO kept (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
        self.sql.write(sql, vec![name.into(), value.into()])
    }

    /// The value under a name.
    pub fn kept(&self, name: &str) -> Result<Option<String>> {
        #[derive(Deserialize)]
        struct Value {
            value: String,
        }
        if !self.has_tables.get() {
            return Ok(None);
        }
        let rows: Vec<Value> = self.sql.rows("SELECT value FROM kept WHERE name = ?1", vec![name.into()])?;
        Ok(rows.into_iter().next().map(|row| row.value))
    }
}
