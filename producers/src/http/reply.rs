//! Answers, before they become HTTP: a status, headers, a body.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use pipeline::{
    chat::channel::{Channel, TurnEvent},
    failure::{Failure, FailureKind},
    ids::JobId,
    problem::{Code, Problem},
    time::{SECOND, Span},
};
use serde::Serialize;
use serde_json::Value;

/// Repeats the preference that an answer heeds (RFC 7240).
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
/// After how long asking again for what goes on is worth it.
const ASKED_AGAIN_AFTER: Span = SECOND;

/// What an answer carries.
#[derive(Debug)]
pub enum Body {
    /// Bytes, JSON most of the time.
    Bytes(Vec<u8>),
    /// A stream of a job's states, until it is terminal.
    JobEvents(JobId),
    /// A stream of what is published about a turn, until it ends.
    TurnEvents(TurnStream),
    /// The request goes on as a participant's connection to a session's channel.
    Join(Joining),
    /// A JSON object, with what a channel knows laid over it.
    WithChannel(Value, Channel),
    /// Nothing, once the channel has sent everybody away.
    CloseChannel(Channel),
}

/// Who joins which channel.
#[derive(Clone, Debug)]
pub struct Joining {
    /// The channel.
    pub channel: Channel,
    /// The participant, as the value of a header that the channel reads.
    pub participant: String,
}

/// What of a channel is streamed, and how.
#[derive(Debug)]
pub struct TurnStream {
    /// The turn's job.
    pub job: JobId,
    /// Where it is published.
    pub channel: Channel,
    /// The last event the listener has.
    pub since: i64,
    /// How its events are written.
    pub writer: Box<dyn EventWriter>,
    /// What closing it ends, if it ends anything.
    pub closing: Option<Closing>,
}

/// A turn that ends when its stream is closed by its client: see [`close`](crate::api::openai::join::close).
#[derive(Clone, Debug)]
pub struct Closing {
    /// The turn's job.
    pub job: JobId,
    /// What the turn is known by.
    pub key: String,
}

/// Writes a turn's events for a listener, in the words of the API they use.
pub trait EventWriter: fmt::Debug {
    /// An event as text of the stream; empty if it is none for this listener. The number is the event's
    /// place in its channel; of an end that only D1 knows, that of the event before it.
    fn write(&mut self, number: Option<i64>, event: &TurnEvent) -> String;

    /// True once the stream has ended, for the turn's end or before it.
    fn has_ended(&self) -> bool;

    /// What ends a stream whose turn goes on: a listener of server-sent events comes back, after its last event.
    fn break_off(&mut self) -> String {
        "retry: 1000\n\n".to_owned()
    }
}

/// An answer to a request.
#[derive(Debug)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its headers, the content type included.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Body,
    /// What failed and is told in the answer's own words: for the log.
    pub failure: Option<Failure>,
}

impl Reply {
    /// JSON with a status.
    pub fn json(status: StatusCode, data: &impl Serialize) -> Self {
        match serde_json::to_vec(data) {
            Ok(bytes) => Self::bytes(status, "application/json", bytes),
            Err(error) => Self::from(Problem::new(Code::Internal, format!("an answer that cannot be JSON: {error}"))),
        }
    }

    /// Bytes with a content type.
    pub fn bytes(status: StatusCode, content_type: &str, bytes: Vec<u8>) -> Self {
        Self { status, headers: HeaderMap::new(), body: Body::Bytes(bytes), failure: None }
            .with(header::CONTENT_TYPE, content_type)
    }

    /// Nothing but that what was said is heard.
    pub fn accepted() -> Self {
        Self::bytes(StatusCode::ACCEPTED, "application/json", Vec::new())
    }

    /// The same after something failed that the answer tells.
    #[must_use]
    pub fn after(self, failure: Option<Failure>) -> Self {
        Self { failure, ..self }
    }

    /// The same with one more header; a value that cannot be one is left out.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    /// True if a client says that it has this answer already, by its tag: whether that is weak or not, alone or among
    /// others (RFC 9110, section 13.1.2).
    pub fn is_known_to(&self, request: &HeaderMap) -> bool {
        let Some(tag) = self.headers.get(header::ETAG).and_then(|tag| tag.to_str().ok()) else { return false };
        let given = request.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        let mut given = given.flat_map(|value| value.split(',')).map(str::trim);
        given.any(|given| given == "*" || given.trim_start_matches("W/") == tag)
    }

    /// The same, about a job: where it is, and while it goes on when to ask for it again.
    #[must_use]
    pub fn of_job(self, job: &JobId) -> Self {
        let reply = self.with(header::LOCATION, &format!("/api/jobs/{job}"));
        if reply.status == StatusCode::ACCEPTED { reply.asked_again() } else { reply }
    }

    /// The same, about what goes on: when to ask again.
    #[must_use]
    pub fn asked_again(self) -> Self {
        self.asked_again_after(ASKED_AGAIN_AFTER)
    }

    /// The same, about what costs so much to look at that it is asked again later.
    #[must_use]
    pub fn asked_again_after(self, pause: Span) -> Self {
        self.with(header::RETRY_AFTER, &pause.max(ASKED_AGAIN_AFTER).as_seconds().to_string())
    }

    /// The same, after a wait as the caller preferred it (`Prefer: wait=N`).
    #[must_use]
    pub fn after_wait(self, wait: Span) -> Self {
        if wait == Span::ZERO { self } else { self.with(PREFERENCE_APPLIED, &format!("wait={}", wait.as_seconds())) }
    }
}

impl From<Problem> for Reply {
    fn from(problem: Problem) -> Self {
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let bytes = serde_json::to_vec(&problem).unwrap_or_default();
        let reply = Self::bytes(status, "application/problem+json", bytes);
        if status == StatusCode::UNAUTHORIZED { reply.with(header::WWW_AUTHENTICATE, "Bearer") } else { reply }
    }
}

/// Why a request is not answered as it wished.
#[derive(Debug)]
pub enum Refusal {
    /// The tenant can do something about it.
    Problem(Box<Problem>),
    /// A port failed.
    Failure(Failure),
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self::Problem(Box::new(problem))
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl Refusal {
    /// As problem details; a port's words stay in the log.
    pub fn into_problem(self) -> (Problem, Option<Failure>) {
        match self {
            Self::Problem(problem) => (*problem, None),
            Self::Failure(failure) => {
                let problem = match failure.kind {
                    FailureKind::Transient | FailureKind::Exhausted => {
                        Problem::new(Code::Unavailable, "a part of the service is not answering; try again")
                    }
                    FailureKind::Input => Problem::new(Code::Invalid, failure.why.clone()),
                    FailureKind::Bug => Problem::new(
                        Code::Internal,
                        "something went wrong on our side; if it happens again, report the request id",
                    ),
                };
                (problem, Some(failure))
            }
        }
    }
}

/// What a route gives back.
pub type Answer = Result<Reply, Refusal>;
