//! The answer when no model gives one: what was found, word for word.

use pipeline::{
    chat::turn::Citation,
    failure::{Failure, FailureKind},
};

use super::{citations::Cited, history::beginning, sources::Source};

/// Sources that are quoted.
const QUOTED: usize = 3;
/// Bytes of each.
const QUOTE_BYTES: usize = 600;

/// Why there is no better answer, in words for the user.
pub fn reason(failure: &Failure) -> &'static str {
    match failure.kind {
        FailureKind::Exhausted => "the day's allowance of the language models is spent",
        FailureKind::Transient => "the language models are not answering",
        FailureKind::Input | FailureKind::Bug => "no language model is available",
    }
}

/// The same of a client's words, which are more than so many tokens.
pub fn too_long(most: usize) -> String {
    format!(
        "the messages have more than {most} tokens, which is what this model's maximum context length leaves beside \
         the answer: shorten them, or ask for a shorter answer"
    )
}

/// Quotes the best sources.
pub fn answer(sources: &[Source], why: &str) -> Cited {
    if sources.is_empty() {
        let text = format!("I cannot answer: {why}, and I found nothing about this in your documents.");
        return Cited { text, citations: Vec::new() };
    }
    let mut text = format!("I can only quote what I found, because {why}.");
    let mut citations = Vec::new();
    for (place, source) in sources.iter().take(QUOTED).enumerate() {
        let quote = beginning(source.text.trim(), QUOTE_BYTES);
        let dots = if quote.len() < source.text.trim().len() { " …" } else { "" };
        text.push_str(&format!("\n\n> {}{dots} [{}]", quote.replace('\n', "\n> "), place + 1));
        citations.push(Citation { n: place + 1, ..source.citation.clone() });
    }
    Cited { text, citations }
}

const ASKING: [&str; 19] = [
    "what", "who", "where", "when", "why", "which", "how", "is ", "are ", "does", "do ", "did", "can ", "find",
    "explain", "describe", "tell me", "list", "show",
];

/// True for a question to which an invented answer could be mistaken for a found one.
pub fn asks_for_facts(question: &str) -> bool {
    let lower = question.trim().to_lowercase();
    let small_talk = ["how are you", "who are you", "what can you do", "can you help", "what's up", "how do you do"];
    !small_talk.iter().any(|talk| lower.starts_with(talk))
        && (ASKING.iter().any(|word| lower.starts_with(word)) || lower.ends_with('?'))
}

#[cfg(test)]
mod tests {
    use super::super::sources;
    use super::*;

    #[test]
    fn quotes_with_citations_or_says_that_there_is_nothing() {
        let sources = sources::relevant("q", vec![sources::tests::hit("t", "Line one.\nLine two.", Some(0.9))]);
        let cited = answer(&sources, reason(&Failure::exhausted("3036")));
        assert!(
            cited.text.contains("allowance") && cited.text.ends_with("> Line one.\n> Line two. [1]"),
            "{}",
            cited.text
        );
        assert_eq!(cited.citations[0].n, 1);
        assert!(answer(&[], "x").text.contains("nothing"));
    }

    #[test]
    fn questions_and_small_talk() {
        assert!(asks_for_facts("What is the deploy key?") && asks_for_facts("the deploy key?"));
        assert!(!asks_for_facts("Hello there") && !asks_for_facts("How are you?") && !asks_for_facts("Write a haiku."));
    }
}
