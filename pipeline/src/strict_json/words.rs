//! What is wrong with a value, said in words of JSON: of what was sent, and of what the schema allows.

use schemars::JsonSchema;
use serde_json::Value;

use super::pointer::pointer;
use crate::{
    nearest,
    problem::{excerpt, shortened},
};

/// Where schemas lie that others refer to, as JSON Schema names it.
const DEFINITIONS: &str = "$defs";
/// How serde begins what it says of values that do not fit. Whatever begins otherwise is said by a type of ours.
const SAID_BY_SERDE: [&str; 7] = [
    "invalid type",
    "invalid value",
    "invalid length",
    "unknown variant",
    "data did not match",
    "expected value",
    "number out of range",
];

/// Where a value does not fit, and why: in our words, or in those of the type that refused it.
pub fn unfit(schemas: &Schemas, mut path: Vec<String>, error: &str, text: &[u8]) -> (Vec<String>, String) {
    let error = without_position(error);
    if let Some(name) = error.strip_prefix("missing field ") {
        path.push(quoted(name));
        let expected = schemas.expected(&path);
        return (path, format!("it is missing; expected {expected}"));
    }
    if let Some(name) = error.strip_prefix("duplicate field ") {
        path.push(quoted(name));
        return (path, "it stands there twice: send it once".to_owned());
    }
    // Of a type that refuses them itself.
    if let Some(name) = error.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next()) {
        path.pop_if(|last| last == name);
        let known = schemas.fields(&path);
        let detail = nearest::unknown("field", name, known.iter().map(String::as_str));
        path.push(name.to_owned());
        return (path, detail);
    }
    if error == "recursion limit exceeded" {
        return (path, "it is nested too deeply: at most 128 lists and objects inside of each other".to_owned());
    }
    if !SAID_BY_SERDE.iter().any(|start| error.starts_with(start)) {
        return (path, shortened(error.to_owned()));
    }
    let sent = serde_json::from_slice::<Value>(text).ok();
    let sent = sent.as_ref().and_then(|sent| sent.pointer(&pointer(&path)));
    let detail = format!("expected {}, not {}", schemas.expected(&path), sent.map_or("this".to_owned(), named));
    (path, detail)
}

/// The error without the place in the text, which is named otherwise.
pub fn without_position(error: &str) -> &str {
    error.rfind(" at line ").map_or(error, |end| &error[..end])
}

/// The name that stands between backticks.
fn quoted(name: &str) -> String {
    name.trim_matches('`').to_owned()
}

