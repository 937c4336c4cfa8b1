//! `friend export`: everything that is somebody's, in a folder: documents as they were uploaded, the rest as JSON.

use std::{
    fs,
    path::{Component, Path, PathBuf},
};

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

/// Writes it.
///
/// # Errors
/// The folder cannot be written to, or something cannot be read.
pub fn export(arguments: &Export, context: &Context) -> Result<(), Failure> {
    let folder = &arguments.folder;
    if folder.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Failure::new(Exit::Usage, format!("{} is not empty", folder.display()))
            .advise("name a new folder: nothing that is there is written over"));
    }
    let client = &context.client;
    let documents = pages::list(client, "/api/documents", ALL)?;
    for (place, document) in documents.iter().enumerate() {
        context.output.say(&format!("document {} of {}", place + 1, documents.len()));
        write_document(client, folder, document)?;
    }
    write_lines(folder, "documents.jsonl", &documents)?;
    let memories = pages::list(client, "/api/memory", ALL)?;
    write_lines(folder, "memories.jsonl", &memories)?;
    let conversations = conversations(client)?;
    write_lines(folder, "conversations.jsonl", &conversations)?;
    write_lines(folder, "profile.json", &[client.get("/api/me")?])?;
    let counted = json!({
        "folder": folder, "documents": documents.len(), "memories": memories.len(),
        "conversations": conversations.len(),
    });
    context.output.data(&counted, || {
        output::line(&format!(
            "{} documents, {} memories, {} conversations in {}",
            documents.len(),
            memories.len(),
            conversations.len(),
            folder.display()
        ));
    });
    Ok(())
}

fn conversations(client: &Client) -> Result<Vec<Value>, Failure> {
    let mut whole = Vec::new();
    for conversation in pages::list(client, "/api/conversations", ALL)? {
        let id = output::text(&conversation["id"]);
        let mut view = client.get(&format!("/api/conversations/{id}?limit={}", pages::PAGE))?;
        while let Some(cursor) = view["next_cursor"].as_str().map(str::to_owned) {
            let page = format!("/api/conversations/{id}?limit={}&cursor={}", pages::PAGE, pages::encoded(&cursor));
            let next = client.get(&page)?;
            if let (Some(all), Some(more)) = (view["messages"].as_array_mut(), next["messages"].as_array()) {
                all.extend(more.iter().cloned());
            }
            view["next_cursor"] = next["next_cursor"].clone();
        }
        whole.push(view);
    }
    Ok(whole)
}

fn write_document(client: &Client, folder: &Path, document: &Value) -> Result<(), Failure> {
    let id = output::text(&document["id"]);
    let original = client.send(&Request::new("GET", &format!("/api/documents/{id}/original")))?;
    let file = folder.join("documents").join(safe(document["external_id"].as_str().unwrap_or(&id)));
    write(&file, &original.body)
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
}
