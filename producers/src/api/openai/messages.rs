//! The messages that a client sends along: its instructions, what was said before, and the question.

use std::borrow::Cow;

use pipeline::{
    chat::{
        generation::{PromptMessage, Role},
        tools::ToolCall,
    },
    problem::{Problem, excerpt},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    fields::{missing, refused, unsupported, wrong},
    tools,
};
use crate::http::body::EMPTY_TEXT;

/// A message as clients send it.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "ChatCompletionMessage")]
pub(super) struct Message<'a> {
    #[serde(borrow)]
    #[schemars(extend("enum" = ["system", "developer", "user", "assistant", "tool"]))]
    role: Cow<'a, str>,
    #[serde(borrow)]
    #[schemars(with = "Option<Content>")]
    content: Option<&'a RawValue>,
    /// A name for whoever speaks; no model is told.
    #[serde(rename = "name")]
    _name: Option<String>,
    /// Of an assistant: what it called.
    #[serde(borrow)]
    #[schemars(with = "Option<Vec<ToolCall>>")]
    tool_calls: Option<&'a RawValue>,
    /// Of a tool: the call that it answers.
    tool_call_id: Option<String>,
    #[serde(borrow)]
    #[schemars(skip)]
    function_call: Option<&'a RawValue>,
}

/// What a message says, as it is described.
#[derive(Debug, JsonSchema)]
#[schemars(untagged, rename = "ChatCompletionContent")]
#[expect(dead_code, reason = "it is described; each part is read by itself, so that one that is wrong is named")]
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
    #[schemars(with = "String")]
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
    /// What followed it so far: calls, and what came of them.
    pub(super) following: Vec<PromptMessage>,
}

/// Reads the messages under a parameter's name; calls and what came of them only if it `takes_tools`.
pub(super) fn read(name: &str, raw: &RawValue, takes_tools: bool) -> Result<Said, Problem> {
    let messages: Vec<&RawValue> =
        serde_json::from_str(raw.get()).map_err(|_| wrong(name, raw.get(), "an array of messages"))?;
    let mut conversation = Conversation::default();
    for (place, raw) in messages.into_iter().enumerate() {
        let name = format!("{name}.{place}");
        let expected = "a message: an object with a role, and a content that is a text or an array of parts";
        let message: Message<'_> = object(raw).ok_or_else(|| wrong(&name, raw.get(), expected))?;
        conversation.add(read_message(message, &name, takes_tools)?, &name)?;
    }
    conversation.said(name)
}

/// An object by the names of its fields; serde would read it from an array as well.
fn object<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Option<T> {
    raw.get().starts_with('{').then(|| serde_json::from_str(raw.get()).ok()).flatten()
}

/// The messages so far.
#[derive(Default)]
struct Conversation {
    instructions: Vec<String>,
    said: Vec<PromptMessage>,
    /// Calls that have no result.
    open: Vec<String>,
}

impl Conversation {
    fn add(&mut self, message: PromptMessage, name: &str) -> Result<(), Problem> {
        if let Some(call) = &message.tool_call_id {
            let place = self.open.iter().position(|open| open == call);
            let expected = "the id of a call of the assistant's message before it that has no result so far";
            self.open.remove(place.ok_or_else(|| wrong(&format!("{name}.tool_call_id"), call, expected))?);
        } else {
            self.check_results(name)?;
        }
        let is_text = !message.is_about_tools();
        self.open.extend(message.tool_calls.iter().map(|call| call.id.clone()));
        match self.said.last_mut().filter(|last| is_text && last.role == message.role && !last.is_about_tools()) {
            _ if message.role == Role::System => self.instructions.push(message.content),
            Some(last) => last.content.push_str(&format!("\n\n{}", message.content)),
            None => self.said.push(message),
        }
        Ok(())
    }

    /// Whatever was called has a result before anything else is said.
    fn check_results(&self, name: &str) -> Result<(), Problem> {
        let Some(call) = self.open.first() else { return Ok(()) };
        let detail = format!(
            "the call {:?} has no result: a message of the role tool with its id as tool_call_id must follow it, \
             before anything else is said",
            excerpt(call)
        );
        Err(refused(name, &detail))
    }

