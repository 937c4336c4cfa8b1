//! A set of documents, of queries, and of what judges say about them.

use std::{collections::HashMap, fs, path::Path};

use serde_json::{Value, json};

use crate::Error;

/// A set, as a folder has it.
#[derive(Debug)]
pub struct Set {
    /// The folder's name.
    pub name: String,
    /// As they are uploaded.
    pub documents: Vec<Value>,
    /// The queries that were judged.
    pub queries: Vec<Query>,
    /// What each document is worth to each query.
    pub gains: HashMap<String, HashMap<String, f64>>,
}

/// A query.
#[derive(Clone, Debug)]
pub struct Query {
    /// Its name.
    pub id: String,
    /// What is asked.
    pub text: String,
    /// What sort of query its set says it is.
    pub category: Option<String>,
    /// The answer, of sets that have some.
    pub answer: Option<String>,
}

/// Reads a set: corpus.jsonl (`_id`, `title`, `text`), queries.jsonl (`_id`, `text`, `metadata.category` and
/// `metadata.answer`), and qrels.tsv (query, document, gain).
///
/// # Errors
/// A file is missing or cannot be read.
pub fn read(folder: &Path, name: &str) -> Result<Set, Error> {
    let lines = |file: &str| -> Result<Vec<Value>, Error> {
        let text = fs::read_to_string(folder.join(file))?;
        text.lines().map(|line| serde_json::from_str(line).map_err(Error::from)).collect()
    };
    let text = |value: &Value, field: &str| value[field].as_str().unwrap_or_default().to_owned();
    let is_code = name == "cosqa";
    let documents = lines("corpus.jsonl")?
        .iter()
        .filter(|document| !text(document, "text").trim().is_empty())
        .map(|document| {
            let mut upload = json!({
                "external_id": text(document, "_id"), "title": text(document, "title"),
                "content": text(document, "text"),
            });
            if is_code {
                upload["type"] = json!("code");
                upload["language"] = json!("python");
                // The functions have no file; without a title the id would be one.
                upload["title"] = json!(first_definition(&text(document, "text")));
            }
            upload
        })
        .collect();
    let mut gains: HashMap<String, HashMap<String, f64>> = HashMap::new();
    for line in fs::read_to_string(folder.join("qrels.tsv"))?.lines().skip(1) {
        let mut fields = line.split('\t');
        if let (Some(query), Some(document), Some(gain)) = (fields.next(), fields.next(), fields.next()) {
            gains.entry(query.to_owned()).or_default().insert(document.to_owned(), gain.trim().parse()?);
        }
    }
    let queries = lines("queries.jsonl")?
        .iter()
        .map(|query| Query {
            id: text(query, "_id"),
            text: text(query, "text"),
            category: query["metadata"]["category"].as_u64().map(|category| category.to_string()),
            answer: answer(&query["metadata"]["answer"]),
        })
        .filter(|query| gains.contains_key(&query.id))
        .collect();
    Ok(Set { name: name.to_owned(), documents, queries, gains })
}

fn answer(answer: &Value) -> Option<String> {
    answer.as_str().map(str::to_owned).or_else(|| answer.as_number().map(ToString::to_string))
}

fn first_definition(code: &str) -> String {
    let name = code.lines().find_map(|line| line.trim().strip_prefix("def ")).unwrap_or_default();
    name.split('(').next().unwrap_or_default().to_owned()
}
