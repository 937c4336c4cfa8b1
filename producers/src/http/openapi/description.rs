//! The description, made of the table: [`describe`] writes what [`reply`](super::reply) answers.
//!
//! Schemas come from the types that requests are parsed into and answers are made of, with the limits that
//! the code checks against. What follows from a row is said for every row ([`refusals`], [`headers`]); sentences are in
//! [`words`], examples in [`examples`]. <https://spec.openapis.org/oas/v3.1.0>

mod examples;
mod headers;
mod refusals;
mod schemas;
mod words;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use http::Method;
use pipeline::{
    problem::{Code, Problem},
    strict_json,
};
use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

use crate::{
    api::{
        mcp::{self, McpAnswer},
        sessions::frames,
    },
    http::{
        openai_problem::{self, ErrorAnswer},
        operation::{Access, Operation, Parameter, Place, RequestContent, SchemaOf, Success},
    },
};

/// What errors are worded with of all that [`strict_json`] reads: bodies, frames of live sessions, and arguments of
/// tools.
pub fn what_is_read<P>(operations: &[Operation<P>]) -> Value {
    let mut generator = SchemaGenerator::default();
    let strict = operations.iter().filter(|operation| !openai_problem::is_spoken_at(operation.path));
    let bodies = strict.filter_map(|operation| operation.request.map(|content| content.schema));
    for schema in bodies.chain(frames::SCHEMAS).chain(mcp::ARGUMENTS) {
        schema.describe(&mut generator);
    }
    strict_json::abridged(&generator.take_definitions(true))
}

/// The description of these operations.
pub fn describe<P>(operations: &[Operation<P>]) -> Value {
    let mut description = Description::new();
    let mut paths = Map::new();
    for operation in operations {
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        path[method(&operation.method)] = description.operation(operation);
    }
    let tags = words::TAGS.map(|(name, description)| json!({ "name": name, "description": description }));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Claude's Friend",
            "version": env!("CARGO_PKG_VERSION"),
            "description": words::INTRODUCTION,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/", "description": "This deployment." }],
        "security": [{ "key": [] }],
        "tags": tags,
        "paths": paths,
        "components": description.components(),
    })
}

fn method(method: &Method) -> String {
    method.as_str().to_lowercase()
}

fn security_schemes() -> Value {
    json!({
        "key": { "type": "http", "scheme": "bearer", "description": "An API key, `cf_…`." },
        "administrator": { "type": "http", "scheme": "bearer", "description": "The administration token." },
        "ticket": {
            "type": "apiKey", "in": "header", "name": "Sec-WebSocket-Protocol",
            "description": "A ticket of a live session, `claudes-friend, ticket.…`.",
        },
    })
}

/// What requests may be and what answers are, as far as operations were described.
struct Description {
    requests: SchemaGenerator,
    /// Bodies in which unknown fields are passed over.
    open_requests: SchemaGenerator,
    answers: SchemaGenerator,
    /// What several operations refuse alike.
    problems: BTreeMap<String, Value>,
}

impl Description {
    fn new() -> Self {
        Self {
            requests: schemas::of_strict_requests(),
            open_requests: schemas::of_open_requests(),
            answers: schemas::of_answers(),
            problems: BTreeMap::new(),
        }
    }

    fn operation<P>(&mut self, operation: &Operation<P>) -> Value {
        let id = operation.id();
        let mut described = json!({
            "operationId": id,
            "summary": operation.summary,
            "tags": [operation.named.module],
            "responses": self.responses(operation),
        });
        if let Some(description) = words::description(&id) {
            described["description"] = json!(description);
        }
        let parameters = self.parameters(operation);
        if !parameters.is_empty() {
            described["parameters"] = Value::Array(parameters);
        }
        if let Some(content) = &operation.request {
            described["requestBody"] = self.request_body(&id, operation.path, content);
        }
        if let Some(security) = security(operation.named.handler.access()) {
            described["security"] = security;
        }
        described
    }

    fn parameters<P>(&mut self, operation: &Operation<P>) -> Vec<Value> {
        let id = |described: &str| {
            let schema = json!({ "type": "string", "minLength": 1 });
            json!({ "name": "id", "in": "path", "required": true, "description": described, "schema": schema })
        };
        let in_path = operation.path.contains("{id}").then(|| id(words::id(operation.path)));
        let mut described: Vec<Value> = in_path.into_iter().collect();
        for Parameter { name, place, schema, description } in operation.parameters {
            let place = match place {
                Place::Query => "query",
                Place::Header => "header",
            };
            let schema = schema.describe(&mut self.requests);
            described.push(json!({ "name": name, "in": place, "description": description, "schema": schema }));
        }
        described
    }

