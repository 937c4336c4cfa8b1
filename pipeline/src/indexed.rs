//! What the full-text index says of a chunk beside its text: one rule for the stage that makes chunks and for whatever
//! indexes them anew.

use serde::Serialize;

use crate::{identifiers, scope::Scope, symbols, unspaced};

/// True for a document whose words are names in code: code, and data.
pub fn is_code(kind: &str, media_type: &str) -> bool {
    match media_type {
        "text/markdown" | "text/html" => false,
        "application/json" | "text/csv" => true,
        _ => kind == "code",
    }
}

/// A document as its chunks are indexed.
#[derive(Clone, Debug)]
pub struct IndexedDocument<'a> {
    title: &'a str,
    is_code: bool,
    scope: String,
}

/// What describes a document.
#[derive(Clone, Copy, Debug)]
pub struct Description<'a> {
    /// Its title.
    pub title: Option<&'a str>,
    /// `code`, `doc` or `conversation`.
    pub kind: &'a str,
    /// Programming or natural language.
    pub language: Option<&'a str>,
    /// As extraction and splitting know it.
    pub media_type: &'a str,
    /// Words to filter by (JSON).
    pub tags: &'a str,
}

impl<'a> IndexedDocument<'a> {
    /// Of a document that is described so.
    pub fn of(described: Description<'a>) -> Self {
        let Description { title, kind, language, media_type, tags } = described;
        let tags: Vec<String> = serde_json::from_str(tags).unwrap_or_default();
        Self {
            title: title.unwrap_or_default(),
            is_code: is_code(kind, media_type),
            scope: Scope::of_document(kind, language, &tags).terms(),
        }
    }

    /// The terms that cut a query down to what it should see.
    pub fn scope(&self) -> &str {
        &self.scope
    }

    /// The title as it is searched with a chunk of this text: the symbols that it defines, and what words all of it
    /// consists of, stand beside it.
    pub fn title(&self, text: &str) -> String {
        let title = if self.is_code { symbols::indexed_title(self.title, text) } else { self.title.to_owned() };
        unspaced::with_indexed(title)
    }

    /// What is searched beside a chunk's text: parts of its words, where they are names in code or sentences without
    /// spaces.
    pub fn parts(&self, text: &str) -> String {
        let of_names = if self.is_code { identifiers::camel_case_parts(text) } else { String::new() };
        let parts = [of_names, unspaced::indexed(text)];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
    }
}

/// What a full-text row that is made anew says beside its text; a memory's has no more than parts.
#[derive(Clone, Debug, Serialize)]
pub struct IndexedRow {
    /// The number of the chunk or memory.
    pub id: i64,
    /// The terms that cut a query down to what it should see.
    pub scope: String,
    /// What is searched as its title.
    pub title: String,
    /// The parts of its words.
    pub parts: String,
}
