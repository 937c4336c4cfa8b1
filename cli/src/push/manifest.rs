//! What the server has: names and hashes go there, and the names of those come back that it does not have so.

use std::{collections::HashSet, thread::ScopedJoinHandle};

use pipeline::constants::DOCUMENTS_PER_REQUEST;
use serde_json::{Value, json};

use super::files::File;
use crate::{
    client::Request,
    context::Context,
    failure::{Exit, Failure},
    project::Project,
};

/// Bytes of names in one request: far below what a body may have.
const BYTES: usize = 180 * 1024;
/// Bytes of an entry beside its name.
const BESIDE: usize = 80;
/// Requests at once.
const AT_ONCE: usize = 4;

/// What is to be sent, and how much is not.
#[derive(Clone, Debug, Default)]
pub struct Compared {
    /// Not there.
    pub added: Vec<File>,
    /// There with another content, or could not be indexed the last time.
    pub changed: Vec<File>,
    /// As it is here, or on its way.
    pub unchanged: usize,
    /// Of these, on their way.
    pub in_progress: usize,
}

impl Compared {
    /// As if the server had nothing.
    pub fn all_missing(files: &[File]) -> Self {
        Self { added: files.to_vec(), ..Self::default() }
    }

    /// All that is to be sent.
    pub fn to_send(&self) -> impl Iterator<Item = &File> {
        self.added.iter().chain(&self.changed)
    }

    /// How much that is.
    pub fn bytes(&self) -> u64 {
        self.to_send().map(|file| file.bytes).sum()
    }
}

/// A document's name on the server.
pub fn external_id(project: &Project, name: &str) -> String {
    format!("{}/{name}", project.name)
}

/// Asks, a few requests at once.
///
/// # Errors
/// The server refuses, or is not reached.
pub fn compare(project: &Project, files: &[File], context: &Context) -> Result<Compared, Failure> {
    let mut compared = Compared::default();
    for (part, answer) in answers(project, files, context)? {
        add(&mut compared, project, part, &answer);
    }
    Ok(compared)
}

/// Of files that were sent, the names of those that are known there as they are here, and could not be indexed.
///
/// # Errors
/// The server refuses, or is not reached.
pub fn failed(project: &Project, files: &[File], context: &Context) -> Result<Vec<String>, Failure> {
    let answers = match answers(project, files, context) {
        // An older deployment, which knows no manifest.
        Err(Failure { exit: Exit::NotFound, .. }) => return Ok(Vec::new()),
        answers => answers?,
    };
    let failed = answers.iter().flat_map(|(_, answer)| answer["failed"].as_array().into_iter().flatten());
    Ok(failed.filter_map(|id| Some(project.path(id.as_str()?)?.to_owned())).collect())
}

/// What the server says of each part of the files.
fn answers<'a>(project: &Project, files: &'a [File], context: &Context) -> Result<Vec<(&'a [File], Value)>, Failure> {
    let mut answered = Vec::new();
    for several in parts(project, files).chunks(AT_ONCE) {
        let answers: Vec<Result<Value, Failure>> = std::thread::scope(|scope| {
            let asked: Vec<_> = several.iter().map(|part| scope.spawn(move || ask(project, part, context))).collect();
            let done = asked.into_iter().map(ScopedJoinHandle::join);
            done.map(|answer| answer.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
        });
        for (part, answer) in several.iter().zip(answers) {
            answered.push((*part, answer?));
        }
    }
    Ok(answered)
}

/// The files in as many parts as there are requests.
fn parts<'a>(project: &Project, files: &'a [File]) -> Vec<&'a [File]> {
    let mut parts = Vec::new();
    let mut rest = files;
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = rest.iter().take(DOCUMENTS_PER_REQUEST).take_while(|file| {
            // As JSON may write it: a quotation mark takes two.
            bytes += 2 * (project.name.len() + file.name.len()) + BESIDE;
            bytes <= BYTES
        });
        let (part, others) = rest.split_at(fits.count().clamp(1, rest.len()));
        parts.push(part);
        rest = others;
    }
    parts
}

fn ask(project: &Project, files: &[File], context: &Context) -> Result<Value, Failure> {
    let entry = |file: &File| json!({ "external_id": external_id(project, &file.name), "blob": file.blob });
    let entries: Vec<Value> = files.iter().map(entry).collect();
    let request = Request::new("POST", "/api/documents/manifest").repeatable();
    let answer = context.client.json(request, &json!({ "project": project.name, "entries": entries }))?;
    // What does not say what is missing would have everything be unchanged.
    if answer["missing"].is_array() {
        return Ok(answer);
    }
    Err(Failure::no_friend("what it has"))
}

fn add(compared: &mut Compared, project: &Project, files: &[File], answer: &Value) {
    let on_their_way = answer["in_progress"].as_u64().unwrap_or(0);
    compared.in_progress += usize::try_from(on_their_way).unwrap_or(0);
    let named = |state: &str| -> HashSet<&str> {
        answer[state].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
    };
    let (missing, changed, failed) = (named("missing"), named("changed"), named("failed"));
    for file in files {
        let name = external_id(project, &file.name);
        if missing.contains(name.as_str()) {
            compared.added.push(file.clone());
        } else if changed.contains(name.as_str()) || failed.contains(name.as_str()) {
            compared.changed.push(file.clone());
        } else {
            compared.unchanged += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn file(name: &str) -> File {
        File { name: name.into(), path: PathBuf::new(), bytes: 1, blob: "0".repeat(40) }
    }

    #[test]
    fn a_request_never_holds_more_than_the_server_takes_and_no_file_is_left_out() {
        let project = Project { name: "github.com/owner/name".into(), root: PathBuf::new() };
        let files: Vec<File> =
            (0..5_000).map(|number| file(&format!("{number}/{}", "x".repeat(number % 700)))).collect();
        let parts = parts(&project, &files);
        assert_eq!(parts.concat(), files);
        for part in parts {
            let bytes: usize = part.iter().map(|file| project.name.len() + file.name.len() + BESIDE).sum();
            assert!(part.len() <= DOCUMENTS_PER_REQUEST && bytes < 256 * 1024, "{} files, {bytes} bytes", part.len());
        }
    }
}
