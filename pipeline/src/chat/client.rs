//! What a client of `/v1` asks for beside its question: how it wants the model to be asked, and what it wants
//! back.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::chat::{prompt::PromptMessage, tools::OfferedTools};

/// The wishes of a client that keeps its history itself. All it says is read, or its request is refused: nothing of
/// it is cut, unless it asks for that. Its answer is the model's: nothing is put before it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClientAsk {
    /// Answer from what the client says alone: without documents, memories, profile, and rules of our own.
    #[serde(skip_serializing_if = "is_false")]
    pub is_plain: bool,
    /// The answer ends before the first of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
    /// How the model is to choose its words.
    #[serde(skip_serializing_if = "Sampling::is_default")]
    pub sampling: Sampling,
    /// What the answer must be, if it is no text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<AnswerFormat>,
    /// What the model may call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<OfferedTools>,
    /// What followed the question so far: calls, and what came of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub following: Vec<PromptMessage>,
    /// The oldest messages are left out until the rest fits; otherwise what does not fit is refused.
    #[serde(skip_serializing_if = "is_false")]
    pub leaves_out_oldest: bool,
}

impl ClientAsk {
    /// True if an answer without a call is none.
    pub fn must_call(&self) -> bool {
        self.tools.as_ref().is_some_and(|tools| tools.choice.is_forced())
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// How a model chooses its words; what is not said is the model's own default. In the names of Workers AI's
/// parameters: <https://developers.cloudflare.com/workers-ai/models/>
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sampling {
    /// From 0, the likeliest words, to 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Chooses among the likeliest words that have this probability together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// The same seed makes the same answer likely; from 1 to [`LARGEST_SEED`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
}

/// The largest seed that Workers AI takes. <https://developers.cloudflare.com/workers-ai/models/>
pub const LARGEST_SEED: i64 = 9_999_999_999;

impl Sampling {
    /// Returns true if nothing is said.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What an answer must be, as Workers AI takes it: <https://developers.cloudflare.com/workers-ai/json-mode/>
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum AnswerFormat {
    /// Any JSON object.
    JsonObject,
    /// JSON that fits a schema.
    JsonSchema {
        /// The schema.
        json_schema: Value,
    },
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_said_is_not_written() {
        assert_eq!(serde_json::to_value(ClientAsk::default()).unwrap(), json!({}));
        let seeded = Sampling { seed: Some(7), ..Sampling::default() };
        assert_eq!(serde_json::to_value(seeded).unwrap(), json!({"seed": 7}));
    }

    #[test]
    fn a_format_is_written_as_workers_ai_takes_it() {
        let written = |format: &AnswerFormat| serde_json::to_value(format).unwrap();
        assert_eq!(written(&AnswerFormat::JsonObject), json!({"type": "json_object"}));
        let schema = AnswerFormat::JsonSchema { json_schema: json!({"type": "object"}) };
        assert_eq!(written(&schema), json!({"type": "json_schema", "json_schema": {"type": "object"}}));
    }
}
