//! Splits a text into chunks of 500 to 1,000 tokens at its own structure.
//!
//! Chunks tile the text: joined, they are the text again. Markdown and prose go through
//! text-splitter. Code is split here, by lines, because a grammar for every language would cost the
//! Worker megabytes, and because layout says nearly as much: functions are parted by blank lines
//! and begin at the margin.

use std::ops::Range;

use pipeline::{
    constants::{CHUNK_TOKENS_MAX, CHUNK_TOKENS_MIN},
    indexed,
};
use text_splitter::{ChunkConfig, MarkdownSplitter, TextSplitter};

use crate::tokens::TokenCounts;

/// What a text's structure looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Structure {
    /// Headings, lists, fences.
    Markdown,
    /// Paragraphs and sentences.
    Prose,
    /// Lines; blank lines and the margin.
    Code,
}

impl Structure {
    /// The structure of a document of this type and media type.
    pub fn of(kind: &str, media_type: &str) -> Self {
        match media_type {
            "text/markdown" | "text/html" => Self::Markdown,
            _ if indexed::is_code(kind, media_type) => Self::Code,
            _ => Self::Prose,
        }
    }
}

/// The byte ranges of a text's chunks, in order, without gap or overlap. White space alone makes none.
pub fn split(text: &str, structure: Structure) -> Vec<Range<usize>> {
    if text.trim().is_empty() {
        return Vec::new();
    }
    let counts = TokenCounts::new(text);
    if counts.count(0, text.len()) <= CHUNK_TOKENS_MAX {
        return std::iter::once(0..text.len()).collect();
    }
    match structure {
        Structure::Code => split_lines(text, &counts),
        Structure::Markdown => {
            let splitter = MarkdownSplitter::new(config(&counts));
            tile(text, splitter.chunk_indices(text).map(|(start, _)| start))
        }
        Structure::Prose => split_prose(text, 0, &counts),
    }
}

fn config<'a>(counts: &'a TokenCounts<'a>) -> ChunkConfig<&'a TokenCounts<'a>> {
    ChunkConfig::new(CHUNK_TOKENS_MIN..CHUNK_TOKENS_MAX).with_sizer(counts).with_trim(false)
}

/// `text` lies at `offset` of the text that was counted.
fn split_prose(text: &str, offset: usize, counts: &TokenCounts<'_>) -> Vec<Range<usize>> {
    let splitter = TextSplitter::new(config(counts));
    let ranges = tile(text, splitter.chunk_indices(text).map(|(start, _)| start));
    ranges.into_iter().map(|range| range.start + offset..range.end + offset).collect()
}

/// Ranges from the chunks' starts: each ends where the next begins, the first begins at 0.
fn tile(text: &str, starts: impl Iterator<Item = usize>) -> Vec<Range<usize>> {
    let mut bounds: Vec<usize> = std::iter::once(0).chain(starts.skip(1)).collect();
    bounds.push(text.len());
    bounds.windows(2).map(|pair| pair[0]..pair[1]).filter(|range| !range.is_empty()).collect()
}

/// How good a place to cut the start of a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Seam {
    /// Any line.
    Line,
    /// After a blank line, indented: between statements or methods.
    Blank,
    /// At the margin: a top-level item begins.
    Margin,
    /// At the margin after a blank line.
    Item,
}

/// Fills each chunk to at least the minimum, then cuts at the best seam before the maximum; of equal
/// seams the last. A line that is itself too long is split as prose.
fn split_lines(text: &str, counts: &TokenCounts<'_>) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut start = 0;
    while start < text.len() {
        let Some(end) = chunk_end(text, start, counts) else {
            let line = line_end(text, start);
            ranges.extend(split_prose(&text[start..line], start, counts));
            start = line;
            continue;
        };
        ranges.push(start..end);
        start = end;
    }
    ranges
}

/// Where the chunk that begins at `start` should end; `None` if not even one line fits.
fn chunk_end(text: &str, start: usize, counts: &TokenCounts<'_>) -> Option<usize> {
    let mut best: Option<(Seam, usize)> = None;
    let mut blank_before = false;
    let mut at = start;
    while at < text.len() {
        let end = line_end(text, at);
        if counts.count(start, end) > CHUNK_TOKENS_MAX {
            return best.map(|(_, cut)| cut);
        }
        blank_before = text[at..end].trim().is_empty() || (blank_before && is_closing(&text[at..end]));
        at = end;
        if at == text.len() {
            return Some(at);
        }
        let filled = counts.count(start, at) >= CHUNK_TOKENS_MIN;
        let seam = if filled { seam(&text[at..], blank_before) } else { Seam::Line };
        if best.is_none_or(|(kind, _)| seam >= kind || (filled && kind == Seam::Line)) {
            best = Some((seam, at));
        }
    }
    best.map(|(_, cut)| cut)
}

fn line_end(text: &str, start: usize) -> usize {
    text[start..].find('\n').map_or(text.len(), |at| start + at + 1)
}

fn is_closing(line: &str) -> bool {
    line.trim().chars().all(|character| matches!(character, '}' | ')' | ']' | ';' | ','))
}

