//! What the models behind a name can do, and read.
//!
//! What is plainly more than they read is refused here, before it becomes a turn: by the tokens that it has at least,
//! and by its bytes. Counted exactly it is where the prompt is made, in the Worker that has the vocabulary
//! (`consumers/src/chat.rs`); what is too long there ends as
//! [`Unanswered::TooLong`](pipeline::chat::turn::Unanswered), with the same code.

use std::borrow::Cow;

use pipeline::{
    chat::{
        catalogue::{Catalogue, RouteName},
        generation::{PromptMessage, least_tokens},
        tools::OfferedTools,
        turn::Ask,
    },
    constants,
    problem::{Code, Problem},
};

use super::{fields::unsupported, models::AnsweringModel};
use crate::api::chat::Checked;

/// Tokens that are kept for our own rules beside a client's words.
const RULES_TOKENS: u64 = 256;
/// Tokens that a chat template spends on a message beyond its text.
const TOKENS_PER_MESSAGE: u64 = 8;
/// More bytes than any language has in a token on average: English has 4, Thai 6 (measured with cl100k).
const BYTES_PER_TOKEN: usize = 16;
/// Half of what D1 holds in a value, less a tenth: what JSON escapes is longer there.
const MOST_BYTES: usize = constants::D1_VALUE_BYTES / 2 - constants::D1_VALUE_BYTES / 20;

/// Refuses what the models cannot do, and more words than they read, under the parameter's name.
pub(super) fn hold_to_models(name: &str, checked: &Checked, catalogue: &Catalogue) -> Result<(), Problem> {
    hold_to_abilities(name, &checked.ask, catalogue)?;
    let history = || history(&checked.ask).filter(|_| !leaves_out_oldest(&checked.ask));
    let bytes: usize = fixed(checked).chain(history()).map(|text| text.len()).sum();
    let is_too_long = bytes > most_bytes(&checked.ask, catalogue) || {
        let least: u64 = fixed(checked).chain(history()).map(|text| least_tokens(&text) + TOKENS_PER_MESSAGE).sum();
        least > room(&checked.ask, catalogue)
    };
    if is_too_long { Err(too_long(name, checked, catalogue)) } else { Ok(()) }
}

fn leaves_out_oldest(ask: &Ask) -> bool {
    ask.client.as_ref().is_some_and(|client| client.leaves_out_oldest)
}

fn hold_to_abilities(name: &str, ask: &Ask, catalogue: &Catalogue) -> Result<(), Problem> {
    let client = ask.client.as_ref();
    // As the operation calls it whose messages are called so.
    let format = if name == "input" { "text.format" } else { "response_format" };
    let has_tools = client.is_some_and(|client| client.tools.is_some());
    if client.is_some_and(|client| client.format.is_some()) {
        if has_tools {
            let detail = format!(
                "a model calls, or answers in JSON: send tools or {format}, not both; tool_choice \"none\" \
                 lets it answer"
            );
            return Err(unsupported(format, detail));
        }
        able(format, ask, "answers in JSON", |route| catalogue.answers_json(route))?;
    }
    if !ask.is_about_tools() {
        return Ok(());
    }
    able(if has_tools { "tools" } else { name }, ask, "calls tools", |route| catalogue.calls_tools(route))
}

/// Refuses a parameter that no model behind the name can do what it asks for; says which can.
fn able(name: &str, ask: &Ask, does: &str, is_able: impl Fn(Option<RouteName>) -> bool) -> Result<(), Problem> {
    if is_able(ask.route) {
        return Ok(());
    }
    let others = AnsweringModel::all().filter(|model| model.is_plain == ask.is_plain() && is_able(model.route));
    let others: Vec<String> = others.map(AnsweringModel::name).collect();
    let instead =
        if others.is_empty() { "no name does: leave it out".to_owned() } else { format!("use {}", others.join(", ")) };
    Err(unsupported(name, format!("{name} needs a model that {does}, and this name may lead to none; {instead}")))
}

/// Leaves the oldest messages of a history out that could not be kept beside the newer ones, or not be read: those
/// beyond so many bytes. Which of the rest fit is seen where tokens are counted.
pub(super) fn leave_out_unreadable(ask: &mut Ask, catalogue: &Catalogue) {
    let mut left = most_bytes(ask, catalogue);
    let fits = |text: &Cow<'_, str>| {
        let fits = text.len() <= left;
        left = left.saturating_sub(text.len());
        fits
    };
    let kept = history(ask).rev().take_while(fits).count();
    ask.history.drain(..ask.history.len() - kept);
}

/// Bytes that a client's words may have: more than is read of any language, and less than a turn's row holds.
fn most_bytes(ask: &Ask, catalogue: &Catalogue) -> usize {
    let reach = usize::try_from(catalogue.reach(ask.route)).unwrap_or(usize::MAX);
    reach.saturating_mul(BYTES_PER_TOKEN).min(MOST_BYTES)
}

/// Tokens that a client's words may have.
fn room(ask: &Ask, catalogue: &Catalogue) -> u64 {
    let answer = catalogue.most_tokens(ask.route).min(ask.max_tokens.unwrap_or(u32::MAX));
    catalogue.reach(ask.route).saturating_sub(u64::from(answer) + RULES_TOKENS)
}

