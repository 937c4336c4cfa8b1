//! The messages that a client sends along: its instructions, what was said before, and the question.

use std::borrow::Cow;

use pipeline::{
    chat::generation::{PromptMessage, Role},
    problem::{Code, Problem, excerpt},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::fields::unsupported;
use crate::http::body::EMPTY_TEXT;

/// A message as clients send it.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "ChatCompletionMessage")]
pub(super) struct Message<'a> {
    #[serde(borrow)]
    #[schemars(extend("enum" = ["system", "developer", "user", "assistant"]))]
    role: Cow<'a, str>,
    #[schemars(with = "Option<Content>")]
    content: Option<Content>,
    /// A name for whoever speaks; no model is told.
    #[serde(rename = "name")]
    _name: Option<String>,
    #[serde(borrow)]
    #[schemars(skip)]
    tool_calls: Option<&'a RawValue>,
    #[serde(borrow)]
    #[schemars(skip)]
    function_call: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "ChatCompletionContent")]
pub(super) enum Content {
    /// A text.
    Text(String),
    /// Parts, of which only text is understood.
    Parts(Vec<Part>),
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "ChatCompletionPart")]
pub(super) struct Part {
    #[serde(rename = "type")]
    #[schemars(extend("enum" = ["text", "input_text", "output_text"]))]
    kind: String,
    text: Option<String>,
}

/// What a client says.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Said {
    /// The system messages, joined.
    pub(super) instructions: Option<String>,
    /// What was said before the question, oldest first; two in a row by the same side are one.
    pub(super) history: Vec<PromptMessage>,
    /// The question.
    pub(super) question: String,
}

/// Reads the messages under a parameter's name.
pub(super) fn read(name: &str, raw: &RawValue) -> Result<Said, Problem> {
    let messages: Vec<Message<'_>> = serde_json::from_str(raw.get()).map_err(|error| {
        let detail = format!(
            "{name} must be an array of messages, each with a role and a content that is text or an array of parts \
             with type and text: at column {} of it is something else",
            error.column()
        );
        Problem::field(Code::Invalid, format!("/{name}"), detail)
    })?;
    let mut instructions = Vec::new();
    let mut said: Vec<PromptMessage> = Vec::new();
    for (place, message) in messages.into_iter().enumerate() {
        let (role, content) = read_message(message, &format!("{name}.{place}"))?;
        match said.last_mut().filter(|last| last.role == role) {
            _ if role == Role::System => instructions.push(content),
            Some(last) => last.content.push_str(&format!("\n\n{content}")),
            None => said.push(PromptMessage { role, content }),
        }
    }
    let question = said
        .pop()
        .filter(|message| message.role == Role::User)
        .ok_or_else(|| Problem::field(Code::Invalid, format!("/{name}"), "the last message must be the user's"))?;
    if question.content.trim().is_empty() {
        return Err(Problem::field(Code::Invalid, format!("/{name}"), EMPTY_TEXT));
    }
    let instructions = instructions.join("\n");
    let instructions = (!instructions.is_empty()).then_some(instructions);
    Ok(Said { instructions, history: said, question: question.content })
}

fn read_message(message: Message<'_>, name: &str) -> Result<(Role, String), Problem> {
    let role = match &*message.role {
        "system" | "developer" => Role::System,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        other => {
            let detail = format!("the role {:?} is none of system, developer, user, assistant", excerpt(other));
            return Err(Problem::field(Code::Invalid, format!("/{}/role", name.replace('.', "/")), detail));
        }
    };
    for (field, value) in [("tool_calls", message.tool_calls), ("function_call", message.function_call)] {
        if value.is_some_and(|value| !["null", "[]"].contains(&value.get())) {
            return Err(unsupported(&format!("{name}.{field}"), "tools are not done here: leave it out".to_owned()));
        }
    }
    Ok((role, text(message.content, name)?))
}

/// What a message says.
fn text(content: Option<Content>, name: &str) -> Result<String, Problem> {
    let parts = match content {
        None => return Ok(String::new()),
        Some(Content::Text(text)) => return Ok(text),
        Some(Content::Parts(parts)) => parts,
    };
    let is_text = |part: &Part| ["text", "input_text", "output_text"].contains(&part.kind.as_str());
    if let Some(place) = parts.iter().position(|part| !is_text(part)) {
        let pointer = format!("/{}/content/{place}/type", name.replace('.', "/"));
        return Err(Problem::field(Code::Invalid, pointer, "only text is understood"));
    }
    Ok(parts.into_iter().filter_map(|part| part.text).collect())
}
