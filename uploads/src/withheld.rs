//! Files that come along with a folder and are not meant to be read by anybody else: passwords, keys, and what version
//! control keeps for itself. Whoever sends them by intent says so (`?allow_secrets=true`).

use pipeline::problem::{Code, Problem};

use crate::parse::Item;

/// Folders of which nothing is taken.
const FOLDERS: [&str; 8] = [".git", ".hg", ".svn", ".ssh", ".gnupg", ".aws", ".docker", ".kube"];
/// Files that hold passwords and keys by their name alone.
const FILES: [&str; 12] = [
    ".env",
    ".envrc",
    ".netrc",
    ".pgpass",
    ".npmrc",
    ".pypirc",
    ".htpasswd",
    ".git-credentials",
    "id_rsa",
    "id_dsa",
    "id_ecdsa",
    "id_ed25519",
];
/// Endings of files that hold keys.
const ENDINGS: [&str; 6] = [".pem", ".key", ".p12", ".pfx", ".keystore", ".jks"];
/// What follows `.env.` in files that are meant to be copied and filled in.
const SAMPLES: [&str; 4] = ["example", "sample", "template", "dist"];

/// Refuses each of these documents that is called like one of those; all others are left as they are.
pub fn withhold(items: &mut [Item]) {
    for item in items.iter_mut().filter(|item| item.document.is_ok()) {
        let name = item.external_id().unwrap_or_default().to_owned();
        if is_withheld(&name) {
            let detail = "it looks like passwords, keys, or what version control keeps for itself: leave it out, or \
                          insist on it with ?allow_secrets=true";
            let pointer = format!("{}/external_id", item.pointer);
            item.document = Err(Problem::field(Code::Invalid, pointer, detail));
            item.name = Some(name);
        }
    }
}

/// True for what is called like one of those: `friend push` does not even read it.
pub fn is_withheld(name: &str) -> bool {
    let name = name.to_lowercase().replace('\\', "/");
    let mut parts = name.split('/').rev();
    let file = parts.next().unwrap_or_default();
    let is_environment = file.strip_prefix(".env.").is_some_and(|kind| !SAMPLES.contains(&kind));
    is_environment
        || FILES.contains(&file)
        || ENDINGS.iter().any(|ending| file.ends_with(ending))
        || parts.any(|folder| FOLDERS.contains(&folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_passwords_and_keys_is_withheld_by_its_name() {
        for name in [
            ".env",
            "app/.env",
            ".env.production",
            ".git/config",
            "a/.git/objects/1f/2e",
            ".ssh/id_ed25519.pub",
            "deploy/id_rsa",
            "certs/Server.PEM",
            "tls/site.key",
            ".docker/config.json",
            "C:\\Users\\ada\\.aws\\credentials",
        ] {
            assert!(is_withheld(name), "{name}");
        }
        for name in ["", "env", ".env.example", "src/git.rs", ".github/workflows/ci.yml", ".gitignore", "docs/pem.md"] {
            assert!(!is_withheld(name), "{name}");
        }
    }
}
