//! What a client of `/v1` asks: the question, and of what was said before as much as a prompt may take.

use std::borrow::Cow;

use pipeline::{
    chat::{
        catalogue::RouteName,
        generation::{PromptMessage, Role},
        turn::Ask,
    },
    constants,
    problem::{Code, Problem, excerpt},
    strict_json,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    api::chat::{self, Checked},
    http::body,
};

/// The model that lets the question decide its route.
pub(super) const MODEL: &str = "friend";

/// A request as `OpenAI`'s clients send it; what it says beyond this is not looked at.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "ChatCompletionRequest")]
pub struct CompletionRequest<'a> {
    model: String,
    #[serde(borrow)]
    messages: Vec<Message<'a>>,
    #[serde(default)]
    stream: bool,
    stream_options: Option<StreamOptions>,
    max_tokens: Option<i64>,
    max_completion_tokens: Option<i64>,
    n: Option<i64>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "ChatCompletionMessage")]
struct Message<'a> {
    #[serde(borrow)]
    role: Cow<'a, str>,
    // Read when it is known that somebody reads it: of a long history most is not.
    #[serde(borrow)]
    #[schemars(with = "Option<Content>")]
    content: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "ChatCompletionContent")]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "ChatCompletionPart")]
struct Part {
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
}

/// What a request asks: the question with all that goes with it, and how it wants to be answered.
pub(super) struct ParsedCompletion {
    pub(super) checked: Checked,
    pub(super) model: String,
    pub(super) stream: bool,
    pub(super) include_usage: bool,
}

/// Reads and checks a request.
pub(super) fn parse(text: &[u8]) -> Result<ParsedCompletion, Problem> {
    let request: CompletionRequest<'_> = strict_json::read_known(text)?;
    let route = model_route(&request.model)?;
    if request.n.is_some_and(|n| n != 1) {
        return Err(Problem::field(Code::Invalid, "/n", "one choice is answered; n must be 1"));
    }
    let max_tokens = request.max_completion_tokens.or(request.max_tokens).map(chat::max_tokens).transpose()?;
    let (system, said) = split(&request.messages)?;
    let instructions = instructions(&system)?;
    let mut messages = newest(&said)?;
    let question = messages
        .pop()
        .filter(|message| message.role == Role::User)
        .ok_or_else(|| Problem::field(Code::Invalid, "/messages", "the last message must be the user's"))?;
    let message = body::text("/messages", &question.content, constants::CHAT_MESSAGE_BYTES)?;
    let ask = Ask {
        route,
        max_tokens,
        use_memory: true,
        history: chat::cut_history(messages),
        instructions: (!instructions.is_empty()).then_some(instructions),
        ..Ask::default()
    };
    Ok(ParsedCompletion {
        checked: Checked { message, conversation: None, session: None, ask },
        model: request.model,
        stream: request.stream,
        include_usage: request.stream_options.is_some_and(|options| options.include_usage),
    })
}

fn model_route(model: &str) -> Result<Option<RouteName>, Problem> {
    if model == MODEL {
        return Ok(None);
    }
    let name = model.strip_prefix("friend-").and_then(RouteName::parse);
    name.map(Some).ok_or_else(|| {
        let detail = format!("the model {:?} does not exist; GET /v1/models lists those that do", excerpt(model));
        Problem::field(Code::NotFound, "/model", detail)
    })
}

/// A message that is not read yet, at its place in the request.
#[derive(Clone, Copy)]
struct Unread<'a> {
    place: usize,
    role: Role,
    content: Option<&'a RawValue>,
}

/// The system messages, and the others.
fn split<'a>(messages: &[Message<'a>]) -> Result<(Vec<Unread<'a>>, Vec<Unread<'a>>), Problem> {
    let unread = messages.iter().enumerate().map(|(place, message)| {
        let role = match &*message.role {
            "system" | "developer" => Role::System,
            "user" => Role::User,
            "assistant" => Role::Assistant,
            other => {
                let shown: String = other.chars().take(40).collect();
                let detail = format!("the role {shown:?} is none of system, developer, user, assistant");
                return Err(Problem::field(Code::Invalid, format!("/messages/{place}/role"), detail));
            }
        };
        Ok(Unread { place, role, content: message.content })
    });
    let unread = unread.collect::<Result<Vec<_>, _>>()?;
    Ok(unread.into_iter().partition(|message| message.role == Role::System))
}

