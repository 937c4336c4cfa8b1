//! The stand-ins behind HTTP, for `local/bindings` and for tests.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use pipeline::model::EMBEDDING;
use serde::{Deserialize, Serialize};

use crate::{
    ai::{self, Ai, Embeddings},
    chat,
    faults::{Fate, Faults},
    index::{Index, NewVector, Query},
    language_model::ChatInput,
    stand_ins::StandIns,
};

/// What `AI.run(model, input)` is called with.
#[derive(Debug, Deserialize)]
pub struct RunRequest {
    /// A name of the catalogue.
    pub model: String,
    /// The model's input.
    pub input: AnyInput,
}

/// Input of any kind of model.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum AnyInput {
    /// Of a language model.
    Chat(ChatInput),
    /// Of an embedding model.
    Embedding(ai::Input),
    /// Of a reranking model.
    Reranking(ai::RerankingInput),
}

type Shared = State<Arc<StandIns>>;

/// The routes.
pub fn router(stand_ins: Arc<StandIns>) -> Router {
    Router::new()
        .route("/ai/run", post(run))
        .route("/vectorize/upsert", post(upsert))
        .route("/vectorize/query", post(query))
        .route("/vectorize/delete", post(delete))
        .route("/vectorize/ids", get(ids))
        .route("/faults", get(faults).post(set_faults))
        .route("/used", get(used))
        .layer(DefaultBodyLimit::max(64 * 1024 * 1024))
        .with_state(stand_ins)
}

/// An error as a binding would throw it: its words in the body.
fn thrown(why: impl Into<String>) -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, why.into()).into_response()
}

fn answer<T: Serialize>(result: Result<T, String>) -> Response {
    result.map_or_else(thrown, |value| Json(value).into_response())
}

async fn stall(faults: &Faults) {
    if faults.stall_ms > 0 {
        tokio::time::sleep(Duration::from_millis(faults.stall_ms)).await;
    }
}

async fn run(State(stand_ins): Shared, Json(request): Json<RunRequest>) -> Response {
    let faults = stand_ins.injector.faults();
    stall(&faults).await;
    if stand_ins.injector.is_out(faults.ai_out_ms) {
        return thrown("InferenceUpstreamError: Network connection lost.");
    }
    if faults.ai_rate_limited {
        return thrown("429: Too Many Requests");
    }
    if faults.out_of_capacity {
        return thrown("3040: Capacity temporarily exceeded, please try again.");
    }
    let fate = stand_ins.injector.draw(faults.ai_fails, faults.ai_answers_lost);
    if fate == Fate::Fails {
        return thrown("1031: InferenceUpstreamError (injected)");
    }
    let input = match request.input {
        AnyInput::Chat(input) => {
            let answer_lost = fate == Fate::AnswerLost;
            return chat::run(stand_ins, request.model, input, answer_lost).await.unwrap_or_else(thrown);
        }
        AnyInput::Embedding(input) => input,
        AnyInput::Reranking(_) => return thrown(ai::no_such_model(&request.model)),
    };
    let pooling = input.pooling.clone().unwrap_or_else(|| "mean".to_owned());
    let texts = match Ai::check(&request.model, input) {
        Ok(texts) => texts,
        Err(why) => return thrown(why),
    };
    let bytes: usize = texts.iter().map(String::len).sum();
    if faults.ai_longest_call.is_some_and(|longest| bytes > longest) {
        return thrown("InferenceUpstreamError: error code: 1031");
    }
    let done = tokio::task::spawn_blocking(move || embed(&stand_ins, &texts, &pooling)).await;
    match done {
        Ok(_) if fate == Fate::AnswerLost => thrown("network connection lost (injected)"),
        Ok(answered) => answer(answered),
        Err(error) => thrown(error.to_string()),
    }
}

fn embed(stand_ins: &StandIns, texts: &[String], pooling: &str) -> Result<Embeddings, String> {
    let started = std::time::Instant::now();
    let tokenised = stand_ins.ai.tokenise(texts).map_err(|error| error.to_string())?;
    let tokens: u64 = tokenised.iter().map(|tokens| tokens.len() as u64).sum();
    let neurons = EMBEDDING.neurons(tokens);
    if !stand_ins.injector.spend(neurons) {
        return Err(stand_ins.injector.spent());
    }
    let embeddings = stand_ins.ai.embed(&tokenised, pooling).map_err(|error| error.to_string())?;
    let seconds = started.elapsed().as_secs_f64();
    let mut used = stand_ins.used.lock().unwrap_or_else(PoisonError::into_inner);
    used.embedded(texts.len(), tokens, neurons, seconds);
    Ok(embeddings)
}

async fn upsert(State(stand_ins): Shared, Json(vectors): Json<Vec<NewVector>>) -> Response {
    let visible_after = Duration::from_millis(stand_ins.injector.faults().visible_after_ms);
    vectorize(&stand_ins, "VECTOR_UPSERT_ERROR", |index| index.upsert(vectors, visible_after)).await
}

async fn query(State(stand_ins): Shared, Json(query): Json<Query>) -> Response {
    vectorize(&stand_ins, "VECTOR_QUERY_ERROR", |index| index.query(&query)).await
}

async fn delete(State(stand_ins): Shared, Json(ids): Json<Vec<String>>) -> Response {
    vectorize(&stand_ins, "VECTOR_DELETE_ERROR", |index| index.delete(&ids)).await
}

/// A call of the index; one that fails does it in the words of the runtime, under the name of its error.
async fn vectorize<T: Serialize>(
    stand_ins: &StandIns,
    error: &str,
    call: impl FnOnce(&mut Index) -> Result<T, String>,
) -> Response {
    let faults = stand_ins.injector.faults();
    stall(&faults).await;
    let fate = stand_ins.injector.draw(faults.vectorize_fails, faults.vectorize_answers_lost);
    if fate == Fate::Fails || stand_ins.injector.is_out(faults.vectorize_out_ms) {
        return thrown(format!("{error}: Status + 503"));
    }
    let answered = call(&mut stand_ins.index.lock().unwrap_or_else(PoisonError::into_inner));
    if fate == Fate::AnswerLost {
        return thrown("network connection lost (injected)");
    }
    answer(answered)
}

async fn ids(State(stand_ins): Shared) -> Response {
    Json(stand_ins.index.lock().unwrap_or_else(PoisonError::into_inner).ids()).into_response()
}

async fn faults(State(stand_ins): Shared) -> Response {
    Json(stand_ins.injector.faults()).into_response()
}

async fn set_faults(State(stand_ins): Shared, Json(faults): Json<Faults>) -> Response {
    stand_ins.injector.set(faults);
    StatusCode::NO_CONTENT.into_response()
}

async fn used(State(stand_ins): Shared) -> Response {
    let mut used = *stand_ins.used.lock().unwrap_or_else(PoisonError::into_inner);
    used.truncated = stand_ins.ai.truncated();
    Json(used).into_response()
}