fn seam(following: &str, blank_before: bool) -> Seam {
    let at_margin =
        following.chars().next().is_some_and(|first| !first.is_whitespace() && !matches!(first, '}' | ')' | ']'));
    match (at_margin, blank_before) {
        (true, true) => Seam::Item,
        (true, false) => Seam::Margin,
        (false, true) => Seam::Blank,
        (false, false) => Seam::Line,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, structure: Structure) -> Vec<Range<usize>> {
        let ranges = split(text, structure);
        let joined: String = ranges.iter().map(|range| &text[range.clone()]).collect();
        assert_eq!(joined, if text.trim().is_empty() { "" } else { text });
        let counts = TokenCounts::new(text);
        for range in &ranges {
            let tokens = counts.count(range.start, range.end);
            assert!(tokens <= CHUNK_TOKENS_MAX, "{structure:?}: a chunk of {tokens} tokens");
        }
        ranges
    }

    #[test]
    fn real_markdown_is_cut_at_headings() {
        let text = include_str!("../../../ARCHITECTURE.md").repeat(4);
        let ranges = check(&text, Structure::Markdown);
        assert!(ranges.len() > 2);
        let at_headings =
            ranges.iter().skip(1).filter(|range| text[range.start..].trim_start().starts_with('#')).count();
        assert!(at_headings * 2 >= ranges.len() - 1, "{at_headings} of {} cuts at headings", ranges.len() - 1);
    }

    #[test]
    fn real_code_is_cut_at_top_level_items() {
        let text = include_str!("split.rs").repeat(3);
        let ranges = check(&text, Structure::Code);
        assert!(ranges.len() > 5);
        for range in ranges.iter().skip(1) {
            assert!(text[..range.start].ends_with('\n'), "a cut inside a line");
            // An item of more than a chunk, such as the tests below, is cut between its parts.
            let at_margin = !text[range.start..].starts_with(char::is_whitespace);
            let after_blank_line = text[..range.start].ends_with("\n\n");
            let following: String = text[range.start..].chars().take(40).collect();
            assert!(at_margin || after_blank_line, "a cut inside a part: {following:?}");
        }
    }

    #[test]
    fn most_chunks_reach_the_minimum() {
        let text = include_str!("split.rs").repeat(3);
        let counts = TokenCounts::new(&text);
        let ranges = split(&text, Structure::Code);
        let small = ranges.iter().filter(|range| counts.count(range.start, range.end) < CHUNK_TOKENS_MIN).count();
        assert!(small <= 1, "{small} of {} chunks are small", ranges.len());
    }

    #[test]
    fn a_lone_long_line_is_split_all_the_same() {
        let text = "x = [".to_owned() + &"1234567, ".repeat(20_000) + "]";
        assert!(check(&text, Structure::Code).len() > 10);
        assert!(check(&"a".repeat(200_000), Structure::Prose).len() > 10);
    }

    /// A chunk is found again by its offsets, and its vector was made of its text: neither may move unnoticed.
    #[test]
    fn chunks_of_texts_that_never_change_stay_where_they_are() {
        let schema = [
            include_str!("../../../migrations/0002_jobs_and_documents.sql"),
            include_str!("../../../migrations/0005_conversations.sql"),
            include_str!("../../../migrations/0007_budget.sql"),
        ];
        let schema = schema.concat();
        let license = include_str!("../../../LICENSE");
        let mut listed = String::new();
        for structure in [Structure::Prose, Structure::Markdown, Structure::Code] {
            for (name, text) in [("LICENSE", license), ("schema", schema.as_str())] {
                let counts = TokenCounts::new(text);
                for range in check(text, structure) {
                    let tokens = counts.count(range.start, range.end);
                    let first: String = text[range.start..].trim_start().chars().take(40).collect();
                    listed += &format!("{name}, {structure:?}: {range:?}, {tokens} tokens: {first:?}\n");
                }
            }
        }
        insta::assert_snapshot!(listed);
    }

    /// At sentence ends, at spaces where there are any, and never inside of what is read as one sign.
    #[test]
    fn languages_without_spaces_are_cut_between_sentences_or_signs() {
        let chinese = "水流很慢。".repeat(2_000);
        let ranges = check(&chinese, Structure::Prose);
        assert!(ranges.len() > 5 && ranges.iter().all(|range| chinese[range.clone()].ends_with('。')));
        let thai = "น้ำไหล ".repeat(2_000);
        let ranges = check(&thai, Structure::Prose);
        let beside_space =
            |range: &Range<usize>| thai[..range.start].ends_with(' ') != thai[range.start..].starts_with(' ');
        assert!(ranges.len() > 5 && ranges.iter().skip(1).all(beside_space));
        let endless = thai.replace(' ', "");
        let ranges = check(&endless, Structure::Prose);
        // A tone mark and the vowel after it belong to the consonant before them.
        let is_joined = |range: &Range<usize>| endless[range.start..].starts_with(['\u{e49}', '\u{e33}']);
        assert!(ranges.len() > 5 && !ranges.iter().any(is_joined));
    }

    #[test]
    fn nothing_but_white_space_makes_no_chunk() {
        assert!(split(" \n\t\n", Structure::Markdown).is_empty());
    }

    #[test]
    fn small_texts_stay_whole() {
        assert_eq!(split("# One\n\ntext\n\n# Two\n\ntext", Structure::Markdown).len(), 1);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn chunks_tile_any_text(
            lines in prop::collection::vec("[ \\t]{0,8}(\\PC{0,60}|#{1,3} [a-z ]{1,20}|```|\\}|)", 0..400),
            structure in 0usize..3,
        ) {
            let structure = [Structure::Markdown, Structure::Prose, Structure::Code][structure];
            check(&lines.join("\n"), structure);
        }
    }
}
