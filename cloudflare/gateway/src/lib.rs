//! The gateway Worker: HTTP in, replies out. Thin: routing and all decisions are in `producers`.

use bytes::Bytes;
use cloudflare::{Workers, log};
use futures_util::stream;
use http::{Request, StatusCode};
use pipeline::{
    ids::{JobId, UserId},
    limits,
    ports::Clock as _,
    problem::{Code, Problem},
};
use producers::{
    Settings, handle, jobs,
    reply::{Body, Reply},
    routes::Summary,
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
    let started = platform.now();
    let settings = settings(&env);
    let (reply, summary) = match read(request).await {
        Ok(request) => handle(&platform, &settings, &request).await,
        Err(problem) => handle_unread(&platform, *problem),
    };
    let status = reply.status.as_u16();
    let response = respond(&platform, &summary, reply)?;
    context.wait_until(async move {
        let Summary { request_id, route, user, failure } = summary;
        let milliseconds = platform.now().since(started);
        log(&json!({
            "request_id": request_id, "user": user, "route": route, "status": status, "ms": milliseconds,
            "failure": failure.map(|failure| failure.to_string()), "used": platform.usage(),
        }));
        platform.record_usage(request_id.as_str(), user.as_ref(), route).await;
    });
    Ok(response)
}

fn settings(env: &Env) -> Settings {
    let secret = |name: &str| env.secret(name).map(|value| value.to_string()).unwrap_or_default();
    Settings {
        pepper: secret("KEY_PEPPER").into_bytes(),
        admin_token: secret("ADMIN_TOKEN"),
        environment: env.var("ENVIRONMENT").map_or_else(|_| "live".to_owned(), |value| value.to_string()),
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
        let detail = format!("a body of {bytes} bytes; the limit is {}", limits::REQUEST_BYTES);
        Box::new(Problem::field(Code::TooLarge, "Content-Length", detail))
    };
    if announced > limits::REQUEST_BYTES {
        return Err(too_large(announced));
    }
    let body = request.bytes().await.map_err(|error| malformed(format!("the body cannot be read: {error}")))?;
    if body.len() > limits::REQUEST_BYTES {
        return Err(too_large(body.len()));
    }
    builder.body(Bytes::from(body)).map_err(|error| malformed(error.to_string()))
}

fn handle_unread(platform: &Workers, mut problem: Problem) -> (Reply, Summary) {
    use pipeline::ports::Random as _;
    let request_id = pipeline::ids::RequestId::new(platform.now(), platform.bytes());
    problem.request_id = Some(request_id.to_string());
    (Reply::from(problem), Summary { request_id, route: "unread", user: None, failure: None })
}

fn respond(platform: &Workers, summary: &Summary, reply: Reply) -> worker::Result<Response> {
    let empty = matches!(reply.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let mut response = match (reply.body, &summary.user) {
        (Body::Bytes(bytes), _) if !empty => Response::from_bytes(bytes)?,
        (Body::JobEvents(job), Some(user)) => Response::from_stream(job_events(platform.clone(), user.clone(), job))?,
        _ => Response::empty()?,
    }
    .with_status(reply.status.as_u16());
    // After the body, whose constructor sets a content type of its own.
    for (name, value) in &reply.headers {
        response.headers_mut().set(name.as_str(), value.to_str().unwrap_or_default())?;
    }
    Ok(response)
}

/// Milliseconds between two looks at a job.
const LOOK_EVERY: u64 = 500;
/// Looks without news after which a comment keeps proxies from closing the stream.
const QUIET_LOOKS: u32 = 30;

struct Follow {
    platform: Workers,
    user: UserId,
    job: JobId,
    etag: String,
    quiet: u32,
    ended: bool,
}

/// A job's states as server-sent events: one whenever it changed, until it is terminal.
fn job_events(
    platform: Workers,
    user: UserId,
    job: JobId,
) -> impl futures_util::Stream<Item = Result<Vec<u8>, worker::Error>> {
    let follow = Follow { platform, user, job, etag: String::new(), quiet: 0, ended: false };
    stream::unfold(Box::new(follow), |mut follow| async move {
        if follow.ended {
            return None;
        }
        loop {
            match jobs::event(&follow.platform, &follow.user, &follow.job).await {
                Ok(Some(event)) if event.etag != follow.etag => {
                    follow.etag = event.etag;
                    follow.ended = event.is_last;
                    follow.quiet = 0;
                    return Some((Ok(event.text.into_bytes()), follow));
                }
                Ok(None) => return None,
                // Unchanged, or D1 did not answer this time.
                Ok(Some(_)) | Err(_) => follow.quiet += 1,
            }
            if follow.quiet.is_multiple_of(QUIET_LOOKS) {
                follow.platform.sleep(LOOK_EVERY).await;
                follow.quiet += 1;
                return Some((Ok(b": still there\n\n".to_vec()), follow));
            }
            follow.platform.sleep(LOOK_EVERY).await;
        }
    })
}