    fn said(mut self, name: &str) -> Result<Said, Problem> {
        self.check_results(name)?;
        let question = self.said.iter().rposition(|message| message.role == Role::User);
        let following = self.said.split_off(question.map_or(0, |question| question + 1));
        let question = self.said.pop().filter(|_| following.last().is_none_or(|last| last.role == Role::Tool));
        let question = question.ok_or_else(|| {
            refused(name, "the last message must be the user's, or what came of a call that was made after the user's")
        })?;
        if question.content.trim().is_empty() {
            return Err(refused(name, EMPTY_TEXT));
        }
        let instructions = self.instructions.join("\n");
        let instructions = (!instructions.is_empty()).then_some(instructions);
        Ok(Said { instructions, history: self.said, question: question.content, following })
    }
}

fn read_message(message: Message<'_>, name: &str, takes_tools: bool) -> Result<PromptMessage, Problem> {
    let role = read_role(&message.role, name, takes_tools)?;
    if message.function_call.is_some() {
        return Err(unsupported(&format!("{name}.function_call"), "it is not done here: send tool_calls".to_owned()));
    }
    let tool_calls = match message.tool_calls.filter(|calls| calls.get() != "[]") {
        None => Vec::new(),
        Some(_) if !takes_tools => {
            return Err(unsupported(&format!("{name}.tool_calls"), "tools are not done here: leave it out".to_owned()));
        }
        Some(calls) => tools::read_calls(&format!("{name}.tool_calls"), calls)?,
    };
    if !tool_calls.is_empty() && role != Role::Assistant {
        return Err(wrong(&format!("{name}.tool_calls"), "there", "left out: only the assistant calls"));
    }
    let call = message.tool_call_id.filter(|_| role == Role::Tool);
    if role == Role::Tool && call.is_none() {
        return Err(missing(&format!("{name}.tool_call_id")));
    }
    let content = text(message.content, name)?;
    Ok(PromptMessage { tool_calls, tool_call_id: call, ..PromptMessage::new(role, content) })
}

fn read_role(role: &str, name: &str, takes_tools: bool) -> Result<Role, Problem> {
    match role {
        "system" | "developer" => Ok(Role::System),
        "user" => Ok(Role::User),
        "assistant" => Ok(Role::Assistant),
        "tool" if takes_tools => Ok(Role::Tool),
        other => {
            let tool = if takes_tools { ", tool" } else { "" };
            let detail = format!("the role {:?} is none of system, developer, user, assistant{tool}", excerpt(other));
            Err(refused(&format!("{name}.role"), &detail))
        }
    }
}

/// What a message says.
fn text(content: Option<&RawValue>, name: &str) -> Result<String, Problem> {
    let Some(content) = content else { return Ok(String::new()) };
    let name = format!("{name}.content");
    let neither = || wrong(&name, content.get(), "a text, or an array of parts with type and text");
    if content.get().starts_with('"') {
        return serde_json::from_str(content.get()).map_err(|_| neither());
    }
    let parts: Vec<&RawValue> = serde_json::from_str(content.get()).map_err(|_| neither())?;
    parts.into_iter().enumerate().map(|(place, part)| text_of_part(part, &format!("{name}.{place}"))).collect()
}

