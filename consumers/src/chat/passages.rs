//! What of a source a prompt holds: the lines that matched the question, not the whole chunk.
//!
//! Eight chunks are 4,000 to 7,000 tokens, of which an answer needs a few sentences; the rest is paid for, read for
//! seconds, and leads small models astray. So every source is narrowed to one passage: of all runs of lines that are
//! short enough the one that holds most of the question's words, the rarer ones counting more, with what stands around
//! it. A citation names the lines of the passage. What is quoted where no model answers are the [`best`] passages.

use std::{borrow::Cow, cmp::Ordering, ops::Range, path::Path};

use pipeline::{identifiers, insertion_sort::insertion_sort, statements::sentences, unspaced};
use retrieval::keyword;

use super::sources::Source;

/// Bytes of a token: enough to divide a budget that the prompt then holds to exactly.
const BYTES_PER_TOKEN: usize = 4;
/// A passage is no shorter than this, or it says nothing out of its place.
const SHORTEST: usize = 480;
/// Nor longer: what a chunk of prose says about one thing.
const LONGEST: usize = 2_000;
/// A longer line is prose, and comes apart into its sentences.
const LONG_LINE: usize = 200;
/// A sentence that is longer, such as JSON without lines, comes apart into pieces.
const LONG_SENTENCE: usize = 400;
/// A shorter line ends where its writer wanted it to.
const WRAPPED_FROM: usize = 50;
/// What a word of the heading above counts of the same word in a line, and so does one of a key of JSON.
const OF_HEADING: f64 = 0.5;
/// What stands behind a key of JSON.
const KEY_END: &str = "\":";
/// What each place further down the list of sources takes of a passage's share: of .02, .05, .1 and 1 (the order alone)
/// the one with which most of the questions of `make eval-answers` find their answer among three passages (80 of 121).
const OF_PLACE: f64 = 0.05;

/// A line or sentence of a text, and which of the wanted words it holds: a bit each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Its bytes in the text.
    pub range: Range<usize>,
    /// The words it holds.
    held: u64,
    /// The words the heading above it holds, or a key of its own.
    of_heading: u64,
}

/// Narrows sources to passages of so many tokens together.
pub fn narrow(question: &str, sources: Vec<Source>, tokens: usize) -> Vec<Source> {
    let bytes = (tokens * BYTES_PER_TOKEN / sources.len().max(1)).clamp(SHORTEST, LONGEST);
    passages(question, sources, bytes).into_iter().map(|(_, passage)| passage).collect()
}

/// The `count` passages that hold most of a question, each of another source and of at most so many bytes. The sources
/// come best first, which counts as well.
pub fn best(question: &str, sources: Vec<Source>, bytes: usize, count: usize) -> Vec<Source> {
    let mut passages = passages(question, sources, bytes);
    for (place, (share, _)) in passages.iter_mut().enumerate() {
        *share -= OF_PLACE * f64::from(u32::try_from(place).unwrap_or(u32::MAX));
    }
    insertion_sort(&mut passages, |(one, _), (other, _)| one > other);
    passages.into_iter().take(count).map(|(_, passage)| passage).collect()
}

/// The best passage of every source, of at most so many bytes, and the share of the question's weight that it holds.
fn passages(question: &str, sources: Vec<Source>, bytes: usize) -> Vec<(f64, Source)> {
    let terms: Vec<String> = keyword::terms(question).into_iter().take(u64::BITS as usize).collect();
    let units: Vec<Vec<Unit>> = sources.iter().map(|source| units_of(&terms, source)).collect();
    let weights = weights(&terms, units.iter().flatten());
    let all: f64 = weights.iter().sum();
    let passage = |(source, units): (Source, Vec<Unit>)| {
        let (held, range) = passage(&units, &weights, bytes);
        (if all > 0.0 { held / all } else { 0.0 }, within(source, range))
    };
    sources.into_iter().zip(units).map(passage).collect()
}

/// Where the lines and sentences of a text stand.
pub fn ranges(text: &str) -> Vec<Range<usize>> {
    let offset = |part: &str| (part.as_ptr() as usize).wrapping_sub(text.as_ptr() as usize);
    let mut ranges: Vec<Range<usize>> = Vec::new();
    let mut before = "";
    for line in text.lines() {
        match ranges.last_mut() {
            Some(last) if is_wrapped(before, line) && offset(line) + line.len() - last.start <= LONG_SENTENCE => {
                last.end = offset(line) + line.len();
            }
            _ if line.trim().is_empty() => {}
            _ if line.len() <= LONG_LINE => ranges.push(offset(line)..offset(line) + line.len()),
            _ => {
                let pieces = sentences(line).flat_map(pieces);
                ranges.extend(pieces.map(|piece| offset(piece)..offset(piece) + piece.len()));
            }
        }
        before = line;
    }
    ranges
}

