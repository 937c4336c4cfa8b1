//! What indexing documents will cost, before it is done: within 15 % on real texts (`make freeplan`).

use std::borrow::Cow;

use pipeline::{constants, model::EMBEDDING, plan::Units};
use schemars::JsonSchema;
use serde::Serialize;
use uploads::pack::Batch;

/// The expected cost of an upload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Estimate {
    /// Word pieces the embedding model will read.
    pub tokens: u64,
    /// Chunks.
    pub chunks: u64,
    /// Workers AI neurons.
    pub neurons: f64,
    /// Queue operations.
    pub queue_operations: u64,
    /// Rows D1 writes.
    pub d1_rows_written: u64,
}

/// Rows of a document: its own and its place in the list by time, when it is accepted and when it is published.
const ROWS_PER_DOCUMENT: u64 = 4;
/// Rows of a document whose vectors are kept: they, and their place among those of the same bytes.
const ROWS_KEPT: u64 = 2;
/// Rows of a chunk: its own and its full text's.
const ROWS_PER_CHUNK: u64 = 2;
/// Rows of a message: claim, settlement, the index version, reservation, usage.
const ROWS_PER_MESSAGE: u64 = 6;
/// Rows of a job beside its items'.
const ROWS_PER_JOB: u64 = 6;

/// Bytes per chunk of a long document: chunks are filled to 500 to 1,000 tokens of about 4 bytes.
const BYTES_PER_CHUNK: usize = 2_900;
/// Word pieces that fill a window of the model, as chunks fall.
const PIECES_PER_WINDOW: u64 = 430;

/// A text to be estimated.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a> {
    /// Its source.
    pub bytes: &'a [u8],
    /// Its tags and scripts are not indexed.
    pub is_html: bool,
    /// Its vectors are kept: it is known by git's hash of its bytes.
    pub is_kept: bool,
}

/// What one text comes to.
#[derive(Clone, Copy, Debug, Default)]
struct Size {
    tokens: u64,
    chunks: u64,
}

