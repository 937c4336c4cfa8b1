//! Ends an answer that only repeats itself or runs on, while it is written: small models do, until their last token,
//! and every one of them is paid for.

/// Times that the same sentence may stand in an answer.
const TIMES: usize = 2;
/// Shorter sentences ("Yes.", "- none") may come again.
const SHORTEST: usize = 24;
/// Bytes at the end in which a run of the same words is looked for.
const TAIL: usize = 400;
/// Longest run of words that is recognised.
const LONGEST_RUN: usize = 80;
/// Times that it may stand one behind the other.
const RUNS: usize = 4;
/// Bytes without the end of a sentence or line from which on a text runs on.
const RUN_ON: usize = 1_500;

/// Where a text should have ended: the bytes of it that say something new. `None` while it still does.
pub fn end_of_news(text: &str) -> Option<usize> {
    said_again(text).or_else(|| runs_on(text))
}

/// The last whole sentence stands there often enough.
fn said_again(text: &str) -> Option<usize> {
    let ends = |mark: char| matches!(mark, '.' | '!' | '?' | '\n' | '。' | '！' | '？');
    let whole = text.rfind(ends)?;
    // What follows is under way; what ends just now need not be whole: "3.", "e.g.".
    if whole + 1 >= text.len() {
        return None;
    }
    let start = text[..whole].rfind(ends).map_or(0, |before| text.ceil_char_boundary(before + 1));
    let sentence = text[start..whole].trim();
    if sentence.len() < SHORTEST || is_in_code(text) {
        return None;
    }
    let mut times = text[..whole].match_indices(sentence);
    let after_first = times.next()?.0 + sentence.len();
    (times.count() >= TIMES).then(|| behind_mark(text, after_first, ends))
}

/// The same words stand one behind the other, or no sentence ends any more.
fn runs_on(text: &str) -> Option<usize> {
    let tail_start = text.ceil_char_boundary(text.len().saturating_sub(TAIL));
    let tail = &text.as_bytes()[tail_start..];
    let is_run = |length: &usize| {
        tail.len() >= length * RUNS
            && tail[tail.len() - length * RUNS..].chunks(*length).all(|run| run == &tail[tail.len() - length..])
            && tail[tail.len() - length..].iter().any(u8::is_ascii_alphanumeric)
    };
    if !is_in_code(text)
        && let Some(length) = (4..=LONGEST_RUN).find(is_run)
    {
        return Some(text.ceil_char_boundary(behind_first_run(text.as_bytes(), length)));
    }
    let since = text.rfind(['.', '!', '?', '\n', '。', '！', '？', '|']).map_or(0, |end| end + 1);
    (text.len() - since.min(text.len()) > RUN_ON).then(|| text.ceil_char_boundary(since))
}

/// Behind the first of the runs of so many bytes that a text ends with.
fn behind_first_run(text: &[u8], length: usize) -> usize {
    let run = &text[text.len() - length..];
    let runs = text.rchunks(length).take_while(|chunk| *chunk == run).count();
    text.len() - length * (runs - 1)
}

/// Behind the next mark that ends a sentence.
fn behind_mark(text: &str, from: usize, ends: impl Fn(char) -> bool) -> usize {
    let mark = text[from..].char_indices().find(|(_, mark)| ends(*mark));
    mark.map_or(from, |(at, mark)| from + at + mark.len_utf8())
}

/// Code may repeat itself.
fn is_in_code(text: &str) -> bool {
    text.matches("```").count() % 2 == 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_same_sentence_thrice_ends_an_answer_behind_the_first() {
        let sentence = "The server listens on the port. ";
        let text = format!("Yes. {}And", sentence.repeat(3));
        assert_eq!(&text[..end_of_news(&text).unwrap()], "Yes. The server listens on the port.");
        assert_eq!(end_of_news(&format!("Yes. {}And", sentence.repeat(2))), None);
    }

    #[test]
    fn words_that_run_on_are_cut() {
        let text = format!("It is {}", "very good and ".repeat(6));
        let end = end_of_news(&text).unwrap();
        assert!(end < text.len() && text[..end].starts_with("It is very good and"), "{}", &text[..end]);
        let long = (0..400).map(|number| format!("word{number} ")).collect::<Vec<_>>().concat();
        assert_eq!(end_of_news(&format!("Said. {long}")), Some(5));
    }

    #[test]
    fn code_tables_and_short_lines_may_repeat() {
        let code = format!("```\n{}", "    assert_eq!(one, other);\n".repeat(9));
        assert_eq!(end_of_news(&code), None);
        assert_eq!(end_of_news(&"- none\n".repeat(9)), Some(7), "but not without end");
        assert_eq!(end_of_news(&"|---".repeat(9)), None);
        assert_eq!(end_of_news(""), None);
    }

    proptest! {
        #[test]
        fn it_is_a_place_in_the_text(text in "([a-c. é。\n]|very long and |```){0,300}") {
            if let Some(end) = end_of_news(&text) {
                prop_assert!(text.is_char_boundary(end) && end <= text.len());
            }
        }
    }
}
