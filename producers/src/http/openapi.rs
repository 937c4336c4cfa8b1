//! `GET /openapi.json`: the API as its table of operations describes it, in `OpenAPI` 3.1.
//!
//! Schemas come from the types that requests are parsed into and answers are made of, with the limits that
//! the code checks against. <https://spec.openapis.org/oas/v3.1.0>

use std::{collections::HashSet, sync::OnceLock};

use http::{Method, StatusCode};
use pipeline::problem::Problem;
use schemars::{
    Schema, SchemaGenerator,
    generate::{Contract, SchemaSettings},
    transform::RecursiveTransform,
};
use serde_json::{Map, Value, json};

use crate::http::{
    openai_problem::{self, ErrorAnswer},
    operation::{Access, Operation, Parameter, Place, RequestContent, SchemaOf},
    reply::Reply,
};

/// Where schemas that several operations share lie.
const COMPONENTS: &str = "/components/schemas";

/// The description as an answer.
pub fn reply<P>(operations: &[Operation<P>]) -> Reply {
    Reply::bytes(StatusCode::OK, "application/json", description(operations).to_vec())
}

/// The description as text; made once, for the operations are the same on every platform and at every request.
fn description<P>(operations: &[Operation<P>]) -> &'static [u8] {
    static DESCRIPTION: OnceLock<Vec<u8>> = OnceLock::new();
    DESCRIPTION.get_or_init(|| describe(operations).to_string().into_bytes())
}

/// The description of these operations.
fn describe<P>(operations: &[Operation<P>]) -> Value {
    let mut schemas = Schemas::new();
    let mut paths = Map::new();
    for operation in operations {
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        path[method(&operation.method)] = schemas.operation(operation);
    }
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Claude's Friend", "version": env!("CARGO_PKG_VERSION") },
        "security": [{ "key": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "key": { "type": "http", "scheme": "bearer" },
                "administrator": { "type": "http", "scheme": "bearer", "description": "the administration token" },
                "ticket": { "type": "apiKey", "in": "header", "name": "Sec-WebSocket-Protocol" },
            },
            "schemas": schemas.components(),
        },
    })
}

fn method(method: &Method) -> String {
    method.as_str().to_lowercase()
}

/// What requests may be and what answers are: a field with a default may be left out of the one, and is
/// always there in the other.
struct Schemas {
    requests: SchemaGenerator,
    answers: SchemaGenerator,
}

impl Schemas {
    fn new() -> Self {
        let generator = |contract| {
            let mut settings = SchemaSettings::draft2020_12();
            settings.definitions_path = COMPONENTS.into();
            settings.meta_schema = None;
            settings.contract = contract;
            settings.with_transform(RecursiveTransform(tidy)).into_generator()
        };
        Self { requests: generator(Contract::Deserialize), answers: generator(Contract::Serialize) }
    }

    fn operation<P>(&mut self, operation: &Operation<P>) -> Value {
        let mut description = json!({
            "operationId": operation.id(),
            "summary": operation.summary,
            "tags": [operation.named.module],
            "responses": self.responses(operation),
        });
        let parameters = self.parameters(operation.path, operation.parameters);
        if !parameters.is_empty() {
            description["parameters"] = Value::Array(parameters);
        }
        if let Some(content) = &operation.request {
            description["requestBody"] = self.request_body(content);
        }
        if let Some(security) = security(operation.named.handler.access()) {
            description["security"] = security;
        }
        description
    }

    fn parameters(&mut self, path: &str, parameters: &[Parameter]) -> Vec<Value> {
        let id = json!({ "name": "id", "in": "path", "required": true, "schema": { "type": "string" } });
        let mut described: Vec<Value> = path.contains("{id}").then_some(id).into_iter().collect();
        for Parameter { name, place, schema } in parameters {
            let place = match place {
                Place::Query => "query",
                Place::Header => "header",
            };
            described.push(json!({ "name": name, "in": place, "schema": schema(&mut self.requests) }));
        }
        described
    }

    fn request_body(&mut self, content: &RequestContent) -> Value {
        let mut media_types = Map::new();
        media_types.insert("application/json".to_owned(), json!({ "schema": (content.schema)(&mut self.requests) }));
        media_types.extend(content.other_media_types.iter().map(|media_type| ((*media_type).to_owned(), json!({}))));
        json!({ "required": !content.optional, "content": media_types })
    }

    fn responses<P>(&mut self, operation: &Operation<P>) -> Value {
        let (media_type, schema): (_, SchemaOf) = if openai_problem::is_spoken_at(operation.path) {
            ("application/json", SchemaGenerator::subschema_for::<ErrorAnswer>)
        } else {
            ("application/problem+json", SchemaGenerator::subschema_for::<Problem>)
        };
        let problem = json!({ "description": "what is wrong", "content": { media_type: self.content(Some(schema)) } });
        let mut responses = json!({ "default": problem });
        for success in [Some(operation.success), operation.other_success].into_iter().flatten() {
            let response = &mut responses[success.status.as_str()];
            response["description"] = json!("success");
            if let Some(media_type) = success.media_type {
                response["content"][media_type] = self.content(success.schema);
            }
        }
        responses
    }

