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

pub use self::follow::{has_ended, is_parked};

use crate::{arguments::Push, context::Context, failure::Failure, project::Project};

/// Pushes once, or again and again.
///
/// # Errors
/// It cannot be pushed, or only in part.
pub fn push(arguments: &Push, context: &Context) -> Result<(), Failure> {
    let paths = paths(arguments)?;
    let first = paths.first().map_or(Path::new("."), PathBuf::as_path);
    let lies_in = first.ancestors().find(|path| path.exists() && !path.is_symlink()).unwrap_or(first);
    let project = Project::of(lies_in, arguments.project.as_deref())?;
    if arguments.watch {
        return watch::watch(&project, &paths, arguments, context);
    }
    once::push(&project, &paths, arguments, context)?.outcome()
}

/// The files and folders that are meant, as they are called whatever the current folder is.
fn paths(arguments: &Push) -> Result<Vec<PathBuf>, Failure> {
    arguments.paths.iter().map(|path| absolute(path, arguments.prune)).collect()
}

/// Where a path lies. A symbolic link on the way, below the current folder, is not followed, as it may lead to another
/// project or to none: it stands for itself, and is left out as those that are found are ([`files`]).
fn absolute(path: &Path, may_be_gone: bool) -> Result<PathBuf, Failure> {
    // Without a slash at its end, which leads through a link.
    let path: PathBuf = path.components().collect();
    let above = if path.is_relative() { usize::MAX } else { 1 };
    let link = path.ancestors().take(above).filter(|path| path.is_symlink()).last();
    match link.and_then(|link| Some((link.parent()?, link.file_name()?))) {
        Some((folder, name)) => Ok(canonical(&Path::new(".").join(folder), false)?.join(name)),
        None => canonical(&path, may_be_gone),
    }
}

/// A path as it is called from the root of the file system. What is gone is called after the nearest folder that is
/// there.
fn canonical(path: &Path, may_be_gone: bool) -> Result<PathBuf, Failure> {
    match path.canonicalize() {
        Err(error) if may_be_gone && error.kind() == std::io::ErrorKind::NotFound => {
            let above = path.parent().zip(path.file_name());
            let (folder, name) = above.ok_or_else(|| Failure::of_file(path, &error))?;
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            Ok(canonical(folder, true)?.join(name))
        }
        found => found.map_err(|error| Failure::of_file(path, &error)),
    }
}
