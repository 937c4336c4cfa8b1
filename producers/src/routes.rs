//! The map of the API, and what every request goes through.

use std::sync::OnceLock;

use bytes::Bytes;
use http::{HeaderName, Method, Request, header};
use matchit::Router;
use pipeline::{
    allowances::Allowances,
    budget::Budget,
    failure::Failure,
    ids::{RequestId, UserId},
    limits,
    ports::{
        Burst, Clock, Database, Deployment, Embedder, KeyValue, ObjectStore, Queue, Random, RateLimiter, Rooms, Sha256,
        VectorIndex,
    },
    problem::{Code, Problem},
    tenant::Tenant,
};

use crate::{
    authenticate, chat, conversations, dead_letters, documents, health, index, jobs, keys, memory, openai, openapi,
    profile,
    rate_limit::{self, Limited},
    reply::{Answer, Refusal, Reply},
    search, sessions, usage,
};

/// Everything the API asks of the platform.
pub trait Platform:
    Database
    + ObjectStore
    + Queue
    + KeyValue
    + Embedder
    + VectorIndex
    + Rooms
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
        + Rooms
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

/// A route of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// `/health`
    Health,
    /// `/openapi.json`
    OpenApi,
    /// `/api/index`
    Index,
    /// `/api/jobs`
    Jobs,
    /// `/api/jobs/{id}`
    Job,
    /// `/api/jobs/{id}/events`
    JobEvents,
    /// `/api/jobs/{id}/cancel`
    JobCancel,
    /// `/api/jobs/{id}/retry`
    JobRetry,
    /// `/api/documents`
    Documents,
    /// `/api/documents/{id}`
    Document,
    /// `/api/documents/{id}/original`
    DocumentOriginal,
    /// `/api/search`
    Search,
    /// `/api/keys`
    Keys,
    /// `/api/keys/{id}`
    Key,
    /// `/api/usage`
    Usage,
    /// `/api/dead-letters`
    DeadLetters,
    /// `/api/dead-letters/{id}/replay`
    DeadLetterReplay,
    /// `/api/chat`
    Chat,
    /// `/api/conversations`
    Conversations,
    /// `/api/conversations/{id}`
    Conversation,
    /// `/api/memory`
    Memories,
    /// `/api/memory/{id}`
    Memory,
    /// `/api/memory/{id}/confirm`
    MemoryConfirm,
    /// `/api/me`
    Me,
    /// `/api/session`
    Sessions,
    /// `/api/session/{id}`
    Session,
    /// `/api/session/{id}/tickets`
    SessionTickets,
    /// `/api/session/{id}/ws`
    SessionJoin,
    /// `/v1/chat/completions`
    Completions,
    /// `/v1/models`
    Models,
}

/// Path, route, and the methods it answers to.
pub const ROUTES: [(&str, Route, &[Method]); 30] = [
    ("/health", Route::Health, &[Method::GET]),
    ("/openapi.json", Route::OpenApi, &[Method::GET]),
    ("/api/index", Route::Index, &[Method::POST]),
    ("/api/jobs", Route::Jobs, &[Method::GET]),
    ("/api/jobs/{id}", Route::Job, &[Method::GET]),
    ("/api/jobs/{id}/events", Route::JobEvents, &[Method::GET]),
    ("/api/jobs/{id}/cancel", Route::JobCancel, &[Method::POST]),
    ("/api/jobs/{id}/retry", Route::JobRetry, &[Method::POST]),
    ("/api/documents", Route::Documents, &[Method::GET]),
    ("/api/documents/{id}", Route::Document, &[Method::GET, Method::DELETE]),
    ("/api/documents/{id}/original", Route::DocumentOriginal, &[Method::GET]),
    ("/api/search", Route::Search, &[Method::POST]),
    ("/api/keys", Route::Keys, &[Method::GET, Method::POST]),
    ("/api/keys/{id}", Route::Key, &[Method::DELETE]),
    ("/api/usage", Route::Usage, &[Method::GET]),
    ("/api/dead-letters", Route::DeadLetters, &[Method::GET]),
    ("/api/dead-letters/{id}/replay", Route::DeadLetterReplay, &[Method::POST]),
    ("/api/chat", Route::Chat, &[Method::POST]),
    ("/api/conversations", Route::Conversations, &[Method::GET]),
    ("/api/conversations/{id}", Route::Conversation, &[Method::GET, Method::DELETE]),
    ("/api/memory", Route::Memories, &[Method::GET, Method::POST]),
    ("/api/memory/{id}", Route::Memory, &[Method::GET, Method::DELETE]),
    ("/api/memory/{id}/confirm", Route::MemoryConfirm, &[Method::POST]),
    ("/api/me", Route::Me, &[Method::GET, Method::PUT]),
    ("/api/session", Route::Sessions, &[Method::GET, Method::POST]),
    ("/api/session/{id}", Route::Session, &[Method::GET, Method::DELETE]),
    ("/api/session/{id}/tickets", Route::SessionTickets, &[Method::POST]),
    ("/api/session/{id}/ws", Route::SessionJoin, &[Method::GET]),
    ("/v1/chat/completions", Route::Completions, &[Method::POST]),
    ("/v1/models", Route::Models, &[Method::GET]),
];

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
            .min(limits::WAIT_SECONDS)
    }

    /// A parameter of the query string.
    pub fn parameter(&self, name: &str) -> Option<String> {
        parameter(self.request, name)
    }
}

