//! The files of a project that are to be there: found, looked at, and named by what they hold.

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use ignore::{DirEntry, WalkBuilder};
use pipeline::{constants, secrets};

use super::{blob, rules};
use crate::{
    arguments::Push,
    failure::{Exit, Failure},
    project::Project,
};

/// What stands in for `.gitignore` where only the friend shall not see something.
const IGNORE_FILE: &str = ".friendignore";
const IGNORED: &str = "it is ignored: take it out of what ignores it to push it";
const GONE: &str = "there is no such file or folder";
const LINK: &str = "a symbolic link: what it names is taken where it lies";
const NO_FILE: &str = "neither a file nor a folder";
const WITHHELD: &str = "it is for passwords or keys, or what version control keeps for itself";
const NOT_UTF8: &str = "its name is not UTF-8";

/// A file that is to be there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct File {
    /// Its path from the project's root, with forward slashes.
    pub name: String,
    /// Where it lies.
    pub path: PathBuf,
    /// How long it is.
    pub bytes: u64,
    /// Git's hash of what it holds.
    pub blob: String,
}

/// A file that is not, and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Skipped {
    /// Its path from the project's root, as far as it can be written.
    pub name: String,
    /// Why it is left out.
    pub why: String,
}

/// How it is said that something could not be read, whatever the reason.
const UNREADABLE: &str = "cannot be read";
/// How it is said that something is left out for a secret, by its name and by what it holds.
const CALLED_SECRET: &str = "it looks like passwords or keys";
const HOLDS_SECRET: &str = "it holds what looks like a secret";

impl Skipped {
    /// True if it may be there, and nobody knows.
    pub fn is_unreadable(&self) -> bool {
        self.why.starts_with(UNREADABLE)
    }

    /// True if it is left out for a secret.
    pub fn is_for_secrets(&self) -> bool {
        self.why == CALLED_SECRET || self.why.starts_with(HOLDS_SECRET)
    }
}

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// What is to be there.
    pub files: Vec<File>,
    /// What is not.
    pub skipped: Vec<Skipped>,
}

/// What is taken though it usually is not.
#[derive(Clone, Copy, Debug, Default)]
pub struct Taken {
    /// Generated and vendored files.
    pub generated: bool,
    /// Files that look like, or hold, passwords or keys.
    pub secrets: bool,
}

impl From<&Push> for Taken {
    fn from(arguments: &Push) -> Self {
        Self { generated: arguments.all, secrets: arguments.allow_secrets }
    }
}

/// What is left out, noted from wherever it is noticed.
type Notes = Arc<Mutex<Vec<Skipped>>>;

/// For who does not want to know.
pub fn no_notes() -> Notes {
    Notes::default()
}

/// Walks the project, or these parts of it.
///
/// # Errors
/// A path is not of this project.
pub fn find(project: &Project, paths: &[PathBuf], taken: Taken) -> Result<Found, Failure> {
    let notes = Notes::default();
    let candidates = candidates(project, paths, taken, &notes)?;
    let mut found = look(&candidates, taken);
    found.skipped.append(&mut notes.lock().unwrap_or_else(PoisonError::into_inner));
    found.files.sort();
    found.skipped.sort();
    Ok(found)
}

/// The files that are neither ignored nor left out by their name: their names and paths.
///
/// Whatever is named in `paths` is reached from the root, as if all of it was pushed: what is ignored, withheld or
/// vendored does not become a document by being named, such as by a pattern of the shell that matches too much.
///
/// # Errors
/// A path is not of this project, or the project is a folder of passwords and keys.
pub fn candidates(
    project: &Project,
    paths: &[PathBuf],
    taken: Taken,
    notes: &Notes,
) -> Result<Vec<(String, PathBuf)>, Failure> {
    check(project, paths)?;
    let mut candidates = Vec::new();
    let mut unmet: Vec<&PathBuf> = paths.iter().collect();
    for entry in walker(project, paths, taken, notes).build() {
        match entry {
            Ok(entry) => {
                unmet.retain(|path| !entry.path().starts_with(path));
                candidates.extend(candidate(project, &entry, taken, notes));
            }
            Err(error) => note(notes, "", &format!("{UNREADABLE}: {error}")),
        }
    }
    for path in unmet {
        note_unmet(project, path, notes);
    }
    candidates.sort();
    Ok(candidates)
}

