//! Request bodies to documents, each on its own: one that cannot be read fails alone.

mod document;
mod form;

use std::{collections::BTreeMap, io::Read as _};

use bytes::Bytes;
use http::HeaderMap;
use pipeline::{
    constants,
    job::cursors::{Inside, Outermost, SharedFields},
    problem::{Code, Problem, shortened},
    strict_json,
};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

pub use self::document::{Content, DocumentInput, Documents};
use self::form::{describe, read_form};
use crate::{
    format::{Announced, Format},
    inflate,
    split::{self, End, LeftOut, Piece, Window},
};

/// One item of a request.
#[derive(Debug)]
pub struct Item {
    /// Where it stands in the request: see [`Format::pointer`].
    pub pointer: String,
    /// The document, or why it is none.
    pub document: Result<DocumentInput, Problem>,
    /// What the client calls it, though it is none.
    pub name: Option<String>,
}

impl Item {
    fn new(pointer: String, document: Result<DocumentInput, Problem>) -> Self {
        Self { pointer, document, name: None }
    }

    /// The client's name for it, if that is known.
    pub fn external_id(&self) -> Option<&str> {
        let of_document = self.document.as_ref().ok().and_then(|document| document.external_id.as_deref());
        of_document.or(self.name.as_deref())
    }
}

/// A body as its form says, inflated if it is compressed; `None` if that is more than is read at once.
///
/// # Errors
/// It cannot be inflated, or is of no form that is known.
pub fn plain(headers: &HeaderMap, body: &Bytes) -> Result<Option<Bytes>, Problem> {
    if !Announced::by(headers)?.may_be_compressed || !body.starts_with(&inflate::MAGIC) {
        return Ok(Some(body.clone()));
    }
    let unreadable = |why: String| Problem::new(Code::Malformed, format!("the body cannot be inflated, since {why}"));
    Ok(inflate::whole(body, constants::READ_AT_ONCE_BYTES).map_err(unreadable)?.map(Bytes::from))
}

/// Reads a plain body by its content type.
pub async fn parse(headers: &HeaderMap, body: &Bytes) -> Result<Vec<Item>, Problem> {
    if body.is_empty() {
        return Err(Problem::new(
            Code::Malformed,
            "the body is empty; send documents as JSON, NDJSON, multipart files or a tar archive",
        ));
    }
    let items = match Announced::by(headers)?.format {
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
    let text = without_byte_order_mark(utf8(body)?);
    let elements = |outermost, elements: Vec<&RawValue>| {
        let read = |(index, raw): (usize, &RawValue)| item(Format::Json.pointer(index, outermost), raw.get());
        elements.into_iter().enumerate().map(read).collect()
    };
    match text.trim_start().as_bytes().first() {
        Some(b'[') => {
            let documents: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| strict_json::no_json(&error))?;
            Ok(elements(Outermost::Array, documents))
        }
        Some(b'{') if has_documents(text).map_err(|error| strict_json::no_json(&error))?? => {
            // It is JSON, and holds nothing else.
            let no_array = |_| Problem::field(Code::Invalid, "/documents", "expected one array of documents");
            let wrapped: Wrapped<'_> = serde_json::from_str(text).map_err(no_array)?;
            Ok(elements(Outermost::Object, wrapped.documents))
        }
        Some(b'{') => Ok(vec![item(Format::Json.pointer(0, Outermost::Document), text)]),
        _ => Err(Problem::new(Code::Malformed, "the body is neither a JSON object nor an array")),
    }
}

/// True for `{"documents": [...]}`, which holds nothing else; a single document has content instead.
fn has_documents(text: &str) -> Result<Result<bool, Problem>, serde_json::Error> {
    // Walks the whole text, since fields come in any order, but keeps nothing of it.
    let fields: BTreeMap<String, Option<IgnoredAny>> = serde_json::from_str(text)?;
    if fields.get("documents").is_none_or(Option::is_none) {
        return Ok(Ok(false));
    }
    match fields.iter().find(|(name, value)| *name != "documents" && value.is_some()) {
        None => Ok(Ok(true)),
        Some((name, _)) => {
            let name = shortened(name.clone());
            let detail = format!("{name:?} stands beside `documents`: say it of each document, or leave it out");
            Ok(Err(Problem::field(Code::Invalid, format!("/{name}"), detail)))
        }
    }
}

fn parse_lines(body: &[u8]) -> Vec<Item> {
    let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    let pointer = |index| Format::Lines.pointer(index, Outermost::Unknown);
    lines.enumerate().map(|(index, line)| written(pointer(index), line)).collect()
}

/// A document written in JSON, alone or in a line.
fn written(pointer: String, bytes: &[u8]) -> Item {
    match std::str::from_utf8(bytes) {
        Ok(text) => item(pointer, without_byte_order_mark(text)),
        Err(error) => {
            let detail = format!("the document is not UTF-8 at byte {}", error.valid_up_to());
            Item::new(pointer, Err(Problem::new(Code::Malformed, detail)))
        }
    }
}

/// Editors put it before what they save; JSON knows nothing of it.
fn without_byte_order_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

fn parse_archive(body: &[u8]) -> Result<Vec<Item>, Problem> {
    let window = Window { bytes: body, is_last: true, is_longest: true };
    let found = split::split(&Format::Archive, &mut Inside::default(), window, constants::DOCUMENTS_PER_REQUEST + 1);
    let why = match found.end {
        End::Broken(why) => Some(why),
        End::More if found.next > body.len() as u64 => Some("it ends inside of an entry".to_owned()),
        End::More | End::Done => None,
    };
    if let Some(why) = why {
        return Err(Problem::new(Code::Malformed, format!("the archive cannot be read: {why}")));
    }
    let files = found.pieces.into_iter().enumerate().map(|(index, piece)| {
        let pointer = Format::Archive.pointer(index, Outermost::Unknown);
        match piece {
            Piece::Whole(range) => Item::new(pointer, archived(body.get(range).unwrap_or_default())),
            Piece::LeftOut { name, why } => left_out(&pointer, name, why),
        }
    });
    Ok(files.collect())
}

