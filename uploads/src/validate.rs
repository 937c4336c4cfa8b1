//! A document that could be read to one that is accepted: every limit with its field.

use bytes::Bytes;
use pipeline::{
    constants,
    filters::DOCUMENT_TYPES,
    ids::{DocumentId, UserId},
    problem::{Code, Problem, excerpt, one_line},
    schema::is_blob,
    time::Timestamp,
};
use serde::Serialize;

use crate::{
    media::{self, Media},
    parse::DocumentInput,
};

/// What is stored of a document beside its content. Part of the fingerprint that makes an upload a
/// duplicate.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Description {
    /// The client's name for it.
    pub external_id: Option<String>,
    /// Shown with hits, and indexed.
    pub title: Option<String>,
    /// One of [`DOCUMENT_TYPES`].
    #[serde(rename = "type")]
    pub kind: String,
    /// Programming or natural language.
    pub language: Option<String>,
    /// As extraction and splitting know it.
    pub media_type: String,
    /// Words to filter by.
    pub tags: Vec<String>,
    /// The client's own.
    pub metadata: Option<serde_json::Map<String, serde_json::Value>>,
    /// The document's own date, if the client gave one.
    #[serde(skip)]
    pub created_at: Option<Timestamp>,
    /// Git's hash of its bytes, in the client's word. What was uploaded without keeps its fingerprint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blob: Option<String>,
}

/// A document within every limit.
#[derive(Clone, Debug, PartialEq)]
pub struct Valid {
    /// What it is.
    pub description: Description,
    /// Its UTF-8 text.
    pub content: Bytes,
}

impl Valid {
    /// Its id: derived from the external id, or from the content.
    pub fn id(&self, user: &UserId, content_hash: &[u8; 32]) -> DocumentId {
        match &self.description.external_id {
            Some(external_id) => DocumentId::from_external_id(user, external_id),
            None => DocumentId::from_content(user, content_hash),
        }
    }
}

/// Checks a document; `pointer` is where it stands in the request.
pub fn validate(pointer: &str, input: DocumentInput) -> Result<Valid, Problem> {
    check_fields(&input).map_err(|(field, code, detail)| Problem::field(code, format!("{pointer}/{field}"), detail))?;
    let content = input.content.0;
    media::text(&content).map_err(|problem| at(problem, format!("{pointer}/content")))?;
    let external_id = input.external_id.filter(|id| !id.is_empty());
    let media = media(external_id.as_deref(), input.media_type.as_deref())
        .map_err(|problem| at(problem, format!("{pointer}/media_type")))?;
    let title = input.title.filter(|title| !title.is_empty()).or_else(|| external_id.as_deref().map(last_part));
    let description = Description {
        external_id,
        title,
        kind: input.kind.unwrap_or_else(|| media.kind.to_owned()),
        language: input.language.or_else(|| media.language.map(str::to_owned)),
        media_type: media.media_type.to_owned(),
        tags: input.tags,
        metadata: input.metadata,
        created_at: input.created_at,
        blob: input.blob,
    };
    Ok(Valid { description, content })
}

/// What each field may hold; else the field's name and what is wrong with it.
fn check_fields(input: &DocumentInput) -> Result<(), (String, Code, String)> {
    let wrong = |field: &str, code: Code, detail: String| Err((field.to_owned(), code, detail));
    for (field, value, most) in [
        ("external_id", &input.external_id, constants::TITLE_BYTES),
        ("title", &input.title, constants::TITLE_BYTES),
        ("language", &input.language, constants::TAG_BYTES),
    ] {
        check_line(value.as_deref(), most).or_else(|(code, detail)| wrong(field, code, detail))?;
    }
    if input.external_id.as_deref() == Some("") {
        let detail = "it is empty: give the document a name, or leave it out".to_owned();
        return wrong("external_id", Code::Invalid, detail);
    }
    check_tags(&input.tags).or_else(|(index, (code, detail))| wrong(&format!("tags{index}"), code, detail))?;
    if let Some(kind) = input.kind.as_deref().filter(|kind| !DOCUMENT_TYPES.contains(kind)) {
        let detail = format!("{:?} is none of {}", excerpt(kind), DOCUMENT_TYPES.join(", "));
        return wrong("type", Code::Invalid, detail);
    }
    if input.blob.as_deref().is_some_and(|blob| !is_blob(blob)) {
        let detail = "expected what `git hash-object` says: 40 or 64 hexadecimal digits in lower case";
        return wrong("blob", Code::Invalid, detail.to_owned());
    }
    let metadata_bytes =
        input.metadata.as_ref().map_or(0, |metadata| serde_json::to_string(metadata).map_or(0, |text| text.len()));
    if metadata_bytes > constants::METADATA_BYTES {
        let detail = format!("{metadata_bytes} bytes of JSON; the limit is {}: shorten it", constants::METADATA_BYTES);
        return wrong("metadata", Code::TooLarge, detail);
    }
    let bytes = input.content.0.len();
    if bytes > constants::DOCUMENT_BYTES {
        let limit = constants::DOCUMENT_BYTES;
        let detail = format!("{bytes} bytes; the limit for one document is {limit}: divide it into several");
        return wrong("content", Code::TooLarge, detail);
    }
    Ok(())
}

