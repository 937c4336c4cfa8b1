//! What a document is, from its name and its first bytes.

use pipeline::problem::{Code, Problem};

/// What a file name's ending says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Media {
    /// Media type, as extraction and splitting know it.
    pub media_type: &'static str,
    /// `code` or `doc`.
    pub kind: &'static str,
    /// Programming language, if it is code.
    pub language: Option<&'static str>,
}

const PLAIN: Media = Media { media_type: "text/plain", kind: "doc", language: None };
const SOURCE: &str = "text/x-source";

const DOCUMENTS: [(&str, &[&str]); 5] = [
    ("text/markdown", &["md", "markdown", "mdx", "qmd"]),
    ("text/html", &["html", "htm", "xhtml"]),
    ("application/json", &["json", "jsonl", "ndjson", "geojson"]),
    ("text/csv", &["csv", "tsv"]),
    ("text/plain", &["txt", "text", "rst", "adoc", "org", "tex", "log"]),
];

const LANGUAGES: [(&str, &[&str]); 34] = [
    ("rust", &["rs"]),
    ("python", &["py", "pyi"]),
    ("javascript", &["js", "mjs", "cjs", "jsx"]),
    ("typescript", &["ts", "mts", "cts", "tsx"]),
    ("go", &["go"]),
    ("java", &["java"]),
    ("kotlin", &["kt", "kts"]),
    ("c", &["c", "h"]),
    ("cpp", &["cc", "cpp", "cxx", "hpp", "hh", "hxx"]),
    ("csharp", &["cs"]),
    ("ruby", &["rb", "rake"]),
    ("php", &["php"]),
    ("swift", &["swift"]),
    ("scala", &["scala", "sc"]),
    ("shell", &["sh", "bash", "zsh", "fish"]),
    ("powershell", &["ps1"]),
    ("sql", &["sql"]),
    ("css", &["css", "scss", "less"]),
    ("vue", &["vue"]),
    ("svelte", &["svelte"]),
    ("yaml", &["yaml", "yml"]),
    ("toml", &["toml"]),
    ("xml", &["xml", "xsd", "svg"]),
    ("lua", &["lua"]),
    ("perl", &["pl", "pm"]),
    ("r", &["r"]),
    ("julia", &["jl"]),
    ("haskell", &["hs"]),
    ("ocaml", &["ml", "mli"]),
    ("elixir", &["ex", "exs"]),
    ("erlang", &["erl", "hrl"]),
    ("zig", &["zig"]),
    ("protobuf", &["proto"]),
    ("make", &["mk", "cmake"]),
];

/// What the ending of a path says; plain text if it says nothing.
pub fn by_name(path: &str) -> Media {
    let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending).to_lowercase();
    if matches!(name, "Makefile" | "Dockerfile" | "Justfile") {
        return Media { media_type: SOURCE, kind: "code", language: Some("make") };
    }
    if let Some((media_type, _)) = DOCUMENTS.iter().find(|(_, endings)| endings.contains(&ending.as_str())) {
        return Media { media_type, kind: "doc", language: None };
    }
    match LANGUAGES.iter().find(|(_, endings)| endings.contains(&ending.as_str())) {
        Some((language, _)) => Media { media_type: SOURCE, kind: "code", language: Some(language) },
        None => PLAIN,
    }
}

/// What [`by_media_type`] takes, as a regular expression; it takes the same in capital letters.
pub fn pattern() -> String {
    let mut media_types: Vec<&str> = DOCUMENTS.iter().map(|(media_type, _)| *media_type).collect();
    media_types.push(SOURCE);
    format!(r"^\s*({})\s*(;.*)?$", media_types.join("|"))
}

/// A media type that a client named, if it is one that is indexed.
pub fn by_media_type(given: &str) -> Option<&'static str> {
    let essence = given.split(';').next().unwrap_or_default().trim().to_lowercase();
    match essence.as_str() {
        "text/x-source" => Some(SOURCE),
        "text/plain" => Some("text/plain"),
        other => DOCUMENTS.iter().map(|(media_type, _)| *media_type).find(|media_type| *media_type == other),
    }
}

/// A document's bytes as text, or why they are none: what they are is named, so that the tenant
/// knows what to convert.
pub fn text(bytes: &[u8]) -> Result<&str, Problem> {
    if bytes.is_empty() {
        return Err(Problem::new(Code::Invalid, "the document is empty: send its text, or leave it out"));
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(unsupported("UTF-16 text; convert it to UTF-8"));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| match infer::get(bytes) {
        Some(kind) => unsupported(kind.mime_type()),
        None => unsupported(&format!("not UTF-8 text (the first invalid byte is at offset {})", error.valid_up_to())),
    })?;
    if let Some(offset) = text.find('\0') {
        return Err(unsupported(&match infer::get(bytes) {
            Some(kind) => kind.mime_type().to_owned(),
            None => format!("binary (a NUL byte at offset {offset}); UTF-16 must be converted to UTF-8"),
        }));
    }
    if text.starts_with("%PDF-") {
        return Err(unsupported("application/pdf"));
    }
    if text.trim_start_matches('\u{feff}').trim().is_empty() {
        return Err(Problem::new(Code::Invalid, "the document holds only white space: send its text, or leave it out"));
    }
    Ok(text)
}

fn unsupported(what: &str) -> Problem {
    Problem::new(
        Code::UnsupportedType,
        format!("only text is indexed (Markdown, plain text, source code, HTML, JSON, CSV); this is {what}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_and_language_follow_from_names() {
        assert_eq!(by_name("src/lib.rs").language, Some("rust"));
        assert_eq!(by_name("docs/Guide.MD").media_type, "text/markdown");
        assert_eq!(by_name("README"), PLAIN);
        assert_eq!(by_name("Makefile").kind, "code");
        assert_eq!(by_media_type("Text/HTML; charset=utf-8"), Some("text/html"));
        assert_eq!(by_media_type("image/png"), None);
    }

    #[test]
    fn what_is_not_text_is_named() {
        let detail = |bytes: &[u8]| text(bytes).unwrap_err().detail;
        assert!(detail(b"\x89PNG\r\n\x1a\n\0\0").contains("image/png"));
        assert!(detail(b"%PDF-1.7\n%abc").contains("application/pdf"));
        assert!(detail(b"\xff\xfea\0").contains("UTF-16"));
        assert!(detail(b"a\0b").contains("NUL byte at offset 1"));
        assert!(detail(b"abc\xff").contains("offset 3"));
        assert!(detail(b" \n").contains("white space"));
        assert!(detail(b"").contains("empty"));
        assert_eq!(text("naïve".as_bytes()).unwrap(), "naïve");
    }
}