fn text_of_part(raw: &RawValue, name: &str) -> Result<String, Problem> {
    let part: Part = object(raw).ok_or_else(|| wrong(name, raw.get(), "a part: an object with a type and a text"))?;
    if !["text", "input_text", "output_text"].contains(&part.kind.as_str()) {
        return Err(refused(&format!("{name}.type"), "only text is understood"));
    }
    part.text.ok_or_else(|| missing(&format!("{name}.text")))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parsed(messages: &Value, takes_tools: bool) -> Result<Said, Problem> {
        let raw = RawValue::from_string(messages.to_string()).unwrap();
        read("messages", &raw, takes_tools)
    }

    fn calls(ids: &[&str]) -> Value {
        let call =
            |id: &&str| json!({"id": id, "type": "function", "function": {"name": "look", "arguments": "{\"a\":1}"}});
        json!({"role": "assistant", "content": null, "tool_calls": ids.iter().map(call).collect::<Vec<_>>()})
    }

    fn result(id: &str) -> Value {
        json!({"role": "tool", "tool_call_id": id, "content": [{"type": "text", "text": "42"}]})
    }

    const HI: &str = r#"{"role": "user", "content": "Hi"}"#;

    fn hi() -> Value {
        serde_json::from_str(HI).unwrap()
    }

    #[test]
    fn what_is_no_message_or_no_part_is_refused_by_its_place() {
        let content = |content: Value| json!([{"role": "user", "content": content}]);
        for (messages, pointer) in [
            (json!("Hi"), "/messages"),
            (json!(["Hi"]), "/messages/0"),
            (json!([["user", "Hi", null, null, null]]), "/messages/0"),
            (json!([hi(), {"content": "Hi"}]), "/messages/1"),
            (content(json!(5)), "/messages/0/content"),
            (content(json!([["text", "Hi"]])), "/messages/0/content/0"),
            (
                content(json!([{"type": "text", "text": "Hi"}, {"type": "text", "content": "x"}])),
                "/messages/0/content/1/text",
            ),
            (content(json!([{"type": "image_url"}])), "/messages/0/content/0/type"),
        ] {
            let problem = parsed(&messages, true).unwrap_err();
            assert_eq!(problem.errors[0].pointer, pointer, "{messages}: {}", problem.detail);
            assert!(!problem.detail.contains("column"), "{}", problem.detail);
        }
    }

    #[test]
    fn what_was_called_before_the_question_is_history_and_after_it_follows() {
        let messages = json!([hi(), calls(&["a", "b"]), result("b"), result("a"), hi(), calls(&["c"]), result("c")]);
        let said = parsed(&messages, true).unwrap();
        assert_eq!((said.history.len(), said.question.as_str(), said.following.len()), (4, "Hi", 2));
        assert_eq!(said.following[0].tool_calls[0].function.arguments, "{\"a\":1}");
        assert_eq!((said.following[1].content.as_str(), said.following[1].tool_call_id.as_deref()), ("42", Some("c")));
        let spoken = json!([hi(), calls(&["a"]), result("a"), {"role": "assistant", "content": "It is 42."}, hi()]);
        assert_eq!(parsed(&spoken, true).unwrap().history.len(), 4);
    }

    #[test]
    fn calls_and_results_that_do_not_belong_together_are_refused_by_name() {
        let bad = |function: Value| {
            let call = json!({"id": "a", "type": "function", "function": function});
            json!([hi(), {"role": "assistant", "tool_calls": [call]}, result("a")])
        };
        for (messages, pointer) in [
            (json!([hi(), calls(&["a"])]), "/messages"),
            (json!([hi(), calls(&["a", "b"]), result("a"), hi()]), "/messages/3"),
            (json!([hi(), calls(&["a"]), result("b")]), "/messages/2/tool_call_id"),
            (json!([hi(), calls(&["a"]), result("a"), result("a")]), "/messages/3/tool_call_id"),
            (json!([hi(), calls(&["a"]), {"role": "tool", "content": "x"}]), "/messages/2/tool_call_id"),
            (json!([calls(&["a"]), result("a")]), "/messages"),
            (json!([hi(), {"role": "user", "tool_calls": calls(&["a"])["tool_calls"]}]), "/messages/1/tool_calls"),
            (json!([hi(), {"role": "assistant", "tool_calls": [1]}]), "/messages/1/tool_calls"),
            (bad(json!({"name": "look", "arguments": "[]"})), "/messages/1/tool_calls/0/function/arguments"),
            (bad(json!({"name": "look at", "arguments": "{}"})), "/messages/1/tool_calls/0/function/name"),
            (json!([hi(), {"role": "assistant", "function_call": {}}, hi()]), "/messages/1/function_call"),
            (json!([hi(), {"role": "function", "content": "x"}]), "/messages/1/role"),
        ] {
            let problem = parsed(&messages, true).unwrap_err();
            assert_eq!(problem.errors[0].pointer, pointer, "{messages}: {}", problem.detail);
        }
        for (message, pointer) in [(result("a"), "/messages/1/role"), (calls(&["a"]), "/messages/1/tool_calls")] {
            let problem = parsed(&json!([hi(), message, hi()]), false).unwrap_err();
            assert_eq!(problem.errors[0].pointer, pointer);
        }
        assert!(parsed(&bad(json!({"name": "look", "arguments": ""})), true).is_ok(), "no arguments");
    }
}
