//! `AI.run` with `tools`: refused where a model's published schema refuses it, and answered in the shape of the model,
//! whose calls come from the real one.

use std::sync::PoisonError;

use axum::response::{IntoResponse, Response};
use pipeline::chat::{
    catalogue::Catalogue,
    generation::{PromptMessage, Role, Tokens, WholeAnswer, estimated_tokens, read_whole},
    tools::Tool,
};
use serde_json::{Value, json};

use crate::{
    language_model::{ChatInput, THOUGHT, ask, thinks},
    stand_ins::StandIns,
};

/// What is wrong with the tools of an input, and with what it says of calls, for a model that calls or does not.
/// <https://developers.cloudflare.com/workers-ai/models/qwen3-30b-a3b-fp8/>
pub(crate) fn refused(input: &ChatInput, calls: bool) -> Option<String> {
    let is_about_tools = input.tools.is_some() || input.messages.iter().any(PromptMessage::is_about_tools);
    if is_about_tools && !calls {
        return Some("this model calls no functions".to_owned());
    }
    if input.messages.iter().any(|message| (message.role == Role::Tool) != message.tool_call_id.is_some()) {
        return Some("required properties at '/messages' are 'tool_call_id'".to_owned());
    }
    if input.tool_choice.is_some() && input.tools.is_none() {
        return Some("tool_choice without tools".to_owned());
    }
    let tools = input.tools.as_deref().unwrap_or_default();
    let wrong = tools.iter().find(|tool| !is_described(tool))?;
    Some(format!("required properties at '/tools/{}/function/parameters/properties'", wrong.function.name))
}

/// True for a function whose properties have each a type and a description.
fn is_described(tool: &Tool) -> bool {
    let parameters = &tool.function.parameters;
    let is_property = |property: &Value| property["type"].is_string() && property["description"].is_string();
    let properties = parameters["properties"].as_object();
    parameters["type"].is_string() && properties.is_some_and(|properties| properties.values().all(is_property))
}

/// Tokens of all that a model reads.
pub(crate) fn prompt_tokens(input: &ChatInput) -> u64 {
    let tools = input.tools.as_ref().map_or(0, |tools| estimated_tokens(&json!(tools).to_string()));
    tools + input.messages.iter().map(|message| estimated_tokens(&message.text())).sum::<u64>()
}

/// Runs a model with tools. Workers AI streams such answers as well; what asks here does not.
pub(crate) async fn run(
    stand_ins: &StandIns,
    model: &str,
    input: &ChatInput,
    answer_lost: bool,
) -> Result<Response, String> {
    if input.stream {
        return Err("5025: tools in a stream are not part of this stand-in".to_owned());
    }
    let faults = stand_ins.injector.faults();
    if faults.llm_silent {
        return Ok(answer(model, WholeAnswer::default()));
    }
    let upstream = ask(stand_ins, input, false).await?;
    let text = upstream.text().await.map_err(|error| format!("1031: {error}"))?;
    let mut whole = read_whole(&text).unwrap_or_default();
    let mut tokens =
        whole.tokens.unwrap_or(Tokens { prompt: prompt_tokens(input), completion: estimated_tokens(&text) });
    let catalogue = Catalogue::default();
    if thinks(&catalogue, model) {
        tokens.completion += estimated_tokens(THOUGHT);
    }
    whole.tokens = Some(tokens);
    let neurons = catalogue.price(model).neurons(tokens);
    stand_ins.used.lock().unwrap_or_else(PoisonError::into_inner).generated(tokens, neurons);
    if answer_lost || faults.llm_breaks_after.is_some() {
        stand_ins.injector.count_break();
        return Err("network connection lost (injected)".to_owned());
    }
    Ok(answer(model, whole))
}

/// An answer as its model gives it: those that think have the shape of `OpenAI`'s API, the others that of Workers AI.
fn answer(model: &str, whole: WholeAnswer) -> Response {
    let WholeAnswer { text, calls, tokens } = whole;
    let body = if thinks(&Catalogue::default(), model) {
        let content = Some(text).filter(|text| !text.is_empty());
        let message =
            json!({ "role": "assistant", "content": content, "reasoning_content": THOUGHT, "tool_calls": calls });
        json!({ "choices": [{ "index": 0, "message": message }], "usage": tokens })
    } else {
        json!({ "response": text, "tool_calls": calls.iter().map(flat).collect::<Vec<_>>(), "usage": tokens })
    };
    axum::Json(body).into_response()
}

/// A call in the shape that Workers AI had first.
fn flat(call: &Value) -> Value {
    let arguments = call["function"]["arguments"].as_str().and_then(|text| serde_json::from_str(text).ok());
    json!({ "name": call["function"]["name"], "arguments": arguments.unwrap_or(Value::Null) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(properties: &Value, message: &Value) -> ChatInput {
        let parameters = json!({"type": "object", "properties": properties});
        let function = json!({"name": "look", "description": "", "parameters": parameters});
        let tools = json!([{"type": "function", "function": function}]);
        serde_json::from_value(json!({"messages": [message], "tools": tools})).unwrap()
    }

    #[test]
    fn what_the_published_schema_refuses_is_refused() {
        let hi = json!({"role": "user", "content": "Hi"});
        let fine = input(&json!({"at": {"type": "string", "description": ""}}), &hi);
        assert_eq!(refused(&fine, true), None);
        assert!(refused(&fine, false).is_some());
        assert!(refused(&input(&json!({"at": {"type": "string"}}), &hi), true).is_some());
        assert!(refused(&input(&json!({"at": {"description": ""}}), &hi), true).is_some());
        assert!(refused(&input(&json!({}), &json!({"role": "tool", "content": "42"})), true).is_some());
    }
}
