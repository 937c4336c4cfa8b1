//! An answer in the words of `OpenAI`'s API: whole, or as the chunks of a stream.

use pipeline::{
    chat::{channel::TurnEvent, turn::TurnResult},
    ids::JobId,
    time::Timestamp,
};
use serde::Deserialize as _;
use serde_json::{Value, json};

/// A completion under way: what every chunk of its stream repeats.
#[derive(Clone, Debug)]
pub struct Completion {
    pub(super) id: String,
    pub(super) created: i64,
    pub(super) model: String,
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

    fn chunk(&self, delta: &Value, finish: Option<&str>) -> String {
        let choice = json!({ "index": 0, "delta": delta, "finish_reason": finish, "logprobs": null });
        self.data(&json!([choice]), None)
    }

    fn data(&self, choices: &Value, usage: Option<&Value>) -> String {
        let mut chunk = json!({
            "id": self.id, "object": "chat.completion.chunk", "created": self.created, "model": self.model, "choices": choices,
        });
        if self.include_usage {
            chunk["usage"] = usage.cloned().unwrap_or(Value::Null);
        }
        format!("data: {chunk}\n\n")
    }

    /// An event of the turn as server-sent events, if it is one for `OpenAI`'s clients. They cannot be
    /// told to forget: an attempt that begins anew is passed on from where it says more than was
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
            TurnEvent::Cancelled => failed("the turn was cancelled"),
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
            text.push_str(&self.data(&json!([]), Some(&usage(&result))));
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

pub(super) fn finish(result: &TurnResult) -> &str {
    if result.detail.finish == "length" { "length" } else { "stop" }
}

pub(super) fn usage(result: &TurnResult) -> Value {
    let usage = result.detail.usage;
    json!({
        "prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    })
}
