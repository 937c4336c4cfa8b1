//! Errors as RFC 9457 problem details, for HTTP answers and for single items of a bulk request.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What went wrong, in the words of RFC 9457 plus `code`, `request_id` and `errors`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// A URI reference that identifies the kind of problem.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in a few words.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// What is wrong this time, with the limit that was passed.
    pub detail: String,
    /// Stable machine-readable name.
    pub code: String,
    /// The request's path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// The request's id, to quote in a report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The fields at fault.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

/// One field at fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FieldError {
    /// JSON Pointer (RFC 6901) into the body, or the name of a parameter or header.
    pub pointer: String,
    /// What is wrong with it.
    pub detail: String,
}

/// The kinds of problem this API answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The body is not what its content type says.
    Malformed,
    /// A field has a value it cannot have.
    Invalid,
    /// No key, or not a valid one.
    Unauthorized,
    /// A valid key that may not do this.
    Forbidden,
    /// No such thing, or not the caller's.
    NotFound,
    /// The path exists, the method does not.
    MethodNotAllowed,
    /// It was there, and has expired.
    Gone,
    /// In the way of something that is under way or done.
    Conflict,
    /// Too long to be taken without knowing how long it is.
    LengthRequired,
    /// Over a size limit.
    TooLarge,
    /// A type of content that cannot be indexed.
    UnsupportedType,
    /// A document whose bytes are no text.
    NotUtf8,
    /// A document that has no text.
    NoText,
    /// It holds, or is called like what holds, a password or a key.
    HoldsSecret,
    /// The idempotency key was used with another body.
    KeyReused,
    /// The item stands twice in one request.
    Duplicate,
    /// One request too many in a time; `Retry-After` says for how long.
    RateLimited,
    /// A dependency is not answering; nothing was accepted.
    Unavailable,
    /// Our fault.
    Internal,
}

impl Code {
    /// Every kind.
    pub const ALL: [Self; 19] = [
        Self::Malformed,
        Self::Invalid,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::Gone,
        Self::Conflict,
        Self::LengthRequired,
        Self::TooLarge,
        Self::UnsupportedType,
        Self::NotUtf8,
        Self::NoText,
        Self::HoldsSecret,
        Self::KeyReused,
        Self::Duplicate,
        Self::RateLimited,
        Self::Unavailable,
        Self::Internal,
    ];

    /// The kind of this name, if there is one.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.name() == name)
    }

    /// Its HTTP status.
    pub const fn status(self) -> u16 {
        self.parts().0
    }

    /// Its stable name, which its type ends with.
    pub const fn name(self) -> &'static str {
        self.parts().1
    }

    /// What it is, in a few words.
    pub const fn title(self) -> &'static str {
        self.parts().2
    }

    /// HTTP status, stable name and title.
    const fn parts(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::Malformed => (400, "malformed", "The request cannot be read"),
            Self::Invalid => (422, "invalid", "A field has an invalid value"),
            Self::Unauthorized => (401, "unauthorized", "A valid API key is required"),
            Self::Forbidden => (403, "forbidden", "The API key does not allow this"),
            Self::NotFound => (404, "not_found", "Not found"),
            Self::MethodNotAllowed => (405, "method_not_allowed", "The method is not allowed here"),
            Self::Gone => (410, "gone", "No longer there"),
            Self::Conflict => (409, "conflict", "The request conflicts with another"),
            Self::LengthRequired => (411, "length_required", "The request must say how long it is"),
            Self::TooLarge => (413, "too_large", "Over a size limit"),
            Self::UnsupportedType => (415, "unsupported_type", "The content type is not supported"),
            Self::NotUtf8 => (422, "not_utf8", "The document is not UTF-8 text"),
            Self::NoText => (422, "no_text", "The document holds no text"),
            Self::HoldsSecret => (422, "holds_secret", "It looks like a password or a key"),
            Self::KeyReused => (422, "idempotency_key_reused", "The idempotency key was used with another body"),
            Self::Duplicate => (422, "duplicate_in_request", "The item stands twice in one request"),
            Self::RateLimited => (429, "rate_limited", "Too many requests"),
            Self::Unavailable => (503, "unavailable", "A part of the service is not answering"),
            Self::Internal => (500, "internal", "Internal error"),
        }
    }
}

impl Problem {
    /// A problem of this kind.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let (status, name, title) = code.parts();
        Self {
            kind: format!("/problems/{name}"),
            title: title.to_owned(),
            status,
            detail: detail.into(),
            code: name.to_owned(),
            instance: None,
            request_id: None,
            errors: Vec::new(),
        }
    }

    /// A problem with one field, whose detail is the problem's too.
    pub fn field(code: Code, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        let mut problem = Self::new(code, detail.clone());
        problem.errors.push(FieldError { pointer: pointer.into(), detail });
        problem
    }
}

/// Checks that a name, a title or a tag is one line of what can be seen.
///
/// # Errors
/// What is wrong with it: a control character, which ends lines, headers and terminals.
pub fn one_line(text: &str) -> Result<(), String> {
    match text.chars().find(|character| character.is_control()) {
        Some(character) => Err(format!("contains the control character U+{:04X}: leave it out", u32::from(character))),
        None => Ok(()),
    }
}

/// What somebody else says of what a client sent, without the middle if it is long: it may quote all of it.
pub fn shortened(words: String) -> String {
    const END: usize = 140;
    let length = words.chars().count();
    if length <= 60 + END {
        return words;
    }
    let end: String = words.chars().skip(length - END).collect();
    format!("{}…{end}", excerpt(&words))
}

/// The beginning of what a client sent, long enough to be recognised in a problem's detail.
pub fn excerpt(sent: &str) -> String {
    sent.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_kind_is_listed_once_and_found_by_its_name() {
        let names: HashSet<&str> = Code::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        // The last of them: one that is added stands before it.
        assert_eq!(Code::Internal as usize + 1, Code::ALL.len());
        assert!(Code::ALL.into_iter().all(|code| Code::named(code.name()) == Some(code)));
        assert_eq!(Code::named("nothing"), None);
    }
}
