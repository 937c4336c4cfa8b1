//! `POST /api/documents/manifest`: which files of a folder are not there as their owner has them.
//!
//! Names and hashes come, names go back: what is there already is not sent again, whatever branch it came from.

use http::StatusCode;
use pipeline::{
    constants,
    ids::DocumentId,
    platform::ports::Database,
    problem::{Code, Problem, excerpt, one_line},
    schema::{self, is_blob},
    store::documents::manifest::{FileState, different},
    strict_json,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::http::{
    call::Call,
    reply::{Answer, Reply},
};

/// Longest name of a project, in bytes.
const PROJECT_BYTES: usize = 200;

/// A folder, or a part of one, by the names and hashes of its files.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Manifest")]
pub struct Manifest {
    /// Where the names of all its files begin: `github.com/owner/name`, without the slash that follows.
    #[schemars(length(min = 1, max = PROJECT_BYTES), regex(pattern = schema::TAG))]
    project: Option<String>,
    /// Its files; several requests ask about more.
    #[schemars(length(min = 1, max = constants::DOCUMENTS_PER_REQUEST))]
    entries: Vec<Entry>,
}

/// A file of a folder.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "ManifestEntry")]
struct Entry {
    /// What the document is called that holds it.
    #[schemars(length(min = 1, max = constants::TITLE_BYTES), regex(pattern = schema::TAG))]
    external_id: String,
    /// Git's hash of its bytes.
    #[schemars(regex(pattern = schema::BLOB))]
    blob: String,
}

/// What is not there as it was asked about.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[schemars(rename = "ManifestAnswer")]
pub struct Compared<'a> {
    /// Names of which there is no document.
    missing: Vec<&'a str>,
    /// Names of documents that hold something else.
    changed: Vec<&'a str>,
    /// Names of documents that hold the same and could not be indexed, or whose upload was cancelled.
    failed: Vec<&'a str>,
    /// How many hold the same and are on their way.
    in_progress: usize,
    /// How many are there as they were asked about.
    unchanged: usize,
}

/// Answers the route.
pub async fn compare<P: Database>(ports: &P, call: &Call<'_>) -> Answer {
    let manifest: Manifest = strict_json::read(call.request.body())?;
    check(&manifest)?;
    let id = |entry: &Entry| DocumentId::from_external_id(&call.tenant.user, &entry.external_id);
    let wanted: Vec<(DocumentId, &str)> =
        manifest.entries.iter().map(|entry| (id(entry), entry.blob.as_str())).collect();
    let found = different(&call.tenant.user, &wanted)?.all(ports).await?;
    let mut compared = Compared { unchanged: wanted.len() - found.len().min(wanted.len()), ..Compared::default() };
    for different in found {
        let Some(entry) = manifest.entries.get(different.place) else { continue };
        match different.state {
            FileState::Missing => compared.missing.push(&entry.external_id),
            FileState::Changed => compared.changed.push(&entry.external_id),
            FileState::Failed => compared.failed.push(&entry.external_id),
            FileState::InProgress => compared.in_progress += 1,
        }
    }
    Ok(Reply::json(StatusCode::OK, &compared))
}

fn check(manifest: &Manifest) -> Result<(), Problem> {
    let count = manifest.entries.len();
    let most = constants::DOCUMENTS_PER_REQUEST;
    if count == 0 {
        return Err(Problem::field(Code::Invalid, "/entries", "there are none: ask about one at least"));
    }
    if count > most {
        let detail = format!("{count} entries in one request; the limit is {most}: ask about the others in another");
        return Err(Problem::field(Code::TooLarge, "/entries", detail));
    }
    let project = manifest.project.as_deref();
    if let Some(project) = project {
        check_line(project, PROJECT_BYTES).map_err(|(code, detail)| Problem::field(code, "/project", detail))?;
    }
    for (place, entry) in manifest.entries.iter().enumerate() {
        check_entry(entry, project)
            .map_err(|(field, code, detail)| Problem::field(code, format!("/entries/{place}/{field}"), detail))?;
    }
    Ok(())
}

fn check_entry(entry: &Entry, project: Option<&str>) -> Result<(), (&'static str, Code, String)> {
    let name = &entry.external_id;
    check_line(name, constants::TITLE_BYTES).map_err(|(code, detail)| ("external_id", code, detail))?;
    let is_of = |project: &str| name.strip_prefix(project).is_some_and(|path| path.starts_with('/'));
    if let Some(project) = project.filter(|project| !is_of(project)) {
        let detail = format!("{:?} does not begin with {project:?} and a slash", excerpt(name));
        return Err(("external_id", Code::Invalid, detail));
    }
    if !is_blob(&entry.blob) {
        let detail = "expected what `git hash-object` says: 40 or 64 hexadecimal digits in lower case";
        return Err(("blob", Code::Invalid, detail.to_owned()));
    }
    Ok(())
}

fn check_line(text: &str, most: usize) -> Result<(), (Code, String)> {
    if text.is_empty() {
        return Err((Code::Invalid, "it is empty: write a name".to_owned()));
    }
    if text.len() > most {
        return Err((Code::TooLarge, format!("{} bytes; the limit is {most}: shorten it", text.len())));
    }
    one_line(text).map_err(|detail| (Code::Invalid, detail))
}
