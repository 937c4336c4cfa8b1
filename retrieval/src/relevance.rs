//! Whether something that was found by its words is about a prompt at all. Precision goes first: an agent that is told
//! what does not matter reads it all the same, and nothing said costs nobody anything.
//!
//! A prompt is about its [`Subjects`]: names in code, and words that are neither stop words nor what any prompt to an
//! agent says ("run", "fix", "file"). Each weighs as much as it is rare among the user's chunks; one that no chunk
//! holds weighs most, so that a prompt about something else finds nothing. What is found must hold enough of that
//! weight, and best be called after it: [`Subjects::passage`] has the formula, docs/hooks.md how it was measured.

use std::sync::LazyLock;

use pipeline::identifiers;

use crate::keyword;

/// Most subjects of a prompt.
pub const SUBJECTS: usize = 12;
/// Chunks that hold a subject are counted no further.
pub const COUNTED: i64 = 100;
/// Bytes of a prompt in which its subjects are looked for.
const PROMPT_BYTES: usize = 4 * 1024;
/// Most lines, and bytes, that stand together.
const LINES: usize = 14;
const BYTES: usize = 1_200;
/// A name in code says where it stands, if no more chunks hold it.
const NAME_CHUNKS: i64 = 40;
/// From this relevance on a chunk is about a prompt: of the values tried, that from which on nine tenths of what is
/// told are right (docs/hooks.md).
const ABOUT: f64 = 1.8;

/// What any prompt to an agent may say, whatever it is about.
const GENERIC: &str = "\
    actually add added adding again agent anything app application apply ask asked away back bad best better bit \
    branch break bug bugs build call called case change changed changes check class claude clean clear code \
    comment comments commit commits complete continue convert correct could count counted counting create current \
    debug default delete describe detail details different directory doc docs document documentation don done down \
    draft easy edit else email end error errors everything exactly example examples existing explain fail failed \
    failing fails feature figure file files find fine first fix fixed folder following format found function \
    functions get getting git give go goes going good got great happen happens hello help here hey idea implement \
    implementation implemented implementing improve instead issue issues keep kind know last latest let lets like \
    line lines list little ll long look looks lot make makes many may mean means merge method methods might \
    missing module more most move much must name named need needed needs never new next nice note now number off \
    ok okay old one ones open option other over package part perfect place plan please possible problem project \
    proper properly pull push put question quick quickly re read really reason refactor remember remove rename \
    repo repository request result return returns review rewrite right run running runs same save say says script \
    second see seem seems set short shorter should show simple simplify small something start still stop stuff \
    sure take tell test tested testing tests thank thanks that thing things think third three time today together \
    tool tools top true try trying two type typo understand undo update updated use used user uses using value \
    values variable variables ve version via wait want wants way well work working works write writing written \
    wrong yes yet";

/// The same one by one, which are sorted.
static GENERIC_WORDS: LazyLock<Vec<&str>> = LazyLock::new(|| GENERIC.split(' ').collect());

/// One of the things that a prompt is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    /// The word in lower case: letters, digits and underscores.
    pub word: String,
    /// Only code spells it so.
    pub is_name: bool,
    /// Chunks that hold it, as far as they are counted.
    pub chunks: i64,
    /// From 0 to 1, the rarer the more.
    weight: f64,
}

/// What a prompt is about.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Subjects {
    subjects: Vec<Subject>,
    /// Up to so many chunks a subject is rare.
    rare: i64,
}

/// Which of the subjects something holds: a bit each.
pub type Held = u32;

/// Some lines of a chunk that hold subjects of a prompt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Passage {
    /// Lines of the chunk before the first.
    pub skipped: usize,
    /// How many lines they are.
    pub lines: usize,
    /// What they hold, its title included.
    pub held: Held,
    /// How much its chunk is about the prompt; the more the better, from 0.
    pub relevance: f64,
}

impl Subject {
    /// True for a name in code that few chunks hold.
    const fn says_where(&self) -> bool {
        self.is_name && self.chunks <= NAME_CHUNKS
    }
}

impl Subjects {
    /// What a prompt is about, before it is known how rare that is.
    pub fn of(prompt: &str) -> Self {
        let prompt = prompt.trim();
        // A command to the agent's own program.
        if prompt.starts_with(['/', '!', '#']) {
            return Self::default();
        }
        let prompt = &prompt[..prompt.floor_char_boundary(PROMPT_BYTES)];
        let mut subjects: Vec<Subject> = Vec::new();
        for word in identifiers::words(&without_code(prompt)) {
            let is_name = identifiers::is_compound(word) && word.len() > 4;
            let lower = word.trim_matches('_').to_lowercase();
            if (is_name || is_informative(word, &lower)) && subjects.iter().all(|known| !is_form(&known.word, &lower)) {
                subjects.push(Subject { word: lower, is_name, chunks: 0, weight: 1.0 });
            }
        }
        if subjects.len() > SUBJECTS {
            let (names, others): (Vec<_>, Vec<_>) = subjects.into_iter().partition(|subject| subject.is_name);
            subjects = names.into_iter().chain(others).take(SUBJECTS).collect();
        }
        Self { subjects, rare: i64::MAX }
    }