/// What the log says of a request, beside what the edge measures.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Its id.
    pub request_id: RequestId,
    /// The route's path pattern.
    pub route: &'static str,
    /// The tenant, once known.
    pub user: Option<UserId>,
    /// The id of the API key, once known.
    pub key: Option<String>,
    /// The port that failed.
    pub failure: Option<Failure>,
}

/// Answers a request: finds its route, its tenant, and lets the route do the rest.
pub async fn handle<P: Platform>(
    ports: &P,
    settings: &Settings,
    request: &Request<Bytes>,
    request_id: RequestId,
) -> (Reply, Summary) {
    let mut summary = Summary { request_id, route: "unknown", user: None, key: None, failure: None };
    let answer = answer(ports, settings, request, &mut summary).await;
    let reply = answer.unwrap_or_else(|refusal| {
        let (problem, failure) = refusal.into_problem();
        summary.failure = failure;
        refuse(problem, request, &summary)
    });
    let reply = reply.with(HeaderName::from_static("x-request-id"), summary.request_id.as_str());
    (reply, summary)
}

async fn answer<P: Platform>(
    ports: &P,
    settings: &Settings,
    request: &Request<Bytes>,
    summary: &mut Summary,
) -> Answer {
    let path = request.uri().path();
    let found =
        router().at(path).map_err(|_| Problem::new(Code::NotFound, format!("there is no {}", shortened(path))))?;
    let (pattern, route, methods) = ROUTES[*found.value];
    summary.route = pattern;
    if !methods.contains(request.method()) {
        let allowed = methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
        let problem = Problem::new(Code::MethodNotAllowed, format!("this path answers to {allowed}"));
        return Ok(refuse(problem, request, summary).with(header::ALLOW, &allowed));
    }
    let id = found.params.get("id").unwrap_or_default();
    if let Err(limited) = rate_limit::admit(ports, Burst::Address, rate_limit::address(request)).await {
        return Ok(refuse_limited(&limited, request, summary));
    }
    match route {
        Route::Health => return health::health(ports).await,
        Route::OpenApi => return Ok(openapi::openapi()),
        // Who has a ticket needs no key.
        Route::SessionJoin => return sessions::join(ports, settings, request, id).await,
        Route::Keys
            if *request.method() == Method::POST && authenticate::is_administrator(settings, request.headers()) =>
        {
            return keys::create_user(ports, settings, request).await;
        }
        _ => {}
    }
    let caller = authenticate::authenticate(ports, settings, request.headers()).await?;
    summary.user = Some(caller.tenant.user.clone());
    summary.key = Some(caller.key.clone());
    let budget = Budget::new(Allowances::load(ports).await.allowances, &caller.day);
    let call = Call { tenant: caller.tenant, request, id, budget };
    let used = caller.day.requests_of_key(&caller.key);
    let admitted = match rate_limit::admit(ports, Burst::Key, &caller.key).await {
        Ok(()) => rate_limit::hold_to_quota(&call.budget, used, ports.now()),
        limited => limited,
    };
    let reply = match admitted {
        Ok(()) => dispatch(ports, settings, route, &call).await.unwrap_or_else(|refusal| {
            let (problem, failure) = refusal.into_problem();
            summary.failure = failure;
            refuse(problem, request, summary)
        }),
        Err(limited) => refuse_limited(&limited, request, summary),
    };
    let reply = rate_limit::announce(reply, &call.budget, used, ports.now());
    Ok(match call.budget.degradations() {
        told if told.is_empty() => reply,
        told => reply.with(HeaderName::from_static("x-budget"), &told.join("; ")),
    })
}