fn check(project: &Project, paths: &[PathBuf]) -> Result<(), Failure> {
    let root = &project.root;
    if let Some(outside) = paths.iter().find(|path| !path.starts_with(root)) {
        return Err(Failure::new(Exit::Usage, format!("{} is not part of {}", outside.display(), root.display()))
            .advise("push each repository by itself"));
    }
    // A repository is somebody's work, wherever it lies.
    if !root.join(".git").exists() && uploads::is_withheld(&format!("{}/x", root.display())) {
        return Err(Failure::new(Exit::Usage, format!("{}: {WITHHELD}", root.display())));
    }
    Ok(())
}

/// Says why something that was named is not even looked at, unless that is said of a folder that it lies in.
fn note_unmet(project: &Project, path: &Path, notes: &Notes) {
    let name = shown(project, path);
    if path.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
        return note(notes, &name, GONE);
    }
    let is_noted = |noted: &Skipped| format!("{name}/").starts_with(&noted.name) && noted.name.ends_with('/');
    if notes.lock().unwrap_or_else(PoisonError::into_inner).iter().any(is_noted) {
        return;
    }
    note(notes, &name, if uploads::is_withheld(&format!("{name}/x")) { WITHHELD } else { IGNORED });
}

fn walker(project: &Project, paths: &[PathBuf], taken: Taken, notes: &Notes) -> WalkBuilder {
    let mut walker = WalkBuilder::new(&project.root);
    let (project, paths, notes) = (project.clone(), paths.to_vec(), Arc::clone(notes));
    walker
        .hidden(false)
        .require_git(false)
        // As git does: what lies above the repository says nothing about it.
        .parents(false)
        .follow_links(false)
        .add_custom_ignore_filename(IGNORE_FILE)
        .filter_entry(move |entry| is_meant(&paths, entry.path()) && enters(&project, entry, taken, &notes));
    walker
}

/// True for what is pushed, and for folders on the way there.
fn is_meant(paths: &[PathBuf], path: &Path) -> bool {
    paths.is_empty() || paths.iter().any(|named| path.starts_with(named) || named.starts_with(path))
}

/// False for folders that are passed by whole.
fn enters(project: &Project, entry: &DirEntry, taken: Taken, notes: &Notes) -> bool {
    if !entry.file_type().is_some_and(|kind| kind.is_dir()) || entry.path() == project.root {
        return true;
    }
    let folder = entry.file_name().to_string_lossy();
    let why = if entry.path().join(".git").exists() {
        Some("a repository of its own: push it by itself")
    } else if uploads::is_withheld(&format!("{folder}/x")) {
        // What version control and others keep for themselves is nobody's document: not even worth a note.
        return false;
    } else if taken.generated {
        None
    } else {
        rules::of_folder(&folder)
    };
    if let Some(why) = why {
        note(notes, &format!("{}/", shown(project, entry.path())), why);
    }
    why.is_none()
}

fn candidate(project: &Project, entry: &DirEntry, taken: Taken, notes: &Notes) -> Option<(String, PathBuf)> {
    let kind = entry.file_type()?;
    // In a worktree or a submodule `.git` is a file that says where the rest of it lies.
    if kind.is_dir() || entry.file_name() == ".git" {
        return None;
    }
    let shown = shown(project, entry.path());
    let name = match name(project, entry.path()) {
        Ok(name) => name,
        Err(why) => {
            note(notes, &shown, why);
            return None;
        }
    };
    let why = if kind.is_symlink() {
        Some(LINK)
    } else if !kind.is_file() {
        Some(NO_FILE)
    } else if !taken.secrets && uploads::is_withheld(&name) {
        Some(CALLED_SECRET)
    } else if taken.generated {
        None
    } else {
        rules::of_name(&name)
    };
    match why {
        Some(why) => note(notes, &shown, why),
        None => return Some((name, entry.path().to_owned())),
    }
    None
}

/// A file's path from the root as the server keeps it, or why it cannot.
fn name(project: &Project, path: &Path) -> Result<String, &'static str> {
    let below = path.strip_prefix(&project.root).map_err(|_| "it lies outside of the project")?;
    let parts: Option<Vec<&str>> = below.components().map(|part| part.as_os_str().to_str()).collect();
    let name = parts.ok_or(NOT_UTF8)?.join("/");
    if name.chars().any(char::is_control) {
        return Err("its name has characters that no line has");
    }
    if project.name.len() + 1 + name.len() > constants::TITLE_BYTES {
        return Err("its name is too long");
    }
    Ok(name)
}

fn shown(project: &Project, path: &Path) -> String {
    path.strip_prefix(&project.root).unwrap_or(path).display().to_string()
}

