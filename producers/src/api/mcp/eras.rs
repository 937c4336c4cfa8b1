//! The versions of MCP that are spoken, and by which one a request is to be answered.
//!
//! Until 2025-11-25 a client begins with `initialize` and says in a header which version it agreed on. Since
//! 2026-07-28 every request says all that is to be known of it, twice: in `_meta`, and in headers for whatever stands
//! between. <https://modelcontextprotocol.io/specification/2026-07-28/basic/versioning>

use std::collections::BTreeMap;

use data_encoding::BASE64;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json, value::RawValue};

use super::jsonrpc::{ErrorCode, Request, RpcError, text};

/// The version in which every request says all that is to be known of it.
pub const MODERN: &str = "2026-07-28";
/// Versions that begin with `initialize`, the newest first.
pub const LEGACY: [&str; 3] = ["2025-11-25", "2025-06-18", OLDEST];
/// What a request without a header is of; the only version with batches.
const OLDEST: &str = "2025-03-26";

const VERSION_HEADER: &str = "mcp-protocol-version";
const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const META_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

/// How a request is to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// As of 2026-07-28.
    Modern,
    /// As of the versions before.
    Legacy,
}

impl Era {
    /// The status of an error. Before 2026-07-28 an error that answers a request is an answer like any other; least of
    /// all is it 404, which tells such clients to begin anew.
    pub const fn status(self, code: ErrorCode) -> StatusCode {
        match (self, code) {
            (_, ErrorCode::Parse | ErrorCode::InvalidRequest | ErrorCode::UnsupportedVersion) => {
                StatusCode::BAD_REQUEST
            }
            (Self::Legacy, _) | (_, ErrorCode::Internal) => StatusCode::OK,
            (Self::Modern, ErrorCode::MethodNotFound) => StatusCode::NOT_FOUND,
            (Self::Modern, _) => StatusCode::BAD_REQUEST,
        }
    }

    /// What is said where there is no such resource.
    pub const fn no_such_resource(self) -> ErrorCode {
        match self {
            Self::Modern => ErrorCode::InvalidParams,
            Self::Legacy => ErrorCode::ResourceNotFound,
        }
    }
}

/// Every version that is spoken, the newest first.
pub fn supported() -> Vec<&'static str> {
    std::iter::once(MODERN).chain(LEGACY).collect()
}

/// True if a batch may come: the version that knows them is the one without a header.
pub fn takes_batches(headers: &HeaderMap) -> bool {
    headers.get(VERSION_HEADER).is_none_or(|version| version == OLDEST)
}

/// Checks the header of what wants no answer.
///
/// # Errors
/// [`ErrorCode::UnsupportedVersion`].
pub fn check_note(headers: &HeaderMap) -> Result<(), RpcError> {
    match headers.get(VERSION_HEADER) {
        None => Ok(()),
        Some(version) => {
            let version = version.to_str().unwrap_or_default();
            if supported().contains(&version) { Ok(()) } else { Err(unsupported(version)) }
        }
    }
}

/// By which version a request is to be answered.
///
/// # Errors
/// With the era in whose words it is said: what the request leaves out, or says in its headers otherwise than in
/// itself, or a version that is not spoken.
pub fn of(headers: &HeaderMap, request: &Request<'_>) -> Result<Era, (Era, RpcError)> {
    let in_era = |era: Era| move |error: RpcError| (era, error);
    let fields = Request::fields(request.params).map_err(in_era(Era::Legacy))?;
    let meta = fields.get("_meta").copied();
    let meta = Request::fields(meta).map_err(in_era(Era::Legacy))?;
    let header = headers.get(VERSION_HEADER);
    if meta.contains_key(META_VERSION) || header.is_some_and(|version| version == MODERN) {
        check_modern(headers, request, &fields, &meta).map_err(in_era(Era::Modern))?;
        return Ok(Era::Modern);
    }
    // What there is to agree on is not agreed on yet.
    if request.method == "initialize" {
        return Ok(Era::Legacy);
    }
    let version = header.map_or(OLDEST, |version| version.to_str().unwrap_or_default());
    if LEGACY.contains(&version) { Ok(Era::Legacy) } else { Err((Era::Legacy, unsupported(version))) }
}

