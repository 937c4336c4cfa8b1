//! The gateway Worker: HTTP in, replies out. Thin: routing and all decisions are in `producers`.

mod channel;
mod channel_log;
mod counted_sql;
mod job_events;
mod session;
mod turn_events;
mod turn_streams;

use std::{cell::Cell, rc::Rc};

use bytes::Bytes;
use cloudflare::{Workers, log};
use futures_channel::oneshot;
use futures_util::{Stream, StreamExt as _};
use http::{Request, StatusCode};
use pipeline::{
    budget::{ledger::Entry, purpose::Purpose},
    chat::channel::Channel,
    ids::RequestId,
    platform::ports::{Clock as _, Isolate as _, Meter as _, Random as _},
    problem::{Code, Problem},
};
use producers::{
    api::openai::join,
    http::{
        body::{self, RequestBody, Unread},
        call::Settings,
        handle::{Summary, handle},
        reply::{Body, Closing, Joining, Reply},
    },
};
use serde_json::{Value, json};
use wasm_bindgen::JsValue;
use worker::{Context, Env, Error, Response, event};

#[event(start)]
fn start() {
    cloudflare::install_panic_hook();
}

#[event(fetch)]
async fn fetch(request: worker::Request, env: Env, context: Context) -> worker::Result<Response> {
    let platform = Workers::new(env.clone());
    let request_id = RequestId::new(platform.now(), platform.bytes());
    let platform = platform.named(request_id.as_str()).answering(request.inner().body().map(JsValue::from));
    let started = platform.now();
    let settings = settings(&env);
    // What becomes a WebSocket is passed on to its channel as it came. Nothing else is: a clone would
    // keep the body of every upload a second time.
    let original = if request.headers().get("upgrade")?.is_some() { Some(request.clone()?) } else { None };
    let (reply, summary) = match unread(request) {
        Ok(request) => handle(&platform, &settings, request, request_id).await,
        Err(error) => {
            platform.with_memory(|memory| memory.leave_unrecorded(platform.usage(), started));
            refuse(request_id, &error)
        }
    };
    let status = reply.status.as_u16();
    let Responding { response, streaming, closing } = respond(&platform, &summary, reply, original).await?;
    context.wait_until(async move {
        let Summary { request_id, route, user, key, failure, is_recorded } = summary;
        let milliseconds = platform.now().since(started).as_milliseconds();
        log(&json!({
            "request_id": request_id, "user": user, "route": route, "status": status, "ms": milliseconds,
            "failure": failure.map(|failure| failure.to_string()), "used": platform.usage(),
            "asked": platform.asked(),
        }));
        if !is_recorded {
            return;
        }
        if let Some(streaming) = streaming {
            // It goes on asking: what it cost is known when it has ended, or when nobody listens any more.
            let _ = streaming.await;
        }
        if let (Some(UnlessEnded { closing, has_ended }), Some(user)) = (closing, &user)
            && !has_ended.get()
        {
            // What is not stopped is answered for nobody.
            let _ = join::close(&platform, user, &closing.job, &closing.key).await;
        }
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

/// A body that stays with its sender until somebody asks for it.
struct Upload(worker::Request);

impl RequestBody for Upload {
    fn length(&self) -> Option<usize> {
        self.0.headers().get("content-length").ok().flatten().and_then(|value| body::announced(&value))
    }

    async fn read(mut self, limit: usize) -> Result<Bytes, Unread> {
        let broken = |error: Error| Unread::Broken(error.to_string());
        let announced = self.length();
        if let Some(bytes) = announced.filter(|bytes| *bytes > limit) {
            return Err(Unread::TooLarge(bytes));
        }
        // What is announced is what comes, in one piece; nothing announced and no body is no body.
        if announced.is_some() || self.0.inner().body().is_none() {
            return Bytes::from(self.0.bytes().await.map_err(broken)?).read(limit).await;
        }
        body::collect(self.0.stream().map_err(broken)?, limit).await
    }
}

/// A request as `producers` knows it, its body unread. Its method is the one that came: the `worker` crate takes those
/// that it does not know for GET.
fn unread(request: worker::Request) -> worker::Result<Request<Upload>> {
    let mut builder = Request::builder().method(request.inner().method().as_str()).uri(request.url()?.as_str());
    for (name, value) in request.headers() {
        builder = builder.header(name, value);
    }
    builder.body(Upload(request)).map_err(|error| Error::RustError(error.to_string()))
}

/// What cannot even be taken for a request.
fn refuse(request_id: RequestId, why: &Error) -> (Reply, Summary) {
    let mut problem = Problem::new(Code::Malformed, why.to_string());
    problem.request_id = Some(request_id.to_string());
    (
        Reply::from(problem),
        Summary { request_id, route: "unread", user: None, key: None, failure: None, is_recorded: false },
    )
}

/// A response; if it is a stream, with what resolves when that has ended.
struct Responding {
    response: Response,
    streaming: Option<oneshot::Receiver<()>>,
    closing: Option<UnlessEnded>,
}

/// What closing a stream ends, and whether the stream had ended before.
struct UnlessEnded {
    closing: Closing,
    has_ended: Rc<Cell<bool>>,
}

async fn respond(
    platform: &Workers,
    summary: &Summary,
    reply: Reply,
    original: Option<worker::Request>,
) -> worker::Result<Responding> {
    let mut streaming = None;
    let mut closing = None;
    let empty = matches!(reply.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let mut status = reply.status.as_u16();
    let response = match (reply.body, summary.user.clone()) {
        (Body::Join(joining), _) => {
            let original = original.ok_or_else(|| Error::RustError("a join without an upgrade".to_owned()))?;
            let response = join_channel(platform, &joining, original).await?;
            return Ok(Responding { response, streaming, closing });
        }
        (Body::Bytes(bytes), _) if !empty && !bytes.is_empty() => Response::from_bytes(bytes)?,
        (Body::JobEvents(job), Some(user)) => {
            stream(&mut streaming, job_events::job_events(platform.clone(), user, job))?
        }
        (Body::TurnEvents(turn), Some(user)) => {
            let has_ended = Rc::default();
            closing = turn.closing.clone().map(|closing| UnlessEnded { closing, has_ended: Rc::clone(&has_ended) });
            stream(&mut streaming, turn_events::turn_events(platform.clone(), user, turn, has_ended))?
        }
        (Body::WithChannel(known, channel), _) => Response::from_bytes(with_channel(platform, known, &channel).await)?,
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
    Ok(Responding { response, streaming, closing })
}

/// Answers with a stream. What it holds goes with it, when it has ended or is dropped: `streaming` hears of that.
fn stream(
    streaming: &mut Option<oneshot::Receiver<()>>,
    events: impl Stream<Item = worker::Result<Vec<u8>>> + 'static,
) -> worker::Result<Response> {
    let (held, ended) = oneshot::channel::<()>();
    *streaming = Some(ended);
    Response::from_stream(events.map(move |event| {
        let _held = &held;
        event
    }))
}

async fn join_channel(platform: &Workers, joining: &Joining, original: worker::Request) -> worker::Result<Response> {
    let mut request = original.clone_mut()?;
    request.headers_mut()?.set(session::PARTICIPANT_HEADER, &joining.participant)?;
    // The channel needs no key to know who comes.
    request.headers_mut()?.delete("authorization")?;
    platform.pass_to_channel(&joining.channel, request).await.map_err(|failure| Error::RustError(failure.to_string()))
}

/// What D1 knows, with what its channel knows laid over it.
async fn with_channel(platform: &Workers, mut known: Value, channel: &Channel) -> Vec<u8> {
    if let Ok(mut response) = platform.ask_channel(channel, "/state", None).await
        && let Ok(Value::Object(live)) = response.json().await
    {
        for (name, value) in live {
            known[name] = value;
        }
    }
    known.to_string().into_bytes()
}
