//! Whether an answer says what its sources say, sentence by sentence.
//!
//! In: what a model wrote, and what it was given ([`Evidence`]). Does, for every sentence:
//! 1. what it asserts by name, number, command or path must stand in a source, or in the question ([`assertions`]);
//! 2. most of its words must stand together in one source, or in two that share them; words of the question prove
//!    nothing, so that of the others more must;
//! 3. where the source says so, it must not say the opposite.
//!
//! Of a model that is known to invent all words must stand together, in one line of a source or in two.
//!
//! Where 1 and 3 hold, but not 2, a source may say the same in other words: its meaning decides ([`meaning`]).
//!
//! Gives: for each sentence which sources and lines speak for it, or what is missing, and from all of them a
//! [`Verdict`].

pub mod assertions;
pub mod evidence;
pub mod meaning;
pub mod parts;

use pipeline::{
    chat::verdict::{CheckedSentence, Support, Supporting, Verdict},
    insertion_sort::insertion_sort,
};
use retrieval::{keyword, relevance::is_informative};

use super::citations;

use self::{
    assertions::Assertion,
    evidence::{Evidence, Line, Text, is_negated},
    parts::Part,
};

/// Share of a sentence's words that the sources which speak for it must hold.
const HELD: f64 = 0.5;
/// The same of the words that the question does not hold.
const NEW_HELD: f64 = 0.6;
/// A sentence with fewer words that say something asserts nothing by itself.
const FEW_WORDS: usize = 3;
/// Of a sentence that says it in other words: below it is about something else.
const UNDECIDED: f64 = 0.2;
/// Share from which on a denial is about the same thing.
const SAME: f64 = 0.7;
/// Share of the words in the best line that one must hold in which something is asserted.
const NEAR: f64 = 0.6;
/// Most sources that speak for one sentence together.
const TOGETHER: usize = 2;
/// What follows a subject, and nothing else: of other words that end in "s" half are nouns ("only owners").
const PREDICATES: &str = "is are was were has have had can could will would may must should does holds keeps stores \
                          uses runs sends needs requires supports provides allows starts stops returns writes reads \
                          takes makes gives handles manages creates deletes contains includes serves listens";
/// Subjects that name nothing.
const INDEFINITE: [&str; 22] = [
    "anybody",
    "anyone",
    "anything",
    "both",
    "each",
    "either",
    "every",
    "everybody",
    "everyone",
    "everything",
    "few",
    "many",
    "most",
    "neither",
    "nobody",
    "nothing",
    "one",
    "others",
    "several",
    "somebody",
    "someone",
    "something",
];
/// Share of unsupported sentences, of those that assert something, from which on an answer does not stand.
const UNSUPPORTED_SHARE: f64 = 0.5;

/// What is known of an answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checked {
    /// Its sentences, in order.
    pub sentences: Vec<CheckedSentence>,
    /// All together.
    pub verdict: Verdict,
}

/// What became of one sentence.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The sentence.
    pub sentence: CheckedSentence,
    /// What could say the same in other words, where words alone do not decide.
    pub undecided: Option<Undecided>,
}

/// A sentence of which nothing is missing, and a line that may say it.
#[derive(Clone, Debug)]
pub struct Undecided {
    /// The sentence, without citations.
    pub sentence: String,
    /// The line, with what follows it.
    pub line: String,
    /// Where it stands.
    pub by: Supporting,
}

/// Checks an answer by its words.
pub fn by_words(answer: &str, evidence: &Evidence) -> Checked {
    let parts = parts::parts(answer);
    let judged = parts.iter().map(|part| check_part(answer, part, evidence)).collect();
    Checked::new(answer, judged)
}

impl Checked {
    /// All together.
    pub fn new(answer: &str, judged: Vec<Judged>) -> Self {
        let sentences: Vec<CheckedSentence> = judged.into_iter().map(|judged| judged.sentence).collect();
        Self { verdict: verdict(answer, &sentences), sentences }
    }
}

