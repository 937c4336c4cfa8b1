//! What a user does in their first minutes, each step timed. What it stores, it removes again.

use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use serde_json::{Value, json};

use super::check::Check;
use crate::{
    Error,
    client::{Answer, Client},
};

/// How long a deployment may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Until a vector is found.
    pub visible_within: Duration,
    /// For anything else that is waited for.
    pub deadline: Duration,
}

/// For a real deployment. Vectorize says it takes up to two minutes:
/// <https://developers.cloudflare.com/vectorize/reference/client-api/>
pub const PATIENCE: Patience = Patience { visible_within: Duration::from_mins(2), deadline: Duration::from_mins(5) };

/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);
/// Chunks of the long document: more vectors than one call to Vectorize removes.
const CHUNKS: usize = 110;

/// The steps, and what each showed. An error is a deployment that does not answer at all.
pub fn travel(client: &Client, patience: Patience) -> Result<Vec<Check>, Error> {
    // Another word each time: what an earlier run left is not found in its place.
    let mut random = [0u8; 6];
    getrandom::fill(&mut random).map_err(|error| error.to_string())?;
    let word = format!("zanzibar{}", HEXLOWER.encode(&random));
    let mut checks = vec![health(client)?];
    checks.extend(document(client, &word, patience)?);
    checks.push(long_document(client, &word, patience.deadline)?);
    checks.push(question(client, &word, patience.deadline)?);
    checks.push(memory(client, &word)?);
    checks.push(session(client)?);
    checks.push(removed(client, &word, patience.deadline)?);
    checks.push(usage(client)?);
    Ok(checks)
}

fn health(client: &Client) -> Result<Check, Error> {
    let answer = client.get("/health")?;
    let (status, problem) = (answer.json()["status"].clone(), answer.json()["configuration"].clone());
    Ok(Check::new(
        "it is up, and its configuration holds together",
        answer.status == 200 && problem.is_null(),
        format!("{status}, configuration {}", problem.as_str().unwrap_or("in force")),
    ))
}

/// Looks until it is so; how long that took.
fn until(mut is_so: impl FnMut() -> Result<bool, Error>, deadline: Duration) -> Result<Option<Duration>, Error> {
    let started = Instant::now();
    while started.elapsed() < deadline {
        if is_so()? {
            return Ok(Some(started.elapsed()));
        }
        std::thread::sleep(LOOK);
    }
    Ok(None)
}

fn seconds(took: Option<Duration>) -> String {
    took.map_or_else(|| "not in time".to_owned(), |took| format!("after {:.1} s", took.as_secs_f64()))
}

fn finds(client: &Client, query: &str, mode: &str, external_id: &str) -> Result<bool, Error> {
    let answer = client.search(&json!({"query": query, "mode": mode, "top_k": 5}))?;
    Ok(answer["hits"].as_array().into_iter().flatten().any(|hit| hit["external_id"] == external_id))
}

fn document(client: &Client, word: &str, patience: Patience) -> Result<Vec<Check>, Error> {
    let external_id = format!("smoke/{word}.md");
    let body = json!({"external_id": external_id, "tags": ["smoke"],
        "content": format!("# {word}\n\nThe lighthouse keeper of {word} counts ships at dusk.\n")});
    let accepted = client.post("/api/index", &body)?;
    let mut checks = vec![accepted_as("a document is accepted", &accepted, 202)];
    let by_word = until(|| finds(client, word, "keyword", &external_id), patience.deadline)?;
    checks.push(Check::new("it is found by its words", by_word.is_some(), seconds(by_word)));
    let query = format!("who counts ships at {word}");
    let by_meaning = until(|| finds(client, &query, "vector", &external_id), patience.deadline)?;
    checks.push(Check::new(
        "it is found by its meaning within two minutes (Vectorize)",
        by_meaning.is_some_and(|took| took <= patience.visible_within),
        seconds(by_meaning),
    ));
    let again = client.post("/api/index", &body)?.json();
    let status = again["items"][0]["status"].clone();
    checks.push(Check::new("the same again is a duplicate", status == "duplicate", status.to_string()));
    Ok(checks)
}

fn accepted_as(assumption: &'static str, answer: &Answer, status: u16) -> Check {
    let text = String::from_utf8_lossy(&answer.bytes);
    let seen = if answer.status == status { answer.status.to_string() } else { format!("{}: {text}", answer.status) };
    Check::new(assumption, answer.status == status, seen)
}

