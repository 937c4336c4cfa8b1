//! Databases that are given back as they were: running the migrations and preparing every statement
//! anew is what thousands of short histories would spend their time on.
//!
//! Whatever a test writes is written inside of one transaction, which is rolled back when its
//! platform is dropped; the next one on the same thread finds the database as the migrations left it
//! and its statements prepared.

use std::{cell::RefCell, collections::BTreeMap, ops::Deref};

use pipeline::constants;
use rusqlite::{Connection, limits::Limit};

/// More than the product has.
const STATEMENTS: usize = 1_000;

const MIGRATIONS: [&str; 26] = [
    include_str!("../../../migrations/0001_users_and_keys.sql"),
    include_str!("../../../migrations/0002_jobs_and_documents.sql"),
    include_str!("../../../migrations/0003_chunks.sql"),
    include_str!("../../../migrations/0004_requests.sql"),
    include_str!("../../../migrations/0005_conversations.sql"),
    include_str!("../../../migrations/0006_sessions.sql"),
    include_str!("../../../migrations/0007_budget.sql"),
    include_str!("../../../migrations/0008_clockwork.sql"),
    include_str!("../../../migrations/0009_less_to_look_through.sql"),
    include_str!("../../../migrations/0010_waiting_turns.sql"),
    include_str!("../../../migrations/0011_guests_and_channels.sql"),
    include_str!("../../../migrations/0012_streamed_uploads.sql"),
    include_str!("../../../migrations/0013_own_rows.sql"),
    include_str!("../../../migrations/0015_shared_namespaces.sql"),
    include_str!("../../../migrations/0016_failed_items.sql"),
    include_str!("../../../migrations/0017_order_of_uploads.sql"),
    include_str!("../../../migrations/0018_shares.sql"),
    include_str!("../../../migrations/0019_superseded_before_published.sql"),
    include_str!("../../../migrations/0020_corrected_memories.sql"),
    include_str!("../../../migrations/0022_rejected_documents.sql"),
    include_str!("../../../migrations/0023_documents_by_time.sql"),
    include_str!("../../../migrations/0024_lines.sql"),
    include_str!("../../../migrations/0026_blobs.sql"),
    include_str!("../../../migrations/0027_projects.sql"),
    include_str!("../../../migrations/0028_own_words.sql"),
    include_str!("../../../migrations/0029_windows.sql"),
];

thread_local! {
    /// Databases nobody uses, by what they hold beside the migrations.
    static IDLE: RefCell<BTreeMap<&'static str, Vec<Connection>>> = const { RefCell::new(BTreeMap::new()) };
}

/// A database while it is used.
pub(crate) struct Borrowed {
    connection: Option<Connection>,
    /// What it holds beside the migrations; `None` for one that is nobody else's.
    schema: Option<&'static str>,
}

impl Borrowed {
    /// A database with the migrations and, beside them, this schema.
    #[expect(clippy::expect_used, reason = "a test cannot go on without its database")]
    pub(crate) fn new(schema: &'static str) -> Self {
        let idle = IDLE.with_borrow_mut(|idle| idle.get_mut(schema).and_then(Vec::pop));
        let connection = idle.unwrap_or_else(|| open(schema));
        connection.execute_batch("BEGIN").expect("a transaction begins");
        Self { connection: Some(connection), schema: Some(schema) }
    }

    /// A database of its own: after the first migrations, a dump, and the other migrations.
    #[expect(clippy::expect_used, reason = "a test cannot go on without its database")]
    pub(crate) fn upgraded(migrations: usize, dump: &str) -> Self {
        let connection = empty();
        let (before, after) = MIGRATIONS.split_at(migrations);
        migrate(&connection, before);
        connection.execute_batch(dump).expect("the dump loads");
        // What the full-text tables hold was written past them: they must read it anew.
        connection.execute_batch("PRAGMA writable_schema = RESET").expect("a pragma");
        migrate(&connection, after);
        limit(&connection);
        connection.execute_batch("BEGIN").expect("a transaction begins");
        Self { connection: Some(connection), schema: None }
    }
}

#[expect(clippy::expect_used, reason = "a test cannot go on without its database")]
fn open(schema: &str) -> Connection {
    let connection = empty();
    migrate(&connection, &MIGRATIONS);
    connection.execute_batch(schema).expect("the test's own schema");
    limit(&connection);
    connection
}

/// What D1 refuses is refused here, in the words of `SQLite`, which D1 passes on.
#[expect(clippy::expect_used, reason = "a test cannot go on without its database")]
fn limit(connection: &Connection) {
    for (limit, most) in [
        (Limit::SQLITE_LIMIT_LENGTH, constants::D1_VALUE_BYTES),
        (Limit::SQLITE_LIMIT_SQL_LENGTH, constants::D1_STATEMENT_BYTES),
        (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, constants::D1_PARAMETERS),
    ] {
        connection.set_limit(limit, i32::try_from(most).expect("a limit"));
    }
}

#[expect(clippy::expect_used, reason = "a test cannot go on without its database")]
fn empty() -> Connection {
    let connection = Connection::open_in_memory().expect("SQLite opens in memory");
    connection.execute_batch("PRAGMA foreign_keys = ON").expect("a pragma");
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection
}

#[expect(clippy::expect_used, reason = "a test cannot go on without its database")]
fn migrate(connection: &Connection, migrations: &[&str]) {
    for migration in migrations {
        connection.execute_batch(migration).expect("the migrations run");
    }
}

impl Deref for Borrowed {
    type Target = Connection;

    #[expect(clippy::expect_used, reason = "it is there until it is dropped")]
    fn deref(&self) -> &Connection {
        self.connection.as_ref().expect("a database")
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        // One that cannot be rolled back is not used again, nor is one of a thread that ends.
        let Some(schema) = self.schema else { return };
        if connection.execute_batch("ROLLBACK").is_ok() {
            let _ = IDLE.try_with(|idle| idle.borrow_mut().entry(schema).or_default().push(connection));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_migration_is_run() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations");
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), MIGRATIONS.len(), "add the new one to MIGRATIONS");
    }
}
