//! `/v1`: the same chat in the words of `OpenAI`'s API, for SDKs and tools that speak it.
//!
//! A client keeps its history itself and sends it along; each request is a conversation of its own.
//! Models are our routes: `friend` lets the question decide, `friend-code` and the like choose.
//! <https://platform.openai.com/docs/api-reference/chat>

mod completion;

use std::{
    borrow::Cow,
    future::{Ready, ready},
};

use http::{HeaderName, StatusCode, header};
use pipeline::{
    chat::{
        catalogue::RouteName,
        channel::Channel,
        generation::{PromptMessage, Role},
        turn::Ask,
    },
    constants,
    failure::Failure,
    platform::ports::Clock,
    problem::{Code, Problem},
    time::Span,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub use self::completion::ChatCompletion;
use self::completion::{Completion, CompletionWriter};

use crate::{
    api::chat::{self, Checked},
    http::{
        body,
        call::{Call, RequestPorts},
        reply::{Answer, Body, Reply, TurnStream},
    },
};

/// The model that lets the question decide its route.
const MODEL: &str = "friend";
/// Where `OpenAI`'s API is spoken.
const PREFIX: &str = "/v1/";
/// Seconds a request waits for its answer.
const WAIT: Span = Span::seconds(110);

/// A request as `OpenAI`'s clients send it; what it says beyond this is not looked at.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "ChatCompletionRequest")]
pub struct CompletionRequest<'a> {
    model: String,
    #[serde(borrow)]
    messages: Vec<Message<'a>>,
    #[serde(default)]
    stream: bool,
    stream_options: Option<StreamOptions>,
    max_tokens: Option<i64>,
    max_completion_tokens: Option<i64>,
    n: Option<i64>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "ChatCompletionMessage")]
struct Message<'a> {
    #[serde(borrow)]
    role: Cow<'a, str>,
    // Read when it is known that somebody reads it: of a long history most is not.
    #[serde(borrow)]
    #[schemars(with = "Option<Content>")]
    content: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "ChatCompletionContent")]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "ChatCompletionPart")]
struct Part {
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
}

/// What a request asks: the question with all that goes with it, and how it wants to be answered.
struct Asked {
    checked: Checked,
    model: String,
    stream: bool,
    include_usage: bool,
}

fn parse(text: &[u8]) -> Result<Asked, Problem> {
    let request: CompletionRequest<'_> = body::parse(text)?;
    let route = model_route(&request.model)?;
    if request.n.is_some_and(|n| n != 1) {
        return Err(Problem::field(Code::Invalid, "/n", "one choice is answered; n must be 1"));
    }
    let max_tokens = request.max_completion_tokens.or(request.max_tokens).map(chat::max_tokens).transpose()?;
    let (system, said) = split(&request.messages)?;
    let instructions = instructions(&system)?;
    let mut messages = newest(&said)?;
    let question = messages
        .pop()
        .filter(|message| message.role == Role::User)
        .ok_or_else(|| Problem::field(Code::Invalid, "/messages", "the last message must be the user's"))?;
    let message = body::text("/messages", &question.content, constants::CHAT_MESSAGE_BYTES)?;
    let ask = Ask {
        route,
        max_tokens,
        use_memory: true,
        history: chat::cut_history(messages),
        instructions: (!instructions.is_empty()).then_some(instructions),
        ..Ask::default()
    };
    Ok(Asked {
        checked: Checked { message, conversation: None, session: None, ask },
        model: request.model,
        stream: request.stream,
        include_usage: request.stream_options.is_some_and(|options| options.include_usage),
    })
}

fn model_route(model: &str) -> Result<Option<RouteName>, Problem> {
    if model == MODEL {
        return Ok(None);
    }
    let name = model.strip_prefix("friend-").and_then(RouteName::parse);
    name.map(Some).ok_or_else(|| {
        let shown: String = model.chars().take(60).collect();
        Problem::field(
            Code::NotFound,
            "/model",
            format!("the model {shown:?} does not exist; GET /v1/models lists those that do"),
        )
    })
}

/// A message that is not read yet, at its place in the request.
#[derive(Clone, Copy)]
struct Unread<'a> {
    place: usize,
    role: Role,
    content: Option<&'a RawValue>,
}

/// The system messages, and the others.
fn split<'a>(messages: &[Message<'a>]) -> Result<(Vec<Unread<'a>>, Vec<Unread<'a>>), Problem> {
    let unread = messages.iter().enumerate().map(|(place, message)| {
        let role = match &*message.role {
            "system" | "developer" => Role::System,
            "user" => Role::User,
            "assistant" => Role::Assistant,
            other => {
                let shown: String = other.chars().take(40).collect();
                let detail = format!("the role {shown:?} is none of system, developer, user, assistant");
                return Err(Problem::field(Code::Invalid, format!("/messages/{place}/role"), detail));
            }
        };
        Ok(Unread { place, role, content: message.content })
    });
    let unread = unread.collect::<Result<Vec<_>, _>>()?;
    Ok(unread.into_iter().partition(|message| message.role == Role::System))
}

