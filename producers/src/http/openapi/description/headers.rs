//! Headers of answers, as the description names them.

use serde_json::{Map, Value, json};

use super::super::headers::HEADERS;
use crate::http::operation::{Access, Operation};

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
pub(super) fn of_problem(status: u16, speaks_openai: bool) -> Value {
    let further: &[&str] = match status {
        401 => &["WWW-Authenticate"],
        429 => &["Retry-After", "X-Should-Retry", "X-Job-Id"],
        // What is too long for the models is seen when its turn has begun.
        400 if speaks_openai => &["X-Should-Retry", "X-Job-Id"],
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
