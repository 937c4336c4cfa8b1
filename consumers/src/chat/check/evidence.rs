//! What an answer may stand on, made ready to be looked up.

use std::{cell::OnceCell, collections::HashSet};

use pipeline::{chat::verdict::Supporting, ids::MemoryId, unspaced};
use retrieval::{keyword, relevance};

use super::{
    super::{history::beginning, passages, sources::Source},
    assertions::{self, Assertion},
};

/// Bytes of what its asker said that are looked at, the newest first: what is longer is a text to work on, of which
/// nothing need be found.
const SAID_BYTES: usize = 4_000;

/// The texts that were before the model, and the words of who asks.
#[derive(Debug)]
pub struct Evidence {
    texts: Vec<Text>,
    /// What was asked, and whatever else was said by who asks: it need not be proven.
    given: Passage,
    /// What is held against it is known to invent: what it must be about.
    subjects: Option<Vec<String>>,
}

/// One text.
#[derive(Debug)]
pub struct Text {
    origin: Origin,
    text: String,
    first_line: Option<i64>,
    whole: Passage,
    /// Made ready when somebody asks: of most texts nobody does.
    lines: OnceCell<Vec<Line>>,
}

/// Some words that stand together.
#[derive(Debug)]
pub struct Passage {
    words: Words,
    numbers: HashSet<String>,
    collapsed: String,
}

/// A line or sentence of a text. Only its words are made ready: most lines are never asked for more.
#[derive(Debug)]
pub struct Line {
    text: String,
    words: Words,
    /// Its line in the document.
    number: Option<i64>,
}

/// What a text is.
#[derive(Debug)]
enum Origin {
    /// A source of the prompt, by its number.
    Source(usize),
    /// A memory.
    Memory(MemoryId),
}

/// The words of a text, sorted.
#[derive(Debug, Default)]
pub struct Words(Vec<String>);

impl Words {
    /// Of a text.
    pub fn of(text: &str) -> Self {
        let mut words: Vec<String> = keyword::terms_of_text(text).collect();
        words.sort_unstable();
        words.dedup();
        Self(words)
    }

    /// True if it holds a word, in whatever form.
    pub fn hold(&self, word: &str) -> bool {
        self.near(word).any(|known| keyword::is_word_of(word, known) || relevance::is_form(word, known))
    }

    /// True if it holds a word, or one that surely is a form of it: what merely begins alike is none.
    pub fn hold_form_of(&self, word: &str) -> bool {
        self.forms_of(word).next().is_some()
    }

    /// Those that surely are forms of a word.
    fn forms_of<'a>(&'a self, word: &'a str) -> impl Iterator<Item = &'a String> {
        self.near(word).filter(move |known| relevance::is_form(word, known))
    }

    /// A form begins as the word does, at least by its first three bytes.
    fn near<'a>(&'a self, word: &'a str) -> impl Iterator<Item = &'a String> {
        let beginning = &word.as_bytes()[..word.len().min(3)];
        let first = self.0.partition_point(|known| known.as_bytes() < beginning);
        self.0[first..].iter().take_while(move |known| known.as_bytes().starts_with(beginning))
    }

    /// How many of these it holds.
    pub fn count(&self, words: &[String]) -> usize {
        words.iter().filter(|word| self.hold(word)).count()
    }
}

impl Passage {
    fn of(text: &str) -> Self {
        let numbers = assertions::numbers_of_text(text).collect();
        Self { words: Words::of(text), numbers, collapsed: assertions::collapsed(text) }
    }

    /// True if it holds what is asserted.
    pub fn holds(&self, assertion: &Assertion) -> bool {
        match assertion {
            Assertion::Number(number) => self.numbers.contains(number),
            // "Java" is a part of a word, of "JavaScript", but is not spelt.
            Assertion::Literal(text) => {
                self.spells(text, is_of_code) || self.words.forms_of(text).any(|form| self.spells(form, is_of_code))
            }
            Assertion::Name(text) => {
                self.spells(text, is_of_word) || self.words.forms_of(text).any(|form| self.spells(form, is_of_word))
            }
        }
    }

    /// True if it has what a question names, be it in a longer word: `RedisClient` is about Redis.
    pub fn mentions(&self, named: &Assertion) -> bool {
        self.holds(named) || self.words.hold_form_of(named.text()) || self.collapsed.contains(named.text())
    }

