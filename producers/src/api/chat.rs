//! `POST /api/chat`: a question in, a turn out.
//!
//! 1. Check the question and where it belongs.
//! 2. Asked before in the same state of things: the answer is there already ([`cached`]).
//! 3. Commit the turn ([`accept`]): only then is the answer 202, and only then is a message sent.
//! 4. `Prefer: wait=N` waits for the end.

pub mod accept;
pub mod cached;

use http::StatusCode;
use pipeline::{
    chat::{
        catalogue::{Catalogue, RouteName},
        profile::Profile,
        turn::{Ask, Turn, TurnResult},
    },
    constants,
    failure::Failure,
    filters::Filters,
    ids::{ConversationId, JobId, SessionId, TurnId, UserId},
    platform::{ports::Database, statement::json},
    problem::{Code, Problem, excerpt},
    restore,
    store::sessions,
    strict_json,
    tenant::Tenant,
    time::Span,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json as value};

use self::accept::{Acceptance, Question};
use crate::{
    api::{jobs, search::request::check_filters},
    http::{
        body,
        call::{Call, RequestPorts},
        idempotency::{self, Key, Replay},
        reply::{Answer, Refusal, Reply},
    },
};

/// A question as a client sends it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Chat")]
pub struct ChatRequest {
    /// What is asked.
    #[schemars(length(min = 1, max = constants::CHAT_MESSAGE_BYTES), extend("pattern" = "\\S"))]
    pub message: String,
    /// The conversation it goes on with; without one a new one begins.
    #[schemars(with = "Option<ConversationId>")]
    pub conversation_id: Option<String>,
    /// The live session in which the answer is published.
    #[schemars(with = "Option<SessionId>")]
    pub session_id: Option<String>,
    /// `simple`, `general`, `code` or `complex`; without one the question decides.
    #[schemars(with = "Option<RouteName>")]
    pub route: Option<String>,
    /// What sources must be.
    #[serde(default)]
    pub filters: Filters,
    /// Whether memories are recalled and proposed.
    #[serde(default = "yes")]
    pub use_memory: bool,
    /// Most tokens of the answer.
    #[schemars(range(min = 1, max = u32::MAX))]
    pub max_tokens: Option<i64>,
}

/// The answer to whoever waits for a turn that was cancelled meanwhile.
pub(super) const CANCELLED: &str = "the turn was cancelled: ask again";

fn yes() -> bool {
    true
}

/// A question that may be asked.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The question, trimmed.
    pub message: String,
    /// The conversation, if it goes on with one.
    pub conversation: Option<ConversationId>,
    /// The session, if it is published in one.
    pub session: Option<SessionId>,
    /// How it is to be answered.
    pub ask: Ask,
}

/// A question that was accepted.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ChatAnswer<'a> {
    job_id: &'a JobId,
    turn_id: &'a TurnId,
    conversation_id: &'a ConversationId,
    status: &'static str,
}

impl<'a> ChatAnswer<'a> {
    fn queued(job: &'a JobId, turn: &'a Turn) -> Self {
        Self { job_id: job, turn_id: &turn.turn_id, conversation_id: &turn.conversation_id, status: "queued" }
    }
}

/// Reads and checks a question.
pub fn parse(text: &[u8]) -> Result<Checked, Problem> {
    check(strict_json::read(text)?)
}

/// Checks a question that was read.
pub fn check(request: ChatRequest) -> Result<Checked, Problem> {
    let message = body::text("/message", &request.message, constants::CHAT_MESSAGE_BYTES)?;
    check_filters(&request.filters)?;
    let conversation =
        request.conversation_id.map(|id| ConversationId::parse(&id).ok_or_else(no_such_conversation)).transpose()?;
    let session = request.session_id.map(|id| SessionId::parse(&id).ok_or_else(no_such_session)).transpose()?;
    let route = request.route.as_deref().map(route).transpose()?;
    let max_tokens = request.max_tokens.map(max_tokens).transpose()?;
    let ask = Ask { route, filters: request.filters, use_memory: request.use_memory, max_tokens, ..Ask::default() };
    Ok(Checked { message, conversation, session, ask })
}

fn no_such_conversation() -> Problem {
    let detail = "there is no such conversation; leave the field out to begin one";
    Problem::field(Code::NotFound, "/conversation_id", detail)
}

