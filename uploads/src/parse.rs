//! Request bodies to documents, each on its own: one that cannot be read fails alone.

use std::{borrow::Cow, io::Read as _};

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, header};
use pipeline::{
    constants,
    filters::DOCUMENT_TYPES,
    job::cursors::{Inside, SharedFields},
    problem::{Code, Problem},
    schema,
    time::Timestamp,
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::{Map, value::RawValue};

use crate::{
    format::Format,
    split::{self, End, Piece, Window},
};

/// A document as a client sends it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[schemars(rename = "Document")]
pub struct DocumentInput {
    /// The client's name for it: a path, a URL, a key. Uploading it again makes a new revision.
    #[schemars(length(max = constants::TITLE_BYTES))]
    pub external_id: Option<String>,
    /// Defaults to the last part of the external id.
    #[schemars(length(max = constants::TITLE_BYTES))]
    pub title: Option<String>,
    /// The text.
    #[schemars(with = "String", length(max = constants::DOCUMENT_BYTES))]
    pub content: Content,
    /// `code`, `doc` or `conversation`; by default what the name's ending says.
    #[serde(rename = "type")]
    #[schemars(extend("enum" = schema::one_of_or_null(&DOCUMENT_TYPES)))]
    pub kind: Option<String>,
    /// Programming or natural language; by default what the name's ending says.
    #[schemars(length(max = constants::TAG_BYTES))]
    pub language: Option<String>,
    /// Media type of the content; by default what the name's ending says.
    pub media_type: Option<String>,
    /// Free words to filter by.
    #[serde(default)]
    #[schemars(length(max = constants::TAGS), inner(length(max = constants::TAG_BYTES)))]
    pub tags: Vec<String>,
    /// Anything the client wants back with the document.
    pub metadata: Option<Map<String, serde_json::Value>>,
    /// The document's own date; by default the time of the upload.
    pub created_at: Option<Timestamp>,
}

/// Content as bytes: a JSON string's or a file's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub struct Content(pub Bytes);

impl From<String> for Content {
    fn from(text: String) -> Self {
        Self(Bytes::from(text))
    }
}

/// A JSON body: one document, an array of them, or an object that holds the array. Each is read alone, so
/// that one that is wrong fails alone; there is no value of this type.
#[derive(Clone, Copy, Debug)]
pub enum Documents {}

impl JsonSchema for Documents {
    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("Documents")
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let document = generator.subschema_for::<DocumentInput>();
        let many = json_schema!({ "type": "array", "maxItems": constants::DOCUMENTS_PER_REQUEST, "items": document });
        json_schema!({ "oneOf": [
            document,
            many,
            { "type": "object", "required": ["documents"], "properties": { "documents": many } },
        ] })
    }
}

/// One item of a request.
#[derive(Debug)]
pub struct Item {
    /// Where it stands in the request: a JSON Pointer, or `files/3`.
    pub pointer: String,
    /// The document, or why it is none.
    pub document: Result<DocumentInput, Problem>,
}

