//! A request on its way to its handler, and what handlers may ask of the platform.

use bytes::Bytes;
use http::Request;
use pipeline::{
    budget::day::Budget,
    constants,
    platform::ports::{
        Channels, Clock, Database, Deployment, Embedder, KeyValue, ObjectStore, Queue, Random, RateLimiter, Sha256,
        VectorIndex,
    },
    tenant::Tenant,
};

/// Everything the API asks of the platform.
pub trait Platform:
    Database
    + ObjectStore
    + Queue
    + KeyValue
    + Embedder
    + VectorIndex
    + Channels
    + RateLimiter
    + Deployment
    + Clock
    + Random
    + Sha256
{
}
impl<P> Platform for P where
    P: Database
        + ObjectStore
        + Queue
        + KeyValue
        + Embedder
        + VectorIndex
        + Channels
        + RateLimiter
        + Deployment
        + Clock
        + Random
        + Sha256
{
}

/// A deployment's settings. Has no `Debug`: it holds secrets.
#[derive(Clone, Default)]
pub struct Settings {
    /// Keys the digests of API keys.
    pub pepper: Vec<u8>,
    /// Lets its holder create users; empty means nobody.
    pub admin_token: String,
    /// What new keys are marked with: `local`, `live`, ….
    pub environment: String,
    /// Pages that may open sessions, beside the deployment's own: `https://example.com`.
    pub allowed_origins: Vec<String>,
}

/// An authenticated request on its way to its route.
#[derive(Debug)]
pub struct Call<'a> {
    /// Who calls.
    pub tenant: Tenant,
    /// The request.
    pub request: &'a Request<Bytes>,
    /// The `{id}` of the path, empty without one.
    pub id: &'a str,
    /// What the day may still cost.
    pub budget: Budget,
}

impl Call<'_> {
    /// Seconds of `Prefer: wait=N`, at most what the server allows; 0 without it.
    pub fn wait_seconds(&self) -> u32 {
        let preferences = self.request.headers().get_all("prefer").iter().filter_map(|value| value.to_str().ok());
        preferences
            .flat_map(|value| value.split([',', ';']))
            .find_map(|preference| preference.trim().strip_prefix("wait=")?.trim().parse::<u32>().ok())
            .unwrap_or(0)
            .min(constants::WAIT_SECONDS)
    }

    /// A parameter of the query string.
    pub fn parameter(&self, name: &str) -> Option<String> {
        parameter(self.request, name)
    }
}

/// A parameter of a request's query string.
pub fn parameter(request: &Request<Bytes>, name: &str) -> Option<String> {
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(request.uri().query()?).ok()?;
    pairs.into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
}
