//! An answer in the words of `OpenAI`'s API: whole, or as the chunks of a stream.

use pipeline::{
    chat::{
        channel::TurnEvent,
        turn::{Citation, Routed, TurnResult},
    },
    ids::JobId,
    time::Timestamp,
};
use schemars::JsonSchema;
use serde::{Deserialize as _, Serialize};
use serde_json::{Value, json};

use crate::{api::chat::CANCELLED, http::reply::EventWriter};

/// An answer as `OpenAI`'s API gives it.
#[derive(Serialize, JsonSchema)]
pub struct ChatCompletion {
    id: String,
    object: &'static str,
    created: i64,
    model: String,
    choices: [Choice; 1],
    usage: TokenUsage,
    /// Beyond `OpenAI`'s answer; its clients ignore what they do not know.
    citations: Vec<Citation>,
    route: Routed,
}

#[derive(Serialize, JsonSchema)]
#[schemars(inline)]
struct Choice {
    index: u32,
    finish_reason: &'static str,
    /// Never shown.
    logprobs: (),
    message: Said,
}

#[derive(Serialize, JsonSchema)]
#[schemars(inline)]
struct Said {
    role: &'static str,
    content: String,
    /// Never given: what cannot be answered is a problem.
    refusal: (),
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ChatCompletionUsage")]
struct TokenUsage {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
}

/// A completion under way: what every chunk of its stream repeats.
#[derive(Clone, Debug)]
pub struct Completion {
    id: String,
    created: i64,
    model: String,
    include_usage: bool,
}

/// How far a stream is.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// What the client has.
    pub(super) sent: String,
    /// What the present attempt has said.
    current: String,
    /// The stream ended before its turn.
    pub ended: bool,
}

impl Completion {
    pub(super) fn new(job: &JobId, now: Timestamp, model: &str, include_usage: bool) -> Self {
        let id = format!("chatcmpl-{}", job.as_str().trim_start_matches(JobId::PREFIX));
        Self { id, created: now.seconds(), model: model.to_owned(), include_usage }
    }

    /// The answer in one piece.
    pub(super) fn whole(self, result: TurnResult) -> ChatCompletion {
        let (finish_reason, usage) = (finish(&result), usage(&result));
        let message = Said { role: "assistant", content: result.answer, refusal: () };
        ChatCompletion {
            id: self.id,
            object: "chat.completion",
            created: self.created,
            model: self.model,
            choices: [Choice { index: 0, finish_reason, logprobs: (), message }],
            usage,
            citations: result.detail.citations,
            route: result.detail.route,
        }
    }

    fn chunk(&self, delta: &Value, finish: Option<&str>) -> String {
        let choice = json!({ "index": 0, "delta": delta, "finish_reason": finish, "logprobs": null });
        self.data(&json!([choice]), None)
    }

    fn data(&self, choices: &Value, usage: Option<&Value>) -> String {
        let mut chunk = json!({
            "id": self.id, "object": "chat.completion.chunk", "created": self.created, "model": self.model,
            "choices": choices,
        });
        if self.include_usage {
            chunk["usage"] = usage.cloned().unwrap_or(Value::Null);
        }
        format!("data: {chunk}\n\n")
    }

    /// An event of the turn as server-sent events, if it is one for `OpenAI`'s clients. They cannot
    /// take text back: an attempt that begins anew is passed on from where it says more than was
    /// sent, and one that says something else ends the stream with an error.
    pub fn events(&self, event: &TurnEvent, progress: &mut Progress) -> String {
        match event {
            TurnEvent::Started { .. } if progress.sent.is_empty() => {
                self.chunk(&json!({ "role": "assistant", "content": "" }), None)
            }
            TurnEvent::Started { .. } => String::new(),
            TurnEvent::Restarted => {
                progress.current.clear();
                String::new()
            }
            TurnEvent::Delta { text, .. } => self.delta(text, progress),
            TurnEvent::Done { result } => self.end(result, &progress.sent),
            TurnEvent::Failed { detail } => failed(detail),
            TurnEvent::Cancelled => failed(CANCELLED),
        }
    }

    fn delta(&self, text: &str, progress: &mut Progress) -> String {
        progress.current.push_str(text);
        if progress.sent.starts_with(&progress.current) {
            return String::new();
        }
        let Some(new) = progress.current.strip_prefix(progress.sent.as_str()).map(str::to_owned) else {
            progress.ended = true;
            return failed("the answer was begun anew and says something else; ask again");
        };
        progress.sent.push_str(&new);
        self.chunk(&json!({ "content": new }), None)
    }

    pub(super) fn end(&self, result: &Value, sent: &str) -> String {
        let Ok(result) = TurnResult::deserialize(result) else { return failed("the answer cannot be read") };
        // An answer that nobody streamed, from the cache or without a model, comes whole.
        let mut text = String::new();
        if sent.is_empty() {
            text.push_str(&self.chunk(&json!({ "role": "assistant", "content": result.answer }), None));
        }
        text.push_str(&self.chunk(&json!({}), Some(finish(&result))));
        if self.include_usage {
            text.push_str(&self.data(&json!([]), Some(&json!(usage(&result)))));
        }
        text + "data: [DONE]\n\n"
    }
}

fn failed(detail: &str) -> String {
    format!(
        "data: {}\n\ndata: [DONE]\n\n",
        json!({ "error": { "message": detail, "type": "server_error", "code": null, "param": null } })
    )
}

fn finish(result: &TurnResult) -> &'static str {
    if result.detail.finish == "length" { "length" } else { "stop" }
}

fn usage(result: &TurnResult) -> TokenUsage {
    let usage = result.detail.usage;
    TokenUsage {
        prompt_tokens: usage.prompt_tokens,
        completion_tokens: usage.completion_tokens,
        total_tokens: usage.prompt_tokens + usage.completion_tokens,
    }
}

/// Writes a turn's events for a client of `OpenAI`'s API.
#[derive(Debug)]
pub struct CompletionWriter {
    completion: Completion,
    progress: Progress,
}

impl CompletionWriter {
    pub(super) fn new(completion: Completion) -> Self {
        Self { completion, progress: Progress::default() }
    }
}

impl EventWriter for CompletionWriter {
    fn write(&mut self, _: Option<i64>, event: &TurnEvent) -> String {
        let text = self.completion.events(event, &mut self.progress);
        self.progress.ended |= event.is_last();
        text
    }

    fn has_ended(&self) -> bool {
        self.progress.ended
    }
}
