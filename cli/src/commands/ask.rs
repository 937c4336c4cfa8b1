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
/// Stands in an answer behind a sentence that nothing speaks for.
const MARK: &str = "[unsupported]";

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
    let mut shown = String::new();
    let mut end = None;
    events::follow(&context.client, &format!("/api/jobs/{job}/events"), |event| {
        match event.name.as_str() {
            "delta" if is_shown => shown.push_str(&show_delta(&event.data)),
            "restarted" if !shown.is_empty() => {
                context.output.say("\n(begun anew)");
                shown.clear();
            }
            "done" | "failed" | "cancelled" => end = Some(event.clone()),
            _ => {}
        }
        end.is_some()
    })?;
    let job = context.client.get(&format!("/api/jobs/{job}"))?;
    let result = job["result"].clone();
    if result["answer"].is_string() {
        let answer = output::text(&result["answer"]);
        let (stands, was_shown) = (letters(&answer), letters(&shown));
        if shown.is_empty() {
            show_answer(&result, context);
        } else if !stands.ends_with(&was_shown) {
            context.output.say("\n\n(checked against your documents, the answer is:)\n");
            show_answer(&result, context);
        } else if stands != was_shown {
            // What stands before it says that nothing was found.
            context.output.say(&format!("\n\n({})", answer.lines().next().unwrap_or_default()));
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

fn show_delta(data: &Value) -> String {
    let text = output::text(&data["text"]);
    output::part(&text);
    text
}

/// What of an answer does not change when it is cited and marked: its letters, without those of the marks.
fn letters(text: &str) -> String {
    text.replace(MARK, "").chars().filter(|character| character.is_alphabetic()).collect()
}

fn show_sources(result: &Value) {
    output::line("");
    let here = std::env::current_dir().ok().and_then(|folder| Project::of(&folder, None).ok());
    for citation in result["citations"].as_array().into_iter().flatten() {
        let n = output::text(&citation["n"]);
        output::line(&format!("{} {}", styled(DIM, &format!("[{n}]")), styled(BOLD, &place(citation, here.as_ref()))));
    }
    for warning in result["degraded"].as_str().map(str::to_owned).into_iter().chain(doubt(result)) {
        anstream::eprintln!("{}", styled(WARNING, &output::harmless(&warning)));
    }
}

/// What keeps an answer from being relied on; `None` where every sentence has its source, or none was checked.
fn doubt(result: &Value) -> Option<String> {
    match result["verdict"].as_str() {
        Some("partly") => Some(format!("what is marked {MARK} stands in none of your documents")),
        Some("unsupported") if result["draft"].is_string() => {
            Some("what the model wrote does not stand in your documents; --json has it as `draft`".to_owned())
        }
        _ => None,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn citations_and_marks_leave_an_answer_what_it_was() {
        assert_eq!(
            letters("It listens on 8787. Ada wrote it."),
            letters("It listens on 8787 [1]. Ada wrote it [unsupported].")
        );
        assert_ne!(letters("Run heroku."), letters("Run make dev [1]."));
    }

    #[test]
    fn an_answer_that_does_not_stand_says_so() {
        assert_eq!(doubt(&json!({"verdict": "supported"})), None);
        assert_eq!(doubt(&json!({})), None);
        assert!(doubt(&json!({"verdict": "partly"})).is_some_and(|why| why.contains(MARK)));
        assert!(doubt(&json!({"verdict": "unsupported", "draft": "Run heroku."})).is_some());
        assert_eq!(doubt(&json!({"verdict": "unsupported"})), None, "it says so itself");
    }
}
