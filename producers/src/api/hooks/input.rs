//! What Claude Code sends, read as far as it is understood: another version may leave out, rename and add what it
//! likes.

use pipeline::{constants::HOOK_TOKENS, project};
use schemars::JsonSchema;
use serde_json::Value;

/// Longest id of a session; Claude Code's have 36 bytes.
const SESSION_BYTES: usize = 128;
/// Fewest and most tokens of what a session is told when it begins.
const TOKENS: (u64, u64) = (200, 8_000);

/// A hook's input as Claude Code documents it. Nothing is asked for: what is missing or of another type is passed over,
/// and paths of the machine (`cwd`, `transcript_path`) are not kept.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "HookInput", extend("additionalProperties" = true))]
pub struct HookInput {
    /// `SessionStart`, `UserPromptSubmit`, `Stop`, `PreCompact` or `SessionEnd`.
    pub hook_event_name: Option<Value>,
    /// The session.
    pub session_id: Option<Value>,
    /// Of `UserPromptSubmit`: what the user asks.
    pub prompt: Option<Value>,
    /// Of `Stop`: what Claude said last.
    pub last_assistant_message: Option<Value>,
    /// The project that is worked in: its git remote or a name. `friend hook` adds it.
    pub project: Option<Value>,
    /// Of `SessionStart`: why it begins. What is resumed remembers what it was told.
    pub source: Option<Value>,
    /// Of `SessionStart`: most tokens of the answer, 200 to 8,000; 1,200 without it.
    pub max_tokens: Option<Value>,
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    SessionStart,
    UserPromptSubmit,
    Stop,
    PreCompact,
    SessionEnd,
    /// Of another version, or none at all.
    Unknown,
}

/// What is understood of it.
#[derive(Debug)]
pub(super) struct Input<'a> {
    pub(super) event: Event,
    /// Nothing where it cannot be told apart.
    pub(super) session: Option<&'a str>,
    pub(super) prompt: &'a str,
    pub(super) last_message: &'a str,
    pub(super) project: Option<String>,
    /// The session goes on where it was, with all that it was told.
    pub(super) is_resumed: bool,
    /// Most bytes of what a session is told when it begins.
    pub(super) bytes: usize,
}

/// Bytes that are surely no more than a token: English and paths have four, and rarely fewer than three.
const BYTES_PER_TOKEN: usize = 3;

impl<'a> Input<'a> {
    pub(super) fn of(body: &'a Value) -> Self {
        let text = |field: &str| body.get(field).and_then(Value::as_str).unwrap_or_default();
        let event = match text("hook_event_name") {
            "SessionStart" => Event::SessionStart,
            "UserPromptSubmit" => Event::UserPromptSubmit,
            "Stop" => Event::Stop,
            "PreCompact" => Event::PreCompact,
            "SessionEnd" => Event::SessionEnd,
            _ => Event::Unknown,
        };
        let session = Some(text("session_id"))
            .filter(|id| !id.is_empty() && id.len() <= SESSION_BYTES && id.bytes().all(|byte| byte.is_ascii_graphic()));
        let tokens = body.get("max_tokens").and_then(Value::as_u64);
        let tokens = tokens
            .map_or(HOOK_TOKENS, |tokens| usize::try_from(tokens.clamp(TOKENS.0, TOKENS.1)).unwrap_or(HOOK_TOKENS));
        Self {
            event,
            session,
            prompt: text("prompt"),
            last_message: text("last_assistant_message"),
            project: project::checked(text("project")).ok(),
            is_resumed: text("source") == "resume",
            bytes: tokens * BYTES_PER_TOKEN,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_understood_is_passed_over() {
        for body in [json!(null), json!([]), json!("x"), json!({}), json!({"hook_event_name": 7, "session_id": {}})] {
            let input = Input::of(&body);
            assert_eq!((input.event, input.session, input.prompt), (Event::Unknown, None, ""), "{body}");
        }
        let long = "x".repeat(SESSION_BYTES + 1);
        for id in ["", "a b", "a\nb", "é", long.as_str()] {
            assert_eq!(Input::of(&json!({"session_id": id})).session, None, "{id:?}");
        }
    }

    #[test]
    fn a_path_of_the_machine_is_no_project() {
        let project = |name: &str| Input::of(&json!({ "project": name })).project;
        assert_eq!(project("git@github.com:owner/name.git").as_deref(), Some("github.com/owner/name"));
        assert_eq!([project("/home/ada/secret"), project("C:\\x"), project("")], [None, None, None]);
    }

    #[test]
    fn tokens_are_held_within_bounds() {
        let bytes = |tokens: Value| Input::of(&json!({ "max_tokens": tokens })).bytes;
        assert_eq!([bytes(json!(null)), bytes(json!("many")), bytes(json!(-3))], [3_600; 3]);
        assert_eq!([bytes(json!(1)), bytes(json!(1_000_000))], [600, 24_000]);
    }
}
