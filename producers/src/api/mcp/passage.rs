//! A part of a document's text: some lines, or what follows a byte.

use pipeline::{
    ids::{DocumentId, UserId},
    platform::{ports::Database, transaction::Transaction},
    problem::{Code, Problem},
    store::{
        chunks::read::{self as chunks, ChunkSpan, Within},
        documents::read::{self, DocumentRow},
    },
};

use crate::{api::documents, http::reply::Refusal};

/// What is wanted of a document.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// From the beginning of this line on.
    pub from_line: Option<i64>,
    /// As far as the end of this line.
    pub to_line: Option<i64>,
    /// From this byte on.
    pub from_byte: Option<i64>,
    /// So many bytes at most.
    pub bytes: usize,
}

/// What was read of a document.
#[derive(Debug)]
pub struct Passage {
    /// The document.
    pub document: DocumentRow,
    /// Its text there.
    pub text: String,
    /// The lines that it lies on; nothing in what was indexed before lines were counted.
    pub lines: Option<(i64, i64)>,
    /// The byte at which it goes on, if more was wanted than there was room for.
    pub next: Option<i64>,
}

/// Bytes that a chunk has at least, as a rule: so many are read for a passage, and one on either side.
const CHUNK_BYTES: usize = 1_500;

/// Reads a passage of a user's document.
pub async fn read<P: Database>(ports: &P, user: &UserId, id: &DocumentId, wanted: Wanted) -> Result<Passage, Refusal> {
    let limit = i64::try_from(wanted.bytes / CHUNK_BYTES + 3).unwrap_or(3);
    let Wanted { from_line, to_line, from_byte, .. } = wanted;
    let mut transaction = Transaction::default();
    let document = transaction.query(read::get(user, id));
    let chunks = transaction.query(chunks::within(user, id, Within { from_line, to_line, from_byte, limit }));
    let done = transaction.commit(ports).await?;
    let document = done.first(document)?.ok_or_else(documents::not_found)?;
    let chunks = done.all(chunks)?;
    if chunks.is_empty() {
        return Err(nothing_there(&document, wanted).into());
    }
    let has_lines = chunks.iter().all(|chunk| chunk.start_line.is_some());
    if !has_lines && (from_line.is_some() || to_line.is_some()) {
        return Err(Problem::new(Code::Invalid, NO_LINES).into());
    }
    let is_cut = i64::try_from(chunks.len()).is_ok_and(|read| read == limit);
    Ok(passage(document, &chunks, wanted, is_cut))
}

const NO_LINES: &str = "this document was indexed before lines were counted: read it without lines, or index it again";

fn nothing_there(document: &DocumentRow, wanted: Wanted) -> Problem {
    if document.chunk_count.is_none() {
        let detail = format!("nothing of this document is indexed so far: it is {}", document.status);
        return Problem::new(Code::NotFound, detail);
    }
    if wanted.from_byte.is_some() {
        return Problem::new(Code::NotFound, "the document ends there: it may have been changed; read it anew");
    }
    Problem::new(Code::NotFound, "the document has no such lines: it ends before them")
}

fn passage(document: DocumentRow, chunks: &[ChunkSpan], wanted: Wanted, is_cut: bool) -> Passage {
    let whole: String = chunks.iter().filter_map(|chunk| chunk.text.as_deref()).collect();
    let (base, line) = chunks.first().map_or((0, None), |chunk| (chunk.start, chunk.start_line));
    let from_byte = wanted.from_byte.and_then(|byte| usize::try_from(byte - base).ok()).unwrap_or(0);
    let from_byte = whole.floor_char_boundary(from_byte);
    let skipped = match (wanted.from_line, line) {
        (Some(from), Some(line)) => after_ends(&whole, 0, from - line).unwrap_or(0),
        _ => 0,
    };
    let start = from_byte.max(skipped);
    let line = line.map(|line| line + ends(&whole[..start]));
    let end_of_lines = match (wanted.to_line, line) {
        (Some(to), Some(line)) => after_ends(&whole, start, to - line + 1),
        _ => None,
    };
    let end = end_of_lines.unwrap_or(whole.len());
    let end_of_room = room(&whole, start, end, wanted.bytes);
    let goes_on = end_of_room < end || (end_of_lines.is_none() && is_cut);
    let text = whole[start..end_of_room].to_owned();
    let lines = line.map(|line| (line, line + ends(text.strip_suffix('\n').unwrap_or(&text))));
    let next = goes_on.then(|| base + i64::try_from(end_of_room).unwrap_or(0));
    Passage { document, text, lines, next }
}

/// As far as there is room: to the end of a line, if one ends there.
fn room(text: &str, start: usize, end: usize, bytes: usize) -> usize {
    if end - start <= bytes {
        return end;
    }
    let most = text.floor_char_boundary(start + bytes);
    let most = if most == start { text.ceil_char_boundary(start + 1) } else { most };
    text[start..most].rfind('\n').map_or(most, |at| start + at + 1)
}

/// The byte behind so many line ends; `None` if there are fewer.
fn after_ends(text: &str, start: usize, count: i64) -> Option<usize> {
    let mut at = start;
    for _ in 0..count.max(0) {
        at += text[at..].find('\n')? + 1;
    }
    Some(at)
}

fn ends(text: &str) -> i64 {
    text.bytes().map(|byte| i64::from(byte == b'\n')).sum()
}
