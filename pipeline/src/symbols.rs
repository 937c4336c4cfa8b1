//! The names a piece of code defines: they make the best title of a chunk.
//!
//! As measured (docs/retrieval.md), the symbol's name and its camelCase parts in the weighted title
//! column are worth .02 to .04 nDCG on code.

use crate::identifiers;

/// Definitions one chunk's title names.
const NAMES: usize = 8;

/// Words that a definition's name follows, in the usual languages.
const KEYWORDS: [&str; 18] = [
    "fn",
    "def",
    "func",
    "function",
    "class",
    "struct",
    "enum",
    "trait",
    "interface",
    "type",
    "mod",
    "module",
    "impl",
    "macro_rules",
    "namespace",
    "record",
    "object",
    "proc",
];

/// The names defined in a piece of code, in order, each once.
pub fn defined_names(code: &str) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for line in code.lines() {
        let mut words = identifiers::words(line).take(6);
        // Modifiers such as `pub async` come before the keyword.
        if words.by_ref().any(|word| KEYWORDS.contains(&word)) {
            let is_comment = line.trim_start().starts_with(['/', '#', '*']);
            match words.next() {
                Some(name) if !is_comment && !names.contains(&name) => names.push(name),
                _ => {}
            }
        }
        if names.len() == NAMES {
            break;
        }
    }
    names
}

/// A code chunk's title for the index: the document's, the names it defines, and the parts of both.
pub fn indexed_title(title: &str, code: &str) -> String {
    let names = defined_names(code).join(" ");
    let parts = [identifiers::camel_case_parts(title), identifiers::camel_case_parts(&names)];
    let all = [title, &names, &parts[0], &parts[1]];
    all.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_in_the_usual_languages() {
        let code = "pub async fn fetch_page() {}\n  def writeBoolean(self, n):\nexport class PageCache {\n\
            func (s *Server) Start() {}\ninterface Reader {}\n// fn commented()\nimpl Reader for X {}";
        assert_eq!(defined_names(code), ["fetch_page", "writeBoolean", "PageCache", "s", "Reader"]);
    }

    #[test]
    fn a_title_has_the_parts_too() {
        assert_eq!(indexed_title("io.py", "def writeBoolean(self): pass"), "io.py writeBoolean write Boolean");
    }
}
