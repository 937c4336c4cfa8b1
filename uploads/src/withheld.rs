//! What comes along with a folder and is not meant to be read by anybody else: files of passwords and keys, what
//! version control keeps for itself, and secrets in any other text. Whoever sends them by intent says so
//! (`?allow_secrets=true`).

use pipeline::{
    problem::{Code, Problem},
    secrets,
};

use crate::parse::{DocumentInput, Item};

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

/// Refuses each of these documents that is called like one of those, or holds a secret; all others are left as they
/// are.
pub fn withhold(items: &mut [Item]) {
    for item in items {
        let Ok(document) = &item.document else { continue };
        let Some((field, detail)) = by_name(document).or_else(|| by_text(document)) else { continue };
        let problem = Problem::field(Code::HoldsSecret, format!("{}/{field}", item.pointer), detail);
        // What became of a document is kept under its name.
        item.name = document.external_id.as_deref().map(|name| secrets::withhold(name).into_owned());
        item.document = Err(problem);
    }
}

/// The field that says what the document is, and what to do about it.
type Reason = (&'static str, String);

fn by_name(document: &DocumentInput) -> Option<Reason> {
    let detail = "it looks like passwords, keys, or what version control keeps for itself: leave it out, or insist on \
                  it with ?allow_secrets=true";
    is_withheld(document.external_id.as_deref()?).then(|| ("external_id", detail.to_owned()))
}

/// What is stored of a document beside its text counts as well. Bytes that are no text are refused for that.
fn by_text(document: &DocumentInput) -> Option<Reason> {
    let metadata = document.metadata.as_ref().and_then(|metadata| serde_json::to_string(metadata).ok());
    let content = std::str::from_utf8(&document.content.0).ok();
    let tags = document.tags.join("\n");
    let fields = [
        ("content", content),
        ("external_id", document.external_id.as_deref()),
        ("title", document.title.as_deref()),
        ("tags", Some(tags.as_str())),
        ("metadata", metadata.as_deref()),
    ];
    fields.into_iter().find_map(|(field, text)| {
        let secret = secrets::find_unmarked(text?)?;
        let said = secret.described();
        let detail = format!(
            "{said}: take it out, say gitleaks:allow on that line if it is none, or insist with ?allow_secrets=true"
        );
        Some((field, detail))
    })
}

/// True for what is called like one of those: `friend push` does not even read it. Spaces and dots at the end of a name
/// are nothing to systems that leave them out.
pub fn is_withheld(name: &str) -> bool {
    let name = name.to_lowercase().replace('\\', "/");
    let is_nothing = |character: char| character.is_whitespace() || character == '.';
    let mut parts = name.split('/').map(|part| part.trim_start().trim_end_matches(is_nothing)).rev();
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
    fn a_document_that_holds_a_secret_is_refused_by_rule_and_line_and_never_by_the_secret() {
        let secret = format!("ghp_{}", "k3Vq9XzR7bTn2LmW8sYd".repeat(2));
        let with = |field: &str| {
            let mut document = DocumentInput {
                external_id: Some("a.md".into()),
                content: crate::parse::Content("one\ntwo".into()),
                ..DocumentInput::default()
            };
            match field {
                "content" => document.content = crate::parse::Content(format!("one\ntwo {secret}\n").into()),
                "external_id" => document.external_id = Some(format!("{secret}.md")),
                "title" => document.title = Some(secret.clone()),
                _ => document.metadata = Some(serde_json::Map::from_iter([("a".to_owned(), secret.clone().into())])),
            }
            vec![Item { pointer: "/3".into(), document: Ok(document), name: None }]
        };
        for (field, line) in [("content", 2), ("external_id", 1), ("title", 1), ("metadata", 1)] {
            let mut items = with(field);
            withhold(&mut items);
            let problem = items[0].document.as_ref().unwrap_err();
            assert_eq!((problem.status, problem.code.as_str()), (422, "holds_secret"), "{field}");
            assert_eq!(problem.errors[0].pointer, format!("/3/{field}"));
            assert!(problem.detail.starts_with(&format!("line {line} holds")), "{}", problem.detail);
            assert!(problem.detail.contains("github-pat") && problem.detail.contains("allow_secrets=true"));
            assert!(!format!("{items:?}").contains(&secret), "{field}: what is said of it holds the secret");
        }
        let mut items = with("content");
        items[0].document.as_mut().unwrap().content = crate::parse::Content(vec![0xff, 0xfe, b'a'].into());
        withhold(&mut items);
        assert!(items[0].document.is_ok(), "what is no text is refused for that");
    }

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
            ".env ",
            "app/ .env.",
            "id_rsa\u{a0}",
            ".git /config",
        ] {
            assert!(is_withheld(name), "{name}");
        }
        for name in ["", "env", ".env.example", "src/git.rs", ".github/workflows/ci.yml", ".gitignore", "docs/pem.md"] {
            assert!(!is_withheld(name), "{name}");
        }
    }
}
