//! Which project a folder is, and where its root lies: git's remote says it the same on every machine.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use pipeline::project;

use crate::failure::{Exit, Failure};

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

    /// The project of the current folder; `given` names it otherwise.
    ///
    /// # Errors
    /// The folder is not there any more, or the name is none.
    pub fn here(given: Option<&str>) -> Result<Self, Failure> {
        let folder = std::env::current_dir().map_err(|error| Failure::of_file(Path::new("."), &error))?;
        Self::of(&folder, given)
    }

    /// The name of the project whose hits come forward: the one that is given, else that of the current folder, if
    /// there is one.
    ///
    /// # Errors
    /// The name is none.
    pub fn preferred(given: Option<&str>) -> Result<Option<String>, Failure> {
        match given {
            Some(name) => checked(name).map(Some),
            None => Ok(Self::here(None).ok().map(|project| project.name)),
        }
    }

    /// A document's name as a path in this project, if it is one of it.
    pub fn path<'a>(&self, external_id: &'a str) -> Option<&'a str> {
        project::path_in(&self.name, external_id)
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
    let by_git = url("origin").or_else(|| url(git(root, ["remote"])?.lines().next()?));
    project::normalised(&by_git.or_else(|| configured(&configuration(root)?))?)
}

/// What git's configuration of a repository says, where git is not there to be asked.
fn configuration(root: &Path) -> Option<String> {
    let git = root.join(".git");
    if git.is_dir() {
        return fs::read_to_string(git.join("config")).ok();
    }
    // A worktree names its folder, and that the one of the repository.
    let folder = root.join(fs::read_to_string(&git).ok()?.strip_prefix("gitdir:")?.trim());
    let common = fs::read_to_string(folder.join("commondir")).unwrap_or_else(|_| ".".to_owned());
    fs::read_to_string(folder.join(common.trim()).join("config")).ok()
}

/// The URL of `origin` in a configuration of git, or of the first of the others by name, as git lists them.
fn configured(text: &str) -> Option<String> {
    let mut remote = None;
    let mut urls: Vec<(bool, &str, &str)> = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            remote = line.strip_prefix("[remote \"").and_then(|rest| rest.strip_suffix("\"]"));
            continue;
        }
        let (Some(name), Some((field, value))) = (remote, line.split_once('=')) else { continue };
        if field.trim().eq_ignore_ascii_case("url") {
            urls.push((name != "origin", name, value.trim().trim_matches('"')));
        }
    }
    urls.into_iter().min_by_key(|(is_other, name, _)| (*is_other, *name)).map(|(_, _, url)| url.to_owned())
}

/// Asks git. Its answers are paths and URLs: what is not UTF-8 is none.
fn git<const COUNT: usize>(folder: &Path, arguments: [&str; COUNT]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(folder).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let text = text.trim_end_matches(['\r', '\n']);
    (output.status.success() && !text.is_empty()).then(|| text.to_owned())
}

fn name_of_folder(root: &Path) -> String {
    let name = root.file_name().and_then(OsStr::to_str).unwrap_or_default();
    checked(name).unwrap_or_else(|_| "project".to_owned())
}

/// A name that a project can have.
fn checked(name: &str) -> Result<String, Failure> {
    project::checked(name).map_err(|why| {
        Failure::new(Exit::Usage, format!("{name:?} is no name of a project: {why}"))
            .advise("such as github.com/owner/name, or one word: --project NAME")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_is_read_from_what_git_wrote() {
        let text =
            "[core]\n\turl = no\n[remote \"fork\"]\n\turl = b:c/d\n[remote \"away\"]\n\tfetch = x\n\turl = a:b/c\n";
        assert_eq!(configured(text).as_deref(), Some("a:b/c"));
        let with_origin =
            format!("{text}[remote \"origin\"]\n\tURL = \"https://e.example/o/n.git\"\n[branch \"main\"]\n");
        assert_eq!(configured(&with_origin).as_deref(), Some("https://e.example/o/n.git"));
        assert_eq!([configured(""), configured("[remote \"origin\"]\n")], [None, None]);
    }
}