async fn dispatch<P: Platform>(ports: &P, settings: &Settings, route: Route, call: &Call<'_>) -> Answer {
    let deletes = *call.request.method() == Method::DELETE;
    let posts = *call.request.method() == Method::POST;
    match route {
        Route::Index => index::index(ports, call).await,
        Route::Jobs => jobs::list(ports, call).await,
        Route::Job => jobs::get(ports, call).await,
        Route::JobEvents => jobs::events(ports, call).await,
        Route::JobCancel => jobs::cancel(ports, call).await,
        Route::JobRetry => jobs::retry(ports, call).await,
        Route::Documents => documents::list(ports, call).await,
        Route::Document if deletes => documents::delete(ports, call).await,
        Route::Document => documents::get(ports, call).await,
        Route::DocumentOriginal => documents::original(ports, call).await,
        Route::Search => search::search(ports, call).await,
        Route::Keys if posts => keys::create(ports, settings, call).await,
        Route::Keys => keys::list(ports, call).await,
        Route::Key => keys::revoke(ports, call).await,
        Route::Usage => usage::usage(ports, call).await,
        Route::DeadLetters => dead_letters::list(ports, call).await,
        Route::DeadLetterReplay => dead_letters::replay(ports, call).await,
        Route::Chat => chat::chat(ports, call).await,
        Route::Conversations => conversations::list(ports, call).await,
        Route::Conversation if deletes => conversations::delete(ports, call).await,
        Route::Conversation => conversations::get(ports, call).await,
        Route::Memories if posts => memory::remember(ports, call).await,
        Route::Memories => memory::list(ports, call).await,
        Route::Memory => memory::one(ports, call).await,
        Route::MemoryConfirm => memory::confirm(ports, call).await,
        Route::Me => profile::me(ports, call).await,
        Route::Sessions if posts => sessions::create(ports, call).await,
        Route::Sessions => sessions::list(ports, call).await,
        Route::Session if deletes => sessions::close(ports, call).await,
        Route::Session => sessions::get(ports, call).await,
        Route::SessionTickets => sessions::invite(ports, call).await,
        Route::Completions => openai::complete(ports, call).await,
        Route::Models => Ok(openai::models(ports)),
        // Answered before anybody is asked for a key.
        Route::Health | Route::OpenApi | Route::SessionJoin => {
            Err(Refusal::Failure(Failure::bug("a public route asked for a key")))
        }
    }
}

fn router() -> &'static Router<usize> {
    static ROUTER: OnceLock<Router<usize>> = OnceLock::new();
    ROUTER.get_or_init(|| {
        let mut router = Router::new();
        for (place, (path, _, _)) in ROUTES.iter().enumerate() {
            // The table has no conflicting paths; a test inserts them all.
            let _ = router.insert(*path, place);
        }
        router
    })
}

/// A parameter of a request's query string.
pub fn parameter(request: &Request<Bytes>, name: &str) -> Option<String> {
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(request.uri().query()?).ok()?;
    pairs.into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
}

/// A problem as the answer to this request; in `OpenAI`'s shape for clients of `/v1`.
fn refuse(mut problem: Problem, request: &Request<Bytes>, summary: &Summary) -> Reply {
    if request.uri().path().starts_with("/v1/") {
        return openai::refuse_problem(&problem);
    }
    problem.instance = Some(request.uri().path().to_owned());
    problem.request_id = Some(summary.request_id.to_string());
    Reply::from(problem)
}

fn refuse_limited(limited: &Limited, request: &Request<Bytes>, summary: &Summary) -> Reply {
    limited.mark(refuse(limited.problem(), request, summary))
}

fn shortened(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_found_by_its_path() {
        for (place, (path, _, _)) in ROUTES.iter().enumerate() {
            let concrete = path.replace("{id}", "job_1");
            assert_eq!(*router().at(&concrete).unwrap().value, place, "{path}");
        }
        assert!(router().at("/api/nothing").is_err());
    }
}
