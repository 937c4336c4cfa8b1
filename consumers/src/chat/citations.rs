//! `[n]` in an answer: after each sentence the sources that say it, as [`check`](super::check) found them.

use pipeline::{
    chat::{
        turn::Citation,
        verdict::{CheckedSentence, Support},
    },
    insertion_sort::insertion_sort,
};

use super::sources::Source;

/// An answer with its citations in the order of their numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Cited {
    /// The text.
    pub text: String,
    /// Its sources.
    pub citations: Vec<Citation>,
}

/// What an unsupported sentence is marked with, for people.
pub const MARK: &str = " [unsupported]";

/// An answer for people, with its sentences as they then stand in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Marked {
    /// Text and sources.
    pub cited: Cited,
    /// Its sentences.
    pub sentences: Vec<CheckedSentence>,
}

/// Cites after every sentence what speaks for it, whatever the model cited there, and marks those for which nothing
/// does with `mark`. `sources` are those of the prompt, in its order.
pub fn cite(answer: &str, sentences: &[CheckedSentence], sources: &[Source], mark: &str) -> Marked {
    let mut text = String::with_capacity(answer.len() + 64);
    let mut moved = Vec::with_capacity(sentences.len());
    let mut done = 0;
    for sentence in sentences {
        text.push_str(&answer[done..sentence.start]);
        let start = text.len();
        text.push_str(&marked(&answer[sentence.start..sentence.end], sentence, mark));
        moved.push(CheckedSentence { start, end: text.len(), ..sentence.clone() });
        done = sentence.end;
    }
    text.push_str(&answer[done..]);
    let cited = moved.iter().flat_map(numbers).collect();
    Marked { cited: Cited { citations: citations(cited, sources), text }, sentences: moved }
}

/// A sentence, and behind its last word what there is to say of it.
fn marked(text: &str, sentence: &CheckedSentence, unsupported: &str) -> String {
    let is_code = text.trim_start().starts_with("```");
    let bare = if is_code { text.to_owned() } else { without_marks(text) };
    let numbers: Vec<String> = numbers(sentence).map(|n| format!("[{n}]")).collect();
    let mut mark = if numbers.is_empty() { String::new() } else { format!(" {}", numbers.concat()) };
    if sentence.support == Support::Unsupported {
        mark.push_str(unsupported);
    }
    let bare = bare.trim_end();
    if mark.is_empty() {
        return bare.to_owned();
    }
    if is_code {
        let indent = &text[..text.len() - text.trim_start().len()];
        let fence = bare.trim_start();
        let is_open = fence.len() < 6 || !fence.ends_with("```");
        let close = if is_open { format!("\n{indent}```") } else { String::new() };
        return format!("{bare}{close}\n{indent}{}", mark.trim_start());
    }
    // A row of a table says it in its last cell.
    if let Some(row) = bare.strip_suffix('|') {
        return format!("{}{mark} |", row.trim_end());
    }
    let end = bare.trim_end_matches(['.', '!', '?', ':', '。', '！', '？']).trim_end().len();
    format!("{}{mark}{}", &bare[..end], &bare[end..])
}

fn numbers(sentence: &CheckedSentence) -> impl Iterator<Item = usize> {
    sentence.by.iter().filter_map(|by| by.n)
}

/// Decides the citations of an answer that its client has read as it was written: what the model cited, which the text
/// says for good (whether it says so is told sentence by sentence), or what it forgot to cite, after its end.
pub fn cite_at_end(answer: &str, sentences: &[CheckedSentence], sources: &[Source]) -> Cited {
    let known = keep_known(answer, sources.len(), None).1;
    let supporting: Vec<usize> = sentences.iter().flat_map(numbers).collect();
    let mut text = answer.to_owned();
    if known.is_empty() && !supporting.is_empty() {
        text.push_str(if text.ends_with("```") { "\n\n" } else { " " });
        for citation in citations(supporting.clone(), sources) {
            text.push_str(&format!("[{}]", citation.n));
        }
    }
    let cited = if known.is_empty() { supporting } else { known };
    Cited { text, citations: citations(cited, sources) }
}

/// A text without the numbers of sources in it.
pub fn without_marks(text: &str) -> String {
    keep_known(text, 0, None).0
}

