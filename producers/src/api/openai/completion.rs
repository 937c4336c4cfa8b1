//! An answer in the words of `OpenAI`'s API: whole, or as the chunks of a stream.

use pipeline::{
    chat::{
        channel::TurnEvent,
        tools::ToolCall,
        turn::{Citation, Routed, TurnResult},
        verdict::{CheckedSentence, Verdict},
    },
    ids::JobId,
    time::Timestamp,
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    progress::{Progress, Step},
    unanswered::Unanswerable,
};
use crate::http::{openai_problem, reply::EventWriter};

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
    /// What speaks for the answer, all in all, and for each of its sentences.
    verdict: Verdict,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sentences: Vec<CheckedSentence>,
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
    /// Nothing where there are calls alone.
    content: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<ToolCall>,
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
    /// The answer may be calls: whether it has content is known at its end.
    may_call: bool,
}

impl Completion {
    pub(super) fn new(job: &JobId, now: Timestamp, model: &str, include_usage: bool) -> Self {
        let id = format!("chatcmpl-{}", job.as_str().trim_start_matches(JobId::PREFIX));
        Self { id, created: now.seconds(), model: model.to_owned(), include_usage, may_call: false }
    }

    /// The same for a question that offers tools, or does not.
    pub(super) fn that_may_call(self, may_call: bool) -> Self {
        Self { may_call, ..self }
    }

    /// The answer in one piece.
    pub(super) fn whole(self, result: TurnResult) -> ChatCompletion {
        let (finish_reason, usage) = (finish(&result), usage(&result));
        let tool_calls = result.detail.tool_calls;
        let content = Some(result.answer).filter(|answer| tool_calls.is_empty() || !answer.is_empty());
        let message = Said { role: "assistant", content, tool_calls, refusal: () };
        ChatCompletion {
            id: self.id,
            object: "chat.completion",
            created: self.created,
            model: self.model,
            choices: [Choice { index: 0, finish_reason, logprobs: (), message }],
            usage,
            citations: result.detail.citations,
            route: result.detail.route,
            verdict: result.detail.verdict,
            sentences: result.detail.sentences,
        }
    }

    /// The answer as a stream that has all of it at once.
    pub(super) fn at_once(self, result: TurnResult) -> Vec<u8> {
        let mut writer = CompletionWriter::new(self);
        let step = writer.progress.end(result);
        writer.step(step).into_bytes()
    }

    fn chunk(&self, delta: &Value) -> String {
        self.data(&choice(delta, None), None, None)
    }

    fn data(&self, choices: &Value, usage: Option<&Value>, result: Option<&TurnResult>) -> String {
        let mut chunk = json!({
            "id": self.id, "object": "chat.completion.chunk", "created": self.created, "model": self.model,
            "choices": choices,
        });
        if self.include_usage {
            chunk["usage"] = usage.cloned().unwrap_or(Value::Null);
        }
        if let Some(result) = result {
            chunk["citations"] = json!(result.detail.citations);
            chunk["route"] = json!(result.detail.route);
            chunk["verdict"] = json!(result.detail.verdict);
            chunk["sentences"] = json!(result.detail.sentences);
        }
        format!("data: {chunk}\n\n")
    }

    fn end(&self, result: &TurnResult) -> String {
        let mut text = self.data(&choice(&json!({}), Some(finish(result))), None, Some(result));
        if self.include_usage {
            text.push_str(&self.data(&json!([]), Some(&json!(usage(result))), None));
        }
        text + DONE
    }
}

const DONE: &str = "data: [DONE]\n\n";

fn choice(delta: &Value, finish: Option<&str>) -> Value {
    json!([{ "index": 0, "delta": delta, "finish_reason": finish, "logprobs": null }])
}

fn failed(unanswerable: &Unanswerable) -> String {
    format!("data: {}\n\n{DONE}", json!(openai_problem::answer(&unanswerable.problem, unanswerable.usage)))
}

fn finish(result: &TurnResult) -> &'static str {
    match result.detail.finish.as_str() {
        "length" => "length",
        "tool_calls" => "tool_calls",
        _ => "stop",
    }
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
    /// Clients add each delta to what they have: whose it is, is said once.
    has_role: bool,
}

impl CompletionWriter {
    pub(super) fn new(completion: Completion) -> Self {
        Self { completion, progress: Progress::default(), has_role: false }
    }

    /// What has been sent of the answer.
    #[cfg(test)]
    pub(super) fn sent(&self) -> &str {
        self.progress.sent()
    }

    fn step(&mut self, step: Step) -> String {
        match step {
            Step::Nothing => String::new(),
            Step::Begin if self.completion.may_call => self.delta(json!({ "content": null })),
            Step::Begin => self.delta(json!({ "content": "" })),
            Step::Text(text) => self.delta(json!({ "content": text })),
            Step::End { rest, result } => {
                let rest = if rest.is_empty() { String::new() } else { self.delta(json!({ "content": rest })) };
                rest + &self.calls(&result.detail.tool_calls) + &self.completion.end(&result)
            }
            Step::Fail(unanswerable) => failed(&unanswerable),
        }
    }

    fn delta(&mut self, mut delta: Value) -> String {
        if !std::mem::replace(&mut self.has_role, true) {
            delta["role"] = json!("assistant");
        }
        self.completion.chunk(&delta)
    }

    /// All calls in one piece: they are known when the answer is.
    fn calls(&mut self, calls: &[ToolCall]) -> String {
        if calls.is_empty() {
            return String::new();
        }
        let numbered = calls.iter().enumerate().map(|(index, call)| {
            let mut call = json!(call);
            call["index"] = json!(index);
            call
        });
        let numbered: Vec<Value> = numbered.collect();
        self.delta(json!({ "tool_calls": numbered }))
    }
}

impl EventWriter for CompletionWriter {
    fn write(&mut self, _: Option<i64>, event: &TurnEvent) -> String {
        let step = self.progress.step(event);
        self.step(step)
    }

    fn has_ended(&self) -> bool {
        self.progress.has_ended()
    }

    fn break_off(&mut self) -> String {
        failed(&Unanswerable::broken_off())
    }
}
