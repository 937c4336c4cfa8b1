//! Questions that only say something after others: "And in a day?", "How do I switch that off?".
//!
//! They are looked for together with the questions that they follow, by rules, in English: no model is asked for it. Of
//! the 17 follow-ups of `make eval-answers` 15 are answered with the document that says it among those cited.

use retrieval::keyword;

use super::history::beginning;

/// With so many words that say something a question says enough, whatever else it refers to.
const MANY_WORDS: usize = 6;
/// Fewer than so many make a short question.
const FEW_WORDS: usize = 3;
/// Most questions that one follows: what is further back is about something else.
const FOLLOWED: usize = 3;
/// Bytes of each that count: what is longer is a text to work on, among which the question would be lost.
const FOLLOWED_BYTES: usize = 300;
/// Words with which something is added to what was asked.
const ADDING: [&str; 6] = ["and", "but", "or", "so", "then", "also"];
/// Words that stand for something that was named before.
const REFERRING: [&str; 10] = ["it", "its", "they", "them", "their", "he", "him", "his", "she", "her"];
/// The same in short questions, and where one ends with them: elsewhere they point ahead ("the header that says …").
const POINTING: [&str; 5] = ["that", "this", "these", "those", "ones"];

/// A question with those before it without which it says nothing, which come newest first, as they do in `asked`.
pub fn with_followed<'a>(question: &'a str, asked: impl Iterator<Item = &'a str>) -> String {
    let mut questions = vec![question];
    for before in asked.take(FOLLOWED) {
        if !questions.last().is_some_and(|last| refers_back(last)) {
            break;
        }
        questions.push(beginning(before, FOLLOWED_BYTES));
    }
    questions.join(" ")
}

/// True for a question that is about what was named before it.
fn refers_back(question: &str) -> bool {
    let words: Vec<String> = keyword::terms_of_text(question).collect();
    let is_any = |known: &[&str], word: Option<&String>| word.is_some_and(|word| known.contains(&word.as_str()));
    let count = significant_words(question);
    let points = if count < FEW_WORDS {
        words.iter().any(|word| is_any(&POINTING, Some(word)))
    } else {
        is_any(&POINTING, words.last())
    };
    let refers = points || words.iter().any(|word| is_any(&REFERRING, Some(word)));
    let adds = is_any(&ADDING, words.first()) || is_any(&["about"], words.get(1));
    count == 0 || (count < MANY_WORDS && (refers || adds))
}

fn significant_words(question: &str) -> usize {
    // Where nothing else is there, the terms are stop words.
    keyword::terms(question).iter().filter(|word| !keyword::is_stop_word(word)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_refers_to_something_before_is_looked_for_with_it() {
        let before = "How do I see what is remembered about my project?";
        for asked in [
            "Why?",
            "How do I switch that off?",
            "And what limits do uploads have?",
            "What do I add if it is the only one left?",
            "Which limits do uploads have beside those?",
            "How can I do that, then?",
        ] {
            assert_eq!(
                with_followed(asked, [before, "Who wrote the first ledger?"].into_iter()),
                format!("{asked} {before}")
            );
        }
        for asked in [
            "Which port does the gateway listen on?",
            "Is there a maximum size for uploads?",
            "Which header says that a search degraded?",
            "Which status does the gateway answer when it holds no key of its owner?",
        ] {
            assert_eq!(with_followed(asked, std::iter::once(before)), asked);
        }
    }

    #[test]
    fn a_follow_up_of_a_follow_up_comes_with_what_was_asked_first() {
        let asked =
            ["Is that free?", "And the paid plan?", "How many queries may one invocation make?", "Who are you?"];
        let whole = with_followed("And why?", asked.into_iter());
        assert_eq!(whole, "And why? Is that free? And the paid plan? How many queries may one invocation make?");
        assert_eq!(with_followed("And why?", std::iter::empty()), "And why?");
        assert_eq!(with_followed("", std::iter::empty()), "");
    }

    #[test]
    fn a_short_question_says_what_it_is_about_unless_it_refers_back() {
        let before = "Which port does the gateway listen on?";
        for asked in ["What is the deploy key?", "Deploy key?", "What is a tombstone?"] {
            assert_eq!(with_followed(asked, std::iter::once(before)), asked);
        }
        for asked in ["Why?", "Who has it?", "And the deploy key?", "Where do I get that?", "What about guests?"] {
            assert_eq!(with_followed(asked, std::iter::once(before)), format!("{asked} {before}"));
        }
        let asked = ["What is the deploy key?", before];
        assert_eq!(with_followed("Who has it?", asked.into_iter()), "Who has it? What is the deploy key?");
    }

    #[test]
    fn a_long_text_before_does_not_drown_the_question() {
        let log = "line of a log\n".repeat(1_000);
        let whole = with_followed("How long does it keep uploads?", std::iter::once(log.as_str()));
        assert!(whole.starts_with("How long does it keep uploads? line of a log") && whole.len() < 400, "{whole}");
    }
}
