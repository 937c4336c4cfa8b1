//! What somebody finds who greps: documents by how many of their lines hold one of the query's words.
//!
//! As `rg --ignore-case --count-matches` does for the words joined by `|`, the most hits first; words that say nothing
//! are left out, as anybody would.

use retrieval::keyword;
use serde_json::Value;

use super::{measures::DEPTH, set::Set};

/// Documents in lower case, by name.
#[derive(Debug)]
pub struct Grep(Vec<(String, String)>);

impl Grep {
    /// Over all documents of a set.
    pub fn over(set: &Set) -> Self {
        let text = |document: &Value, field: &str| document[field].as_str().unwrap_or_default().to_lowercase();
        let named = |document: &Value| {
            let name = document["external_id"].as_str().unwrap_or_default().to_owned();
            (name, format!("{}\n{}", text(document, "title"), text(document, "content")))
        };
        Self(set.documents.iter().map(named).collect())
    }

    /// Over texts, which are their own names.
    pub fn over_texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        Self(texts.into_iter().map(|text| (text.to_owned(), text.to_lowercase())).collect())
    }

    /// The first documents by their hits; of equals that whose name comes first.
    pub fn search(&self, query: &str) -> Vec<&str> {
        let lower = query.to_lowercase();
        let words: Vec<&str> = lower
            .split(|letter: char| !letter.is_alphanumeric() && letter != '_')
            .filter(|word| !word.is_empty() && !keyword::is_stop_word(word))
            .collect();
        let hits = |text: &str| words.iter().map(|word| text.matches(word).count()).sum::<usize>();
        let mut found: Vec<(usize, &str)> =
            self.0.iter().map(|(name, text)| (hits(text), name.as_str())).filter(|(hits, _)| *hits > 0).collect();
        found.sort_by(|one, other| other.0.cmp(&one.0).then(one.1.cmp(other.1)));
        found.into_iter().take(DEPTH).map(|(_, name)| name).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde_json::json;

    use super::*;

    #[test]
    fn what_holds_more_of_the_words_comes_first() {
        let documents = vec![
            json!({"external_id": "a", "title": "", "content": "A ship."}),
            json!({"external_id": "b", "title": "Ships", "content": "The ship sails; ships sail."}),
            json!({"external_id": "c", "title": "", "content": "Whales."}),
        ];
        let set = Set { name: "s".to_owned(), documents, queries: Vec::new(), gains: HashMap::new() };
        let grep = Grep::over(&set);
        assert_eq!(grep.search("When does the SHIP sail?"), ["b", "a"]);
        assert!(grep.search("the").is_empty() && grep.search("?").is_empty());
        assert_eq!(Grep::over_texts(["Whales.", "A Ship."]).search("ship"), ["A Ship."]);
    }
}
