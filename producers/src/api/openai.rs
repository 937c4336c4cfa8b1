//! `/v1`: the same chat in the words of `OpenAI`'s API, for SDKs and tools that speak it.
//!
//! A client keeps its history itself and sends it along; each request is a conversation of its own.
//! Models are our routes: `friend` lets the question decide, `friend-code` and the like choose. What becomes of each
//! parameter is a table: [`parameters`], and `docs/openai.md`.
//! <https://platform.openai.com/docs/api-reference/chat>

mod completion;
mod described;
pub mod embeddings;
mod fields;
pub mod join;
mod messages;
pub mod models;
pub mod parameters;
mod progress;
mod request;
mod response;
pub mod responses;
mod tools;
mod unanswered;
mod window;

use std::future::{Ready, ready};

use http::{HeaderName, StatusCode, header};
use pipeline::{
    chat::{catalogue::Catalogue, channel::Channel, turn::TurnResult},
    ids::{JobId, UserId},
    platform::ports::Clock,
    problem::{Code, Problem},
    time::Span,
};

pub use self::{completion::ChatCompletion, request::CompletionRequest, response::ResponseObject};
use self::{
    completion::{Completion, CompletionWriter},
    join::Joined,
    request::parse,
    unanswered::Unanswerable,
    window::hold_to_models,
};
use crate::{
    api::jobs::{TurnState, turn_state, wait_for_end},
    http::{
        call::{Call, RequestPorts},
        reply::{Answer, Body, Closing, EventWriter, Refusal, Reply, TurnStream},
    },
};

/// How long a request waits for its answer.
const WAIT: Span = Span::seconds(110);
/// Names the job of a turn.
const JOB: HeaderName = HeaderName::from_static("x-job-id");
/// What speaks for an answer, all in all.
const VERDICT: HeaderName = HeaderName::from_static("x-verdict");

/// `POST /v1/chat/completions`
pub async fn complete<P: RequestPorts>(ports: &P, call: &Call<'_>) -> Answer {
    let parsed = parse(call.request.body())?;
    hold_to_models("messages", &parsed.checked, &Catalogue::load(ports).await.catalogue)?;
    let joined = join::begin(ports, call, parsed.checked).await?;
    let completion = Completion::new(&joined.begun.job, ports.now(), &parsed.model, parsed.include_usage);
    let completion = completion.that_may_call(parsed.may_call);
    if parsed.stream {
        return Ok(match joined.begun.result.clone() {
            Some(result) => at_once(event_stream_of(&joined.begun.job), completion.at_once(result)),
            None => stream(&call.tenant.user, joined, Box::new(CompletionWriter::new(completion))),
        });
    }
    let reply = match result(ports, &call.tenant.user, &joined).await? {
        Ok(result) => {
            let verdict = result.detail.verdict.name();
            Reply::json(StatusCode::OK, &completion.whole(result))
                .with(JOB, joined.begun.job.as_str())
                .with(VERDICT, verdict)
        }
        Err(unanswerable) => unanswerable.reply(&joined.begun.job),
    };
    Ok(reply)
}

/// Waits for a turn's answer, for as long as a request may.
async fn result<P: RequestPorts>(
    ports: &P,
    user: &UserId,
    joined: &Joined,
) -> Result<Result<TurnResult, Unanswerable>, Refusal> {
    let job = &joined.begun.job;
    if let Some(result) = joined.begun.result.clone() {
        return Ok(answered(result));
    }
    wait_for_end(ports, user, job, WAIT).await?;
    Ok(match turn_state(ports, user, job).await? {
        TurnState::Answered(result) => answered(*result),
        TurnState::Cancelled => Err(unanswered::cancelled()),
        TurnState::Ended(why) => Err(Unanswerable::failed(&why)),
        TurnState::Open => {
            join::note_waited_out(ports, user, &joined.key).await?;
            Err(Unanswerable::too_late(job, WAIT.as_seconds()))
        }
    })
}

fn answered(result: TurnResult) -> Result<TurnResult, Unanswerable> {
    unanswered::of(&result).map_or(Ok(result), Err)
}