/// A sentence, or the pieces of a long one, which end behind a mark or a blank where there is one.
fn pieces(sentence: &str) -> Vec<&str> {
    let (mut pieces, mut rest) = (Vec::new(), sentence);
    while rest.len() > LONG_SENTENCE {
        let most = rest.floor_char_boundary(LONG_SENTENCE);
        let end = rest[..most].rfind([',', ';', ' ']).map_or(most, |at| at + 1);
        let (piece, behind) = rest.split_at(end);
        pieces.push(piece);
        rest = behind;
    }
    if !rest.trim().is_empty() {
        pieces.push(rest);
    }
    pieces
}

/// True where a sentence goes on in the next line, as in text that is wrapped by hand.
fn is_wrapped(before: &str, line: &str) -> bool {
    let is_prose =
        before.len() > WRAPPED_FROM && before.ends_with(|end: char| end.is_alphanumeric() || ",;".contains(end));
    is_prose && line.starts_with(|first: char| first.is_lowercase() || first == '(')
}

fn units_of(terms: &[String], source: &Source) -> Vec<Unit> {
    let text = &source.text;
    // A document of JSON is about its keys; where prose shows some, they are an example.
    let name = Path::new(source.citation.external_id.as_deref().unwrap_or(&source.label));
    let is_json = name.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let mut of_heading = 0;
    let unit = |range: Range<usize>| {
        let line = &text[range.clone()];
        let (held, of_parts) = held(terms, &if is_json { Cow::Borrowed(line) } else { without_keys(line) });
        if line.starts_with('#') {
            of_heading = held;
        }
        let of_keys = if line.contains(KEY_END) { self::held(terms, line).0 } else { 0 };
        Unit { range, held, of_heading: of_heading | of_keys | of_parts }
    };
    ranges(text).into_iter().map(unit).collect()
}

/// Which of the wanted words a line holds, in whatever form, and which the names in it: a bit each.
fn held(terms: &[String], line: &str) -> (u64, u64) {
    let of = |words: &mut dyn Iterator<Item = String>| {
        let mut held = 0;
        for word in words {
            for (place, term) in terms.iter().enumerate() {
                if held & (1 << place) == 0 && keyword::is_word_of(term, &word) {
                    held |= 1 << place;
                }
            }
        }
        held
    };
    let whole = identifiers::words(line).map(str::to_lowercase);
    let whole = of(&mut whole.chain(unspaced::terms(line).into_iter().map(|term| term.to_lowercase())));
    (whole, of(&mut keyword::terms_of_text(line)) & !whole)
}

/// A line of JSON without its keys, which count as headings do: `"start": 0` says less of a start than a sentence.
fn without_keys(line: &str) -> Cow<'_, str> {
    if !line.contains(KEY_END) {
        return Cow::Borrowed(line);
    }
    let mut parts: Vec<&str> = line.split(KEY_END).collect();
    let last = parts.pop().unwrap_or_default();
    let values = parts.into_iter().map(|part| part.rfind('"').map_or(part, |key| &part[..key]));
    Cow::Owned(values.chain([last]).collect::<Vec<_>>().join(" "))
}

/// What each word counts: the fewer lines hold it, the more. As the inverse document frequency of BM25
/// (<https://doi.org/10.1561/1500000019>), of lines.
#[expect(clippy::cast_precision_loss, reason = "counts of lines")]
fn weights<'a>(terms: &[String], units: impl Iterator<Item = &'a Unit>) -> Vec<f64> {
    let units: Vec<&Unit> = units.collect();
    let all = units.len() as f64;
    let holding = |place: usize| units.iter().filter(|unit| unit.held & (1 << place) != 0).count() as f64;
    (0..terms.len()).map(holding).map(|count| (1.0 + (all - count + 0.5) / (count + 0.5)).ln()).collect()
}

fn weight(held: u64, weights: &[f64]) -> f64 {
    weights.iter().enumerate().filter(|(place, _)| held & (1 << place) != 0).map(|(_, weight)| weight).sum()
}

