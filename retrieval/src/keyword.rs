//! A query in a user's words to an FTS5 expression in which nothing of it is syntax.

use std::collections::HashSet;

use pipeline::{identifiers, scope::Scope, unspaced};

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

/// The words a query is looked for by: each word and, of camelCase and `snake_case` words and of sentences without
/// spaces, their parts; lower case, each once, without stop words unless there is nothing else. Of a long query the
/// first.
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

/// The lower-cased words of a text, identifiers whole and in parts, then the parts of sentences without spaces. These
/// stand there whole, too: documents that earlier versions indexed are found by nothing else.
pub fn terms_of_text(text: &str) -> impl Iterator<Item = String> {
    let words = identifiers::words(text).flat_map(|word| {
        let parts = if is_plain(word) { Vec::new() } else { identifiers::parts(word) };
        let whole = (parts.len() != 1).then_some(word);
        whole.into_iter().chain(parts).map(str::to_lowercase)
    });
    words.chain(unspaced::terms(text).into_iter().map(|term| term.to_lowercase()))
}

/// True for a word, in lower case, that says nothing about a document.
pub fn is_stop_word(word: &str) -> bool {
    STOP_WORDS.contains(&word)
}

/// The FTS5 expression for texts within a scope that hold one of these words, which are letters, digits and
/// underscores alone.
pub fn any_of<'a>(scope: &Scope, columns: &str, words: impl Iterator<Item = &'a str>) -> String {
    within(scope, columns, &words.map(quoted).collect::<Vec<_>>().join(" OR "))
}

/// True for most words: what has no parts is not looked at character by character.
fn is_plain(word: &str) -> bool {
    word.bytes().skip(1).all(|byte| byte.is_ascii_lowercase())
        && word.starts_with(|first: char| first.is_ascii_alphabetic())
}

/// The FTS5 expression for a query within a scope, looked for in some columns (`title body`); `None`
/// if the query holds no word.
pub fn expression(scope: &Scope, columns: &str, query: &str) -> Option<String> {
    let lone_letters = unspaced::lone_letters(query);
    let wanted = |term: &String| if lone_letters.contains(term) { beginning(term) } else { quoted(term) };
    let wanted: Vec<String> = terms(query).iter().map(wanted).collect();
    if wanted.is_empty() {
        return None;
    }
    Some(within(scope, columns, &wanted.join(" OR ")))
}

/// What is looked for where a name in code was not found as it is spelt: see [`part_of_name`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beginnings {
    /// Finds the name as it is spelt.
    pub whole: String,
    /// Finds names that begin as it does, and what holds words that begin as its parts do.
    pub beginnings: String,
}

/// Letters from which the beginning of a word says enough to look for all words that begin so.
const BEGINNING: usize = 3;
/// Letters from which a plain word may be the beginning of a name.
const PLAIN_BEGINNING: usize = 4;

/// Most parts of a name that is looked for by its beginnings.
const PARTS: usize = 8;

/// The FTS5 expressions for a query that is a name in code or a part of one, `parseConf` or `conf_load`; a word that
/// any text may hold, `conf`, is one in code only. `None` for every other query.
pub fn part_of_name(scope: Scope, columns: &str, query: &str) -> Option<Beginnings> {
    let query = query.trim();
    if query.contains(|character: char| character.is_whitespace() || unspaced::is_letter(character)) {
        return None;
    }
    let words: Vec<String> = identifiers::words(query).map(str::to_lowercase).collect();
    let parts: Vec<String> = identifiers::words(query).flat_map(identifiers::parts).map(str::to_lowercase).collect();
    let is_long_enough = query.len() >= PLAIN_BEGINNING && parts.iter().any(|part| is_beginning(part));
    if !is_long_enough || parts.len() > PARTS || parts.iter().all(|part| part.starts_with(char::is_numeric)) {
        return None;
    }
    let all = |terms: &[String], wanted: fn(&str) -> String| {
        terms.iter().map(|term| wanted(term)).collect::<Vec<_>>().join(" AND ")
    };
    let beginnings = format!("({}) OR ({})", all(&words, begins), all(&parts, begins));
    let whole = within(&scope, columns, &all(&words, quoted));
    let scope = if parts.len() == 1 { scope.kind(Some("code")) } else { scope };
    Some(Beginnings { whole, beginnings: within(&scope, columns, &beginnings) })
}

fn is_beginning(part: &str) -> bool {
    part.chars().count() >= BEGINNING
}

/// What begins with a part, or is it, if it is short.
fn begins(part: &str) -> String {
    if is_beginning(part) { beginning(part) } else { quoted(part) }
}

