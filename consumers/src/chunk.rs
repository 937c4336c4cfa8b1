//! Chunk: a pack's source into chunks in D1, found by keyword from then on.
//!
//! In: a pack (job item) with its documents' byte ranges.
//! Does, per message:
//! 1. reads the pack, or the next slice of a long document, from R2;
//! 2. reads which of its documents still want this revision;
//! 3. extracts their text, splits it, names its symbols;
//! 4. commits chunks, full-text rows and the item's progress in one fenced transaction.
//!
//! Sends on: embed, for the batch, when this was its last pack; chunk again for a long document.

pub mod extract;
pub mod lines;
pub mod slice;
pub mod split;

use std::collections::HashMap;

use pipeline::{
    failure::Failure,
    ids::{ChunkRow, DocumentId},
    indexed::{Description, IndexedDocument},
    job::{
        cursors::{self, ChunkCursor},
        item::{Claim, DocumentFailure, Move, PackedDocument, Progress},
        outcome::Outcome,
        protocol::complete,
    },
    platform::{
        object_keys,
        parameters::JsonRows,
        ports::{Clock, Database, Deployment, ObjectStore, Queue},
        statement::json,
        transaction::Transaction,
    },
    problem::Code,
    store::{self, chunks::write::NewChunk, documents::publish::LatestRevision, users::words::Words},
};

use self::{
    extract::Extracted,
    lines::{Lines, ends},
    split::Structure,
};

/// What one message's worth of source became.
struct Chunked {
    chunks: JsonRows,
    failures: Vec<DocumentFailure>,
    next: Move,
}

/// Runs the stage. See the module for its steps.
pub async fn chunk<P>(ports: &P, claim: &Claim) -> Result<Outcome, Failure>
where
    P: Database + ObjectStore + Queue + Deployment + Clock,
{
    let cursor = cursors::read::<ChunkCursor>(claim)?.unwrap_or_default();
    let plan = slice::plan(&claim.documents, cursor.source, ports.plan().units().pack_bytes);
    // Reading twice is harmless.
    let key = object_keys::pack(&claim.user, claim.item);
    let pack = ports.get(&key, Some(plan.range)).await?;
    let documents = wanted_documents(ports, claim).await?;
    if documents.is_empty() {
        // Every document was deleted or replaced meanwhile; the purge stage removes what is here.
        return complete(ports, claim, Transaction::default(), &Progress::default(), Move::Finish).await;
    }
    let pack = pack.ok_or_else(|| Failure::bug(format!("pack {key} is not in R2")))?;
    let chunked = chunk_pack(claim, &plan, &pack.bytes, &documents, &cursor)?;
    // One transaction, fenced by the claim and by each document's revision: a repeat writes nothing.
    let mut work = Transaction::default();
    if let Some(words) = documents.values().next().map(words_of_owner) {
        work.write_all(store::chunks::write::insert(claim, words, &chunked.chunks));
    }
    work.write(store::users::bump_by(claim));
    let chunks_made = i64::try_from(chunked.chunks.len()).unwrap_or(0);
    let progress = Progress { chunks_made, failures: chunked.failures, ..Progress::default() };
    complete(ports, claim, work, &progress, chunked.next).await
}

/// They all have one owner.
const fn words_of_owner(document: &LatestRevision) -> Words {
    Words::of_chunks(document.user_number, document.chunk_words)
}

async fn wanted_documents<P: Database>(
    ports: &P,
    claim: &Claim,
) -> Result<HashMap<DocumentId, LatestRevision>, Failure> {
    let documents = store::documents::publish::wanted_of_pack(claim)?.all(ports).await?;
    Ok(documents.into_iter().map(|document| (document.id.clone(), document)).collect())
}

