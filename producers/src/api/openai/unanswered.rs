//! What is said where there is no answer, and what that cost. A client of `OpenAI`'s API takes content for what a
//! model said: that none did is an error.

use http::{HeaderName, StatusCode};
use pipeline::{
    chat::turn::{Spent, TurnResult, Unanswered},
    ids::JobId,
    problem::{Code, Problem},
};

use serde::Deserialize as _;
use serde_json::Value;

use crate::{
    api::chat::CANCELLED,
    http::{openai_problem, reply::Reply},
};

/// Why there is no answer.
#[derive(Debug)]
pub(super) struct Unanswerable {
    pub(super) problem: Problem,
    /// What was spent all the same.
    pub(super) usage: Option<Spent>,
    /// Whether sending the same again at once may help: SDKs do so by themselves, unless they are told not to.
    may_retry: bool,
}

/// Tells SDKs of `OpenAI`'s API whether to send a request again.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

impl Unanswerable {
    fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        let mut problem = Problem::new(Code::Unavailable, detail);
        problem.status = status.as_u16();
        code.clone_into(&mut problem.code);
        Self { problem, usage: None, may_retry: false }
    }

    /// The turn failed.
    pub(super) fn failed(detail: &str) -> Self {
        let unanswerable = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail);
        Self { may_retry: true, ..unanswerable }
    }

    /// Its owner stopped it.
    pub(super) fn stopped(detail: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "cancelled", detail)
    }

    /// It goes on, and this stream of it does not.
    pub(super) fn broken_off() -> Self {
        let detail = "this stream has lasted as long as one may; the answer goes on being written: send the same \
                      request again and it is read from its beginning";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "stream_broke_off", detail)
    }

    /// It is not there yet; a status that no SDK takes for a reason to send the request again.
    pub(super) fn too_late(job: &JobId, seconds: i64) -> Self {
        let detail = format!(
            "the answer is not there after {seconds} seconds, and goes on being written. Send the same request again \
             within ten minutes: it joins this turn and costs nothing more. Or read it at GET /api/jobs/{job}, or \
             stream it from the beginning ({{\"stream\": true}})"
        );
        Self::new(StatusCode::FAILED_DEPENDENCY, "answer_not_ready", detail)
    }

    /// There is no allowance for it.
    pub(super) fn exhausted(why: &str) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "insufficient_quota", why)
    }

    /// As an answer to the request.
    pub(super) fn reply(&self, job: &JobId) -> Reply {
        self.reply_without_job().with(HeaderName::from_static("x-job-id"), job.as_str())
    }

    /// The same where no job was begun.
    pub(super) fn reply_without_job(&self) -> Reply {
        let reply = openai_problem::reply_with(&self.problem, self.usage);
        if self.may_retry { reply } else { reply.with(SHOULD_RETRY, "false") }
    }
}

/// The answer of a turn that has ended.
pub(super) fn read(result: &Value) -> Result<TurnResult, Unanswerable> {
    TurnResult::deserialize(result).map_err(|_| Unanswerable::failed("the answer cannot be read"))
}

/// A turn that its owner stopped.
pub(super) fn cancelled() -> Unanswerable {
    Unanswerable::stopped(CANCELLED)
}

/// Why a turn that has ended has no model's answer, if it has none.
pub(super) fn of(result: &TurnResult) -> Option<Unanswerable> {
    let detail = &result.detail;
    let why = detail.degraded.as_deref().unwrap_or_default();
    let unanswerable = match detail.unanswered? {
        Unanswered::Exhausted => {
            let words = format!("there is no answer: {}; it is new at 00:00 UTC", cause(why));
            Unanswerable::exhausted(&words)
        }
        Unanswered::Empty => {
            let words = format!(
                "the models wrote nothing that can be read: {} tokens of prompts and {} of answers were spent on it \
                 ({:.2} neurons). More tokens for the answer (max_completion_tokens, in /v1/responses \
                 max_output_tokens) help a model that thinks before it answers",
                detail.usage.prompt_tokens, detail.usage.completion_tokens, detail.usage.neurons
            );
            Unanswerable::new(StatusCode::BAD_GATEWAY, "empty_completion", words)
        }
        Unanswered::Uncalled => {
            let words = format!(
                "the models called none of the tools with arguments that are a JSON object, as tool_choice demands: \
                 {} tokens of prompts and {} of answers were spent on it ({:.2} neurons). Describe the tool and its \
                 parameters, allow more max_completion_tokens, choose another model, or leave tool_choice out",
                detail.usage.prompt_tokens, detail.usage.completion_tokens, detail.usage.neurons
            );
            Unanswerable::new(StatusCode::BAD_GATEWAY, "no_tool_call", words)
        }
        Unanswered::TooLong => Unanswerable::new(StatusCode::BAD_REQUEST, "context_length_exceeded", cause(why)),
        Unanswered::Unavailable => {
            let words = format!("there is no answer: {}", cause(why));
            Unanswerable { may_retry: true, ..Unanswerable::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", words) }
        }
    };
    Some(Unanswerable { usage: Some(detail.usage), ..unanswerable })
}

/// The cause of what is degraded, without what people are answered in its place.
fn cause(degraded: &str) -> &str {
    degraded.split("; ").next().unwrap_or_default()
}
