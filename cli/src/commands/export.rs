//! `friend export`: everything that is somebody's, in a folder: documents as they were uploaded, the rest as JSON.

use std::{
    collections::HashSet,
    fs,
    path::{Component, Path, PathBuf},
};

use pipeline::constants;
use serde_json::{Value, json};

use crate::{
    arguments::Export,
    client::{Client, Request, pages},
    context::Context,
    failure::{Exit, Failure},
    output,
};

/// More than a deployment holds.
const ALL: usize = 1_000_000;

/// Failures one after another from which on the deployment is taken to be gone.
const IN_A_ROW: usize = 10;

/// What could not be written.
#[derive(Debug, Default)]
struct Failures {
    list: Vec<(String, Failure)>,
    in_a_row: usize,
}

impl Failures {
    /// What something came to; nothing, and a note, where that failed.
    ///
    /// # Errors
    /// All else would fail as well.
    fn note<T>(&mut self, name: &str, result: Result<T, Failure>) -> Result<Option<T>, Failure> {
        let failure = match result {
            Ok(value) => {
                self.in_a_row = 0;
                return Ok(Some(value));
            }
            Err(failure) => failure,
        };
        // What somebody deleted meanwhile says nothing about the others.
        self.in_a_row += usize::from(failure.exit != Exit::NotFound);
        if matches!(failure.exit, Exit::Auth | Exit::Quota) || self.in_a_row >= IN_A_ROW {
            return Err(failure);
        }
        self.list.push((name.to_owned(), failure));
        Ok(None)
    }

    fn json(&self) -> Value {
        self.list.iter().map(|(name, failure)| json!({ "name": name, "why": failure.said })).collect()
    }

    fn outcome(&self) -> Result<(), Failure> {
        if self.list.is_empty() {
            return Ok(());
        }
        let lines: Vec<String> = self.list.iter().map(|(name, failure)| format!("{name}: {}", failure.said)).collect();
        Err(Failure::new(Exit::Partial, format!("{} things could not be exported; all else was", lines.len()))
            .advise(lines.join("\n  ")))
    }
}

/// Writes it: what fails is named, and all else is written.
///
/// # Errors
/// The folder cannot be written to, or something cannot be read.
pub fn export(arguments: &Export, context: &Context) -> Result<(), Failure> {
    let folder = &arguments.folder;
    if folder.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Failure::new(Exit::Usage, format!("{} is not empty", folder.display()))
            .advise("name a new folder: nothing that is there is written over"));
    }
    fs::create_dir_all(folder).map_err(|error| Failure::of_file(folder, &error))?;
    let mut failures = Failures::default();
    let documents = documents(folder, context, &mut failures)?;
    let client = &context.client;
    let memories = failures.note("memories", pages::list(client, "/api/memory", ALL))?.unwrap_or_default();
    write_lines(folder, "memories.jsonl", &memories)?;
    let conversations = conversations(client, &mut failures)?;
    write_lines(folder, "conversations.jsonl", &conversations)?;
    let profile = failures.note("profile", client.get("/api/me"))?;
    write_lines(folder, "profile.json", profile.as_slice())?;
    let counted = json!({
        "folder": folder, "documents": documents, "memories": memories.len(),
        "conversations": conversations.len(), "failed": failures.json(),
    });
    context.output.data(&counted, || {
        output::line(&format!(
            "{documents} documents, {} memories, {} conversations in {}",
            memories.len(),
            conversations.len(),
            folder.display()
        ));
    });
    failures.outcome()
}

/// Writes every document, and a list that says where each lies; how many were written.
fn documents(folder: &Path, context: &Context, failures: &mut Failures) -> Result<usize, Failure> {
    let listed = pages::list(&context.client, "/api/documents", ALL);
    let mut documents = failures.note("documents", listed)?.unwrap_or_default();
    let mut places = Places::default();
    let mut written = 0;
    let all = documents.len();
    for (number, document) in documents.iter_mut().enumerate() {
        context.output.say(&format!("document {} of {all}", number + 1));
        let id = output::text(&document["id"]);
        let name = document["external_id"].as_str().unwrap_or(&id).to_owned();
        let file = places.take(&name, &id);
        if failures.note(&name, write_document(&context.client, folder, &id, &file))?.is_some() {
            document["file"] = json!(file);
            written += 1;
        }
    }
    write_lines(folder, "documents.jsonl", &documents)?;
    Ok(written)
}

