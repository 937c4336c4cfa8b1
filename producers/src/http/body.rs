//! Bodies: read once it is known that somebody may send them, and parsed so that a wrong field is named.

use std::{fmt, pin::pin};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use http::{HeaderMap, header::CONTENT_ENCODING};
use pipeline::{
    constants,
    problem::{Code, Problem, one_line},
    project, strict_json,
};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use uploads::inflate;

/// A request's body that is not read yet.
#[expect(async_fn_in_trait, reason = "Workers are single-threaded: no future needs to be Send")]
pub trait RequestBody {
    /// How many bytes it has, if that is known before it is read.
    fn length(&self) -> Option<usize>;
    /// Reads it whole. One over so many bytes is left where it is as soon as that is known: by what its
    /// headers announce, or else by what has come so far.
    ///
    /// # Errors
    /// [`Unread::TooLarge`] over the limit, [`Unread::Broken`] if it does not arrive.
    async fn read(self, limit: usize) -> Result<Bytes, Unread>;
}

/// The size that a `Content-Length` announces; more than a `usize` holds (4 GiB in a Worker) is as much as it
/// holds. `None` for what is no number.
pub fn announced(content_length: &str) -> Option<usize> {
    let is_number = !content_length.is_empty() && content_length.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| content_length.parse().unwrap_or(usize::MAX))
}

/// Puts the pieces of a body together; the rest is left where it is once they are over the limit.
///
/// # Errors
/// As [`RequestBody::read`].
pub async fn collect<E: fmt::Display>(
    pieces: impl Stream<Item = Result<Vec<u8>, E>>,
    limit: usize,
) -> Result<Bytes, Unread> {
    let mut pieces = pin!(pieces);
    let mut body = Vec::new();
    while let Some(piece) = pieces.next().await {
        body.extend_from_slice(&piece.map_err(|error| Unread::Broken(error.to_string()))?);
        if body.len() > limit {
            return Err(Unread::TooLarge(body.len()));
        }
    }
    Ok(Bytes::from(body))
}

/// Why a body was not read to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unread {
    /// It has so many bytes, or at least so many.
    TooLarge(usize),
    /// It did not arrive, and why.
    Broken(String),
}

impl Unread {
    /// For the sender of a body that may have so many bytes.
    pub fn problem(self, limit: usize) -> Problem {
        match self {
            Self::TooLarge(bytes) => {
                let detail = format!("a body of {bytes} bytes; the limit is {limit}: send less at once");
                Problem::field(Code::TooLarge, "Content-Length", detail)
            }
            Self::Broken(why) => Problem::new(Code::Malformed, format!("the body cannot be read: {why}")),
        }
    }
}

/// A body is too long to be taken without its length: R2 takes a stream only of a length that is named to it.
pub fn length_required() -> Problem {
    let detail = format!(
        "a body of more than {} bytes must say how long it is: send Content-Length in place of \
         Transfer-Encoding: chunked, such as from a file",
        constants::READ_AT_ONCE_BYTES
    );
    Problem::field(Code::LengthRequired, "Content-Length", detail)
}

/// A body that is in memory anyway.
impl RequestBody for Bytes {
    fn length(&self) -> Option<usize> {
        Some(self.len())
    }

    async fn read(self, limit: usize) -> Result<Bytes, Unread> {
        if self.len() > limit { Err(Unread::TooLarge(self.len())) } else { Ok(self) }
    }
}

/// What a body holds that was read: itself, or what it unfolds to where its headers say that it is compressed.
///
/// # Errors
/// [`Code::TooLarge`] for what unfolds to more than `limit` bytes, [`Code::Malformed`] for what does not unfold, and
/// [`Code::UnsupportedType`] for another encoding than gzip.
pub fn decoded(headers: &HeaderMap, body: Bytes, limit: usize) -> Result<Bytes, Problem> {
    Ok(without_mark(unfolded(headers, body, limit)?))
}

/// Editors put a byte order mark before what they save; JSON knows nothing of it.
fn without_mark(body: Bytes) -> Bytes {
    const MARK: &[u8] = "\u{feff}".as_bytes();
    if body.starts_with(MARK) { body.slice(MARK.len()..) } else { body }
}

