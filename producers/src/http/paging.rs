//! Pages of lists: which entries are asked for, and how a page is answered.

use std::fmt;

use http::StatusCode;
use pipeline::{
    constants, date,
    problem::{Code, Problem},
    time::Timestamp,
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::http::{call::Call, reply::Reply};

/// How many entries a page of a list has at most.
#[derive(Clone, Copy, Debug, JsonSchema)]
#[schemars(inline, extend("minimum" = 1, "maximum" = constants::PAGE))]
pub struct Limit(pub u32);

/// A page of a list.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PageOf{T}")]
pub struct Page<T> {
    /// Its entries.
    pub items: Vec<T>,
    /// Where the next page begins; nothing on the last.
    pub next_cursor: Option<String>,
    /// How many entries it has at most.
    pub limit: usize,
}

/// Where a page begins of a list that is ordered by time: behind the entry of this time and id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behind {
    /// Its time.
    pub time: Timestamp,
    /// Its id, which parts those of one time.
    pub id: String,
}

impl Behind {
    /// Reads a cursor; `None` if it is none.
    pub fn parse(cursor: &str) -> Option<Self> {
        let (time, id) = cursor.split_once('.')?;
        Some(Self { time: Timestamp::from_milliseconds(number(time)?), id: id.to_owned() })
    }

    /// Writes the cursor of an entry.
    pub fn cursor(time: Timestamp, id: impl fmt::Display) -> String {
        format!("{}.{id}", time.milliseconds())
    }
}

/// `limit` and `cursor` of a list, whose cursors `parse` reads.
///
/// # Errors
/// [`Code::Invalid`] for a limit that no page may have, and for a cursor that no page gave.
pub fn page<C>(call: &Call<'_>, parse: impl Fn(&str) -> Option<C>) -> Result<(i64, Option<C>), Problem> {
    let most = i64::try_from(constants::PAGE).unwrap_or(i64::MAX);
    let limit = match call.parameter("limit") {
        None => most,
        Some(text) => whole_number(&text).filter(|limit| (1..=most).contains(limit)).ok_or_else(|| {
            Problem::field(Code::Invalid, "limit", format!("expected a whole number from 1 to {most}"))
        })?,
    };
    let cursor = call.parameter("cursor").map(|cursor| {
        let detail = "this is no cursor of this list: send a next_cursor as it came, or none for the first page";
        parse(&cursor).ok_or_else(|| Problem::field(Code::Invalid, "cursor", detail))
    });
    Ok((limit, cursor.transpose()?))
}

/// A number of digits alone: `+3` is none.
fn whole_number(text: &str) -> Option<i64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Reads a cursor that is the number of an entry.
pub fn number(cursor: &str) -> Option<i64> {
    whole_number(cursor).filter(|number| number.to_string() == cursor)
}

/// Reads a cursor that is the id of an entry: one that was cut off, or has something behind it, is none.
pub fn id<T>(cursor: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
    let (prefix, suffix) = cursor.split_once('_')?;
    // A document's is made of a hash, the others of a time.
    let length = if prefix == "doc" { 24 } else { 26 };
    parse(cursor).filter(|_| suffix.len() == length)
}

/// A parameter that is one of these names, or absent.
///
/// # Errors
/// [`Code::Invalid`], which lists the names.
pub fn one_of(call: &Call<'_>, name: &str, names: &[&str]) -> Result<Option<String>, Problem> {
    let value = call.parameter(name);
    if value.as_deref().is_some_and(|value| !names.contains(&value)) {
        return Err(Problem::field(Code::Invalid, name, format!("expected one of {}", names.join(", "))));
    }
    Ok(value)
}

/// A parameter that is a point in time, or absent.
///
/// # Errors
/// [`Code::Invalid`] for what is no [`date`].
pub fn time(call: &Call<'_>, name: &str) -> Result<Option<Timestamp>, Problem> {
    let wrong = || Problem::field(Code::Invalid, name, date::EXPECTED);
    let parsed = |text: String| date::parse(&text).ok_or_else(wrong);
    call.parameter(name).map(parsed).transpose()
}

/// A page of a list: one entry more than `limit` was asked for, to know whether there is a next.
pub fn page_reply<T: Serialize>(entries: Vec<T>, limit: i64, cursor: impl Fn(&T) -> String) -> Reply {
    page_reply_before(entries, limit, cursor, None)
}

/// A page of a list of which only a part was looked through; what is behind that, if anything, begins at `next`.
pub fn page_reply_before<T: Serialize>(
    mut entries: Vec<T>,
    limit: i64,
    cursor: impl Fn(&T) -> String,
    next: Option<String>,
) -> Reply {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = entries.len() > limit;
    entries.truncate(limit);
    let next_cursor = if more { entries.last().map(cursor) } else { next };
    Reply::json(StatusCode::OK, &Page { items: entries, next_cursor, limit })
}
