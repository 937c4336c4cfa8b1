//! `POST /mcp`: the Model Context Protocol, for agents such as Claude Code. docs/mcp.md says what is spoken.
//!
//! A message is read ([`jsonrpc`]), the version found by which it is to be answered ([`eras`]), and its method answered
//! ([`methods`]): [`tools`], [`resources`], [`prompts`]. Nothing is kept between two requests, and each is answered by
//! one JSON object.

mod done;
mod eras;
mod excerpt;
mod jsonrpc;
pub(crate) mod links;
mod methods;
mod passage;
mod prompts;
mod resources;
mod tool;
mod tools;

#[cfg(feature = "description")]
pub(crate) use self::tools::ARGUMENTS;
use http::StatusCode;
use pipeline::failure::Failure;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use self::{
    eras::Era,
    jsonrpc::{Body, ErrorCode, Message, Request, RpcError},
};
use crate::http::{
    call::{Call, RequestPorts},
    reply::{Answer, Reply},
};

/// A JSON-RPC message, or up to five in an array before 2025-06-18; docs/mcp.md says which methods there are.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "McpMessage", extend("additionalProperties" = true))]
pub struct McpMessage {
    /// `2.0`.
    #[schemars(extend("const" = "2.0"))]
    pub jsonrpc: String,
    /// What the answer is known by: a text or a whole number. A notification has none.
    #[schemars(extend("type" = ["string", "integer"], "minimum" = i64::MIN, "maximum" = u64::MAX))]
    pub id: Option<Value>,
    /// Such as `tools/call`.
    pub method: String,
    /// What the method says they are.
    pub params: Option<Map<String, Value>>,
}

/// The answer to a message: its `result`, or an `error` that says why there is none. To several messages several.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "McpAnswer")]
pub enum McpAnswer {
    /// To one message.
    One(Map<String, Value>),
    /// To those of an array that want one.
    Several(Vec<Map<String, Value>>),
}

/// Answers the route.
pub async fn mcp<P: RequestPorts>(ports: &P, call: &Call<'_>) -> Answer {
    let headers = call.request.headers();
    match jsonrpc::read(call.request.body()) {
        Err(error) => Ok(refused(Era::Legacy, &error, None)),
        Ok(Body::One(Message::Note)) => {
            Ok(eras::check_note(headers)
                .map_or_else(|error| refused(Era::Legacy, &error, None), |()| Reply::accepted()))
        }
        Ok(Body::One(Message::Request(request))) => Ok(one(ports, call, &request).await),
        Ok(Body::Batch(messages)) if eras::takes_batches(headers) => Ok(batch(ports, call, messages).await),
        Ok(Body::Batch(_)) => {
            let detail = "one message a request: batches went with version 2025-06-18";
            Ok(refused(Era::Legacy, &RpcError::new(ErrorCode::InvalidRequest, detail), None))
        }
    }
}

fn refused(era: Era, error: &RpcError, id: Option<&Value>) -> Reply {
    Reply::json(era.status(error.code), &error.answer(id))
}

async fn one<P: RequestPorts>(ports: &P, call: &Call<'_>, request: &Request<'_>) -> Reply {
    let era = match eras::of(call.request.headers(), request) {
        Ok(era) => era,
        Err((era, error)) => return refused(era, &error, Some(&request.id)),
    };
    match methods::result(ports, call, era, request).await {
        Ok(done) => Reply::json(StatusCode::OK, &jsonrpc::answer(&request.id, &done.result)).after(done.failure),
        Err(error) => refused(era, &error, Some(&request.id)),
    }
}

/// Answers a batch: as many messages as want an answer. Agreeing on a version is none of a batch's.
async fn batch<P: RequestPorts>(ports: &P, call: &Call<'_>, messages: Vec<Result<Message<'_>, RpcError>>) -> Reply {
    let mut answers = Vec::new();
    let mut failure: Option<Failure> = None;
    let has_message = messages.iter().any(Result::is_ok);
    for message in messages {
        match message {
            Ok(Message::Note) => {}
            Ok(Message::Request(request)) => {
                let result = match request.method.as_str() {
                    "initialize" => Err(RpcError::new(ErrorCode::InvalidRequest, "initialize comes alone")),
                    _ => methods::result(ports, call, Era::Legacy, &request).await,
                };
                answers.push(match result {
                    Ok(done) => {
                        failure = failure.or(done.failure);
                        jsonrpc::answer(&request.id, &done.result)
                    }
                    Err(error) => error.answer(Some(&request.id)),
                });
            }
            Err(error) => answers.push(error.answer(None)),
        }
    }
    if answers.is_empty() {
        return Reply::accepted();
    }
    let status = if has_message { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    Reply::json(status, &answers).after(failure)
}
