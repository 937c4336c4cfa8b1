//! `/v1`: the same chat in the words of `OpenAI`'s API, for SDKs and tools that speak it.
//!
//! A client keeps its history itself and sends it along; each request is a conversation of its own.
//! Models are our routes: `friend` lets the question decide, `friend-code` and the like choose.
//! <https://platform.openai.com/docs/api-reference/chat>

mod completion;
mod request;

use std::future::{Ready, ready};

use http::{HeaderName, StatusCode, header};
use pipeline::{
    chat::{catalogue::RouteName, channel::Channel},
    failure::Failure,
    platform::ports::Clock,
    problem::{Code, Problem},
    time::Span,
};
use schemars::JsonSchema;
use serde::Serialize;

pub use self::{completion::ChatCompletion, request::CompletionRequest};
use self::{
    completion::{Completion, CompletionWriter},
    request::{MODEL, parse},
};

use crate::{
    api::chat,
    http::{
        call::{Call, RequestPorts},
        reply::{Answer, Body, Reply, TurnStream},
    },
};

/// Seconds a request waits for its answer.
const WAIT: Span = Span::seconds(110);

/// `POST /v1/chat/completions`
pub async fn complete<P: RequestPorts>(ports: &P, call: &Call<'_>) -> Answer {
    let parsed = parse(call.request.body())?;
    let begun = chat::begin(ports, &call.tenant, parsed.checked, None, "openai").await?;
    let completion = Completion::new(&begun.job, ports.now(), &parsed.model, parsed.include_usage);
    if parsed.stream {
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

#[cfg(test)]
mod tests {
    use pipeline::{chat::channel::TurnEvent, ids::JobId, time::Timestamp};
    use serde_json::Value;

    use super::{completion::Progress, *};
    use crate::http::openai_problem;

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
            let reply = openai_problem::reply(&parse(body.as_bytes()).err().unwrap());
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
