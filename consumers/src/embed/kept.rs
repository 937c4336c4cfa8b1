//! Vectors that need not be made again, of chunks whose documents are known by git's hash of their bytes.
//!
//! A vector is found again by its chunk's text, in the revisions of the same document and in documents with the same
//! bytes. The title, which leads what is embedded, is not compared: under another name a file's vectors are those that
//! it had under its old one (docs/decisions/039).

use std::collections::HashMap;

use super::embedded_chunk::EmbeddedChunk;
use pipeline::{
    failure::Failure,
    fingerprint,
    ids::{ChunkRow, DocumentId},
    job::item::Claim,
    model::EMBEDDING,
    platform::{ports::Database, transaction::Write},
    store::{
        chunks::read::ChunkToEmbed,
        kept_vectors::{self, KeptRun},
    },
    time::Timestamp,
};

/// Digits of a fingerprint: enough to tell the texts of a few revisions apart.
const DIGITS: usize = 24;

/// What is known of a message's chunks.
#[derive(Debug, Default)]
pub struct Kept {
    /// What their vectors are kept under; nothing for those whose vectors are not kept.
    fingerprints: HashMap<ChunkRow, String>,
    /// The chunks whose vectors are there.
    chunks: HashMap<ChunkRow, EmbeddedChunk>,
}

impl Kept {
    /// Looks for these chunks; asks for nothing where none of their documents has a hash.
    pub async fn find<P: Database>(ports: &P, claim: &Claim, chunks: &[ChunkToEmbed]) -> Result<Self, Failure> {
        let hashed = || chunks.iter().filter_map(|chunk| Some((chunk, chunk.blob.as_deref()?)));
        let fingerprints: HashMap<ChunkRow, String> =
            hashed().map(|(chunk, _)| (chunk.id, fingerprint(&chunk.text))).collect();
        if fingerprints.is_empty() {
            return Ok(Self::default());
        }
        let mut documents: Vec<&DocumentId> = hashed().map(|(chunk, _)| &chunk.document_id).collect();
        documents.dedup();
        let mut blobs: Vec<&str> = hashed().map(|(_, blob)| blob).collect();
        blobs.sort_unstable();
        blobs.dedup();
        let wanted: Vec<&str> = fingerprints.values().map(String::as_str).collect();
        let found = kept_vectors::find(&claim.user, &documents, &blobs, &wanted)?.all(ports).await?;
        let found: HashMap<&str, &str> =
            found.iter().map(|kept| (kept.fingerprint.as_str(), kept.vector.as_str())).collect();
        let chunk = |(row, fingerprint): (&ChunkRow, &String)| {
            Some((*row, EmbeddedChunk::from_text(*row, found.get(fingerprint.as_str())?)?))
        };
        let chunks = fingerprints.iter().filter_map(chunk).collect();
        Ok(Self { fingerprints, chunks })
    }

    /// A chunk, if its vectors are known.
    pub fn chunk(&self, chunk: ChunkRow) -> Option<&EmbeddedChunk> {
        self.chunks.get(&chunk)
    }

    /// Keeps these vectors of the first chunks.
    pub fn keep(
        &self,
        claim: &Claim,
        chunks: &[ChunkToEmbed],
        embedded: &[EmbeddedChunk],
        now: Timestamp,
    ) -> Result<Vec<Write>, Failure> {
        let mut runs: Vec<KeptRun<'_>> = Vec::new();
        for (chunk, embedded) in chunks.iter().zip(embedded) {
            let Some((fingerprint, blob)) = self.fingerprints.get(&chunk.id).zip(chunk.blob.as_deref()) else {
                continue;
            };
            let vector = (fingerprint.as_str(), embedded.as_text());
            match runs.last_mut().filter(|run| *run.document == chunk.document_id) {
                Some(run) => run.vectors.push(vector),
                None => runs.push(KeptRun {
                    document: &chunk.document_id,
                    blob,
                    first: chunk.chunk_index,
                    vectors: vec![vector],
                }),
            }
        }
        if runs.is_empty() { Ok(Vec::new()) } else { kept_vectors::keep(claim, &runs, now) }
    }
}

fn fingerprint(text: &str) -> String {
    let mut fingerprint = fingerprint::of(&[EMBEDDING.name.as_bytes(), text.as_bytes()]);
    fingerprint.truncate(DIGITS);
    fingerprint
}

