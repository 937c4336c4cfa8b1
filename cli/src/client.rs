//! The API over HTTP: every request with its key, its patience and its way of being tried again.

pub mod events;
mod pace;
pub mod pages;
mod retry;

use std::{
    io::{BufReader, Read},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use pipeline::problem::Problem;
use serde_json::Value;
use ureq::{
    Agent, Body, Proxy,
    http::{HeaderMap, Request as HttpRequest, Response},
    tls::{Certificate, RootCerts, TlsConfig},
};

use self::{
    pace::Pace,
    retry::{Attempts, Verdict},
};
use crate::{
    configuration,
    failure::{Exit, Failure},
};

/// How long a server may take to let itself be spoken to.
const CONNECT: Duration = Duration::from_secs(10);
/// How long it may take to begin to answer: longer than it waits where it is asked to (`Prefer: wait`).
const ANSWER: Duration = Duration::from_secs(90);
/// How long a body may take, in either direction. A stream of events is taken up again after it.
const BODY: Duration = Duration::from_mins(10);
/// Longest answer that is read: documents have 4 MB, lists less.
const LONGEST_ANSWER: u64 = 64 * 1024 * 1024;

/// A client of one deployment.
#[derive(Clone)]
pub struct Client {
    agent: Agent,
    url: String,
    key: String,
    counted: Arc<Counted>,
    pace: Arc<Pace>,
}

/// What went over the wire so far.
#[derive(Debug, Default)]
struct Counted {
    requests: AtomicU64,
    bytes: AtomicU64,
}

/// What is asked.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// `GET`, …
    pub method: &'static str,
    /// Path and query.
    pub path: &'a str,
    /// Body, with its media type.
    pub body: Option<(&'a str, &'a [u8])>,
    /// Other headers.
    pub headers: Vec<(&'static str, String)>,
    /// It does the same when it arrives twice, so that it is sent again when nobody knows whether it did.
    pub may_repeat: bool,
    /// It is given up without another attempt, and after so long.
    pub impatient: Option<Duration>,
}

impl<'a> Request<'a> {
    /// A request without a body; all methods but POST may be repeated.
    pub fn new(method: &'static str, path: &'a str) -> Self {
        let may_repeat = method != "POST";
        Self { method, path, body: None, headers: Vec::new(), may_repeat, impatient: None }
    }

    /// The same with a header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// A request that the server does once, however often it arrives.
    #[must_use]
    pub fn once(self, key: &str) -> Self {
        Self { may_repeat: true, ..self.with("idempotency-key", key) }
    }

    /// A request that does the same however often it arrives.
    #[must_use]
    pub fn repeatable(self) -> Self {
        Self { may_repeat: true, ..self }
    }
}

/// An answer that is no problem.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// The body as JSON; null where there is none.
    ///
    /// # Errors
    /// It is something else: whoever answered is no friend.
    pub fn json(&self) -> Result<Value, Failure> {
        if self.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&self.body).map_err(|_| {
            let excerpt: String = String::from_utf8_lossy(&self.body).chars().take(80).collect();
            Failure::new(Exit::Failed, format!("the answer is not JSON: {excerpt:?}"))
                .advise("is this the address of a deployment? `friend doctor` looks")
        })
    }
}

/// How what is sent to a URL is encrypted. Certificates are read only where there is something to verify.
fn encryption(url: &str) -> TlsConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let encryption = TlsConfig::builder().unversioned_rustls_crypto_provider(provider);
    if !url.starts_with("https") {
        return encryption.build();
    }
    // What cannot be read verifies nothing: a connection fails then, and says so.
    let trusted = rustls_native_certs::load_native_certs().certs;
    let trusted = trusted.iter().map(|certificate| Certificate::from_der(certificate).to_owned());
    encryption.root_certs(RootCerts::from(trusted)).build()
}

/// A key for a request that is to be done once.
pub fn idempotency_key() -> String {
    let mut bytes = [0u8; 16];
    // Without randomness the time tells two requests apart.
    if getrandom::fill(&mut bytes).is_err() {
        bytes = crate::clock::now().unix_timestamp_nanos().to_le_bytes();
    }
    format!("friend-{}", data_encoding::HEXLOWER.encode(&bytes))
}

