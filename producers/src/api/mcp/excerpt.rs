//! The lines of a chunk that are about a query: what a hit shows of it.

use std::collections::HashSet;

use retrieval::keyword;

/// Some lines of a chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// The lines, without white space around them.
    pub text: String,
    /// How many lines of the chunk stand before the first.
    pub skipped: i64,
    /// How many line ends it holds.
    pub ends: i64,
    /// The words of the query that the chunk holds.
    pub words: Vec<String>,
}

/// The lines of a text, at most so many bytes of it, that hold most of the query's words; where none does, its first.
pub fn of(text: &str, terms: &[String], bytes: usize) -> Excerpt {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let held: Vec<HashSet<usize>> = lines.iter().map(|line| held_by(line, terms)).collect();
    let all: HashSet<usize> = held.iter().flatten().copied().collect();
    let words = terms.iter().enumerate().filter(|(place, _)| all.contains(place)).map(|(_, term)| term.clone());
    let (first, last) = best_window(&lines, &held, bytes);
    let seen = |line: &&str| !line.trim().is_empty();
    let window = &lines[first..last];
    let leading = window.iter().position(seen).unwrap_or(0);
    let trailing = window.iter().rposition(seen).map_or(0, |place| window.len() - 1 - place);
    let shown = window[leading..window.len() - trailing.min(window.len() - leading)].concat();
    let shown = shown.trim_end();
    let end = shown.floor_char_boundary(bytes);
    let shown = &shown[..end];
    let skipped = i64::try_from(first + leading).unwrap_or(0);
    let ends = shown.bytes().map(|byte| i64::from(byte == b'\n')).sum();
    Excerpt { text: shown.to_owned(), skipped, ends, words: words.collect() }
}

fn held_by(line: &str, terms: &[String]) -> HashSet<usize> {
    if terms.is_empty() {
        return HashSet::new();
    }
    let words: HashSet<String> = keyword::terms_of_text(line).collect();
    terms.iter().enumerate().filter(|(_, term)| words.contains(*term)).map(|(place, _)| place).collect()
}

/// The first run of lines within so many bytes that holds most words, each counted once, and then most often.
fn best_window(lines: &[&str], held: &[HashSet<usize>], bytes: usize) -> (usize, usize) {
    let mut best = (0, 0, (0, 0));
    let mut last = 0;
    let mut size = 0;
    for first in 0..lines.len() {
        while last < lines.len() && (last == first || size + lines[last].len() <= bytes) {
            size += lines[last].len();
            last += 1;
        }
        let distinct: HashSet<usize> = held[first..last].iter().flatten().copied().collect();
        let weight = (distinct.len(), held[first..last].iter().map(HashSet::len).sum::<usize>());
        if best.1 == 0 || weight > best.2 {
            best = (first, last, weight);
        }
        if last == lines.len() {
            break;
        }
        size -= lines[first].len();
    }
    (best.0, best.1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_lines_with_most_words_are_shown() {
        let text = "# Title\n\nNothing here.\nNor here.\n\nThe queue retries a message\nten times.\n\nThe end.\n";
        let excerpt = of(text, &keyword::terms("message queue"), 60);
        assert!(excerpt.text.contains("The queue retries a message"), "{excerpt:?}");
        let line = text.lines().position(|line| line == excerpt.text.lines().next().unwrap()).unwrap();
        assert_eq!(excerpt.skipped, i64::try_from(line).unwrap());
        assert_eq!(excerpt.words, ["message", "queue"]);
        let whole = of(text, &keyword::terms("whales"), 1_000);
        assert_eq!((whole.text.as_str(), whole.skipped, whole.ends), (text.trim_end(), 0, 8));
    }

    #[test]
    fn a_line_that_is_too_long_is_cut_between_characters() {
        let excerpt = of(&"é".repeat(100), &[], 33);
        assert_eq!((excerpt.text.len(), excerpt.ends), (32, 0));
        assert_eq!(of("", &[], 10).text, "");
        assert_eq!(of("\n\n", &[], 10).text, "");
    }

    proptest! {
        #[test]
        fn an_excerpt_stands_where_it_is_said_to_stand(
            text in "([a-c ]{0,5}\\n){0,12}[a-c]{0,4}",
            bytes in 1usize..40,
        ) {
            let excerpt = of(&text, &keyword::terms("b ac"), bytes);
            prop_assert!(excerpt.text.len() <= bytes);
            let from: String = text.split_inclusive('\n').skip(usize::try_from(excerpt.skipped).unwrap()).collect();
            prop_assert!(from.starts_with(&excerpt.text), "{excerpt:?} of {text:?}");
        }
    }
}