fn check_modern(
    headers: &HeaderMap,
    request: &Request<'_>,
    fields: &BTreeMap<String, &RawValue>,
    meta: &BTreeMap<String, &RawValue>,
) -> Result<(), RpcError> {
    let missing = |name: &str, what: &str| {
        RpcError::new(ErrorCode::InvalidParams, format!("params._meta[\"{name}\"] is missing, or no {what}"))
    };
    let version = text(meta, META_VERSION).ok_or_else(|| missing(META_VERSION, "text"))?;
    if !meta.get(META_CAPABILITIES).is_some_and(|value| value.get().starts_with('{')) {
        return Err(missing(META_CAPABILITIES, "object"));
    }
    check_header(headers, "MCP-Protocol-Version", &version, Encoding::Plain)?;
    check_header(headers, "Mcp-Method", &request.method, Encoding::Plain)?;
    let named = match request.method.as_str() {
        "tools/call" | "prompts/get" => Some("name"),
        "resources/read" => Some("uri"),
        _ => None,
    };
    if let Some(name) = named.and_then(|field| text(fields, field)) {
        check_header(headers, "Mcp-Name", &name, Encoding::MayBeBase64)?;
    }
    if version == MODERN { Ok(()) } else { Err(unsupported(&version)) }
}

/// How a header may be written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Encoding {
    /// As it is.
    Plain,
    /// Or as `=?base64?…?=`.
    MayBeBase64,
}

fn check_header(headers: &HeaderMap, name: &str, expected: &str, encoding: Encoding) -> Result<(), RpcError> {
    let mismatch = |what: String| RpcError::new(ErrorCode::HeaderMismatch, format!("Header mismatch: {name} {what}"));
    let mut values = headers.get_all(name).iter();
    let value = values.next().ok_or_else(|| mismatch("is missing".to_owned()))?;
    if values.next().is_some() {
        return Err(mismatch("stands there twice".to_owned()));
    }
    let value = value.to_str().map_err(|_| mismatch("holds characters that no header may".to_owned()))?;
    let decoded = if encoding == Encoding::MayBeBase64 { decoded(value) } else { Some(value.to_owned()) };
    match decoded {
        Some(decoded) if decoded == expected => Ok(()),
        Some(decoded) => Err(mismatch(format!("says {decoded:?}, and the body {expected:?}"))),
        None => Err(mismatch("is no Base64 of UTF-8 between its marks".to_owned())),
    }
}

/// A header's value; `None` for what is marked as Base64 and is none.
fn decoded(value: &str) -> Option<String> {
    let Some(encoded) = value.strip_prefix("=?base64?").and_then(|value| value.strip_suffix("?=")) else {
        return Some(value.to_owned());
    };
    String::from_utf8(BASE64.decode(encoded.as_bytes()).ok()?).ok()
}

fn unsupported(requested: &str) -> RpcError {
    let data: Value = json!({ "supported": supported(), "requested": requested });
    RpcError::new(ErrorCode::UnsupportedVersion, "Unsupported protocol version").with(data)
}