/// Checks one part of an answer by its words.
pub fn check_part(answer: &str, part: &Part, evidence: &Evidence) -> Judged {
    let text = &answer[part.range.clone()];
    let bare = if part.is_code { text.to_owned() } else { citations::without_marks(text) };
    let asserted = if part.is_code { parts::lines_of_code(&bare) } else { assertions::assertions(&bare) };
    let words = if part.is_code { Vec::new() } else { significant(&bare) };
    let judged = |support, by| Judged { sentence: checked(part, support, by), undecided: None };
    let is_label = parts::is_heading(text) && asserted.iter().all(|one| matches!(one, Assertion::Name(_)));
    if !part.is_code && is_label {
        return judged(Support::Nothing, Vec::new());
    }
    // Whatever code it is, the words that would say what it is for are not in it.
    if part.is_code && evidence.is_strict() {
        return judged(Support::Unsupported, Vec::new());
    }
    let missing = |missing| {
        let sentence = CheckedSentence { missing, ..checked(part, Support::Unsupported, Vec::new()) };
        Judged { sentence, undecided: None }
    };
    let subject = if part.is_code { None } else { invented_subject(&bare, evidence) };
    let invented: Vec<String> =
        subject.into_iter().chain(asserted.iter().filter(|one| !is_held(evidence, one)).map(as_told)).collect();
    if !invented.is_empty() {
        return missing(invented);
    }
    // Only now: what is claimed beside it is no less invented.
    if !part.is_code && parts::says_that_nothing_is_known(&bare) {
        return judged(Support::Nothing, Vec::new());
    }
    // "To start it:" says what follows is about.
    if asserted.is_empty() && bare.trim_end().ends_with(':') {
        return judged(Support::Nothing, Vec::new());
    }
    let speakers = speakers(evidence, &asserted, &words);
    // "Good luck!" asserts nothing; "Glorp." does, where a source says so.
    let is_restated = words.len() > 1 && words.iter().all(|word| evidence.given().words().hold(word));
    if speakers.is_empty() && asserted.is_empty() && words.len() < FEW_WORDS && !is_restated {
        let is_stray = |word: &&String| word.contains(char::is_alphabetic) && !evidence.holds_form_of(word);
        let said = parts::said_of_item(text).map(significant).unwrap_or_default();
        let stray: Vec<String> = said.iter().filter(is_stray).cloned().collect();
        return if stray.is_empty() { judged(Support::Nothing, Vec::new()) } else { missing(stray) };
    }
    if speakers.is_empty() {
        let sentence = checked(part, Support::Unsupported, Vec::new());
        return Judged { sentence, undecided: undecided(evidence, &asserted, &words, bare) };
    }
    if !part.is_code && speakers.iter().all(|text| denies(text, &bare, &words)) {
        return judged(Support::Unsupported, Vec::new());
    }
    judged(Support::Supported, speakers.iter().map(|text| text.place_of(&words)).collect())
}

/// What a sentence is about, if its first word is that, and neither the sources nor who asks has it: "Kafka holds
/// messages". A capital says nothing there; what follows does.
fn invented_subject(sentence: &str, evidence: &Evidence) -> Option<String> {
    let mut words = assertions::without_mark(sentence).split_whitespace();
    let (first, second) = (words.next()?.trim_matches(['*', '_']), words.next()?);
    let is_verb = PREDICATES.split(' ').any(|verb| verb == second);
    let lower = first.to_lowercase();
    let is_subject = is_verb
        && first.starts_with(char::is_uppercase)
        && first.chars().all(char::is_alphanumeric)
        && is_informative(first, &lower)
        && !INDEFINITE.contains(&lower.as_str());
    (is_subject && !evidence.holds_form_of(&lower)).then_some(lower)
}

fn checked(part: &Part, support: Support, by: Vec<Supporting>) -> CheckedSentence {
    CheckedSentence { start: part.range.start, end: part.range.end, support, by, missing: Vec::new() }
}

