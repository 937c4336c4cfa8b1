//! What is gone here goes there: asked first.

use std::{collections::HashSet, path::PathBuf};

use super::{
    batches::PROJECT,
    files::{Found, Skipped},
    follow,
    manifest::external_id,
    report::Report,
};
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
/// What says so without being asked.
const YES: &str = "--yes";

/// A document whose file is gone.
#[derive(Clone, Debug)]
pub struct Gone {
    name: String,
    id: String,
}

/// The documents of this project, below the paths that were pushed, whose files are gone or left out by now.
///
/// # Errors
/// The server refuses, or there are some and nobody is there to be asked about them.
pub fn find(
    project: &Project,
    paths: &[PathBuf],
    found: &Found,
    arguments: &Push,
    context: &Context,
) -> Result<Vec<Gone>, Failure> {
    if unreadable(found).is_some() {
        return Ok(Vec::new());
    }
    let here: HashSet<&str> = found.files.iter().map(|file| file.name.as_str()).collect();
    let prefix = external_id(project, "");
    let path = format!("/api/documents?prefix={}", pages::encoded(&prefix));
    let documents = pages::list(&context.client, &path, ALL)?;
    let gone = documents.iter().filter_map(|document| {
        let name = project.path(document["external_id"].as_str()?)?;
        // What was not pushed as this project, but by other means or as one whose name begins like it, stays.
        let is_pushed = document["metadata"][PROJECT] == *project.name;
        let is_meant = paths.is_empty() || paths.iter().any(|path| project.root.join(name).starts_with(path));
        let is_gone = is_pushed && is_meant && !here.contains(name);
        is_gone.then(|| Some(Gone { name: name.to_owned(), id: document["id"].as_str()?.to_owned() }))?
    });
    let gone: Vec<Gone> = gone.collect();
    if !gone.is_empty() && !arguments.yes {
        output::check_somebody_answers(&question(&gone), YES)?;
    }
    Ok(gone)
}

fn unreadable(found: &Found) -> Option<&Skipped> {
    found.skipped.iter().find(|skipped| skipped.is_unreadable())
}

fn question(gone: &[Gone]) -> String {
    format!("Remove {} documents that are not here any more?", gone.len())
}

/// Removes them, and notes each that is removed.
///
/// # Errors
/// Nobody knows what is gone, or the server refuses.
pub fn prune(
    gone: Vec<Gone>,
    found: &Found,
    arguments: &Push,
    context: &Context,
    report: &mut Report,
) -> Result<(), Failure> {
    if let Some(unknown) = unreadable(found) {
        let said = format!("nothing is removed: {} {}, so nobody knows what is gone", unknown.name, unknown.why);
        return Err(Failure::new(Exit::Partial, said).advise("all else is done; mend that and push again"));
    }
    if gone.is_empty() {
        return Ok(());
    }
    for one in gone.iter().take(SHOWN) {
        context.output.say(&format!("  gone: {}", output::harmless(&one.name)));
    }
    if !arguments.yes && !output::confirm(&question(&gone), YES)? {
        return Ok(());
    }
    // One by one: a name may be anything, and what begins like it stays.
    let bar = follow::counted(context.output, "removed", gone.len());
    for one in gone {
        match context.client.send(&Request::new("DELETE", &format!("/api/documents/{}", one.id))) {
            // Somebody else has removed it meanwhile.
            Ok(_) | Err(Failure { exit: Exit::NotFound, .. }) => report.pruned.push(one.name),
            Err(failure) => {
                bar.abandon();
                return Err(failure);
            }
        }
        bar.inc(1);
    }
    bar.abandon();
    Ok(())
}