fn no_such_session() -> Problem {
    let detail = "there is no such open session; POST /api/session opens one";
    Problem::field(Code::NotFound, "/session_id", detail)
}

fn route(name: &str) -> Result<RouteName, Problem> {
    RouteName::parse(name).ok_or_else(|| {
        let names = RouteName::ALL.map(RouteName::name).join(", ");
        Problem::field(Code::Invalid, "/route", format!("{:?} is none of {names}", excerpt(name)))
    })
}

/// Checks a limit of tokens; a route's own limit cuts it down later.
pub fn max_tokens(wanted: i64) -> Result<u32, Problem> {
    u32::try_from(wanted).ok().filter(|tokens| *tokens > 0).ok_or_else(|| {
        let most = u32::MAX;
        Problem::field(Code::Invalid, "/max_tokens", format!("{wanted} is not a number of tokens from 1 to {most}"))
    })
}

/// Answers the route. See the module for its steps.
pub async fn chat<P: RequestPorts>(ports: &P, call: &Call<'_>) -> Answer {
    let checked = parse(call.request.body())?;
    let key = match idempotency::begin(ports, call).await? {
        idempotency::Begun::Answered(replay) => return replayed(ports, call, replay).await,
        idempotency::Begun::New(key) => key,
    };
    let begun = begin(ports, &call.tenant, checked, key.as_ref(), "chat").await?;
    answer(ports, &call.tenant.user, &begun, call.wait()).await
}

/// A turn that was accepted.
#[derive(Clone, Debug)]
pub struct Begun {
    /// Its job.
    pub job: JobId,
    /// What it is about.
    pub turn: Turn,
    /// Its answer, if it was there already.
    pub result: Option<TurnResult>,
}

/// Accepts a question: from the cache, or as a job. `origin` is `chat`, or `openai` for a
/// conversation whose client keeps the history.
pub async fn begin<P: RequestPorts>(
    ports: &P,
    tenant: &Tenant,
    checked: Checked,
    key: Option<&Key>,
    origin: &str,
) -> Result<Begun, Refusal> {
    begin_unless_known(ports, tenant, checked, key, origin).await?.ok_or_else(|| idempotency::in_flight().into())
}

/// The same; `None` if another request holds the key.
pub async fn begin_unless_known<P: RequestPorts>(
    ports: &P,
    tenant: &Tenant,
    checked: Checked,
    key: Option<&Key>,
    origin: &str,
) -> Result<Option<Begun>, Refusal> {
    let Checked { message, conversation, session, mut ask } = checked;
    ask.accept_memories = ask.may_use_memory() && Profile::of(tenant).preferences.accept_memories;
    if let Some(session) = &session {
        check_session(ports, &tenant.user, session).await?;
    }
    let now = ports.now();
    let is_new = conversation.is_none();
    if is_new && session.is_none() {
        let catalogue = Catalogue::load(ports).await.catalogue;
        ask.cache_key = Some(cached::key(tenant, &message, &ask, &catalogue)?);
    }
    let cached = match &ask.cache_key {
        Some(key) => cached::read(ports, key).await,
        None => None,
    };
    let turn = Turn {
        conversation_id: conversation.unwrap_or_else(|| ConversationId::new(now, ports.bytes())),
        turn_id: TurnId::new(now, ports.bytes()),
        // Given out by the commit.
        number: 0,
        session_id: session,
        request: ask,
    };
    let job = JobId::new(now, ports.bytes());
    let response = json(&ChatAnswer::queued(&job, &turn))?;
    let (user, answer) = (&tenant.user, cached.as_ref());
    // What is answered already is no turn to join.
    let key = key.filter(|key| answer.is_none() || key.joined_within.is_none());
    let question =
        Question { job: &job, user, turn: &turn, message: &message, is_new, origin, key, response: &response, answer };
    if !commit(ports, &question).await? {
        return Ok(None);
    }
    let result = cached.map(|cached| TurnResult::new(&job, &turn, cached, true));
    Ok(Some(Begun { job, turn, result }))
}

/// Commits a question; one that goes on with an archived conversation when that is restored. False if another
/// request holds its key.
async fn commit<P: RequestPorts>(ports: &P, question: &Question<'_>) -> Result<bool, Refusal> {
    let mut acceptance = accept::accept(ports, question).await?;
    if acceptance == Acceptance::NoConversation
        && restore::restore(ports, question.user, &question.turn.conversation_id).await?
    {
        acceptance = accept::accept(ports, question).await?;
    }
    match acceptance {
        Acceptance::Accepted => Ok(true),
        Acceptance::NoConversation => Err(no_such_conversation().into()),
        Acceptance::KeyInFlight => Ok(false),
    }
}

