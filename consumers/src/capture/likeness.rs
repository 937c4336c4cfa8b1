//! Whether two statements say the same, or one says otherwise of the same matter; by their words, in their order.
//!
//! An embedding cannot tell "not" from its contrary (docs/decisions/033-memories-are-not-merged.md). Words can, as far
//! as they go: only what differs in nothing but filler is the same, and only what differs in one place, among words
//! that name the same matter, is contrary. All else is left to whoever reads both.

use retrieval::{keyword, relevance::is_form};

/// How a statement stands to one that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Likeness {
    /// It says the same.
    Same,
    /// It says otherwise of the same matter.
    Contrary,
    /// It is about something else, or nobody can tell by its words.
    Other,
}

/// What changes nothing about what is meant.
const FILLER: &[&str] = &[
    "actually", "again", "agreed", "always", "chose", "code", "codebase", "decided", "forward", "future", "go",
    "going", "just", "let", "lets", "longer", "make", "now", "please", "project", "really", "remember", "repo",
    "settled", "stick", "still", "sure", "were", "weve", "well",
];
const LONG_FILLER: &[&str] = &["everywhere", "repository"];
const NEGATIONS: &[&str] = &[
    "not", "no", "never", "without", "nor", "dont", "doesnt", "wont", "isnt", "arent", "cannot", "cant", "against",
    "dropping", "dropped", "stopped",
];
/// What stands for one of several of a kind.
const DAYS: &[&str] = &[
    "monday",
    "mondays",
    "tuesday",
    "tuesdays",
    "wednesday",
    "wednesdays",
    "thursday",
    "thursdays",
    "friday",
    "fridays",
    "saturday",
    "saturdays",
    "sunday",
    "sundays",
];
/// What makes the order of two things matter.
const ORDERED: &[&str] = &["over", "rather", "instead", "before", "after", "than"];
/// Before a word that is known in no other form: a name, a number, an option.
const EXACT: char = '=';
/// More words than a statement has.
const WORDS: usize = 64;

/// The words of a statement that mean something, whether it is denied, and whether their order matters.
#[derive(Clone, Debug)]
pub struct Said {
    words: Vec<String>,
    is_denied: bool,
    is_ordered: bool,
}

/// Reads what a statement says, once for however many it is compared with.
pub fn said(text: &str) -> Said {
    let mut said = Said { words: Vec::new(), is_denied: false, is_ordered: false };
    for (place, word) in text.split_whitespace().take(WORDS).enumerate() {
        // Signs inside and before say what is meant: "C++", "9:30", "-5", "--force", ".env".
        let is_around = |letter: char| ",;:!?()[]{}\"'`*_“”’".contains(letter);
        let written = word.trim_matches(is_around).trim_end_matches(['.', ',']).replace(['\'', '’'], "");
        let word = written.to_lowercase();
        if word.is_empty() || word == "-" {
            continue;
        }
        if NEGATIONS.contains(&word.as_str()) {
            said.is_denied = !said.is_denied;
        } else if [FILLER, LONG_FILLER].iter().any(|words| words.contains(&word.as_str())) {
            // It changes nothing.
        } else if ORDERED.contains(&word.as_str()) {
            said.is_ordered = true;
            said.words.push(word);
        } else if !keyword::is_stop_word(&word) {
            let is_plain = written.chars().skip(usize::from(place == 0)).all(|letter| letter.is_ascii_lowercase());
            let is_exact = !is_plain && !DAYS.contains(&word.as_str());
            said.words.push(if is_exact { format!("{EXACT}{word}") } else { word });
        }
    }
    said
}

/// True if two words are the same, or forms of one.
fn is_same_word(one: &str, other: &str) -> bool {
    let [is_exact, is_other_exact] = [one, other].map(|word| word.starts_with(EXACT));
    let [one, other] = [one, other].map(|word| word.trim_start_matches(EXACT));
    one == other || (!is_exact && !is_other_exact && is_form(one, other))
}

