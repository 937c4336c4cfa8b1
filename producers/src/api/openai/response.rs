//! A response in the words of `OpenAI`'s API: whole, or as the events of a stream.
//! <https://platform.openai.com/docs/api-reference/responses-streaming>

use pipeline::{
    chat::{
        channel::TurnEvent,
        client::{AnswerFormat, Sampling},
        turn::TurnResult,
    },
    ids::JobId,
    time::Timestamp,
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{
    progress::{Progress, Step},
    unanswered::Unanswerable,
};
use crate::http::{openai_problem, reply::EventWriter};

/// A response as `OpenAI`'s API gives it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(transparent)]
#[schemars(rename = "ResponseObject")]
pub struct ResponseObject(Map<String, Value>);

/// What a response repeats of its request, and what it is known by.
#[derive(Clone, Debug, Default)]
pub(super) struct Response {
    pub(super) model: String,
    pub(super) instructions: Option<String>,
    pub(super) max_output_tokens: Option<u32>,
    pub(super) metadata: Map<String, Value>,
    pub(super) previous: Option<String>,
    pub(super) sampling: Sampling,
    pub(super) format: Option<AnswerFormat>,
    pub(super) truncation: &'static str,
    pub(super) suffix: String,
    pub(super) created: i64,
}

impl Response {
    /// What every id begins with.
    pub(super) const PREFIX: &'static str = "resp_";

    /// Names it after its job.
    pub(super) fn begin(&mut self, job: &JobId, now: Timestamp) {
        job.as_str().trim_start_matches(JobId::PREFIX).clone_into(&mut self.suffix);
        self.created = now.seconds();
    }

    fn message_id(&self) -> String {
        format!("msg_{}", self.suffix)
    }

    /// The response as it is now: with these messages, and what was used for them.
    fn object(&self, status: &str, output: &Value, usage: &Value) -> Value {
        json!({
            "id": format!("{}{}", Self::PREFIX, self.suffix), "object": "response", "created_at": self.created,
            "status": status, "error": null, "incomplete_details": null, "instructions": self.instructions,
            "max_output_tokens": self.max_output_tokens, "model": self.model, "output": output,
            "parallel_tool_calls": false, "previous_response_id": self.previous, "store": true,
            "temperature": self.sampling.temperature, "text": { "format": self.format() }, "tool_choice": "none",
            "tools": [], "top_p": self.sampling.top_p, "truncation": self.truncation, "usage": usage,
            "metadata": self.metadata,
        })
    }

    fn format(&self) -> Value {
        match &self.format {
            None => json!({ "type": "text" }),
            Some(AnswerFormat::JsonObject) => json!({ "type": "json_object" }),
            Some(AnswerFormat::JsonSchema { json_schema }) => {
                json!({ "type": "json_schema", "name": "answer", "schema": json_schema })
            }
        }
    }

    fn message(&self, status: &str, content: &Value) -> Value {
        json!({ "type": "message", "id": self.message_id(), "status": status, "role": "assistant", "content": content })
    }

    fn ended(&self, result: &TurnResult) -> Value {
        let is_cut = result.detail.finish == "length";
        let status = if is_cut { "incomplete" } else { "completed" };
        let output = json!([self.message(status, &json!([part(&result.answer)]))]);
        let mut object = self.object(status, &output, &usage(result));
        if is_cut {
            object["incomplete_details"] = json!({ "reason": "max_output_tokens" });
        }
        // Beyond OpenAI's answer; its clients ignore what they do not know.
        object["citations"] = json!(result.detail.citations);
        object["route"] = json!(result.detail.route);
        object["verdict"] = json!(result.detail.verdict);
        object["sentences"] = json!(result.detail.sentences);
        object
    }

    /// The response in one piece.
    pub(super) fn whole(&self, result: &TurnResult) -> ResponseObject {
        match self.ended(result) {
            Value::Object(fields) => ResponseObject(fields),
            _ => ResponseObject(Map::new()),
        }
    }
}

fn part(text: &str) -> Value {
    json!({ "type": "output_text", "text": text, "annotations": [] })
}

fn usage(result: &TurnResult) -> Value {
    let usage = result.detail.usage;
    json!({
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": { "cached_tokens": 0, "cache_write_tokens": 0 },
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": { "reasoning_tokens": 0 },
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    })
}

/// Writes a turn's events as those of a response.
#[derive(Debug)]
pub(super) struct ResponseWriter {
    response: Response,
    progress: Progress,
    number: u64,
    has_begun: bool,
}

impl ResponseWriter {
    pub(super) fn new(response: Response) -> Self {
        Self { response, progress: Progress::default(), number: 0, has_begun: false }
    }

    /// The response as a stream that has all of it at once.
    pub(super) fn at_once(mut self, result: TurnResult) -> Vec<u8> {
        let step = self.progress.end(result);
        self.step(step).into_bytes()
    }

    fn event(&mut self, kind: &str, mut data: Value) -> String {
        data["type"] = json!(kind);
        data["sequence_number"] = json!(self.number);
        self.number += 1;
        format!("event: {kind}\ndata: {data}\n\n")
    }

    /// The same about the text, which is the first part of the first message.
    fn text_event(&mut self, kind: &str, mut data: Value) -> String {
        data["item_id"] = json!(self.response.message_id());
        data["output_index"] = json!(0);
        data["content_index"] = json!(0);
        self.event(kind, data)
    }

    fn begin(&mut self) -> String {
        if std::mem::replace(&mut self.has_begun, true) {
            return String::new();
        }
        let response = self.response.object("in_progress", &json!([]), &Value::Null);
        let item = self.response.message("in_progress", &json!([]));
        [
            self.event("response.created", json!({ "response": response })),
            self.event("response.in_progress", json!({ "response": response })),
            self.event("response.output_item.added", json!({ "output_index": 0, "item": item })),
            self.text_event("response.content_part.added", json!({ "part": part("") })),
        ]
        .concat()
    }

    fn delta(&mut self, text: &str) -> String {
        if text.is_empty() {
            return String::new();
        }
        self.text_event("response.output_text.delta", json!({ "delta": text, "logprobs": [] }))
    }

    fn end(&mut self, result: &TurnResult) -> String {
        let response = self.response.ended(result);
        let item = response["output"][0].clone();
        let kind = if response["status"] == "incomplete" { "response.incomplete" } else { "response.completed" };
        [
            self.text_event("response.output_text.done", json!({ "text": result.answer, "logprobs": [] })),
            self.text_event("response.content_part.done", json!({ "part": part(&result.answer) })),
            self.event("response.output_item.done", json!({ "output_index": 0, "item": item })),
            self.event(kind, json!({ "response": response })),
        ]
        .concat()
    }

    fn fail(&mut self, unanswerable: &Unanswerable) -> String {
        let mut data = json!(openai_problem::answer(&unanswerable.problem, unanswerable.usage));
        for name in ["message", "code", "param"] {
            data[name] = data["error"][name].clone();
        }
        self.event("error", data)
    }

    fn step(&mut self, step: Step) -> String {
        match step {
            Step::Nothing => String::new(),
            Step::Begin => self.begin(),
            Step::Text(text) => self.begin() + &self.delta(&text),
            Step::End { rest, result } => [self.begin(), self.delta(&rest), self.end(&result)].concat(),
            Step::Fail(unanswerable) => self.fail(&unanswerable),
        }
    }
}

impl EventWriter for ResponseWriter {
    fn write(&mut self, _: Option<i64>, event: &TurnEvent) -> String {
        let step = self.progress.step(event);
        self.step(step)
    }

    fn has_ended(&self) -> bool {
        self.progress.has_ended()
    }

    fn break_off(&mut self) -> String {
        self.fail(&Unanswerable::broken_off())
    }
}
