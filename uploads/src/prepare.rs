//! Documents that could be read to documents that are to be indexed: checked and fingerprinted.

use std::collections::HashMap;

use pipeline::{
    constants,
    failure::Failure,
    ids::{DocumentId, JobId, UserId},
    platform::{ports::Sha256, statement::json},
    problem::{Code, Problem, excerpt},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    parse::Item,
    validate::{Description, Valid, validate},
};

/// What became of one document of a request.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ItemAnswer {
    /// Its place in the request.
    pub index: usize,
    /// The client's name for it.
    pub external_id: Option<String>,
    /// Ours.
    pub document_id: Option<DocumentId>,
    /// `queued`, `duplicate`, `in_progress`, `superseded` or `rejected`; after a wait how far it has come: `done`,
    /// `running`, `parked`, `failed` or `cancelled`.
    pub status: &'static str,
    /// Of what an earlier upload is bringing already: that upload's job, which may still be cancelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_id: Option<JobId>,
    /// Why it was rejected.
    pub error: Option<Problem>,
}

impl ItemAnswer {
    /// Of a document that can be indexed, unless it is rejected later.
    pub fn queued(index: usize, external_id: Option<String>) -> Self {
        Self { index, external_id, document_id: None, status: "queued", job_id: None, error: None }
    }

    /// Says that it is there already, or on its way by a job.
    pub fn know(&mut self, job: Option<JobId>) {
        self.status = if job.is_some() { "in_progress" } else { "duplicate" };
        self.job_id = job;
    }

    /// Says that it is not indexed: what its owner decided since the upload was accepted is newer.
    pub fn supersede(&mut self) {
        self.status = "superseded";
    }

    /// Says that it is not indexed, and why.
    pub fn reject(&mut self, problem: Problem) {
        self.status = "rejected";
        self.error = Some(problem);
    }
}

/// A document that will be indexed.
#[derive(Debug)]
pub struct PreparedDocument {
    /// Where it stands in the upload.
    pub pointer: String,
    /// Its id.
    pub id: DocumentId,
    /// Hex SHA-256 of content and description: equal means nothing to do.
    pub fingerprint: String,
    /// The document.
    pub document: Valid,
}

/// The documents of a request, or of a range of an upload.
#[derive(Debug, Default)]
pub struct Prepared {
    /// What becomes of each of them.
    pub answers: Vec<ItemAnswer>,
    /// Those that can be indexed, with their places among the answers.
    pub documents: Vec<(usize, PreparedDocument)>,
}

/// Validates and fingerprints; a document named twice is taken once. `first` documents stand before these.
pub async fn prepare<P: Sha256>(ports: &P, user: &UserId, items: Vec<Item>, first: usize) -> Result<Prepared, Failure> {
    let mut prepared = Prepared::default();
    let mut seen: HashMap<DocumentId, (usize, [u8; 32])> = HashMap::new();
    for (place, item) in items.into_iter().enumerate() {
        let external_id = item.external_id().map(recognisable);
        let mut answer = ItemAnswer::queued(first + place, external_id);
        match item.document.and_then(|document| validate(&item.pointer, document)) {
            Ok(document) => {
                let content_hash = ports.sha256(&document.content).await?;
                let id = document.id(user, &content_hash);
                if let Some((before, hash)) = seen.get(&id) {
                    let detail = named_twice(answer.external_id.as_deref(), *before, *hash == content_hash);
                    let pointer = format!("{}/external_id", item.pointer);
                    answer.reject(Problem::field(Code::Duplicate, pointer, detail));
                } else {
                    seen.insert(id.clone(), (first + place, content_hash));
                    answer.document_id = Some(id.clone());
                    let fingerprint = fingerprint(&document.description, &content_hash)?;
                    prepared
                        .documents
                        .push((place, PreparedDocument { pointer: item.pointer, id, fingerprint, document }));
                }
            }
            Err(problem) => answer.reject(problem),
        }
        prepared.answers.push(answer);
    }
    Ok(prepared)
}

/// How two files of one name are parted.
const PART_THEM: &str =
    "give them an external_id each, or paths as names; curl sends one with -F 'files=@src/a.md;filename=src/a.md'";

/// What is said of a document that is called as one far before it in the same upload, of whose content only what it
/// was indexed from is left.
pub fn named_twice_in_upload(name: Option<&str>) -> String {
    match name {
        Some(name) => format!(
            "a document called {:?} stands further up in this upload, and is taken: if they are two, {PART_THEM}",
            excerpt(name)
        ),
        None => "the same document stands further up in this upload, and is taken once".to_owned(),
    }
}

/// What is said of a document that is called as the one at the index `before`.
fn named_twice(name: Option<&str>, before: usize, is_same: bool) -> String {
    match name {
        Some(name) if !is_same => format!(
            "two different files are called {:?}, this one and the one at index {before}, which is taken: {PART_THEM}",
            excerpt(name)
        ),
        _ => format!("the same document stands at index {before} of this request, and is taken once"),
    }
}

/// A client's name for a document, as far as one may be long: what is rejected may have a longer one.
fn recognisable(external_id: &str) -> String {
    external_id[..external_id.floor_char_boundary(constants::TITLE_BYTES)].to_owned()
}

fn fingerprint(description: &Description, content_hash: &[u8; 32]) -> Result<String, Failure> {
    let described = json(&(description, description.created_at))?;
    Ok(pipeline::fingerprint::of(&[content_hash, described.as_bytes()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_sends_two_files_of_one_name_is_told_how_to_part_them() {
        let said = named_twice(Some("README.md"), 3, false);
        assert!(said.contains("README.md") && said.contains("index 3") && said.contains("external_id"), "{said}");
        assert!(named_twice(Some("README.md"), 3, true).contains("the same document"));
    }
}