/// A long document and its delete: a streamed upload, and the largest embedding calls, upserts and removals there are.
fn long_document(client: &Client, word: &str, deadline: Duration) -> Result<Check, Error> {
    const ASSUMPTION: &str = "more vectors than one call removes are written and removed (100 ids a delete)";
    let sentence = "The ledger of the harbour lists every cargo, its owner and the tide it came with. ";
    let section = |number: usize| format!("## Entry {number} of {word}\n\n{}\n\n", sentence.repeat(40));
    let content: String = (0..CHUNKS).map(section).collect();
    let external_id = format!("smoke/{word}-long.md");
    let accepted = client.post("/api/index", &json!({"external_id": external_id, "content": content}))?;
    if accepted.status != 202 {
        return Ok(accepted_as(ASSUMPTION, &accepted, 202));
    }
    let view = client.follow(accepted.json()["job_id"].as_str().unwrap_or_default(), deadline, |_| {})?;
    let documents = named(client, &external_id)?;
    let ([id], Some("succeeded")) = (&documents[..], view["status"].as_str()) else {
        return Ok(Check::new(ASSUMPTION, false, format!("indexing ended as {view}")));
    };
    let view = delete(client, id, deadline)?;
    let vectors = view["receipt"]["vectors"].as_u64().unwrap_or(0);
    Ok(Check::new(
        ASSUMPTION,
        view["status"] == "succeeded" && vectors > 100,
        format!("{}, {vectors} vectors", view["status"]),
    ))
}

/// Ids of the documents of this name: one, or none.
fn named(client: &Client, external_id: &str) -> Result<Vec<String>, Error> {
    let listed = client.get(&format!("/api/documents?external_id={external_id}"))?.success()?;
    let ids = listed["items"].as_array().into_iter().flatten().filter_map(|entry| entry["id"].as_str());
    Ok(ids.map(str::to_owned).collect())
}

/// Deletes a document and follows the job that removes it.
fn delete(client: &Client, document: &str, deadline: Duration) -> Result<Value, Error> {
    let gone = client.delete(&format!("/api/documents/{document}"))?.success()?;
    client.follow(gone["job_id"].as_str().unwrap_or_default(), deadline, |_| {})
}

/// Removes the conversation that a question or a session began.
fn remove_conversation(client: &Client, begun: &Value) -> Result<(), Error> {
    let id = begun["conversation_id"].as_str().unwrap_or_default();
    client.delete(&format!("/api/conversations/{id}"))?.success().map(drop)
}

fn question(client: &Client, word: &str, deadline: Duration) -> Result<Check, Error> {
    let started = Instant::now();
    let body = json!({"message": format!("Who counts ships at dusk in {word}?")});
    let asked = client.post("/api/chat", &body)?.success()?;
    let view = client.follow(asked["job_id"].as_str().unwrap_or_default(), deadline, |_| {})?;
    let result = &view["result"];
    remove_conversation(client, &asked)?;
    let cites = result["citations"].as_array().is_some_and(|citations| !citations.is_empty());
    Ok(Check::new(
        "a question is answered by a model, with its source",
        view["status"] == "succeeded" && cites && result["degraded"].is_null(),
        format!(
            "{} by {} in {:.1} s, cited: {cites}, degraded: {}",
            view["status"],
            result["route"]["model"],
            started.elapsed().as_secs_f64(),
            result["degraded"]
        ),
    ))
}

fn memory(client: &Client, word: &str) -> Result<Check, Error> {
    let text = format!("The smoke test's word is {word}.");
    let kept = client.post("/api/memory", &json!({"text": text, "kind": "fact"}))?.success()?;
    let id = kept["id"].as_str().unwrap_or_default();
    let recalled = client.get(&format!("/api/memory?query={word}"))?;
    let found = String::from_utf8_lossy(&recalled.bytes).contains(&text);
    let forgotten = client.delete(&format!("/api/memory/{id}"))?.status;
    Ok(Check::new(
        "what is remembered is recalled, and forgotten on demand",
        found && (200..300).contains(&forgotten),
        format!("recalled: {found}, forgotten: {forgotten}"),
    ))
}

fn session(client: &Client) -> Result<Check, Error> {
    let opened = client.post("/api/session", &json!({"title": "smoke"}))?.success()?;
    let path = format!("/api/session/{}", opened["id"].as_str().unwrap_or_default());
    let read = client.get(&path)?.status;
    let closed = client.delete(&path)?.status;
    remove_conversation(client, &opened)?;
    Ok(Check::new(
        "a session is opened, read and closed (Durable Objects)",
        read == 200 && (200..300).contains(&closed),
        format!("read: {read}, closed: {closed}"),
    ))
}

/// Removes the document of this run.
fn removed(client: &Client, word: &str, deadline: Duration) -> Result<Check, Error> {
    let external_id = format!("smoke/{word}.md");
    let documents = named(client, &external_id)?;
    for document in &documents {
        delete(client, document, deadline)?;
    }
    let found = finds(client, word, "keyword", &external_id)?;
    Ok(Check::new(
        "what is deleted is found no more",
        documents.len() == 1 && !found,
        format!("{} removed, found after it: {found}", documents.len()),
    ))
}

fn usage(client: &Client) -> Result<Check, Error> {
    let usage = client.get("/api/usage")?.success()?;
    // Of the ledger: what a user took of it is counted every five minutes.
    let neurons = usage["resources"][0]["used"].as_f64().unwrap_or(0.0);
    let first = usage["first_to_run_out"].as_str().unwrap_or_default();
    Ok(Check::new(
        "what it cost is counted",
        neurons > 0.0,
        format!("{neurons:.1} neurons today; {first} run out first"),
    ))
}
