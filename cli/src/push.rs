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

use std::path::PathBuf;

pub use self::follow::is_parked;

use crate::{
    arguments::Push,
    context::Context,
    failure::{Exit, Failure},
    project::Project,
};

/// Pushes once, or again and again.
///
/// # Errors
/// It cannot be pushed, or only in part.
pub fn push(arguments: &Push, context: &Context) -> Result<(), Failure> {
    let paths = paths(arguments)?;
    let first = paths.first().cloned().unwrap_or_else(|| PathBuf::from("."));
    let project = Project::of(&first, arguments.project.as_deref())?;
    if arguments.watch {
        return watch::watch(&project, &paths, arguments, context);
    }
    once::push(&project, &paths, arguments, context)
}

/// The files and folders that are meant, as they are called whatever the current folder is.
fn paths(arguments: &Push) -> Result<Vec<PathBuf>, Failure> {
    let absolute = |path: &PathBuf| {
        // It may lead anywhere: what lies there is of another project, or of none.
        if path.is_symlink() {
            let said = format!("{}: a symbolic link", path.display());
            return Err(Failure::new(Exit::Usage, said).advise("name what it points to"));
        }
        path.canonicalize().map_err(|error| Failure::of_file(path, &error))
    };
    arguments.paths.iter().map(absolute).collect()
}
