//! The gateway Worker: HTTP in, replies out. Thin: routing and all decisions are in `producers`.

mod channel_log;
mod job_events;
mod session;
mod turn_events;

use bytes::Bytes;
use cloudflare::{Workers, log};
use http::{Request, StatusCode};
use pipeline::{
    budget::{ledger::Entry, purpose::Purpose},
    constants,
    ids::RequestId,
    platform::ports::{Clock as _, Meter as _, Random as _},
    problem::{Code, Problem},
};
use producers::{
    api::sessions::{Participant, SessionView},
    http::{
        call::Settings,
        handle::{Summary, handle},
        reply::{Body, Reply},
    },
};
use serde_json::json;
use worker::{Context, Env, Response, event};

#[event(start)]
fn start() {
    cloudflare::install_panic_hook();
}

#[event(fetch)]
async fn fetch(request: worker::Request, env: Env, context: Context) -> worker::Result<Response> {
    let platform = Workers::new(env.clone());
    let request_id = RequestId::new(platform.now(), platform.bytes());
    let platform = platform.named(request_id.as_str());
    let started = platform.now();
    let settings = settings(&env);
    // What becomes a WebSocket is passed on to its channel as it came. Nothing else is: a clone would
    // keep the body of every upload a second time.
    let original = if request.headers().get("upgrade")?.is_some() { Some(request.clone()?) } else { None };
    let (reply, summary) = match read(request).await {
        Ok(request) => handle(&platform, &settings, &request, request_id).await,
        Err(problem) => handle_unread(request_id, *problem),
    };
    let status = reply.status.as_u16();
    let response = respond(&platform, &summary, reply, original).await?;
    context.wait_until(async move {
        let Summary { request_id, route, user, key, failure } = summary;
        let milliseconds = platform.now().since(started).as_milliseconds();
        log(&json!({
            "request_id": request_id, "user": user, "route": route, "status": status, "ms": milliseconds,
            "failure": failure.map(|failure| failure.to_string()), "used": platform.usage(),
        }));
        let entry = Entry { user: user.as_ref(), key: key.as_deref(), source: route, purpose: Purpose::Interactive };
        platform.record(entry).await;
    });
    Ok(response)
}

fn settings(env: &Env) -> Settings {
    let secret = |name: &str| env.secret(name).map(|value| value.to_string()).unwrap_or_default();
    Settings {
        pepper: secret("KEY_PEPPER").into_bytes(),
        admin_token: secret("ADMIN_TOKEN"),
        environment: env.var("ENVIRONMENT").map_or_else(|_| "live".to_owned(), |value| value.to_string()),
        allowed_origins: env
            .var("ALLOWED_ORIGINS")
            .map(|value| value.to_string().split(',').map(|origin| origin.trim().to_owned()).collect())
            .unwrap_or_default(),
    }
}

/// Reads a request whole, unless it is too large to be.
async fn read(mut request: worker::Request) -> Result<Request<Bytes>, Box<Problem>> {
    let malformed = |why: String| Box::new(Problem::new(Code::Malformed, why));
    let mut builder = Request::builder()
        .method(request.method().as_ref())
        .uri(request.url().map_err(|error| malformed(error.to_string()))?.as_str());
    let mut announced = 0;
    for (name, value) in request.headers() {
        if name == "content-length" {
            announced = value.parse().unwrap_or(0);
        }
        builder = builder.header(name, value);
    }
    let too_large = |bytes: usize| {
        let detail = format!("a body of {bytes} bytes; the limit is {}", constants::REQUEST_BYTES);
        Box::new(Problem::field(Code::TooLarge, "Content-Length", detail))
    };
    if announced > constants::REQUEST_BYTES {
        return Err(too_large(announced));
    }
    let body = request.bytes().await.map_err(|error| malformed(format!("the body cannot be read: {error}")))?;
    if body.len() > constants::REQUEST_BYTES {
        return Err(too_large(body.len()));
    }
    builder.body(Bytes::from(body)).map_err(|error| malformed(error.to_string()))
}

fn handle_unread(request_id: RequestId, mut problem: Problem) -> (Reply, Summary) {
    problem.request_id = Some(request_id.to_string());
    (Reply::from(problem), Summary { request_id, route: "unread", user: None, key: None, failure: None })
}

async fn respond(
    platform: &Workers,
    summary: &Summary,
    reply: Reply,
    original: Option<worker::Request>,
) -> worker::Result<Response> {
    let empty = matches!(reply.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let mut status = reply.status.as_u16();
    let response = match (reply.body, summary.user.clone()) {
        (Body::Join(participant), _) => {
            let original = original.ok_or_else(|| worker::Error::RustError("a join without an upgrade".to_owned()))?;
            return join(platform, &participant, original).await;
        }
        (Body::Bytes(bytes), _) if !empty => Response::from_bytes(bytes)?,
        (Body::JobEvents(job), Some(user)) => {
            Response::from_stream(job_events::job_events(platform.clone(), user, job))?
        }
        (Body::TurnEvents(turn), Some(user)) => {
            Response::from_stream(turn_events::turn_events(platform.clone(), user, turn))?
        }
        (Body::Session(view, channel), _) => Response::from_bytes(session_body(platform, &view, &channel).await)?,
        (Body::CloseChannel(channel), _) => {
            // D1 says that it is closed; a channel that is not reached lets nobody in any more either.
            if platform.ask_channel(&channel, "/close", None).await.is_err() {
                status = StatusCode::ACCEPTED.as_u16();
            }
            Response::empty()?
        }
        _ => Response::empty()?,
    };
    let mut response = response.with_status(status);
    // After the body, whose constructor sets a content type of its own.
    for (name, value) in &reply.headers {
        response.headers_mut().set(name.as_str(), value.to_str().unwrap_or_default())?;
    }
    Ok(response)
}

async fn join(platform: &Workers, participant: &Participant, original: worker::Request) -> worker::Result<Response> {
    let mut request = original.clone_mut()?;
    request.headers_mut()?.set(session::PARTICIPANT_HEADER, &participant.to_header())?;
    // The channel needs no key to know who comes.
    request.headers_mut()?.delete("authorization")?;
    platform
        .pass_to_channel(&participant.channel(), request)
        .await
        .map_err(|failure| worker::Error::RustError(failure.to_string()))
}

/// What D1 knows of a session, with what its channel knows laid over it.
async fn session_body(platform: &Workers, view: &SessionView, channel: &pipeline::chat::channel::Channel) -> Vec<u8> {
    let mut body = json!(view);
    if let Ok(mut response) = platform.ask_channel(channel, "/state", None).await
        && let Ok(serde_json::Value::Object(live)) = response.json().await
    {
        for (name, value) in live {
            body[name] = value;
        }
    }
    body.to_string().into_bytes()
}
