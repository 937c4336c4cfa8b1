//! Headers of answers, as the description names them.

use serde_json::{Map, Value, json};

use crate::http::operation::{Access, Operation};

/// Every header that an answer may carry: its name, whether it is a number, and what it says.
const HEADERS: [(&str, bool, &str); 17] = [
    ("X-Request-Id", false, "The request's id, to quote in a report. The Worker's log names it as well."),
    ("RateLimit-Policy", false, "The limits of the key, `q` requests in `w` seconds: of bursts and of the day."),
    ("RateLimit", false, "What is left of the limit that is nearest: `r` requests, for `t` seconds."),
    ("X-Budget", false, "While the day is nearly spent: what is given up, as the README's table says."),
    ("Retry-After", true, "After how many seconds asking again is worth it."),
    ("WWW-Authenticate", false, "`Bearer`: an API key is wanted."),
    ("Location", false, "Where what was made, or the job that makes it, is read."),
    ("Preference-Applied", false, "The preference that was heeded, such as `wait=30`."),
    ("Idempotency-Replayed", false, "`true`, where the answer is that of an earlier request with this key."),
    ("ETag", false, "Distinguishes this state from the next; for `If-None-Match`."),
    ("Cache-Control", false, "How long the answer may be kept; `no-cache`: ask again, with `If-None-Match`."),
    ("X-Degraded", false, "Why the answer is less than was asked for, such as one by keyword alone."),
    ("X-Job-Id", false, "The job that answers: `GET /api/jobs/{id}` has it when a connection broke."),
    ("Content-Disposition", false, "`attachment`: what strangers uploaded is never a page of this origin."),
    ("X-Content-Type-Options", false, "`nosniff`."),
    ("X-Should-Retry", false, "`false`, where the SDKs of `/v1` are not to send the request again by themselves."),
    ("Allow", false, "The methods that the path answers to."),
];

/// What pages of other origins may read of an answer beside what browsers let them read anyway.
pub fn exposed() -> String {
    let names: Vec<&str> = HEADERS.iter().map(|(name, ..)| *name).collect();
    names.join(", ")
}

/// The headers as components of the description.
pub(super) fn components() -> Map<String, Value> {
    let described = HEADERS.iter().map(|(name, is_number, description)| {
        let schema = if *is_number { json!({ "type": "integer", "minimum": 0 }) } else { json!({ "type": "string" }) };
        ((*name).to_owned(), json!({ "description": description, "schema": schema }))
    });
    described.collect()
}

/// References to headers by their names.
pub(super) fn references<'a>(names: impl IntoIterator<Item = &'a str>) -> Value {
    let references =
        names.into_iter().map(|name| (name.to_owned(), json!({ "$ref": format!("#/components/headers/{name}") })));
    Value::Object(references.collect())
}

/// What an operation sends beside an answer that is no problem.
pub(super) fn of_success<P>(operation: &Operation<P>) -> Value {
    let mut names = vec!["X-Request-Id"];
    if matches!(operation.named.handler.access(), Access::Key | Access::KeyOrAdministrator) {
        names.extend(["RateLimit-Policy", "RateLimit", "X-Budget"]);
    }
    if operation.parameters.iter().any(|parameter| parameter.name == "Prefer") {
        names.push("Preference-Applied");
    }
    names.extend(operation.sends.iter().copied());
    references(names)
}

/// What is sent beside a problem of this status; what a key has left only where one was good.
pub(super) fn of_problem(status: u16) -> Value {
    let further: &[&str] = match status {
        401 => &["WWW-Authenticate"],
        429 => &["Retry-After", "X-Should-Retry", "X-Job-Id"],
        424 | 500..=599 => &["X-Should-Retry", "X-Job-Id"],
        _ => &[],
    };
    references(["X-Request-Id", "RateLimit-Policy", "RateLimit", "X-Budget"].iter().chain(further).copied())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use test_platform::InMemory;

    use super::*;
    use crate::http::operations::operations;

    #[test]
    fn every_header_that_an_operation_sends_is_described() {
        let described: HashSet<&str> = HEADERS.iter().map(|(name, ..)| *name).collect();
        assert_eq!(described.len(), HEADERS.len());
        for operation in operations::<InMemory>() {
            assert!(operation.sends.iter().all(|name| described.contains(name)), "{}", operation.id());
        }
    }
}
