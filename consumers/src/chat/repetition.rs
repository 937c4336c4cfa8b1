//! Ends an answer that only repeats itself or runs on, while it is written: small models do, until their last token,
//! and every one of them is paid for.

/// Longest run of sentences that is recognised when it comes again.
const LONGEST_ROUND: usize = 8;
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

/// The last sentences, in their order, stand there for the third time one behind the other. A refrain, or the same line
/// in each part of a list, has something else between.
fn said_again(text: &str) -> Option<usize> {
    // What follows the last mark is under way; what ends just now need not be whole: "3.", "e.g.".
    if is_in_code(text) || text.ends_with(is_end) {
        return None;
    }
    let mut sentences: Vec<(&str, usize)> = Vec::new();
    for (at, mark) in text.rmatch_indices(is_end).take(3 * LONGEST_ROUND + 1) {
        let start = text[..at].rfind(is_end).map_or(0, |before| text.ceil_char_boundary(before + 1));
        let sentence = text[start..at].trim();
        if !sentence.is_empty() {
            sentences.push((sentence, at + mark.len()));
        }
    }
    let is_said_again = |round: &usize| {
        let rounds: Vec<&[(&str, usize)]> = sentences.chunks_exact(*round).take(3).collect();
        let said = |round: &[(&str, usize)]| round.iter().map(|(sentence, _)| sentence.len()).sum::<usize>();
        let same =
            |one: &[(&str, usize)], other: &[(&str, usize)]| one.iter().zip(other).all(|(one, other)| one.0 == other.0);
        rounds.len() == 3 && said(rounds[0]) >= SHORTEST && rounds[1..].iter().all(|round| same(round, rounds[0]))
    };
    let round = (1..=LONGEST_ROUND).find(is_said_again)?;
    // The newest come first: behind the last sentence of the first round.
    Some(sentences[2 * round].1)
}

fn is_end(mark: char) -> bool {
    matches!(mark, '.' | '!' | '?' | '\n' | '。' | '！' | '？' | '।' | '؟' | '۔')
}

/// The same words stand one behind the other, or no sentence ends any more.
fn runs_on(text: &str) -> Option<usize> {
    let tail_start = text.ceil_char_boundary(text.len().saturating_sub(TAIL));
    let tail = &text.as_bytes()[tail_start..];
    let is_run = |length: &usize| {
        tail.len() >= length * RUNS
            && tail[tail.len() - length * RUNS..].chunks(*length).all(|run| run == &tail[tail.len() - length..])
            && is_of_words(&tail[tail.len() - length..])
    };
    if !is_in_code(text)
        && let Some(length) = (4..=LONGEST_RUN).find(is_run)
    {
        return Some(text.ceil_char_boundary(behind_first_run(text.as_bytes(), length)));
    }
    let since = text.rfind(|mark| is_end(mark) || mark == '|').map_or(0, |end| text.ceil_char_boundary(end + 1));
    // Not all of it: in some scripts no mark ends a sentence.
    (since > 0 && text.len() - since > RUN_ON && !is_in_code(text)).then_some(since)
}

/// Words, not a number of zeros or the cells of a table.
fn is_of_words(run: &[u8]) -> bool {
    run.contains(&b' ') && !run.contains(&b'|') && run.iter().any(u8::is_ascii_alphanumeric)
}

/// Behind the first of the runs of so many bytes that a text ends with.
fn behind_first_run(text: &[u8], length: usize) -> usize {
    let run = &text[text.len() - length..];
    let runs = text.rchunks(length).take_while(|chunk| *chunk == run).count();
    text.len() - length * (runs - 1)
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
    fn rounds_of_sentences_are_cut_and_refrains_are_not() {
        let round = "It needs a port of its own. It listens there. ";
        let text = format!("Yes. {}And", round.repeat(3));
        assert_eq!(&text[..end_of_news(&text).unwrap()], "Yes. It needs a port of its own. It listens there.");
        let parameter = |name: &str| format!("- {name}\n  - Type: a string that is required\n");
        let list: String = ["one", "two", "three", "four"].map(parameter).concat();
        assert_eq!(end_of_news(&format!("{list}- five")), None);
        for fine in ["It is 10000000000000000000", "| yes | yes | yes | yes | yes |", &"गाय ".repeat(600)] {
            assert_eq!(end_of_news(fine), None, "{}", &fine[..20]);
        }
    }

    #[test]
    fn code_tables_and_short_lines_may_repeat() {
        let code = format!("```\n{}", "    assert_eq!(one, other);\n".repeat(9));
        assert_eq!(end_of_news(&code), None);
        assert_eq!(
            end_of_news(&format!("{}-", "- none of what was asked for\n".repeat(9))),
            Some(203),
            "not without end"
        );
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
