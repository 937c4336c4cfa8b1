//! What is wrong, in the words of `OpenAI`'s API, for the operations whose callers speak it.

use http::StatusCode;
use pipeline::{chat::turn::Spent, problem::Problem};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::http::reply::Reply;

/// Where `OpenAI`'s API is spoken.
const PREFIX: &str = "/v1/";

/// True for a path whose callers speak `OpenAI`'s API.
pub fn is_spoken_at(path: &str) -> bool {
    path.starts_with(PREFIX)
}

/// What is wrong, in `OpenAI`'s shape.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ChatCompletionError")]
pub struct ErrorAnswer {
    error: ErrorDetail,
}

#[derive(Serialize, JsonSchema)]
#[schemars(inline)]
struct ErrorDetail {
    message: String,
    #[serde(rename = "type")]
    kind: &'static str,
    param: Option<String>,
    code: String,
    /// What was spent all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Spent>,
}

/// A problem in `OpenAI`'s shape, which its SDKs turn into their exceptions.
pub fn reply(problem: &Problem) -> Reply {
    reply_with(problem, None)
}

/// The same with what was spent all the same.
pub fn reply_with(problem: &Problem, usage: Option<Spent>) -> Reply {
    let status = StatusCode::from_u16(status(problem.status)).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Reply::json(status, &answer(problem, usage))
}

/// The status of a problem of this one: `OpenAI` answers 400 where a field is wrong.
pub const fn status(status: u16) -> u16 {
    if status == 422 { 400 } else { status }
}

/// What a problem says, in `OpenAI`'s shape, as JSON.
pub fn body(problem: &Problem) -> Value {
    json!(answer(problem, None))
}

/// A problem in `OpenAI`'s shape.
pub fn answer(problem: &Problem, usage: Option<Spent>) -> ErrorAnswer {
    let kind = match problem.status {
        401 => "authentication_error",
        _ if problem.code == "insufficient_quota" => "insufficient_quota",
        429 => "rate_limit_error",
        500.. => "server_error",
        _ => "invalid_request_error",
    };
    let param = problem.errors.first().map(|error| error.pointer.trim_start_matches('/').replace('/', "."));
    let error = ErrorDetail { message: problem.detail.clone(), kind, code: problem.code.clone(), param, usage };
    ErrorAnswer { error }
}