fn media(external_id: Option<&str>, given: Option<&str>) -> Result<Media, Problem> {
    let by_name = media::by_name(external_id.unwrap_or_default());
    let Some(given) = given else { return Ok(by_name) };
    let media_type = media::by_media_type(given).ok_or_else(|| {
        let detail = format!(
            "{:?} is not indexed; text/plain, text/markdown, text/html, text/csv, text/x-source and \
             application/json are",
            excerpt(given)
        );
        Problem::new(Code::UnsupportedType, detail)
    })?;
    Ok(Media { media_type, ..by_name })
}

fn at(mut problem: Problem, pointer: String) -> Problem {
    let detail = problem.detail.clone();
    problem.errors.push(pipeline::problem::FieldError { pointer, detail });
    problem
}

fn check_line(value: Option<&str>, limit: usize) -> Result<(), (Code, String)> {
    let Some(value) = value else { return Ok(()) };
    if value.len() > limit {
        return Err((Code::TooLarge, format!("{} bytes; the limit is {limit}: shorten it", value.len())));
    }
    one_line(value).map_err(|detail| (Code::Invalid, detail))
}

/// Checks tags: how many, how long, and that each is one line. The error begins with which of them (`/0`).
///
/// # Errors
/// What is wrong with the first that is.
pub fn check_tags(tags: &[String]) -> Result<(), (String, (Code, String))> {
    if tags.len() > constants::TAGS {
        let detail = format!("more than {} tags: keep those you filter by", constants::TAGS);
        return Err((String::new(), (Code::TooLarge, detail)));
    }
    for (index, tag) in tags.iter().enumerate() {
        let detail = if tag.is_empty() {
            Err((Code::Invalid, "an empty tag: leave it out".to_owned()))
        } else {
            check_line(Some(tag), constants::TAG_BYTES)
        };
        detail.map_err(|detail| (format!("/{index}"), detail))?;
    }
    Ok(())
}

fn last_part(path: &str) -> String {
    path.rsplit('/').find(|part| !part.is_empty()).unwrap_or(path).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::Content;

    fn input(content: &str) -> DocumentInput {
        DocumentInput { content: Content(Bytes::copy_from_slice(content.as_bytes())), ..DocumentInput::default() }
    }

    #[test]
    fn every_limit_says_what_to_do() {
        for input in [
            DocumentInput { title: Some("x".repeat(100_000)), ..input("a") },
            DocumentInput { title: Some("a\0b".into()), ..input("a") },
            DocumentInput { tags: vec![String::new()], ..input("a") },
            DocumentInput { tags: vec!["x".into(); 33], ..input("a") },
            input(&"x".repeat(constants::DOCUMENT_BYTES + 1)),
        ] {
            let detail = validate("", input).unwrap_err().errors[0].detail.clone();
            let advice = detail.split_once(": ").map(|(_, advice)| advice);
            assert!(advice.is_some_and(|advice| advice.contains(' ')), "{detail}");
        }
    }

    fn pointer(input: DocumentInput) -> String {
        validate("/3", input).unwrap_err().errors[0].pointer.clone()
    }

    #[test]
    fn names_give_the_defaults() {
        let valid =
            validate("", DocumentInput { external_id: Some("src/lib.rs".into()), ..input("fn x() {}") }).unwrap();
        let description = valid.description;
        assert_eq!((description.kind.as_str(), description.language.as_deref()), ("code", Some("rust")));
        assert_eq!(description.title.as_deref(), Some("lib.rs"));
    }

    #[test]
    fn every_limit_names_its_field() {
        assert_eq!(pointer(DocumentInput { title: Some("x".repeat(100_000)), ..input("a") }), "/3/title");
        assert_eq!(pointer(DocumentInput { title: Some("a\0b".into()), ..input("a") }), "/3/title");
        assert_eq!(pointer(DocumentInput { tags: vec!["x".repeat(65)], ..input("a") }), "/3/tags/0");
        assert_eq!(pointer(DocumentInput { tags: vec!["x".into(); 33], ..input("a") }), "/3/tags");
        assert_eq!(pointer(DocumentInput { kind: Some("poem".into()), ..input("a") }), "/3/type");
        assert_eq!(pointer(DocumentInput { media_type: Some("image/png".into()), ..input("a") }), "/3/media_type");
        assert_eq!(pointer(DocumentInput { blob: Some("ABC".into()), ..input("a") }), "/3/blob");
        assert_eq!(pointer(input("")), "/3/content");
        assert_eq!(pointer(input(&"x".repeat(constants::DOCUMENT_BYTES + 1))), "/3/content");
    }
}
