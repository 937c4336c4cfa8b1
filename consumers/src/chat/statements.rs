//! What a user states about themselves that may be worth remembering.
//!
//! Found by how sentences begin, not by a model: it costs nothing, and the same message always proposes
//! the same. What is stated in sessions of work, in other words, is found by [`pipeline::statements`]. Proposed
//! memories wait for their owner's yes unless the owner said yes to all.

use pipeline::statements::sentences;

/// Something a user stated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserStatement {
    /// `fact` or `preference`.
    pub kind: &'static str,
    /// The statement, as it was made.
    pub text: String,
}

const PREFERENCES: [&str; 16] = [
    "i prefer ",
    "i like ",
    "i love ",
    "i hate ",
    "i dislike ",
    "i don't like ",
    "i do not like ",
    "i always ",
    "i never ",
    "please always ",
    "please never ",
    "always use ",
    "never use ",
    "call me ",
    "my favorite ",
    "my favourite ",
];
const FACTS: [&str; 19] = [
    "i am ",
    "i'm ",
    "my name is ",
    "i work ",
    "i live ",
    "i use ",
    "i have ",
    "we use ",
    "we are ",
    "we have ",
    "our team ",
    "our project ",
    "my team ",
    "my project ",
    "my company ",
    "our company ",
    "my job ",
    "we work ",
    "my goal ",
];
/// Beginnings of passing states, which are no facts.
const PASSING: [&str; 14] = [
    "i am trying",
    "i'm trying",
    "i am not sure",
    "i'm not sure",
    "i am looking",
    "i'm looking",
    "i am getting",
    "i'm getting",
    "i have a question",
    "i have to",
    "i am wondering",
    "i'm wondering",
    "we have to",
    "i'm sorry",
];
const REMEMBER: [&str; 4] = ["remember that ", "remember: ", "please remember ", "keep in mind that "];
/// Most statements of one message.
const MOST: usize = 3;
const SHORTEST: usize = 8;
const LONGEST: usize = 300;

/// The statements in a message, in its order.
pub fn statements(message: &str) -> Vec<UserStatement> {
    let mut found: Vec<UserStatement> = Vec::new();
    for sentence in sentences(message) {
        if let Some(statement) = statement(sentence)
            && !found.contains(&statement)
        {
            found.push(statement);
        }
    }
    found.truncate(MOST);
    found
}

fn statement(sentence: &str) -> Option<UserStatement> {
    let sentence = sentence.trim().trim_start_matches(['-', '*', ' ']);
    if sentence.ends_with('?') || !(SHORTEST..=LONGEST).contains(&sentence.len()) {
        return None;
    }
    let lower = sentence.to_lowercase();
    // A lower-cased sentence may differ in length; only ASCII beginnings are cut off.
    let stated = REMEMBER.iter().find_map(|lead| lower.starts_with(lead).then(|| sentence.get(lead.len()..)).flatten());
    let begins = |leads: &[&str]| leads.iter().any(|lead| lower.starts_with(lead));
    let kind = if begins(&PREFERENCES) {
        "preference"
    } else if stated.is_some() || (begins(&FACTS) && !begins(&PASSING)) {
        "fact"
    } else {
        return None;
    };
    let text = stated.unwrap_or(sentence).trim().trim_end_matches(['.', '!']).to_owned();
    (text.len() >= SHORTEST).then_some(UserStatement { kind, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_found_and_questions_are_not() {
        let found = statements(
            "Hi! My name is Ada. I prefer short answers! Am I right? I'm trying to build it. What is a queue?",
        );
        assert_eq!(
            found,
            [
                UserStatement { kind: "fact", text: "My name is Ada".to_owned() },
                UserStatement { kind: "preference", text: "I prefer short answers".to_owned() },
            ]
        );
        assert_eq!(
            statements("Remember that the deploy key is rotated monthly.")[0].text,
            "the deploy key is rotated monthly"
        );
        assert!(statements("Tell me about whales.").is_empty());
        assert!(statements("I am a. ").is_empty());
    }

    #[test]
    fn at_most_three_of_a_message() {
        assert_eq!(statements("I use Rust.\nI use Python.\nI use Go daily.\nI use Zig now.").len(), 3);
    }
}
