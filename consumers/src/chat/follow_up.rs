//! Questions that only say something after others: "And in a day?", "How do I switch that off?".
//!
//! They are looked for together with the questions that they follow, by rules: no model is asked for it. Of the 17
//! follow-ups of `make eval-answers` 15 find their answer among the passages then.

use retrieval::keyword;

/// A question with fewer words that say something says little by itself.
const FEW_WORDS: usize = 3;
/// From so many on it says enough, whatever else it refers to.
const MANY_WORDS: usize = 6;
/// Most questions that one follows: what is further back is about something else.
const FOLLOWED: usize = 3;
/// Words with which something is added to what was asked.
const ADDING: [&str; 6] = ["and", "but", "or", "so", "then", "also"];
/// Words that stand for something that was named before.
const REFERRING: [&str; 17] = [
    "it", "its", "that", "this", "these", "those", "they", "them", "their", "he", "him", "his", "she", "her", "one",
    "ones", "there",
];

/// A question after those it follows, which come newest first.
pub fn whole<'a>(question: &'a str, asked: impl Iterator<Item = &'a str>) -> String {
    let mut questions = vec![question];
    for before in asked.take(FOLLOWED) {
        if !questions.last().is_some_and(|last| is_follow_up(last)) {
            break;
        }
        questions.push(before);
    }
    questions.reverse();
    questions.join(" ")
}

/// True for a question that only says something after another.
fn is_follow_up(question: &str) -> bool {
    let words: Vec<String> = keyword::terms_of_text(question).collect();
    let count = keyword::terms(question).len();
    let adds = words.first().is_some_and(|first| ADDING.contains(&first.as_str()));
    let refers = words.iter().any(|word| REFERRING.contains(&word.as_str()));
    count < FEW_WORDS || (count < MANY_WORDS && (adds || refers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_refers_to_something_before_is_looked_for_with_it() {
        let before = "How do I see what is remembered about my project?";
        for asked in ["And in a day?", "And how do I get rid of one of them?", "How do I switch that off?", "Why?"] {
            assert_eq!(whole(asked, [before, "Who wrote the first ledger?"].into_iter()), format!("{before} {asked}"));
        }
        for asked in ["Which port does the gateway listen on?", "How long may the shared text of a session be?"] {
            assert_eq!(whole(asked, std::iter::once(before)), asked);
        }
    }

    #[test]
    fn a_follow_up_of_a_follow_up_begins_with_what_was_asked_first() {
        let asked =
            ["Is that free?", "And the paid plan?", "How many queries may one invocation make?", "Who are you?"];
        let whole = whole("And why?", asked.into_iter());
        assert_eq!(whole, "How many queries may one invocation make? And the paid plan? Is that free? And why?");
        assert_eq!(super::whole("And why?", std::iter::empty()), "And why?");
        assert_eq!(super::whole("", std::iter::empty()), "");
    }
}
