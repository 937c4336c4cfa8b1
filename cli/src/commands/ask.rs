//! `friend ask`: an answer while it is written, then its sources.

use std::fs;

use serde_json::{Value, json};

use super::search::place;
use crate::{
    arguments::Ask,
    client::{Request, events, idempotency_key},
    configuration,
    context::Context,
    failure::{Exit, Failure},
    output::{self, BOLD, DIM, WARNING, styled},
    project::Project,
};

/// Where the last conversation is noted.
const LAST: &str = "last-conversation.json";

/// Asks, and shows the answer as it comes.
///
/// # Errors
/// It is refused, or there is no answer.
pub fn ask(arguments: &Ask, context: &Context) -> Result<(), Failure> {
    let url = context.client.url();
    let conversation = if arguments.go_on { Some(last(url)?) } else { arguments.conversation.clone() };
    let mut body = json!({ "message": arguments.question.join(" ") });
    if let Some(conversation) = conversation {
        body["conversation_id"] = json!(conversation);
    }
    if !arguments.tags.is_empty() {
        body["filters"] = json!({ "tags": arguments.tags });
    }
    let accepted = context.client.json(Request::new("POST", "/api/chat").once(&idempotency_key()), &body)?;
    note(url, &accepted["conversation_id"]);
    // A question that was answered before comes back with its answer.
    let result = if accepted["answer"].is_string() {
        show_answer(&accepted, context);
        accepted
    } else {
        answer(&accepted, context)?
    };
    context.output.data(&result, || show_sources(&result));
    Ok(())
}

/// Follows a turn to its end, and answers with its result.
fn answer(accepted: &Value, context: &Context) -> Result<Value, Failure> {
    let job = accepted["job_id"].as_str().unwrap_or_default();
    // What is given up may be begun anew: a file would keep both.
    let is_shown = !context.output.json && output::is_screen();
    let mut shown = 0;
    let mut end = None;
    events::follow(&context.client, &format!("/api/jobs/{job}/events"), |event| {
        match event.name.as_str() {
            "delta" if is_shown => shown += show_delta(&event.data),
            "restarted" if shown > 0 => {
                context.output.say("\n(begun anew)");
                shown = 0;
            }
            "done" | "failed" | "cancelled" => end = Some(event.clone()),
            _ => {}
        }
        end.is_some()
    })?;
    let job = context.client.get(&format!("/api/jobs/{job}"))?;
    let result = job["result"].clone();
    if result["answer"].is_string() {
        if shown == 0 {
            show_answer(&result, context);
        }
        return Ok(result);
    }
    let detail = end.and_then(|event| event.data["detail"].as_str().map(str::to_owned));
    let said = detail.or_else(|| job["errors"][0]["detail"].as_str().map(str::to_owned));
    Err(Failure::new(Exit::Failed, said.unwrap_or_else(|| "there is no answer".to_owned()))
        .advise("`friend usage` shows what today has left; ask again later"))
}

/// Shows an answer that was not shown while it was written.
fn show_answer(result: &Value, context: &Context) {
    if !context.output.json {
        output::part(&output::text(&result["answer"]));
    }
}

fn show_delta(data: &Value) -> usize {
    let text = output::text(&data["text"]);
    output::part(&text);
    text.len()
}

fn show_sources(result: &Value) {
    output::line("");
    let here = std::env::current_dir().ok().and_then(|folder| Project::of(&folder, None).ok());
    for citation in result["citations"].as_array().into_iter().flatten() {
        let n = output::text(&citation["n"]);
        output::line(&format!("{} {}", styled(DIM, &format!("[{n}]")), styled(BOLD, &place(citation, here.as_ref()))));
    }
    if let Some(why) = result["degraded"].as_str() {
        anstream::eprintln!("{}", styled(WARNING, &output::harmless(why)));
    }
}

fn last(url: &str) -> Result<String, Failure> {
    let file = configuration::state_file(LAST);
    let noted: Value = file
        .and_then(|file| fs::read(file).ok())
        .and_then(|text| serde_json::from_slice(&text).ok())
        .unwrap_or_default();
    noted[url].as_str().map(str::to_owned).ok_or_else(|| {
        Failure::new(Exit::NotFound, "there is no last conversation on this machine")
            .advise("ask without --continue, or name one: --conversation con_…")
    })
}

/// A note that cannot be made costs `--continue`, and nothing else.
fn note(url: &str, conversation: &Value) {
    let Some(file) = configuration::state_file(LAST) else { return };
    let mut noted: Value =
        fs::read(&file).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_else(|| json!({}));
    noted[url] = conversation.clone();
    if let Some(folder) = file.parent() {
        let _ = fs::create_dir_all(folder);
    }
    let _ = fs::write(file, noted.to_string());
}