    fn request_body(&mut self, id: &str, path: &str, content: &RequestContent) -> Value {
        let mut media_types = Map::new();
        let is_open = openai_problem::is_spoken_at(path);
        let schemas = if is_open { &mut self.open_requests } else { &mut self.requests };
        let mut in_json = json!({ "schema": content.schema.describe(schemas) });
        if let Some(examples) = examples::of_request(id) {
            in_json["examples"] = examples;
        }
        media_types.insert("application/json".to_owned(), in_json);
        let others = content.other_media_types.iter();
        media_types.extend(others.map(|media_type| ((*media_type).to_owned(), schemas::of_upload(media_type))));
        let description = words::body(content.limit, content.streamed);
        json!({ "required": !content.optional, "description": description, "content": media_types })
    }

    fn responses<P>(&mut self, operation: &Operation<P>) -> Value {
        let mut responses = Map::new();
        for success in [Some(operation.success), operation.other_success].into_iter().flatten() {
            let status = success.status;
            let response = responses.entry(status.as_str()).or_insert_with(|| {
                let headers = headers::of_success(operation);
                json!({ "description": words::success(status), "headers": headers })
            });
            for media_type in success.media_types {
                response["content"][media_type] = self.content(media_type, &operation.id(), success);
            }
        }
        if refusals::may_be_unanswered(operation) {
            let reference = self.unanswered();
            responses.extend(refusals::UNANSWERED.map(|status| (status.to_string(), reference.clone())));
        }
        if operation.speaks_json_rpc {
            let reference = self.in_rpc();
            responses.extend(refusals::IN_RPC.map(|status| (status.to_string(), reference.clone())));
        }
        for (status, codes) in refusals::of(operation) {
            let reference = self.problem(operation.path, status, &codes);
            // What is answered as well is described above.
            responses.entry(status.to_string()).or_insert(reference);
        }
        Value::Object(responses)
    }

    /// What comes under a media type.
    fn content(&mut self, media_type: &str, id: &str, success: Success) -> Value {
        let Some(schema) = success.schema else { return schemas::of_bytes(media_type) };
        let mut content = json!({ "schema": schema.describe(&mut self.answers) });
        if let Some(example) = examples::of_answer(id, success.status.as_u16()) {
            content["example"] = example;
        }
        content
    }

    /// A reference to what is said about these kinds of problem.
    fn problem(&mut self, path: &str, status: u16, codes: &[Code]) -> Value {
        let speaks_openai = openai_problem::is_spoken_at(path);
        let name = refusals::name(codes, speaks_openai);
        if !self.problems.contains_key(&name) {
            let schema = if speaks_openai { SchemaOf::new::<ErrorAnswer>() } else { SchemaOf::new::<Problem>() };
            let schema = json!(schema.describe(&mut self.answers));
            self.problems.insert(name.clone(), refusals::component(status, codes, &schema, speaks_openai));
        }
        json!({ "$ref": format!("#/components/responses/{name}") })
    }

    /// A reference to what is said of an answer that is not there.
    fn unanswered(&mut self) -> Value {
        let schema = json!(self.answers.subschema_for::<ErrorAnswer>());
        let name = "openai_unanswered";
        self.problems.entry(name.to_owned()).or_insert_with(|| refusals::unanswered(&schema));
        json!({ "$ref": format!("#/components/responses/{name}") })
    }

    /// A reference to what is said of a message that is refused.
    fn in_rpc(&mut self) -> Value {
        let answer = json!(self.answers.subschema_for::<McpAnswer>());
        let problem = json!(self.answers.subschema_for::<Problem>());
        let name = "mcp_refused";
        self.problems.entry(name.to_owned()).or_insert_with(|| refusals::in_rpc(&answer, &problem));
        json!({ "$ref": format!("#/components/responses/{name}") })
    }

    /// What operations share. A type that reads and writes alike is one.
    fn components(mut self) -> Value {
        let mut schemas = self.open_requests.take_definitions(true);
        schemas.extend(self.answers.take_definitions(true));
        // Those that answers have as well are as strict there.
        schemas.extend(self.requests.take_definitions(true));
        json!({
            "securitySchemes": security_schemes(),
            "headers": headers::components(),
            "responses": self.problems,
            "schemas": schemas,
        })
    }
}

/// What an operation demands beside, or instead of, an API key.
fn security(access: Access) -> Option<Value> {
    match access {
        Access::Key => None,
        Access::Public => Some(json!([])),
        Access::KeyOrAdministrator => Some(json!([{ "key": [] }, { "administrator": [] }])),
        Access::Ticket => Some(json!([{ "ticket": [] }, { "key": [] }])),
    }
}
