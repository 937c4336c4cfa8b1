//! JSON as clients send it: nothing of it is passed over in silence, and what is wrong is named by its JSON Pointer, in
//! words of JSON.
//!
//! A field that its type does not know is refused, as are a list where an object belongs, a field that stands there
//! twice and whatever follows the value. `null` means what leaving the field out means.

mod objects;
mod pointer;
mod words;

use schemars::JsonSchema;
use serde::{
    Deserialize,
    de::{DeserializeOwned, IgnoredAny},
};
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

use self::{objects::Objects, pointer::pointer, words::Schemas};
pub use self::{objects::whole, words::abridged};
use crate::{
    nearest,
    problem::{Code, Problem, shortened},
};

/// So many fields of a value may be null that could have been left out.
const NULLS: usize = 32;

/// Reads one JSON value.
///
/// # Errors
/// [`Code::Malformed`] for what is no JSON, or has something behind it; [`Code::Invalid`] for a value that does not
/// fit and for an unknown field, whose nearest known name is suggested.
pub fn read<T: DeserializeOwned + JsonSchema>(text: &[u8]) -> Result<T, Problem> {
    read_without_nulls(text, NULLS).map_err(|error| error.problem::<T>(text))
}

/// The same of what is read a part at a time: its other fields are read, and held to names, by another call.
///
/// # Errors
/// As [`read`], but for unknown fields.
pub fn read_known<'a, T: Deserialize<'a> + JsonSchema>(text: &'a [u8]) -> Result<T, Problem> {
    read_once(text, &mut None).map_err(|error| error.problem::<T>(text))
}

/// What is said of a text that is no JSON: where it stops being that.
pub fn no_json(error: &serde_json::Error) -> Problem {
    let (line, column) = (error.line(), error.column());
    let detail = if error.is_eof() {
        format!("this is no valid JSON: it ends before it is complete, at line {line}, column {column}")
    } else {
        let why = shortened(words::without_position(&error.to_string()).to_owned());
        format!("this is no valid JSON: at line {line}, column {column}, {why}")
    };
    Problem::new(Code::Malformed, detail)
}

/// What is wrong with a text.
enum Error {
    /// It is no JSON.
    Syntax(serde_json::Error),
    /// Something follows the value.
    Trailing,
    /// A value does not fit its place.
    Unfit { path: Vec<String>, error: String },
    /// A field that there is not.
    Unknown { path: Vec<String> },
}

fn read_without_nulls<T: DeserializeOwned>(text: &[u8], nulls: usize) -> Result<T, Error> {
    let mut unknown = None;
    let read = read_once(text, &mut unknown);
    let error = match (read, unknown) {
        (Ok(value), None) => return Ok(value),
        (Ok(_), Some(path)) => return Err(Error::Unknown { path }),
        // Of what is missing and what is not known one is the other, misspelt.
        (Err(Error::Unfit { error, .. }), Some(path)) if error.starts_with("missing field") => {
            return Err(Error::Unknown { path });
        }
        (Err(error), _) => error,
    };
    match without_null(text, &error).filter(|_| nulls > 0) {
        Some(less) => read_without_nulls(&less, nulls - 1),
        None => Err(error),
    }
}

/// Reads a value, and notes the first field that its type does not know.
fn read_once<'a, T: Deserialize<'a>>(text: &'a [u8], unknown: &mut Option<Vec<String>>) -> Result<T, Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let mut ignored = first(unknown);
    let read = serde_ignored::Deserializer::new(Objects(&mut deserializer), &mut ignored);
    let value = serde_path_to_error::deserialize(read).map_err(|error| {
        let path = segments(error.path());
        let inner = error.into_inner();
        // A list where a name belongs, or a number beyond all bounds, is an error of syntax to serde_json.
        let is_json = inner.is_data() || serde_json::from_slice::<IgnoredAny>(text).is_ok();
        if is_json { Error::Unfit { path, error: inner.to_string() } } else { Error::Syntax(inner) }
    })?;
    deserializer.end().map_err(|_| Error::Trailing)?;
    Ok(value)
}

/// Notes the first of the fields that are ignored. A closure in a generic function is of another type for every type
/// that is read, and all that reads is compiled again with it: this one is the same for all.
fn first(unknown: &mut Option<Vec<String>>) -> impl FnMut(serde_ignored::Path<'_>) {
    |path| {
        unknown.get_or_insert_with(|| names(&path));
    }
}

