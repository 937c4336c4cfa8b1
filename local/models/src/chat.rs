//! `AI.run` for language models: the platform's checks and failures around a real model that any
//! OpenAI-compatible server provides.

use std::{
    convert::Infallible,
    sync::{Arc, PoisonError},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    http::header,
    response::{IntoResponse, Response},
};
use pipeline::chat::{
    catalogue::Catalogue,
    client::{LARGEST_SEED, Sampling},
    generation::{EventReader, Tokens, estimated_tokens},
};
use serde_json::json;
use tokio::sync::mpsc;

use crate::{
    faults::Faults,
    language_model::{ChatInput, THOUGHT, ask, thinks},
    stand_ins::StandIns,
    tools,
};

/// Text that says nothing, for the fault of that name.
const GARBAGE: &str = "\u{fffd}\u{fffd}\u{1}\u{2}\u{fffd}\u{fffd}";

/// Checks what the platform checks before it runs a model; the error is its words.
fn check(stand_ins: &StandIns, model: &str, input: &ChatInput) -> Result<(), String> {
    let catalogue = Catalogue::default();
    let Some(known) = catalogue.models.get(model) else { return Err(format!("5007: No such model {model} or task")) };
    if input.messages.is_empty() {
        return Err("5004: Invalid data: messages is empty".to_owned());
    }
    if let Some(problem) = refused_sampling(input.sampling) {
        return Err(format!("5004: Invalid data: {problem}"));
    }
    if input.response_format.is_some() && (input.stream || !known.json) {
        return Err("5025: This model doesn't support JSON Schema, or not in a stream".to_owned());
    }
    if let Some(problem) = tools::refused(input, known.tools) {
        return Err(format!("5006: Error: oneOf at '/' not met, 0 matches: {problem}"));
    }
    let prompt = tools::prompt_tokens(input);
    if prompt + u64::from(input.max_tokens) > known.context {
        return Err(format!("5021: The estimated number of tokens ({prompt}) exceeded the model's context window"));
    }
    let estimate = known.price.neurons(Tokens { prompt, completion: u64::from(input.max_tokens) / 4 });
    if !stand_ins.injector.spend(estimate) {
        return Err(stand_ins.injector.spent());
    }
    if stand_ins.language_model.url.is_none() {
        return Err("5007: there is no language model on this machine".to_owned());
    }
    Ok(())
}

/// What is wrong with how the model is to choose its words. <https://developers.cloudflare.com/workers-ai/models/>
fn refused_sampling(sampling: Sampling) -> Option<&'static str> {
    let Sampling { temperature, top_p, seed } = sampling;
    if temperature.is_some_and(|temperature| !(0.0..=5.0).contains(&temperature)) {
        return Some("temperature is from 0 to 5");
    }
    if top_p.is_some_and(|top_p| !(0.001..=1.0).contains(&top_p)) {
        return Some("top_p is from 0.001 to 1");
    }
    seed.filter(|seed| !(1..=LARGEST_SEED).contains(seed)).map(|_| "seed is from 1 to 9999999999")
}

/// Runs a model. Answers a stream of server-sent events as Workers AI does, or its whole answer.
/// An answer that is lost breaks off after its first piece.
pub async fn run(
    stand_ins: Arc<StandIns>,
    model: String,
    input: ChatInput,
    answer_lost: bool,
) -> Result<Response, String> {
    check(&stand_ins, &model, &input)?;
    if input.tools.is_some() {
        return tools::run(&stand_ins, &model, &input, answer_lost).await;
    }
    let mut faults = stand_ins.injector.faults();
    if answer_lost {
        faults.llm_breaks_after = Some(1);
    }
    let upstream = ask(&stand_ins, &input, true).await?;
    let (sender, receiver) = mpsc::channel::<Bytes>(64);
    let relayed = tokio::spawn(relay(stand_ins, model, faults, upstream, sender));
    if input.stream {
        let stream = futures_util::stream::unfold(receiver, |mut receiver| async move {
            receiver.recv().await.map(|bytes| (Ok::<_, Infallible>(bytes), receiver))
        });
        return Ok(([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(stream)).into_response());
    }
    let mut receiver = receiver;
    let mut events = EventReader::default();
    let mut text = String::new();
    while let Some(bytes) = receiver.recv().await {
        text.push_str(&events.read(&bytes));
    }
    let _ = relayed.await;
    Ok(axum::Json(json!({ "response": text, "usage": events.tokens() })).into_response())
}

/// A thought, as models send it that think before they answer: beside the answer, which is empty so far.
fn thought() -> Bytes {
    let delta = json!({ "content": "", "reasoning_content": THOUGHT });
    let choices = json!({ "choices": [{ "index": 0, "delta": delta, "finish_reason": null }] });
    Bytes::from(format!("data: {choices}\n\n"))
}

fn event(text: &str) -> Bytes {
    Bytes::from(format!("data: {}\n\n", json!({ "response": text, "p": "" })))
}

fn end(tokens: Tokens) -> Bytes {
    Bytes::from(format!("data: {}\n\ndata: [DONE]\n\n", json!({ "response": "", "usage": tokens })))
}

/// Passes a model's answer on in the platform's format, or what a fault makes of it.
async fn relay(
    stand_ins: Arc<StandIns>,
    model: String,
    faults: Faults,
    mut upstream: reqwest::Response,
    sender: mpsc::Sender<Bytes>,
) {
    if faults.llm_silent {
        let _ = sender.send(end(Tokens::default())).await;
        return;
    }
    if faults.llm_garbage {
        let _ = sender.send(event(GARBAGE)).await;
        let _ = sender.send(end(Tokens::default())).await;
        return;
    }
    let catalogue = Catalogue::default();
    let thinks = faults.llm_thinks || thinks(&catalogue, &model);
    if thinks {
        let _ = sender.send(thought()).await;
    }
    let Some(mut tokens) = pass_on(&stand_ins, &faults, &mut upstream, &sender).await else { return };
    if thinks {
        // Billed like the answer.
        tokens.completion += estimated_tokens(THOUGHT);
    }
    let neurons = catalogue.price(&model).neurons(tokens);
    stand_ins.used.lock().unwrap_or_else(PoisonError::into_inner).generated(tokens, neurons);
    let _ = sender.send(end(tokens)).await;
}

/// Passes the pieces of an answer on; what it took, or `None` if it broke off or nobody listens.
async fn pass_on(
    stand_ins: &StandIns,
    faults: &Faults,
    upstream: &mut reqwest::Response,
    sender: &mpsc::Sender<Bytes>,
) -> Option<Tokens> {
    let mut events = EventReader::default();
    let mut passed = 0;
    while let Ok(Some(bytes)) = upstream.chunk().await {
        let text = events.read(&bytes);
        if text.is_empty() {
            continue;
        }
        passed += 1;
        if faults.llm_breaks_after.is_some_and(|pieces| passed > pieces) {
            stand_ins.injector.count_break();
            return None;
        }
        if faults.llm_token_ms > 0 {
            tokio::time::sleep(Duration::from_millis(faults.llm_token_ms)).await;
        }
        // A client that is gone stops the model: dropping the response closes its connection.
        if sender.send(event(&text)).await.is_err() {
            return None;
        }
    }
    events.is_done().then(|| events.tokens().unwrap_or_default())
}
