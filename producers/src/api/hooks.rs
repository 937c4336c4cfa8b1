//! `POST /hooks/claude-code`: what Claude Code asks and tells at certain times of a session. docs/hooks.md has all of
//! it.
//!
//! No model is asked, and nobody is disturbed: what is not understood, and whatever fails, is answered `{}`, with a
//! line in the log (`http/handle.rs` sees to what is refused before this is reached).
//!
//! * `SessionStart`: what is known about the project ([`start`]).
//! * `UserPromptSubmit`: what is remembered and where something stands that is about the prompt ([`prompt`]); what it
//!   states is kept for the stage capture ([`said`]).
//! * `Stop`, `PreCompact`, `SessionEnd`: what was said is handed to that stage.

mod input;
mod prompt;
mod said;
mod start;

use http::StatusCode;
use pipeline::failure::Failure;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

pub use self::input::HookInput;
use self::input::{Event, Input};
use crate::http::{
    call::{Call, RequestPorts},
    reply::{Answer, Reply},
};

/// What a hook is answered; mostly nothing.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[schemars(rename = "HookAnswer")]
pub struct HookAnswer {
    /// What Claude Code adds to what Claude reads.
    #[serde(rename = "hookSpecificOutput", skip_serializing_if = "Option::is_none")]
    output: Option<HookOutput>,
}

/// What is added.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct HookOutput {
    /// The event that is answered.
    hook_event_name: &'static str,
    /// The text.
    additional_context: String,
}

impl HookAnswer {
    fn of(event: &'static str, context: Option<String>) -> Self {
        let output = context.map(|additional_context| HookOutput { hook_event_name: event, additional_context });
        Self { output }
    }
}

/// A failure beside an answer costs nobody the answer; beside none it stands in the log.
fn unless_answered(context: Option<&String>, done: Result<(), Failure>) -> Result<(), Failure> {
    if context.is_some() { Ok(()) } else { done }
}

/// Answers the route.
pub async fn claude_code<P: RequestPorts>(ports: &P, call: &Call<'_>) -> Answer {
    let body: Value = serde_json::from_slice(call.request.body()).unwrap_or_default();
    let input = Input::of(&body);
    let answer = match input.event {
        Event::SessionStart => {
            let context = start::context(ports, call, &input).await?;
            unless_answered(context.as_ref(), said::hand_over_left_behind(ports, call, &input).await)?;
            HookAnswer::of("SessionStart", context)
        }
        Event::UserPromptSubmit => {
            let heard = said::hear_prompt(ports, call, &input).await;
            let context = prompt::context(ports, call, &input).await?;
            unless_answered(context.as_ref(), heard)?;
            HookAnswer::of("UserPromptSubmit", context)
        }
        Event::Stop | Event::PreCompact | Event::SessionEnd => {
            said::hand_over(ports, call, &input).await?;
            HookAnswer::default()
        }
        Event::Unknown => HookAnswer::default(),
    };
    Ok(Reply::json(StatusCode::OK, &answer))
}