/// The weight that the best passage holds, and its bytes; no bytes of a text that is short enough as it is.
fn passage(units: &[Unit], weights: &[f64], most: usize) -> (f64, Option<Range<usize>>) {
    let (Some(first), Some(last)) = (units.first(), units.last()) else { return (0.0, None) };
    if last.range.end - first.range.start <= most {
        return (score(units, weights), None);
    }
    let mut best: Option<Run> = None;
    for start in 0..units.len() {
        let runs = runs_from(units, start, weights, most);
        best = runs.into_iter().chain(best).max_by(Run::compare);
    }
    match best.filter(|best| best.score > 0.0) {
        Some(best) => (best.score, Some(with_surroundings(units, best.start, best.end, most))),
        None => (0.0, Some(beginning(units, most))),
    }
}

/// What some lines hold, and the headings above them.
fn score(units: &[Unit], weights: &[f64]) -> f64 {
    let held = units.iter().fold(0, |held, unit| held | unit.held);
    let of_heading = units.iter().fold(0, |held, unit| held | unit.of_heading);
    weighed(held, of_heading, weights)
}

fn weighed(held: u64, of_heading: u64, weights: &[f64]) -> f64 {
    weight(held, weights) + OF_HEADING * weight(of_heading & !held, weights)
}

/// Some lines that stand together.
#[derive(Clone, Copy, Debug)]
struct Run {
    start: usize,
    /// The last one.
    end: usize,
    bytes: usize,
    score: f64,
}

impl Run {
    /// Of those that hold as much the shortest says it best.
    fn compare(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then(other.bytes.cmp(&self.bytes))
    }
}

/// The runs from a line on that are short enough: of those that hold the same the shortest.
fn runs_from(units: &[Unit], start: usize, weights: &[f64], most: usize) -> Vec<Run> {
    let (mut held, mut of_heading) = (0, 0);
    let mut runs = Vec::new();
    for (end, unit) in units.iter().enumerate().skip(start) {
        let bytes = unit.range.end - units[start].range.start;
        if bytes > most && end > start {
            break;
        }
        of_heading |= unit.of_heading;
        if held | unit.held != held || end == start {
            held |= unit.held;
            let score = weighed(held, of_heading, weights);
            runs.push(Run { start, end, bytes, score });
        }
    }
    runs
}

/// A run of lines with those around it, as far as there is room: what follows says more than what stands before.
fn with_surroundings(units: &[Unit], mut start: usize, mut end: usize, most: usize) -> Range<usize> {
    let fits = |start: usize, end: usize| units[end].range.end - units[start].range.start <= most;
    loop {
        let before = (start, end);
        for _ in 0..2 {
            if end + 1 < units.len() && fits(start, end + 1) {
                end += 1;
            }
        }
        if start > 0 && fits(start - 1, end) {
            start -= 1;
        }
        if before == (start, end) {
            return units[start].range.start..units[end].range.end;
        }
    }
}

/// What was found by its meaning alone is read from its beginning.
fn beginning(units: &[Unit], most: usize) -> Range<usize> {
    with_surroundings(units, 0, 0, most)
}