fn note(notes: &Notes, name: &str, why: &str) {
    let skipped = Skipped { name: name.to_owned(), why: why.to_owned() };
    notes.lock().unwrap_or_else(PoisonError::into_inner).push(skipped);
}

/// Looks into every file, on all processors.
fn look(candidates: &[(String, PathBuf)], taken: Taken) -> Found {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = candidates.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let parts: Vec<_> = candidates
            .chunks(share)
            .map(|part| {
                scope.spawn(move || {
                    let mut found = Found::default();
                    for (name, path) in part {
                        match read(path, taken) {
                            Ok(bytes) => found.files.push(file(name, path, &bytes)),
                            Err(why) => found.skipped.push(Skipped { name: name.clone(), why }),
                        }
                    }
                    found
                })
            })
            .collect();
        let mut whole = Found::default();
        for mut part in
            parts.into_iter().map(|part| part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        {
            whole.files.append(&mut part.files);
            whole.skipped.append(&mut part.skipped);
        }
        whole
    })
}

fn file(name: &str, path: &Path, bytes: &[u8]) -> File {
    File { name: name.to_owned(), path: path.to_owned(), bytes: bytes.len() as u64, blob: blob::hash(bytes) }
}

/// What a file holds, or why it is left out.
///
/// # Errors
/// Why.
pub fn read(path: &Path, taken: Taken) -> Result<Vec<u8>, String> {
    let unreadable = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => "gone while it was read".to_owned(),
        io::ErrorKind::PermissionDenied => format!("{UNREADABLE}: no permission"),
        _ if is_link(&error) => LINK.to_owned(),
        _ => format!("{UNREADABLE}: {error}"),
    };
    let limit = constants::DOCUMENT_BYTES as u64;
    let file = open(path).map_err(unreadable)?;
    // Of what was opened, not of the path: that may name something else by now.
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(NO_FILE.to_owned());
    }
    if metadata.len() > limit {
        return Err("longer than 4 MB".to_owned());
    }
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    let why = if bytes.len() as u64 > limit { Some("longer than 4 MB") } else { rules::of_bytes(&bytes) };
    let why = why.or_else(|| if taken.generated { None } else { rules::of_text(&bytes) });
    match why.map(str::to_owned).or_else(|| if taken.secrets { None } else { secret(&bytes) }) {
        Some(why) => Err(why),
        None => Ok(bytes),
    }
}

/// Opens a file that was found, whatever lies there by now: a link that has taken its place is not followed, and a
/// pipe not waited for.
fn open(path: &Path) -> io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NOFOLLOW | libc::O_NONBLOCK);
    options.open(path)
}

#[cfg(unix)]
fn is_link(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ELOOP)
}

#[cfg(not(unix))]
const fn is_link(_: &io::Error) -> bool {
    false
}

