//! `friend push`: what is new and what has changed of a repository, and nothing else.
//!
//! 1. Walk the files that are not ignored ([`files`], [`rules`]), and name each by git's hash of its bytes ([`blob`]).
//! 2. Ask the server which of them it does not have so ([`manifest`]): names and hashes go there, no content.
//! 3. Send those in batches ([`batches`], [`send`]), several at once.
//! 4. Follow the jobs until all is searchable ([`follow`]), and remove what is gone, where that is wanted ([`prune`]).
//! 5. Say what became of every file ([`report`]).
//!
//! There is nothing to resume: whatever the server took before is in its manifest.

mod batches;
mod blob;
mod files;
mod follow;
mod manifest;
mod once;
mod prune;
mod report;
mod rules;
mod send;
mod watch;

use std::path::{Path, PathBuf};

pub use self::follow::is_parked;

use crate::{
    arguments::Push,
    context::Context,
    failure::{Exit, Failure},
    output,
    project::Project,
};

/// Pushes once, or again and again.
///
/// # Errors
/// It cannot be pushed, or only in part.
pub fn push(arguments: &Push, context: &Context) -> Result<(), Failure> {
    let paths = paths(arguments, context)?;
    let first = paths.first().cloned().unwrap_or_else(|| PathBuf::from("."));
    let project = Project::of(&first, arguments.project.as_deref())?;
    if arguments.watch {
        return watch::watch(&project, &paths, arguments, context);
    }
    once::push(&project, &paths, arguments, context)
}

/// The files and folders that are meant, as they are called whatever the current folder is. A symbolic link may lead
/// anywhere, to another project or to none: it is left out.
fn paths(arguments: &Push, context: &Context) -> Result<Vec<PathBuf>, Failure> {
    let mut paths = Vec::new();
    for path in &arguments.paths {
        // Without a slash at its end, which would lead through the link.
        let path: PathBuf = path.components().collect();
        if path.is_symlink() || (path.is_relative() && path.ancestors().any(Path::is_symlink)) {
            let name = path.display().to_string();
            context.output.say(&format!("{}: a symbolic link; name what it points to", output::harmless(&name)));
            continue;
        }
        paths.push(path.canonicalize().map_err(|error| Failure::of_file(&path, &error))?);
    }
    if paths.is_empty() && !arguments.paths.is_empty() {
        return Err(Failure::new(Exit::Usage, "nothing but symbolic links").advise("name what they point to"));
    }
    Ok(paths)
}