/// The source that holds most of a sentence's words, if it holds some of them and all that is asserted. What only says
/// again what was asked lies near to whatever the question lies near to: meaning does not decide it.
fn undecided(evidence: &Evidence, asserted: &[Assertion], words: &[String], sentence: String) -> Option<Undecided> {
    let given = evidence.given();
    if evidence.is_strict() || words.iter().all(|word| given.words().hold(word)) {
        return None;
    }
    let holds_all = |text: &&Text| asserted.iter().all(|one| given.holds(one) || says_of(text, one, words));
    let texts = evidence.texts().iter().rev().filter(holds_all);
    let best = texts.max_by_key(|text| text.whole().words().count(words))?;
    let is_about = share(best.whole().words().count(words), words.len()) >= UNDECIDED;
    (is_about && !words.is_empty() && !denies(best, &sentence, words)).then(|| Undecided {
        sentence,
        line: best.around_best_line(words),
        by: best.place_of(words),
    })
}

/// True for a text that says the same and denies it, or denies not what is denied.
fn denies(text: &Text, sentence: &str, words: &[String]) -> bool {
    share(text.whole().words().count(words), words.len()) >= SAME
        && text.best_line(words).is_some_and(|line| line.denies(words) != is_negated(sentence))
}

fn as_told(assertion: &Assertion) -> String {
    assertion.text().to_owned()
}

/// The words of a sentence that say something.
fn significant(sentence: &str) -> Vec<String> {
    keyword::terms(sentence).into_iter().filter(|word| !keyword::is_stop_word(word) && word != "yes").collect()
}

fn is_held(evidence: &Evidence, assertion: &Assertion) -> bool {
    evidence.given().holds(assertion) || evidence.texts().iter().any(|text| text.whole().holds(assertion))
}

/// The fewest sources that say a sentence: the one that holds most of it, and one that has what it lacks.
fn speakers<'a>(evidence: &'a Evidence, asserted: &[Assertion], words: &[String]) -> Vec<&'a Text> {
    let new: Vec<String> = words.iter().filter(|word| !evidence.given().words().hold(word)).cloned().collect();
    if !words.is_empty() && (new.is_empty() || evidence.is_strict()) {
        return word_for_word(evidence, asserted, words);
    }
    let own: Vec<&Assertion> = asserted.iter().filter(|one| !evidence.given().holds(one)).collect();
    let mut ranked: Vec<(usize, &Text)> = evidence
        .texts()
        .iter()
        .map(|text| {
            let held = own.iter().filter(|one| text.whole().holds(one)).count();
            (3 * held + 2 * text.whole().words().count(&new) + text.whole().words().count(words), text)
        })
        .filter(|(held, _)| *held > 0)
        .collect();
    // The first of equals: sources come best first.
    insertion_sort(&mut ranked, |(one, _), (other, _)| one > other);
    let mut speakers: Vec<&Text> = Vec::new();
    for (_, text) in ranked {
        if speakers.len() == TOGETHER {
            break;
        }
        let adds = speakers.is_empty()
            || own.iter().any(|one| text.whole().holds(one) && !speakers.iter().any(|known| known.whole().holds(one)))
            || new.iter().any(|word| {
                text.whole().words().hold(word) && !speakers.iter().any(|known| known.whole().words().hold(word))
            });
        if adds {
            speakers.push(text);
        }
        if say_it(&speakers, &own, words, &new) {
            return speakers;
        }
    }
    Vec::new()
}

/// The source of which a line, or two that follow each other, has all of a sentence: its words, and what it asserts. Of
/// what only says again what was asked less would say no more than that the source is about the question.
fn word_for_word<'a>(evidence: &'a Evidence, asserted: &[Assertion], words: &[String]) -> Vec<&'a Text> {
    let holds = |lines: &[Line]| {
        words.iter().all(|word| lines.iter().any(|line| line.words().hold(word)))
            && evidence.are_about_it(lines)
            && asserted.iter().all(|one| lines.iter().any(|line| line.holds(one)))
    };
    let says = |text: &&Text| {
        let lines = text.lines();
        lines.windows(2).any(holds) || lines.iter().any(|line| holds(std::slice::from_ref(line)))
    };
    evidence.texts().iter().find(says).into_iter().collect()
}

