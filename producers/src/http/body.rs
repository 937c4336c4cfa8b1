//! JSON bodies, read so that a wrong field is named.

use pipeline::problem::{Code, Problem};
use serde::de::DeserializeOwned;

/// Reads a JSON body; unknown fields are ignored, a wrong one is named by its JSON Pointer.
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        if inner.is_data() {
            let pointer = if path == "." {
                String::new()
            } else {
                format!("/{}", path.replace(['.', '['], "/").replace(']', ""))
            };
            Problem::field(Code::Invalid, pointer, inner.to_string())
        } else {
            Problem::new(Code::Malformed, format!("the body is not the JSON expected: {inner}"))
        }
    })
}

/// The same, where no body at all means the defaults.
pub fn parse_or_default<T: DeserializeOwned + Default>(body: &[u8]) -> Result<T, Problem> {
    if body.is_empty() { Ok(T::default()) } else { parse(body) }
}

/// Checks a text's length in bytes, and that it holds something; trims it.
pub fn text(pointer: &str, value: &str, limit: usize) -> Result<String, Problem> {
    let value = value.trim();
    if value.is_empty() {
        return Err(Problem::field(Code::Invalid, pointer, "the text is empty"));
    }
    if value.len() > limit {
        let detail = format!("{} bytes; the limit is {limit}", value.len());
        return Err(Problem::field(Code::TooLarge, pointer, detail));
    }
    Ok(value.to_owned())
}