    /// The same, with how many chunks hold each of them, in their order, and how many chunks there are at least.
    #[must_use]
    pub fn counted(mut self, counts: &[i64], chunks: i64) -> Self {
        let all = counts.iter().copied().max().unwrap_or(0).max(chunks).max(1);
        for (subject, count) in self.subjects.iter_mut().zip(counts) {
            subject.chunks = *count;
            subject.weight = weight(*count, all);
        }
        self.rare = (all / 20).max(3);
        self
    }

    /// The subjects.
    pub fn iter(&self) -> impl Iterator<Item = &Subject> {
        self.subjects.iter()
    }

    /// True if the prompt is about nothing.
    pub fn is_empty(&self) -> bool {
        self.subjects.is_empty()
    }

    /// True if some chunk may be about the prompt: what only common words say is about everything.
    pub fn may_be_found(&self) -> bool {
        self.iter().any(|subject| subject.chunks > 0 && self.is_rare(subject))
    }

    fn is_rare(&self, subject: &Subject) -> bool {
        subject.chunks <= self.rare || subject.says_where()
    }

    /// Which of them a text holds.
    pub fn held_by(&self, text: &str) -> Held {
        let mut held = 0;
        for word in keyword::terms_of_text(text) {
            for (place, subject) in self.iter().enumerate() {
                if is_form(&subject.word, &word) {
                    held |= 1 << place;
                }
            }
        }
        held
    }

    fn held(&self, held: Held) -> impl Iterator<Item = &Subject> {
        self.iter().enumerate().filter(move |(place, _)| held & (1 << place) != 0).map(|(_, subject)| subject)
    }

    fn share(&self, held: Held) -> f64 {
        let all: f64 = self.iter().map(|subject| subject.weight).sum();
        if all > 0.0 { self.held(held).map(|subject| subject.weight).sum::<f64>() / all } else { 0.0 }
    }

