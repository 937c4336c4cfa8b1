//! `local/setup/lint.sh` with programs in a folder that stand in for cargo, cargo-deny and the others.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use local_dev::product::root;

/// A checkout whose tools write down how they are called.
struct Checkout(PathBuf);

impl Checkout {
    /// `fetch` is what cargo-deny does when it shall fetch the database.
    fn new(name: &str, fetch: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("lint").join(name);
        let _ = fs::remove_dir_all(&folder);
        for part in ["local/setup", ".tools/bin"] {
            fs::create_dir_all(folder.join(part)).unwrap();
        }
        let place = Path::new("local/setup/lint.sh");
        fs::copy(root().join(place), folder.join(place)).unwrap();
        let checkout = Self(folder);
        checkout.tool("cargo-deny", &format!("case \"$*\" in *'fetch db'*) {fetch};; esac"));
        for name in ["cargo", "cargo-shear", "typos"] {
            checkout.tool(name, "true");
        }
        checkout
    }

    fn tool(&self, name: &str, does: &str) {
        let path = self.0.join(".tools/bin").join(name);
        fs::write(&path, format!("#!/bin/bash\necho \"$(basename \"$0\") $*\" >>calls\n{does}\n")).unwrap();
        Command::new("chmod").arg("+x").arg(path).status().unwrap();
    }

    /// What it printed, and the calls of cargo-deny, once it was well.
    fn lint(&self) -> (String, Vec<String>) {
        let _ = fs::remove_file(self.0.join("calls"));
        let script = self.0.join("local/setup/lint.sh");
        let done = Command::new("bash").arg(script).env("ADVISORIES_SECONDS", "1").output().unwrap();
        let printed = String::from_utf8(done.stderr).unwrap();
        assert!(done.status.success(), "{printed}");
        let calls = fs::read_to_string(self.0.join("calls")).unwrap();
        (printed, calls.lines().filter(|call| call.starts_with("cargo-deny")).map(str::to_owned).collect())
    }
}

const LEFT_OUT: &str = "known vulnerabilities: left out";

#[test]
fn known_vulnerabilities_are_fetched_once_a_day_and_checked() {
    let checkout =
        Checkout::new("fetched", "mkdir -p .tools/advisories/db/.git; touch .tools/advisories/db/.git/index");
    let (printed, calls) = checkout.lint();
    assert!(!printed.contains(LEFT_OUT), "{printed}");
    assert_eq!(calls.len(), 2, "{calls:?}");
    assert!(calls[1].ends_with("licenses bans sources advisories"), "{calls:?}");
    let (_, again) = checkout.lint();
    assert_eq!(again, calls[1..], "the same day nothing is fetched, and all is checked");
}

#[test]
fn a_database_that_cannot_be_had_is_named_and_waited_for_once_a_day() {
    for (name, fetch) in [("refused", "exit 1"), ("silent", "exec sleep 600")] {
        let checkout = Checkout::new(name, fetch);
        let (printed, calls) = checkout.lint();
        assert!(printed.contains("cannot be fetched") && printed.contains(LEFT_OUT), "{name}: {printed}");
        assert!(calls.len() == 2 && calls[1].ends_with("licenses bans sources"), "{name}: {calls:?}");
        let (printed, again) = checkout.lint();
        assert!(printed.contains(LEFT_OUT), "{name}: {printed}");
        assert_eq!(again, calls[1..], "{name}");
    }
}
