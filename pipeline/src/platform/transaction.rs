//! One D1 transaction: statements in order, and their answers by handle.
//!
//! The store's functions describe single statements as [`Query`] and [`Write`]. A [`Transaction`]
//! puts them in order; each one that is added gives a handle, and after the commit the handle reads
//! that statement's answer. A statement that is inserted between others shifts nobody's answer.
//!
//! ```text
//! let moved = transaction.write(store::jobs::items::advance(&claim, …)?);
//! transaction.announce(store::jobs::items::wake_waiting(item, now));
//! let done = transaction.commit(ports).await?;
//! if done.changes(moved) == 0 { … }
//! ports.send(done.messages()?).await?;
//! ```

use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use crate::{
    failure::Failure,
    job::message::{ItemAnnouncement, Message},
    platform::{
        ports::Database,
        statement::{Rows, Statement, Value},
    },
    store::users::words::Words,
};

/// A statement whose rows are read as `Row`: a SELECT, or a write with RETURNING.
#[derive(Clone, Debug)]
pub struct Query<Row> {
    statement: Statement,
    row: PhantomData<fn() -> Row>,
}

impl<Row> Query<Row> {
    /// Makes a query without parameters so far. The SQL is never built from input.
    pub fn new(sql: &'static str) -> Self {
        Self { statement: Statement::new(sql), row: PhantomData }
    }

    /// Names the full-text table that it reads, which must be there.
    #[must_use]
    pub fn over(mut self, words: Words) -> Self {
        self.statement.user = Some(words.number);
        self
    }

    /// Binds the next parameter.
    #[must_use]
    pub fn bind(mut self, value: impl Into<Value>) -> Self {
        self.statement = self.statement.bind(value);
        self
    }
}

impl<Row: DeserializeOwned> Query<Row> {
    /// Runs the query as a transaction of its own and reads all rows.
    ///
    /// # Errors
    /// What the database fails with; a bug if a row is not what the code expects.
    pub async fn all<P: Database>(self, ports: &P) -> Result<Vec<Row>, Failure> {
        let mut transaction = Transaction::default();
        let rows = transaction.query(self);
        transaction.commit(ports).await?.all(rows)
    }

    /// Runs the query as a transaction of its own and reads the first row, if there is one.
    ///
    /// # Errors
    /// What the database fails with; a bug if the row is not what the code expects.
    pub async fn first<P: Database>(self, ports: &P) -> Result<Option<Row>, Failure> {
        let mut transaction = Transaction::default();
        let rows = transaction.query(self);
        transaction.commit(ports).await?.first(rows)
    }
}

/// A statement that changes rows and returns none.
#[derive(Clone, Debug)]
pub struct Write {
    statement: Statement,
    words: Option<Words>,
}

impl Write {
    /// Makes a write without parameters so far. The SQL is never built from input.
    pub fn new(sql: &'static str) -> Self {
        Self { statement: Statement::new(sql), words: None }
    }

    /// Names the full-text table that it writes to. A transaction makes one that is not there.
    #[must_use]
    pub fn over(mut self, words: Words) -> Self {
        self.statement.user = Some(words.number);
        self.words = Some(words);
        self
    }

    /// Binds the next parameter.
    #[must_use]
    pub fn bind(mut self, value: impl Into<Value>) -> Self {
        self.statement = self.statement.bind(value);
        self
    }

    /// Runs the write as a transaction of its own; the number of rows it changed.
    ///
    /// # Errors
    /// What the database fails with. The write may have happened all the same.
    pub async fn run<P: Database>(self, ports: &P) -> Result<u64, Failure> {
        let mut transaction = Transaction::default();
        let written = transaction.write(self);
        Ok(transaction.commit(ports).await?.changes(written))
    }
}

/// The place of a query's rows in its transaction.
#[derive(Debug)]
pub struct Selected<Row> {
    place: usize,
    row: PhantomData<fn() -> Row>,
}

impl<Row> Clone for Selected<Row> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<Row> Copy for Selected<Row> {}

/// The place of a write in its transaction.
#[derive(Clone, Copy, Debug)]
pub struct Written {
    place: usize,
}

/// Statements that all happen or do not happen at all.
#[derive(Clone, Debug, Default)]
pub struct Transaction {
    statements: Vec<Statement>,
    /// Full-text tables that it makes.
    made: Vec<Words>,
    announced: Vec<Selected<ItemAnnouncement>>,
}

impl Transaction {
    /// Adds a query; the handle reads its rows after the commit.
    pub fn query<Row>(&mut self, query: Query<Row>) -> Selected<Row> {
        Selected { place: self.add(query.statement), row: PhantomData }
    }

    /// Adds a write; the handle reads how many rows it changed.
    pub fn write(&mut self, write: Write) -> Written {
        if let Some(words) = write.words
            && !self.made.contains(&words)
        {
            self.made.push(words);
            for create in words.create().into_iter().flatten() {
                self.add(create);
            }
        }
        Written { place: self.add(write.statement) }
    }

    /// Adds writes whose answers nobody reads.
    pub fn write_all(&mut self, writes: impl IntoIterator<Item = Write>) {
        for write in writes {
            self.write(write);
        }
    }

    /// Adds a statement that returns job items; [`Committed::messages`] then announces those that are queued.
    pub fn announce(&mut self, query: Query<ItemAnnouncement>) {
        let queued = self.query(query);
        self.announced.push(queued);
    }

    /// Commits all statements.
    ///
    /// # Errors
    /// What the database fails with. The transaction may have happened all the same.
    pub async fn commit<P: Database>(self, ports: &P) -> Result<Committed, Failure> {
        let expected = self.statements.len();
        let answers = ports.transact(self.statements).await?.0;
        if answers.len() != expected {
            return Err(Failure::bug(format!("D1 gave {} answers to {expected} statements", answers.len())));
        }
        Ok(Committed { answers, announced: self.announced })
    }

    fn add(&mut self, statement: Statement) -> usize {
        self.statements.push(statement);
        self.statements.len() - 1
    }
}

/// The answers of a committed transaction.
#[derive(Debug)]
pub struct Committed {
    answers: Vec<Rows>,
    announced: Vec<Selected<ItemAnnouncement>>,
}

impl Committed {
    /// Returns how many rows a write changed.
    pub fn changes(&self, written: Written) -> u64 {
        self.answers.get(written.place).map_or(0, |rows| rows.changes)
    }

    /// Returns all rows of a query.
    ///
    /// # Errors
    /// A bug if a row is not what the code expects.
    pub fn all<Row: DeserializeOwned>(&self, selected: Selected<Row>) -> Result<Vec<Row>, Failure> {
        self.rows(selected.place)?.all()
    }

    /// Returns the first row of a query, if there is one.
    ///
    /// # Errors
    /// A bug if the row is not what the code expects.
    pub fn first<Row: DeserializeOwned>(&self, selected: Selected<Row>) -> Result<Option<Row>, Failure> {
        self.rows(selected.place)?.first()
    }

    /// Returns the messages for the queued items that statements added by [`Transaction::announce`] returned.
    ///
    /// # Errors
    /// A bug if a row is not what the code expects.
    pub fn messages(&self) -> Result<Vec<Message>, Failure> {
        let mut messages = Vec::new();
        for queued in &self.announced {
            messages.extend(self.all(*queued)?.into_iter().filter_map(ItemAnnouncement::message));
        }
        Ok(messages)
    }

    fn rows(&self, place: usize) -> Result<&Rows, Failure> {
        self.answers.get(place).ok_or_else(|| Failure::bug("a handle of another transaction"))
    }
}