impl Client {
    /// For a deployment and a key.
    pub fn new(url: &str, key: &str) -> Self {
        // A proxy would lead away from this machine, and read what is not encrypted on it.
        let proxy = if configuration::is_of_this_machine(url) { None } else { Proxy::try_from_env() };
        let agent = Agent::config_builder()
            .proxy(proxy)
            .http_status_as_error(false)
            .tls_config(encryption(url))
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(ANSWER))
            .timeout_send_body(Some(BODY))
            .timeout_recv_body(Some(BODY))
            .user_agent(concat!("friend/", env!("CARGO_PKG_VERSION")))
            .max_redirects(0)
            .max_redirects_will_error(false)
            .build()
            .into();
        Self { agent, url: url.to_owned(), key: key.to_owned(), counted: Arc::default(), pace: Arc::default() }
    }

    /// The deployment.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Requests and bytes of bodies that were sent so far, attempts that failed included.
    pub fn sent(&self) -> (u64, u64) {
        (self.counted.requests.load(Ordering::Relaxed), self.counted.bytes.load(Ordering::Relaxed))
    }

    /// `GET` of JSON.
    ///
    /// # Errors
    /// The server refuses, or is not reached.
    pub fn get(&self, path: &str) -> Result<Value, Failure> {
        self.send(&Request::new("GET", path))?.json()
    }

    /// A request with a JSON body, for JSON.
    ///
    /// # Errors
    /// The server refuses, or is not reached.
    pub fn json(&self, request: Request<'_>, body: &Value) -> Result<Value, Failure> {
        self.reply(request, body)?.json()
    }

    /// The same with the headers of the answer.
    ///
    /// # Errors
    /// The server refuses, or is not reached.
    pub fn reply(&self, request: Request<'_>, body: &Value) -> Result<Reply, Failure> {
        let text = body.to_string();
        self.send(&Request { body: Some(("application/json", text.as_bytes())), ..request })
    }

    /// Sends a request until it is answered, refused for good, or given up.
    ///
    /// # Errors
    /// The server refuses, or is not reached.
    pub fn send(&self, request: &Request<'_>) -> Result<Reply, Failure> {
        let mut attempts = Attempts::default();
        loop {
            let (failure, verdict) = match self.attempt(request).and_then(|response| read(response, request)) {
                Ok(reply) if (200..300).contains(&reply.status) => return Ok(reply),
                Ok(reply) => refused(&self.url, &reply),
                Err(error) => (unreachable(&self.url, &error), Verdict::of_error(&error)),
            };
            // What an attempt deleted whose answer was lost is not there for the next one.
            if request.method == "DELETE" && failure.exit == Exit::NotFound && attempts.may_be_done() {
                return Ok(Reply { status: 204, headers: HeaderMap::new(), body: Vec::new() });
            }
            wait(&mut attempts, verdict, request, failure)?;
        }
    }

    /// An event stream from behind an event, or nothing if all was heard.
    ///
    /// # Errors
    /// The server refuses, or is not reached.
    pub fn stream(&self, path: &str, heard: Option<&str>) -> Result<Option<impl Read + use<>>, Failure> {
        let mut request = Request::new("GET", path).with("accept", "text/event-stream");
        if let Some(heard) = heard {
            request = request.with("last-event-id", heard);
        }
        let mut attempts = Attempts::default();
        loop {
            let answer = self.attempt(&request).and_then(|response| match response.status().as_u16() {
                200 => Ok(Ok(response)),
                _ => read(response, &request).map(Err),
            });
            let (failure, verdict) = match answer {
                Ok(Ok(response)) => return Ok(Some(BufReader::new(response.into_body().into_reader()))),
                Ok(Err(reply)) if reply.status == 204 => return Ok(None),
                Ok(Err(reply)) => refused(&self.url, &reply),
                Err(error) => (unreachable(&self.url, &error), Verdict::of_error(&error)),
            };
            wait(&mut attempts, verdict, &request, failure)?;
        }
    }

    fn attempt(&self, request: &Request<'_>) -> Result<Response<Body>, ureq::Error> {
        let bytes = request.body.map_or(&[][..], |(_, bytes)| bytes);
        self.pace.wait();
        self.counted.requests.fetch_add(1, Ordering::Relaxed);
        self.counted.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        let mut http = HttpRequest::builder().method(request.method).uri(format!("{}{}", self.url, request.path));
        if !self.key.is_empty() {
            http = http.header("authorization", format!("Bearer {}", self.key));
        }
        for (name, value) in &request.headers {
            http = http.header(*name, value);
        }
        if let Some((media_type, _)) = request.body {
            http = http.header("content-type", media_type);
        }
        let timeout = request.impatient;
        if request.body.is_none() && request.method != "POST" {
            let http = self.agent.configure_request(http.body(())?).timeout_global(timeout).build();
            return self.agent.run(http);
        }
        let http = self.agent.configure_request(http.body(bytes)?).timeout_global(timeout).build();
        self.agent.run(http)
    }
}

/// Waits before the next attempt; if there is none, that was the last failure.
fn wait(attempts: &mut Attempts, verdict: Verdict, request: &Request<'_>, failure: Failure) -> Result<(), Failure> {
    let may_repeat = request.may_repeat && request.impatient.is_none();
    let pause = attempts.pause(verdict, may_repeat).ok_or_else(|| attempts.give_up(failure))?;
    std::thread::sleep(pause);
    Ok(())
}

fn read(response: Response<Body>, request: &Request<'_>) -> Result<Reply, ureq::Error> {
    let (head, mut body) = response.into_parts();
    // What is no answer to a HEAD or a 204 has no body.
    let bytes = if request.method == "HEAD" || head.status == 204 {
        Vec::new()
    } else {
        body.with_config().limit(LONGEST_ANSWER).read_to_vec()?
    };
    Ok(Reply { status: head.status.as_u16(), headers: head.headers, body: bytes })
}

/// What a refusal means, and whether it is worth another attempt.
fn refused(url: &str, reply: &Reply) -> (Failure, Verdict) {
    let problem: Option<Problem> = serde_json::from_slice(&reply.body).ok();
    let verdict = Verdict::of_refusal(reply.status, &reply.headers, problem.as_ref());
    let said =
        problem.as_ref().map_or_else(|| format!("{url} answers {}", reply.status), |problem| problem.detail.clone());
    let advice = match reply.status {
        401 | 403 => Some(format!("`friend login {url}` takes another key")),
        300..=399 => Some("this address leads elsewhere: `friend login` with the other one".to_owned()),
        500.. => Some("try again later, or look with `friend doctor`".to_owned()),
        _ => None,
    };
    let exit = Exit::of_status(reply.status);
    (Failure { exit, said, advice, problem }, verdict)
}

fn unreachable(url: &str, error: &ureq::Error) -> Failure {
    let said = match error {
        ureq::Error::Timeout(_) => format!("{url} did not answer in time"),
        ureq::Error::HostNotFound => format!("there is no host of that name: {url}"),
        ureq::Error::ConnectionFailed => format!("{url} is not reached"),
        error => format!("{url} is not reached: {error}"),
    };
    Failure::new(Exit::Failed, said)
        .advise("is it running, is the address right, is there a proxy? `friend doctor` looks")
}