/// A value by its type, and what it is if that is short.
fn named(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => format!("a number ({number})"),
        Value::String(text) => format!("a text ({})", beginning(text)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

/// A text in quotes, or its beginning.
fn beginning(text: &str) -> String {
    let excerpt = excerpt(text);
    let rest = if excerpt.len() < text.len() { "…" } else { "" };
    format!("{}{rest}", Value::from(excerpt))
}

/// What of the schemas of clients' types errors are worded with, by the names of the types. Reading it is cheap, and
/// what makes it from the types is half a megabyte of wasm: `DESCRIBE=1 cargo test -p tests --test native published`
/// writes it, and a test holds it to the types.
const SCHEMAS: &str = include_str!("schemas.json");

/// The schema of a type, to look up what it allows.
pub struct Schemas {
    all: Value,
    root: Value,
}

impl Schemas {
    /// The schema of this type.
    pub fn of<T: JsonSchema>() -> Self {
        Self::written::<T>(serde_json::from_str(SCHEMAS).unwrap_or_default())
    }

    #[cfg(not(test))]
    fn written<T: JsonSchema>(all: Value) -> Self {
        let root = all[DEFINITIONS].get(T::schema_name().as_ref()).cloned();
        debug_assert!(root.is_some(), "schemas.json has no {}: see strict_json/words.rs", T::schema_name());
        Self { root: root.unwrap_or_default(), all }
    }

    /// Types of tests are written nowhere.
    #[cfg(test)]
    fn written<T: JsonSchema>(_: Value) -> Self {
        let all = schemars::SchemaGenerator::default().into_root_schema_for::<T>().to_value();
        Self { root: all.clone(), all }
    }

    /// The fields that objects have at that place.
    pub fn fields(&self, path: &[String]) -> Vec<String> {
        let properties = self.places(path).into_iter().filter_map(|place| place.get("properties")?.as_object());
        properties.flat_map(|properties| properties.keys().cloned()).collect()
    }

    /// What may stand at that place, in words.
    fn expected(&self, path: &[String]) -> String {
        let mut words: Vec<String> = self.places(path).into_iter().flat_map(|place| self.words(place)).collect();
        words.dedup();
        match words.split_last() {
            None => "another value".to_owned(),
            Some((last, [])) => last.clone(),
            Some((last, others)) => format!("{} or {last}", others.join(", ")),
        }
    }

    /// What one schema allows, without its alternatives; `null` is what anybody may leave out.
    fn words(&self, schema: &Value) -> Vec<String> {
        if let Some(names) = schema.get("enum").and_then(Value::as_array) {
            return names.iter().filter(|name| !name.is_null()).map(Value::to_string).collect();
        }
        if let Some(name) = schema.get("const") {
            return vec![name.to_string()];
        }
        let types = match schema.get("type") {
            Some(Value::String(one)) => vec![one.as_str()],
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        types.into_iter().filter_map(|name| self.word(name, schema)).collect()
    }

    fn word(&self, type_name: &str, schema: &Value) -> Option<String> {
        let bounded = |what: &str| match [schema.get("minimum"), schema.get("maximum")] {
            [Some(least), Some(most)] => format!("{what} from {least} to {most}"),
            [Some(least), None] => format!("{what} of {least} or more"),
            [None, Some(most)] => format!("{what} of at most {most}"),
            [None, None] => what.to_owned(),
        };
        Some(match type_name {
            "string" if schema.get("format").and_then(Value::as_str) == Some("date-time") => {
                "a time in RFC 3339 such as \"2026-01-31T12:00:00Z\"".to_owned()
            }
            "string" => "a text".to_owned(),
            "integer" => bounded("a whole number"),
            "number" => bounded("a number"),
            "boolean" => "true or false".to_owned(),
            "array" => match schema.get("items") {
                None => "a list".to_owned(),
                Some(items) => {
                    let of: Vec<String> =
                        self.alternatives(items).into_iter().flat_map(|item| self.words(item)).collect();
                    format!("a list, each of it {}", of.join(" or "))
                }
            },
            "object" => "an object".to_owned(),
            _ => return None,
        })
    }

    /// All schemas that a value at that place may have.
    fn places(&self, path: &[String]) -> Vec<&Value> {
        let mut places = self.alternatives(&self.root);
        for part in path {
            let inner: Vec<&Value> = places.into_iter().filter_map(|place| inside(place, part)).collect();
            places = inner.into_iter().flat_map(|place| self.alternatives(place)).collect();
        }
        places
    }

    /// A schema, what it refers to, and each of what it may be instead.
    fn alternatives<'a>(&'a self, schema: &'a Value) -> Vec<&'a Value> {
        let referred = schema.get("$ref").and_then(Value::as_str);
        let referred = referred.and_then(|to| self.all.pointer(to.strip_prefix('#')?));
        let others = ["anyOf", "oneOf", "allOf"].into_iter().filter_map(|name| schema.get(name)?.as_array()).flatten();
        let deeper = others.chain(referred).flat_map(|other| self.alternatives(other));
        std::iter::once(schema).chain(deeper).collect()
    }
}

/// The schema of a field, or of the elements of a list.
fn inside<'a>(schema: &'a Value, part: &str) -> Option<&'a Value> {
    if part.bytes().all(|byte| byte.is_ascii_digit()) {
        return schema.get("items");
    }
    schema.get("properties")?.get(part)
}

/// What [`Schemas`] looks at of some schemas: their names, and of each what is allowed, without a description.
pub fn abridged(definitions: &serde_json::Map<String, Value>) -> Value {
    let definitions = definitions.iter().map(|(name, schema)| (name.clone(), abridge(schema)));
    serde_json::json!({ DEFINITIONS: definitions.collect::<serde_json::Map<_, _>>() })
}

fn abridge(schema: &Value) -> Value {
    const LOOKED_AT: [&str; 7] = ["$ref", "const", "enum", "format", "maximum", "minimum", "type"];
    let all = |schemas: &Value| match schemas {
        Value::Array(schemas) => schemas.iter().map(abridge).collect(),
        one => abridge(one),
    };
    let Some(schema) = schema.as_object() else { return schema.clone() };
    let kept = schema.iter().filter_map(|(name, value)| {
        let value = match (name.as_str(), value) {
            ("items" | "allOf" | "anyOf" | "oneOf", schemas) => all(schemas),
            ("properties", Value::Object(fields)) => {
                fields.iter().map(|(name, schema)| (name.clone(), abridge(schema))).collect()
            }
            (name, value) => LOOKED_AT.contains(&name).then(|| value.clone())?,
        };
        Some((name.clone(), value))
    });
    kept.collect()
}