fn conversations(client: &Client, failures: &mut Failures) -> Result<Vec<Value>, Failure> {
    let listed = pages::list(client, "/api/conversations", ALL);
    let mut whole = Vec::new();
    for listed in failures.note("conversations", listed)?.unwrap_or_default() {
        let id = output::text(&listed["id"]);
        whole.extend(failures.note(&id, conversation(client, &id))?);
    }
    Ok(whole)
}

fn conversation(client: &Client, id: &str) -> Result<Value, Failure> {
    let mut view = client.get(&format!("/api/conversations/{id}?limit={}", constants::PAGE))?;
    while let Some(cursor) = view["next_cursor"].as_str().map(str::to_owned) {
        let page = format!("/api/conversations/{id}?limit={}&cursor={}", constants::PAGE, pages::encoded(&cursor));
        let next = client.get(&page)?;
        if let (Some(all), Some(more)) = (view["messages"].as_array_mut(), next["messages"].as_array()) {
            all.extend(more.iter().cloned());
        }
        view["next_cursor"] = next["next_cursor"].clone();
    }
    Ok(view)
}

fn write_document(client: &Client, folder: &Path, id: &str, file: &Path) -> Result<(), Failure> {
    let original = client.send(&Request::new("GET", &format!("/api/documents/{id}/original")))?;
    write(&folder.join(file), &original.body)
}

/// Where documents lie: each for itself, whatever they are called.
#[derive(Debug, Default)]
struct Places {
    files: HashSet<PathBuf>,
    folders: HashSet<PathBuf>,
}

impl Places {
    /// Where a document is written to. One whose place is taken, be it by a folder that another lies in, lies apart,
    /// under its id.
    fn take(&mut self, name: &str, id: &str) -> PathBuf {
        let path = Path::new("documents").join(safe(name));
        // Many file systems take names for the same that differ in their case alone.
        let known = PathBuf::from(path.to_string_lossy().to_lowercase());
        let is_taken = self.folders.contains(&known) || known.ancestors().any(|above| self.files.contains(above));
        if is_taken {
            return Path::new("documents of the same name").join(safe(id));
        }
        self.folders.extend(known.ancestors().skip(1).map(Path::to_owned));
        self.files.insert(known);
        path
    }
}

/// A document's name as a path that stays where it is put: what leads elsewhere is left out of it.
fn safe(name: &str) -> PathBuf {
    let parts = Path::new(name).components().filter_map(|part| match part {
        Component::Normal(part) => Some(part.to_owned()),
        _ => None,
    });
    let path: PathBuf = parts.collect();
    if path.as_os_str().is_empty() { PathBuf::from("unnamed") } else { path }
}

fn write_lines(folder: &Path, name: &str, values: &[Value]) -> Result<(), Failure> {
    let lines: Vec<String> = values.iter().map(|value| format!("{value}\n")).collect();
    write(&folder.join(name), lines.concat().as_bytes())
}

fn write(file: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let parent = file.parent().unwrap_or(file);
    fs::create_dir_all(parent).and_then(|()| fs::write(file, bytes)).map_err(|error| Failure::of_file(file, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_never_written_outside_of_the_folder() {
        assert_eq!(safe("../../etc/passwd"), PathBuf::from("etc/passwd"));
        assert_eq!(safe("/etc/passwd"), PathBuf::from("etc/passwd"));
        assert_eq!(safe(".."), PathBuf::from("unnamed"));
    }

    #[test]
    fn no_document_takes_the_place_of_another() {
        let mut places = Places::default();
        let names = ["notes", "notes/x.md", "b", "../b", "B", "deep/er/c", "deep", "notes/x.md"];
        let files: HashSet<PathBuf> =
            names.iter().enumerate().map(|(number, name)| places.take(name, &format!("doc_{number}"))).collect();
        assert_eq!(files.len(), names.len());
        for file in &files {
            assert!(!file.ancestors().skip(1).any(|above| files.contains(above)), "{files:?}");
        }
    }
}
