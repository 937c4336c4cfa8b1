//! Two hundred real files of several kinds that are on any machine that built this.
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test that cannot go on fails")]

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use local_dev::{client::Upload, product::root};

const LARGEST: u64 = 24_000;

/// Files of a kind, spread evenly over what is there: from this repository, from the sources of its
/// dependencies, and from the HTML that comes with Rust where it is installed.
pub fn mixed(count: usize) -> Vec<Upload> {
    let cargo = std::env::var_os("CARGO_HOME").map_or_else(|| home().join(".cargo"), PathBuf::from);
    let mut all = Vec::new();
    collect(&cargo.join("registry/src"), &mut all);
    collect(&root().join("pipeline"), &mut all);
    collect(&root().join("migrations"), &mut all);
    if let Some(documentation) = rust_documentation() {
        collect(&documentation, &mut all);
    }
    all.sort();
    let kinds: [(&str, usize); 7] =
        [("rs", 80), ("md", 50), ("html", 25), ("toml", 20), ("json", 10), ("txt", 5), ("sql", 4)];
    let mut files: Vec<Upload> = Vec::new();
    for (extension, share) in kinds {
        let of_kind: Vec<&PathBuf> =
            all.iter().filter(|path| path.extension().is_some_and(|found| found == extension)).collect();
        files.extend(spread(&of_kind, share * count / 200));
    }
    // Where a kind is missing, more source code takes its place.
    let sources: Vec<&PathBuf> =
        all.iter().filter(|path| path.extension().is_some_and(|found| found == "rs")).collect();
    let mut seen: std::collections::HashSet<String> = files.iter().map(|file| file.path.clone()).collect();
    for file in spread(&sources, count * 2) {
        if files.len() < count && seen.insert(file.path.clone()) {
            files.push(file);
        }
    }
    assert_eq!(files.len(), count, "there are not enough files on this machine");
    files
}

/// The text files of this repository that git knows, by their paths; none where git is not there to be asked.
pub fn tracked() -> Vec<(String, String)> {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output();
    let listed = listed.ok().filter(|output| output.status.success()).map(|output| output.stdout).unwrap_or_default();
    let paths = listed.split(|byte| *byte == 0).filter_map(|path| std::str::from_utf8(path).ok());
    paths.filter_map(|path| Some((path.to_owned(), fs::read_to_string(root().join(path)).ok()?))).collect()
}

fn home() -> PathBuf {
    PathBuf::from(std::env::var_os("HOME").unwrap())
}

/// The HTML documentation of the toolchain, if rustup installed it.
pub fn rust_documentation() -> Option<PathBuf> {
    let rustup = std::env::var_os("RUSTUP_HOME").map_or_else(|| home().join(".rustup"), PathBuf::from);
    let toolchains = fs::read_dir(rustup.join("toolchains")).ok()?;
    let documentation = |entry: fs::DirEntry| entry.path().join("share/doc/rust/html/book");
    toolchains.filter_map(Result::ok).map(documentation).find(|path| path.is_dir())
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.filter_map(Result::ok) {
        let path = entry.path();
        let Ok(kind) = entry.metadata() else { continue };
        if kind.is_dir() {
            collect(&path, found);
        } else if kind.is_file() && (200..LARGEST).contains(&kind.len()) {
            found.push(path);
        }
    }
}

fn spread(paths: &[&PathBuf], count: usize) -> Vec<Upload> {
    let step = (paths.len() / count.max(1)).max(1);
    paths
        .iter()
        .step_by(step)
        .filter_map(|path| {
            let content = fs::read(path).ok()?;
            let is_text =
                std::str::from_utf8(&content).is_ok_and(|text| !text.contains('\0') && !text.trim().is_empty());
            is_text.then(|| Upload { path: path.to_string_lossy().trim_start_matches('/').to_owned(), content })
        })
        .take(count)
        .collect()
}

/// A sentence from the middle of a file that no other file holds, and the file it is from.
#[derive(Clone, Debug)]
pub struct Needle {
    /// The file.
    pub path: String,
    /// The sentence.
    pub sentence: String,
}

/// Sentences of eight words or more from the middle of as many files as have one.
pub fn needles(files: &[Upload]) -> Vec<Needle> {
    let mut owners: HashMap<&str, usize> = HashMap::new();
    for file in files {
        let text = std::str::from_utf8(&file.content).unwrap();
        let lines: std::collections::HashSet<&str> = text.lines().map(str::trim).collect();
        for line in lines {
            *owners.entry(line).or_default() += 1;
        }
    }
    let is_telling = |line: &str| {
        owners[line] == 1
            && !line.contains(['<', '>', '{', '}', '|', '='])
            && (8..30).contains(
                &line
                    .split_whitespace()
                    .filter(|word| {
                        word.len() > 2 && word.chars().all(|letter| letter.is_ascii_alphabetic() || letter == ',')
                    })
                    .count(),
            )
    };
    files
        .iter()
        .filter_map(|file| {
            let text = std::str::from_utf8(&file.content).unwrap();
            let lines: Vec<&str> = text.lines().map(str::trim).collect();
            let middle = &lines[lines.len() / 3..];
            let sentence = middle.iter().find(|line| is_telling(line))?;
            Some(Needle { path: file.path.clone(), sentence: (*sentence).to_owned() })
        })
        .collect()
}
