//! Pages of lists: which entries are asked for, and how a page is answered.

use http::StatusCode;
use pipeline::{
    constants,
    problem::{Code, Problem},
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
    pub data: Vec<T>,
    /// Where the next page begins; nothing on the last.
    pub next_cursor: Option<String>,
}

/// `limit` and `cursor` of a list.
pub fn page(call: &Call<'_>) -> Result<(i64, Option<String>), Problem> {
    let most = i64::try_from(constants::PAGE).unwrap_or(i64::MAX);
    let limit = match call.parameter("limit") {
        None => most,
        Some(text) => text.parse().ok().filter(|limit| (1..=most).contains(limit)).ok_or_else(|| {
            Problem::field(Code::Invalid, "limit", format!("expected a whole number from 1 to {most}"))
        })?,
    };
    Ok((limit, call.parameter("cursor")))
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
    Reply::json(StatusCode::OK, &Page { data: entries, next_cursor })
}
