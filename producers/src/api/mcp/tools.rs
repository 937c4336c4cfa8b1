//! The tools: what a model may call. A row each in `tools.json`, whose schemas a test makes of the types that read
//! arguments and write answers; at run time they are text.

mod ask;
mod get;
mod index;
mod memories;
mod search;
mod sessions;
mod status;
mod usage;

#[cfg(test)]
mod described;

use std::sync::OnceLock;

use pipeline::{problem::Problem, strict_json};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Value, json, value::RawValue};

use super::{
    done::Done,
    jsonrpc::{ErrorCode, Request, RpcError, text},
    tool::{ToolAnswer, refusal},
};
#[cfg(feature = "description")]
use crate::http::operation::SchemaOf;
use crate::http::{
    call::{Call, RequestPorts},
    reply::Refusal,
};

const TOOLS: &str = include_str!("tools.json");

/// The answer to `tools/list`: all of them, on one page.
///
/// # Errors
/// [`ErrorCode::Internal`] if the table cannot be read, which a test shows it can.
pub fn list() -> Result<Value, RpcError> {
    static LIST: OnceLock<Option<Value>> = OnceLock::new();
    let list = LIST.get_or_init(|| serde_json::from_str(TOOLS).ok());
    let tools = list.as_ref().ok_or_else(|| RpcError::new(ErrorCode::Internal, "the tools cannot be listed"))?;
    Ok(json!({ "tools": tools }))
}

/// Answers `tools/call`. What a tool cannot do is its result, too: a model reads why.
///
/// # Errors
/// [`ErrorCode::InvalidParams`] for what is no call of a tool that there is.
pub async fn call<P: RequestPorts>(ports: &P, call: &Call<'_>, params: Option<&RawValue>) -> Result<Done, RpcError> {
    let invalid = |detail: String| RpcError::new(ErrorCode::InvalidParams, detail);
    let fields = Request::fields(params)?;
    let name = text(&fields, "name").ok_or_else(|| invalid("params.name is missing: which tool?".to_owned()))?;
    let none = RawValue::from_string("{}".to_owned()).map_err(|error| invalid(error.to_string()))?;
    let arguments = fields.get("arguments").copied().filter(|arguments| arguments.get() != "null").unwrap_or(&none);
    if !arguments.get().starts_with('{') {
        return Err(invalid("params.arguments is no object".to_owned()));
    }
    match told(ports, call, &name, arguments).await {
        Ok(Some(answer)) => Ok(Done::well(answer.result())),
        Ok(None) => Err(invalid(format!("Unknown tool: {name:.60}; tools/list names those that there are"))),
        Err(refused) => {
            let (problem, failure) = refused.into_problem();
            Ok(Done { result: refusal(&problem), failure })
        }
    }
}

/// Reads a tool's arguments, as bodies are read.
fn arguments<T: DeserializeOwned + JsonSchema>(raw: &RawValue) -> Result<T, Problem> {
    strict_json::read(raw.get().as_bytes())
}

/// What arguments are read as; those of `friend_remember` are a body's, too.
#[cfg(feature = "description")]
pub(crate) const ARGUMENTS: [SchemaOf; 9] = [
    SchemaOf::new::<search::Arguments>(),
    SchemaOf::new::<get::Arguments>(),
    SchemaOf::new::<index::Arguments>(),
    SchemaOf::new::<status::Arguments>(),
    SchemaOf::new::<ask::Arguments>(),
    SchemaOf::new::<memories::Recall>(),
    SchemaOf::new::<memories::Forget>(),
    SchemaOf::new::<sessions::Arguments>(),
    SchemaOf::new::<usage::Arguments>(),
];

/// What a tool says; `None` if there is none of this name.
async fn told<P: RequestPorts>(
    ports: &P,
    call: &Call<'_>,
    name: &str,
    raw: &RawValue,
) -> Result<Option<ToolAnswer>, Refusal> {
    let answer = match name {
        "friend_search" => search::search(ports, call, arguments(raw)?).await,
        "friend_get" => get::get(ports, call, arguments(raw)?).await,
        "friend_index" => index::index(ports, call, arguments(raw)?).await,
        "friend_status" => status::status(ports, call, arguments(raw)?).await,
        "friend_ask" => ask::ask(ports, call, arguments(raw)?).await,
        "friend_remember" => memories::remember(ports, call, raw).await,
        "friend_recall" => memories::recall(ports, call, arguments(raw)?).await,
        "friend_forget" => memories::forget(ports, call, arguments(raw)?).await,
        "friend_sessions" => sessions::sessions(ports, call, arguments(raw)?).await,
        "friend_usage" => usage::usage(ports, call, arguments(raw)?).await,
        _ => return Ok(None),
    };
    answer.map(Some)
}

/// What a search finds, that of a project first, in words: for a prompt.
pub async fn found<P: RequestPorts>(
    ports: &P,
    call: &Call<'_>,
    query: &str,
    project: Option<&str>,
) -> Result<String, Refusal> {
    Ok(search::search(ports, call, search::Arguments::of(query, project)).await?.text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_argument_is_named_in_words_of_json() {
        for (text, pointer, says) in [
            (r#"{"query": 1}"#, "/query", "expected a text, not a number (1)"),
            (r#"{"query": "a", "tags": ["b", 3]}"#, "/tags/1", "expected a text, not a number (3)"),
            (r#"{"query": "a", "limits": 3}"#, "/limits", "there is no field \"limits\"; did you mean \"limit\"?"),
            ("{}", "/query", "it is missing; expected a text"),
        ] {
            let raw: &RawValue = serde_json::from_str(text).unwrap();
            let problem = arguments::<search::Arguments>(raw).unwrap_err();
            assert_eq!(problem.errors[0].pointer, pointer, "{text}");
            assert!(problem.detail.contains(says), "{text}: {}", problem.detail);
            let told = refusal(&problem);
            assert_eq!(told["isError"], true);
            assert!(told["content"][0]["text"].as_str().unwrap().ends_with("call again."));
        }
    }
}