/// A document that cannot be read; `pointer` is where it stands.
pub fn left_out(pointer: &str, name: Option<String>, why: LeftOut) -> Item {
    let problem = match why {
        LeftOut::TooLong => {
            let limit = constants::DOCUMENT_BYTES;
            let detail = format!("it is too long; the limit for one document is {limit} bytes: divide it into several");
            Problem::field(Code::TooLarge, format!("{pointer}/content"), detail)
        }
        LeftOut::TooCostly => {
            let limit = constants::COSTLY_DOCUMENT_BYTES;
            let detail = format!(
                "each attempt at reading it broke off, maybe for its length; \
                 divide it into files of less than {limit} bytes and send those"
            );
            Problem::field(Code::TooLarge, format!("{pointer}/content"), detail)
        }
        LeftOut::HardLink => {
            let detail = "a hard link has no content of its own: pack it with `tar --hard-dereference`";
            Problem::field(Code::UnsupportedType, pointer, detail)
        }
        LeftOut::SymbolicLink => {
            let detail = "a symbolic link has no content of its own: \
                          what it names is read where it is packed itself, or pack with `tar --dereference`";
            Problem::field(Code::UnsupportedType, pointer, detail)
        }
        LeftOut::Sparse => {
            let detail = "a sparse file is not read: send it whole, with `tar` without -S";
            Problem::field(Code::UnsupportedType, pointer, detail)
        }
        LeftOut::UnknownKind => {
            let detail = "the archive calls it neither a file nor a folder: pack it as a plain file";
            Problem::field(Code::UnsupportedType, pointer, detail)
        }
    };
    Item { pointer: pointer.to_owned(), document: Err(problem), name }
}

/// A file as it stands in an archive, its header before it.
///
/// # Errors
/// It is no file of an archive.
pub fn archived(entry: &[u8]) -> Result<DocumentInput, Problem> {
    let unreadable = |error: &dyn std::fmt::Display| {
        let why = shortened(error.to_string());
        Problem::new(Code::Malformed, format!("the file cannot be read from the archive: {why}"))
    };
    let mut archive = tar::Archive::new(entry);
    let mut entries = archive.entries().map_err(|error| unreadable(&error))?;
    let Some(entry) = entries.next() else { return Err(unreadable(&"it is empty")) };
    let mut entry = entry.map_err(|error| unreadable(&error))?;
    let path = split::file_name(&entry.path_bytes());
    let mut content = Vec::with_capacity(usize::try_from(entry.size()).unwrap_or(0));
    entry.read_to_end(&mut content).map_err(|error| unreadable(&error))?;
    let path = path.trim_start_matches("./").to_owned();
    Ok(DocumentInput { external_id: Some(path), content: Content(Bytes::from(content)), ..DocumentInput::default() })
}

/// One piece of an upload, by its place among the documents. `None` for a field of a form, which is added to
/// what the files after it share.
pub async fn piece(format: &Format, index: usize, bytes: &[u8], inside: &mut Inside) -> Option<Item> {
    let pointer = format.pointer(index, inside.outermost);
    let shared = &mut inside.shared;
    Some(match format {
        Format::Json | Format::Lines => written(pointer, bytes),
        Format::Archive => Item::new(pointer, archived(bytes)),
        Format::Form { boundary } => {
            let body = [b"--", boundary.as_bytes(), b"\r\n", bytes, b"\r\n--", boundary.as_bytes(), b"--\r\n"].concat();
            match read_form(boundary, &Bytes::from(body), shared).await {
                // A field that stands behind a file may belong to that one, which is on its way already.
                Ok(files) if files.is_empty() && index > 0 => Item::new(pointer, Err(behind_a_file())),
                Ok(mut files) => Item::new(pointer, files.pop()?.map(|file| describe(file, shared))),
                Err(problem) => Item::new(pointer, Err(problem)),
            }
        }
    })
}

fn behind_a_file() -> Problem {
    let limit = constants::READ_AT_ONCE_BYTES;
    let detail =
        format!("a field stands behind a file: in a form of more than {limit} bytes fields come before all files");
    Problem::field(Code::Invalid, "", detail)
}

fn item(pointer: String, text: &str) -> Item {
    let document = strict_json::read(text.as_bytes()).map_err(|problem| within(&pointer, &problem));
    Item::new(pointer, document)
}

/// What is wrong with a document, as a problem of the request that it stands in.
fn within(pointer: &str, problem: &Problem) -> Problem {
    let field = problem.errors.first().map_or("", |error| error.pointer.as_str());
    Problem::field(Code::Invalid, format!("{pointer}{field}"), problem.detail.as_str())
}

async fn parse_multipart(boundary: &str, body: &Bytes) -> Result<Vec<Item>, Problem> {
    let mut shared = SharedFields::default();
    let files = read_form(boundary, body, &mut shared).await?;
    let format = Format::Form { boundary: boundary.to_owned() };
    let described = |(index, file): (usize, Result<DocumentInput, Problem>)| {
        Item::new(format.pointer(index, Outermost::Unknown), file.map(|file| describe(file, &shared)))
    };
    Ok(files.into_iter().enumerate().map(described).collect())
}

fn utf8(body: &[u8]) -> Result<&str, Problem> {
    std::str::from_utf8(body).map_err(|error| {
        Problem::new(Code::Malformed, format!("the body is not UTF-8: invalid byte at offset {}", error.valid_up_to()))
    })
}

#[cfg(test)]
mod tests;