    /// What comes under a media type.
    fn content(&mut self, schema: Option<SchemaOf>) -> Value {
        schema.map_or_else(|| json!({}), |schema| json!({ "schema": schema(&mut self.answers) }))
    }

    /// The schemas of both; a type that reads and writes alike is one.
    fn components(mut self) -> Map<String, Value> {
        let mut components = self.requests.take_definitions(true);
        components.extend(self.answers.take_definitions(true));
        components
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

/// Says the same with less.
fn tidy(schema: &mut Schema) {
    require_once(schema);
    list_constants(schema);
}

/// A field that a flattened type has as well is required once.
fn require_once(schema: &mut Schema) {
    let Some(Value::Array(required)) = schema.get_mut("required") else { return };
    let mut seen = HashSet::new();
    required.retain(|name| seen.insert(name.clone()));
}

/// An enumeration as the list of its names. With a description for each it would be a choice among
/// schemas, of which few tools make an enumeration.
fn list_constants(schema: &mut Schema) {
    let Some(Value::Array(choices)) = schema.get("oneOf") else { return };
    let constants: Option<Vec<Value>> = choices.iter().map(|choice| choice.get("const").cloned()).collect();
    let Some(constants) = constants else { return };
    schema.remove("oneOf");
    schema.insert("type".to_owned(), json!("string"));
    schema.insert("enum".to_owned(), Value::Array(constants));
}

#[cfg(test)]
mod tests {
    use pipeline::constants;
    use test_platform::InMemory;

    use super::*;
    use crate::http::operations::operations;

    /// The name of the schema of some content.
    fn name(content: &Value) -> String {
        let Some(content) = content.as_object() else { return "nothing".to_owned() };
        let names = content.iter().map(|(media_type, content)| match content["schema"]["$ref"].as_str() {
            Some(reference) => reference.trim_start_matches("#/components/schemas/").to_owned(),
            None => media_type.clone(),
        });
        names.collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn the_operations() {
        let operations = operations::<InMemory>();
        let description = describe(operations);
        let lines = operations.iter().map(|operation| {
            let described = &description["paths"][operation.path][method(&operation.method)];
            let answers = described["responses"].as_object().unwrap().iter().filter(|(status, _)| *status != "default");
            let answers: Vec<String> =
                answers.map(|(status, answer)| format!("{status} {}", name(&answer["content"]))).collect();
            format!(
                "{} {} -> {}, {:?}, {} -> {}",
                operation.method,
                operation.path,
                described["operationId"].as_str().unwrap(),
                operation.named.handler.access(),
                name(&described["requestBody"]["content"]),
                answers.join(", "),
            )
        });
        insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"));
    }

    #[test]
    fn the_description_is_made_once() {
        let [one, other] = [(); 2].map(|()| description(operations::<InMemory>()));
        assert!(std::ptr::eq(one, other));
        assert_eq!(one, describe(operations::<InMemory>()).to_string().as_bytes());
    }

    #[test]
    fn schemas_are_named_after_one_type_each() {
        let description = describe(operations::<InMemory>());
        // A second type of the same name would have a number.
        let names: Vec<&String> = description["components"]["schemas"].as_object().unwrap().keys().collect();
        assert!(names.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_alphabetic())), "{names:?}");
    }

    #[test]
    fn limits_are_those_that_are_checked() {
        let schemas = describe(operations::<InMemory>())["components"]["schemas"].take();
        let limit = |pointer: &str| schemas.pointer(pointer).and_then(Value::as_u64).map(usize::try_from);
        for (pointer, expected) in [
            ("/Document/properties/content/maxLength", constants::DOCUMENT_BYTES),
            ("/Document/properties/external_id/maxLength", constants::TITLE_BYTES),
            ("/Document/properties/tags/maxItems", constants::TAGS),
            ("/Document/properties/tags/items/maxLength", constants::TAG_BYTES),
            ("/Documents/oneOf/1/maxItems", constants::DOCUMENTS_PER_REQUEST),
            ("/Search/properties/query/maxLength", constants::QUERY_BYTES),
            ("/Search/properties/top_k/maximum", constants::TOP_K),
            ("/Chat/properties/message/maxLength", constants::CHAT_MESSAGE_BYTES),
            ("/NewMemory/properties/text/maxLength", constants::MEMORY_BYTES),
        ] {
            assert_eq!(limit(pointer), Some(Ok(expected)), "{pointer}");
        }
        let required = schemas["IndexAnswerWithJob"]["required"].as_array().unwrap();
        assert_eq!(required.iter().filter(|name| *name == "status").count(), 1);
    }

    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|field| references(field, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let description = describe(operations::<InMemory>());
        let mut found = Vec::new();
        references(&description, &mut found);
        assert!(found.len() > 100, "{}", found.len());
        for reference in found {
            assert!(description.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
        }
    }

    #[test]
    fn a_type_that_is_read_and_written_is_the_same_in_both() {
        let mut schemas = Schemas::new();
        for operation in operations::<InMemory>() {
            schemas.operation(operation);
        }
        let answers = schemas.answers.take_definitions(true);
        for (name, schema) in schemas.requests.take_definitions(true) {
            assert!(answers.get(&name).is_none_or(|other| *other == schema), "{name}");
        }
    }
}
