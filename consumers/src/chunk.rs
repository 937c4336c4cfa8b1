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
pub mod slice;
pub mod split;
pub mod symbols;

use std::collections::HashMap;

use pipeline::{
    failure::Failure,
    identifiers,
    ids::{ChunkRow, DocumentId},
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
    scope::Scope,
    store::{self, chunks::write::NewChunk, documents::publish::LatestRevision},
};

use self::{extract::Extracted, split::Structure};

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
    work.write_all(store::chunks::write::insert(claim, &chunked.chunks));
    work.write(store::users::bump_by(claim));
    let chunks_made = i64::try_from(chunked.chunks.len()).unwrap_or(0);
    let progress = Progress { chunks_made, failures: chunked.failures, ..Progress::default() };
    complete(ports, claim, work, &progress, chunked.next).await
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
            failures.push(failure(packed, "not_utf8", "its bytes are not UTF-8 text"));
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
                html: extracted.state,
            })?);
        } else if chunks.len() == before && cursor.index == 0 {
            failures.push(failure(packed, "no_text", "it contains no text to index"));
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
    let tags: Vec<String> = serde_json::from_str(&document.tags).unwrap_or_default();
    let scope = Scope::of_document(document.user_number, &document.kind, document.language.as_deref(), &tags);
    for (index, range) in (cursor.index..).zip(split::split(&extracted.text, structure)) {
        if place >= ChunkRow::PER_ITEM {
            return Err(Failure::input(format!("a document of more than {} chunks", ChunkRow::PER_ITEM)));
        }
        let text = &extracted.text[range.clone()];
        let title = document.title.as_deref().unwrap_or_default();
        let is_code = structure == Structure::Code;
        chunks.push(&NewChunk {
            id: ChunkRow::new(claim.item, place),
            document: &document.id,
            revision: document.revision,
            index,
            start: cursor.text + range.start,
            end: cursor.text + range.end,
            text,
            scope: scope.terms(),
            title: if is_code { symbols::indexed_title(title, text) } else { title.to_owned() },
            ident: if is_code { identifiers::camel_case_parts(text) } else { String::new() },
        })?;
        place += 1;
    }
    Ok(place)
}

fn failure(packed: &PackedDocument, code: &str, detail: &str) -> DocumentFailure {
    DocumentFailure { document_id: packed.id.clone(), code: code.to_owned(), detail: detail.to_owned() }
}