/// The system messages, joined.
fn instructions(system: &[Unread<'_>]) -> Result<String, Problem> {
    let texts = system.iter().map(text).collect::<Result<Vec<_>, _>>()?;
    let instructions = texts.join("\n");
    let most = constants::INSTRUCTIONS_BYTES;
    if instructions.len() > most {
        let bytes = instructions.len();
        let detail = format!("the system messages have {bytes} bytes together; the limit is {most}: shorten them");
        return Err(Problem::field(Code::TooLarge, "/messages", detail));
    }
    Ok(instructions)
}

/// The newest messages, read as far back as a question and the history before it may reach. Two in a row by the same
/// side are one message.
fn newest(said: &[Unread<'_>]) -> Result<Vec<PromptMessage>, Problem> {
    let most = constants::CHAT_MESSAGE_BYTES + constants::CHAT_HISTORY_BYTES;
    let (mut read, mut bytes) = (Vec::new(), 0);
    for message in said.iter().rev() {
        let content = text(message)?;
        bytes += content.len();
        read.push(PromptMessage { role: message.role, content });
        if bytes > most {
            break;
        }
    }
    let mut messages: Vec<PromptMessage> = Vec::new();
    for message in read.into_iter().rev() {
        match messages.last_mut().filter(|last| last.role == message.role) {
            Some(last) => last.content.push_str(&format!("\n\n{}", message.content)),
            None => messages.push(message),
        }
    }
    Ok(messages)
}

/// What a message says.
fn text(message: &Unread<'_>) -> Result<String, Problem> {
    let pointer = format!("/messages/{}/content", message.place);
    let Some(content) = message.content else { return Ok(String::new()) };
    let content: Option<Content> = serde_json::from_str(content.get())
        .map_err(|_| Problem::field(Code::Invalid, &*pointer, "it is neither text nor an array of parts"))?;
    let parts = match content {
        None => return Ok(String::new()),
        Some(Content::Text(text)) => return Ok(text),
        Some(Content::Parts(parts)) => parts,
    };
    if let Some(index) = parts.iter().position(|part| part.kind != "text") {
        return Err(Problem::field(Code::Invalid, format!("{pointer}/{index}/type"), "only text is understood"));
    }
    Ok(parts.into_iter().filter_map(|part| part.text).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_request_becomes_a_question_with_history() {
        let body = r#"{"model":"friend-code","stream":true,"max_tokens":50,"messages":[
            {"role":"system","content":"Be brief."},{"role":"user","content":"Hi"},
            {"role":"assistant","content":"Hello"},
            {"role":"user","content":[{"type":"text","text":"What "},{"type":"text","text":"now?"}]}]}"#;
        let parsed = parse(body.as_bytes()).unwrap();
        let ask = &parsed.checked.ask;
        assert_eq!(
            (parsed.checked.message.as_str(), ask.instructions.as_deref(), ask.history.len()),
            ("What now?", Some("Be brief."), 2)
        );
        assert_eq!((ask.route, ask.max_tokens, parsed.stream), (Some(RouteName::Code), Some(50), true));
    }

    #[test]
    fn of_a_long_history_as_much_is_read_as_a_prompt_may_take() {
        let said = |role: &str, content: Value| serde_json::json!({ "role": role, "content": content });
        let mut messages =
            vec![said("user", serde_json::json!([{ "type": "image_url" }])), said("system", "Be brief.".into())];
        for turn in 0..100 {
            messages.push(said("user", format!("Question {turn}").into()));
            messages.push(said("assistant", format!("{turn} {}", "a".repeat(1_000)).into()));
        }
        messages.extend([said("user", "What ".into()), said("user", "now?".into())]);
        let body = serde_json::json!({ "model": "friend", "messages": messages }).to_string();
        let parsed = parse(body.as_bytes()).unwrap();
        let ask = &parsed.checked.ask;
        assert_eq!(
            (parsed.checked.message.as_str(), ask.instructions.as_deref()),
            ("What \n\nnow?", Some("Be brief."))
        );
        let bytes: usize = ask.history.iter().map(|message| message.content.len()).sum();
        let most = constants::CHAT_HISTORY_BYTES;
        assert!((most - 1_100..=most).contains(&bytes), "{bytes}");
        assert!(ask.history.last().unwrap().content.starts_with("99 "));
        // What is read is what it must be.
        let wrong = body.replace("\"Question 99\"", "[{\"type\":\"image_url\"}]");
        assert!(parse(wrong.as_bytes()).is_err());
    }
}