/// A word holds letters, digits and underscores only, so that quoting it needs no escape.
fn quoted(word: &str) -> String {
    format!("\"{word}\"")
}

fn beginning(word: &str) -> String {
    format!("\"{word}\"*")
}

fn within(scope: &Scope, columns: &str, wanted: &str) -> String {
    format!("{}{{{columns}}} : ({wanted})", scope.expression())
}

/// The share of a query's [`terms`] that a text holds; of words that are divided only their parts count.
#[expect(clippy::cast_precision_loss, reason = "counts of words")]
pub fn share_held(terms: &[String], text: &str) -> f64 {
    let mut missing: Vec<&str> = terms.iter().map(String::as_str).filter(|term| !unspaced::is_divided(term)).collect();
    let wanted = missing.len();
    if wanted == 0 {
        return 0.0;
    }
    for word in terms_of_text(text) {
        missing.retain(|term| !is_word_of(term, &word));
    }
    (wanted - missing.len()) as f64 / wanted as f64
}

/// The same of a text that was found by the query's words: at least one of them it holds, be it inflected as
/// [`share_held`] does not see.
#[expect(clippy::cast_precision_loss, reason = "counts of words")]
pub fn share_found(terms: &[String], text: &str) -> f64 {
    let wanted = terms.iter().filter(|term| !unspaced::is_divided(term)).count().max(1);
    share_held(terms, text).max(1.0 / wanted as f64)
}

/// A stem's worth of a word is the word: "queues" holds "queue". So is a letter that stands for a word.
pub fn is_word_of(term: &str, word: &str) -> bool {
    // Most words are no form of each other, which their first byte says.
    if term.as_bytes().first() != word.as_bytes().first() {
        return is_letter_of(term, word);
    }
    let is_stem = |stem: &str, word: &str| stem.len() > 3 && word.starts_with(stem);
    term == word || is_stem(term, word) || is_stem(word, term) || is_letter_of(term, word)
}

fn is_letter_of(term: &str, word: &str) -> bool {
    let mut letters = term.chars();
    letters.next().is_some_and(unspaced::is_letter) && letters.next().is_none() && word.contains(term)
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

    #[test]
    fn other_scripts_are_asked_for_as_they_always_were() {
        let expression = |query: &str| expression(&Scope::default(), "title body ident", query);
        let words = r#"{title body ident} : ("read" OR "naïve")"#;
        assert_eq!(expression("“How” to read naïve?").as_deref(), Some(words));
        let name = r#"{title body ident} : ("readfile" OR "read" OR "file")"#;
        assert_eq!(expression("readFile").as_deref(), Some(name));
        assert_eq!(expression("犬 は").as_deref(), Some(r#"{title body ident} : ("犬"* OR "は"*)"#));
        let run = r#"{title body ident} : ("図書館" OR "図書" OR "書館")"#;
        assert_eq!(expression("図書館").as_deref(), Some(run));
    }

    #[test]
    fn a_part_of_a_name_is_the_beginnings_of_its_words() {
        let part = |query: &str| part_of_name(Scope::default(), "body", query);
        let Beginnings { whole, beginnings } = part(" parseConf ").unwrap();
        assert_eq!(whole, r#"{body} : ("parseconf")"#);
        let expected = r#"{body} : (("parseconf"*) OR ("parse"* AND "conf"*))"#;
        assert_eq!(beginnings, expected);
        assert!(part("conf").unwrap().beginnings.starts_with(r#"scope : "t"#), "in code");
        for query in ["", "con", "parse conf", "2026", "a_b_c", "図書館", "a.b.c.d.e.f.g.h.long"] {
            assert_eq!(part(query), None, "{query}");
        }
    }

    #[test]
    fn words_are_held_as_they_begin_and_letters_wherever_they_stand() {
        let share = |query: &str, text: &str| share_held(&terms(query), text);
        assert!((share("queues store messages", "A queue stores this.") - 2.0 / 3.0).abs() < 1e-12);
        assert!((share("図書館", "この図書館は") - 1.0).abs() < 1e-12);
        assert!((share("犬", "あれは犬") - 1.0).abs() < 1e-12);
        assert!(share("図書館", "図工") < 0.1);
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
            let beginnings = part_of_name(Scope::default(), "title body ident", &query);
            let beginnings = beginnings.into_iter().flat_map(|both| [both.whole, both.beginnings]);
            for expression in expression(&Scope::default(), "title body ident", &query).into_iter().chain(beginnings) {
                let count = "SELECT count(*) FROM t WHERE t MATCH ?1";
                let found: i64 = connection.query_row(count, [&expression], |row| row.get(0)).unwrap();
                prop_assert_eq!(found, 0);
            }
        }
    }
}
