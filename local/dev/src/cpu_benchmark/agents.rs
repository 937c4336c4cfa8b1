//! What agents ask: tools of `/mcp`, hooks of Claude Code, and the stage that captures what was said.

use pipeline::constants;
use serde_json::{Value, json};

use super::{
    harness::Bench,
    texts::{Kind, Source},
};
use crate::{Error, cpu_profile::Cpu};

/// As much as an agent may ask an answer to hold.
const MOST_TOKENS: usize = 25_000;
const QUERY_BYTES: usize = 2_000;
/// A prompt in all of which subjects are looked for.
const PROMPT_BYTES: usize = 4 * 1024;
/// The longest message that hooks may bring: the body is a little longer.
const LAST_MESSAGE_BYTES: usize = constants::READ_AT_ONCE_BYTES - 1_024;

pub(super) fn mcp(bench: &mut Bench) -> Result<(), Error> {
    let source = Source::of(Kind::Prose)?;
    bench.row("POST /mcp", "tools/list", |bench, _| message(bench, "tools/list", &json!({})))?;
    let query = |number: usize| source.document(number * 37 + 3, QUERY_BYTES).1;
    bench.row("POST /mcp", "friend_search by keyword, 25,000 tokens asked for", |bench, number| {
        let arguments = json!({ "query": query(number), "mode": "keyword", "max_tokens": MOST_TOKENS });
        message(bench, "tools/call", &json!({ "name": "friend_search", "arguments": arguments }))
    })?;
    bench.row("POST /mcp", "friend_recall, a query of 2 KB over about 1,000 of 2 KB", |bench, number| {
        let arguments = json!({ "query": query(number), "max_tokens": MOST_TOKENS });
        message(bench, "tools/call", &json!({ "name": "friend_recall", "arguments": arguments }))
    })
}

/// A message, answered with a result.
fn message(bench: &mut Bench, method: &str, params: &Value) -> Result<Cpu, Error> {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let (answer, cpu) = bench.request(("POST", "/mcp"), "/mcp", &body)?;
    let failed = answer["result"].is_null() || answer["result"]["isError"] == true;
    if failed { Err(answer.to_string().into()) } else { Ok(cpu) }
}

pub(super) fn hooks(bench: &mut Bench) -> Result<(), Error> {
    let source = Source::of(Kind::Prose)?;
    bench.row("POST /hooks/claude-code", "SessionStart", |bench, number| {
        hook(bench, "SessionStart", &format!("start-{number}"), &json!({}))
    })?;
    bench.row("POST /hooks/claude-code", "UserPromptSubmit, 4 KB of prose", |bench, number| {
        let (_, prompt) = source.document(number * 41 + 7, PROMPT_BYTES);
        hook(bench, "UserPromptSubmit", &format!("prompt-{number}"), &json!({ "prompt": prompt }))
    })?;
    bench.row("POST /hooks/claude-code", "Stop, a last message of 255 KB", |bench, number| {
        let (_, said) = source.document(number * 43 + 11, LAST_MESSAGE_BYTES);
        hook(bench, "Stop", &format!("stop-{number}"), &json!({ "last_assistant_message": said }))
    })?;
    capture(bench)
}

/// As much as a session keeps, all of it stated.
fn capture(bench: &mut Bench) -> Result<(), Error> {
    bench.drain_all()?;
    let unit = format!("{} KB of statements beside about 1,000 memories", constants::HOOK_SAID_BYTES / 1024);
    bench.row("stage capture", &unit, |bench, number| {
        let session = format!("capture-{number}");
        for part in 0..4 {
            let prompt = statements(number * 4 + part, constants::HOOK_SAID_BYTES / 4 - 128);
            hook(bench, "UserPromptSubmit", &session, &json!({ "prompt": prompt }))?;
        }
        hook(bench, "SessionEnd", &session, &json!({}))?;
        bench.message("capture")
    })?;
    bench.drain_all()
}

fn hook(bench: &mut Bench, event: &str, session: &str, more: &Value) -> Result<Cpu, Error> {
    let mut body = json!({ "hook_event_name": event, "session_id": session });
    if let (Some(fields), Some(more)) = (body.as_object_mut(), more.as_object()) {
        fields.extend(more.clone());
    }
    Ok(bench.request(("POST", "/hooks/claude-code"), "/hooks/claude-code", &body)?.1)
}

/// Decisions, each of its own matter, up to so many bytes.
fn statements(first: usize, bytes: usize) -> String {
    let mut text = String::new();
    for number in first * 1_000.. {
        let statement = format!("We decided to use queue{number} for events of kind{number} from now on. ");
        if text.len() + statement.len() > bytes {
            break;
        }
        text.push_str(&statement);
    }
    text
}
