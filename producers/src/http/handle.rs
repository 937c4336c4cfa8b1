//! What every request goes through before its handler sees it, and after.

use bytes::Bytes;
use http::{HeaderName, Method, Request, header};
use pipeline::{
    budget::{allowances::Allowances, day::Budget},
    failure::Failure,
    ids::{RequestId, UserId},
    platform::ports::Burst,
    problem::{Code, Problem},
};

use crate::{
    api::{health, keys, openai, sessions},
    http::{
        authenticate,
        call::{Call, Platform, Settings},
        openapi,
        operations::{ROUTES, Route, dispatch, router},
        rate_limit::{self, Limited},
        reply::{Answer, Reply},
    },
};

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