/// The content type that a request names.
pub fn content_type(headers: &HeaderMap) -> &str {
    headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Reads a body by its content type.
pub async fn parse(headers: &HeaderMap, body: &Bytes) -> Result<Vec<Item>, Problem> {
    if body.is_empty() {
        return Err(Problem::new(
            Code::Malformed,
            "the body is empty; send documents as JSON, NDJSON, multipart files or a tar archive",
        ));
    }
    let items = match Format::of(content_type(headers))? {
        Format::Json => parse_json(body)?,
        Format::Lines => parse_lines(body),
        Format::Form { boundary } => parse_multipart(&boundary, body).await?,
        Format::Archive => parse_archive(body)?,
    };
    match items.len() {
        0 => Err(Problem::new(Code::Invalid, "the request holds no documents; send at least one")),
        count if count > constants::DOCUMENTS_PER_REQUEST => {
            let limit = constants::DOCUMENTS_PER_REQUEST;
            Err(Problem::field(
                Code::TooLarge,
                "/documents",
                format!("{count} documents in one request; the limit is {limit}: send the others in another"),
            ))
        }
        _ => Ok(items),
    }
}

fn parse_json(body: &[u8]) -> Result<Vec<Item>, Problem> {
    #[derive(Deserialize)]
    struct Wrapped<'a> {
        #[serde(borrow)]
        documents: Vec<&'a RawValue>,
    }
    let text = utf8(body)?;
    let malformed = |error: &serde_json::Error| {
        Problem::new(Code::Malformed, format!("the body is not the JSON expected: {error}"))
    };
    match text.trim_start().as_bytes().first() {
        Some(b'[') => {
            let documents: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| malformed(&error))?;
            Ok(documents.into_iter().enumerate().map(|(index, raw)| item(format!("/{index}"), raw.get())).collect())
        }
        Some(b'{') if has_documents(text).map_err(|error| malformed(&error))? => {
            let wrapped: Wrapped<'_> = serde_json::from_str(text).map_err(|error| malformed(&error))?;
            let items = wrapped.documents.into_iter().enumerate();
            Ok(items.map(|(index, raw)| item(format!("/documents/{index}"), raw.get())).collect())
        }
        Some(b'{') => Ok(vec![item(String::new(), text)]),
        _ => Err(Problem::new(Code::Malformed, "the body is neither a JSON object nor an array")),
    }
}

/// True for `{"documents": [...]}`; a single document has content instead.
fn has_documents(text: &str) -> Result<bool, serde_json::Error> {
    #[derive(Deserialize)]
    struct Shape {
        documents: Option<serde::de::IgnoredAny>,
        content: Option<serde::de::IgnoredAny>,
    }
    // Walks the whole text, since fields come in any order, but keeps nothing of it.
    let shape: Shape = serde_json::from_str(text)?;
    Ok(shape.documents.is_some() && shape.content.is_none())
}

fn parse_lines(body: &[u8]) -> Vec<Item> {
    let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    lines.enumerate().map(|(index, line)| written(format!("/{index}"), line)).collect()
}

/// A document written in JSON, alone or in a line.
fn written(pointer: String, bytes: &[u8]) -> Item {
    match std::str::from_utf8(bytes) {
        Ok(text) => item(pointer, text),
        Err(error) => {
            let detail = format!("the line is not UTF-8 at byte {}", error.valid_up_to());
            Item { pointer, document: Err(Problem::new(Code::Malformed, detail)) }
        }
    }
}

fn parse_archive(body: &[u8]) -> Result<Vec<Item>, Problem> {
    let window = Window { bytes: body, is_last: true, is_longest: true };
    let found = split::split(&Format::Archive, &mut Inside::default(), window, constants::DOCUMENTS_PER_REQUEST + 1);
    if let End::Broken(why) = found.end {
        return Err(Problem::new(Code::Malformed, format!("the archive cannot be read: {why}")));
    }
    let files = found.pieces.into_iter().enumerate().map(|(index, piece)| {
        let document = match piece {
            Piece::Whole(range) => archived(body.get(range).unwrap_or_default()),
            Piece::TooLong { .. } => Err(too_long(&format!("/files/{index}"))),
        };
        Item { pointer: format!("/files/{index}"), document }
    });
    Ok(files.collect())
}

/// A document that is longer than any may be; `pointer` is where it stands.
pub fn too_long(pointer: &str) -> Problem {
    let detail = format!(
        "it is too long; the limit for one document is {} bytes: divide it into several",
        constants::DOCUMENT_BYTES
    );
    Problem::field(Code::TooLarge, format!("{pointer}/content"), detail)
}

/// A file as it stands in an archive, its header before it.
///
/// # Errors
/// It is no file of an archive.
pub fn archived(entry: &[u8]) -> Result<DocumentInput, Problem> {
    let unreadable = |error: &dyn std::fmt::Display| {
        Problem::new(Code::Malformed, format!("the file cannot be read from the archive: {error}"))
    };
    let mut archive = tar::Archive::new(entry);
    let mut entries = archive.entries().map_err(|error| unreadable(&error))?;
    let Some(entry) = entries.next() else { return Err(unreadable(&"it is empty")) };
    let mut entry = entry.map_err(|error| unreadable(&error))?;
    let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
    let mut content = Vec::with_capacity(usize::try_from(entry.size()).unwrap_or(0));
    entry.read_to_end(&mut content).map_err(|error| unreadable(&error))?;
    let path = path.trim_start_matches("./").to_owned();
    Ok(DocumentInput { external_id: Some(path), content: Content(Bytes::from(content)), ..DocumentInput::default() })
}

