//! What a search may ask, within which limits.

use pipeline::{
    ids::{DocumentId, JobId},
    limits,
    problem::{Code, Problem},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::index::{self, validate::KINDS};

/// How hits are looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// By meaning and by words.
    #[default]
    Hybrid,
    /// By meaning.
    Vector,
    /// By words.
    Keyword,
}

/// What hits are grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GroupBy {
    /// Each document once, by its best chunk.
    Document,
}

/// What hits must be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Filters {
    /// One of the document types.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// A language.
    pub language: Option<String>,
    /// Every one of these tags.
    #[serde(default)]
    pub tags: Vec<String>,
    /// One of these documents.
    #[serde(default)]
    pub document_ids: Vec<DocumentId>,
    /// Dated at or after this.
    pub created_after: Option<Timestamp>,
    /// Dated before this.
    pub created_before: Option<Timestamp>,
}

/// A search as a client sends it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SearchRequest {
    /// What is sought.
    pub query: String,
    /// At most so many hits.
    #[serde(default = "default_top_k")]
    pub top_k: i64,
    /// How they are looked for.
    #[serde(default)]
    pub mode: Mode,
    /// What they are grouped by, if anything.
    pub group_by: Option<GroupBy>,
    /// A consistency token: what its job has written is found.
    pub after: Option<String>,
    /// What hits must be.
    #[serde(default)]
    pub filters: Filters,
}

fn default_top_k() -> i64 {
    10
}

/// A search within its limits.
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    /// What was asked, the query trimmed.
    pub request: SearchRequest,
    /// `top_k` as a count.
    pub top_k: usize,
    /// The job behind `after`.
    pub after: Option<JobId>,
}

/// Most documents one filter names.
const DOCUMENT_IDS: usize = 100;

/// Reads and checks a search.
pub fn parse(body: &[u8]) -> Result<Search, Problem> {
    let invalid = |pointer: &str, detail: String| Problem::field(Code::Invalid, pointer, detail);
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let mut request: SearchRequest = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        if inner.is_data() {
            let pointer = if path == "." {
                String::new()
            } else {
                format!("/{}", path.replace(['.', '['], "/").replace(']', ""))
            };
            invalid(&pointer, inner.to_string())
        } else {
            Problem::new(Code::Malformed, format!("the body is not the JSON expected: {inner}"))
        }
    })?;
    request.query = request.query.trim().to_owned();
    if request.query.is_empty() {
        return Err(invalid("/query", "the query is empty".to_owned()));
    }
    if request.query.len() > limits::QUERY_BYTES {
        let detail = format!("{} bytes; the limit is {}", request.query.len(), limits::QUERY_BYTES);
        return Err(Problem::field(Code::TooLarge, "/query", detail));
    }
    let top_k = usize::try_from(request.top_k).ok().filter(|top_k| (1..=limits::TOP_K).contains(top_k));
    let top_k =
        top_k.ok_or_else(|| invalid("/top_k", format!("{} is not from 1 to {}", request.top_k, limits::TOP_K)))?;
    let filters = &request.filters;
    if let Some(kind) = filters.kind.as_deref().filter(|kind| !KINDS.contains(kind)) {
        return Err(invalid(
            "/filters/type",
            format!("{:?} is none of {}", kind.chars().take(60).collect::<String>(), KINDS.join(", ")),
        ));
    }
    if filters.tags.len() > limits::TAGS {
        return Err(invalid("/filters/tags", format!("{} tags; the limit is {}", filters.tags.len(), limits::TAGS)));
    }
    if filters.document_ids.len() > DOCUMENT_IDS {
        return Err(invalid(
            "/filters/document_ids",
            format!("{} ids; the limit is {DOCUMENT_IDS}", filters.document_ids.len()),
        ));
    }
    let after = match request.after.as_deref() {
        None => None,
        Some(token) => Some(
            index::job_of_token(token)
                .ok_or_else(|| invalid("/after", "this is not a consistency token".to_owned()))?,
        ),
    };
    Ok(Search { request, top_k, after })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults() {
        let search = parse(br#"{"query":" what? ","unknown":1}"#).unwrap();
        assert_eq!((search.request.query.as_str(), search.top_k, search.request.mode), ("what?", 10, Mode::Hybrid));
    }

    #[test]
    fn every_limit_names_its_field() {
        let long = format!(r#"{{"query":"{}"}}"#, "x".repeat(100_000));
        for (body, status, pointer) in [
            (r#"{"query":"  "}"#, 422, "/query"),
            (long.as_str(), 413, "/query"),
            (r#"{"query":"a","top_k":-1}"#, 422, "/top_k"),
            (r#"{"query":"a","top_k":101}"#, 422, "/top_k"),
            (r#"{"query":"a","top_k":"9"}"#, 422, "/top_k"),
            (r#"{"query":"a","mode":"magic"}"#, 422, "/mode"),
            (r#"{"query":"a","filters":{"type":"poem"}}"#, 422, "/filters/type"),
            (r#"{"query":"a","filters":{"created_after":"soon"}}"#, 422, "/filters/created_after"),
            (r#"{"query":"a","filters":{"tags":[1]}}"#, 422, "/filters/tags/0"),
            (r#"{"query":"a","after":"x"}"#, 422, "/after"),
        ] {
            let problem = parse(body.as_bytes()).unwrap_err();
            assert_eq!((problem.status, problem.errors[0].pointer.as_str()), (status, pointer), "{body:.80}");
        }
        assert_eq!(parse(b"{").unwrap_err().status, 400);
        assert_eq!(parse(b"").unwrap_err().status, 400);
    }
}