/// Splits what was read. Pure: the same pack and cursor give the same rows.
fn chunk_pack(
    claim: &Claim,
    plan: &slice::Plan,
    bytes: &[u8],
    documents: &HashMap<DocumentId, LatestRevision>,
    cursor: &ChunkCursor,
) -> Result<Chunked, Failure> {
    let mut chunks = JsonRows::default();
    let mut failures = Vec::new();
    let mut next = Move::Finish;
    // A pack numbers its chunks across its documents; a long document is alone in its pack.
    let mut place = cursor.index;
    for packed in plan.documents(&claim.documents) {
        let Some(document) = documents.get(&packed.id) else { continue };
        let source =
            plan.bytes_of(packed, bytes).ok_or_else(|| Failure::bug("a pack is shorter than its documents"))?;
        let html = document.media_type == "text/html";
        let Some((source, rest)) = slice::text(source, plan.is_last(packed), html) else {
            failures.push(failure(packed, Code::NotUtf8, "its bytes are not UTF-8 text"));
            continue;
        };
        let extracted = extract::extract(source, &document.media_type, &cursor.html);
        let before = chunks.len();
        place = split_document(claim, document, &extracted, cursor, place, &mut chunks)?;
        if rest {
            next = Move::Continue(json(&ChunkCursor {
                source: cursor.source + source.len() as u64,
                text: cursor.text + extracted.text.len(),
                index: place,
                lines: cursor.lines_before().map(|before| before + ends(&extracted.text, 0..extracted.text.len())),
                html: extracted.state,
            })?);
        } else if chunks.len() == before && cursor.index == 0 {
            failures.push(failure(packed, Code::NoText, "it contains no text to index"));
        }
    }
    Ok(Chunked { chunks, failures, next })
}

fn split_document(
    claim: &Claim,
    document: &LatestRevision,
    extracted: &Extracted,
    cursor: &ChunkCursor,
    mut place: i64,
    chunks: &mut JsonRows,
) -> Result<i64, Failure> {
    let structure = Structure::of(&document.kind, &document.media_type);
    let indexed = IndexedDocument::of(Description {
        title: document.title.as_deref(),
        kind: &document.kind,
        language: document.language.as_deref(),
        media_type: &document.media_type,
        tags: &document.tags,
    });
    let mut lines = Lines::after(cursor.lines_before(), &extracted.text);
    for (index, range) in (cursor.index..).zip(split::split(&extracted.text, structure)) {
        if place >= ChunkRow::PER_ITEM {
            return Err(Failure::input(format!("a document of more than {} chunks", ChunkRow::PER_ITEM)));
        }
        let text = &extracted.text[range.clone()];
        let (start_line, end_line) = lines.of(&range).unzip();
        chunks.push(&NewChunk {
            id: ChunkRow::new(claim.item, place),
            document: &document.id,
            revision: document.revision,
            index,
            start: cursor.text + range.start,
            end: cursor.text + range.end,
            start_line,
            end_line,
            text,
            scope: indexed.scope(),
            title: indexed.title(text),
            ident: indexed.parts(text),
        })?;
        place += 1;
    }
    Ok(place)
}

fn failure(packed: &PackedDocument, code: Code, detail: &str) -> DocumentFailure {
    DocumentFailure { document_id: packed.id.clone(), code: code.name().to_owned(), detail: detail.to_owned() }
}

#[cfg(test)]
mod tests {
    use pipeline::{constants::PACK_BYTES, job::message::Stage};
    use test_platform::ready;

    use super::*;
    use crate::fixture::Index;

    const CHUNKS: &str = "SELECT count(*) AS n FROM chunks";

    #[test]
    fn a_pack_becomes_chunks_with_words_and_its_batch_is_embedded_next() {
        let index = Index::new();
        let pack = index.upload(&[("a.md", "ships sail"), ("b.md", "trains run")]);
        assert_eq!(index.consume(Stage::Chunk, pack).outcome, Outcome::Done);
        assert_eq!(index.number(CHUNKS), 2);
        let sail = index.number("SELECT rowid FROM chunks_fts_1 WHERE chunks_fts_1 MATCH 'body: sail'");
        assert_eq!(sail, index.number("SELECT id FROM chunks WHERE text = 'ships sail'"));
        assert_eq!(index.sent(), [Stage::Embed]);
        // The message comes again: there is nothing left to do.
        assert_eq!(index.consume(Stage::Chunk, pack).outcome, Outcome::Done);
        assert_eq!((index.number(CHUNKS), index.sent().len()), (2, 0));
    }

    #[test]
    fn a_long_document_is_chunked_slice_by_slice() {
        let index = Index::new();
        let pack = index.upload(&[("a.md", &"ships sail on\n\n".repeat(PACK_BYTES / 10))]);
        index.consume(Stage::Chunk, pack);
        let first = index.number(CHUNKS);
        assert_eq!(index.sent(), [Stage::Chunk]);
        index.consume(Stage::Chunk, pack);
        assert_eq!(index.sent(), [Stage::Embed]);
        assert!(index.number(CHUNKS) > first);
        // Its chunks are numbered across the slices, and none is missing.
        assert_eq!(index.number("SELECT max(chunk_index) + 1 AS n FROM chunks"), index.number(CHUNKS));
        assert_eq!(index.number("SELECT chunk_count FROM job_items WHERE stage = 'embed'"), index.number(CHUNKS));
    }