/// One piece of an upload, by its place among the documents. `None` for a field of a form, which is added to
/// what the files after it share.
pub async fn piece(format: &Format, index: usize, bytes: &[u8], shared: &mut SharedFields) -> Option<Item> {
    Some(match format {
        Format::Json | Format::Lines => written(format!("/{index}"), bytes),
        Format::Archive => Item { pointer: format!("/files/{index}"), document: archived(bytes) },
        Format::Form { boundary } => {
            let body = [b"--", boundary.as_bytes(), b"\r\n", bytes, b"\r\n--", boundary.as_bytes(), b"--\r\n"].concat();
            let pointer = format!("/files/{index}");
            match read_form(boundary, &Bytes::from(body), shared).await {
                Ok(mut files) => Item { pointer, document: Ok(describe(files.pop()?, shared)) },
                Err(problem) => Item { pointer, document: Err(problem) },
            }
        }
    })
}

fn item(pointer: String, text: &str) -> Item {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let document = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let field =
            if path == "." { String::new() } else { format!("/{}", path.replace(['.', '['], "/").replace(']', "")) };
        Problem::field(Code::Invalid, format!("{pointer}{field}"), error.into_inner().to_string())
    });
    Item { pointer, document }
}

async fn parse_multipart(boundary: &str, body: &Bytes) -> Result<Vec<Item>, Problem> {
    let mut shared = SharedFields::default();
    let files = read_form(boundary, body, &mut shared).await?;
    let files = files.into_iter().enumerate();
    Ok(files
        .map(|(index, file)| Item { pointer: format!("/files/{index}"), document: Ok(describe(file, &shared)) })
        .collect())
}

/// The files of a form; fields that are no files are added to what they share.
async fn read_form(boundary: &str, body: &Bytes, shared: &mut SharedFields) -> Result<Vec<DocumentInput>, Problem> {
    let malformed =
        |error: &multer::Error| Problem::new(Code::Malformed, format!("the multipart body cannot be read: {error}"));
    let whole = stream::iter([Ok::<_, std::io::Error>(body.clone())]);
    let mut multipart = multer::Multipart::new(whole, boundary);
    let mut files = Vec::new();
    while let Some(field) = multipart.next_field().await.map_err(|error| malformed(&error))? {
        let name = field.name().unwrap_or_default().to_owned();
        let file_name = field.file_name().map(str::to_owned);
        let media_type = field.content_type().map(ToString::to_string);
        let bytes = field.bytes().await.map_err(|error| malformed(&error))?;
        match file_name {
            Some(file_name) => files.push(file(file_name, media_type, bytes)),
            None => share(shared, &name, &bytes)?,
        }
    }
    Ok(files)
}

fn describe(mut document: DocumentInput, shared: &SharedFields) -> DocumentInput {
    document.tags.clone_from(&shared.tags);
    document.kind.clone_from(&shared.kind);
    document.language.clone_from(&shared.language);
    document
}

fn file(file_name: String, media_type: Option<String>, bytes: Bytes) -> DocumentInput {
    // A browser names every file's type; only one that is indexed says more than the name's ending.
    let media_type =
        media_type.filter(|given| crate::media::by_media_type(given).is_some_and(|known| known != "text/plain"));
    DocumentInput { external_id: Some(file_name), content: Content(bytes), media_type, ..DocumentInput::default() }
}

