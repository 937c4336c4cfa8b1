//! `tools.json` says what the types say: `PUBLISH=1 cargo test -p producers --lib mcp` writes their schemas into it.

use std::fs;

use schemars::{
    JsonSchema, Schema, SchemaGenerator,
    generate::{Contract, SchemaSettings},
    transform::RecursiveTransform,
};
use serde_json::{Value, json};

use super::{TOOLS, ask, get, index, memories, search, sessions, status, usage};
use crate::api::memories::remember::NewMemory;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/api/mcp/tools.json");
/// Longest description: models read all of them in every conversation.
const DESCRIPTION_BYTES: usize = 2_000;

fn generator(contract: Contract) -> SchemaGenerator {
    let mut settings = SchemaSettings::draft2020_12();
    settings.meta_schema = None;
    settings.inline_subschemas = true;
    settings.contract = contract;
    settings.with_transform(RecursiveTransform(plain)).into_generator()
}

/// Says the same in words that every client reads: enumerations as lists, and no formats of Rust's.
fn plain(schema: &mut Schema) {
    schema.remove("title");
    if let Some(text) = schema.get("description").and_then(Value::as_str) {
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        schema.insert("description".to_owned(), Value::from(line));
    }
    if schema.get("format").is_some_and(|format| format != "date-time") {
        schema.remove("format");
    }
    if let Some(Value::Array(choices)) = schema.get("oneOf") {
        let constants: Option<Vec<Value>> = choices.iter().map(|choice| choice.get("const").cloned()).collect();
        if let Some(constants) = constants {
            schema.remove("oneOf");
            schema.insert("type".to_owned(), Value::from("string"));
            schema.insert("enum".to_owned(), Value::Array(constants));
        }
    }
}

fn input<T: JsonSchema>() -> Value {
    let mut schema = serde_json::to_value(generator(Contract::Deserialize).into_root_schema_for::<T>()).unwrap();
    without_null(&mut schema);
    schema["additionalProperties"] = json!(false);
    schema
}

fn output<T: JsonSchema>() -> Value {
    serde_json::to_value(generator(Contract::Serialize).into_root_schema_for::<T>()).unwrap()
}

/// What may be left out may be null as well, which no model has to be told.
fn without_null(schema: &mut Value) {
    let Value::Object(fields) = schema else {
        if let Value::Array(items) = schema {
            items.iter_mut().for_each(without_null);
        }
        return;
    };
    if let Some(Value::Array(kinds)) = fields.get_mut("type") {
        kinds.retain(|kind| kind != "null");
        if let [kind] = kinds.as_slice() {
            let kind = kind.clone();
            fields.insert("type".to_owned(), kind);
        }
    }
    if let Some(Value::Array(values)) = fields.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    if let Some(Value::Array(choices)) = fields.get_mut("anyOf") {
        choices.retain(|choice| choice["type"] != "null");
        if let [Value::Object(only)] = choices.as_slice() {
            let only = only.clone();
            fields.remove("anyOf");
            for (name, value) in only {
                fields.entry(name).or_insert(value);
            }
        }
    }
    if fields.get("default").is_some_and(Value::is_null) {
        fields.remove("default");
    }
    fields.values_mut().for_each(without_null);
}

fn schemas(name: &str) -> (Value, Value) {
    match name {
        "friend_search" => (input::<search::Arguments>(), output::<search::Answer>()),
        "friend_get" => (input::<get::Arguments>(), output::<get::Answer>()),
        "friend_index" => (input::<index::Arguments>(), output::<index::Answer>()),
        "friend_status" => (input::<status::Arguments>(), output::<status::Answer>()),
        "friend_ask" => (input::<ask::Arguments>(), output::<ask::Answer>()),
        "friend_remember" => (input::<NewMemory>(), output::<memories::Remembered>()),
        "friend_recall" => (input::<memories::Recall>(), output::<memories::Memories>()),
        "friend_forget" => (input::<memories::Forget>(), output::<memories::Forgotten>()),
        "friend_sessions" => (input::<sessions::Arguments>(), output::<sessions::Answer>()),
        "friend_usage" => (input::<usage::Arguments>(), output::<usage::Answer>()),
        name => panic!("{name} has no types"),
    }
}

/// A tool on some lines: what people write of it can be read, and its schemas take one each.
fn written(tool: &Value) -> String {
    let order = ["name", "title", "description", "annotations", "inputSchema", "outputSchema", "_meta"];
    let fields: Vec<String> = order.iter().map(|name| format!("  {name:?}: {}", tool[name])).collect();
    assert_eq!(tool.as_object().unwrap().len(), order.len(), "{}", tool["name"]);
    format!("{{\n{}\n}}", fields.join(",\n"))
}

#[test]
fn tools_are_described_as_they_are_read_and_answered() {
    let mut tools: Vec<Value> = serde_json::from_str(&fs::read_to_string(PATH).unwrap()).unwrap();
    for tool in &mut tools {
        let (input, output) = schemas(tool["name"].as_str().unwrap());
        (tool["inputSchema"], tool["outputSchema"]) = (input, output);
    }
    let text = format!("[\n{}\n]\n", tools.iter().map(written).collect::<Vec<_>>().join(",\n"));
    if std::env::var("PUBLISH").is_ok() {
        fs::write(PATH, &text).unwrap();
    }
    assert!(text == fs::read_to_string(PATH).unwrap(), "PUBLISH=1 cargo test -p producers --lib mcp");
}

#[test]
fn a_model_is_told_of_each_tool_when_to_use_it_and_when_not_in_little() {
    let tools: Vec<Value> = serde_json::from_str(TOOLS).unwrap();
    assert!(tools.len() <= 10);
    for tool in &tools {
        let text = |name: &str| tool[name].as_str().unwrap();
        assert!(text("name").starts_with("friend_"));
        assert!(text("description").len() < DESCRIPTION_BYTES, "{}", text("name"));
        assert!(text("description").contains("Use "), "{}", text("name"));
        let hints = &tool["annotations"];
        let writes = hints["readOnlyHint"] == false;
        assert_eq!(hints["destructiveHint"].is_boolean(), writes, "{}", text("name"));
        assert_eq!(hints["idempotentHint"].is_boolean(), writes, "{}", text("name"));
        assert_eq!((&tool["inputSchema"]["type"], &tool["outputSchema"]["type"]), (&json!("object"), &json!("object")));
        for (name, argument) in tool["inputSchema"]["properties"].as_object().into_iter().flatten() {
            assert!(argument["description"].is_string(), "{} {name}", text("name"));
        }
    }
}
