//! `POST /v1/embeddings`: vectors of texts, by the model that documents are indexed with and as chunks of documents
//! have them. What is spent on them is reserved, counted and recorded like any other call of a model.

use data_encoding::BASE64;
use http::StatusCode;
use pipeline::{
    budget::{ledger, purpose::Purpose},
    constants,
    failure::FailureKind,
    model::EMBEDDING,
    problem::{Code, Problem},
    schema,
};
use retrieval::windows::{self, Payer, Window};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::{
    described::complete,
    fields::{Fields, missing, unsupported, wrong},
    models::{EMBEDDING_MODEL, no_such_model},
    parameters::EMBEDDINGS,
    unanswered::Unanswerable,
};
use crate::http::{
    call::{Call, RequestPorts},
    reply::{Answer, Refusal, Reply},
};

/// A request as `OpenAI`'s clients send it: the parameters that are done.
#[derive(Debug, JsonSchema)]
#[schemars(transform = complete(EMBEDDINGS))]
#[expect(dead_code, reason = "it is described; read is each field by its rules")]
pub struct EmbeddingRequest {
    model: String,
    input: EmbeddingInput,
    /// As many as there are.
    #[schemars(range(min = 384, max = 384))]
    dimensions: Option<i64>,
    encoding_format: Option<EncodingFormat>,
}

#[derive(Debug, JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it is described")]
enum EmbeddingInput {
    One(#[schemars(length(min = 1), regex(pattern = schema::TEXT))] String),
    /// On Workers Paid up to 100.
    Several(
        #[schemars(
            length(min = 1, max = constants::WINDOWS_PER_MESSAGE),
            inner(length(min = 1), regex(pattern = schema::TEXT))
        )]
        Vec<String>,
    ),
}

/// How the numbers of a vector are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum EncodingFormat {
    /// As JSON.
    Float,
    /// As base64 of 32-bit numbers, little endian.
    Base64,
}

/// The vectors of a request's texts, in their order.
#[derive(Serialize, JsonSchema)]
pub struct EmbeddingList {
    object: &'static str,
    data: Vec<EmbeddingEntry>,
    model: String,
    usage: EmbeddingUsage,
}

#[derive(Serialize, JsonSchema)]
struct EmbeddingEntry {
    object: &'static str,
    index: usize,
    embedding: Numbers,
}

#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
enum Numbers {
    Float(Vec<f32>),
    Base64(String),
}

#[derive(Serialize, JsonSchema)]
struct EmbeddingUsage {
    prompt_tokens: u64,
    total_tokens: u64,
}

/// What a request asks for.
#[derive(Debug)]
struct Parsed {
    model: String,
    texts: Vec<String>,
    format: EncodingFormat,
}

/// `POST /v1/embeddings`
pub async fn embed<P: RequestPorts>(ports: &P, call: &Call<'_>) -> Answer {
    let most = ports.plan().units().windows.min(constants::TEXTS_PER_EMBEDDING_CALL);
    let parsed = parse(call.request.body(), most)?;
    let windows: Vec<Vec<Window>> = parsed.texts.iter().map(|text| windows::windows(&EMBEDDING, "", text)).collect();
    let all: Vec<&Window> = windows.iter().flatten().collect();
    if all.len() > most {
        return Err(too_long(all.len(), most).into());
    }
    let pieces: u64 = all.iter().map(|window| window.pieces as u64).sum();
    let vectors = match reserved(ports, call, pieces, &all).await {
        Err(Refusal::Failure(failure)) if failure.kind == FailureKind::Exhausted => {
            return Ok(Unanswerable::exhausted(&failure.why).reply_without_job());
        }
        vectors => vectors?,
    };
    let mut rest = vectors.as_slice();
    let data = windows.iter().enumerate().map(|(index, own)| {
        let (vectors, others) = rest.split_at(own.len().min(rest.len()));
        rest = others;
        let weights: Vec<usize> = own.iter().map(|window| window.pieces).collect();
        let embedding = parsed.format.write(windows::pool(vectors, &weights));
        EmbeddingEntry { object: "embedding", index, embedding }
    });
    let usage = EmbeddingUsage { prompt_tokens: pieces, total_tokens: pieces };
    let list = EmbeddingList { object: "list", data: data.collect(), model: parsed.model, usage };
    Ok(Reply::json(StatusCode::OK, &list))
}

