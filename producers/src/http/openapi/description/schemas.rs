//! Schemas as clients and their generators read them best.

use std::collections::HashSet;

use pipeline::{constants, filters::DOCUMENT_TYPES, schema};
use schemars::{
    Schema, SchemaGenerator,
    generate::{Contract, SchemaSettings},
    transform::RecursiveTransform,
};
use serde_json::{Value, json};

use super::words;

/// Where schemas that several operations share lie.
const COMPONENTS: &str = "/components/schemas";

/// Makes schemas of one direction: a field with a default may be left out of a request, and is always there in an
/// answer.
fn settings(contract: Contract) -> SchemaSettings {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = COMPONENTS.into();
    settings.meta_schema = None;
    settings.contract = contract;
    settings.with_transform(RecursiveTransform(tidy))
}

/// For answers. Fields may be added to them.
pub(super) fn of_answers() -> SchemaGenerator {
    settings(Contract::Serialize).into_generator()
}

/// For bodies in which every field is known, or refused, and null is what leaving a field out is.
pub(super) fn of_strict_requests() -> SchemaGenerator {
    let settings = settings(Contract::Deserialize).with_transform(RecursiveTransform(bound));
    settings.with_transform(RecursiveTransform(close)).into_generator()
}

/// For bodies whose clients send more than is known here.
pub(super) fn of_open_requests() -> SchemaGenerator {
    settings(Contract::Deserialize).into_generator()
}

/// Says how large numbers may be whose type does: of formats beyond those of JSON Schema few tools know anything.
fn bound(schema: &mut Schema) {
    if schema.get("format").is_some_and(|format| format == "uint32") && schema.get("maximum").is_none() {
        schema.insert("maximum".to_owned(), Value::from(u32::MAX));
    }
}

/// Has no other fields; those that may be left out may be null.
fn close(schema: &mut Schema) {
    let Some(Value::Object(fields)) = schema.get("properties") else { return };
    let mut fields = fields.clone();
    let required = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    for (name, field) in &mut fields {
        if !required.iter().any(|required| required == name) {
            allow_null(field);
        }
    }
    schema.insert("properties".to_owned(), Value::Object(fields));
    if schema.get("additionalProperties").is_none() {
        schema.insert("additionalProperties".to_owned(), Value::from(false));
    }
}

fn allow_null(schema: &mut Value) {
    // What its fields are by default, each of them says; null is the default that generated clients understand.
    if let Some(schema) = schema.as_object_mut()
        && schema.get("default").is_some_and(Value::is_object)
    {
        schema.remove("default");
    }
    if let Some(reference) = schema.as_object_mut().and_then(|schema| schema.remove("$ref")) {
        schema["anyOf"] = json!([{ "$ref": reference }, { "type": "null" }]);
    }
    if let Some(kind) = schema["type"].as_str().filter(|kind| *kind != "null") {
        schema["type"] = json!([kind, "null"]);
    }
    if let Some(values) = schema.get_mut("enum").and_then(Value::as_array_mut)
        && !values.contains(&Value::Null)
    {
        values.push(Value::Null);
    }
}

/// Says the same with less, and what it means in words.
fn tidy(schema: &mut Schema) {
    require_once(schema);
    list_constants(schema);
    say_bytes(schema);
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
    schema.insert("type".to_owned(), Value::from("string"));
    schema.insert("enum".to_owned(), Value::Array(constants));
}

/// `maxLength` counts characters, of which none has less than a byte, and our limits count bytes: where a text is
/// longer in bytes than in characters, only words say what it may be.
fn say_bytes(schema: &mut Schema) {
    let Some(most) = schema.get("maxLength").and_then(Value::as_u64) else { return };
    if schema.get("x-max-bytes").is_some() {
        return;
    }
    schema.insert("x-max-bytes".to_owned(), Value::from(most));
    let said = schema.get("description").and_then(Value::as_str).map(|said| format!("{said} "));
    let said = format!("{}At most {most} bytes in UTF-8.", said.unwrap_or_default());
    schema.insert("description".to_owned(), Value::from(said));
}

/// Bytes under a media type of which nothing more is known, as an answer has them.
pub(super) fn of_bytes(media_type: &str) -> Value {
    let mut schema = json!({ "type": "string" });
    match media_type {
        "text/event-stream" => schema["description"] = json!(words::EVENT_STREAM),
        // A file that somebody uploaded may be any.
        "*/*" => schema = json!({}),
        _ => {}
    }
    json!({ "schema": schema })
}

/// An upload that is not JSON.
pub(super) fn of_upload(media_type: &str) -> Value {
    let schema = match media_type {
        "multipart/form-data" => of_form(),
        "application/x-ndjson" => json!({ "type": "string", "description": "A document in each line, as JSON." }),
        _ => json!({ "type": "string", "format": "binary", "description": "The files of a folder." }),
    };
    json!({ "schema": schema })
}

/// Files of a form, and what is said of all of them.
fn of_form() -> Value {
    json!({
        "type": "object",
        "required": ["files"],
        "additionalProperties": false,
        "properties": {
            "files": {
                "type": "array",
                "minItems": 1,
                "description": "The documents; each is called by its file name. Parts of any name may hold files.",
                "items": { "type": "string", "format": "binary" },
            },
            "tags": {
                "type": ["array", "string"],
                "description": "Tags of all files, each in a part of this name or with commas between them.",
                "items": { "type": "string", "minLength": 1, "maxLength": constants::TAG_BYTES, "pattern": FORM_TAG },
                "maxItems": constants::TAGS,
                "pattern": FORM_TAGS,
            },
            "type": { "type": "string", "enum": DOCUMENT_TYPES, "description": "The type of all files." },
            "language": of_line(constants::TAG_BYTES, "The language of all files."),
            "created_at": { "type": "string", "format": "date-time", "description": "The date of all files." },
            "metadata": {
                "type": "object",
                "additionalProperties": true,
                "description": "What is to be given back with each file, as JSON.",
            },
            "title": of_line(constants::TITLE_BYTES, "The title, of a single file."),
            "external_id": {
                "type": "string",
                "minLength": 1,
                "maxLength": constants::TITLE_BYTES,
                "pattern": schema::LINE,
                "description": "What a single file is called instead of by its name.",
            },
        },
    })
}

/// A line of a form, of so many bytes at most.
fn of_line(most: usize, description: &str) -> Value {
    json!({ "type": "string", "maxLength": most, "pattern": schema::LINE, "description": description })
}

/// A tag in a part of its own: what begins with a bracket is read as a JSON array of tags.
const FORM_TAG: &str = r"^[^\s\[,\u0000-\u001f\u007f-\u009f][^,\u0000-\u001f\u007f-\u009f]*$";
/// Tags with commas between them.
const FORM_TAGS: &str = r"^([^\s\[\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*)?$";