async fn check_session<P: Database>(ports: &P, user: &UserId, session: &SessionId) -> Result<(), Refusal> {
    if sessions::open(user, session).first(ports).await?.is_none() {
        return Err(no_such_session().into());
    }
    Ok(())
}

async fn answer<P: RequestPorts>(ports: &P, user: &UserId, begun: &Begun, wait: Span) -> Answer {
    if let Some(result) = &begun.result {
        return Ok(Reply::json(StatusCode::OK, result).of_job(&begun.job));
    }
    let queued = ChatAnswer::queued(&begun.job, &begun.turn);
    if wait == Span::ZERO {
        return Ok(Reply::json(StatusCode::ACCEPTED, &queued).of_job(&begun.job));
    }
    let reply = match wait_for_result(ports, user, &begun.job, wait).await? {
        Some(result) => Reply::json(StatusCode::OK, &result),
        None => unanswered(ports, user, &begun.job, &json(&queued)?).await?,
    };
    Ok(reply.of_job(&begun.job).after_wait(wait))
}

/// The answer to a question that is not answered yet: what was said when it was accepted, and how far it is.
async fn unanswered<P: RequestPorts>(ports: &P, user: &UserId, job: &JobId, accepted: &str) -> Answer {
    let mut answer: Map<String, Value> =
        serde_json::from_str(accepted).map_err(|error| Failure::bug(error.to_string()))?;
    if let Some(view) = jobs::read(ports, user, job).await? {
        answer.insert("status".to_owned(), value!(view.status()));
    }
    Ok(Reply::json(StatusCode::ACCEPTED, &answer))
}

/// The answer to a question that was accepted before: as it is now, or when it is answered.
async fn replayed<P: RequestPorts>(ports: &P, call: &Call<'_>, replay: Replay) -> Answer {
    let Replay { job, response } = replay;
    let result = wait_for_result(ports, &call.tenant.user, &job, call.wait()).await?;
    let reply = match result {
        Some(result) => Reply::json(StatusCode::OK, &result),
        None => unanswered(ports, &call.tenant.user, &job, &response).await?,
    };
    Ok(Replay::mark(reply.of_job(&job).after_wait(call.wait())))
}

/// Waits for a turn's answer; `None` if it is not there by then. A turn that ended without one is a
/// problem.
pub async fn wait_for_result<P: RequestPorts>(
    ports: &P,
    user: &UserId,
    job: &JobId,
    longest: Span,
) -> Result<Option<TurnResult>, Refusal> {
    if longest > Span::ZERO {
        jobs::wait_for_end(ports, user, job, longest).await?;
    }
    match jobs::turn_state(ports, user, job).await? {
        jobs::TurnState::Answered(result) => Ok(Some(*result)),
        jobs::TurnState::Cancelled => Err(Problem::new(Code::Unavailable, CANCELLED).into()),
        jobs::TurnState::Ended(why) => Err(Problem::new(Code::Unavailable, why).into()),
        jobs::TurnState::Open => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_names_its_field() {
        let long = format!(r#"{{"message":"{}"}}"#, "x".repeat(1_000_000));
        for (body, status, pointer) in [
            (r#"{"message":" "}"#, 422, "/message"),
            (r#"{"message":1}"#, 422, "/message"),
            (long.as_str(), 413, "/message"),
            (r#"{"message":"a","route":"magic"}"#, 422, "/route"),
            (r#"{"message":"a","max_tokens":0}"#, 422, "/max_tokens"),
            (r#"{"message":"a","conversation_id":"x"}"#, 404, "/conversation_id"),
            (r#"{"message":"a","session_id":"../x"}"#, 404, "/session_id"),
            (r#"{"message":"a","filters":{"type":"poem"}}"#, 422, "/filters/type"),
        ] {
            let problem = parse(body.as_bytes()).unwrap_err();
            assert_eq!((problem.status, problem.errors[0].pointer.as_str()), (status, pointer), "{body:.80}");
        }
        assert_eq!(parse(b"{}").unwrap_err().status, 422);
        assert_eq!(parse(b"").unwrap_err().status, 400);
    }
}
