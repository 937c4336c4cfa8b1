//! `friend hook`: what Claude Code runs at each of the five events that are passed on to the deployment. Nothing here
//! may stand in anybody's way: whatever goes wrong, it answers `{}` and succeeds.

use std::{
    io::{Read as _, Write as _},
    path::Path,
    sync::mpsc::channel,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    arguments::{Global, Hook},
    client::{Client, Request},
    configuration,
    project::Project,
};

/// Longer than this nobody waits for a session to begin, and for anything else.
const PATIENCE_AT_START: Duration = Duration::from_secs(3);
const PATIENCE: Duration = Duration::from_secs(1);
/// Longest input that is looked at.
const LONGEST: u64 = 8 * 1024 * 1024;
/// Which hook speaks.
const EVENT: &str = "hook_event_name";
/// What Claude Code adds to what Claude reads.
const OUTPUT: &str = "hookSpecificOutput";
const EVENT_OF_OUTPUT: &str = "hookEventName";
const CONTEXT: &str = "additionalContext";
/// Paths of this machine, which stay here.
const PATHS: [&str; 3] = ["transcript_path", "agent_transcript_path", "scratchpad_dir"];

/// Passes a hook on to the deployment, and its answer to Claude Code. All of it together has its time: what is asked on
/// the way there, git and the keyring, may wait for somebody who is not there.
pub fn run(hook: &Hook, global: &Global) {
    let event = event(hook);
    let patience = if event == "SessionStart" { PATIENCE_AT_START } else { PATIENCE };
    let (global, end) = (global.clone(), Instant::now() + patience);
    let (send, receive) = channel();
    // What does not end in time ends with the program.
    std::thread::spawn(move || {
        let _ = send.send(answer(event, &global, end));
    });
    let answer = receive.recv_timeout(patience).ok().flatten().unwrap_or_else(|| "{}".to_owned());
    // Who cannot be told anything goes on without it.
    let _ = std::io::stdout().write_all(answer.as_bytes());
}

/// As Claude Code calls it.
fn event(hook: &Hook) -> &'static str {
    match hook {
        Hook::SessionStart => "SessionStart",
        Hook::UserPromptSubmit => "UserPromptSubmit",
        Hook::PreCompact => "PreCompact",
        Hook::Stop => "Stop",
        Hook::SessionEnd => "SessionEnd",
    }
}

fn answer(event: &str, global: &Global, end: Instant) -> Option<String> {
    let mut text = String::new();
    std::io::stdin().take(LONGEST).read_to_string(&mut text).ok()?;
    let mut input: Value = serde_json::from_str(&text).ok()?;
    let name = input.as_object()?.get(EVENT).and_then(Value::as_str).unwrap_or(event).to_owned();
    input[EVENT] = Value::String(name.clone());
    name_project(&mut input);
    let url = configuration::url(global.url.as_deref()).ok()?;
    let client = Client::new(&url, &configuration::key(&url).ok()?);
    let body = input.to_string();
    let request = Request {
        body: Some(("application/json", body.as_bytes())),
        impatient: Some(end.saturating_duration_since(Instant::now())),
        ..Request::new("POST", "/hooks/claude-code")
    };
    told(&name, client.send(&request).ok()?.json().ok()?)
}

/// What the deployment adds to what Claude reads, and nothing else: an answer may also order Claude Code to go on or to
/// stop, which is not the friend's to say.
fn told(event: &str, mut answer: Value) -> Option<String> {
    let context = answer.get_mut(OUTPUT)?.get_mut(CONTEXT)?.take();
    let has_told = ["SessionStart", "UserPromptSubmit"].contains(&event) && context.is_string();
    has_told.then(|| json!({ OUTPUT: { EVENT_OF_OUTPUT: event, CONTEXT: context } }).to_string())
}

/// Puts the project's name, as `friend push` calls it, in the place of paths of this machine.
fn name_project(input: &mut Value) {
    let Some(fields) = input.as_object_mut() else { return };
    fields.retain(|name, _| !PATHS.contains(&name.as_str()));
    let folder = fields.remove("cwd");
    let folder = folder.as_ref().and_then(Value::as_str).unwrap_or(".");
    if let Ok(project) = Project::of(Path::new(folder), None) {
        fields.insert("project".to_owned(), Value::String(project.name));
    }
}
