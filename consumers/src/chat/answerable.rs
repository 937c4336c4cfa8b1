//! Whether what was found can answer a question at all, before a model is paid to invent an answer.
//!
//! A question names things and asks for something about them. What it names by a name, a number or as code spells it
//! must stand in a source; of its other words that say something the best source must hold enough, unless it is near
//! in meaning. What is not found is said not to be known: that is an answer.

use pipeline::statements;
use retrieval::{keyword, relevance::Subjects};

use super::{
    check::{
        assertions::{self, Assertion},
        evidence::{Evidence, Text},
    },
    sources::Source,
};

/// Share of what a question is about that a source must hold.
const HELD: f64 = 0.5;
/// Digits from which on a number names something: an error, a year, a port.
const TOLD_DIGITS: usize = 3;
/// Bytes of a word that says something in any language.
const LONG_WORD: usize = 4;
/// Longer words from which on it is known whether a sentence has capitals where no names are.
const ENOUGH_WORDS: usize = 3;
/// Cosine from which on a source may answer in other words, by the scale of all-MiniLM-L6-v2.
const NEAR: f64 = 0.5;

/// English stop words that are also words in German, Dutch, Danish, Swedish, French, Spanish, Italian or Portuguese.
const OF_OTHER_LANGUAGES: [&str; 33] = [
    "of", "we", "had", "have", "to", "or", "a", "all", "also", "am", "an", "any", "as", "at", "be", "but", "by", "do",
    "for", "has", "he", "her", "him", "i", "in", "is", "me", "no", "on", "so", "was", "will", "under",
];

/// Why a question cannot be answered from what was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gap {
    /// It is about something that nothing mentions: as it was written.
    Unnamed(String),
    /// What was found is about something else.
    Elsewhere,
    /// No source holds all that was asked about: a model that invents is not asked, and of any other the draft does not
    /// stand.
    Unsure,
}

/// What keeps a question from being answered; `None` if nothing does.
pub fn gap(question: &str, sources: &[Source], evidence: &Evidence) -> Option<Gap> {
    let asked = statements::sentences(question).flat_map(named);
    let unnamed = asked.into_iter().find(|asked| !is_named(asked, evidence));
    if let Some(unnamed) = unnamed {
        return Some(Gap::Unnamed(as_written(question, unnamed.text()).to_owned()));
    }
    let subjects = subjects(question);
    let is_near = sources.iter().any(|source| source.similarity.is_some_and(|cosine| cosine >= NEAR));
    let is_held = evidence.texts().iter().any(|text| held(text, &subjects) >= HELD);
    (!is_near && !is_held).then_some(Gap::Elsewhere)
}

/// What a sentence names. Where capitals are no sign of a name, as in German or a title, words with one name nothing.
fn named(sentence: &str) -> Vec<Assertion> {
    // What is reckoned with names nothing: "1234 + 5678".
    let parts: Vec<&str> = sentence.split_whitespace().collect();
    let has_digit = |word: &str| word.contains(|letter: char| letter.is_ascii_digit());
    let is_reckoned =
        |part: &[&str]| ["+", "*", "/", "-", "\u{d7}"].contains(&part[1]) && has_digit(part[0]) && has_digit(part[2]);
    if parts.windows(3).any(is_reckoned) {
        return Vec::new();
    }
    let words = sentence.split(|letter: char| !letter.is_alphanumeric()).skip(1);
    let (mut long, mut capital) = (0, 0);
    for word in words.filter(|word| word.len() >= LONG_WORD) {
        long += 1;
        capital += usize::from(word.starts_with(char::is_uppercase));
    }
    let mut named = assertions::assertions(sentence);
    // In English a few words say nothing of how it is written.
    if 2 * capital >= long && (long >= ENOUGH_WORDS || !is_english(sentence)) {
        named.retain(|one| !matches!(one, Assertion::Name(_)));
    }
    named
}

/// A small number says how much of an answer is wanted ("three reasons", "in 2 sentences").
fn is_named(asked: &Assertion, evidence: &Evidence) -> bool {
    let is_small = matches!(asked, Assertion::Number(number) if number.len() < TOLD_DIGITS);
    is_small || evidence.texts().iter().any(|text| text.whole().mentions(asked))
}

/// True where one source holds every word that a question is about.
pub fn is_covered(question: &str, evidence: &Evidence) -> bool {
    let subjects = subjects(question);
    let holds_all = |text: &Text| subjects.iter().all(|word| text.whole().words().hold_form_of(word));
    evidence.texts().iter().any(holds_all)
}

/// True for a question with a stop word that is a word in English alone. Of another language it is not known which
/// words say nothing.
pub fn is_english(question: &str) -> bool {
    let is_english = |word: &str| keyword::is_stop_word(word) && !OF_OTHER_LANGUAGES.contains(&word);
    keyword::terms_of_text(question).any(|word| is_english(&word))
}

