//! A form: its files, and the fields that they share.

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, header::CONTENT_DISPOSITION};
use memchr::memmem;
use pipeline::{
    constants, date,
    job::cursors::SharedFields,
    nearest,
    problem::{Code, Problem, shortened},
    time::Timestamp,
};
use serde_json::{Map, Value};

use super::document::{Content, DocumentInput};

/// The files of a form; fields that are no files are added to what they share.
/// One whose name cannot be read is refused alone.
pub(super) async fn read_form(
    boundary: &str,
    body: &Bytes,
    shared: &mut SharedFields,
) -> Result<Vec<Result<DocumentInput, Problem>>, Problem> {
    let malformed = |error: &multer::Error| {
        let why = shortened(error.to_string());
        Problem::new(Code::Malformed, format!("the multipart body cannot be read: {why}"))
    };
    let whole = stream::iter([Ok::<_, std::io::Error>(body.clone())]);
    let mut multipart = multer::Multipart::new(whole, boundary);
    let mut files = Vec::new();
    while let Some(field) = multipart.next_field().await.map_err(|error| malformed(&error))? {
        let name = field.name().unwrap_or_default().to_owned();
        let file_name = field.file_name().map(str::to_owned);
        let is_file = names_a_file(field.headers());
        let media_type = field.content_type().map(ToString::to_string);
        let bytes = field.bytes().await.map_err(|error| malformed(&error))?;
        match file_name {
            Some(file_name) => files.push(Ok(file(&file_name, media_type, bytes))),
            None if is_file => {
                let detail = "its file name cannot be read: send it in UTF-8, as filename=\"…\"";
                files.push(Err(Problem::field(Code::Invalid, "filename", detail)));
            }
            None => share(shared, &name, &bytes)?,
        }
    }
    Ok(files)
}

/// True for the headers of a file, whether or not its name can be read.
fn names_a_file(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_DISPOSITION).map(HeaderValue::as_bytes).unwrap_or_default();
    let value = value.to_ascii_lowercase();
    // A field may be called so, too.
    [&b"filename="[..], b"filename*"].iter().any(|named| memmem::find(&value, named).is_some())
}

pub(super) fn describe(document: DocumentInput, shared: &SharedFields) -> DocumentInput {
    let shared = shared.clone();
    DocumentInput {
        tags: shared.tags,
        kind: shared.kind,
        language: shared.language,
        title: shared.title,
        external_id: shared.external_id.or(document.external_id),
        // What could not be read was refused when it came.
        metadata: shared.metadata.and_then(|metadata| serde_json::from_str(&metadata).ok()),
        created_at: shared.created_at,
        ..document
    }
}

/// The fields that a form may have beside its files.
const FIELDS: [&str; 7] = ["tags", "type", "language", "title", "external_id", "metadata", "created_at"];

fn file(file_name: &str, media_type: Option<String>, bytes: Bytes) -> DocumentInput {
    // A browser names every file's type; only one that is indexed says more than the name's ending.
    let media_type =
        media_type.filter(|given| crate::media::by_media_type(given).is_some_and(|known| known != "text/plain"));
    // Browsers and curl write a quotation mark so: it would end the name.
    let external_id = Some(file_name.replace("%22", "\"")).filter(|name| !name.is_empty());
    DocumentInput { external_id, content: Content(bytes), media_type, ..DocumentInput::default() }
}

fn share(shared: &mut SharedFields, name: &str, bytes: &[u8]) -> Result<(), Problem> {
    let value = std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        Problem::field(Code::Malformed, name, format!("the field is not UTF-8: invalid byte at offset {at}"))
    })?;
    let value = value.trim();
    match name {
        "tags" if value.starts_with('[') => {
            let no_texts = |_| {
                let detail = "expected texts, as [\"one\", \"two\"] or as one, two";
                Problem::field(Code::Invalid, "tags", detail)
            };
            let tags: Vec<String> = serde_json::from_str(value).map_err(no_texts)?;
            add_tags(&mut shared.tags, tags.iter().map(String::as_str));
        }
        "tags" => add_tags(&mut shared.tags, value.split(',').map(str::trim).filter(|tag| !tag.is_empty())),
        "type" => once(name, &mut shared.kind, word(value))?,
        "language" => once(name, &mut shared.language, word(value))?,
        "title" => once(name, &mut shared.title, line(value))?,
        "external_id" => once(name, &mut shared.external_id, line(value))?,
        "metadata" => once(name, &mut shared.metadata, metadata(value)?)?,
        "created_at" => once(name, &mut shared.created_at, created_at(value)?)?,
        _ => {
            let detail = nearest::unknown("field", name, FIELDS.into_iter());
            let detail = format!("{detail}; a file needs a file name");
            return Err(Problem::field(Code::Invalid, shortened(name.to_owned()), detail));
        }
    }
    Ok(())
}

/// Sets a field that a form has once.
fn once<T>(name: &str, field: &mut Option<T>, value: T) -> Result<(), Problem> {
    if field.replace(value).is_some() {
        return Err(Problem::field(Code::Invalid, name, "it stands there twice: send it once, for all files"));
    }
    Ok(())
}

fn metadata(value: &str) -> Result<String, Problem> {
    let wrong = |code, detail: String| Problem::field(code, "metadata", detail);
    if value.len() > constants::METADATA_BYTES {
        let (bytes, limit) = (value.len(), constants::METADATA_BYTES);
        return Err(wrong(Code::TooLarge, format!("{bytes} bytes of JSON; the limit is {limit}: shorten it")));
    }
    serde_json::from_str::<Map<String, Value>>(value)
        .map_err(|_| wrong(Code::Invalid, "expected a JSON object, such as {\"author\": \"Ada\"}".to_owned()))?;
    Ok(value.to_owned())
}

fn created_at(value: &str) -> Result<Timestamp, Problem> {
    date::parse(value).ok_or_else(|| Problem::field(Code::Invalid, "created_at", date::EXPECTED))
}

/// A line that files share, as much of it as shows that it is too long.
fn line(value: &str) -> String {
    value[..value.floor_char_boundary(2 * constants::TITLE_BYTES)].to_owned()
}

/// Adds tags to those that files share, one more than a document may have at most: that rejects each of them, and
/// all others would be stored with every range.
fn add_tags<'a>(shared: &mut Vec<String>, tags: impl Iterator<Item = &'a str>) {
    let left = (constants::TAGS + 1).saturating_sub(shared.len());
    shared.extend(tags.take(left).map(word));
}

/// A word that files share, as much of it as shows that it is too long.
fn word(value: &str) -> String {
    value[..value.floor_char_boundary(2 * constants::TAG_BYTES)].to_owned()
}