fn share(shared: &mut SharedFields, name: &str, bytes: &[u8]) -> Result<(), Problem> {
    let value = utf8(bytes)?.trim();
    match name {
        "tags" if value.starts_with('[') => {
            let tags: Vec<String> = serde_json::from_str(value)
                .map_err(|error| Problem::field(Code::Invalid, "tags", format!("not an array of strings: {error}")))?;
            shared.tags.extend(tags);
        }
        "tags" => shared.tags.extend(value.split(',').map(|tag| tag.trim().to_owned()).filter(|tag| !tag.is_empty())),
        "type" => shared.kind = Some(value.to_owned()),
        "language" => shared.language = Some(value.to_owned()),
        // Unknown fields are ignored, as in JSON.
        _ => {}
    }
    Ok(())
}

fn utf8(body: &[u8]) -> Result<&str, Problem> {
    std::str::from_utf8(body).map_err(|error| {
        Problem::new(Code::Malformed, format!("the body is not UTF-8: invalid byte at offset {}", error.valid_up_to()))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use test_platform::ready;

    use super::*;

    fn read(content_type: &str, body: &str) -> Result<Vec<Item>, Problem> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, content_type.parse().unwrap());
        ready(parse(&headers, &Bytes::copy_from_slice(body.as_bytes())))
    }

    #[test]
    fn one_document_an_array_wrapped_and_lines() {
        for (content_type, body, count) in [
            ("application/json", r#"{"content":"a","unknown":{}}"#, 1),
            ("application/json; charset=utf-8", r#" [{"content":"a"},{"content":"b"}]"#, 2),
            ("application/json", r#"{"documents":[{"content":"a"}]}"#, 1),
            ("application/x-ndjson", "{\"content\":\"a\"}\n\n{\"content\":\"b\"}\r\n", 2),
        ] {
            let items = read(content_type, body).unwrap();
            assert_eq!(items.len(), count, "{body}");
            assert!(items.iter().all(|item| item.document.is_ok()), "{body}");
        }
    }

    #[test]
    fn a_bad_item_fails_alone_and_names_its_field() {
        let items =
            read("application/json", r#"[{"content":"a"},{"content":"b","tags":[1]},{"title":"x"},7]"#).unwrap();
        assert!(items[0].document.is_ok());
        let pointer = |index: usize| items[index].document.as_ref().unwrap_err().errors[0].pointer.clone();
        assert_eq!(pointer(1), "/1/tags/0");
        assert_eq!(pointer(2), "/2");
        assert_eq!(pointer(3), "/3");
    }

    #[test]
    fn files_and_shared_fields() {
        let body = "--X\r\nContent-Disposition: form-data; name=\"files\"; filename=\"src/a.rs\"\r\n\
            Content-Type: application/octet-stream\r\n\r\nfn a() {}\r\n\
            --X\r\nContent-Disposition: form-data; name=\"tags\"\r\n\r\none, two\r\n\
            --X\r\nContent-Disposition: form-data; name=\"files\"; filename=\"empty.md\"\r\n\r\n\r\n--X--\r\n";
        let items = read("multipart/form-data; boundary=X", body).unwrap();
        let documents: Vec<_> = items.iter().map(|item| item.document.as_ref().unwrap()).collect();
        assert_eq!(documents[0].external_id.as_deref(), Some("src/a.rs"));
        assert_eq!(documents[0].tags, ["one", "two"]);
        assert!(documents[1].content.0.is_empty());
    }

    #[test]
    fn bodies_that_are_nothing() {
        let status = |content_type: &str, body: &str| read(content_type, body).unwrap_err().status;
        assert_eq!(status("application/json", ""), 400);
        assert_eq!(status("application/json", "hello"), 400);
        assert_eq!(status("application/json", &("[".repeat(100_000))), 400);
        assert_eq!(status("application/json", "[]"), 422);
        assert_eq!(status("text/plain", "hello"), 415);
        assert_eq!(status("multipart/form-data", "x"), 400);
        assert_eq!(status("multipart/form-data; boundary=X", "no parts"), 400);
        let many = format!("[{}]", vec!["{}"; constants::DOCUMENTS_PER_REQUEST + 1].join(","));
        assert_eq!(status("application/json", &many), 413);
    }

    proptest! {
        #[test]
        fn parsing_never_panics(body in "\\PC*", multipart: bool) {
            let _ = read(if multipart { "multipart/form-data; boundary=X" } else { "application/json" }, &body);
        }
    }
}