/// What must be read whatever else is: also the functions that are offered.
fn fixed(checked: &Checked) -> impl Iterator<Item = Cow<'_, str>> {
    let ask = &checked.ask;
    let tools = ask.client.as_ref().and_then(|client| client.tools.as_ref()).map(OfferedTools::text);
    let said = [ask.instructions.as_deref(), Some(checked.message.as_str())].into_iter().flatten();
    let following = ask.following().iter().map(PromptMessage::text);
    said.map(Cow::from).chain(tools.map(Cow::from)).chain(following)
}

fn history(ask: &Ask) -> impl DoubleEndedIterator<Item = Cow<'_, str>> {
    ask.history.iter().map(PromptMessage::text)
}

fn too_long(name: &str, checked: &Checked, catalogue: &Catalogue) -> Problem {
    let ask = &checked.ask;
    let (reach, room) = (catalogue.reach(ask.route), room(ask, catalogue));
    let system = ask.instructions.as_ref().map_or(0, String::len);
    let earlier: usize = history(ask).map(|text| text.len()).sum();
    let fixed: usize = fixed(checked).map(|text| text.len()).sum();
    let detail = format!(
        "the messages have more than {room} tokens ({system} bytes of system messages, {earlier} of earlier ones, \
         {} of the last, also of tools): this model's maximum context length is {reach} tokens, the answer's among \
         them; shorten them",
        fixed - system
    );
    let mut problem = Problem::field(Code::Invalid, format!("/{name}"), detail);
    "context_length_exceeded".clone_into(&mut problem.code);
    problem
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{
        super::request::{parse, tests::body},
        *,
    };

    fn tool(description: &str) -> Value {
        json!({"type": "function", "function": {"name": "look", "description": description}})
    }

    #[test]
    fn functions_are_words_of_the_prompt() {
        let catalogue = Catalogue::default();
        let held = |words: usize| {
            let parsed = parse(&body(&json!({"tools": [tool(&"word ".repeat(words))]}))).unwrap();
            hold_to_models("messages", &parsed.checked, &catalogue)
        };
        assert!(held(30_000).is_ok());
        assert_eq!(held(32_000).unwrap_err().code, "context_length_exceeded");
    }

    #[test]
    fn who_cannot_do_what_is_asked_is_told_who_can() {
        let mut catalogue = Catalogue::default();
        let held = |catalogue: &Catalogue, fields: &Value| {
            let problem = hold_to_models("messages", &parse(&body(fields)).unwrap().checked, catalogue).unwrap_err();
            (problem.errors[0].pointer.clone(), problem.code, problem.detail)
        };
        let tools = json!([tool("")]);
        for (name, model) in &mut catalogue.models {
            model.tools = name.contains("qwen");
        }
        let (pointer, code, detail) = held(&catalogue, &json!({"model": "friend-simple-plain", "tools": tools}));
        assert_eq!((pointer.as_str(), code.as_str()), ("/tools", "unsupported_parameter"));
        assert!(detail.ends_with("use friend-general-plain, friend-code-plain, friend-complex-plain"), "{detail}");
        let function = json!({"name": "look", "arguments": "{}"});
        let calls = json!([{"id": "a", "type": "function", "function": function}]);
        let messages = json!([{"role": "user", "content": "Hi"}, {"role": "assistant", "tool_calls": calls},
                              {"role": "tool", "tool_call_id": "a", "content": "42"}]);
        assert_eq!(held(&catalogue, &json!({"messages": messages})).0, "/messages");
        for model in catalogue.models.values_mut() {
            model.tools = false;
        }
        assert!(held(&catalogue, &json!({"tools": tools})).2.contains("no name does"));
        let both = json!({"tools": tools, "response_format": {"type": "json_object"}});
        assert_eq!(held(&Catalogue::default(), &both).0, "/response_format");
    }

    #[test]
    fn what_could_not_be_kept_is_refused_or_left_out() {
        let catalogue = Catalogue::default();
        let word = "x".repeat(200_000);
        let said = |role: &str| json!({"role": role, "content": word});
        let messages = json!([said("user"), said("assistant"), said("user"), said("assistant"), said("user")]);
        let mut parsed = parse(&body(&json!({"messages": messages}))).unwrap();
        assert_eq!(
            hold_to_models("messages", &parsed.checked, &catalogue).unwrap_err().code,
            "context_length_exceeded"
        );
        leave_out_unreadable(&mut parsed.checked.ask, &catalogue);
        assert_eq!(parsed.checked.ask.history.len(), 2, "512,000 bytes at most");
    }

    #[test]
    fn the_window_is_used_and_what_is_beyond_it_refused() {
        let catalogue = Catalogue::default();
        let held = |model: &str, words: usize| {
            let messages = json!([{"role": "system", "content": "word ".repeat(words / 2)},
                                  {"role": "user", "content": "word ".repeat(words / 2)}]);
            let parsed = parse(&body(&json!({"model": model, "messages": messages}))).unwrap();
            hold_to_models("messages", &parsed.checked, &catalogue)
        };
        assert!(held("friend", 30_000).is_ok());
        let refused = held("friend", 32_000).unwrap_err();
        assert_eq!(
            (refused.code.as_str(), refused.errors[0].pointer.as_str()),
            ("context_length_exceeded", "/messages")
        );
        assert!(refused.detail.contains("maximum context length is 32000 tokens"), "{}", refused.detail);
        assert!(held("friend-code", 31_000).is_ok());
    }
}
