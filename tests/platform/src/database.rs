//! D1 in memory: the same SQL on `SQLite`, which counts rows as D1 does; without a rule, if a test takes one out.

use std::collections::BTreeSet;

use rusqlite::{StatementStatus, params_from_iter, types::ValueRef};
use serde_json::{Map, Value as Json, value::RawValue};

use pipeline::{
    failure::Failure,
    platform::{
        ports::Database,
        statement::{Answers, Rows, Statement, Value},
    },
};

use crate::{
    in_memory::InMemory,
    mutation::{Mutation, TakenOut},
    service::Service,
};

impl InMemory {
    /// Takes a rule out of every statement from here on.
    pub fn mutate(&self, mutation: Mutation) {
        *self.watched.taken_out.borrow_mut() = Some(TakenOut { mutation, only_of: None });
    }

    /// Takes a rule out of one statement, given by its whole text, and leaves it in all others.
    pub fn mutate_only(&self, mutation: Mutation, statement: &str) {
        *self.watched.taken_out.borrow_mut() = Some(TakenOut { mutation, only_of: Some(statement.to_owned()) });
    }

    /// True once a statement held the rule that is taken out.
    pub fn has_mutated(&self) -> bool {
        self.watched.has_mutated.get()
    }

    /// What the database said of a statement without its rule that is no SQL any more.
    pub fn broken_mutation(&self) -> Option<String> {
        self.watched.broken.borrow().clone()
    }

    /// Notes the text of every statement from here on.
    pub fn note_statements(&self) {
        *self.watched.noted.borrow_mut() = Some(BTreeSet::new());
    }

    /// The texts noted so far.
    pub fn noted_statements(&self) -> BTreeSet<String> {
        self.watched.noted.borrow().clone().unwrap_or_default()
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

    /// Full-text rows of chunks, in all users' own tables.
    ///
    /// # Panics
    /// If the database does not answer.
    #[expect(clippy::expect_used, reason = "a database in memory answers")]
    pub fn indexed_chunks(&self) -> i64 {
        let numbers = self.look("SELECT number FROM users WHERE chunk_words = 1");
        let count = |user: &Json| {
            let sql = format!("SELECT count(*) FROM chunks_fts_{}", user["number"]);
            self.connection.query_row(&sql, [], |row| row.get::<_, i64>(0)).expect("a table of a user's own")
        };
        numbers.iter().map(count).sum()
    }

    /// Lets the database be full at so many bytes.
    pub fn set_database_bytes(&self, bytes: u64) {
        self.database_bytes.set(Some(bytes));
    }

    /// Bytes of the database: the pages that hold something, as D1 counts them.
    #[expect(clippy::expect_used, reason = "a database in memory answers")]
    pub(crate) fn size(&self) -> u64 {
        let pragma = |sql| self.connection.query_row(sql, [], |row| row.get::<_, u64>(0)).expect("a pragma");
        (pragma("PRAGMA page_count") - pragma("PRAGMA freelist_count")) * pragma("PRAGMA page_size")
    }

    /// Refuses writes to a database that has grown too large: what `meta.size_after` says in production.
    fn refuse_if_full(&self, statements: &[Statement]) -> Result<(), Failure> {
        // No test fills the 500 MB of the plan: without a smaller limit nobody has to look.
        let Some(most) = self.database_bytes.get() else { return Ok(()) };
        let writes = statements.iter().any(|statement| !statement.sql.trim_start().starts_with("SELECT"));
        if writes && self.size() > most {
            return Err(Failure::exhausted("D1: D1_ERROR: Exceeded maximum DB size"));
        }
        Ok(())
    }

    /// Changes what is stored, as a test's own hand.
    ///
    /// # Panics
    /// If the SQL is wrong.
    #[expect(clippy::expect_used, reason = "a test's own SQL")]
    pub fn change(&self, sql: &'static str) {
        self.execute(&Statement::new(sql)).expect("SQL of the test");
    }

    /// Runs several statements, as a test's own hand.
    ///
    /// # Panics
    /// If the SQL is wrong.
    #[expect(clippy::expect_used, reason = "a test's own SQL")]
    pub fn run_script(&self, sql: &str) {
        self.connection.execute_batch(sql).expect("SQL of the test");
    }

    #[expect(clippy::cast_precision_loss, reason = "as D1 binds it; our numbers are below 2^53")]
    fn execute(&self, statement: &Statement) -> Result<Rows, Failure> {
        let bug = |error: rusqlite::Error| Failure::bug(format!("{error} in {}", statement.sql));
        let sql = self.watched.text_of(statement.sql);
        let mut prepared = self.connection.prepare_cached(&statement.filled(&sql)).map_err(|error| {
            self.watched.note_broken(statement.sql, &sql, &error);
            bug(error)
        })?;
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
    async fn transact(&self, statements: Vec<Statement>) -> Result<Answers, Failure> {
        self.ask(|asked| asked.count_transaction(&statements))?;
        self.call(Service::Database, || {
            let bug = |error: rusqlite::Error| Failure::bug(error.to_string());
            self.connection.execute_batch("SAVEPOINT inner").map_err(bug)?;
            let rows = statements.iter().map(|statement| self.execute(statement)).collect::<Result<Vec<Rows>, _>>();
            let rows = self.refuse_if_full(&statements).and(rows);
            // A test is one transaction, so that its database can be given back: one of the code is a part of it.
            let end = if rows.is_ok() { "RELEASE inner" } else { "ROLLBACK TO inner; RELEASE inner" };
            self.connection.execute_batch(end).map_err(bug)?;
            Ok(Answers(rows?))
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use pipeline::{constants, failure::FailureKind, platform::transaction::Query};

    use super::*;
    use crate::ready;

    fn length_of(text: String) -> Result<Option<Json>, Failure> {
        ready(Query::new("SELECT length(?1) AS bytes").bind(text).first(&InMemory::new(1)))
    }

    fn refused(sql: String) -> Failure {
        ready(Query::<Json>::new(sql.leak()).all(&InMemory::new(1))).unwrap_err()
    }

    #[test]
    fn a_parameter_is_as_long_as_d1_takes_it_and_no_longer() {
        let longest = length_of("x".repeat(constants::D1_VALUE_BYTES));
        assert_eq!(longest, Ok(Some(serde_json::json!({ "bytes": constants::D1_VALUE_BYTES }))));
        let failure = length_of("x".repeat(constants::D1_VALUE_BYTES + 1)).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Bug, "{failure}");
    }

    #[test]
    fn a_statement_with_too_many_parameters_or_too_long_a_text_is_refused() {
        assert_eq!(refused("SELECT ?101 AS bytes".to_owned()).kind, FailureKind::Bug);
        let comment = "x".repeat(constants::D1_STATEMENT_BYTES);
        assert_eq!(refused(format!("SELECT 1 AS bytes /* {comment} */")).kind, FailureKind::Bug);
    }
}