/// What is said of a text that holds a secret. The server refuses it as well: it is not even sent.
fn secret(bytes: &[u8]) -> Option<String> {
    let secret = secrets::find_unmarked(std::str::from_utf8(bytes).ok()?)?;
    Some(format!("{HOLDS_SECRET}: line {}, {}", secret.line, secret.rule))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder that is removed with the test.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("friend-files-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&folder);
            fs::create_dir_all(&folder).unwrap();
            Self(folder.canonicalize().unwrap())
        }

        fn write(&self, name: &str, text: &[u8]) {
            let file = self.0.join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }

        fn find(&self) -> Found {
            self.find_of(&[]).unwrap()
        }

        fn find_of(&self, names: &[&str]) -> Result<Found, Failure> {
            let project = Project { name: "p".into(), root: self.0.clone() };
            let paths: Vec<PathBuf> = names.iter().map(|name| self.0.join(name)).collect();
            find(&project, &paths, Taken::default())
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn names(found: &Found) -> Vec<&str> {
        found.files.iter().map(|file| file.name.as_str()).collect()
    }

    #[test]
    fn what_is_ignored_vendored_generated_or_secret_is_left_out_and_all_else_is_taken() {
        let folder = Folder::new("rules");
        folder.write(".gitignore", b"out/\n");
        folder.write(".friendignore", b"private.md\n");
        folder.write("src/main.rs", b"fn main() {}\n");
        folder.write(".github/ci.yml", b"on: push\n");
        for name in ["out/a.txt", "private.md", "node_modules/a/b.js", ".env", ".git", "Cargo.lock"] {
            folder.write(name, b"text\n");
        }
        folder.write("image.png", b"\x89PNG\0");
        folder.write("latin.txt", b"caf\xe9");
        folder.write("sub/.git", b"gitdir: elsewhere\n");
        folder.write("tree/.git/config", b"text\n");
        folder.write("tree/b.rs", b"fn b() {}\n");
        folder.write("sub/a.rs", b"fn a() {}\n");
        let found = folder.find();
        assert_eq!(names(&found), [".friendignore", ".github/ci.yml", ".gitignore", "src/main.rs"]);
        let skipped: Vec<&str> = found.skipped.iter().map(|skipped| skipped.name.as_str()).collect();
        assert_eq!(skipped, [".env", "Cargo.lock", "image.png", "latin.txt", "node_modules/", "sub/", "tree/"]);
    }

    #[test]
    fn what_is_left_out_stays_so_where_it_is_named() {
        let folder = Folder::new("named");
        folder.write(".gitignore", b"private.yaml\n/out\n*.log\n");
        folder.write("sub/.friendignore", b"here.md\n");
        let named = ["private.yaml", "out", "out/a.md", "sub/here.md", "sub/x.log", ".ssh/config", "vendor/x.rs"];
        for name in
            ["a.md", "sub/b.md", "sub/deep/c.md", "out/a.md"].iter().chain(&named).filter(|name| **name != "out")
        {
            folder.write(name, b"text\n");
        }
        let found = folder.find_of(&["sub/deep", "a.md", "sub/b.md"]).unwrap();
        assert_eq!((names(&found), found.skipped.len()), (vec!["a.md", "sub/b.md", "sub/deep/c.md"], 0));
        for name in named {
            let found = folder.find_of(&[name]).unwrap();
            let said: Vec<&str> = found.skipped.iter().map(|skipped| skipped.name.as_str()).collect();
            let expected = if name.starts_with("vendor") { "vendor/" } else { name };
            assert_eq!((names(&found), said), (vec![], vec![expected]), "{name}");
        }
        let found = folder.find_of(&["sub"]).unwrap();
        assert_eq!(names(&found), ["sub/.friendignore", "sub/b.md", "sub/deep/c.md"]);
    }

    #[test]
    fn a_folder_of_keys_is_no_project() {
        let folder = Folder::new("keys");
        folder.write(".ssh/config", b"Host a\n");
        let project = |root: PathBuf| Project { name: "p".into(), root };
        let found = |root: &str| find(&project(folder.0.join(root)), &[], Taken::default());
        assert_eq!(found(".ssh").unwrap_err().exit, Exit::Usage);
        folder.write(".aws/tools/.git/config", b"");
        folder.write(".aws/tools/a.md", b"text\n");
        assert_eq!(names(&found(".aws/tools").unwrap()), ["a.md"]);
    }

    #[cfg(unix)]
    #[test]
    fn links_that_lead_in_circles_and_names_that_are_no_text_do_no_harm() {
        use std::os::unix::ffi::OsStrExt as _;
        let folder = Folder::new("odd");
        folder.write("a.md", b"text\n");
        std::os::unix::fs::symlink(&folder.0, folder.0.join("loop")).unwrap();
        std::os::unix::fs::symlink("nowhere", folder.0.join("dangling")).unwrap();
        fs::write(folder.0.join(std::ffi::OsStr::from_bytes(b"caf\xe9.md")), "text").unwrap();
        folder.write("two\nlines.md", b"text\n");
        let found = folder.find();
        assert_eq!(names(&found), ["a.md"]);
        assert_eq!(found.skipped.len(), 4, "{:?}", found.skipped);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_or_a_pipe_in_the_place_of_a_file_is_neither_followed_nor_waited_for() {
        let folder = Folder::new("swapped");
        folder.write("elsewhere", b"of nobody's project\n");
        let (link, pipe) = (folder.0.join("link.md"), folder.0.join("pipe.md"));
        std::os::unix::fs::symlink(folder.0.join("elsewhere"), &link).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for (path, why) in [(link, LINK), (pipe, NO_FILE), (folder.0.clone(), NO_FILE)] {
            let (send, receive) = std::sync::mpsc::channel();
            std::thread::spawn(move || send.send(read(&path, Taken::default())));
            let read = receive.recv_timeout(std::time::Duration::from_secs(10)).expect(why);
            assert_eq!(read.unwrap_err(), why);
        }
    }

    #[test]
    fn a_file_that_goes_while_it_is_read_is_said_to_be_gone() {
        assert_eq!(read(Path::new("/nowhere/at/all"), Taken::default()).unwrap_err(), "gone while it was read");
    }
}
