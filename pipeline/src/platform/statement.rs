//! SQL as data: what a port sends to D1 and what comes back.

use std::borrow::Cow;

use serde::{
    Deserializer,
    de::{DeserializeOwned, Visitor},
    forward_to_deserialize_any,
};
use serde_json::value::RawValue;

use crate::{
    constants,
    failure::Failure,
    ids::{ChunkRow, ClaimToken, ConversationId, DocumentId, ItemId, JobId, MemoryId, SessionId, TurnId, UserId},
    time::{Span, Timestamp},
};

/// A value bound to a statement's parameter.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// SQL NULL.
    Null,
    /// A whole number, below 2^53 in magnitude: JavaScript carries it as a float.
    Integer(i64),
    /// A real number.
    Real(f64),
    /// Text; JSON for `json_each` travels as text.
    Text(String),
}

/// One SQL statement with its parameters `?1`, `?2`, ….
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// The SQL, never built from input; `@user` stands in it for a number.
    pub sql: &'static str,
    /// The number of the user whose full-text table it is about.
    pub user: Option<i64>,
    /// What is bound, in order.
    pub values: Vec<Value>,
}

impl Statement {
    /// Makes a statement without parameters so far.
    pub fn new(sql: &'static str) -> Self {
        Self { sql, user: None, values: Vec::new() }
    }

    /// Binds the next parameter.
    #[must_use]
    pub fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// The SQL as the database reads it.
    pub fn text(&self) -> Cow<'static, str> {
        self.filled(self.sql)
    }

    /// A text of it, with the number in its place.
    pub fn filled<'a>(&self, sql: &'a str) -> Cow<'a, str> {
        match self.user {
            Some(number) => Cow::Owned(sql.replace("@user", &number.to_string())),
            None => Cow::Borrowed(sql),
        }
    }

    /// Refuses what D1 does not take: a text, parameters or a parameter beyond its limits.
    ///
    /// # Errors
    /// What D1 says of it, in the words of its `SQLite`.
    pub fn check_size(&self) -> Result<(), Failure> {
        let is_long = |value: &Value| matches!(value, Value::Text(text) if text.len() > constants::D1_VALUE_BYTES);
        if self.sql.len() > constants::D1_STATEMENT_BYTES {
            return Err(Failure::bug("D1: D1_ERROR: statement too long: SQLITE_TOOBIG"));
        }
        if self.values.len() > constants::D1_PARAMETERS {
            return Err(Failure::bug("D1: D1_ERROR: too many SQL variables: SQLITE_ERROR"));
        }
        if self.values.iter().any(is_long) {
            return Err(Failure::bug("D1: D1_ERROR: string or blob too big: SQLITE_TOOBIG"));
        }
        Ok(())
    }
}

/// What one statement answered.
#[derive(Debug, Default)]
pub struct Rows {
    /// One JSON object per row.
    pub rows: Vec<Box<RawValue>>,
    /// Rows that the statement inserted, updated or deleted.
    pub changes: u64,
}

impl Rows {
    /// Returns all rows, read as `T`.
    ///
    /// # Errors
    /// A bug if a row is not what the code expects.
    pub fn all<T: DeserializeOwned>(&self) -> Result<Vec<T>, Failure> {
        self.rows.iter().map(|row| read(row)).collect()
    }

    /// Returns the first row, if there is one.
    ///
    /// # Errors
    /// A bug if a row is not what the code expects.
    pub fn first<T: DeserializeOwned>(&self) -> Result<Option<T>, Failure> {
        self.rows.first().map(|row| read(row)).transpose()
    }
}

fn read<T: DeserializeOwned>(row: &RawValue) -> Result<T, Failure> {
    T::deserialize(Row(&mut serde_json::Deserializer::from_str(row.get())))
        .map_err(|error| Failure::bug(format!("a row of D1 is not what the code expects: {error}")))
}

/// A row, which is an object: that serde's structures could be read from lists as well is a twentieth of a Worker.
struct Row<D>(D);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Row<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_map(visitor)
    }

    // Also how serde_json passes on what it leaves as it is.
    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_newtype_struct(name, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_map(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        seq tuple tuple_struct enum identifier ignored_any
    }
}

/// The answers of a transaction, by the statement's place in it.
#[derive(Debug, Default)]
pub struct Answers(pub Vec<Rows>);

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

/// A count of things in memory; none is as large as 2^53.
impl From<usize> for Value {
    fn from(value: usize) -> Self {
        Self::Integer(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

/// A count of what was used; none is as large as 2^53.
impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Integer(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Integer(i64::from(value))
    }
}

impl From<Timestamp> for Value {
    fn from(value: Timestamp) -> Self {
        Self::Integer(value.milliseconds())
    }
}

impl From<Span> for Value {
    fn from(value: Span) -> Self {
        Self::Integer(value.as_milliseconds())
    }
}

macro_rules! id_values {
    (text: $($text:ident)*; number: $($number:ident)*) => {
        $(impl From<&$text> for Value {
            fn from(value: &$text) -> Self {
                Self::Text(value.as_str().to_owned())
            }
        })*
        $(impl From<$number> for Value {
            fn from(value: $number) -> Self {
                Self::Integer(value.0)
            }
        })*
    };
}
id_values!(text: UserId JobId DocumentId ClaimToken ConversationId TurnId MemoryId SessionId; number: ItemId ChunkRow);

/// Turns data into the JSON text that `json_each` unfolds into rows.
///
/// # Errors
/// A bug if the data cannot be written as JSON.
pub fn json(data: &impl serde::Serialize) -> Result<String, Failure> {
    serde_json::to_string(data).map_err(|error| Failure::bug(format!("data that cannot be JSON: {error}")))
}