    #[test]
    fn lines_are_counted_across_the_slices_of_a_long_document() {
        let index = Index::new();
        let content = "ships sail on\n\n".repeat(PACK_BYTES / 10);
        let pack = index.upload(&[("a.md", &content)]);
        for _ in 0..2 {
            index.consume(Stage::Chunk, pack);
        }
        for chunk in index.memory.look("SELECT start, \"end\", start_line, end_line FROM chunks") {
            let [start, end, first, last] = ["start", "end", "start_line", "end_line"]
                .map(|name| chunk[name].as_u64().unwrap().try_into().unwrap());
            let line_of = |byte: usize| content[..byte].matches('\n').count() + 1;
            assert_eq!((first, last), (line_of(start), line_of(end - 1)), "{chunk}");
        }
    }

    /// A message that an earlier version sent says how far the document is, but not at which line.
    #[test]
    fn lines_that_are_not_known_are_not_made_up() {
        let index = Index::new();
        let pack = index.upload(&[("a.md", &"ships sail on\n\n".repeat(PACK_BYTES / 10))]);
        index.consume(Stage::Chunk, pack);
        let known = index.number("SELECT count(end_line) AS n FROM chunks");
        index.memory.look("UPDATE job_items SET cursor = json_remove(cursor, '$.lines')");
        index.consume(Stage::Chunk, pack);
        assert!(known > 0 && index.number(CHUNKS) > known);
        assert_eq!(index.number("SELECT count(end_line) AS n FROM chunks"), known);
    }

    #[test]
    fn a_document_without_text_fails_alone() {
        let index = Index::new();
        let pack = index.upload(&[("a.md", " \n"), ("b.md", "trains run")]);
        assert_eq!(index.consume(Stage::Chunk, pack).outcome, Outcome::Done);
        assert_eq!((index.number(CHUNKS), index.sent()), (1, vec![Stage::Embed]));
        let row = &index.memory.look("SELECT failures FROM job_items WHERE failures IS NOT NULL")[0];
        let failures: Vec<DocumentFailure> = serde_json::from_str(row["failures"].as_str().unwrap()).unwrap();
        assert_eq!((failures.len(), failures[0].code.as_str()), (1, "no_text"));
        assert_eq!(failures[0].document_id, index.document("a.md"));
    }

    #[test]
    fn a_pack_that_is_missing_is_looked_for_again_and_then_given_up() {
        let index = Index::new();
        let pack = index.upload(&[("a.md", "ships sail")]);
        index.lose_objects(&object_keys::pack(&index.user, pack));
        assert!(matches!(index.consume(Stage::Chunk, pack).outcome, Outcome::Retry { .. }));
        index.memory.advance(pipeline::time::MINUTE);
        let Outcome::Dead { why } = index.consume_to_the_end(Stage::Chunk, pack) else { panic!("it is there") };
        assert!(why.ends_with("is not in R2"), "{why}");
        assert_eq!(index.number("SELECT count(*) AS n FROM dead_letters"), 1);
    }

    #[test]
    fn what_was_replaced_meanwhile_is_not_chunked() {
        let index = Index::new();
        let pack = index.upload(&[("a.md", "ships sail"), ("b.md", "trains run")]);
        index.upload(&[("a.md", "ships sink")]);
        index.consume(Stage::Chunk, pack);
        assert_eq!(index.number("SELECT count(*) AS n FROM chunks WHERE text <> 'trains run'"), 0);
        assert_eq!(index.number(CHUNKS), 1);
        // Nobody wants the last one either: its pack may be gone.
        let last = index.upload(&[("c.md", "planes fly")]);
        index.delete("c.md");
        index.lose_objects(&object_keys::pack(&index.user, last));
        assert_eq!(index.consume(Stage::Chunk, last).outcome, Outcome::Done);
        assert_eq!(index.number(CHUNKS), 1);
    }

    #[test]
    fn a_lost_claim_writes_no_chunks() {
        let index = Index::new();
        let pack = index.upload(&[("a.md", "ships sail")]);
        let (late, now) = index.take_over(Stage::Chunk, pack);
        assert_eq!(ready(chunk(&index.memory, &late)).unwrap(), Outcome::Done);
        assert_eq!((index.number(CHUNKS), index.sent().len()), (0, 0));
        assert_eq!(ready(chunk(&index.memory, &now)).unwrap(), Outcome::Done);
        assert_eq!((index.number(CHUNKS), index.sent()), (1, vec![Stage::Embed]));
    }
}