    /// True if it has this, which is in lower case, by itself: "ada" is not spelt by "adapter".
    fn spells(&self, wanted: &str, is_joined_by: fn(char) -> bool) -> bool {
        let is_joined = |inside: Option<char>, outside: Option<char>| {
            inside.zip(outside).is_some_and(|(inside, outside)| is_joined_by(inside) && is_joined_by(outside))
        };
        self.collapsed.match_indices(wanted).any(|(at, _)| {
            let (before, behind) = (&self.collapsed[..at], &self.collapsed[at + wanted.len()..]);
            !is_joined(wanted.chars().next(), before.chars().next_back())
                && !is_joined(wanted.chars().next_back(), behind.chars().next())
        })
    }

    /// Its words.
    pub const fn words(&self) -> &Words {
        &self.words
    }
}

/// True for what stands beside another letter as a part of the same word: `python3` and `REDIS_URL` have a name.
fn is_of_word(letter: char) -> bool {
    letter.is_alphabetic() && !unspaced::is_letter(letter)
}

/// The same of what is spelt as only code is.
fn is_of_code(letter: char) -> bool {
    is_of_word(letter) || letter == '_' || letter.is_numeric()
}

impl Line {
    fn of(line: &str, number: Option<i64>) -> Self {
        Self { text: line.to_owned(), words: Words::of(line), number }
    }

    /// Its words.
    pub const fn words(&self) -> &Words {
        &self.words
    }

    /// True if it holds what is asserted.
    pub fn holds(&self, assertion: &Assertion) -> bool {
        Passage::of(&self.text).holds(assertion)
    }

    /// Whether it denies what it says in most of these words.
    pub fn denies(&self, words: &[String]) -> bool {
        let mut most: Option<(usize, &str)> = None;
        for clause in clauses(&self.text) {
            let held = Words::of(clause).count(words);
            // The first of equals.
            if most.is_none_or(|(best, _)| held > best) {
                most = Some((held, clause));
            }
        }
        most.is_some_and(|(_, clause)| is_negated(clause))
    }
}

/// The parts of a line that say something by themselves.
fn clauses(line: &str) -> impl Iterator<Item = &str> {
    line.split([';', ',', ':', '—']).flat_map(|part| part.split(". "))
}

impl Text {
    fn new(origin: Origin, text: &str, first_line: Option<i64>) -> Self {
        Self { origin, text: text.to_owned(), first_line, whole: Passage::of(text), lines: OnceCell::new() }
    }

    /// All of it.
    pub const fn whole(&self) -> &Passage {
        &self.whole
    }

    /// Its lines.
    pub fn lines(&self) -> &[Line] {
        self.lines.get_or_init(|| {
            let line = |range: std::ops::Range<usize>| {
                let before = i64::try_from(self.text[..range.start].matches('\n').count()).unwrap_or(0);
                Line::of(&self.text[range], self.first_line.map(|first| first + before))
            };
            passages::ranges(&self.text).into_iter().map(line).collect()
        })
    }

    /// The line that says most of these words, the first of equals.
    pub fn best_line(&self, words: &[String]) -> Option<&Line> {
        self.lines().iter().rev().max_by_key(|line| line.words.count(words))
    }

    /// The words of the line that says most of these, and of the one behind it.
    pub fn around_best_line(&self, words: &[String]) -> String {
        let lines = self.lines();
        let place = (0..lines.len()).rev().max_by_key(|place| lines[*place].words.count(words));
        let lines = lines.iter().skip(place.unwrap_or(0)).take(2);
        lines.map(|line| assertions::collapsed(&line.text)).collect::<Vec<_>>().join(" ")
    }

    /// Where it says most of these words.
    pub fn place_of(&self, words: &[String]) -> Supporting {
        let (n, memory_id) = match &self.origin {
            Origin::Source(n) => (Some(*n), None),
            Origin::Memory(id) => (None, Some(id.clone())),
        };
        Supporting { n, memory_id, line: self.best_line(words).and_then(|line| line.number) }
    }
}