/// Neurons from which on they are set aside before they are spent; a reservation costs more rows than less is worth.
const RESERVED_FROM: f64 = 1.0;

async fn reserved<P: RequestPorts>(
    ports: &P,
    call: &Call<'_>,
    pieces: u64,
    windows: &[&Window],
) -> Result<Vec<Vec<f32>>, Refusal> {
    let neurons = EMBEDDING.neurons(pieces);
    let payer = Payer { purpose: Purpose::Interactive, user: &call.tenant.user };
    if neurons >= RESERVED_FROM || call.budget.is_without_neurons() {
        ledger::reserve(ports, payer.purpose, payer.user, neurons).await?;
    }
    Ok(windows::embed(ports, windows, payer).await?)
}

impl EncodingFormat {
    fn write(self, vector: Vec<f32>) -> Numbers {
        match self {
            Self::Float => Numbers::Float(vector),
            Self::Base64 => {
                let bytes: Vec<u8> = vector.iter().flat_map(|value| value.to_le_bytes()).collect();
                Numbers::Base64(BASE64.encode(&bytes))
            }
        }
    }
}

fn parse(body: &[u8], most: usize) -> Result<Parsed, Problem> {
    let fields = Fields::read(body, EMBEDDINGS)?;
    let model = fields.required("model")?;
    if ![EMBEDDING_MODEL, EMBEDDING.name].contains(&model.as_str()) {
        return Err(no_such_model(&model));
    }
    let dimensions = i64::try_from(EMBEDDING.dimensions).unwrap_or(i64::MAX);
    fields.integer("dimensions", dimensions..=dimensions)?;
    let format = fields.value(
        "encoding_format",
        || "float or base64".to_owned(),
        |value| match value.as_str()? {
            "float" => Some(EncodingFormat::Float),
            "base64" => Some(EncodingFormat::Base64),
            _ => None,
        },
    )?;
    let raw = fields.get("input").ok_or_else(|| missing("input"))?;
    let input: Value = serde_json::from_str(raw.get()).map_err(|_| missing("input"))?;
    let texts = texts(input, most).map_err(|expected| match expected {
        Unread::Tokens => unsupported("input", "tokens are not read here: send text".to_owned()),
        Unread::Other(expected) => wrong("input", raw.get(), &expected),
    })?;
    Ok(Parsed { model, texts, format: format.unwrap_or(EncodingFormat::Float) })
}

/// Why an input is not read.
enum Unread {
    Tokens,
    Other(String),
}

fn texts(input: Value, most: usize) -> Result<Vec<String>, Unread> {
    let other = || Unread::Other(format!("a text, or an array of 1 to {most} texts, none of them empty"));
    let values = match input {
        Value::Array(values) if values.iter().any(|value| value.is_number() || value.is_array()) => {
            return Err(Unread::Tokens);
        }
        Value::Array(values) if (1..=most).contains(&values.len()) => values,
        Value::Array(values) => {
            let detail = format!("an array of 1 to {most} texts: it has {}; ask several times", values.len());
            return Err(Unread::Other(detail));
        }
        value => vec![value],
    };
    let text = |value| match value {
        Value::String(text) if !text.trim().is_empty() => Some(text),
        _ => None,
    };
    values.into_iter().map(text).collect::<Option<_>>().ok_or_else(other)
}

fn too_long(windows: usize, most: usize) -> Problem {
    let detail = format!(
        "the texts fill {windows} windows of {} tokens; one request takes {most}: send fewer or shorter texts at once",
        EMBEDDING.window
    );
    let mut problem = Problem::field(Code::Invalid, "/input", detail);
    "context_length_exceeded".clone_into(&mut problem.code);
    problem
}
