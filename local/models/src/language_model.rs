//! The real language model behind the stand-in: what is asked of it, and which models think before they answer.

use pipeline::chat::{
    catalogue::Catalogue,
    client::{AnswerFormat, Sampling},
    generation::PromptMessage,
    tools::{Tool, ToolChoice},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::stand_ins::StandIns;

/// Input of a language model.
#[derive(Debug, Deserialize)]
pub struct ChatInput {
    /// The prompt.
    pub messages: Vec<PromptMessage>,
    /// Whether the answer is streamed.
    #[serde(default)]
    pub stream: bool,
    /// Most tokens of the answer. <https://developers.cloudflare.com/workers-ai/models/>
    #[serde(default = "default_max_tokens")]
    pub max_tokens: u32,
    /// How the model is to choose its words.
    #[serde(flatten)]
    pub sampling: Sampling,
    /// What the answer must be, if it is no text.
    pub response_format: Option<AnswerFormat>,
    /// The functions that it may call.
    pub tools: Option<Vec<Tool>>,
    /// Which calls there may be.
    pub tool_choice: Option<ToolChoice>,
}

const fn default_max_tokens() -> u32 {
    256
}

/// What models that think say before they answer.
pub(crate) const THOUGHT: &str = "The user asks something. Let me think about the sources first.";

/// The wish for JSON as OpenAI-compatible servers read it.
fn openai_format(format: &AnswerFormat) -> Value {
    match format {
        AnswerFormat::JsonObject => json!({ "type": "json_object" }),
        AnswerFormat::JsonSchema { json_schema } => {
            json!({ "type": "json_schema", "json_schema": { "name": "answer", "schema": json_schema } })
        }
    }
}

/// Asks the model, which any server of `OpenAI`'s API provides.
pub(crate) async fn ask(stand_ins: &StandIns, input: &ChatInput, stream: bool) -> Result<reqwest::Response, String> {
    let language_model = &stand_ins.language_model;
    let url = format!("{}/chat/completions", language_model.url.as_deref().unwrap_or_default());
    let mut body = json!({
        "model": language_model.model, "messages": input.messages, "max_tokens": input.max_tokens, "stream": stream,
    });
    if stream {
        body["stream_options"] = json!({ "include_usage": true });
    }
    if let (Ok(Value::Object(sampling)), Value::Object(body)) = (serde_json::to_value(input.sampling), &mut body) {
        body.extend(sampling);
    }
    if let Some(format) = &input.response_format {
        body["response_format"] = openai_format(format);
    }
    if let Some(offered) = &input.tools {
        body["tools"] = json!(offered);
    }
    if let Some(choice) = &input.tool_choice {
        body["tool_choice"] = json!(choice);
    }
    let mut request = stand_ins.client.post(url).json(&body);
    if let Some(key) = &language_model.key {
        request = request.bearer_auth(key);
    }
    let response =
        request.send().await.map_err(|error| format!("1031: the language model is not answering: {error}"))?;
    if !response.status().is_success() {
        let status = response.status();
        return Err(format!(
            "1031: the language model answered {status}: {}",
            response.text().await.unwrap_or_default()
        ));
    }
    Ok(response)
}

/// True for a model that thinks without being asked to.
pub(crate) fn thinks(catalogue: &Catalogue, model: &str) -> bool {
    catalogue.models.get(model).is_some_and(|model| model.thinks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_think_that_do_so_in_production() {
        let catalogue = Catalogue::default();
        let thinking: Vec<&str> =
            catalogue.models.keys().map(String::as_str).filter(|model| thinks(&catalogue, model)).collect();
        assert_eq!(thinking, ["@cf/openai/gpt-oss-20b", "@cf/qwen/qwen3-30b-a3b-fp8"]);
        assert!(!thinks(&catalogue, "gpt-9"));
    }
}
