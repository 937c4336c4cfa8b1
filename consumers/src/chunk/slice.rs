//! Which bytes of a pack one message works through.
//!
//! A pack of small documents goes in one. A long document is alone in its pack and goes in slices of
//! about [`CHUNK_SLICE_BYTES`], each ending where its text has a seam, so that a message stays within its CPU time.

use pipeline::{constants::CHUNK_SLICE_BYTES, job::item::PackedDocument};

/// The part of a pack to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// First byte and one past the last.
    pub range: (u64, u64),
}

/// Plans the read that starts at byte `source` of a long document, or of the whole pack.
pub fn plan(documents: &[PackedDocument], source: u64) -> Plan {
    let end = documents.iter().map(|document| document.end).max().unwrap_or(0);
    let slice_end = if documents.len() > 1 { end } else { end.min(source + CHUNK_SLICE_BYTES as u64) };
    Plan { range: (source, slice_end) }
}

impl Plan {
    /// The documents that the planned bytes hold.
    pub fn documents<'a>(&self, documents: &'a [PackedDocument]) -> impl Iterator<Item = &'a PackedDocument> {
        let range = self.range;
        documents.iter().filter(move |document| document.start < range.1 && document.end > range.0)
    }

    /// A document's part of the bytes read.
    pub fn bytes_of<'a>(&self, document: &PackedDocument, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let start = usize::try_from(document.start.max(self.range.0) - self.range.0).ok()?;
        let end = usize::try_from(document.end.min(self.range.1) - self.range.0).ok()?;
        bytes.get(start..end)
    }

    /// True if the document ends within the planned bytes.
    pub fn is_last(&self, document: &PackedDocument) -> bool {
        document.end <= self.range.1
    }
}

/// The text of a slice up to its last seam, and whether more follows; `None` if it is not UTF-8.
pub fn text(bytes: &[u8], is_last: bool, html: bool) -> Option<(&str, bool)> {
    if is_last {
        return std::str::from_utf8(bytes).ok().map(|text| (text, false));
    }
    let whole = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        // A character cut by the slice's end belongs to the next slice.
        Err(error) if error.error_len().is_none() => std::str::from_utf8(&bytes[..error.valid_up_to()]).ok()?,
        Err(_) => return None,
    };
    let seam = if html { html_seam(whole) } else { text_seam(whole) };
    // Without progress the document would never end.
    let seam = if seam == 0 { whole.len() } else { seam };
    Some((&whole[..seam], true))
}

/// The last paragraph end in the later half, else line end, else space, else all of it.
fn text_seam(text: &str) -> usize {
    let half = text.ceil_char_boundary(text.len() / 2);
    let later = &text[half..];
    ["\n\n", "\n", " "].iter().find_map(|seam| later.rfind(seam).map(|at| half + at + seam.len())).unwrap_or(text.len())
}

/// The last start of a block element in the later half, else the last end of a tag.
fn html_seam(text: &str) -> usize {
    let half = text.ceil_char_boundary(text.len() / 2);
    let later = &text[half..];
    ["<h2", "<h3", "<section", "<div", "<p", "<li", "<tr", "<"]
        .iter()
        .find_map(|tag| later.rfind(tag))
        .map_or_else(|| text_seam(text), |at| half + at)
}

#[cfg(test)]
mod tests {
    use pipeline::{
        ids::{DocumentId, RANDOM_BYTES, UserId},
        time::Timestamp,
    };
    use proptest::prelude::*;

    use super::*;

    fn packed(start: u64, end: u64) -> PackedDocument {
        let user = UserId::new(Timestamp::from_milliseconds(0), [0; RANDOM_BYTES]);
        PackedDocument { id: DocumentId::from_external_id(&user, &start.to_string()), start, end }
    }

    #[test]
    fn a_pack_of_small_documents_goes_at_once() {
        let documents = [packed(0, 40_000), packed(40_000, 80_000)];
        let plan = plan(&documents, 0);
        assert_eq!(plan.range, (0, 80_000));
        assert_eq!(plan.documents(&documents).count(), 2);
    }

    #[test]
    fn a_long_document_goes_in_slices() {
        let documents = [packed(0, 100_000)];
        assert_eq!(plan(&documents, 0).range, (0, CHUNK_SLICE_BYTES as u64));
        assert_eq!(plan(&documents, 80_000).range, (80_000, 100_000));
        assert!(!plan(&documents, 0).is_last(&documents[0]));
        assert!(plan(&documents, 80_000).is_last(&documents[0]));
    }

    #[test]
    fn a_cut_character_moves_to_the_next_slice_and_bad_bytes_are_noticed() {
        let text_bytes = "abc é".as_bytes();
        assert_eq!(text(&text_bytes[..5], false, false), Some(("abc ", true)));
        assert_eq!(text(b"abc \xff def", false, false), None);
        assert_eq!(text(&text_bytes[..5], true, false), None);
    }

    proptest! {
        #[test]
        fn slices_make_progress_and_join_to_the_whole(
            source in "(\\PC{0,40}[\\n ]{0,3}){1,40}",
            size in 8usize..64,
            html: bool,
        ) {
            let bytes = source.as_bytes();
            let mut at = 0;
            let mut joined = String::new();
            while at < bytes.len() {
                let end = bytes.len().min(at + size);
                let (part, more) = text(&bytes[at..end], end == bytes.len(), html).unwrap();
                prop_assert!(!part.is_empty());
                prop_assert_eq!(more, end < bytes.len());
                joined.push_str(part);
                at += part.len();
            }
            prop_assert_eq!(joined, source);
        }
    }
}