/// The text without the field that does not fit, where that is null.
fn without_null(text: &[u8], error: &Error) -> Option<Vec<u8>> {
    let Error::Unfit { path, .. } = error else { return None };
    let (name, parents) = path.split_last()?;
    let mut value: Value = serde_json::from_slice(text).ok()?;
    let object = value.pointer_mut(&pointer(parents))?.as_object_mut()?;
    object.remove(name).filter(Value::is_null)?;
    serde_json::to_vec(&value).ok()
}

/// The names and places that lead to where reading stopped.
fn segments(path: &Path) -> Vec<String> {
    let part = |segment: &Segment| match segment {
        Segment::Seq { index } => Some(index.to_string()),
        Segment::Map { key } => Some(key.clone()),
        Segment::Enum { .. } | Segment::Unknown => None,
    };
    path.iter().filter_map(part).collect()
}

/// The names and places that lead to an ignored field.
fn names(path: &serde_ignored::Path<'_>) -> Vec<String> {
    use serde_ignored::Path;
    let (parent, part) = match path {
        Path::Root => return Vec::new(),
        Path::Seq { parent, index } => (parent, Some(index.to_string())),
        Path::Map { parent, key } => (parent, Some(key.clone())),
        Path::Some { parent } | Path::NewtypeStruct { parent } | Path::NewtypeVariant { parent } => (parent, None),
    };
    let mut parts = names(parent);
    parts.extend(part);
    parts
}

