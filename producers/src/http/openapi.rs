//! `GET /openapi.json`: the API as its table of operations describes it, in `OpenAPI` 3.1.
//!
//! What is answered is `producers/openapi.json`, which the feature `description` writes from the table and the types
//! ([`description`]); a test of the whole product holds one to the other, and `DESCRIBE=1 cargo test -p tests --test
//! native published` writes it again.

#[cfg(feature = "description")]
pub mod description;
pub mod headers;

use std::sync::LazyLock;

use http::{HeaderMap, StatusCode, header};
use pipeline::{
    fingerprint,
    problem::{Code, Problem},
};
use uploads::inflate;

use crate::http::reply::{Body, Refusal, Reply};

/// The description, compressed when this crate is built.
static COMPRESSED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/openapi.json.gz"));
/// More than it has bytes.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// What distinguishes the description from that of another version.
static ETAG: LazyLock<String> = LazyLock::new(|| format!("\"{}\"", &fingerprint::of(&[COMPRESSED])[..32]));

/// The description; made once in an isolate.
static TEXT: LazyLock<Option<Vec<u8>>> = LazyLock::new(|| inflate::whole(COMPRESSED, MOST_BYTES).ok().flatten());

/// The description as an answer; nothing but its tag for whoever has it already.
///
/// # Errors
/// [`Code::Internal`] for what was not built as it should be.
pub fn reply(request: &HeaderMap) -> Result<Reply, Refusal> {
    let reply = Reply::bytes(StatusCode::NOT_MODIFIED, "application/json", Vec::new())
        .with(header::ETAG, &ETAG)
        .with(header::CACHE_CONTROL, "no-cache");
    if reply.is_known_to(request) {
        return Ok(reply);
    }
    let text = TEXT.clone().ok_or_else(|| Problem::new(Code::Internal, "the description cannot be read"))?;
    Ok(Reply { status: StatusCode::OK, body: Body::Bytes(text), ..reply })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_is_answered_as_it_was_written() {
        let Body::Bytes(answered) = reply(&HeaderMap::new()).unwrap().body else { panic!("it is no stream") };
        assert_eq!(answered, include_bytes!("../../openapi.json"));
    }

    #[test]
    fn whoever_has_the_description_is_told_so() {
        let mut request = HeaderMap::new();
        let whole = reply(&request).unwrap();
        request.insert(header::IF_NONE_MATCH, whole.headers[header::ETAG].clone());
        let known = reply(&request).unwrap();
        assert_eq!((whole.status, known.status), (StatusCode::OK, StatusCode::NOT_MODIFIED));
        assert!(matches!(known.body, Body::Bytes(bytes) if bytes.is_empty()));
    }
}
