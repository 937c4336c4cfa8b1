//! `friend hook`: what Claude Code runs where it cannot call the deployment itself. Nothing here may stand in anybody's
//! way: whatever goes wrong, it answers `{}` and succeeds.

use std::{io::Read as _, path::Path, time::Duration};

use serde_json::Value;

use crate::{
    arguments::{Global, Hook},
    client::{Client, Request},
    configuration, output,
    project::Project,
};

/// Longer than this nobody waits for a session to begin.
const PATIENCE: Duration = Duration::from_secs(3);
/// Longest input that is looked at.
const LONGEST: u64 = 8 * 1024 * 1024;
/// Which hook speaks.
const EVENT: &str = "hook_event_name";

/// Passes a hook on to the deployment, and its answer to Claude Code.
pub fn run(hook: &Hook, global: &Global) {
    let Hook::SessionStart = hook;
    let answer = session_start(global).unwrap_or_else(|| "{}".to_owned());
    output::part(&answer);
}

fn session_start(global: &Global) -> Option<String> {
    let mut text = String::new();
    std::io::stdin().take(LONGEST).read_to_string(&mut text).ok()?;
    let mut input: Value = serde_json::from_str(&text).ok()?;
    let name = input.as_object()?.get(EVENT).and_then(Value::as_str).unwrap_or("SessionStart");
    input[EVENT] = Value::String(name.to_owned());
    name_project(&mut input);
    let url = configuration::url(global.url.as_deref()).ok()?;
    let client = Client::new(&url, &configuration::key(&url).ok()?);
    let body = input.to_string();
    let request = Request {
        body: Some(("application/json", body.as_bytes())),
        impatient: Some(PATIENCE),
        ..Request::new("POST", "/hooks/claude-code")
    };
    let answer = client.send(&request).ok()?.json().ok()?;
    answer.is_object().then(|| answer.to_string())
}

/// Puts the project's name, as `friend push` calls it, in the place of paths of this machine, which stay here.
fn name_project(input: &mut Value) {
    let Some(fields) = input.as_object_mut() else { return };
    let folder = fields.remove("cwd");
    fields.remove("transcript_path");
    let folder = folder.as_ref().and_then(Value::as_str).unwrap_or(".");
    if let Ok(project) = Project::of(Path::new(folder), None) {
        fields.insert("project".to_owned(), Value::String(project.name));
    }
}
