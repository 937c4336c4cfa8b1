//! Pages of other origins: those that the deployment names may call it, and no others.
//!
//! An origin is allowed that stands in `ALLOWED_ORIGINS` as the browser writes it, to the character. What a browser
//! asks before a request (a preflight) is answered without a key, since it sends none. A page brings its user's key in
//! `Authorization`, never a cookie: credentials are not allowed, and there is no wildcard.
//! <https://fetch.spec.whatwg.org/#http-cors-protocol>

use http::{HeaderMap, HeaderName, Request, StatusCode, header};
use pipeline::{
    problem::{Code, Problem},
    time::{HOUR, Span},
};

use crate::http::{call::Settings, openapi::headers, reply::Reply};

/// How long a browser need not ask again.
const PREFLIGHT_KEPT: Span = HOUR;

/// Where a request's page comes from, if it may read answers.
pub fn allowed_origin(settings: &Settings, headers: &HeaderMap) -> Option<String> {
    let origin = headers.get(header::ORIGIN)?.to_str().ok()?;
    settings.allows_origin(origin).then(|| origin.to_owned())
}

/// Refuses a request of a page of somebody else's: its browser says where it comes from. The deployment's own pages
/// are those of its host, unless the host is a name that anybody could have given to this machine: a page whose name
/// was pointed here would be of that host, too (DNS rebinding).
///
/// # Errors
/// [`Code::Forbidden`].
pub fn check_origin<B>(settings: &Settings, request: &Request<B>) -> Result<(), Problem> {
    let Some(origin) = request.headers().get(header::ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().unwrap_or_default();
    let (uri, scheme) = (request.uri(), request.uri().scheme_str().unwrap_or("https"));
    let own = uri.authority().map(|authority| format!("{scheme}://{authority}"));
    let is_named_by_itself = scheme == "https" || uri.host().is_some_and(|host| LOOPBACK.contains(&host));
    let is_allowed = is_named_by_itself && own.as_deref() == Some(origin) || settings.allows_origin(origin);
    if is_allowed {
        return Ok(());
    }
    let detail = "a page of this origin may not do this; it must be in ALLOWED_ORIGINS of the deployment";
    Err(Problem::field(Code::Forbidden, "Origin", detail))
}

/// Names of the machine itself, which nobody else can have.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// The answer to `OPTIONS`: the methods of the path, and for a page that may call it what it may send.
pub fn options(allowed: &str, headers: &HeaderMap, origin: Option<&str>) -> Reply {
    let reply = Reply::bytes(StatusCode::NO_CONTENT, "application/json", Vec::new()).with(header::ALLOW, allowed);
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let (Some(_), Some(_)) = (origin, text(header::ACCESS_CONTROL_REQUEST_METHOD)) else { return reply };
    // Whatever headers a client's library adds: what they mean is decided where they are read.
    let wanted = text(header::ACCESS_CONTROL_REQUEST_HEADERS).unwrap_or_default();
    reply
        .with(header::ACCESS_CONTROL_ALLOW_METHODS, allowed)
        .with(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted)
        .with(header::ACCESS_CONTROL_MAX_AGE, &PREFLIGHT_KEPT.as_seconds().to_string())
}

/// Lets a page read an answer, if it may. Where any may, caches are to keep their answers apart.
pub fn mark(reply: Reply, settings: &Settings, origin: Option<&str>) -> Reply {
    if settings.allowed_origins.is_empty() {
        return reply;
    }
    let reply = reply.with(header::VARY, "Origin, Access-Control-Request-Headers");
    let Some(origin) = origin else { return reply };
    reply
        .with(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin)
        .with(header::ACCESS_CONTROL_EXPOSE_HEADERS, &headers::exposed())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(origins: &[&str]) -> Settings {
        let allowed_origins = origins.iter().map(|origin| (*origin).to_owned()).collect();
        Settings { allowed_origins, ..Settings::default() }
    }

    fn asked(headers: &[(HeaderName, &str)]) -> HeaderMap {
        headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn an_origin_is_allowed_to_the_character() {
        let settings = settings(&["https://a.example", "http://localhost:3000", "null", "*"]);
        let is_allowed = |origin: &str| allowed_origin(&settings, &asked(&[(header::ORIGIN, origin)])).is_some();
        for origin in ["https://a.example", "http://localhost:3000"] {
            assert!(is_allowed(origin), "{origin}");
        }
        for origin in [
            "null",
            "*",
            "",
            "http://a.example",
            "https://a.example.",
            "https://a.example:443",
            "https://a.example/",
            "https://A.example",
            "https://a.example.evil.example",
            "https://evil-a.example",
            "https://sub.a.example",
            "https://a.example, https://evil.example",
            "http://localhost:30000",
            "http://localhost",
        ] {
            assert!(!is_allowed(origin), "{origin}");
        }
    }

    #[test]
    fn whoever_may_not_read_an_answer_is_told_nothing() {
        let settings = settings(&["https://a.example"]);
        let refused = mark(options("GET, HEAD", &HeaderMap::new(), None), &settings, None);
        assert!(!refused.headers.keys().any(|name| name.as_str().starts_with("access-control-")));
        assert_eq!(refused.headers[header::VARY], "Origin, Access-Control-Request-Headers");
        let none = mark(options("GET", &HeaderMap::new(), None), &Settings::default(), None);
        assert!(!none.headers.contains_key(header::VARY));
    }

    #[test]
    fn a_page_is_the_deployments_own_where_nobody_else_can_have_its_name() {
        let settings = settings(&["https://a.example"]);
        let is_allowed = |url: &str, origin: &str| {
            let request = Request::post(url).header(header::ORIGIN, origin).body(()).unwrap();
            check_origin(&settings, &request).is_ok()
        };
        for (url, origin) in [
            ("https://friend.example/mcp", "https://friend.example"),
            ("https://friend.example/mcp", "https://a.example"),
            ("http://localhost:8787/mcp", "http://localhost:8787"),
            ("http://127.0.0.1:8787/mcp", "http://127.0.0.1:8787"),
        ] {
            assert!(is_allowed(url, origin), "{url} {origin}");
        }
        for (url, origin) in [
            ("https://friend.example/mcp", "https://evil.example"),
            ("https://friend.example/mcp", "null"),
            ("https://friend.example/mcp", ""),
            ("https://friend.example/mcp", "http://friend.example"),
            ("http://localhost:8787/mcp", "http://localhost:9999"),
            ("http://evil.example:8787/mcp", "http://evil.example:8787"),
        ] {
            assert!(!is_allowed(url, origin), "{url} {origin}");
        }
        assert!(check_origin(&settings, &Request::post("http://evil.example/mcp").body(()).unwrap()).is_ok());
    }

    #[test]
    fn credentials_are_never_allowed_and_nothing_is_a_wildcard() {
        let headers = asked(&[
            (header::ACCESS_CONTROL_REQUEST_METHOD, "POST"),
            (header::ACCESS_CONTROL_REQUEST_HEADERS, "authorization,content-type,x-stainless-lang"),
        ]);
        let origin = Some("https://a.example");
        let reply = mark(options("POST", &headers, origin), &settings(&["https://a.example"]), origin);
        assert_eq!(reply.headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "https://a.example");
        assert_eq!(reply.headers[header::ACCESS_CONTROL_ALLOW_METHODS], "POST");
        let wanted = "authorization,content-type,x-stainless-lang";
        assert_eq!(reply.headers[header::ACCESS_CONTROL_ALLOW_HEADERS], wanted);
        assert!(!reply.headers.contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS));
        assert!(reply.headers.values().all(|value| !value.as_bytes().contains(&b'*')));
    }
}
