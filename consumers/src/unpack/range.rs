//! One range of an upload: what is read of it, and where the next one begins.

use pipeline::{
    constants,
    job::cursors::{InflateCursor, Inside, UnpackCursor},
    problem::shortened,
};
use serde::Serialize;
use uploads::{
    Format, Item, parse,
    split::{End, LeftOut, Piece, Split},
};

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

/// Most documents that are taken out of a range: of one that has grown, the one that it has grown for.
pub(super) const fn most_documents(has_grown: bool) -> usize {
    if has_grown { 1 } else { constants::DOCUMENTS_PER_RANGE }
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

impl Range {
    /// Its documents, each read alone; `first` stand before them. The last attempt at a range leaves out what is so
    /// long that the others may have died of it: what stands behind it in the upload is not lost with it.
    pub async fn items(&mut self, format: &Format, first: usize, is_last_attempt: bool) -> Vec<Item> {
        let mut items = Vec::with_capacity(self.found.pieces.len());
        let mut inside = self.inside.clone();
        for piece in &self.found.pieces {
            let index = first + items.len();
            let pointer = format.pointer(index, inside.outermost);
            match piece {
                Piece::Whole(range) if is_last_attempt && range.len() >= constants::COSTLY_DOCUMENT_BYTES => {
                    items.push(parse::left_out(&pointer, None, LeftOut::TooCostly));
                }
                Piece::Whole(range) => {
                    let bytes = self.bytes.get(range.clone()).unwrap_or_default();
                    items.extend(parse::piece(format, index, bytes, &mut inside).await);
                }
                Piece::LeftOut { name, why } => {
                    items.push(parse::left_out(&pointer, name.clone(), *why));
                }
            }
        }
        self.inside = inside;
        items
    }

    /// Documents before it.
    pub fn first(&self) -> u64 {
        self.cursor.documents
    }

    /// Bytes of the upload that are unpacked with it.
    pub fn end(&self) -> u64 {
        match &self.inflating {
            _ if self.found.end == End::Done => self.cursor.bytes,
            None => (self.cursor.offset + self.found.next).min(self.cursor.bytes),
            Some(inflating) => inflating.compressed,
        }
    }

    /// True if no other follows.
    pub fn is_last(&self) -> bool {
        self.found.end != End::More
    }

    /// Where the upload cannot be read on, if it cannot, after so many documents of this range.
    pub fn broken(&self, documents: usize) -> Option<Broken> {
        let document = self.first() + documents as u64;
        let why = match &self.found.end {
            End::Broken(why) => shortened(why.clone()),
            End::Done if document == 0 => "it holds no documents".to_owned(),
            End::Done | End::More => return None,
        };
        let byte = self.cursor.offset.saturating_add(self.found.next).min(self.known);
        Some(Broken { byte, document, why })
    }

    /// Ends the upload with this range, of so many documents, so many of them rejected, if nothing good is to be
    /// expected of the rest: each document costs rows and messages, also one that is none.
    pub fn hold_to_limits(&mut self, documents: usize, rejected: usize) {
        if self.found.end != End::More {
            return;
        }
        let documents = self.first() + documents as u64;
        let rejected = self.cursor.rejected + rejected as u64;
        let taken = documents.saturating_sub(rejected);
        if documents >= constants::DOCUMENTS_PER_UPLOAD {
            let limit = constants::DOCUMENTS_PER_UPLOAD;
            self.found.end = End::Broken(format!("it holds more than {limit} documents; send the others in another"));
        } else if rejected > taken + constants::REJECTED_PER_UPLOAD {
            let why = format!("{rejected} of its documents were rejected and {taken} taken; the rest is not read");
            self.found.end = End::Broken(why);
        }
    }

    /// The cursor of the next one, after so many documents of this, so many of them rejected.
    pub fn next(&self, documents: usize, rejected: usize) -> UnpackCursor {
        UnpackCursor {
            offset: self.cursor.offset.saturating_add(self.found.next),
            documents: self.first() + documents as u64,
            rejected: self.cursor.rejected + rejected as u64,
            inside: self.inside.clone(),
            inflating: self.inflating.clone(),
            ..self.cursor.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A range that others follow, of an upload of which so many documents were found and rejected before.
    fn range(documents: u64, rejected: u64) -> Range {
        let cursor = UnpackCursor {
            media_type: "application/x-ndjson".to_owned(),
            bytes: 1_000,
            offset: 500,
            documents,
            rejected,
            inside: Inside::default(),
            may_be_compressed: false,
            inflating: None,
            allow_secrets: false,
        };
        let found = Split::ending(100, End::More, Vec::new());
        Range { cursor, inside: Inside::default(), bytes: Vec::new(), found, known: 1_000, inflating: None }
    }

    #[test]
    fn the_next_range_begins_where_this_one_ends() {
        let mut range = range(7, 1);
        range.hold_to_limits(3, 2);
        assert_eq!((range.is_last(), range.end(), range.broken(3)), (false, 600, None));
        let next = range.next(3, 2);
        assert_eq!((next.offset, next.documents, next.rejected), (600, 10, 3));
    }

    #[test]
    fn an_upload_that_is_mostly_rejected_is_not_read_on() {
        let most = constants::REJECTED_PER_UPLOAD;
        let mut as_many = range(2 * most, most);
        as_many.hold_to_limits(0, 0);
        assert!(!as_many.is_last());
        let mut more = range(most, most);
        more.hold_to_limits(1, 1);
        let broken = more.broken(1).unwrap();
        assert!(more.is_last() && broken.why.ends_with("the rest is not read"), "{}", broken.why);
        assert_eq!((broken.byte, broken.document), (600, most + 1));
    }

    #[test]
    fn an_upload_of_too_many_documents_ends_there() {
        let mut range = range(constants::DOCUMENTS_PER_UPLOAD - 1, 0);
        range.hold_to_limits(1, 0);
        assert!(range.is_last() && range.broken(1).unwrap().why.contains("send the others in another"));
    }

    #[test]
    fn an_upload_without_documents_says_so() {
        let mut range = range(0, 0);
        range.found.end = End::Done;
        assert_eq!(range.broken(0).unwrap().why, "it holds no documents");
        assert_eq!(range.broken(1), None);
    }
}