/// A source cut down to these bytes of its text.
fn within(source: Source, range: Option<Range<usize>>) -> Source {
    let Some(range) = range else { return source };
    let lines = |text: &str| i64::try_from(text.matches('\n').count()).unwrap_or(0);
    let bytes = |count: usize| i64::try_from(count).unwrap_or(0);
    let mut citation = source.citation;
    let chunk_start = citation.start;
    citation.start = chunk_start + bytes(range.start);
    citation.end = chunk_start + bytes(range.end);
    citation.start_line = citation.start_line.map(|line| line + lines(&source.text[..range.start]));
    citation.end_line = citation.start_line.map(|line| line + lines(&source.text[range.clone()]));
    Source { text: source.text[range].to_owned(), citation, ..source }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::sources::tests::hit, *};
    use crate::chat::sources;

    fn source(text: &str) -> Source {
        sources::relevant("q", vec![hit("notes.md", text, Some(0.9))]).remove(0)
    }

    fn filler(lines: usize) -> String {
        let line = |number| format!("Line {number} says nothing that anybody would ask for.\n");
        (0..lines).map(line).collect::<Vec<_>>().concat()
    }

    #[test]
    fn the_lines_that_matched_and_what_stands_around_them() {
        let text = format!("{}The ferry sails at nine.\nIt stops at two islands.\n{}", filler(60), filler(60));
        let narrowed = narrow("When does the ferry sail?", vec![source(&text), source("short")], 200).remove(0);
        assert!(narrowed.text.contains("The ferry sails at nine.\nIt stops at two islands."), "{}", narrowed.text);
        assert!(narrowed.text.len() <= SHORTEST);
        let (from, to) = (narrowed.citation.start_line.unwrap(), narrowed.citation.end_line.unwrap());
        assert!(from <= 61 && to >= 62 && to - from < 15, "{from} to {to}");
        let lines: Vec<&str> = text.lines().skip(usize::try_from(from - 1).unwrap()).collect();
        assert!(narrowed.text.starts_with(lines[0]), "lines are counted from the chunk's first");
    }

    #[test]
    fn a_section_is_found_by_its_heading() {
        let text = format!("# Notes\n{}## How to start\nRun make dev.\n{}", filler(40), filler(40));
        let narrowed = narrow("How do I start it?", vec![source(&text)], 100).remove(0);
        assert!(narrowed.text.contains("Run make dev."), "{}", narrowed.text);
    }

    #[test]
    fn in_a_document_of_json_a_key_is_a_word() {
        let package = sources::tests::hit("package.json", "{\n  \"typescript\": \"^5.4\"\n}", Some(0.9));
        let package = sources::relevant("typescript", vec![package]).remove(0);
        let prose = source("The typescript of openapi-typescript is generated. A version is required of nothing.");
        let found = best("typescript", vec![prose, package.clone()], 600, 2);
        assert_eq!(found[1], package, "prose that says it comes first");
        let prose = source("The version is required. It says nothing of what was asked.");
        assert_eq!(best("Which typescript?", vec![prose, package.clone()], 600, 1), [package]);
    }

    #[test]
    fn a_long_line_is_cut_around_what_matched() {
        let filler = "\"left-pad\":\"1.3.0\",".repeat(90);
        let minified = source(&format!("{{{filler}\"retries\":7,{filler}\"end\":0}}"));
        let narrowed = narrow("What is the value of retries?", vec![minified.clone()], 10).remove(0);
        assert!(narrowed.text.contains("\"retries\":7") && narrowed.text.len() <= SHORTEST, "{}", narrowed.text);
        let unbroken = source(&"é".repeat(2_000));
        assert!(narrow("é", vec![unbroken], 10).remove(0).text.len() <= SHORTEST);
    }

    #[test]
    fn a_value_is_found_by_its_key() {
        let text = format!("{{\n{}  \"typescript\": \"^5.4\"\n}}\n", "  \"left-pad\": \"1.3.0\",\n".repeat(90));
        let narrowed = narrow("Which typescript version is required?", vec![source(&text)], 10).remove(0);
        assert!(narrowed.text.contains("^5.4"), "{}", narrowed.text);
    }

    #[test]
    fn a_key_of_json_is_less_than_a_word_and_the_best_come_first() {
        let json = source("{\"start\": 0, \"end\": 9}\nIt has both.");
        let prose = source("make dev starts everything.");
        let other = source("Nothing of it.");
        let found = best("How do I start it?", vec![other.clone(), json.clone(), prose.clone()], 600, 2);
        assert_eq!(found, [prose, json]);
        assert_eq!(without_keys("{\"a\": \"b\", \"c\":1}"), "{  \"b\",  1}");
        assert_eq!(without_keys("no key: here"), "no key: here");
    }

    #[test]
    fn what_is_short_stays_whole() {
        let whole = source("One line.\n\nAnother.\n");
        assert_eq!(narrow("another", vec![whole.clone()], 1_500), [whole]);
        assert!(narrow("q", Vec::new(), 1_500).is_empty());
    }

    #[test]
    fn a_rare_word_counts_more_than_a_common_one() {
        let text = format!("{}The whale sleeps.\n{}", "The ferry sails.\n".repeat(60), "Nothing at all.\n".repeat(40));
        let narrowed = narrow("Does the ferry meet a whale?", vec![source(&text)], 10).remove(0);
        assert!(narrowed.text.contains("whale"), "{}", narrowed.text);
    }

    proptest! {
        #[test]
        fn a_passage_is_a_part_of_its_source(
            parts in prop::collection::vec("[a-zé犬. ]{0,300}|\n|# [a-z]{1,9}\n|\r\n", 0..40),
            question in "[a-z犬 ]{0,40}",
            tokens in 0usize..2_000,
        ) {
            let text = parts.concat();
            let whole = source(&text);
            let narrowed = narrow(&question, vec![whole.clone()], tokens).remove(0);
            prop_assert!(text.contains(&narrowed.text));
            let at = usize::try_from(narrowed.citation.start - whole.citation.start).unwrap();
            prop_assert!(text[at..].starts_with(&narrowed.text));
            // What is short enough between its first and its last line stays as it is, blanks included.
            prop_assert!(narrowed.text.trim().len() <= LONGEST);
        }
    }
}