/// The version that `initialize` agrees on: the one that was asked for, or the newest that begins so.
pub fn agreed(asked: Option<&str>) -> &'static str {
    LEGACY.into_iter().find(|version| Some(*version) == asked).unwrap_or(LEGACY[0])
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::super::jsonrpc::{Body, Message, read};
    use super::*;

    fn of_body(headers: &[(&'static str, &str)], body: &Value) -> Result<Era, i32> {
        let map: HeaderMap =
            headers.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect();
        let body = body.to_string();
        let Body::One(Message::Request(request)) = read(body.as_bytes()).unwrap() else { panic!("a request") };
        of(&map, &request).map_err(|(_, error)| error.code.number())
    }

    fn modern(method: &str, mut params: Value) -> Value {
        params["_meta"] = json!({ META_VERSION: MODERN, META_CAPABILITIES: {} });
        json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })
    }

    #[test]
    fn a_request_of_today_says_the_same_in_itself_and_in_its_headers() {
        let version = (VERSION_HEADER, MODERN);
        let call = modern("tools/call", json!({ "name": "friend_search" }));
        let method = ("mcp-method", "tools/call");
        assert_eq!(of_body(&[version, method, ("mcp-name", "friend_search")], &call), Ok(Era::Modern));
        let encoded = ("mcp-name", "=?base64?ZnJpZW5kX3NlYXJjaA==?=");
        assert_eq!(of_body(&[version, method, encoded], &call), Ok(Era::Modern));
        for headers in [
            vec![],
            vec![version],
            vec![method, encoded],
            vec![version, method],
            vec![version, ("mcp-method", "tools/list"), encoded],
            vec![version, ("mcp-method", "Tools/Call"), encoded],
            vec![version, method, ("mcp-name", "friend_get")],
            vec![version, method, ("mcp-name", "=?base64?####?=")],
            vec![version, method, ("mcp-name", "friend_search"), ("mcp-name", "friend_search")],
            vec![(VERSION_HEADER, "2025-11-25"), method, encoded],
        ] {
            assert_eq!(of_body(&headers, &call), Err(-32020), "{headers:?}");
        }
        let list = modern("tools/list", json!({}));
        assert_eq!(of_body(&[version, ("mcp-method", "tools/list")], &list), Ok(Era::Modern));
    }

    #[test]
    fn what_a_request_of_today_leaves_out_is_named() {
        let headers = [(VERSION_HEADER, MODERN), ("mcp-method", "tools/list")];
        for meta in [json!({}), json!({ META_VERSION: MODERN }), json!({ META_VERSION: 1, META_CAPABILITIES: {} })] {
            let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": { "_meta": meta } });
            assert_eq!(of_body(&headers, &body), Err(-32602), "{body}");
        }
        let none = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
        assert_eq!(of_body(&headers, &none), Err(-32602));
    }

    #[test]
    fn a_version_that_is_not_spoken_is_told_those_that_are() {
        let mut body = modern("server/discover", json!({}));
        body["params"]["_meta"][META_VERSION] = json!("1900-01-01");
        let headers = [(VERSION_HEADER, "1900-01-01"), ("mcp-method", "server/discover")];
        assert_eq!(of_body(&headers, &body), Err(-32022));
        let plain = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
        assert_eq!(of_body(&[(VERSION_HEADER, "2024-11-05")], &plain), Err(-32022));
        let error = unsupported("1900-01-01");
        assert_eq!(error.data.unwrap()["supported"][0], MODERN);
    }

    #[test]
    fn without_a_header_a_request_is_of_the_oldest_version() {
        let plain = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
        assert_eq!(of_body(&[], &plain), Ok(Era::Legacy));
        for version in LEGACY {
            assert_eq!(of_body(&[(VERSION_HEADER, version)], &plain), Ok(Era::Legacy));
            assert_eq!(agreed(Some(version)), version);
        }
        assert_eq!([agreed(None), agreed(Some("2024-11-05")), agreed(Some(MODERN))], ["2025-11-25"; 3]);
        assert!(takes_batches(&HeaderMap::new()));
    }

    #[test]
    fn only_today_is_a_method_that_there_is_not_a_404() {
        assert_eq!(Era::Modern.status(ErrorCode::MethodNotFound), StatusCode::NOT_FOUND);
        assert_eq!(Era::Legacy.status(ErrorCode::MethodNotFound), StatusCode::OK);
        assert_eq!(Era::Legacy.status(ErrorCode::Parse), StatusCode::BAD_REQUEST);
    }
}
