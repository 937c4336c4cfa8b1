//! An answer's parts: its sentences, and its code.

use std::ops::Range;

use pipeline::statements::sentences;

use super::assertions::{Assertion, collapsed};

/// A sentence, or a block of code, of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its bytes.
    pub range: Range<usize>,
    /// A block of code, its fences included.
    pub is_code: bool,
}

/// The parts of an answer, in order; white space between them belongs to none.
pub fn parts(answer: &str) -> Vec<Part> {
    let offset = |part: &str| (part.as_ptr() as usize).wrapping_sub(answer.as_ptr() as usize);
    let mut parts: Vec<Part> = Vec::new();
    let mut fence: Option<usize> = None;
    for line in answer.lines() {
        let at = offset(line);
        let is_fence = line.trim_start().starts_with("```");
        match fence {
            Some(start) if is_fence => {
                parts.push(Part { range: start..at + line.len(), is_code: true });
                fence = None;
            }
            Some(_) => {}
            None if is_fence => fence = Some(at),
            None => parts.extend(sentences(line).filter(|sentence| !sentence.trim().is_empty()).map(|sentence| {
                let start = offset(sentence) + sentence.len() - sentence.trim_start().len();
                Part { range: start..start + sentence.trim().len(), is_code: false }
            })),
        }
    }
    parts.extend(fence.map(|start| Part { range: start..answer.trim_end().len(), is_code: true }));
    joined(answer, parts)
}

/// A citation that stands behind the mark that ends its sentence belongs to the sentence.
fn joined(answer: &str, parts: Vec<Part>) -> Vec<Part> {
    let mut joined: Vec<Part> = Vec::with_capacity(parts.len());
    for part in parts {
        let text = &answer[part.range.clone()];
        let marks =
            text.len() - text.trim_start_matches(|mark: char| "[] ".contains(mark) || mark.is_ascii_digit()).len();
        match joined.last_mut() {
            Some(last) if !part.is_code && is_list_mark(&answer[last.range.clone()]) => {
                if answer[last.range.end..part.range.start].contains('\n') {
                    joined.push(part);
                } else {
                    last.range.end = part.range.end;
                }
            }
            Some(last) if !part.is_code && !last.is_code && text.starts_with('[') && marks > 0 => {
                let marks = text[..marks].trim_end().len();
                if !answer[last.range.end..part.range.start].contains('\n') {
                    last.range.end = part.range.start + marks;
                    let rest = text[marks..].trim_start();
                    if !rest.is_empty() {
                        joined.push(Part { range: part.range.end - rest.len()..part.range.end, is_code: false });
                    }
                    continue;
                }
                joined.push(part);
            }
            _ => joined.push(part),
        }
    }
    joined
}

/// "1." is no sentence, but the beginning of one.
fn is_list_mark(text: &str) -> bool {
    let number = text.strip_suffix(['.', ')']).unwrap_or_default();
    !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit())
}

/// What a block of code asserts: each of its lines.
pub fn lines_of_code(block: &str) -> Vec<Assertion> {
    let lines = block.lines().filter(|line| !line.trim_start().starts_with("```")).map(collapsed);
    lines.filter(|line| line.chars().any(char::is_alphanumeric)).map(Assertion::Literal).collect()
}

/// How it is said that sources do not tell.
const UNKNOWN: [&str; 22] = [
    "do not say",
    "does not say",
    "don't say",
    "doesn't say",
    "do not mention",
    "does not mention",
    "don't mention",
    "doesn't mention",
    "not mentioned",
    "no mention",
    "do not answer",
    "does not answer",
    "do not contain",
    "does not contain",
    "no information",
    "do not provide",
    "does not provide",
    "i do not know",
    "i don't know",
    "cannot answer",
    "not specified",
    "do not specify",
];

/// True for a heading, or a label in bold with its colon: it says what follows is about.
pub fn is_heading(text: &str) -> bool {
    let text = text.trim();
    let label = text.trim_start_matches(['-', '+', '•', ' ']);
    let label = label.strip_prefix("* ").unwrap_or(label).trim_start();
    let inside = label.strip_prefix("**").and_then(|rest| rest.trim_end_matches(':').strip_suffix("**"));
    text.starts_with('#')
        || inside.is_some_and(|inside| !inside.contains("**") && (inside.ends_with(':') || label.ends_with(':')))
}

/// Stands before a colon, and says nothing of what stands behind it.
const LABELS: [&str; 8] = ["answer", "short answer", "in short", "note", "summary", "result", "conclusion", "example"];

/// What is said by a line of a list, or behind the colon of "Author: Ada": it asserts it, in however few words.
pub fn said_of_item(text: &str) -> Option<&str> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let numbered = [". ", ") "].iter().find_map(|mark| text[digits..].strip_prefix(mark)).filter(|_| digits > 0);
    let item = ["- ", "* ", "+ ", "• "].iter().find_map(|mark| text.strip_prefix(mark)).or(numbered);
    let said = item.unwrap_or(text);
    match said.split_once(": ") {
        Some((label, _)) if LABELS.contains(&label.to_lowercase().as_str()) => None,
        Some((_, said)) => Some(said),
        None => item,
    }
}

/// True for a sentence that says only that nothing is known.
pub fn says_that_nothing_is_known(sentence: &str) -> bool {
    let lower = sentence.to_lowercase().replace('’', "'");
    UNKNOWN.iter().any(|known| lower.contains(known))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(answer: &str) -> Vec<&str> {
        parts(answer).iter().map(|part| &answer[part.range.clone()]).collect()
    }

    #[test]
    fn sentences_and_blocks_of_code() {
        let answer = "Run it. [1] Then wait [2].\n\n```sh\nmake dev\n```\n- One thing\n- another.";
        assert_eq!(
            texts(answer),
            ["Run it. [1]", "Then wait [2].", "```sh\nmake dev\n```", "- One thing", "- another."]
        );
        assert_eq!(texts("```\nnever closed\n"), ["```\nnever closed"]);
        assert!(texts(" \n ").is_empty());
    }

    #[test]
    fn a_line_of_a_list_says_something_in_a_word() {
        for (item, said) in
            [("- Redis", "Redis"), ("2. Redis.", "Redis."), ("3) Redis", "Redis"), ("Author: Lovelace", "Lovelace")]
        {
            assert_eq!(said_of_item(item), Some(said));
        }
        for other in ["Good luck!", "2.5 hours", "It starts:", "-x", "", "Answer: yes."] {
            assert_eq!(said_of_item(other), None);
        }
    }

    #[test]
    fn what_says_that_nothing_is_known() {
        assert!(says_that_nothing_is_known("The sources don’t mention it."));
        assert!(!says_that_nothing_is_known("It is so."));
    }

    proptest! {
        #[test]
        fn parts_stand_in_the_answer_in_order(answer in "([a-zé.!? \n`]|\\[[0-9]\\]|```\n){0,80}") {
            let mut before = 0;
            for part in parts(&answer) {
                prop_assert!(part.range.start >= before && part.range.end > part.range.start);
                prop_assert!(!answer[part.range.clone()].trim().is_empty());
                before = part.range.end;
            }
        }
    }
}
