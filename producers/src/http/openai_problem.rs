//! What is wrong, in the words of `OpenAI`'s API, for the operations whose callers speak it.

use http::StatusCode;
use pipeline::problem::Problem;
use schemars::JsonSchema;
use serde::Serialize;

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
}

/// A problem in `OpenAI`'s shape, which its SDKs turn into their exceptions.
pub fn reply(problem: &Problem) -> Reply {
    let kind = match problem.status {
        401 => "authentication_error",
        429 => "rate_limit_error",
        500.. => "server_error",
        _ => "invalid_request_error",
    };
    // OpenAI answers 400 where a field is wrong.
    let status = if problem.status == 422 { 400 } else { problem.status };
    let param = problem.errors.first().map(|error| error.pointer.trim_start_matches('/').replace('/', "."));
    let code =
        if problem.status == 404 && param.as_deref() == Some("model") { "model_not_found" } else { &problem.code };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let error = ErrorDetail { message: problem.detail.clone(), kind, code: code.to_owned(), param };
    Reply::json(status, &ErrorAnswer { error })
}
