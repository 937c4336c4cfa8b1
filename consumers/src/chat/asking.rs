//! What a message asks for: facts, a task, a number, or something said of a text that it brings along. By rules.
//!
//! To a question about facts an invented answer could be mistaken for a found one, so that nothing unsupported is shown
//! as its answer. Who asks for a poem asks for an invention.

use super::check::assertions;

/// What asks for a number.
const HOW_MANY: [&str; 9] = [
    " how many",
    " how much",
    " how long",
    " how often",
    " how large",
    " how big",
    " how far",
    " how old",
    " how soon",
];
/// Lines of a question; what has more brings a text along.
const LINES: usize = 3;
/// Beginnings of a question about facts, in lower case.
const ASKING: [&str; 61] = [
    "what",
    "who",
    "where",
    "when",
    "why",
    "which",
    "how",
    "is ",
    "are ",
    "was ",
    "were ",
    "does",
    "do ",
    "did",
    "can ",
    "could ",
    "should ",
    "would ",
    "must ",
    "may i ",
    "may we ",
    "has ",
    "have i ",
    "have we ",
    "have you ",
    "will ",
    "am i ",
    "find",
    "explain",
    "describe",
    "tell me",
    "list",
    "show",
    "give me",
    "name ",
    "summari",
    "compare ",
    "outline",
    "define ",
    "quote ",
    "state ",
    "remind me",
    "in which",
    "to which",
    "from which",
    "for which",
    "on which",
    "at which",
    "with which",
    "by which",
    "in what",
    "to what",
    "from what",
    "for what",
    "on what",
    "at what",
    "with what",
    "since when",
    "i want to know",
    "i'd like to know",
    "do you know",
];
/// What may stand before a question, or before a task.
const LEADS: [&str; 14] =
    ["and", "but", "so", "then", "also", "ok", "okay", "hi", "hello", "hey", "please", "well", "now", "thanks"];
/// Who asks for a task so asks for no facts.
const REQUESTS: [&str; 4] = ["can you ", "could you ", "would you ", "will you "];
/// What begins a task of which the answer is to be made up.
const TASKS: [&str; 12] = [
    "write ",
    "draft ",
    "compose ",
    "translate ",
    "rewrite ",
    "generate ",
    "imagine ",
    "invent ",
    "pretend ",
    "sing ",
    "tell me a joke",
    "tell me a story",
];
/// What is said of whom one speaks with, word for word.
const SMALL_TALK: [&str; 17] = [
    "how are you",
    "how are you doing",
    "how are you today",
    "how is it going",
    "how's it going",
    "how do you do",
    "who are you",
    "what are you",
    "what is your name",
    "what's your name",
    "what's up",
    "what can you do",
    "what can you do for me",
    "can you help",
    "can you help me",
    "could you help me",
    "do you speak english",
];

/// True for a question to which an invented answer could be mistaken for a found one.
pub fn asks_for_facts(question: &str) -> bool {
    let lower = question.trim().to_lowercase().replace('\u{2019}', "'");
    let asked = without_leads(&lower);
    let bare = asked.trim_end_matches(|mark: char| !mark.is_alphanumeric());
    let requested = REQUESTS.iter().find_map(|request| asked.strip_prefix(request)).unwrap_or(asked);
    let is_task = TASKS.iter().any(|task| without_leads(requested).starts_with(task));
    if is_task || SMALL_TALK.contains(&bare) || (bare.is_empty() && asked.len() < lower.len()) {
        return false;
    }
    ASKING.iter().any(|word| asked.starts_with(word)) || lower.ends_with(['?', '\u{ff1f}', '\u{61f}'])
}

/// A message without the greeting, or the word, that leads to what it says.
fn without_leads(message: &str) -> &str {
    let mut rest = message;
    loop {
        let word = rest.split(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default();
        if !LEADS.contains(&word) {
            return rest;
        }
        rest = rest[word.len()..].trim_start_matches(|mark: char| mark.is_whitespace() || ",.!:;".contains(mark));
    }
}

/// True for a message with a text of its own to say something about: code, a log, many lines. What it names stands in
/// it.
pub fn brings_its_own(message: &str) -> bool {
    let is_snippet = |quoted: &str| quoted.contains(' ') && quoted.contains(['=', ';', '{', '(', '"', '<']);
    message.contains("```")
        || message.lines().filter(|line| !line.trim().is_empty()).count() > LINES
        || message.split('`').skip(1).step_by(2).any(is_snippet)
}

/// True for an answer without a number to a question that asks for one.
pub fn lacks_number(question: &str, answer: &str) -> bool {
    let lower = format!(" {}", question.to_lowercase());
    HOW_MANY.iter().any(|asked| lower.contains(asked)) && assertions::numbers_of_text(answer).next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_and_small_talk() {
        assert!(asks_for_facts("What is the deploy key?") && asks_for_facts("the deploy key?"));
        assert!(asks_for_facts("市长是谁？") && asks_for_facts("من هو العمدة؟"));
        assert!(!asks_for_facts("Hello there") && !asks_for_facts("How are you?") && !asks_for_facts("Write a haiku."));
        for asked in [
            "How do you do backups?",
            "Who are your users?",
            "How are you storing keys?",
            "What can you do with tags?",
            "and how do i stop it",
            "please tell me the port",
            "in which file is it defined",
            "should I restart it",
            "Hi, how do i start it",
            "?",
        ] {
            assert!(asks_for_facts(asked), "{asked}");
        }
        for said in [
            "Can you write a haiku about the sea?",
            "Could you please translate this?",
            "Please write a story: what did Ada do?",
            "Hello?",
            "OK, thanks!",
            "What\u{2019}s up?",
            "",
        ] {
            assert!(!asks_for_facts(said), "{said}");
        }
    }

    #[test]
    fn who_asks_how_many_is_told_a_number() {
        assert!(lacks_number("How many neurons are free?", "They are what they were."));
        assert!(!lacks_number("How many neurons are free?", "Ten thousand."));
        assert!(!lacks_number("Which plan is free?", "The Free plan."));
        assert!(!lacks_number("Which command can show old memories?", "friend memories"));
    }

    #[test]
    fn what_a_message_brings_along_need_not_be_found() {
        for brought in [
            "Why does `let x: i32 = \"a\";` not compile?",
            "What does this mean?\n```\nError: 4006\n```",
            "What does this mean?\nTraceback\n  at main\n  at run\nKeyError: 'Redis'",
        ] {
            assert!(brings_its_own(brought), "{brought}");
        }
        for asked in ["What does `make deploy` do?", "Hello!\n\nWhat is `Redis`?", ""] {
            assert!(!brings_its_own(asked), "{asked}");
        }
    }
}