/// What a question is about: its words that say something.
pub fn subjects(question: &str) -> Vec<String> {
    // Who asks about "/api/search" gives no command.
    let question = question.trim_start_matches(|first: char| first.is_whitespace() || "/!#".contains(first));
    Subjects::of(question).iter().map(|subject| subject.word.clone()).collect()
}

/// The share of what a question is about that a text holds.
#[expect(clippy::cast_precision_loss, reason = "counts of words")]
fn held(text: &Text, subjects: &[String]) -> f64 {
    if subjects.is_empty() { 1.0 } else { text.whole().words().count(subjects) as f64 / subjects.len() as f64 }
}

/// A word as its question spells it, which was found in lower case.
fn as_written<'a>(question: &'a str, lower: &'a str) -> &'a str {
    let at = question.char_indices().map(|(at, _)| at);
    let spelled = at.filter_map(|at| question.get(at..at + lower.len())).find(|word| word.to_lowercase() == lower);
    spelled.unwrap_or(lower)
}

#[cfg(test)]
mod tests {
    use super::{super::sources, *};

    fn gap_of(question: &str, text: &str, similarity: Option<f64>) -> Option<Gap> {
        let mut hit = sources::tests::hit("notes.md", text, Some(0.9));
        hit.similarity = Some(0.9);
        let mut found = sources::relevant(question, vec![hit]);
        found[0].similarity = similarity;
        let evidence = Evidence::new(&found, &[], std::iter::empty());
        gap(question, &found, &evidence)
    }

    #[test]
    fn what_a_question_names_must_stand_somewhere() {
        let text = "Queues hold messages for 24 hours.";
        assert_eq!(gap_of("How long do queues hold messages?", text, None), None);
        let redis = gap_of("Does it hold messages in Redis?", text, Some(0.9));
        assert_eq!(redis, Some(Gap::Unnamed("Redis".to_owned())));
        assert_eq!(gap_of("How long do queues hold messages, in 2 words?", text, None), None);
        assert_eq!(gap_of("What is error 4006 of queues?", text, None), Some(Gap::Unnamed("4006".to_owned())));
        for asked in
            ["How long do queues hold messages? Please explain.", "Wie lange halten Warteschlangen Nachrichten?"]
        {
            assert_eq!(gap_of(asked, text, Some(0.9)), None, "{asked}");
        }
        assert_eq!(gap_of("What does hold_all() do?", text, None), Some(Gap::Unnamed("hold_all".to_owned())));
    }

    #[test]
    fn a_short_question_names_something_as_well() {
        let text = "Queues hold messages for 24 hours.";
        for (asked, name) in
            [("What is Redis?", "Redis"), ("Does it run on AWS?", "AWS"), ("Where is Redis used?", "Redis")]
        {
            assert_eq!(gap_of(asked, text, Some(0.9)), Some(Gap::Unnamed(name.to_owned())), "{asked}");
        }
        assert_eq!(gap_of("Wo steht die Warteschlange?", text, Some(0.9)), None, "German has capitals everywhere");
        assert_eq!(gap_of("What is 1234 + 5678?", text, Some(0.9)), None, "reckoned with");
    }

    #[test]
    fn a_question_is_covered_where_one_source_holds_all_of_it() {
        let hits = ["Queues hold messages for 24 hours.", "A batch has 100 messages."];
        let hits = hits.map(|text| sources::tests::hit("notes.md", text, Some(0.9)));
        let evidence = Evidence::new(&sources::relevant("messages", hits.into()), &[], std::iter::empty());
        assert!(is_covered("How long do queues hold messages?", &evidence));
        assert!(!is_covered("How many messages of a batch do queues hold?", &evidence), "two hold it together");
        assert!(!is_covered("/queues: do they hold a massage?", &evidence), "a question, though it begins so");
        let japanese = sources::tests::hit("notes.md", "日本", Some(0.9));
        let japanese = Evidence::new(&sources::relevant("日本", vec![japanese]), &[], std::iter::empty());
        assert!(!is_covered("日本の首都の市長は誰ですか?", &japanese), "a beginning is not all of it");
        assert!(is_english("How many messages of a batch do queues hold?"));
        for asked in [
            "Wie lange halten Warteschlangen Nachrichten?",
            "Was steht in der Datei?",
            "Is dit in de wachtrij?",
            "Hoe lang bewaren we berichten of bestanden?",
            "Qui a le but des messages?",
            "¿Quién me ha dado las colas?",
        ] {
            assert!(!is_english(asked), "{asked}");
        }
    }

    #[test]
    fn what_is_about_something_else_answers_nothing() {
        let text = "Queues hold messages for 24 hours.";
        assert_eq!(gap_of("What do whales eat in winter?", text, Some(0.1)), Some(Gap::Elsewhere));
        assert_eq!(gap_of("What do whales eat in winter?", text, Some(0.6)), None, "near in meaning");
        assert_eq!(gap_of("How do I start it?", text, None), None, "it says nothing that could be missing");
    }
}
