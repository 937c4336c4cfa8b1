//! What an answer may be made of: chunks and memories that are about what was asked.

use std::collections::HashSet;

use pipeline::{chat::turn::Citation, ids::MemoryId};
use retrieval::{Hit, fuse::PARAMETERS, keyword, memories::Recalled};

/// Share of the question's significant words that a text found by words alone must hold.
const COVERED: f64 = 0.5;

/// One numbered source of a prompt.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// Where it comes from, in a few words.
    pub label: String,
    /// Its text.
    pub text: String,
    /// It is code.
    pub is_code: bool,
    /// The chunk's cosine to the question, if it was found by meaning.
    pub similarity: Option<f64>,
    /// What the answer says of it; numbered when it is in a prompt.
    pub citation: Citation,
}

/// The hits that are about the question, best first.
pub fn relevant(question: &str, hits: Vec<Hit>) -> Vec<Source> {
    let terms = keyword::terms(question);
    hits.into_iter().filter(|hit| is_relevant(&terms, hit)).map(source).collect()
}

fn is_relevant(terms: &[String], hit: &Hit) -> bool {
    if hit.similarity.is_some_and(|similarity| similarity >= PARAMETERS.relevant) {
        return true;
    }
    hit.found_by.contains(&"keyword") && keyword::share_held(terms, &hit.chunk.text) >= COVERED
}

fn source(hit: Hit) -> Source {
    let (similarity, hit) = (hit.similarity, hit.chunk);
    let name = hit.title.clone().or_else(|| hit.external_id.clone());
    Source {
        label: name.unwrap_or_else(|| hit.document_id.to_string()),
        text: hit.text,
        is_code: hit.kind == "code",
        similarity,
        citation: Citation {
            n: 0,
            document_id: Some(hit.document_id),
            memory_id: None,
            external_id: hit.external_id,
            title: hit.title,
            chunk_index: hit.chunk_index,
            start: hit.start,
            end: hit.end,
            start_line: hit.start_line,
            end_line: hit.end_line,
        },
    }
}

/// Memories for the prompt: each fact once.
pub fn memories(recalled: Vec<Recalled>) -> Vec<(MemoryId, String)> {
    let mut seen = HashSet::new();
    recalled
        .into_iter()
        .filter(|hit| seen.insert(hit.memory.text.to_lowercase()))
        .map(|hit| (hit.memory.id, hit.memory.text))
        .collect()
}

#[cfg(test)]
pub(super) mod tests {
    use pipeline::ids::{ChunkRow, DocumentId};
    use retrieval::FoundChunk;

    use super::*;

    pub fn hit(title: &str, text: &str, similarity: Option<f64>) -> Hit {
        Hit {
            chunk: FoundChunk {
                id: ChunkRow(0),
                document_id: DocumentId::parse("doc_000000000000000000000001").unwrap(),
                external_id: Some(title.to_owned()),
                title: Some(title.to_owned()),
                kind: "doc".to_owned(),
                chunk_index: 0,
                start: 0,
                end: 1,
                start_line: Some(1),
                end_line: Some(1),
                text: text.to_owned(),
                hit_at: None,
                evicted_at: None,
            },
            score: 1.0,
            similarity,
            found_by: if similarity.is_some() { vec!["vector", "keyword"] } else { vec!["keyword"] },
        }
    }

    #[test]
    fn near_in_meaning_or_in_most_words() {
        let kept = |text: &str, similarity| {
            relevant("Where do the queues store messages?", vec![hit("a", text, similarity)]).len()
        };
        assert_eq!(kept("whales", Some(0.5)), 1);
        assert_eq!(kept("whales", Some(0.1)), 0);
        assert_eq!(kept("A queue stores its messages here.", Some(0.1)), 1);
        assert_eq!(kept("A store for shoes.", None), 0);
    }

    #[test]
    fn a_source_is_code_where_its_document_is_code() {
        let mut found = hit("queues.rs", "fn store(queue: &Queue) {}", Some(0.5));
        assert!(!relevant("queues", vec![found.clone()])[0].is_code, "whatever its name");
        found.chunk.kind = "code".to_owned();
        assert!(relevant("queues", vec![found])[0].is_code);
    }
}
