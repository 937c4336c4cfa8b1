//! `AI.run` for embedding models, as strict as the platform.

use std::sync::{Mutex, PoisonError};

use pipeline::{constants, model::EMBEDDING};
use serde::{Deserialize, Serialize};

use crate::{
    embedding::{EmbeddingModel, Error, WINDOW},
    vector_cache::VectorCache,
};

/// Input of an embedding model.
#[derive(Debug, Deserialize)]
pub struct Input {
    /// One text or up to 100.
    pub text: Texts,
    /// `mean` or `cls`; the local model pools as it was trained to.
    #[serde(default)]
    pub pooling: Option<String>,
}

/// One text or several.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Texts {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

/// Input of a reranking model. No machine here has one: whoever asks for it is told as if there were none.
#[derive(Debug, Deserialize)]
pub struct RerankingInput {
    /// What the texts are to answer.
    pub query: String,
    /// The texts.
    pub contexts: Vec<Context>,
}

/// A text that is to be reranked.
#[derive(Debug, Deserialize)]
pub struct Context {
    /// The text itself.
    pub text: String,
}

/// What the platform says of a model that it does not have.
pub fn no_such_model(model: &str) -> String {
    format!("5007: No such model {model} or task")
}

/// The answer of an embedding model.
#[derive(Debug, Serialize)]
pub struct Embeddings {
    /// Number of texts and length of a vector.
    pub shape: [usize; 2],
    /// The vectors.
    pub data: Vec<Vec<f32>>,
    /// As asked for.
    pub pooling: String,
}

/// Several copies of a model, so that several texts are embedded at once.
#[derive(Debug)]
pub struct Ai {
    models: Vec<Mutex<EmbeddingModel>>,
    cache: Option<VectorCache>,
    truncated: std::sync::atomic::AtomicU64,
}

impl Ai {
    /// Over these copies of one model, and what they computed before.
    pub fn new(models: Vec<EmbeddingModel>, cache: Option<VectorCache>) -> Self {
        let models = models.into_iter().map(Mutex::new).collect();
        Self { models, cache, truncated: std::sync::atomic::AtomicU64::new(0) }
    }

    /// Texts of which the model saw only the beginning: zero, if windows are cut right.
    pub fn truncated(&self) -> u64 {
        self.truncated.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Checks a request as the platform does. The error is its words.
    pub fn check(model: &str, input: Input) -> Result<Vec<String>, String> {
        if model != EMBEDDING.name {
            return Err(no_such_model(model));
        }
        if let Some(pooling) = input.pooling.as_deref().filter(|pooling| !["mean", "cls"].contains(pooling)) {
            return Err(format!("5004: Invalid data: pooling {pooling:?} is neither mean nor cls"));
        }
        let texts = match input.text {
            Texts::One(text) => vec![text],
            Texts::Many(texts) => texts,
        };
        if texts.is_empty() || texts.len() > constants::TEXTS_PER_EMBEDDING_CALL {
            return Err(format!(
                "5004: Invalid data: {} texts; from 1 to {} are allowed",
                texts.len(),
                constants::TEXTS_PER_EMBEDDING_CALL
            ));
        }
        if texts.iter().any(String::is_empty) {
            return Err("5004: Invalid data: an empty text".to_owned());
        }
        Ok(texts)
    }

    /// Tokenises: what the call will cost, and what the model will read.
    pub fn tokenise(&self, texts: &[String]) -> Result<Vec<Vec<i64>>, Error> {
        let first = self.models.first().ok_or("no model is loaded")?;
        let model = first.lock().unwrap_or_else(PoisonError::into_inner);
        let mut tokenised = Vec::with_capacity(texts.len());
        for text in texts {
            let (tokens, count) = model.tokens(text, WINDOW)?;
            if count > WINDOW {
                self.truncated.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
            tokenised.push(tokens);
        }
        Ok(tokenised)
    }

    /// Embeds tokenised texts, sharing them out between the model's copies.
    pub fn embed(&self, texts: &[Vec<i64>], pooling: &str) -> Result<Embeddings, Error> {
        let next = std::sync::atomic::AtomicUsize::new(0);
        let results: Vec<Mutex<Option<Vec<f32>>>> = texts.iter().map(|_| Mutex::new(None)).collect();
        let outcome: Result<(), Error> = std::thread::scope(|scope| {
            let workers: Vec<_> = self
                .models
                .iter()
                .take(texts.len())
                .map(|model| {
                    let (next, results) = (&next, &results);
                    scope.spawn(move || -> Result<(), Error> {
                        let mut model = model.lock().unwrap_or_else(PoisonError::into_inner);
                        loop {
                            let index = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                            let Some(tokens) = texts.get(index) else { return Ok(()) };
                            *results[index].lock().unwrap_or_else(PoisonError::into_inner) =
                                Some(self.embed_once(&mut model, tokens)?);
                        }
                    })
                })
                .collect();
            workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| "a model worker panicked")?)
        });
        outcome?;
        let data: Vec<Vec<f32>> = results
            .into_iter()
            .filter_map(|result| result.into_inner().unwrap_or_else(PoisonError::into_inner))
            .collect();
        Ok(Embeddings { shape: [data.len(), data.first().map_or(0, Vec::len)], data, pooling: pooling.to_owned() })
    }

    fn embed_once(&self, model: &mut EmbeddingModel, tokens: &[i64]) -> Result<Vec<f32>, Error> {
        let Some(cache) = &self.cache else { return model.embed(tokens) };
        if let Some(vector) = cache.get(tokens) {
            return Ok(vector);
        }
        let vector = model.embed(tokens)?;
        cache.put(tokens, &vector)?;
        Ok(vector)
    }
}
