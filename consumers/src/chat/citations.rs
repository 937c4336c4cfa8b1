//! `[n]` in an answer: only of sources that were supplied, and where a model forgets them, added to
//! the sentences that a source plainly says.

use std::collections::HashSet;

use pipeline::chat::turn::Citation;
use retrieval::keyword;

use super::sources::Source;

/// An answer with its citations in the order of their numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Cited {
    /// The text.
    pub text: String,
    /// Its sources.
    pub citations: Vec<Citation>,
}

/// Share of a sentence's significant words that a source must hold to be cited for it.
const SAID_BY: f64 = 0.7;
/// Significant words a sentence must have to be looked for.
const FEWEST_WORDS: usize = 2;

/// Decides an answer's citations. `sources` are those of the prompt, in its order.
pub fn cite(answer: &str, sources: &[Source]) -> Cited {
    let (mut text, mut cited) = keep_known(answer, sources.len(), None);
    if cited.is_empty() && !sources.is_empty() {
        (text, cited) = attribute(&text, sources);
    }
    Cited { text, citations: citations(cited, sources) }
}

/// Decides the citations of an answer that its client has read as it was written: no number of a source that there
/// is not is in it any more, and what the model forgot to cite is cited after its end.
pub fn cite_at_end(answer: &str, sources: &[Source]) -> Cited {
    let known = keep_known(answer, sources.len(), None).1;
    let cited = if known.is_empty() && !sources.is_empty() { attribute(answer, sources).1 } else { known.clone() };
    let citations = citations(cited, sources);
    let mut text = answer.to_owned();
    if known.is_empty() && !citations.is_empty() {
        text.push_str(if text.ends_with("```") { "\n\n" } else { " " });
        for citation in &citations {
            text.push_str(&format!("[{}]", citation.n));
        }
    }
    Cited { text, citations }
}

/// The citations of these numbers, in their order.
fn citations(cited: HashSet<usize>, sources: &[Source]) -> Vec<Citation> {
    let mut numbers: Vec<usize> = cited.into_iter().collect();
    numbers.sort_unstable();
    let source = |n: usize| sources.get(n - 1).map(|source| Citation { n, ..source.citation.clone() });
    numbers.into_iter().filter_map(source).collect()
}

/// Removes numbers that no source has, while an answer is written.
#[derive(Debug)]
pub struct KnownMarks {
    sources: usize,
    held: String,
    /// The character before what is held.
    last: Option<char>,
}

impl KnownMarks {
    /// Of so many sources.
    pub fn new(sources: usize) -> Self {
        Self { sources, held: String::new(), last: None }
    }

    /// Takes the next piece; gives what no number can begin in any more.
    pub fn push(&mut self, text: &str) -> String {
        self.held.push_str(text);
        let waiting = self.held.split_off(settled(&self.held));
        let settled = std::mem::replace(&mut self.held, waiting);
        self.pass_on(&settled)
    }

    /// The end: gives what was held back.
    pub fn finish(&mut self) -> String {
        let held = std::mem::take(&mut self.held);
        self.pass_on(&held)
    }

    fn pass_on(&mut self, text: &str) -> String {
        let kept = keep_known(text, self.sources, self.last).0;
        self.last = text.chars().next_back().or(self.last);
        kept
    }
}

/// Bytes of a text after which no number of a source is under way: what follows it decides of the spaces before a
/// number as well, and whether it is a link.
fn settled(text: &str) -> usize {
    let open = text.rfind('[').filter(|open| {
        let rest = text[open + 1..].trim_start_matches(|character: char| character.is_ascii_digit());
        rest.is_empty() || rest == "]"
    });
    text[..open.unwrap_or(text.len())].trim_end_matches(' ').len()
}

/// Removes numbers that no source has; a number in brackets inside code or JSON (`list[0]`, `"list": [0]`) is none of
/// ours. `last` is the character before the text, if there is one.
fn keep_known(answer: &str, sources: usize, mut last: Option<char>) -> (String, HashSet<usize>) {
    let mut kept = String::with_capacity(answer.len());
    let mut cited = HashSet::new();
    let mut rest = answer;
    while let Some(open) = rest.find('[') {
        let (before, after) = rest.split_at(open);
        kept.push_str(before);
        let digits = after[1..].bytes().take_while(u8::is_ascii_digit).count();
        let closes = after.as_bytes().get(1 + digits) == Some(&b']');
        let previous = before.chars().next_back().or(last);
        let indexes = previous.is_some_and(|character| character.is_alphanumeric() || "_)".contains(character));
        let is_value = before.trim_end_matches(' ').chars().next_back().or(last);
        let is_value = is_value.is_some_and(|character| ":=([{".contains(character));
        let is_link = after.as_bytes().get(2 + digits) == Some(&b'(');
        if digits == 0 || !closes || is_link || indexes || is_value {
            kept.push('[');
            (rest, last) = (&after[1..], Some('['));
            continue;
        }
        match after[1..=digits].parse::<usize>() {
            Ok(n) if (1..=sources).contains(&n) => {
                cited.insert(n);
                kept.push_str(&after[..digits + 2]);
            }
            _ => {
                let trimmed = kept.trim_end_matches(' ').len();
                kept.truncate(trimmed);
            }
        }
        (rest, last) = (&after[digits + 2..], Some(']'));
    }
    kept.push_str(rest);
    (kept, cited)
}

