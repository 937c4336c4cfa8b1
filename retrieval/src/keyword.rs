//! A query in a user's words to an FTS5 expression in which nothing of it is syntax.

use std::collections::HashSet;

use pipeline::{identifiers, scope::Scope};

/// English words that say nothing about a document, question words included: docs/retrieval.md.
const STOP_WORDS: [&str; 97] = [
    "a", "about", "after", "all", "also", "am", "an", "and", "any", "are", "as", "at", "be", "because", "been",
    "before", "being", "between", "both", "but", "by", "can", "could", "did", "do", "does", "doing", "for", "from",
    "had", "has", "have", "having", "he", "her", "him", "his", "how", "i", "if", "in", "into", "is", "it", "its",
    "just", "me", "my", "no", "nor", "not", "of", "on", "or", "our", "out", "she", "should", "so", "some", "such",
    "than", "that", "the", "their", "them", "then", "there", "these", "they", "this", "those", "through", "to", "too",
    "under", "until", "up", "very", "was", "we", "were", "what", "when", "where", "which", "while", "who", "whom",
    "why", "will", "with", "would", "you", "your", "yours", "us",
];

/// Most terms of one query: beyond them a longer query ranks no better and costs more.
const TERMS: usize = 64;

/// The words a query is looked for by: each word and, of camelCase and `snake_case` words, their
/// parts; lower case, each once, without stop words unless there is nothing else. Of a long query the first.
pub fn terms(query: &str) -> Vec<String> {
    let mut seen = HashSet::new();
    let (mut significant, mut others) = (Vec::new(), Vec::new());
    for term in terms_of_text(query) {
        if significant.len() == TERMS {
            break;
        }
        if term.is_empty() || !seen.insert(term.clone()) {
            continue;
        }
        if !STOP_WORDS.contains(&term.as_str()) {
            significant.push(term);
        } else if others.len() < TERMS {
            others.push(term);
        }
    }
    if significant.is_empty() { others } else { significant }
}

/// The lower-cased words of a text, identifiers whole and in parts.
pub fn terms_of_text(text: &str) -> impl Iterator<Item = String> {
    identifiers::words(text).flat_map(|word| {
        let parts = if is_plain(word) { Vec::new() } else { identifiers::parts(word) };
        let whole = (parts.len() != 1).then_some(word);
        whole.into_iter().chain(parts).map(str::to_lowercase)
    })
}

/// True for most words: what has no parts is not looked at character by character.
fn is_plain(word: &str) -> bool {
    word.bytes().skip(1).all(|byte| byte.is_ascii_lowercase())
        && word.starts_with(|first: char| first.is_ascii_alphabetic())
}

/// The FTS5 expression for a query within a scope, looked for in some columns (`title body`); `None`
/// if the query holds no word.
pub fn expression(scope: &Scope, columns: &str, query: &str) -> Option<String> {
    // A word holds letters, digits and underscores only, so that quoting it needs no escape.
    let quoted: Vec<String> = terms(query).iter().map(|term| format!("\"{term}\"")).collect();
    if quoted.is_empty() {
        return None;
    }
    Some(format!("{} AND {{{columns}}} : ({})", scope.expression(), quoted.join(" OR ")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rusqlite::Connection;

    use super::*;

    #[test]
    fn words_and_their_parts() {
        assert_eq!(
            terms("How do I call readHttpHeader in the read_file API?"),
            ["call", "readhttpheader", "read", "http", "header", "read_file", "file", "api"]
        );
        assert_eq!(terms("what is it"), ["what", "is", "it"]);
        assert_eq!(terms("_private HTTP x1 Straße"), ["private", "http", "x1", "straße"]);
        let long: String = (0..100).map(|number| format!("the word{number}")).collect::<Vec<_>>().join(" ");
        assert_eq!((terms(&long).len(), terms(&long)[63].as_str()), (64, "word63"));
        assert!(terms("?! ()").is_empty());
    }

    proptest! {
        /// Whatever is asked, FTS5 takes it as words.
        #[test]
        fn nothing_in_a_query_is_syntax(
            query in "(\\PC{0,20}|\"|\\*|NEAR|AND|OR|NOT|\\(|\\)|:|\\^|-|\\+|title){0,20}",
        ) {
            let connection = Connection::open_in_memory().unwrap();
            let schema = "CREATE VIRTUAL TABLE t USING fts5(scope, title, body, ident, tokenize='porter unicode61')";
            connection.execute_batch(schema).unwrap();
            if let Some(expression) = expression(&Scope::of_user(1), "title body ident", &query) {
                let count = "SELECT count(*) FROM t WHERE t MATCH ?1";
                let found: i64 = connection.query_row(count, [&expression], |row| row.get(0)).unwrap();
                prop_assert_eq!(found, 0);
            }
        }
    }
}
