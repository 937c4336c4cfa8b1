//! The fence between what is decided and where it runs: the pure crates know no platform, no clock, no
//! randomness, and nothing that is built on them. So all they do can be simulated.

use std::{error::Error, path::Path, process::Command};

use crate::{
    Finding,
    sources::Sources,
    syntax::{self, PathAt},
};

/// The pure crates, and which crates of the workspace each may know.
const PURE: [(&str, &[&str]); 6] = [
    ("tokenizer", &[]),
    ("pipeline", &["tokenizer"]),
    ("retrieval", &["tokenizer", "pipeline"]),
    ("uploads", &["tokenizer", "pipeline"]),
    ("producers", &["tokenizer", "pipeline", "retrieval", "uploads"]),
    ("consumers", &["tokenizer", "pipeline", "retrieval", "uploads"]),
];

/// The crates that are Workers.
const PLATFORM: [&str; 6] = ["cloudflare", "js-sys", "wasm-bindgen", "web-sys", "worker", "worker-sys"];

/// Clocks and randomness that are no port.
const UNFORESEEABLE: [&str; 9] = [
    "Instant::now",
    "OffsetDateTime::now_local",
    "OffsetDateTime::now_utc",
    "SystemTime::now",
    "UtcDateTime::now",
    "fastrand",
    "getrandom",
    "rand",
    "std::time::Instant",
];

/// What a crate is built of, other crates of the workspace included.
#[derive(Clone, Debug)]
pub struct Dependencies {
    /// The crate.
    pub of: String,
    /// The names of all it depends on, however far away; those of its tests and build aside.
    pub names: Vec<String>,
}

/// Asks Cargo what the pure crates are built of.
///
/// # Errors
///
/// Cargo does not run, or cannot say.
pub fn dependencies(root: &Path) -> Result<Vec<Dependencies>, Box<dyn Error>> {
    PURE.iter().map(|(of, _)| dependencies_of(root, of)).collect()
}

fn dependencies_of(root: &Path, of: &str) -> Result<Dependencies, Box<dyn Error>> {
    let options = ["tree", "--locked", "--edges", "normal", "--prefix", "none", "--format", "{lib}", "--package", of];
    let tree = Command::new(env!("CARGO")).args(options).current_dir(root).output()?;
    if !tree.status.success() {
        return Err(String::from_utf8_lossy(&tree.stderr).into());
    }
    let names = String::from_utf8(tree.stdout)?.lines().map(|name| name.replace('_', "-")).collect();
    Ok(Dependencies { of: of.to_owned(), names })
}

/// A finding for each dependency that a pure crate must not have.
pub fn forbidden_dependencies(crates: &[Dependencies]) -> Vec<Finding> {
    crates.iter().flat_map(forbidden_of).collect()
}

fn forbidden_of(dependencies: &Dependencies) -> Vec<Finding> {
    let of = dependencies.of.as_str();
    let manifest = format!("{of}/Cargo.toml");
    let Some((_, known)) = PURE.iter().find(|(pure, _)| *pure == of) else { return Vec::new() };
    let is_above = |name: &str| name != of && !known.contains(&name) && PURE.iter().any(|(pure, _)| *pure == name);
    let mut names: Vec<&str> = dependencies.names.iter().map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    let what = |name: &str| {
        if PLATFORM.contains(&name) {
            return Some(format!("depends on {name}; what only the platform can do is a port"));
        }
        is_above(name).then(|| format!("depends on {name}, which must not be known here; move what both need down"))
    };
    names.into_iter().filter_map(what).map(|what| Finding::new(&manifest, 0, what)).collect()
}

/// A finding for each clock and each source of randomness in a pure crate that is not a port; in their
/// tests too, which would not be repeatable.
pub fn clocks_and_randomness(sources: &Sources) -> Vec<Finding> {
    let is_pure = |path: &str| PURE.iter().any(|(pure, _)| path.starts_with(&format!("{pure}/src/")));
    let pure = sources.rust().filter(|(path, _)| is_pure(path));
    pure.flat_map(|(path, file)| {
        let unforeseeable = syntax::paths(file).into_iter().filter(is_unforeseeable);
        unforeseeable.map(move |found| {
            let what = format!("{} is no port; ask for `Clock` or `Random`", found.segments.join("::"));
            Finding::new(path, found.line, what)
        })
    })
    .collect()
}

fn is_unforeseeable(path: &PathAt) -> bool {
    let path = path.segments.join("::");
    UNFORESEEABLE.iter().any(|name| {
        let is_within = path.ends_with(&format!("::{name}")) || path.starts_with(&format!("{name}::"));
        path == *name || is_within
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources;

    fn forbidden(of: &str, names: &[&str]) -> usize {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        forbidden_dependencies(&[Dependencies { of: of.to_owned(), names }]).len()
    }

    #[test]
    fn a_platform_and_a_crate_above_are_found() {
        assert_eq!(forbidden("pipeline", &["pipeline", "serde", "js-sys", "js-sys"]), 1);
        assert_eq!(forbidden("retrieval", &["pipeline", "producers"]), 1);
        assert_eq!(forbidden("producers", &["consumers"]), 1);
    }

    #[test]
    fn what_may_be_known_is_fine() {
        assert_eq!(forbidden("pipeline", &["pipeline", "serde"]), 0);
        assert_eq!(forbidden("consumers", &["consumers", "pipeline", "retrieval", "serde"]), 0);
    }

    fn unforeseeable(text: &str) -> usize {
        clocks_and_randomness(&sources::of([("pipeline/src/lib.rs", text)])).len()
    }

    #[test]
    fn a_clock_and_randomness_are_found() {
        assert_eq!(unforeseeable("fn f() { std::time::SystemTime::now(); }"), 1);
        assert_eq!(unforeseeable("use std::time::Instant;"), 1);
        assert_eq!(unforeseeable("fn f() { println!(\"{}\", rand::random::<u8>()) }"), 1);
    }

    #[test]
    fn durations_and_ports_are_fine() {
        assert_eq!(unforeseeable("use std::time::Duration; fn f() { let brand = brand::new(); clock.now(); }"), 0);
    }
}