/// Cites, after each sentence that mostly repeats a source, the source that holds most of it.
fn attribute(answer: &str, sources: &[Source]) -> (String, HashSet<usize>) {
    let words: Vec<HashSet<String>> =
        sources.iter().map(|source| keyword::terms_of_text(&source.text).collect()).collect();
    let mut text = String::with_capacity(answer.len() + 16);
    let mut cited = HashSet::new();
    let mut is_code = false;
    for line in answer.split_inclusive('\n') {
        let fence = line.trim_start().starts_with("```");
        is_code ^= fence;
        if is_code || fence {
            text.push_str(line);
            continue;
        }
        for sentence in line.split_inclusive(". ") {
            match said_by(sentence, &words) {
                Some(place) => {
                    cited.insert(place + 1);
                    let end = sentence.trim_end().trim_end_matches(['.', '!', '?']).len();
                    text.push_str(&format!("{} [{}]{}", &sentence[..end], place + 1, &sentence[end..]));
                }
                None => text.push_str(sentence),
            }
        }
    }
    (text, cited)
}

#[expect(clippy::cast_precision_loss, reason = "counts of words")]
fn said_by(sentence: &str, sources: &[HashSet<String>]) -> Option<usize> {
    let terms: HashSet<String> = keyword::terms(sentence).into_iter().collect();
    if terms.len() < FEWEST_WORDS {
        return None;
    }
    let held =
        |words: &HashSet<String>| terms.iter().filter(|term| words.contains(*term)).count() as f64 / terms.len() as f64;
    let scored = sources.iter().map(held).enumerate();
    // The first of equals: sources come best first.
    let best = scored.fold(None, |best: Option<(usize, f64)>, (place, share)| match best {
        Some((_, most)) if most >= share => best,
        _ => Some((place, share)),
    });
    best.filter(|(_, share)| *share >= SAID_BY).map(|(place, _)| place)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::sources;
    use super::*;

    fn two() -> Vec<Source> {
        let hits = ["The capital of Freedonia is Glorp.", "Queues hold messages for a day."]
            .map(|text| sources::tests::hit("t", text, Some(0.9)));
        sources::relevant("q", hits.into())
    }

    #[test]
    fn only_supplied_sources_are_cited() {
        let cited = cite("Glorp [1][7]. See list[0] and [docs](x) and [9].", &two());
        assert_eq!(cited.text, "Glorp [1]. See list[0] and [docs](x) and.");
        let json = r#"{"list": [9], "nested": [[2]], "call": f([7])}"#;
        assert_eq!(cite(json, &two()), Cited { text: json.to_owned(), citations: Vec::new() });
        assert_eq!(cited.citations.iter().map(|citation| citation.n).collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn a_forgotten_citation_is_added_where_the_source_says_it() {
        let cited = cite("The capital is Glorp. Nobody knows why it was founded there.", &two());
        assert_eq!(cited.text, "The capital is Glorp [1]. Nobody knows why it was founded there.");
        assert_eq!(cited.citations.len(), 1);
        assert_eq!(cite("Messages stay a day in queues.", &two()).text, "Messages stay a day in queues [2].");
    }

    #[test]
    fn what_was_read_already_is_cited_after_its_end() {
        let cited = cite_at_end("The capital is Glorp. Nobody knows why.", &two());
        assert_eq!((cited.text.as_str(), cited.citations.len()), ("The capital is Glorp. Nobody knows why. [1]", 1));
        assert_eq!(cite_at_end("It is so [2].", &two()).text, "It is so [2].");
        assert_eq!(cite_at_end("Hello.", &two()).text, "Hello.");
    }

    proptest! {
        #[test]
        fn numbers_are_the_same_however_an_answer_is_cut(
            parts in prop::collection::vec("\\[[0-9]{0,2}\\]?|[a-z ]{1,3}|\\(x\\)|[.:= ]", 0..24),
            size in 1usize..6,
        ) {
            let text = parts.concat();
            let mut marks = KnownMarks::new(2);
            let pieces: Vec<char> = text.chars().collect();
            let mut told = String::new();
            for piece in pieces.chunks(size) {
                told.push_str(&marks.push(&piece.iter().collect::<String>()));
            }
            told.push_str(&marks.finish());
            prop_assert_eq!(told, keep_known(&text, 2, None).0);
        }
    }

    #[test]
    fn without_sources_nothing_is_cited() {
        assert_eq!(cite("As [1] says.", &[]), Cited { text: "As says.".to_owned(), citations: Vec::new() });
    }
}
