//! D1 in memory: the same SQL on `SQLite`, which counts rows as D1 does.

use std::borrow::Cow;

use rusqlite::{Connection, StatementStatus, params_from_iter, types::ValueRef};
use serde_json::{Map, Value as Json, value::RawValue};

use super::InMemory;
use pipeline::{
    failure::Failure,
    platform::{
        ports::Database,
        statement::{Answers, Rows, Statement, Value},
    },
};

/// A rule of the SQL, taken out: a proof that something watches over it.
#[derive(Clone, Copy, Debug)]
pub struct Mutation {
    /// What is taken out.
    pub name: &'static str,
    /// Its text.
    pub rule: &'static str,
    /// What stands there instead.
    pub instead: &'static str,
}

/// More than the product has: preparing them again and again is what a simulation would spend its time on.
const STATEMENTS: usize = 1_000;

const MIGRATIONS: [&str; 10] = [
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
];

/// A database after all migrations.
pub(crate) fn empty() -> Connection {
    let connection = open();
    migrate(&connection, &MIGRATIONS);
    connection
}

/// A database after the first migrations, a dump, and the other migrations.
#[expect(clippy::expect_used, reason = "a test cannot go on without its database")]
pub(crate) fn upgraded(migrations: usize, dump: &str) -> Connection {
    let connection = open();
    let (before, after) = MIGRATIONS.split_at(migrations);
    migrate(&connection, before);
    connection.execute_batch(dump).expect("the dump loads");
    // What the full-text tables hold was written past them: they must read it anew.
    connection.execute_batch("PRAGMA writable_schema = RESET").expect("a pragma");
    migrate(&connection, after);
    connection
}

#[expect(clippy::expect_used, reason = "a test cannot go on without its database")]
fn open() -> Connection {
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

impl InMemory {
    /// Takes a rule out of every statement from here on.
    pub fn mutate(&self, mutation: Mutation) {
        *self.mutation.borrow_mut() = Some(mutation);
    }

    /// The rows of a query, as JSON; for looking at what is stored.
    ///
    /// # Panics
    /// If the SQL is wrong.
    #[expect(clippy::expect_used, reason = "a test's own SQL")]
    pub fn look(&self, sql: &'static str) -> Vec<Json> {
        let rows = self.execute(&Statement::new(sql)).expect("SQL of the test");
        rows.rows.iter().map(|row| serde_json::from_str(row.get()).expect("a row is JSON")).collect()
    }

    /// True once a statement held the rule that is taken out.
    pub fn has_mutated(&self) -> bool {
        self.mutated.get()
    }

    /// Changes what is stored, as a test's own hand.
    ///
    /// # Panics
    /// If the SQL is wrong.
    #[expect(clippy::expect_used, reason = "a test's own SQL")]
    pub fn change(&self, sql: &'static str) {
        self.execute(&Statement::new(sql)).expect("SQL of the test");
    }

    #[expect(clippy::cast_precision_loss, reason = "as D1 binds it; our numbers are below 2^53")]
    fn execute(&self, statement: &Statement) -> Result<Rows, Failure> {
        let bug = |error: rusqlite::Error| Failure::bug(format!("{error} in {}", statement.sql));
        let sql = match *self.mutation.borrow() {
            Some(mutation) if statement.sql.contains(mutation.rule) => {
                self.mutated.set(true);
                Cow::Owned(statement.sql.replace(mutation.rule, mutation.instead))
            }
            _ => Cow::Borrowed(statement.sql),
        };
        let mut prepared = self.connection.prepare_cached(&sql).map_err(bug)?;
        prepared.reset_status(StatementStatus::RowsRead);
        prepared.reset_status(StatementStatus::RowsWritten);
        let names: Vec<String> = prepared.column_names().into_iter().map(str::to_owned).collect();
        let values = statement.values.iter().map(|value| match value {
            Value::Null => rusqlite::types::Value::Null,
            // D1 binds every number as a float; SQL that divides by a parameter must fail here too.
            Value::Integer(number) => rusqlite::types::Value::Real(*number as f64),
            Value::Real(number) => rusqlite::types::Value::Real(*number),
            Value::Text(text) => rusqlite::types::Value::Text(text.clone()),
        });
        let mut found = prepared.query(params_from_iter(values)).map_err(bug)?;
        let mut rows = Vec::new();
        while let Some(row) = found.next().map_err(bug)? {
            let mut object = Map::new();
            for (place, name) in names.iter().enumerate() {
                let value = match row.get_ref(place).map_err(bug)? {
                    ValueRef::Null | ValueRef::Blob(_) => Json::Null,
                    ValueRef::Integer(number) => Json::from(number),
                    ValueRef::Real(number) => Json::from(number),
                    ValueRef::Text(text) => Json::from(String::from_utf8_lossy(text)),
                };
                object.insert(name.clone(), value);
            }
            let text = Json::Object(object).to_string();
            rows.push(RawValue::from_string(text).map_err(|error| Failure::bug(error.to_string()))?);
        }
        drop(found);
        let counted = |status| u64::try_from(prepared.get_status(status)).unwrap_or(0);
        self.count(|usage| {
            usage.d1_rows_read += counted(StatementStatus::RowsRead);
            usage.d1_rows_written += counted(StatementStatus::RowsWritten);
        });
        let changes = if prepared.readonly() { 0 } else { self.connection.changes() };
        Ok(Rows { rows, changes })
    }
}

impl Database for InMemory {
    async fn batch(&self, statements: Vec<Statement>) -> Result<Answers, Failure> {
        self.call("D1", || {
            let transaction =
                self.connection.unchecked_transaction().map_err(|error| Failure::bug(error.to_string()))?;
            let rows: Result<Vec<Rows>, Failure> = statements.iter().map(|statement| self.execute(statement)).collect();
            let rows = rows?;
            transaction.commit().map_err(|error| Failure::bug(error.to_string()))?;
            Ok(Answers(rows))
        })
        .await
    }
}