impl Evidence {
    /// Of the sources and memories in a prompt, and what its asker said, the question last.
    pub fn new<'a>(sources: &[Source], memories: &[(MemoryId, String)], said: impl Iterator<Item = &'a str>) -> Self {
        let of_source = |(place, source): (usize, &Source)| {
            let text = format!("{}\n{}", source.text, source.label);
            Text::new(Origin::Source(place + 1), &text, source.citation.start_line)
        };
        let of_memory = |(id, text): &(MemoryId, String)| Text::new(Origin::Memory(id.clone()), text, None);
        let texts = sources.iter().enumerate().map(of_source).chain(memories.iter().map(of_memory));
        let said: Vec<&str> = said.collect();
        let mut given = String::new();
        for said in said.iter().rev() {
            given.push_str(beginning(said, SAID_BYTES.saturating_sub(given.len())));
            given.push('\n');
        }
        Self { texts: texts.collect(), given: Passage::of(&given), subjects: None }
    }

    /// The same for a model that is known to invent: all that a sentence says must stand together, in its words, beside
    /// one of these, if there are any.
    #[must_use]
    pub fn strict(self, subjects: Vec<String>) -> Self {
        Self { subjects: Some(subjects), ..self }
    }

    /// True for what is held against a model that is known to invent.
    pub const fn is_strict(&self) -> bool {
        self.subjects.is_some()
    }

    /// True for lines that are about what is asked, as far as that is demanded.
    pub fn are_about_it(&self, lines: &[Line]) -> bool {
        let Some(subjects) = self.subjects.as_ref().filter(|subjects| !subjects.is_empty()) else { return true };
        subjects.iter().any(|subject| lines.iter().any(|line| line.words.hold_form_of(subject)))
    }

    /// The texts.
    pub fn texts(&self) -> &[Text] {
        &self.texts
    }

    /// What was said by who asks.
    pub const fn given(&self) -> &Passage {
        &self.given
    }

    /// True if a text holds a word or a form of it, or who asks has said it.
    pub fn holds_form_of(&self, word: &str) -> bool {
        self.given.words.hold_form_of(word) || self.texts.iter().any(|text| text.whole.words.hold_form_of(word))
    }

    /// True if there is nothing to stand on.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }
}

/// Words that turn a sentence around.
const NEGATIONS: [&str; 9] = ["not", "no", "never", "cannot", "without", "neither", "nor", "none", "nothing"];

/// True for a sentence that denies what it says.
pub fn is_negated(sentence: &str) -> bool {
    let lower = sentence.to_lowercase();
    let words = lower.split(|letter: char| !(letter.is_alphanumeric() || letter == '\'' || letter == '’'));
    let denials = words.filter(|word| NEGATIONS.contains(word) || word.ends_with("n't") || word.ends_with("n’t"));
    denials.count() % 2 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_held_in_their_forms() {
        let words = Words::of("Queues hold messages; deployed by Ada. 図書館");
        for held in ["queue", "message", "deploy", "ada", "図書"] {
            assert!(words.hold(held), "{held}");
        }
        assert!(!words.hold("que") && !words.hold("adam") && !words.hold(""));
        assert!(!words.hold_form_of("messagepack") && words.hold_form_of("message"));
        assert_eq!(words.count(&["queue".to_owned(), "whale".to_owned()]), 1);
    }

    #[test]
    fn what_is_asserted_is_no_part_of_another_word() {
        let passage =
            Passage::of("POST /api/users with `--locked`; JavaScript in the adapter's initial file. 図書館です");
        let literal = |text: &str| passage.holds(&Assertion::Literal(text.to_owned()));
        let name = |text: &str| passage.holds(&Assertion::Name(text.to_owned()));
        assert!(literal("/api/users") && literal("--locked") && literal("post /api/users") && literal("図書館"));
        assert!(!literal("/api/user") && !literal("--lock") && !literal("init"));
        assert!(name("javascript") && name("adapter") && name("post"));
        assert!(!name("java") && !name("ada") && !name("postgres"));
        let code = Passage::of("REDIS_URL=x python3 -m venv RedisClient");
        let named = |text: &str| Assertion::Name(text.to_owned());
        assert!(code.holds(&named("redis")) && code.holds(&named("python")));
        assert!(code.mentions(&named("redis")) && !code.mentions(&named("kafka")));
    }

    #[test]
    fn what_one_sentence_of_a_line_denies_another_does_not() {
        let line =
            Line::of("Only directions are compared, so no scale is kept. A cosine changes by a few parts.", None);
        assert!(line.denies(&["scale".to_owned(), "kept".to_owned()]));
        assert!(!line.denies(&["cosine".to_owned(), "change".to_owned(), "part".to_owned()]));
    }

    #[test]
    fn a_denial_turns_a_sentence_around() {
        assert!(is_negated("It does not run.") && is_negated("It doesn't run.") && is_negated("Never run it."));
        assert!(!is_negated("It runs.") && !is_negated("Not that it could not run.") && !is_negated("A note."));
    }
}
