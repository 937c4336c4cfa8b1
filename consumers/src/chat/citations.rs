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
    let (mut text, mut cited) = keep_known(answer, sources.len());
    if cited.is_empty() && !sources.is_empty() {
        (text, cited) = attribute(&text, sources);
    }
    let mut numbers: Vec<usize> = cited.into_iter().collect();
    numbers.sort_unstable();
    let citations = numbers
        .into_iter()
        .filter_map(|n| sources.get(n - 1).map(|source| Citation { n, ..source.citation.clone() }))
        .collect();
    Cited { text, citations }
}

/// Removes numbers that no source has; a number in brackets inside code (`list[0]`) is none of ours.
fn keep_known(answer: &str, sources: usize) -> (String, HashSet<usize>) {
    let mut kept = String::with_capacity(answer.len());
    let mut cited = HashSet::new();
    let mut rest = answer;
    while let Some(open) = rest.find('[') {
        let (before, after) = rest.split_at(open);
        kept.push_str(before);
        let digits = after[1..].bytes().take_while(u8::is_ascii_digit).count();
        let closes = after.as_bytes().get(1 + digits) == Some(&b']');
        let indexes = before.ends_with(|character: char| character.is_alphanumeric() || "_])".contains(character));
        let is_link = after.as_bytes().get(2 + digits) == Some(&b'(');
        if digits == 0 || !closes || is_link || (indexes && !before.ends_with(']')) {
            kept.push('[');
            rest = &after[1..];
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
        rest = &after[digits + 2..];
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
    fn without_sources_nothing_is_cited() {
        assert_eq!(cite("As [1] says.", &[]), Cited { text: "As says.".to_owned(), citations: Vec::new() });
    }
}