fn unfolded(headers: &HeaderMap, body: Bytes, limit: usize) -> Result<Bytes, Problem> {
    let encoding = headers.get(CONTENT_ENCODING).map_or("", |value| value.to_str().unwrap_or("?")).trim();
    if encoding.is_empty() || encoding.eq_ignore_ascii_case("identity") {
        return Ok(body);
    }
    if !encoding.eq_ignore_ascii_case("gzip") {
        let detail = "only gzip is unfolded: send it so, or as it is";
        return Err(Problem::field(Code::UnsupportedType, "Content-Encoding", detail));
    }
    let whole = inflate::whole(&body, limit).map_err(|why| {
        let detail = format!("the body is said to be compressed and does not unfold: {why}");
        Problem::field(Code::Malformed, "Content-Encoding", detail)
    })?;
    whole.map(Bytes::from).ok_or_else(|| Unread::TooLarge(limit + 1).problem(limit))
}

/// Reads a JSON body as [`strict_json::read`] does, where no body at all means the defaults.
///
/// # Errors
/// As there.
pub fn read_or_default<T: DeserializeOwned + JsonSchema + Default>(body: &[u8]) -> Result<T, Problem> {
    if body.is_empty() { Ok(T::default()) } else { strict_json::read(body) }
}

/// The answer to a text of nothing but white space.
pub const EMPTY_TEXT: &str = "the text is empty: write at least one character that is not white space";

/// Checks a text's length in bytes, and that it holds something; trims it.
pub fn text(pointer: &str, value: &str, limit: usize) -> Result<String, Problem> {
    let value = value.trim();
    if value.is_empty() {
        return Err(Problem::field(Code::Invalid, pointer, EMPTY_TEXT));
    }
    if value.len() > limit {
        let detail = format!("{} bytes; the limit is {limit}: shorten it", value.len());
        return Err(Problem::field(Code::TooLarge, pointer, detail));
    }
    Ok(value.to_owned())
}

/// A project that is named or given by its git remote, in the form in which it is kept.
pub fn project(pointer: &str, name: &str) -> Result<String, Problem> {
    project::checked(name).map_err(|why| {
        let detail = format!("this is no name of a project: {why}; such as github.com/owner/name, or one word");
        Problem::field(Code::Invalid, pointer, detail)
    })
}

/// A [`text`] that is a name or a title: one line of what can be seen.
pub fn name(pointer: &str, value: &str, limit: usize) -> Result<String, Problem> {
    let name = text(pointer, value, limit)?;
    one_line(&name).map_err(|detail| Problem::field(Code::Invalid, pointer, detail))?;
    Ok(name)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures_util::stream;
    use test_platform::ready;

    use super::*;

    #[test]
    fn an_announcement_too_large_to_count_is_still_one() {
        assert_eq!(announced("131073"), Some(131_073));
        assert_eq!(announced(&"9".repeat(40)), Some(usize::MAX));
        assert_eq!([announced(""), announced("-1"), announced("1, 1")], [None; 3]);
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_what_is_read() {
        let read = |body: &'static str| decoded(&HeaderMap::new(), Bytes::from(body), 100).unwrap();
        assert_eq!([read("\u{feff}{}"), read("{}"), read("\u{feff}")], ["{}", "{}", ""].map(Bytes::from));
    }

    #[test]
    fn a_body_over_the_limit_is_not_read_to_its_end() {
        let read = Cell::new(0);
        let endless = stream::repeat_with(|| {
            read.set(read.get() + 1);
            Ok::<_, String>(vec![0; 10])
        });
        assert_eq!(ready(collect(endless, 25)), Err(Unread::TooLarge(30)));
        assert_eq!(read.get(), 3);
    }

    #[test]
    fn pieces_make_a_whole_and_a_broken_one_breaks_it() {
        let pieces = |pieces: Vec<Result<&'static str, &'static str>>| {
            stream::iter(pieces).map(|piece| piece.map(|text| text.as_bytes().to_vec()))
        };
        assert_eq!(ready(collect(pieces(vec![Ok("ab"), Ok("c")]), 3)), Ok(Bytes::from("abc")));
        let broken = ready(collect(pieces(vec![Ok("ab"), Err("gone")]), 3));
        assert_eq!(broken, Err(Unread::Broken("gone".to_owned())));
    }
}
