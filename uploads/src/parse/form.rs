//! A form: its files, and the fields that they share.

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, header::CONTENT_DISPOSITION};
use memchr::memmem;
use pipeline::{
    constants,
    job::cursors::SharedFields,
    problem::{Code, Problem, shortened},
};

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
            Some(file_name) => files.push(Ok(file(file_name, media_type, bytes))),
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

pub(super) fn describe(mut document: DocumentInput, shared: &SharedFields) -> DocumentInput {
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
    let value = std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        Problem::field(Code::Malformed, name, format!("the field is not UTF-8: invalid byte at offset {at}"))
    })?;
    let value = value.trim();
    match name {
        "tags" if value.starts_with('[') => {
            let tags: Vec<String> = serde_json::from_str(value).map_err(|error| {
                let why = shortened(error.to_string());
                Problem::field(Code::Invalid, "tags", format!("not an array of strings: {why}"))
            })?;
            add_tags(&mut shared.tags, tags.iter().map(String::as_str));
        }
        "tags" => add_tags(&mut shared.tags, value.split(',').map(str::trim).filter(|tag| !tag.is_empty())),
        "type" => shared.kind = Some(word(value)),
        "language" => shared.language = Some(word(value)),
        // Unknown fields are ignored, as in JSON.
        _ => {}
    }
    Ok(())
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
