//! Which project a folder is, and where its root lies: git's remote says it the same on every machine.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
};

use crate::failure::{Exit, Failure};

/// Longest name of a project, in bytes.
const NAME_BYTES: usize = 200;

/// A folder that is pushed as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// What its documents' names begin with: `github.com/owner/name`, or as its owner calls it.
    pub name: String,
    /// Its root: what the rest of their names counts from.
    pub root: PathBuf,
}

impl Project {
    /// The project that a file or folder belongs to; `given` names it otherwise.
    ///
    /// # Errors
    /// The path is not there, or the name is none.
    pub fn of(path: &Path, given: Option<&str>) -> Result<Self, Failure> {
        let path = path.canonicalize().map_err(|error| Failure::of_file(path, &error))?;
        let folder = if path.is_dir() { path.as_path() } else { path.parent().unwrap_or(&path) };
        let root = root(folder).unwrap_or_else(|| folder.to_owned());
        let name = match given {
            Some(name) => checked(name)?,
            None => remote(&root).unwrap_or_else(|| name_of_folder(&root)),
        };
        Ok(Self { name, root })
    }

    /// A document's name as a path in this project, if it is one of it.
    pub fn path<'a>(&self, external_id: &'a str) -> Option<&'a str> {
        external_id.strip_prefix(&self.name)?.strip_prefix('/')
    }
}

/// The root of the repository that a folder lies in. Where git is not installed, the nearest folder with a `.git`.
fn root(folder: &Path) -> Option<PathBuf> {
    let by_git = git(folder, ["rev-parse", "--show-toplevel"]).map(PathBuf::from);
    by_git.or_else(|| folder.ancestors().find(|ancestor| ancestor.join(".git").exists()).map(Path::to_owned))
}

/// What the repository's remote says: that of `origin`, or the first of the others.
fn remote(root: &Path) -> Option<String> {
    let url = |name: &str| git(root, ["remote", "get-url", name]);
    let remote = url("origin").or_else(|| url(git(root, ["remote"])?.lines().next()?));
    normalised(&remote?)
}

/// Asks git. Its answers are paths and URLs: what is not UTF-8 is none.
fn git<const COUNT: usize>(folder: &Path, arguments: [&str; COUNT]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(folder).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let text = text.trim_end_matches(['\r', '\n']);
    (output.status.success() && !text.is_empty()).then(|| text.to_owned())
}

/// A git remote as `host/path`: without scheme, user, port, `.git` and a slash at its end, the host in lower case.
/// `None` for one that is a folder of this machine: nobody else would call it so.
fn normalised(remote: &str) -> Option<String> {
    let remote = remote.trim();
    let (host, path) = match remote.split_once("://") {
        Some(("file", _)) => return None,
        Some((_, rest)) => rest.split_once('/')?,
        // As ssh writes it: user@host:path. A letter before the colon is a drive of Windows.
        None => remote.split_once(':').filter(|(host, _)| host.len() > 1 && !host.contains('/'))?,
    };
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    // The last colon parts a port, unless it is inside of an address of IPv6.
    let host = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path).trim_end_matches('/');
    if host.is_empty() || path.is_empty() {
        return None;
    }
    checked(&format!("{}/{path}", host.to_lowercase())).ok()
}

fn name_of_folder(root: &Path) -> String {
    let name = root.file_name().and_then(OsStr::to_str).unwrap_or_default();
    checked(name).unwrap_or_else(|_| "project".to_owned())
}

/// A name that a project can have.
fn checked(name: &str) -> Result<String, Failure> {
    let name = name.trim().trim_end_matches('/');
    let wrong = |why: &str| {
        Err(Failure::new(Exit::Usage, format!("{name:?} is no name of a project: {why}"))
            .advise("such as github.com/owner/name, or one word: --project NAME"))
    };
    if name.is_empty() {
        return wrong("it is empty");
    }
    if name.len() > NAME_BYTES {
        return wrong("it has more than 200 bytes");
    }
    if name.chars().any(char::is_control) {
        return wrong("it is more than one line");
    }
    if name.starts_with('/') || name.starts_with('~') || name.contains('\\') {
        return wrong("it is a path of this machine");
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_names_the_same_project_however_it_is_written() {
        for remote in [
            "https://github.com/owner/name.git",
            "https://GitHub.com/owner/name/",
            "https://ada:secret@github.com/owner/name",
            "git@github.com:owner/name.git",
            "ssh://git@github.com:22/owner/name.git",
            "git://github.com/owner/name",
        ] {
            assert_eq!(normalised(remote).as_deref(), Some("github.com/owner/name"), "{remote}");
        }
    }

    #[test]
    fn a_folder_of_this_machine_names_no_project() {
        for remote in ["/srv/git/name.git", "../name", "file:///srv/name.git", "C:/git/name", "", "https://host"] {
            assert_eq!(normalised(remote), None, "{remote}");
        }
        for name in ["/home/ada/x", "", "a\nb", "~/x", "C:\\x"] {
            assert!(checked(name).is_err(), "{name:?}");
        }
    }
}
