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

/// Answers the route.
pub async fn claude_code<P: RequestPorts>(ports: &P, call: &Call<'_>) -> Answer {
    let body: Value = serde_json::from_slice(call.request.body()).unwrap_or_default();
    let input = Input::of(&body);
    let answer = match input.event {
        Event::SessionStart => HookAnswer::of("SessionStart", start::context(ports, call, &input).await?),
        Event::UserPromptSubmit => {
            said::hear_prompt(ports, call, &input).await?;
            HookAnswer::of("UserPromptSubmit", prompt::context(ports, call, &input).await?)
        }
        Event::Stop | Event::PreCompact | Event::SessionEnd => {
            said::hand_over(ports, call, &input).await?;
            HookAnswer::default()
        }
        Event::Unknown => HookAnswer::default(),
    };
    Ok(Reply::json(StatusCode::OK, &answer))
}
