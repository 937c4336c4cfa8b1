//! [`Embedder`] and [`Reranker`] over Workers AI.

use pipeline::{
    failure::Failure,
    model::{EMBEDDING, EmbeddingModel, RerankingModel, scores},
    platform::{
        errors,
        ports::{Embedder, Reranker},
        statement::json,
    },
};
use serde::Serialize;
use wasm_bindgen::prelude::*;
use worker::{
    js_sys::{Array, Float32Array, JSON, Promise},
    wasm_bindgen_futures::JsFuture,
};

use crate::workers::{Workers, copied, message, plain_object};

#[wasm_bindgen]
extern "C" {
    /// The binding.
    pub(crate) type Ai;
    #[wasm_bindgen(method, catch)]
    pub(crate) fn run(this: &Ai, model: &str, input: &JsValue) -> Result<Promise, JsValue>;

    type Embeddings;
    #[wasm_bindgen(method, getter)]
    fn data(this: &Embeddings) -> JsValue;
}

#[derive(Serialize)]
struct Input<'a> {
    text: &'a [String],
    /// What bge models were trained with; Workers AI's default is `mean`.
    /// <https://developers.cloudflare.com/workers-ai/models/bge-small-en-v1.5>/
    pooling: &'static str,
}

impl Embedder for Workers {
    fn embedding_model(&self) -> String {
        let stand_in = self.env.var("EMBEDDING_STAND_IN").map(|name| name.to_string()).unwrap_or_default();
        if stand_in.is_empty() { EMBEDDING.name.to_owned() } else { stand_in }
    }

    async fn embed(
        &self,
        model: &EmbeddingModel,
        texts: &[String],
        word_pieces: u64,
    ) -> Result<Vec<Vec<f32>>, Failure> {
        let input = plain_object(&json(&Input { text: texts, pooling: "cls" })?)?;
        let ai: Ai = self.binding("AI")?;
        self.ask_service("AI")?;
        let promise = ai.run(model.name, &input).map_err(|error| failure(&error))?;
        let answer: Embeddings = JsFuture::from(promise).await.map_err(|error| failure(&error))?.unchecked_into();
        self.count(|usage| usage.neurons += model.neurons(word_pieces));
        let data = answer.data();
        if !Array::is_array(&data) {
            return Err(Failure::transient("Workers AI: the answer holds no vectors"));
        }
        // A typed array copies a row of numbers in one call.
        Ok(data.unchecked_into::<Array>().iter().map(|row| Float32Array::new(&row).to_vec()).collect())
    }
}

/// What the reranking model reads.
/// <https://developers.cloudflare.com/workers-ai/models/bge-reranker-base>/
#[derive(Serialize)]
struct RerankingInput<'a> {
    query: &'a str,
    contexts: Vec<Context<'a>>,
    /// All of them: their number.
    top_k: usize,
}

#[derive(Serialize)]
struct Context<'a> {
    text: &'a str,
}

impl Reranker for Workers {
    async fn rerank(&self, model: &RerankingModel, query: &str, texts: &[String]) -> Result<Vec<f64>, Failure> {
        let contexts = texts.iter().map(|text| Context { text }).collect();
        let input = plain_object(&json(&RerankingInput { query, contexts, top_k: texts.len() })?)?;
        let ai: Ai = self.binding("AI")?;
        self.ask_service("AI")?;
        let promise = ai.run(model.name, &input).map_err(|error| failure(&error))?;
        let answer = JsFuture::from(promise).await.map_err(|error| failure(&error))?;
        self.count(|usage| usage.neurons += model.neurons(query, texts));
        scores(&JSON::stringify(&answer).map(|text| copied(&text)).unwrap_or_default(), texts.len())
    }
}

/// What a call that failed means.
pub(crate) fn failure(error: &JsValue) -> Failure {
    errors::of_workers_ai(&message(error))
}