/// The citations of these numbers, in their order.
fn citations(mut numbers: Vec<usize>, sources: &[Source]) -> Vec<Citation> {
    insertion_sort(&mut numbers, |one, other| one < other);
    numbers.dedup();
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
fn keep_known(answer: &str, sources: usize, mut last: Option<char>) -> (String, Vec<usize>) {
    let mut kept = String::with_capacity(answer.len());
    let mut cited = Vec::new();
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
                cited.push(n);
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{
        check::{self, evidence::Evidence},
        sources,
    };
    use super::*;

    fn two() -> Vec<Source> {
        let hits = ["The capital of Freedonia is Glorp.", "Queues hold messages for a day."]
            .map(|text| sources::tests::hit("t", text, Some(0.9)));
        sources::relevant("q", hits.into())
    }

    fn cite(answer: &str, sources: &[Source]) -> Cited {
        let checked = check::by_words(answer, &Evidence::new(sources, &[], std::iter::empty()));
        super::cite(answer, &checked.sentences, sources, MARK).cited
    }

    fn cite_at_end(answer: &str, sources: &[Source]) -> Cited {
        let checked = check::by_words(answer, &Evidence::new(sources, &[], std::iter::empty()));
        super::cite_at_end(answer, &checked.sentences, sources)
    }

    #[test]
    fn a_source_is_cited_where_it_says_so_whatever_the_model_cited() {
        let cited = cite("The capital of Freedonia is Glorp [2][7]. See list[0] and [docs](x) and [9].", &two());
        assert_eq!(cited.text, "The capital of Freedonia is Glorp [1]. See list[0] and [docs](x) and [unsupported].");
        assert_eq!(cited.citations.iter().map(|citation| citation.n).collect::<Vec<_>>(), [1]);
        assert_eq!(cite("Whales sing in queues.", &two()).text, "Whales sing in queues [unsupported].");
        assert_eq!(cite("Queues hold messages a day.", &two()).text, "Queues hold messages a day [2].");
    }

    #[test]
    fn code_stays_as_it_is() {
        let sources = sources::relevant("q", vec![sources::tests::hit("t", "let one = list [1];", Some(0.9))]);
        assert_eq!(cite("```\nlet one = list [1];\n```", &sources).text, "```\nlet one = list [1];\n```\n[1]");
        let open = cite("```\nlet two = [2];", &sources).text;
        assert_eq!(open, "```\nlet two = [2];\n```\n[unsupported]", "what was cut off is closed");
        let indented = cite("1. So:\n   ```\n   let one = list [1];\n   ```", &sources).text;
        assert!(indented.ends_with("   let one = list [1];\n   ```\n   [1]"), "{indented}");
    }

    #[test]
    fn a_row_of_a_table_is_marked_in_its_last_cell() {
        let table = "| Name | Port |\n| --- | --- |\n| gateway | 9000 |";
        let marked = cite(table, &two()).text;
        assert!(marked.ends_with("| gateway | 9000 [unsupported] |"), "{marked}");
        assert!(marked.contains("| --- | --- |\n"), "{marked}");
    }

    #[test]
    fn sentences_are_told_as_they_stand_in_the_answer() {
        let answer = "Glorp is the capital of Freedonia! [1] Nobody knows why it was founded there.";
        let checked = check::by_words(answer, &Evidence::new(&two(), &[], std::iter::empty()));
        let marked = super::cite(answer, &checked.sentences, &two(), MARK);
        let texts: Vec<&str> =
            marked.sentences.iter().map(|sentence| &marked.cited.text[sentence.start..sentence.end]).collect();
        assert_eq!(
            texts,
            ["Glorp is the capital of Freedonia [1]!", "Nobody knows why it was founded there [unsupported]."]
        );
    }

    #[test]
    fn what_was_read_already_is_cited_after_its_end() {
        let cited = cite_at_end("The capital of Freedonia is Glorp. Nobody knows why.", &two());
        let text = "The capital of Freedonia is Glorp. Nobody knows why. [1]";
        assert_eq!((cited.text.as_str(), cited.citations.len()), (text, 1));
        let wrong = cite_at_end("The capital of Freedonia is Glorp [2].", &two());
        assert_eq!((wrong.text.as_str(), wrong.citations[0].n), ("The capital of Freedonia is Glorp [2].", 2));
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
