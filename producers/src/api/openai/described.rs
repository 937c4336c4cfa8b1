//! How requests of `/v1` are described beyond their fields: what a few of these may hold, and what is read beside them.
#![expect(dead_code, reason = "it is described; read is each field by its rules")]

use pipeline::chat::tools::ToolKind;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use super::{
    messages::Content,
    parameters::{RequestParameter, Treatment},
};

/// How an answer of `/v1/chat/completions` is to be written.
#[derive(Debug, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[schemars(inline)]
pub(super) enum ResponseFormat {
    Text,
    JsonObject,
    JsonSchema { json_schema: NamedSchema },
}

/// A schema that an answer is to fit.
#[derive(Debug, JsonSchema)]
#[schemars(inline)]
pub(super) struct NamedSchema {
    schema: Map<String, Value>,
}

/// How an answer of `/v1/responses` is to be written.
#[derive(Debug, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct ResponseText {
    format: Option<ResponseTextFormat>,
    verbosity: Option<Verbosity>,
}

#[derive(Debug, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[schemars(inline)]
enum ResponseTextFormat {
    Text,
    JsonObject,
    JsonSchema { schema: Map<String, Value> },
}

#[derive(Debug, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum Verbosity {
    Medium,
}

/// Whether a model is to call functions, or which.
#[derive(Debug, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub(super) enum ToolWish {
    Mode(ToolWishMode),
    One {
        #[serde(rename = "type")]
        kind: ToolKind,
        function: NamedFunction,
    },
}

#[derive(Debug, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(super) enum ToolWishMode {
    None,
    Auto,
    Required,
}

/// A function by its name.
#[derive(Debug, JsonSchema)]
#[schemars(inline)]
pub(super) struct NamedFunction {
    name: String,
}

/// A message of `/v1/responses`, which takes no functions.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "ResponseInputMessage")]
pub(super) struct ResponseMessage {
    #[schemars(extend("enum" = ["system", "developer", "user", "assistant"]))]
    role: String,
    content: Content,
}

/// What becomes of messages that are too long together.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(super) enum Truncation {
    Auto,
    Disabled,
}

/// Texts before which an answer ends.
#[derive(Debug, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub(super) enum Stop {
    One(#[schemars(length(min = 1))] String),
    Several(#[schemars(length(min = 1, max = 4), inner(length(min = 1)))] Vec<String>),
}

/// Describes what a request may have beside the parameters that are done, and that it has no others.
pub(super) fn complete(table: &'static [RequestParameter]) -> impl FnMut(&mut Schema) {
    move |schema| {
        schema.insert("additionalProperties".to_owned(), Value::from(false));
        let Some(Value::Object(fields)) = schema.get_mut("properties") else { return };
        for row in table {
            let described = match row.treatment {
                Treatment::Done | Treatment::Refused([]) => continue,
                Treatment::Ignored => json!({ "description": "It changes nothing." }),
                Treatment::Refused(but) => refused(but),
            };
            fields.insert(row.name.to_owned(), described);
        }
    }
}

/// A parameter that is not done may have the values that ask for nothing; said so that generators of clients read it.
fn refused(but: &[&str]) -> Value {
    let values: Vec<Value> = but.iter().filter_map(|value| serde_json::from_str(value).ok()).collect();
    let mut schema = match values.as_slice() {
        [Value::Bool(only)] => json!({ "type": ["boolean", "null"], "not": { "const": !only } }),
        [Value::Bool(_), ..] => json!({ "type": ["boolean", "null"] }),
        [Value::Number(only)] => json!({ "type": ["number", "null"], "minimum": only, "maximum": only }),
        [Value::Array(items)] if items.is_empty() => {
            json!({ "type": ["array", "null"], "items": {}, "maxItems": 0 })
        }
        [Value::Array(items)] => {
            json!({ "type": ["array", "null"], "items": { "enum": items }, "minItems": 1, "maxItems": 1 })
        }
        [Value::Object(_)] => json!({ "type": ["object", "null"], "maxProperties": 0 }),
        values => {
            let values: Vec<&Value> = values.iter().chain([&Value::Null]).collect();
            json!({ "type": ["string", "null"], "enum": values })
        }
    };
    schema["description"] = json!("It is not done here.");
    schema
}