/// Estimates from the texts and their work units, which number them.
pub fn estimate(texts: &[Text<'_>], batches: &[Batch], units: &Units) -> Estimate {
    let sizes: Vec<Size> = texts.iter().map(size).collect();
    let tokens: u64 = sizes.iter().map(|size| size.tokens).sum();
    let chunks: u64 = sizes.iter().map(|size| size.chunks).sum();
    let messages: u64 = batches.iter().map(|batch| messages(batch, &sizes, units)).sum();
    Estimate {
        tokens,
        chunks,
        neurons: (EMBEDDING.neurons(tokens) * 100.0).round() / 100.0,
        queue_operations: messages * constants::OPERATIONS_PER_MESSAGE,
        d1_rows_written: texts.len() as u64 * ROWS_PER_DOCUMENT
            + texts.iter().filter(|text| text.is_kept).count() as u64 * ROWS_KEPT
            + chunks * ROWS_PER_CHUNK
            + messages * ROWS_PER_MESSAGE
            + ROWS_PER_JOB,
    }
}

fn size(text: &Text<'_>) -> Size {
    let visible = if text.is_html { Cow::Owned(without_markup(text.bytes)) } else { Cow::Borrowed(text.bytes) };
    let chunks = visible.len().div_ceil(BYTES_PER_CHUNK).max(1) as u64;
    Size { tokens: tokens(&visible) + 6 * chunks, chunks }
}

/// Messages of a batch: one per pack and slice of a pack, and as many for upsert as for embed, at least one.
fn messages(batch: &Batch, sizes: &[Size], units: &Units) -> u64 {
    let slices: usize = batch.iter().map(|pack| pack.bytes.div_ceil(units.pack_bytes)).sum();
    let documents = || batch.iter().flat_map(|pack| &pack.documents).filter_map(|document| sizes.get(*document));
    let chunks: u64 = documents().map(|size| size.chunks).sum();
    let windows = chunks.max(documents().map(|size| size.tokens).sum::<u64>() / PIECES_PER_WINDOW);
    slices as u64 + 2 * windows.div_ceil(units.windows as u64).max(1)
}

/// What is left of HTML without tags, scripts and styles; roughly, as `extract` does it exactly.
fn without_markup(html: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(html.len() / 2);
    let mut rest = html;
    while let Some(start) = rest.iter().position(|byte| *byte == b'<') {
        let (before, tag) = rest.split_at(start);
        text.extend_from_slice(before);
        let hidden = [&b"<script"[..], b"<style"].into_iter().find(|name| begins_with(tag, name));
        let end = match hidden {
            Some(b"<script") => find(tag, b"</script"),
            Some(_) => find(tag, b"</style"),
            None => Some(0),
        };
        let closing =
            end.and_then(|end| tag.get(end..)?.iter().position(|byte| *byte == b'>').map(|place| end + place + 1));
        rest = closing.and_then(|closing| tag.get(closing..)).unwrap_or_default();
        text.push(b' ');
    }
    text.extend_from_slice(rest);
    text
}

fn begins_with(text: &[u8], name: &[u8]) -> bool {
    text.get(..name.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(name))
}

fn find(text: &[u8], name: &[u8]) -> Option<usize> {
    text.windows(name.len()).position(|window| window.eq_ignore_ascii_case(name))
}

/// Word pieces of a text, roughly, at a cost of one look at each byte: a run of letters is a piece
/// for every seven of them, a run of digits for every three, and every symbol is one.
fn tokens(text: &[u8]) -> u64 {
    let mut tokens = 0;
    // How many more of them the last piece takes: counted down, for a division of each run costs twice as much.
    let (mut letters, mut digits) = (0u8, 0u8);
    for byte in text {
        if byte.is_ascii_alphabetic() || *byte >= 0x80 {
            tokens += u64::from(letters == 0);
            letters = if letters == 0 { 6 } else { letters - 1 };
            continue;
        }
        letters = 0;
        if byte.is_ascii_digit() {
            tokens += u64::from(digits == 0);
            digits = if digits == 0 { 2 } else { digits - 1 };
            continue;
        }
        digits = 0;
        tokens += u64::from(!byte.is_ascii_whitespace());
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;
    use pipeline::plan::Plan;
    use uploads::pack;

    #[test]
    fn words_digits_and_symbols() {
        assert_eq!(tokens(b"the quick brown-fox 12345."), 4 + 1 + 2 + 1);
        assert_eq!(tokens(b"sevenletters1234567 a"), 2 + 3 + 1);
    }

    #[test]
    fn markup_is_no_text() {
        let html =
            b"<html><style>a{b:c}</style><p class=\"x\">Some <b>text</b></p><script>if (a < b) c();</script> end <";
        let text = String::from_utf8(without_markup(html)).unwrap();
        assert_eq!(text.split_whitespace().collect::<Vec<_>>(), ["Some", "text", "end"]);
        assert!(without_markup(b"<script>never closed").iter().all(u8::is_ascii_whitespace));
    }

    #[test]
    fn operations_grow_with_text_and_not_with_files() {
        let text = vec![b'x'; 2_048];
        let texts = vec![Text { bytes: &text, is_html: false, is_kept: false }; 1_000];
        let units = Plan::Free.units();
        let estimate = estimate(&texts, &pack::plan(&[2_048; 1_000], &units), &units);
        assert_eq!(estimate.chunks, 1_000);
        assert_eq!(estimate.queue_operations, 420, "84 packs, 28 batches");
        let kept = vec![Text { bytes: &text, is_html: false, is_kept: true }; 1_000];
        let kept = super::estimate(&kept, &pack::plan(&[2_048; 1_000], &units), &units);
        assert_eq!(kept.d1_rows_written - estimate.d1_rows_written, 2_000);
    }
}
