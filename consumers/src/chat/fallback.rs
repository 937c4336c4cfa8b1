//! The answer when no model gives one that stands: what was found, word for word, or that nothing was.

use pipeline::{
    chat::turn::Citation,
    failure::{Failure, FailureKind},
    ids::MemoryId,
};

use super::{answerable::Gap, citations::Cited, history::beginning, passages, sources::Source};

/// Sources that are quoted.
const QUOTED: usize = 3;
/// Sources that are quoted where none is about it.
const NEAREST: usize = 1;
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

/// Stands before excerpts while a model writes what is not shown before it was checked.
pub const MEANWHILE: &str = "This is what your documents say of it; an answer is being written and checked:";

/// Stands before excerpts where what a model wrote is not shown.
pub const UNSUPPORTED: &str = "What the model wrote does not stand in your documents, so this is what they say:";

/// The same where no model answers.
pub fn only_quoted(why: &str) -> String {
    format!("I can only quote what I found, because {why}.")
}

/// Quotes the best sources, or memories where there are none; `lead` says why.
pub fn excerpts(question: &str, sources: &[Source], memories: &[(MemoryId, String)], lead: &str) -> Cited {
    let quotes = quoted(question, sources, QUOTED);
    if !quotes.citations.is_empty() {
        return Cited { text: format!("{lead}{}", quotes.text), ..quotes };
    }
    let quote = |(_, text): &(MemoryId, String)| format!("\n\n> {}", text.replace('\n', "\n> "));
    let remembered: Vec<String> = memories.iter().take(QUOTED).map(quote).collect();
    let text = if remembered.is_empty() {
        format!("{lead}\n\nI found nothing about this in your documents.")
    } else {
        format!("{lead} I remember:{}", remembered.concat())
    };
    Cited { text, citations: Vec::new() }
}

/// Says that what was found does not answer a question, and what comes nearest.
pub fn unknown(gap: &Gap, is_by_guest: bool, question: &str, sources: &[Source]) -> Cited {
    let place = if is_by_guest { "what is open to guests" } else { "your documents or memories" };
    let lead = match gap {
        Gap::Unnamed(name) => format!("I do not know: nothing in {place} mentions “{name}”."),
        Gap::Elsewhere => format!("I do not know: I found nothing in {place} that answers this."),
        Gap::Unsure => format!("I cannot say for sure: nothing that I found in {place} holds all that was asked."),
    };
    let quotes = quoted(question, sources, if *gap == Gap::Unsure { QUOTED } else { NEAREST });
    let nearest = if quotes.citations.is_empty() { "" } else { " What comes nearest:" };
    Cited { text: format!("{lead}{nearest}{}", quotes.text), ..quotes }
}

/// The passages that are quoted, the best first.
pub fn quotes(question: &str, sources: Vec<Source>) -> Vec<Source> {
    passages::best(question, sources, QUOTE_BYTES, QUOTED)
}

/// The best passages of so many sources.
fn quoted(question: &str, sources: &[Source], most: usize) -> Cited {
    let best = passages::best(question, sources.to_vec(), QUOTE_BYTES, most);
    let mut quoted = Cited { text: String::new(), citations: Vec::new() };
    for (place, source) in best.into_iter().enumerate() {
        let quote = beginning(source.text.trim(), QUOTE_BYTES);
        let dots = if quote.len() < source.text.trim().len() { " …" } else { "" };
        quoted.text.push_str(&format!("\n\n> {}{dots} [{}]", quote.replace('\n', "\n> "), place + 1));
        quoted.citations.push(Citation { n: place + 1, ..source.citation });
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::super::sources;
    use super::*;

    #[test]
    fn quotes_with_citations_or_says_that_there_is_nothing() {
        let sources = sources::relevant("q", vec![sources::tests::hit("t", "Line one.\nLine two.", Some(0.9))]);
        let cited = excerpts("q", &sources, &[], &only_quoted(reason(&Failure::exhausted("3036"))));
        assert!(
            cited.text.contains("allowance") && cited.text.ends_with("> Line one.\n> Line two. [1]"),
            "{}",
            cited.text
        );
        assert_eq!(cited.citations[0].n, 1);
        assert!(excerpts("q", &[], &[], "x").text.contains("nothing"));
        let remembered =
            excerpts("q", &[], &[(MemoryId::parse("mem_00000000000000000000000001").unwrap(), "Tea.".into())], "x");
        assert!(remembered.text.ends_with("> Tea."), "{}", remembered.text);
        let unknown = unknown(&Gap::Unnamed("Redis".to_owned()), false, "q", &sources);
        assert!(unknown.text.contains("“Redis”") && unknown.citations.len() == 1, "{}", unknown.text);
    }
}
