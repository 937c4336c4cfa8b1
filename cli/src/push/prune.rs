//! What is gone here goes there: asked first.

use std::{collections::HashSet, path::PathBuf};

use super::{files::Found, manifest::external_id};
use crate::{
    arguments::Push,
    client::{Request, pages},
    context::Context,
    failure::{Exit, Failure},
    output,
    project::Project,
};

/// More than a deployment holds.
const ALL: usize = 1_000_000;
/// Names that are shown before somebody is asked.
const SHOWN: usize = 20;

/// Removes documents of this project, below the paths that were pushed, whose files are gone or left out by now.
///
/// # Errors
/// Nobody can be asked, or the server refuses.
pub fn prune(
    project: &Project,
    paths: &[PathBuf],
    found: &Found,
    arguments: &Push,
    context: &Context,
) -> Result<Vec<String>, Failure> {
    if let Some(unknown) = found.skipped.iter().find(|skipped| skipped.is_unreadable()) {
        let said = format!("nothing is removed: {} {}, so nobody knows what is gone", unknown.name, unknown.why);
        return Err(Failure::new(Exit::Partial, said).advise("all else is done; mend that and push again"));
    }
    let gone = gone(project, paths, found, context)?;
    if gone.is_empty() {
        return Ok(Vec::new());
    }
    for (name, _) in gone.iter().take(SHOWN) {
        context.output.say(&format!("  gone: {name}"));
    }
    let question = format!("Remove {} documents that are not here any more?", gone.len());
    if !arguments.yes && !output::confirm(&question, "--yes")? {
        return Ok(Vec::new());
    }
    for (_, id) in &gone {
        context.client.send(&Request::new("DELETE", &format!("/api/documents/{id}")))?;
    }
    Ok(gone.into_iter().map(|(name, _)| name).collect())
}

/// Their names and ids.
fn gone(
    project: &Project,
    paths: &[PathBuf],
    found: &Found,
    context: &Context,
) -> Result<Vec<(String, String)>, Failure> {
    let here: HashSet<&str> = found.files.iter().map(|file| file.name.as_str()).collect();
    let prefix = external_id(project, "");
    let path = format!("/api/documents?prefix={}", pages::encoded(&prefix));
    let documents = pages::list(&context.client, &path, ALL)?;
    let gone = documents.iter().filter_map(|document| {
        let name = project.path(document["external_id"].as_str()?)?;
        // What does not come from this program has no hash, and is not this program's to remove.
        let is_pushed = document.get("blob").is_none_or(serde_json::Value::is_string);
        let is_meant = paths.is_empty() || paths.iter().any(|path| project.root.join(name).starts_with(path));
        let is_gone = is_pushed && is_meant && !here.contains(name);
        is_gone.then(|| Some((name.to_owned(), document["id"].as_str()?.to_owned())))?
    });
    Ok(gone.collect())
}
