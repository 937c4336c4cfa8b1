//! One range of an upload: what is read of it, and where the next one begins.

use pipeline::{
    constants,
    failure::Failure,
    job::cursors::{InflateCursor, Inside, UnpackCursor},
    platform::ports::{Deployment, ObjectStore},
};
use serde::Serialize;
use uploads::{
    Format, Item, inflate,
    parse::{self, too_long},
    split::{self, End, Piece, Split, Window},
};

use super::compressed;

/// Where an upload could not be read on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Broken {
    /// The first byte that was not understood; of what it unfolds to, if it is compressed.
    pub byte: u64,
    /// How many documents stand before it.
    pub document: u64,
    /// What is wrong there.
    pub why: String,
}

/// A range that was read and looked through.
#[derive(Debug)]
pub struct Range {
    pub(super) cursor: UnpackCursor,
    /// What the next range begins inside of; fields of a form are added when they are read.
    pub(super) inside: Inside,
    pub(super) bytes: Vec<u8>,
    pub(super) found: Split,
    /// How long the upload is, or, if it is compressed, what of it is inflated.
    pub(super) known: u64,
    /// Of a compressed upload, where inflating the next range begins.
    pub(super) inflating: Option<InflateCursor>,
}

/// Reads the range at the cursor, and more of it until it holds a whole document or as much as any may have.
/// `None` if the upload is not there. Reading twice is harmless.
pub async fn read<P: ObjectStore + Deployment>(
    ports: &P,
    key: &str,
    format: &Format,
    cursor: &UnpackCursor,
) -> Result<Option<Range>, Failure> {
    if cursor.inflating.is_some() {
        return compressed::read(ports, key, format, cursor, &[]).await;
    }
    let mut length = ports.plan().units().range_bytes;
    loop {
        let end = (cursor.offset + length).min(cursor.bytes);
        let bytes = if cursor.offset < end {
            let Some(object) = ports.get(key, Some((cursor.offset, end))).await? else { return Ok(None) };
            object.bytes
        } else {
            Vec::new()
        };
        if cursor.may_be_compressed && cursor.offset == 0 && bytes.starts_with(&inflate::MAGIC) {
            return compressed::read(ports, key, format, cursor, &bytes).await;
        }
        let is_longest = length >= constants::WRITTEN_DOCUMENT_BYTES;
        let window = Window { bytes: &bytes, is_last: end == cursor.bytes, is_longest };
        let mut inside = cursor.inside.clone();
        let found = if cursor.offset > cursor.bytes {
            let why = "the upload ends inside of a file that is too long".to_owned();
            Split { pieces: Vec::new(), next: 0, end: End::Broken(why) }
        } else {
            split::split(format, &mut inside, window, constants::DOCUMENTS_PER_RANGE)
        };
        if !found.wants_more() {
            return Ok(Some(Range {
                cursor: cursor.clone(),
                inside,
                bytes,
                found,
                known: cursor.bytes,
                inflating: None,
            }));
        }
        if window.is_last || is_longest {
            return Err(Failure::bug("a range that holds nothing, and no more to look at"));
        }
        length = (4 * length).min(constants::WRITTEN_DOCUMENT_BYTES);
    }
}

impl Range {
    /// Its documents, each read alone; `first` stand before them.
    pub async fn items(&mut self, format: &Format, first: usize) -> Vec<Item> {
        let mut items = Vec::with_capacity(self.found.pieces.len());
        let mut shared = self.inside.shared.clone();
        for piece in &self.found.pieces {
            let index = first + items.len();
            match piece {
                Piece::Whole(range) => {
                    let bytes = self.bytes.get(range.clone()).unwrap_or_default();
                    items.extend(parse::piece(format, index, bytes, &mut shared).await);
                }
                Piece::TooLong { name } => {
                    let pointer = name.as_ref().map_or_else(|| format!("/{index}"), |name| format!("/files/{name}"));
                    items.push(Item { document: Err(too_long(&pointer)), pointer });
                }
            }
        }
        self.inside.shared = shared;
        items
    }

    /// Documents before it.
    pub fn first(&self) -> u64 {
        self.cursor.documents
    }

    /// Bytes of the upload that are unpacked with it.
    pub fn end(&self) -> u64 {
        match &self.inflating {
            None => (self.cursor.offset + self.found.next).min(self.cursor.bytes),
            Some(_) if self.found.end == End::Done => self.cursor.bytes,
            Some(inflating) => inflating.compressed,
        }
    }

    /// True if no other follows.
    pub fn is_last(&self) -> bool {
        self.found.end != End::More
    }

    /// Where the upload cannot be read on, if it cannot, after so many documents of this range.
    pub fn broken(&self, documents: usize) -> Option<Broken> {
        let End::Broken(why) = &self.found.end else { return None };
        let byte = self.cursor.offset.saturating_add(self.found.next).min(self.known);
        Some(Broken { byte, document: self.first() + documents as u64, why: why.clone() })
    }

    /// The cursor of the next one, after so many documents of this.
    pub fn next(&self, documents: usize) -> UnpackCursor {
        UnpackCursor {
            offset: self.cursor.offset.saturating_add(self.found.next),
            documents: self.first() + documents as u64,
            inside: self.inside.clone(),
            inflating: self.inflating.clone(),
            ..self.cursor.clone()
        }
    }
}
