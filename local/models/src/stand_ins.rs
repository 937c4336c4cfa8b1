//! The stand-ins, and what was used of them.

use std::sync::Mutex;

use pipeline::chat::generation::Tokens;
use serde::Serialize;

use crate::{ai::Ai, faults::Injector, index::Index};

/// All the server holds.
#[derive(Debug)]
pub struct StandIns {
    /// The model.
    pub ai: Ai,
    /// The index.
    pub index: Mutex<Index>,
    /// What goes wrong.
    pub injector: Injector,
    /// What was used of the models so far.
    pub used: Mutex<Used>,
    /// Where language models are.
    pub language_model: LanguageModel,
    /// Reaches them.
    pub client: reqwest::Client,
}

/// What the model was used for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Used {
    calls: u64,
    texts: u64,
    tokens: u64,
    neurons: f64,
    /// Seconds spent in the model.
    seconds: f64,
    /// Texts of which the model saw only the beginning.
    pub(crate) truncated: u64,
    /// Answers of language models.
    generations: u64,
    /// Tokens of their prompts and answers.
    generation_tokens: u64,
}

impl Used {
    /// Counts texts that were embedded.
    pub(crate) fn embedded(&mut self, texts: usize, tokens: u64, neurons: f64, seconds: f64) {
        self.calls += 1;
        self.texts += texts as u64;
        self.tokens += tokens;
        self.neurons += neurons;
        self.seconds += seconds;
    }

    /// Counts an answer of a language model.
    pub fn generated(&mut self, tokens: Tokens, neurons: f64) {
        self.generations += 1;
        self.generation_tokens += tokens.prompt + tokens.completion;
        self.neurons += neurons;
    }
}

/// Where language models are.
#[derive(Clone, Debug, Default)]
pub struct LanguageModel {
    /// Base URL of an OpenAI-compatible API, with its `/v1`; without one there is no model.
    pub url: Option<String>,
    /// The model's name there.
    pub model: String,
    /// Sent as a bearer token, if the server wants one.
    pub key: Option<String>,
}