#[cfg(test)]
mod tests {
    use crate::fixture::Index;
    use pipeline::ids::ItemId;

    /// Uploads and publishes one file, and answers how many texts were embedded for it.
    fn push(index: &Index, name: &str, text: &str) -> usize {
        let before = index.memory.embedded();
        index.publish(index.push(&[(name, text)]));
        index.memory.embedded() - before
    }

    /// The windows of all chunks that are current.
    fn windows(index: &Index) -> Vec<serde_json::Value> {
        let rows = index.memory.look(
            "SELECT c.windows FROM chunks c JOIN documents d ON d.id = c.document_id AND d.current = c.revision
             ORDER BY c.id",
        );
        rows.into_iter().map(|row| row["windows"].clone()).collect()
    }

    #[test]
    fn what_comes_back_has_its_windows() {
        let index = Index::new();
        let (text, other) = ["autumn", "winter"].map(|season| format!("Ships sail in {season}. ").repeat(150)).into();
        push(&index, "a.md", &text);
        let before = windows(&index);
        assert!(before.iter().any(serde_json::Value::is_string), "{before:?}");
        push(&index, "a.md", &other);
        assert_ne!(windows(&index), before);
        assert_eq!(push(&index, "a.md", &text), 0);
        assert_eq!(windows(&index), before);
    }

    fn long(changed: &str) -> String {
        let section = |number: usize| {
            let said = if number == 3 { changed } else { "ships" };
            format!("# Section {number}\n\n{}\n\n", format!("About {said} that sail in section {number}. ").repeat(60))
        };
        (0..6).map(section).collect()
    }

    #[test]
    fn a_revision_that_comes_back_costs_no_neurons() {
        let index = Index::new();
        assert_eq!(push(&index, "a.md", "ships sail"), 1);
        assert_eq!(push(&index, "a.md", "dogs bark"), 1);
        let spent = index.number("SELECT count(*) AS n FROM reservations");
        assert_eq!(push(&index, "a.md", "ships sail"), 0);
        assert_eq!(index.number("SELECT count(*) AS n FROM reservations"), spent);
        assert_eq!(index.number("SELECT current AS n FROM documents"), 3);
    }

    #[test]
    fn a_file_under_another_name_costs_no_neurons() {
        let index = Index::new();
        push(&index, "old/a.md", "ships sail");
        assert_eq!(push(&index, "new/b.md", "ships sail"), 0);
    }

    #[test]
    fn of_a_file_that_changed_only_what_changed_is_embedded() {
        let index = Index::new();
        let first = push(&index, "a.md", &long("ships"));
        let second = push(&index, "a.md", &long("whales"));
        assert!(second > 0 && second < first, "{second} of {first}");
    }

    #[test]
    fn what_comes_without_a_hash_is_embedded_each_time_and_nothing_is_kept_of_it() {
        let index = Index::new();
        for text in ["ships sail", "dogs bark", "ships sail"] {
            let before = index.memory.embedded();
            index.publish(index.upload(&[("a.md", text)]));
            assert_eq!(index.memory.embedded() - before, 1);
        }
        assert_eq!(index.number("SELECT count(*) AS n FROM kept_vectors"), 0);
    }

    #[test]
    fn only_the_newest_revisions_of_a_document_are_kept() {
        let index = Index::new();
        for number in 0..7 {
            push(&index, "a.md", &format!("ships sail {number}"));
            index.memory.advance(pipeline::time::SECOND);
        }
        assert_eq!(index.number("SELECT count(DISTINCT blob) AS n FROM kept_vectors"), 4);
        assert_eq!(push(&index, "a.md", "ships sail 5"), 0);
        assert_eq!(push(&index, "a.md", "ships sail 0"), 1);
    }

    #[test]
    fn nothing_is_kept_of_a_document_that_was_deleted() {
        let index = Index::new();
        push(&index, "a.md", "ships sail");
        push(&index, "b.md", "dogs bark");
        index.delete("a.md");
        let purge: ItemId = index.newest_purge();
        index.consume(pipeline::job::message::Stage::Purge, purge);
        assert_eq!(index.number("SELECT count(*) AS n FROM kept_vectors"), 1);
    }
}