fn event_stream_of(job: &JobId) -> Reply {
    Reply::bytes(StatusCode::OK, "text/event-stream", Vec::new())
        .with(header::CACHE_CONTROL, "no-store")
        .with(JOB, job.as_str())
}

fn at_once(stream: Reply, events: Vec<u8>) -> Reply {
    Reply { body: Body::Bytes(events), ..stream }
}

/// Streams a turn. Whoever began it stops it by closing the stream.
fn stream(user: &UserId, joined: Joined, writer: Box<dyn EventWriter>) -> Reply {
    let reply = event_stream_of(&joined.begun.job);
    let Joined { begun, key, is_new } = joined;
    let channel = Channel::of_turn(user, &begun.job, None);
    let closing = is_new.then(|| Closing { job: begun.job.clone(), key });
    let stream = TurnStream { job: begun.job, channel, since: 0, writer, closing };
    Reply { body: Body::TurnEvents(stream), ..reply }
}

/// `POST /v1/completions`: only to say where to go.
pub fn complete_text<P: Clock>(_: &P, _: &Call<'_>) -> Ready<Answer> {
    let detail = "these are chat models, which have no v1/completions: use POST /v1/chat/completions, with the prompt \
                  as {\"messages\": [{\"role\": \"user\", \"content\": \"…\"}]}";
    ready(Err(Problem::new(Code::NotFound, detail).into()))
}

#[cfg(test)]
mod tests {
    use pipeline::{chat::channel::TurnEvent, time::Timestamp};
    use serde_json::Value;

    use super::*;
    use crate::http::openai_problem;

    #[test]
    fn bad_requests_are_refused_in_openais_shape() {
        for (body, status, param, code) in [
            (r#"{"model":"gpt-9","messages":[{"role":"user","content":"x"}]}"#, 404, "model", "model_not_found"),
            (r#"{"model":"friend","messages":[]}"#, 400, "messages", "invalid_value"),
            (r#"{"model":"friend","messages":[{"role":"assistant","content":"x"}]}"#, 400, "messages", "invalid_value"),
            (
                r#"{"model":"friend","messages":[{"role":"robot","content":"x"}]}"#,
                400,
                "messages.0.role",
                "invalid_value",
            ),
            (
                r#"{"model":"friend","messages":[{"role":"user","content":[{"type":"image_url"}]}]}"#,
                400,
                "messages.0.content.0.type",
                "invalid_value",
            ),
            (
                r#"{"model":"friend","messages":[{"role":"user","content":"x"}],"n":2}"#,
                400,
                "n",
                "unsupported_parameter",
            ),
            (r#"{"model":"friend","messages":[{"role":"user","content":"  "}]}"#, 400, "messages", "invalid_value"),
            (r#"{"model":"friend","temperature":"hot"}"#, 400, "messages", "missing_required_parameter"),
        ] {
            let reply = openai_problem::reply(&parse(body.as_bytes()).err().unwrap());
            let Body::Bytes(bytes) = &reply.body else { panic!() };
            let value: Value = serde_json::from_slice(bytes).unwrap();
            let told = (value["error"]["param"].as_str().unwrap(), value["error"]["code"].as_str().unwrap());
            assert_eq!((reply.status.as_u16(), told), (status, (param, code)), "{body}");
        }
    }

    #[test]
    fn a_restarted_stream_is_not_doubled() {
        let job = JobId::parse("job_00000000000000000000000000").unwrap();
        let completion = Completion::new(&job, Timestamp::from_milliseconds(0), "friend", false);
        let mut writer = CompletionWriter::new(completion);
        let mut text = String::new();
        for event in [
            TurnEvent::Delta { at: 0, text: "Hel".into() },
            TurnEvent::Restarted,
            TurnEvent::Delta { at: 0, text: "Hello".into() },
            TurnEvent::Delta { at: 5, text: " world ".into() },
        ] {
            text.push_str(&writer.write(None, &event));
        }
        assert_eq!(writer.sent(), "Hello world");
        assert_eq!(text.matches("data:").count(), 3);
        writer.write(None, &TurnEvent::Restarted);
        let other = writer.write(None, &TurnEvent::Delta { at: 0, text: "Good day".into() });
        assert!(writer.has_ended() && other.contains("begun anew"), "{other}");
    }
}
