//! `friend remember`, `recall`, `forget` and `memory`.

use std::io::IsTerminal as _;

use serde_json::{Value, json};

use crate::{
    arguments::{Memory, Recall, Remember},
    client::{Request, pages},
    context::Context,
    failure::{Exit, Failure},
    output::{self, BOLD, DIM, GOOD, WARNING, styled},
    project::Project,
};

/// As many as anybody has.
const ALL: usize = 2_000;

/// Remembers something. The server knows the same text again, so that it may be said twice.
///
/// # Errors
/// It is refused.
pub fn remember(arguments: &Remember, context: &Context) -> Result<(), Failure> {
    let mut body = json!({ "text": arguments.text.join(" "), "kind": arguments.kind });
    if arguments.pin {
        body["pinned"] = json!(true);
    }
    for (name, value) in [("source", &arguments.source), ("supersedes", &arguments.supersedes)] {
        if let Some(value) = value {
            body[name] = json!(value);
        }
    }
    if let Some(project) = &arguments.project {
        let named = Some(project.as_str()).filter(|name| !name.is_empty());
        body["project"] = json!(Project::here(named)?.name);
    }
    let may_repeat = arguments.supersedes.is_none();
    let request = Request { may_repeat, ..Request::new("POST", "/api/memory") };
    let memory = context.client.json(request, &body)?;
    context.output.data(&memory, || {
        output::line(&format!("{} {}", styled(GOOD, &output::text(&memory["outcome"])), output::text(&memory["id"])));
        for similar in memory["similar_to"].as_array().into_iter().flatten() {
            output::line(&format!("  like {}: {}", output::text(&similar["id"]), output::text(&similar["text"])));
        }
    });
    Ok(())
}

/// What is remembered about something.
///
/// # Errors
/// It cannot be looked for, or nothing is.
pub fn recall(arguments: &Recall, context: &Context) -> Result<(), Failure> {
    let query = arguments.query.join(" ");
    let mut path = format!("/api/memory?query={}&limit={}", pages::encoded(&query), arguments.limit);
    if let Some(own) = Project::preferred(arguments.project.as_deref())? {
        path.push_str(&format!("&project={}", pages::encoded(&own)));
    }
    let page = context.client.get(&path)?;
    let memories = page["items"].as_array().cloned().unwrap_or_default();
    context.output.data(&Value::Array(memories.clone()), || memories.iter().for_each(show));
    if memories.is_empty() {
        return Err(Failure::new(Exit::NotFound, format!("nothing is remembered about {query:?}")));
    }
    Ok(())
}

fn show(memory: &Value) {
    let score = memory["score"].as_f64().map(|score| format!("{score:.2} ")).unwrap_or_default();
    let pinned = if memory["pinned"] == true { " pinned" } else { "" };
    let source =
        memory["source"].as_str().map(|source| format!(", from {}", output::harmless(source))).unwrap_or_default();
    output::line(&output::text(&memory["text"]));
    let project =
        memory["project"].as_str().map(|project| format!(", about {}", output::harmless(project))).unwrap_or_default();
    let (id, kind) = (output::text(&memory["id"]), output::text(&memory["kind"]));
    output::line(&styled(DIM, &format!("  {score}{id} {kind}{pinned}{source}{project}")));
    for (says, field) in [("why", "why"), ("takes the place of", "supersedes")] {
        if let Some(value) = memory[field].as_str() {
            output::line(&styled(DIM, &format!("  {says}: {}", output::harmless(value))));
        }
    }
}

/// Forgets a memory.
///
/// # Errors
/// There is none of that id.
pub fn forget(id: &str, context: &Context) -> Result<(), Failure> {
    let path = format!("/api/memory/{}", pages::encoded(id));
    context.client.send(&Request::new("DELETE", &path))?;
    context.output.data(&json!({ "forgotten": id }), || output::line(&format!("forgot {id}")));
    Ok(())
}

/// Lists or reviews.
///
/// # Errors
/// It is refused.
pub fn memory(command: &Memory, context: &Context) -> Result<(), Failure> {
    match command {
        Memory::Ls { state } => {
            let memories = list(state.as_deref(), context)?;
            context.output.data(&Value::Array(memories.clone()), || memories.iter().for_each(show));
            Ok(())
        }
        Memory::Review => review(context),
    }
}

fn list(state: Option<&str>, context: &Context) -> Result<Vec<Value>, Failure> {
    let state = state.map(|state| format!("?state={}", pages::encoded(state))).unwrap_or_default();
    pages::list(&context.client, &format!("/api/memory{state}"), ALL)
}

fn review(context: &Context) -> Result<(), Failure> {
    let proposed = list(Some("proposed"), context)?;
    if context.output.json || !std::io::stdin().is_terminal() {
        return Err(Failure::new(Exit::Usage, "a review asks about each memory: it needs a terminal")
            .advise("`friend memory ls --state proposed --json` lists them for programs"));
    }
    for (place, memory) in proposed.iter().enumerate() {
        output::line(&styled(BOLD, &format!("{} of {}", place + 1, proposed.len())));
        show(memory);
        let answer = output::ask("  [a]ccept, [e]dit, [r]eject, [s]kip, [q]uit? ")?;
        match answer.to_lowercase().as_str() {
            "a" | "accept" => confirm(memory, context)?,
            "e" | "edit" => edit(memory, context)?,
            "r" | "reject" => forget(&output::text(&memory["id"]), context)?,
            "q" | "quit" => return Ok(()),
            _ => {}
        }
    }
    output::line(if proposed.is_empty() { "nothing is proposed" } else { "that was all" });
    Ok(())
}

fn confirm(memory: &Value, context: &Context) -> Result<(), Failure> {
    let path = format!("/api/memory/{}/confirm", output::text(&memory["id"]));
    context.client.send(&Request::new("POST", &path).repeatable())?;
    output::line(&styled(GOOD, "  remembered"));
    Ok(())
}

/// What is edited is a memory of its own; the proposal goes when it is there.
fn edit(memory: &Value, context: &Context) -> Result<(), Failure> {
    let text = output::ask("  instead: ")?;
    if text.is_empty() {
        return Ok(());
    }
    let mut body = json!({ "text": text });
    for field in ["kind", "source", "project", "supersedes"] {
        if !memory[field].is_null() {
            body[field] = memory[field].clone();
        }
    }
    let may_repeat = body["supersedes"].is_null();
    let kept = context.client.json(Request { may_repeat, ..Request::new("POST", "/api/memory") }, &body)?;
    if !is_another(memory, &kept) {
        output::line(&styled(WARNING, "  that says the same: it stays as it was proposed; accept it to keep it"));
        return Ok(());
    }
    forget(&output::text(&memory["id"]), context)
}

/// False where the server knew an edited proposal again: whoever forgot the proposal then would forget both.
fn is_another(proposed: &Value, kept: &Value) -> bool {
    kept["id"].is_string() && kept["id"] != proposed["id"]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proposal_goes_only_where_something_else_was_kept_instead() {
        let proposed = json!({ "id": "mem_a" });
        assert!(is_another(&proposed, &json!({ "id": "mem_b", "outcome": "remembered" })));
        assert!(!is_another(&proposed, &json!({ "id": "mem_a", "outcome": "known" })), "the same text");
        assert!(!is_another(&proposed, &json!({})), "nobody knows what was kept");
    }
}
