//! A request on its way to its handler, and what handlers may ask of the platform.

use std::fmt;

use bytes::Bytes;
use http::Request;
use pipeline::{
    budget::day::Budget,
    constants,
    platform::ports::{
        Channels, Clock, Database, Deployment, Embedder, Isolate, KeyValue, Meter, ObjectStore, Queue, Random,
        RateLimiter, Reranker, Sha256, UnreadBody, VectorIndex,
    },
    port_set,
    problem::{Code, Problem},
    tenant::Tenant,
    time::Span,
};

use crate::http::query;

/// Where hooks call: whatever goes wrong here, nobody at work is to be disturbed by it.
pub const HOOKS_PATH: &str = "/hooks/claude-code";

port_set! {
    /// Everything the API asks of the platform. `'static`, so that the table of operations is a constant.
    pub trait RequestPorts:
        Database
        + ObjectStore
        + Queue
        + KeyValue
        + Embedder
        + Reranker
        + VectorIndex
        + Channels
        + RateLimiter
        + Deployment
        + Meter
        + Isolate
        + Clock
        + Random
        + Sha256
        + UnreadBody
        + 'static
}

/// A deployment's settings.
#[derive(Clone, Default)]
pub struct Settings {
    /// Keys the digests of API keys.
    pub pepper: Vec<u8>,
    /// Lets its holder create users; empty means nobody.
    pub admin_token: String,
    /// What new keys are marked with: `local`, `live`, ….
    pub environment: String,
    /// Pages that may call the API and open sessions, beside the deployment's own: `https://example.com`.
    pub allowed_origins: Vec<String>,
}

impl Settings {
    /// True for the origin of a page that the deployment names. A page without one (`null`) is nobody's.
    pub fn allows_origin(&self, origin: &str) -> bool {
        !["", "*", "null"].contains(&origin) && self.allowed_origins.iter().any(|allowed| allowed == origin)
    }
}

/// Without the secrets.
impl fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Settings").field("environment", &self.environment).finish_non_exhaustive()
    }
}

/// A request on its way to a handler that need not know who asks.
#[derive(Clone, Copy, Debug)]
pub struct PublicCall<'a> {
    /// The request.
    pub request: &'a Request<Bytes>,
    /// The `{id}` of the path, empty without one.
    pub id: &'a str,
    /// The deployment's.
    pub settings: &'a Settings,
}

/// An authenticated request on its way to its handler.
#[derive(Debug)]
pub struct Call<'a> {
    /// Who calls.
    pub tenant: Tenant,
    /// The request.
    pub request: &'a Request<Bytes>,
    /// The length of a body that was left unread: its operation streams what is so long.
    pub unread: Option<u64>,
    /// The `{id}` of the path, empty without one.
    pub id: &'a str,
    /// The deployment's.
    pub settings: &'a Settings,
    /// What the day may still cost.
    pub budget: &'a Budget,
}

impl Call<'_> {
    /// How long `Prefer: wait=N` wants to wait, at most what the server allows; not at all without it.
    pub fn wait(&self) -> Span {
        let preferences = self.request.headers().get_all("prefer").iter().filter_map(|value| value.to_str().ok());
        preferences
            .flat_map(|value| value.split([',', ';']))
            .find_map(|preference| {
                let (name, value) = preference.split_once('=')?;
                let is_wait = name.trim().eq_ignore_ascii_case("wait");
                seconds(value.trim().trim_matches('"')).filter(|_| is_wait)
            })
            .map_or(Span::ZERO, |seconds| Span::seconds(i64::from(seconds)).min(constants::WAIT))
    }

    /// A parameter of the query string.
    pub fn parameter(&self, name: &str) -> Option<String> {
        query::value(self.request, name)
    }

    /// A parameter that is on or off; see [`query::flag`].
    ///
    /// # Errors
    /// As there.
    pub fn flag(&self, name: &str) -> Result<bool, Problem> {
        query::flag(self.request, name)
    }
}

/// A whole number of seconds; whoever asks for more than can be counted wants to wait as long as may be.
fn seconds(text: &str) -> Option<u32> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u32::MAX))
}

/// The id of the last event a listener has: `?since=`, or what its `EventSource` remembers.
pub fn last_event(request: &Request<Bytes>) -> Option<String> {
    let header = || request.headers().get("last-event-id").and_then(|value| value.to_str().ok()).map(str::to_owned);
    query::value(request, "since").or_else(header)
}

/// The number of the last event a participant has.
pub fn since(request: &Request<Bytes>) -> Result<i64, Problem> {
    match last_event(request) {
        None => Ok(0),
        Some(text) => text
            .parse()
            .ok()
            .filter(|since| *since >= 0)
            .ok_or_else(|| Problem::field(Code::Invalid, "since", "expected the number of an event")),
    }
}