impl Error {
    /// The error as the answer to who sent the text.
    fn problem<T: JsonSchema>(self, text: &[u8]) -> Problem {
        match self {
            Self::Syntax(_) if text.trim_ascii().is_empty() => {
                Problem::new(Code::Malformed, "the body is empty; send a JSON object")
            }
            Self::Syntax(error) => no_json(&error),
            Self::Trailing => {
                let detail = "something follows the JSON value; send one value, or each in a request of its own";
                Problem::new(Code::Malformed, detail)
            }
            Self::Unknown { path } => {
                let name = path.last().map_or("", String::as_str);
                let known = Schemas::of::<T>().fields(path.split_last().map_or(&[], |(_, parents)| parents));
                let detail = nearest::unknown("field", name, known.iter().map(String::as_str));
                Problem::field(Code::Invalid, shortened(pointer(&path)), detail)
            }
            Self::Unfit { path, error } => {
                let (path, detail) = words::unfit(&Schemas::of::<T>(), path, &error, text);
                Problem::field(Code::Invalid, shortened(pointer(&path)), detail)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
    struct Outer {
        query: String,
        #[serde(default)]
        filters: Option<Inner>,
        #[serde(default)]
        entries: Vec<Inner>,
        #[serde(default = "ten")]
        #[schemars(range(min = 1, max = 50))]
        most: u32,
        #[serde(default)]
        kind: Option<Kind>,
    }

    #[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
    struct Inner {
        #[serde(default)]
        tags: Vec<String>,
        #[serde(default)]
        metadata: serde_json::Map<String, Value>,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    enum Kind {
        Code,
        Doc,
    }

    #[derive(Debug, PartialEq, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Strict {
        #[serde(default)]
        tags: Vec<String>,
    }

    fn ten() -> u32 {
        10
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
        let (_, pointer, detail) = refused(r#"{"qeury": "fox"}"#);
        assert_eq!(pointer, "/qeury");
        assert!(detail.starts_with("there is no field \"qeury\"; did you mean \"query\"?"), "{detail}");
    }

    #[test]
    fn a_type_that_refuses_unknown_fields_itself_is_no_other() {
        let problem = read::<Strict>(br#"{"tag": "x"}"#).unwrap_err();
        assert_eq!(problem.errors[0].pointer, "/tag");
        assert_eq!(problem.detail, "there is no field \"tag\"; did you mean \"tags\"? Known are tags");
    }

    #[test]
    fn what_may_hold_anything_is_not_looked_into() {
        let text = r#"{"query": "fox", "filters": {"metadata": {"anything": {"at": ["all", null]}}}}"#;
        let read = read::<Outer>(text.as_bytes()).unwrap();
        assert_eq!(read.filters.unwrap().metadata["anything"], serde_json::json!({ "at": ["all", null] }));
    }

    #[test]
    fn nothing_may_follow_the_value() {
        let (code, _, detail) = refused(r#"{"query": "fox"}{"query": "cat"}"#);
        assert_eq!(code, "malformed");
        assert!(detail.contains("follows"), "{detail}");
        assert!(read::<Outer>(b" {\"query\": \"fox\"} \r\n").is_ok());
    }

    #[test]
    fn what_does_not_fit_is_named_in_words_of_json() {
        for (text, pointer, detail) in [
            (
                r#"{"query": "fox", "entries": [{"tags": ["a", 3]}]}"#,
                "/entries/0/tags/1",
                "expected a text, not a number (3)",
            ),
            (r#"{"query": ["fox"]}"#, "/query", "expected a text, not a list"),
            (r#"{"filters": {}}"#, "/query", "it is missing; expected a text"),
            (r#"{"query": null}"#, "/query", "it is missing; expected a text"),
            (r#"{"query": "fox", "most": -1}"#, "/most", "expected a whole number from 1 to 50, not a number (-1)"),
            (
                r#"{"query": "fox", "most": "many"}"#,
                "/most",
                "expected a whole number from 1 to 50, not a text (\"many\")",
            ),
            (r#"{"query": "fox", "most": 1.5}"#, "/most", "expected a whole number from 1 to 50, not a number (1.5)"),
            (r#"{"query": "fox", "kind": "book"}"#, "/kind", "expected \"code\" or \"doc\", not a text (\"book\")"),
            (r#"{"query": "fox", "query": "cat"}"#, "/query", "it stands there twice: send it once"),
            (r#"{"query": "fox", "kind": ["doc"]}"#, "/kind", "expected \"code\" or \"doc\", not a list"),
            (r#"{"query": "fox", "most": 1e999}"#, "/most", "expected a whole number from 1 to 50, not this"),
            (r#""fox""#, "", "expected an object, not a text (\"fox\")"),
        ] {
            let (code, at, said) = refused(text);
            assert_eq!((code.as_str(), at.as_str(), said.as_str()), ("invalid", pointer, detail), "{text}");
        }
        assert_eq!(refused("{").0, "malformed");
        let deep = format!(
            r#"{{"query": "fox", "filters": {{"metadata": {{"a": {}1{}}}}}}}"#,
            "[".repeat(200),
            "]".repeat(200)
        );
        assert_eq!(refused(&deep).2, "it is nested too deeply: at most 128 lists and objects inside of each other");
    }

    #[test]
    fn a_whole_number_may_have_a_fraction_of_zeros() {
        let read = |most: &str| read::<Outer>(format!(r#"{{"query": "fox", "most": {most}}}"#).as_bytes());
        assert_eq!([read("30.0").unwrap().most, read("3e1").unwrap().most, read("-0.0").unwrap().most], [30, 30, 0]);
        assert!([read("1.5"), read("-1.0"), read("1e10"), read("1e300")].iter().all(Result::is_err));
    }

    #[test]
    fn a_list_is_no_object() {
        for (text, pointer) in [
            (r#"["fox"]"#, ""),
            (r#"{"query": "fox", "filters": [["a"]]}"#, "/filters"),
            (r#"{"query": "fox", "entries": [[["a"]]]}"#, "/entries/0"),
        ] {
            let (_, at, said) = refused(text);
            assert_eq!((at.as_str(), said.as_str()), (pointer, "expected an object, not a list"), "{text}");
        }
    }

    #[test]
    fn null_is_the_same_as_nothing() {
        let nothing = read::<Outer>(br#"{"query": "fox"}"#).unwrap();
        for text in [
            r#"{"query": "fox", "most": null, "entries": null, "filters": null, "kind": null}"#,
            r#"{"most": null, "query": "fox"}"#,
        ] {
            assert_eq!(read::<Outer>(text.as_bytes()).unwrap(), nothing, "{text}");
        }
        let inner = read::<Outer>(br#"{"query": "fox", "filters": {"tags": null}}"#).unwrap();
        assert_eq!(inner.filters, Some(Inner::default()));
        // There is no default for an element.
        assert_eq!(refused(r#"{"query": "fox", "entries": [null]}"#).2, "expected an object, not null");
    }

    #[test]
    fn an_api_that_is_not_ours_may_send_more() {
        assert!(read_known::<Outer>(br#"{"query": "fox", "store": true}"#).is_ok());
    }

    proptest! {
        #[test]
        fn no_text_of_json_is_answered_in_words_of_rust(text in any_json()) {
            if let Err(problem) = read::<Outer>(text.as_bytes()) {
                for word in ["invalid type", "struct", "u32", "enum", "sequence", "variant", "line 1", "`"] {
                    prop_assert!(!problem.detail.contains(word), "{text}: {}", problem.detail);
                }
            }
        }
    }

    fn any_json() -> impl Strategy<Value = String> {
        let names = ["query", "filters", "entries", "most", "kind", "tags", "metadata"];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "[a-z]{0,5}".prop_map(Value::from),
        ];
        let value = leaf.prop_recursive(4, 30, 5, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map(prop::sample::select(names.to_vec()), inner, 0..6)
                    .prop_map(|fields| fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
                    .prop_map(Value::Object),
            ]
        });
        value.prop_map(|value| value.to_string())
    }
}
