//! JSON as clients send it: nothing of it is passed over in silence, and what is wrong is named by its JSON Pointer.

use schemars::{JsonSchema, SchemaGenerator};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    nearest,
    problem::{Code, Problem, shortened},
};

/// Reads one JSON value. A field that its type does not know is refused, and so is whatever follows the value.
///
/// # Errors
/// [`Code::Malformed`] for what is no JSON, or has something behind it; [`Code::Invalid`] for a value that does not
/// fit and for an unknown field, whose nearest known name is suggested.
pub fn read<'a, T: Deserialize<'a> + JsonSchema>(text: &'a [u8]) -> Result<T, Problem> {
    let mut unknown = None;
    let value = read_with(text, |path| {
        unknown.get_or_insert(path);
    })?;
    match unknown {
        None => Ok(value),
        Some(path) => Err(unknown_field::<T>(&path)),
    }
}

/// The same for the bodies of an API that is not ours, whose clients send fields that we do not know.
///
/// # Errors
/// As [`read`], but for unknown fields.
pub fn read_known<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T, Problem> {
    read_with(text, |_| {})
}

fn read_with<'a, T: Deserialize<'a>>(text: &'a [u8], mut ignored: impl FnMut(Vec<String>)) -> Result<T, Problem> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let mut ignored = |path: serde_ignored::Path<'_>| ignored(parts(&path));
    let value = serde_path_to_error::deserialize(serde_ignored::Deserializer::new(&mut deserializer, &mut ignored))
        .map_err(|error| {
            let pointer = pointer(&error.path().to_string());
            let inner = error.into_inner();
            if inner.is_data() {
                Problem::field(Code::Invalid, shortened(pointer), shortened(inner.to_string()))
            } else {
                malformed(&inner)
            }
        })?;
    deserializer.end().map_err(|_| {
        Problem::new(Code::Malformed, "something follows the JSON value; send one value, or each in a request")
    })?;
    Ok(value)
}

fn malformed(error: &serde_json::Error) -> Problem {
    Problem::new(Code::Malformed, format!("the body is not the JSON expected: {}", shortened(error.to_string())))
}

/// A path as `serde_path_to_error` prints it, as a JSON Pointer (RFC 6901).
fn pointer(path: &str) -> String {
    if path == "." { String::new() } else { format!("/{}", path.replace(['.', '['], "/").replace(']', "")) }
}

/// The names and places that lead to an ignored field.
fn parts(path: &serde_ignored::Path<'_>) -> Vec<String> {
    use serde_ignored::Path;
    let (parent, part) = match path {
        Path::Root => return Vec::new(),
        Path::Seq { parent, index } => (parent, Some(index.to_string())),
        Path::Map { parent, key } => (parent, Some(key.clone())),
        Path::Some { parent } | Path::NewtypeStruct { parent } | Path::NewtypeVariant { parent } => (parent, None),
    };
    let mut parts = parts(parent);
    parts.extend(part);
    parts
}

fn unknown_field<T: JsonSchema>(path: &[String]) -> Problem {
    let Some((name, parents)) = path.split_last() else { return Problem::new(Code::Invalid, "an unknown field") };
    let known = known_fields::<T>(parents);
    let escaped: Vec<String> = path.iter().map(|part| part.replace('~', "~0").replace('/', "~1")).collect();
    let detail = nearest::unknown("field", name, known.iter().map(String::as_str));
    Problem::field(Code::Invalid, shortened(format!("/{}", escaped.join("/"))), detail)
}

/// The fields that the type's schema has at that place.
fn known_fields<T: JsonSchema>(path: &[String]) -> Vec<String> {
    let schema = SchemaGenerator::default().into_root_schema_for::<T>().to_value();
    let mut places = vec![&schema];
    for part in path {
        let is_index = part.bytes().all(|byte| byte.is_ascii_digit());
        places = places
            .into_iter()
            .flat_map(|place| alternatives(&schema, place))
            .filter_map(|place| if is_index { place.get("items") } else { place.get("properties")?.get(part) })
            .collect();
    }
    let properties = places.into_iter().flat_map(|place| alternatives(&schema, place));
    let properties = properties.filter_map(|place| place.get("properties")?.as_object());
    properties.flat_map(|properties| properties.keys().cloned()).collect()
}

/// A schema, what it refers to, and each of what it may be instead.
fn alternatives<'a>(root: &'a Value, schema: &'a Value) -> Vec<&'a Value> {
    let referred = schema.get("$ref").and_then(Value::as_str).and_then(|to| root.pointer(to.strip_prefix('#')?));
    let others = ["anyOf", "oneOf", "allOf"].into_iter().filter_map(|name| schema.get(name)?.as_array()).flatten();
    let deeper = others.chain(referred).flat_map(|other| alternatives(root, other));
    std::iter::once(schema).chain(deeper).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Deserialize, JsonSchema)]
    struct Outer {
        query: String,
        #[serde(default)]
        filters: Option<Inner>,
        #[serde(default)]
        entries: Vec<Inner>,
    }

    #[derive(Debug, PartialEq, Deserialize, JsonSchema)]
    struct Inner {
        #[serde(default)]
        tags: Vec<String>,
        #[serde(default)]
        metadata: serde_json::Map<String, Value>,
    }

    fn refused(text: &str) -> (String, String, String) {
        let problem = read::<Outer>(text.as_bytes()).unwrap_err();
        let pointer = problem.errors.first().map(|error| error.pointer.clone()).unwrap_or_default();
        (problem.code, pointer, problem.detail)
    }

    #[test]
    fn an_unknown_field_is_refused_with_the_nearest_known_name() {
        let (code, pointer, detail) = refused(r#"{"query": "fox", "filters": {"tag": "x"}}"#);
        assert_eq!((code.as_str(), pointer.as_str()), ("invalid", "/filters/tag"));
        assert_eq!(detail, "there is no field \"tag\"; did you mean \"tags\"? Known are metadata, tags");
        assert_eq!(refused(r#"{"query": "fox", "entries": [{}, {"tgas": []}]}"#).1, "/entries/1/tgas");
        assert_eq!(refused(r#"{"query": "fox", "a/b~c": 1}"#).1, "/a~1b~0c");
    }

    #[test]
    fn what_may_hold_anything_is_not_looked_into() {
        let text = r#"{"query": "fox", "filters": {"metadata": {"anything": {"at": "all"}}}}"#;
        assert!(read::<Outer>(text.as_bytes()).is_ok());
    }

    #[test]
    fn nothing_may_follow_the_value() {
        let (code, _, detail) = refused(r#"{"query": "fox"}{"query": "cat"}"#);
        assert_eq!(code, "malformed");
        assert!(detail.contains("follows"), "{detail}");
        assert!(read::<Outer>(b" {\"query\": \"fox\"} \r\n").is_ok());
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let (code, pointer, detail) = refused(r#"{"query": "fox", "entries": [{"tags": ["a", 3]}]}"#);
        assert_eq!((code.as_str(), pointer.as_str()), ("invalid", "/entries/0/tags/1"));
        assert!(detail.contains("expected a string"), "{detail}");
        assert_eq!(refused("{").0, "malformed");
    }

    #[test]
    fn an_api_that_is_not_ours_may_send_more() {
        assert!(read_known::<Outer>(br#"{"query": "fox", "store": true}"#).is_ok());
    }
}