/// How `new` stands to `known`.
pub fn of(known: &Said, new: &Said) -> Likeness {
    // What differs in more than a word is about something else: most of what is compared, and soon told.
    if known.words.is_empty() || new.words.is_empty() || known.words.len().abs_diff(new.words.len()) > 1 {
        return Likeness::Other;
    }
    let (shared, removed, added) = compared(&known.words, &new.words);
    let is_same = removed.is_empty() && added.is_empty();
    let matter =
        shared.iter().filter(|word| !["use", "uses", "using", "used", "prefer", "like"].contains(word)).count();
    if known.is_denied != new.is_denied {
        // "we no longer use Kafka" after "we use Kafka".
        return if is_same { Likeness::Contrary } else { Likeness::Other };
    }
    if is_same {
        return Likeness::Same;
    }
    let ([one], [other]) = (removed.as_slice(), added.as_slice()) else {
        let is_turned = (known.is_ordered || new.is_ordered) && are_the_same_words(&known.words, &new.words);
        return if is_turned { Likeness::Contrary } else { Likeness::Other };
    };
    if known.is_ordered && new.is_ordered && one.0 == other.0 {
        return Likeness::Contrary;
    }
    let is_value = |word: &str| {
        let word = word.trim_start_matches(EXACT);
        word.starts_with(|first: char| first.is_ascii_digit()) || DAYS.contains(&word)
    };
    let is_in_place = one.1 == other.1;
    let is_contrary = is_in_place
        && matter >= 1
        && (shared.len() >= 2 || (is_value(one.0) && is_value(other.0)))
        && !(known.is_ordered || new.is_ordered);
    if is_contrary { Likeness::Contrary } else { Likeness::Other }
}

/// True if both hold each word as often. They are few: sorting them would bring a sort of its own into the Worker.
fn are_the_same_words(one: &[String], other: &[String]) -> bool {
    let count = |words: &[String], sought: &String| words.iter().filter(|word| *word == sought).count();
    one.len() == other.len() && one.iter().all(|word| count(one, word) == count(other, word))
}

/// A word, and how many of the shared ones stand before it.
type Placed<'a> = (&'a str, usize);

/// The words that both hold in the same order (their longest common subsequence), and those that only one holds.
fn compared<'a>(known: &'a [String], new: &'a [String]) -> (Vec<&'a str>, Vec<Placed<'a>>, Vec<Placed<'a>>) {
    let mut longest = vec![vec![0usize; new.len() + 1]; known.len() + 1];
    for (row, one) in known.iter().enumerate().rev() {
        for (column, other) in new.iter().enumerate().rev() {
            longest[row][column] = if is_same_word(one, other) {
                longest[row + 1][column + 1] + 1
            } else {
                longest[row + 1][column].max(longest[row][column + 1])
            };
        }
    }
    let (mut row, mut column) = (0, 0);
    let (mut shared, mut removed, mut added) = (Vec::new(), Vec::new(), Vec::new());
    while row < known.len() || column < new.len() {
        let is_shared = row < known.len() && column < new.len() && is_same_word(&known[row], &new[column]);
        if is_shared {
            shared.push(known[row].as_str());
            row += 1;
            column += 1;
        } else if column == new.len() || (row < known.len() && longest[row + 1][column] >= longest[row][column + 1]) {
            removed.push((known[row].as_str(), shared.len()));
            row += 1;
        } else {
            added.push((new[column].as_str(), shared.len()));
            column += 1;
        }
    }
    (shared, removed, added)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_differs_in_filler_alone_is_the_same() {
        for (known, new) in [
            ("We use pnpm", "We decided to use pnpm"),
            ("Always use tabs in Go files", "please use tabs in Go files"),
            ("We deploy on Thursdays", "we always deploy on Thursday"),
            ("never force-push to main", "Never force-push to main!"),
        ] {
            assert_eq!(of(&said(known), &said(new)), Likeness::Same, "{known} / {new}");
        }
    }

    #[test]
    fn what_says_otherwise_of_the_same_is_contrary() {
        for (known, new) in [
            ("We use Postgres 14", "We use Postgres 15"),
            ("we decided to use Postgres 14 for the ledger", "We use Postgres 15 for the ledger"),
            ("We use Postgres for sessions", "We use Redis for sessions"),
            ("We deploy on Fridays", "We deploy on Thursdays"),
            ("We use Kafka for events", "We no longer use Kafka for events"),
            ("I prefer tabs over spaces", "I prefer spaces over tabs"),
            ("Use tabs in Go files", "Never use tabs in Go files"),
        ] {
            assert_eq!(of(&said(known), &said(new)), Likeness::Contrary, "{known} / {new}");
        }
    }

    #[test]
    fn what_is_about_something_else_is_other() {
        for (known, new) in [
            ("We use Postgres", "We use Rust"),
            ("We use pnpm", "We deploy on Thursdays"),
            ("We use tabs", "We use tabs in Go files and spaces in Python"),
            ("Paul leads the payments team", "Paula reviews the payments code"),
        ] {
            assert_eq!(of(&said(known), &said(new)), Likeness::Other, "{known} / {new}");
        }
    }

    proptest! {
        #[test]
        fn a_text_says_the_same_as_itself(text in "[a-z]{4,8}( [a-z]{4,8}){1,8}") {
            prop_assert_ne!(of(&said(&text), &said(&text)), Likeness::Contrary);
        }

        #[test]
        fn whatever_is_compared_is_compared(one in "\\PC{0,80}", other in "\\PC{0,80}") {
            of(&said(&one), &said(&other));
        }
    }
}
