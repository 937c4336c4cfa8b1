//! Terms that cut a full-text query down to what it should see.
//!
//! Every chunk's row in the index has a `scope` column with one term for its type and language, and one per tag. A
//! query ANDs the terms it wants, so that what it does not want is never ranked. The join on owner, tombstone and
//! revision still decides what is visible.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// A set of scope terms; none for whatever a user has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope(Vec<String>);

impl Scope {
    /// Of a document, as it is indexed.
    pub fn of_document(kind: &str, language: Option<&str>, tags: &[String]) -> Self {
        tags.iter().fold(Self::default().kind(Some(kind)).language(language), |scope, tag| scope.tag(tag))
    }

    /// Narrowed to a type.
    #[must_use]
    pub fn kind(self, kind: Option<&str>) -> Self {
        self.with('t', kind)
    }

    /// Narrowed to a language.
    #[must_use]
    pub fn language(self, language: Option<&str>) -> Self {
        self.with('l', language)
    }

    /// Narrowed to a tag.
    #[must_use]
    pub fn tag(self, tag: &str) -> Self {
        self.with('g', Some(tag))
    }

    /// The terms with spaces between, as the index stores them.
    pub fn terms(&self) -> String {
        self.0.join(" ")
    }

    /// The beginning of an FTS5 expression that demands every term; nothing for none.
    pub fn expression(&self) -> String {
        let mut expression = String::new();
        for term in &self.0 {
            // Writing to a String cannot fail.
            let _ = write!(expression, "scope : \"{term}\" AND ");
        }
        expression
    }

    /// A term must survive the tokenizer and the stemmer whatever a user's words are: a letter and
    /// the first 64 bits of their hash in decimal digits, which no stemmer touches.
    fn with(mut self, letter: char, word: Option<&str>) -> Self {
        if let Some(word) = word {
            let digest = Sha256::digest(word.to_lowercase().as_bytes());
            let number = digest.iter().take(8).fold(0u64, |number, byte| number << 8 | u64::from(*byte));
            self.0.push(format!("{letter}{number}"));
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_scope_is_part_of_its_documents_scope() {
        let tags = ["alpha beta\" OR x".to_owned()];
        let document = Scope::of_document("code", Some("rust"), &tags);
        let query = Scope::default().kind(Some("Code")).tag(&tags[0]);
        let stored: Vec<String> = document.terms().split(' ').map(str::to_owned).collect();
        assert!(query.0.iter().all(|term| stored.contains(term)));
        assert!(query.expression().starts_with("scope : \"t") && query.expression().ends_with("\" AND "));
        assert_eq!(Scope::default().expression(), "");
        assert!(stored.iter().all(|term| term.bytes().skip(1).all(|byte| byte.is_ascii_digit())));
    }
}
