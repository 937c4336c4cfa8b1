//! What each operation may refuse, by status: some follows from its row, the rest the row says itself.

use std::collections::BTreeMap;

use pipeline::problem::{Code, Problem};
use serde_json::{Map, Value, json};

use super::headers;
use crate::http::{
    call::HOOKS_PATH,
    openai_problem,
    operation::{Access, Operation},
};

/// The kinds of problem that answer an operation, by status.
pub(super) fn of<P>(operation: &Operation<P>) -> BTreeMap<u16, Vec<Code>> {
    if operation.path == HOOKS_PATH {
        // Whatever else is wrong, nobody is disturbed.
        return BTreeMap::from([(Code::Unauthorized.status(), vec![Code::Unauthorized])]);
    }
    let mut codes = vec![Code::RateLimited, Code::Internal];
    let speaks_openai = openai_problem::is_spoken_at(operation.path);
    if !speaks_openai || operation.request.is_some() {
        codes.extend([Code::Malformed, Code::Invalid]);
    }
    if operation.named.handler.access() != Access::Public {
        codes.extend([Code::Unauthorized, Code::Unavailable]);
    }
    if operation.path.contains("{id}") {
        codes.push(Code::NotFound);
    }
    if operation.request.is_some() {
        // What is compressed is so by gzip.
        codes.extend([Code::TooLarge, Code::UnsupportedType]);
    }
    if operation.speaks_json_rpc {
        // To a page of another origin.
        codes.push(Code::Forbidden);
    }
    codes.extend_from_slice(operation.refuses);
    codes.sort_by_key(|code| *code as usize);
    codes.dedup();
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in codes {
        let status = if speaks_openai { openai_problem::status(code.status()) } else { code.status() };
        by_status.entry(status).or_default().push(code);
    }
    by_status
}

/// The name of the component that describes these kinds of problem.
pub(super) fn name(codes: &[Code], speaks_openai: bool) -> String {
    let names: Vec<&str> = codes.iter().map(|code| code.name()).collect();
    let words = if speaks_openai { "openai_" } else { "" };
    format!("{words}{}", names.join("_or_"))
}

/// The component: which kinds there are, and an example of each.
pub(super) fn component(status: u16, codes: &[Code], schema: &Value, speaks_openai: bool) -> Value {
    let lines: Vec<String> = codes
        .iter()
        .map(|code| format!("[`{name}`](/problems/{name}): {}.", code.title(), name = code.name()))
        .collect();
    let media_type = if speaks_openai { "application/json" } else { "application/problem+json" };
    let examples: Map<String, Value> =
        codes.iter().map(|code| (code.name().to_owned(), json!({ "value": example(*code, speaks_openai) }))).collect();
    json!({
        "description": lines.join(" "),
        "headers": headers::of_problem(status, speaks_openai),
        "content": { media_type: { "schema": schema, "examples": examples } },
    })
}

/// The statuses of `/v1` for a turn that has no answer so far, which SDKs do not send again, and for an empty one.
pub(super) const UNANSWERED: [u16; 2] = [424, 502];

/// True for an operation whose answer a model may leave out, of the API whose clients wait for it.
pub(super) fn may_be_unanswered<P>(operation: &Operation<P>) -> bool {
    openai_problem::is_spoken_at(operation.path) && operation.sends.contains(&"X-Job-Id")
}

/// The statuses for a message that is refused in the words of JSON-RPC.
pub(super) const IN_RPC: [u16; 2] = [400, 404];

/// What is said of a message that is refused: what is no message at all may be refused as elsewhere.
pub(super) fn in_rpc(answer: &Value, problem: &Value) -> Value {
    json!({
        "description": "The message is refused: `error` says why, in the words of JSON-RPC.",
        "headers": headers::of_problem(IN_RPC[0], false),
        "content": { "application/json": { "schema": answer }, "application/problem+json": { "schema": problem } },
    })
}

/// What is said of an answer that is not there.
pub(super) fn unanswered(schema: &Value) -> Value {
    json!({
        "description": "There is no answer, or none so far: `code` and `message` say why, and how to go on.",
        "headers": headers::of_problem(UNANSWERED[0], true),
        "content": { "application/json": { "schema": schema } },
    })
}

fn example(code: Code, speaks_openai: bool) -> Value {
    let detail = format!("what is wrong this time, and what to do; GET /problems/{} says more", code.name());
    let problem = Problem::new(code, detail);
    if speaks_openai { openai_problem::body(&problem) } else { json!(problem) }
}