    /// The lines of a chunk that hold most, if the chunk is about the prompt.
    ///
    /// Its relevance is `w² / W × (1 + t + n)`: of the weight `W` of all that the prompt is about it holds `w` (what it
    /// holds, times its share of all), and it is called after `t` of its subjects, as the name of its document says,
    /// and holds `n` names in code that few chunks hold.
    pub fn passage(&self, title: &str, text: &str) -> Option<Passage> {
        let of_title = self.held_by(title);
        let lines: Vec<&str> = text.split('\n').collect();
        let by_line: Vec<Held> = lines.iter().map(|line| self.held_by(line)).collect();
        let held = by_line.iter().fold(of_title, |held, line| held | line);
        let relevance = self.relevance(held, of_title);
        if !self.is_about(held, of_title, relevance) {
            return None;
        }
        let mut best: Option<Passage> = None;
        for first in 0..lines.len() {
            // A passage begins where something stands.
            if by_line[first] == 0 {
                continue;
            }
            let (mut held, mut bytes, mut last) = (of_title, 0, first);
            for (place, line) in lines.iter().enumerate().skip(first).take(LINES) {
                bytes += line.len();
                if bytes > BYTES && place > first {
                    break;
                }
                if held | by_line[place] != held {
                    held |= by_line[place];
                    last = place;
                }
            }
            let passage = Passage { skipped: first, lines: last + 1 - first, held, relevance };
            // Of those that hold as much the shortest says it best.
            let is_better = |best: Passage| {
                self.share(held) > self.share(best.held) || (held == best.held && passage.lines < best.lines)
            };
            if best.is_none_or(is_better) {
                best = Some(passage);
            }
        }
        // What its title alone says stands at its beginning.
        best.or(Some(Passage { skipped: 0, lines: 1, held: of_title, relevance }))
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of words")]
    fn relevance(&self, held: Held, of_title: Held) -> f64 {
        let weight: f64 = self.held(held).map(|subject| subject.weight).sum();
        let called = self.held(of_title).count() + self.held(held).filter(|subject| subject.says_where()).count();
        weight * self.share(held) * (1.0 + called as f64)
    }

    /// Whether what holds these is about the prompt.
    fn is_about(&self, held: Held, of_title: Held, relevance: f64) -> bool {
        let has_rare = self.held(held).any(|subject| self.is_rare(subject));
        match self.subjects.as_slice() {
            _ if !has_rare => false,
            // A lone word is what something is called after, or it is said in passing.
            [subject] => subject.says_where() || of_title == held,
            _ => relevance >= ABOUT,
        }
    }

    /// How much a memory is about the prompt, from 0 to 1; nothing if it is not. It is short: what of it the prompt
    /// names counts as well as what of the prompt it names.
    pub fn of_memory(&self, text: &str) -> Option<f64> {
        let held = self.held_by(text);
        let count = self.held(held).count();
        let share = self.share(held);
        let weight: f64 = self.held(held).map(|subject| subject.weight).sum();
        let own = Self::of(text);
        let named = own.iter().filter(|own| self.held(held).any(|subject| is_form(&subject.word, &own.word))).count();
        #[expect(clippy::cast_precision_loss, reason = "counts of words")]
        let of_own = named as f64 / own.subjects.len().max(1) as f64;
        let has_name = self.held(held).any(|subject| subject.is_name);
        let is_about = match count {
            0 => false,
            1 => (has_name && share >= 0.3) || share >= 0.99 || (of_own >= 0.5 && share >= 0.45),
            _ => share >= 0.5 || (of_own >= 0.6 && share >= 0.34) || weight * share >= 0.35,
        };
        is_about.then(|| share.max(of_own))
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of chunks")]
fn weight(count: i64, all: i64) -> f64 {
    let all = all as f64 + 10.0;
    ((all / (count as f64 + 1.0)).ln() / all.ln()).clamp(0.15, 1.0)
}

/// True for a word that says what a text is about, also written in lower case (`lower`): neither grammar nor what
/// everybody says of anything.
pub fn is_informative(word: &str, lower: &str) -> bool {
    let letters = lower.chars().filter(|letter| letter.is_alphabetic()).count();
    let is_short = lower.chars().count() < 3;
    // "D1", "KV", "CI": what is so short is a name, or nothing.
    let is_abbreviation = word.len() > 1 && word.chars().all(|letter| letter.is_uppercase() || letter.is_ascii_digit());
    letters > 0
        && (!is_short || is_abbreviation)
        && !keyword::is_stop_word(lower)
        && GENERIC_WORDS.binary_search(&lower).is_err()
}

/// True if one word is another in another form: "queues" and "queue", "deployed" and "deploy".
pub fn is_form(one: &str, other: &str) -> bool {
    let (short, long) = if one.len() <= other.len() { (one, other) } else { (other, one) };
    // Most words are no form of each other, which their beginnings say: no form changes the first three letters.
    if short == long || short.as_bytes().get(..3) != long.as_bytes().get(..3) {
        return short == long;
    }
    let stem = if short.len() > 4 { short.strip_suffix('e').or_else(|| short.strip_suffix('y')) } else { None };
    let ends = |stem: &str, ends: &[&str]| long.strip_prefix(stem).is_some_and(|rest| ends.contains(&rest));
    (short.len() > 2 && ends(short, &["s", "es", "ed", "ing", "er", "ers", "d", "ment"]) && short.is_ascii())
        || stem.is_some_and(|stem| ends(stem, &["ing", "ed", "ies", "ion", "ions", "ation"]))
        || (short.len() > 5
            && ["ing", "ed", "es", "s"].iter().any(|end| {
                short.strip_suffix(end).is_some_and(|stem| stem.len() > 3 && ends(stem, &["ing", "ion", "er"]))
            }))
}

/// What stands in fences is not what the prompt says.
fn without_code(prompt: &str) -> String {
    let mut fence = false;
    let lines = prompt.lines().filter(|line| {
        let is_fence = line.trim_start().starts_with("```");
        fence ^= is_fence;
        !fence && !is_fence
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(prompt: &str) -> Vec<String> {
        Subjects::of(prompt).iter().map(|subject| subject.word.clone()).collect()
    }

    #[test]
    fn a_prompt_is_about_its_names_and_what_not_every_prompt_says() {
        assert_eq!(words("Why does the sweep send lost messages again?"), ["sweep", "send", "lost", "messages"]);
        assert_eq!(words("fix parseHeader so that queues and a queue work"), ["parseheader", "queues"]);
        assert_eq!(words("what is stored in KV and in D1?"), ["stored", "KV", "D1"].map(str::to_lowercase));
        for nothing in ["yes", "thanks, looks good", "run the tests again and fix what fails", "/clear", "", "continue"]
        {
            assert!(words(nothing).is_empty(), "{nothing}: {:?}", words(nothing));
        }
        assert!(words("```\nlet whale = ferry();\n```").is_empty());
    }

    #[test]
    fn what_any_prompt_may_say_is_sorted() {
        assert!(GENERIC_WORDS.is_sorted(), "it is searched by halves");
    }

    #[test]
    fn words_are_known_in_other_forms() {
        for (one, other) in [
            ("queue", "queues"),
            ("deploy", "deployed"),
            ("eviction", "evictions"),
            ("retry", "retries"),
            ("cache", "caching"),
        ] {
            assert!(is_form(one, other), "{one} {other}");
        }
        for (one, other) in
            [("java", "javascript"), ("paul", "paula"), ("post", "postgres"), ("15", "14"), ("an", "ants")]
        {
            assert!(!is_form(one, other), "{one} {other}");
        }
    }

    fn counted(prompt: &str, counts: &[i64]) -> Subjects {
        Subjects::of(prompt).counted(counts, 1_000)
    }

    #[test]
    fn what_holds_enough_together_is_about_the_prompt() {
        let subjects = counted("Why does the sweep send lost messages again?", &[8, 60, 9, 100]);
        let text = "The sweep runs.\n\nIt sends what was lost:\nmessages of items nobody claimed.\n";
        let passage = subjects.passage("sweep.rs", text).unwrap();
        assert_eq!((passage.skipped, passage.lines), (2, 2), "the sweep is its title");
        // Far apart they say something else.
        let far = format!("The sweep runs.\n{}lost messages\n", "nothing\n".repeat(40));
        assert_eq!(subjects.passage("notes", &far), None);
        // What nobody has weighs most.
        let haiku = counted("write a haiku about messages in a queue", &[0, 100, 100]);
        assert_eq!(haiku.passage("queue.rs", "messages in a queue"), None);
    }

    #[test]
    fn a_lone_word_is_what_something_is_called_after() {
        let subjects = counted("how does eviction work?", &[20]);
        assert!(subjects.passage("src/eviction.rs", "what eviction does").is_some());
        assert_eq!(subjects.passage("notes.md", "there is eviction"), None);
        let name = counted("what does parse_header do?", &[2]);
        assert!(name.passage("http.rs", "fn parse_header() {}").is_some());
    }

    #[test]
    fn what_is_called_after_the_prompt_is_about_it_and_names_in_code_say_where() {
        let relevance = |title: &str, text: &str| {
            let subjects = counted("the guests of a room see tags that read_filters leaves out", &[9, 20, 40, 2, 60]);
            subjects.passage(title, text).map_or(0.0, |passage| passage.relevance)
        };
        let text = "guests of a room see tags";
        assert!(relevance("notes.md", text) < f64::EPSILON, "not enough of it");
        assert!(relevance("src/guests.rs", text) > 0.0);
        assert!(relevance("src/guests.rs", text) < relevance("src/guests_and_tags.rs", text));
        assert!(relevance("src/guests.rs", text) < relevance("src/guests.rs", "guests of a room: read_filters"));
    }

    #[test]
    fn a_long_prompt_is_told_what_holds_much_of_it_though_it_says_more() {
        let words = "guest session public tags nothing found browser extension yesterday";
        let counts: Vec<i64> = Subjects::of(words).iter().map(|_| 12).collect();
        let subjects = counted(words, &counts);
        assert!(subjects.passage("guests.rs", "A guest of a session is shown what has public tags.").is_some());
        assert_eq!(subjects.passage("guests.rs", "A guest."), None);
    }

    #[test]
    fn a_memory_is_about_a_prompt_that_names_what_it_is_about() {
        let about = |prompt: &str, counts: &[i64], memory: &str| counted(prompt, counts).of_memory(memory).is_some();
        assert!(about("when should I deploy?", &[5], "We deploy on Thursdays"));
        assert!(about("add a dependency with npm", &[4, 2], "We use pnpm, never npm"));
        assert!(about("why does postgres time out in CI", &[3, 5], "Tests run on Postgres 15 in CI"));
        assert!(!about(
            "can we rename the field in the API response?",
            &[9, 9, 9],
            "The API stays compatible until 2.0"
        ));
        assert!(!about("install lodash", &[1, 0], "We use pnpm, never npm"));
    }

    proptest! {
        #[test]
        fn whatever_is_asked_is_looked_at(prompt in "\\PC{0,200}", text in "(\\PC{0,40}\n){0,20}") {
            let subjects = Subjects::of(&prompt);
            let counts = vec![1; subjects.iter().count()];
            let subjects = subjects.counted(&counts, 10);
            if let Some(passage) = subjects.passage("title", &text) {
                prop_assert!(passage.skipped + passage.lines <= text.split('\n').count());
                prop_assert!(passage.relevance > 0.0);
            }
        }
    }
}