/// The system messages, joined.
fn instructions(system: &[Unread<'_>]) -> Result<String, Problem> {
    let texts = system.iter().map(text).collect::<Result<Vec<_>, _>>()?;
    let instructions = texts.join("\n");
    let most = constants::INSTRUCTIONS_BYTES;
    if instructions.len() > most {
        let detail = format!("the system messages have {} bytes together; the limit is {most}", instructions.len());
        return Err(Problem::field(Code::TooLarge, "/messages", detail));
    }
    Ok(instructions)
}

/// The newest messages, read as far back as a question and the history before it may reach. Two in a row by the same
/// side are one message.
fn newest(said: &[Unread<'_>]) -> Result<Vec<PromptMessage>, Problem> {
    let most = constants::CHAT_MESSAGE_BYTES + constants::CHAT_HISTORY_BYTES;
    let (mut read, mut bytes) = (Vec::new(), 0);
    for message in said.iter().rev() {
        let content = text(message)?;
        bytes += content.len();
        read.push(PromptMessage { role: message.role, content });
        if bytes > most {
            break;
        }
    }
    let mut messages: Vec<PromptMessage> = Vec::new();
    for message in read.into_iter().rev() {
        match messages.last_mut().filter(|last| last.role == message.role) {
            Some(last) => last.content.push_str(&format!("\n\n{}", message.content)),
            None => messages.push(message),
        }
    }
    Ok(messages)
}

/// What a message says.
fn text(message: &Unread<'_>) -> Result<String, Problem> {
    let pointer = format!("/messages/{}/content", message.place);
    let Some(content) = message.content else { return Ok(String::new()) };
    let content: Option<Content> = serde_json::from_str(content.get())
        .map_err(|_| Problem::field(Code::Invalid, &*pointer, "it is neither text nor an array of parts"))?;
    let parts = match content {
        None => return Ok(String::new()),
        Some(Content::Text(text)) => return Ok(text),
        Some(Content::Parts(parts)) => parts,
    };
    if let Some(index) = parts.iter().position(|part| part.kind != "text") {
        return Err(Problem::field(Code::Invalid, format!("{pointer}/{index}/type"), "only text is understood"));
    }
    Ok(parts.into_iter().filter_map(|part| part.text).collect())
}

/// `POST /v1/chat/completions`
pub async fn complete<P: RequestPorts>(ports: &P, call: &Call<'_>) -> Answer {
    let asked = parse(call.request.body())?;
    let begun = chat::begin(ports, &call.tenant, asked.checked, None, "openai").await?;
    let completion = Completion::new(&begun.job, ports.now(), &asked.model, asked.include_usage);
    if asked.stream {
        return stream(&begun, completion, call);
    }
    let result = chat::wait_for(ports, &call.tenant.user, &begun, WAIT).await?;
    let result =
        result.ok_or_else(|| Problem::new(Code::Unavailable, "the answer takes too long; stream it instead"))?;
    let answer = completion.whole(result);
    Ok(Reply::json(StatusCode::OK, &answer).with(HeaderName::from_static("x-job-id"), begun.job.as_str()))
}

fn stream(begun: &chat::Begun, completion: Completion, call: &Call<'_>) -> Answer {
    let reply = Reply::bytes(StatusCode::OK, "text/event-stream", Vec::new())
        .with(header::CACHE_CONTROL, "no-store")
        .with(HeaderName::from_static("x-job-id"), begun.job.as_str());
    if let Some(result) = &begun.result {
        let result = serde_json::to_value(result).map_err(|error| Failure::bug(error.to_string()))?;
        return Ok(Reply { body: Body::Bytes(completion.end(&result, "").into_bytes()), ..reply });
    }
    let channel = Channel::of_turn(&call.tenant.user, &begun.job, None);
    let stream =
        TurnStream { job: begun.job.clone(), channel, since: 0, writer: Box::new(CompletionWriter::new(completion)) };
    Ok(Reply { body: Body::TurnEvents(stream), ..reply })
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ModelEntry")]
struct Model {
    id: String,
    object: &'static str,
    created: i64,
    owned_by: &'static str,
}

/// The models there are.
#[derive(Serialize, JsonSchema)]
pub struct ModelList {
    object: &'static str,
    data: Vec<Model>,
}

/// `GET /v1/models`
pub fn models<P: Clock>(ports: &P, _: &Call<'_>) -> Ready<Answer> {
    let created = ports.now().start_of_day().seconds();
    let routes = RouteName::ALL.iter().map(|route| format!("{MODEL}-{}", route.name()));
    let data = std::iter::once(MODEL.to_owned())
        .chain(routes)
        .map(|id| Model { id, object: "model", created, owned_by: "claudes-friend" })
        .collect();
    ready(Ok(Reply::json(StatusCode::OK, &ModelList { object: "list", data })))
}

/// True for a path whose callers speak `OpenAI`'s API.
pub fn is_spoken_at(path: &str) -> bool {
    path.starts_with(PREFIX)
}

/// What is wrong, in `OpenAI`'s shape.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ChatCompletionError")]
pub struct ErrorAnswer {
    error: ErrorDetail,
}

#[derive(Serialize, JsonSchema)]
#[schemars(inline)]
struct ErrorDetail {
    message: String,
    #[serde(rename = "type")]
    kind: &'static str,
    param: Option<String>,
    code: String,
}

/// A problem in `OpenAI`'s shape, which its SDKs turn into their exceptions.
pub fn refuse_problem(problem: &Problem) -> Reply {
    let kind = match problem.status {
        401 => "authentication_error",
        429 => "rate_limit_error",
        500.. => "server_error",
        _ => "invalid_request_error",
    };
    // OpenAI answers 400 where a field is wrong.
    let status = if problem.status == 422 { 400 } else { problem.status };
    let param = problem.errors.first().map(|error| error.pointer.trim_start_matches('/').replace('/', "."));
    let code =
        if problem.status == 404 && param.as_deref() == Some("model") { "model_not_found" } else { &problem.code };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let error = ErrorDetail { message: problem.detail.clone(), kind, code: code.to_owned(), param };
    Reply::json(status, &ErrorAnswer { error })
}

#[cfg(test)]
mod tests {
    use pipeline::{chat::channel::TurnEvent, ids::JobId, time::Timestamp};
    use serde_json::Value;

    use super::{completion::Progress, *};

    #[test]
    fn a_request_becomes_a_question_with_history() {
        let body = r#"{"model":"friend-code","stream":true,"max_tokens":50,"messages":[
            {"role":"system","content":"Be brief."},{"role":"user","content":"Hi"},
            {"role":"assistant","content":"Hello"},
            {"role":"user","content":[{"type":"text","text":"What "},{"type":"text","text":"now?"}]}]}"#;
        let asked = parse(body.as_bytes()).unwrap();
        let ask = &asked.checked.ask;
        assert_eq!(
            (asked.checked.message.as_str(), ask.instructions.as_deref(), ask.history.len()),
            ("What now?", Some("Be brief."), 2)
        );
        assert_eq!((ask.route, ask.max_tokens, asked.stream), (Some(RouteName::Code), Some(50), true));
    }

    #[test]
    fn bad_requests_are_refused_in_openais_shape() {
        for (body, status, param) in [
            (r#"{"model":"gpt-9","messages":[]}"#, 404, "model"),
            (r#"{"model":"friend","messages":[]}"#, 400, "messages"),
            (r#"{"model":"friend","messages":[{"role":"assistant","content":"x"}]}"#, 400, "messages"),
            (r#"{"model":"friend","messages":[{"role":"tool","content":"x"}]}"#, 400, "messages.0.role"),
            (
                r#"{"model":"friend","messages":[{"role":"user","content":[{"type":"image_url"}]}]}"#,
                400,
                "messages.0.content.0.type",
            ),
            (r#"{"model":"friend","messages":[{"role":"user","content":"x"}],"n":2}"#, 400, "n"),
            (r#"{"model":"friend","messages":[{"role":"user","content":"  "}]}"#, 400, "messages"),
        ] {
            let reply = refuse_problem(&parse(body.as_bytes()).err().unwrap());
            let Body::Bytes(bytes) = &reply.body else { panic!() };
            let value: Value = serde_json::from_slice(bytes).unwrap();
            assert_eq!((reply.status.as_u16(), value["error"]["param"].as_str().unwrap()), (status, param), "{body}");
        }
    }

    #[test]
    fn a_restarted_stream_is_not_doubled() {
        let job = JobId::parse("job_00000000000000000000000000").unwrap();
        let completion = Completion::new(&job, Timestamp::from_milliseconds(0), MODEL, false);
        let mut progress = Progress::default();
        let mut text = String::new();
        for event in [
            TurnEvent::Delta { at: 0, text: "Hel".into() },
            TurnEvent::Restarted,
            TurnEvent::Delta { at: 0, text: "Hello".into() },
            TurnEvent::Delta { at: 5, text: " world".into() },
        ] {
            text.push_str(&completion.events(&event, &mut progress));
        }
        assert_eq!(progress.sent, "Hello world");
        assert_eq!(text.matches("data:").count(), 3);
        completion.events(&TurnEvent::Restarted, &mut progress);
        let other = completion.events(&TurnEvent::Delta { at: 0, text: "Good day".into() }, &mut progress);
        assert!(progress.ended && other.contains("begun anew"), "{other}");
    }
}