fn say_it(speakers: &[&Text], asserted: &[&Assertion], words: &[String], new: &[String]) -> bool {
    let held = |words: &[String]| {
        words.iter().filter(|word| speakers.iter().any(|text| text.whole().words().hold(word))).count()
    };
    asserted.iter().all(|one| speakers.iter().any(|text| says_of(text, one, words)))
        && share(held(words), words.len()) >= HELD
        && share(held(new), new.len()) >= NEW_HELD
}

/// True if a text holds what is asserted, and says it of what the sentence is about: some line that holds it has about
/// as many of the sentence's words as any.
fn says_of(text: &Text, asserted: &Assertion, words: &[String]) -> bool {
    let held = |line: &&Line| line.words().count(words);
    let most = text.lines().iter().map(|line| held(&line)).max().unwrap_or(0);
    let nearest = text.lines().iter().filter(|line| line.holds(asserted)).map(|line| held(&line)).max();
    nearest.is_some_and(|nearest| share(nearest, most) >= NEAR)
}

#[expect(clippy::cast_precision_loss, reason = "counts of words")]
fn share(count: usize, of: usize) -> f64 {
    if of == 0 { 1.0 } else { count as f64 / of as f64 }
}

/// An answer stands if most of what it asserts is supported, and what it says first is: that is what was asked for.
fn verdict(answer: &str, sentences: &[CheckedSentence]) -> Verdict {
    let asserting: Vec<bool> = sentences
        .iter()
        .filter(|sentence| sentence.support != Support::Nothing)
        .map(|sentence| sentence.support == Support::Supported)
        .collect();
    let Some(first) = asserting.first() else {
        let is_refusal = parts::says_that_nothing_is_known(answer);
        return if is_refusal { Verdict::Unknown } else { Verdict::Nothing };
    };
    let unsupported = asserting.iter().filter(|is_supported| !**is_supported).count();
    match unsupported {
        0 => Verdict::Supported,
        _ if !first || share(unsupported, asserting.len()) >= UNSUPPORTED_SHARE => Verdict::Unsupported,
        _ => Verdict::Partly,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::sources, *};

    const README: &str = "# Friend\n\nmake dev starts everything on this machine; nothing of it needs an account.\n\
                          It listens on port 8787 and prints a key.";
    const LIMITS: &str = "Queues hold messages for 24 hours on the Free plan.\nA batch has at most 100 messages.";

    fn evidence(question: &str) -> Evidence {
        let hits = [README, LIMITS].map(|text| sources::tests::hit("notes.md", text, Some(0.9)));
        Evidence::new(&sources::relevant(question, hits.into()), &[], std::iter::once(question))
    }

    fn verdict_of(question: &str, answer: &str) -> Verdict {
        by_words(answer, &evidence(question)).verdict
    }

    /// The first answer that anybody got of this product.
    #[test]
    fn an_invented_command_does_not_stand() {
        let checked = by_words("You start it by running `heroku run-server`.", &evidence("How do I start it?"));
        assert_eq!(checked.verdict, Verdict::Unsupported);
        assert_eq!(checked.sentences[0].missing, ["heroku run-server"]);
        let right = by_words("You start it with `make dev`, which starts everything.", &evidence("How do I start it?"));
        assert_eq!(right.verdict, Verdict::Supported, "{right:?}");
        assert_eq!((right.sentences[0].by[0].n, right.sentences[0].by[0].line), (Some(1), Some(3)));
    }

    #[test]
    fn numbers_names_and_paths_are_looked_up() {
        let question = "How long do queues hold messages?";
        assert_eq!(verdict_of(question, "Queues hold messages for 24 hours [2]."), Verdict::Supported);
        assert_eq!(verdict_of(question, "Queues hold messages for 48 hours [2]."), Verdict::Unsupported);
        assert_eq!(verdict_of(question, "Messages are held by Kafka for 24 hours."), Verdict::Unsupported);
        assert_eq!(verdict_of(question, "They are held in /var/queues for 24 hours."), Verdict::Unsupported);
    }

    #[test]
    fn what_says_the_opposite_is_not_supported() {
        let question = "Does it need an account?";
        assert_eq!(verdict_of(question, "Nothing of it needs an account."), Verdict::Supported);
        assert_eq!(verdict_of(question, "It needs an account."), Verdict::Unsupported);
    }

    #[test]
    fn a_list_of_inventions_does_not_stand() {
        let question = "What does it start?";
        for invented in [
            "It starts:\n- Heroku\n- Kafka\n- Redis.",
            "It starts everything.\n1. Heroku\n2. Kafka",
            "Author: Lovelace",
            "Region: Frankfurt",
        ] {
            assert_eq!(verdict_of(question, invented), Verdict::Unsupported, "{invented}");
        }
        assert_eq!(verdict_of(question, "It prints:\n- a key\n- the port"), Verdict::Supported);
    }

    #[test]
    fn what_leads_to_an_answer_asserts_nothing() {
        let question = "How do I start the server on a machine?";
        let code = "To start the server:\n```sh\nmake dev\n```";
        assert_eq!(verdict_of(question, code), Verdict::Supported);
        let short = "Short answer: yes! make dev starts everything.";
        assert_eq!(verdict_of("Does make dev start it?", short), Verdict::Supported);
        let strict = by_words(code, &evidence(question).strict(Vec::new()));
        assert_eq!(strict.verdict, Verdict::Unsupported, "what code is for no line of it says");
    }

    #[test]
    fn what_was_asked_is_no_answer() {
        let fifty = "Is a batch limited to 50 messages?";
        assert_eq!(verdict_of(fifty, "A batch is limited to 50 messages."), Verdict::Unsupported);
        assert_eq!(verdict_of("Do queues expire?", "Queues expire."), Verdict::Unsupported);
        assert_eq!(verdict_of("Do queues expire?", "Yes, queues expire."), Verdict::Unsupported);
        let open =
            &check_part("Yes, queues expire.", &parts::parts("Yes, queues expire.")[0], &evidence("Do queues expire?"));
        assert!(open.undecided.is_none(), "it lies where the question lies");
        assert_eq!(verdict_of("Do queues hold messages?", "Yes, queues hold messages."), Verdict::Supported);
    }

    /// What a small model answered to the README's own question: its words stand there, but not together.
    #[test]
    fn of_a_model_that_invents_all_words_must_stand_together() {
        let question = "How do I start it?";
        let strict = |answer: &str| by_words(answer, &evidence(question).strict(Vec::new())).verdict;
        let composed = "You start a batch of messages by make dev on the Free plan.";
        assert_eq!(strict(composed), Verdict::Unsupported);
        for said in ["make dev starts everything on this machine.", "It listens on port 8787 and prints a key."] {
            assert_eq!((strict(said), verdict_of(question, said)), (Verdict::Supported, Verdict::Supported), "{said}");
        }
        let part = &parts::parts("Everything on this computer begins with make dev.")[0];
        let judged = check_part(
            "Everything on this computer begins with make dev.",
            part,
            &evidence(question).strict(Vec::new()),
        );
        assert!(judged.undecided.is_none(), "nor in other words");
        let about = |subject: &str| {
            let evidence = evidence("How long does it take?").strict(vec![subject.to_owned()]);
            by_words("Hold for 24 hours.", &evidence).verdict
        };
        assert_eq!((about("message"), about("deploy")), (Verdict::Supported, Verdict::Unsupported));
    }

    #[test]
    fn a_name_that_begins_as_a_word_of_a_source_or_a_sentence_is_looked_up() {
        let question = "Where are messages held?";
        assert_eq!(verdict_of(question, "Messages are held on the Freeway plan."), Verdict::Unsupported);
        let checked = by_words("Kafka holds messages for 24 hours.", &evidence("How long do queues hold messages?"));
        assert_eq!((checked.verdict, &checked.sentences[0].missing[0][..]), (Verdict::Unsupported, "kafka"));
        for unclear in ["Only owners stop the queues for 24 hours.", "Once messages expire they are gone."] {
            let part = &parts::parts(unclear)[0];
            assert!(check_part(unclear, part, &evidence(question)).sentence.missing.is_empty(), "{unclear}");
        }
        for right in ["Queues hold messages for 24 hours.", "Everything is started by make dev."] {
            assert_eq!(verdict_of(question, right), Verdict::Supported, "{right}");
        }
    }

    #[test]
    fn one_sentence_in_many_may_be_marked() {
        let answer = "make dev starts everything. It listens on port 8787. It was written by Grace Hopper.";
        let checked = by_words(answer, &evidence("How do I start it?"));
        assert_eq!(checked.verdict, Verdict::Partly, "{checked:?}");
        let supports: Vec<Support> = checked.sentences.iter().map(|sentence| sentence.support).collect();
        assert_eq!(supports, [Support::Supported, Support::Supported, Support::Unsupported]);
    }

    #[test]
    fn what_asserts_nothing_is_not_judged() {
        assert_eq!(verdict_of("Hello!", "Hello! How can I help?"), Verdict::Nothing);
        assert_eq!(verdict_of("Who wrote it?", "The sources do not say who wrote it."), Verdict::Unknown);
        assert_eq!(verdict_of("q", ""), Verdict::Nothing);
    }

    #[test]
    fn lists_headings_and_hedges_are_no_claims_and_hide_none() {
        let question = "How do I start it?";
        let list = "## Getting Started\n\n1. make dev starts everything.\n2. It listens on port 8787.";
        assert_eq!(verdict_of(question, list), Verdict::Supported, "{:?}", by_words(list, &evidence(question)));
        let labels = "**Key Points:**\n- **Purpose:** Nothing of it needs an account.";
        assert_eq!(verdict_of(question, labels), Verdict::Supported, "{:?}", by_words(labels, &evidence(question)));
        for hidden in
            ["You start it with **heroku run-server**", "## Run `heroku run-server`", "**Ada Lovelace wrote it**"]
        {
            assert_eq!(verdict_of(question, hidden), Verdict::Unsupported, "{hidden}");
        }
        let hedged = "The sources do not mention it directly, but you start it with `heroku run-server`.";
        assert_eq!(verdict_of(question, hedged), Verdict::Unsupported);
    }

    #[test]
    fn an_answer_of_a_word_is_supported_and_a_wish_is_not_judged() {
        assert_eq!(verdict_of("What lists a key?", "Port."), Verdict::Supported);
        assert_eq!(verdict_of("How do I start it?", "Good luck!"), Verdict::Nothing);
    }

    #[test]
    fn code_stands_in_a_source_line_by_line() {
        let question = "How do I start it?";
        assert_eq!(verdict_of(question, "Run this:\n```sh\nmake dev\n```"), Verdict::Supported);
        assert_eq!(verdict_of(question, "Run this:\n```sh\nmake dev\nheroku login\n```"), Verdict::Unsupported);
    }

    #[test]
    fn two_sources_may_say_it_together_and_words_of_the_question_prove_nothing() {
        let question = "Does a zeppelin listen on a port?";
        let both = "It listens on port 8787, and a batch has at most 100 messages.";
        assert_eq!(verdict_of(question, both), Verdict::Supported);
        assert_eq!(verdict_of(question, "A zeppelin listens gracefully in heaven."), Verdict::Unsupported);
    }
}
