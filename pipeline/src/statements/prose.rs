//! What of a message somebody wrote in sentences: without code, quotes, pasted output and markup.

use super::{
    clause::{HEARD, is_announcement},
    words::{Phrases, holds, lowered, words},
};

/// What stands for a quote that was taken out.
pub(super) const QUOTED: char = '\u{fffc}';
/// Most words of what stands in quotes as a name, and not as what somebody else says.
const WORDS_OF_A_NAME: usize = 3;
/// Before an empty line: what follows was pasted.
static SHOWN: Phrases = Phrases::new(
    "\
    this is their|this is the|here is|here's|found this|look at this|from their|from the old|i got this",
);
/// What a program's output begins with.
const LEVELS: &str = "error|warn|info|debug|trace|fatal|warning|hint|err";

/// What of a prompt is of who sent it: a heading begins a document, and a line that says so what somebody else wrote.
pub(super) fn own(message: &str) -> &str {
    let mut at = 0;
    for line in message.split_inclusive('\n') {
        let trimmed = line.trim();
        let is_heading = trimmed.starts_with('#') && trimmed.trim_start_matches('#').starts_with(' ');
        if is_heading {
            return &message[..at];
        }
        at += line.len();
        let behind = &message[at..];
        let lower = lowered(trimmed);
        let is_shown = behind.starts_with('\n') && holds(&lower, &SHOWN);
        // A list behind a colon may be one's own; anything else was pasted.
        let is_list = behind.trim_start().starts_with(['-', '*', '•', '1']);
        let is_heard = || !is_list || holds(lower.rsplit(". ").next().unwrap_or_default(), &HEARD);
        if is_shown || (lower.ends_with(':') && is_heard()) {
            return &message[..at];
        }
    }
    message
}

/// The message without what stands in quotes, unless it is a name; with one kind of apostrophe.
pub(super) fn without_quotes(message: &str) -> String {
    let message = message.replace('’', "'");
    let mut kept = String::with_capacity(message.len());
    let mut rest = message.as_str();
    while let Some((before, quote, inner)) = opened_quote(rest) {
        let is_inside = before.ends_with(char::is_alphanumeric);
        let end =
            end_of_quote(quote, inner).filter(|end| !is_inside && words(&inner[..*end]).count() > WORDS_OF_A_NAME);
        kept.push_str(before);
        kept.push(if end.is_some() { QUOTED } else { quote });
        rest = inner.get(end.unwrap_or(0)..).unwrap_or_default();
    }
    kept.push_str(rest);
    kept
}

/// What stands before a quote's mark, the mark, and what stands behind it.
fn opened_quote(text: &str) -> Option<(&str, char, &str)> {
    let at = text.find(['"', '“', '„', '«', '\'', '‘'])?;
    let quote = text[at..].chars().next()?;
    Some((&text[..at], quote, &text[at + quote.len_utf8()..]))
}

/// Where a quote ends, in its line.
fn end_of_quote(quote: char, inner: &str) -> Option<usize> {
    let line = inner.lines().next()?;
    let marks: &[char] = match quote {
        '"' => &['"'],
        '“' | '„' => &['”', '“'],
        '«' => &['»'],
        _ => &['\''],
    };
    let mut ends = line.match_indices(marks).map(|(at, mark)| at + mark.len());
    ends.find(|end| !line[*end..].starts_with(char::is_alphanumeric))
}

/// The sentences of what is prose in a message.
pub(super) fn of(message: &str) -> impl Iterator<Item = &str> {
    let mut fence = false;
    let mut element: Option<String> = None;
    let is_talk = message.lines().filter(|line| is_said_by_name(line)).count() > 1;
    let lines = message.lines().filter(move |line| {
        let trimmed = line.trim_start();
        if trimmed.starts_with("```") || trimmed.starts_with("~~~") {
            fence = !fence;
            return false;
        }
        if let Some(name) = &element {
            if line.contains(&format!("</{name}")) {
                element = None;
            }
            return false;
        }
        if !fence && let Some(name) = opened(trimmed) {
            if !trimmed.contains(&format!("</{name}")) {
                element = Some(name);
            }
            return false;
        }
        !fence && is_prose(line) && !(is_talk && is_said_by_name(line))
    });
    lines.flat_map(sentences)
}

/// "dana: I vote for it": two such lines are a talk that was pasted.
fn is_said_by_name(line: &str) -> bool {
    line.split_once(": ")
        .is_some_and(|(name, _)| name.chars().all(char::is_alphanumeric) && !is_announcement(&lowered(name)))
}

/// The element that a line opens, such as a reminder that a program put there.
fn opened(line: &str) -> Option<String> {
    let name =
        line.strip_prefix('<')?.split(|letter: char| !(letter.is_alphanumeric() || "-_".contains(letter))).next()?;
    (!name.is_empty()).then(|| name.to_owned())
}

/// Not a quote, code, a table, or what a program printed.
fn is_prose(line: &str) -> bool {
    if line.starts_with("    ") || line.starts_with('\t') {
        return false;
    }
    let line = line.trim();
    let is_code = line.ends_with([';', '{', '}'])
        || line.starts_with(['>', '$', '=', '^', '|', '[', '{', '}', '+', '@', '%', '\\'])
        || ["//", "/*", "--"].iter().any(|mark| line.starts_with(mark))
        || [" // ", " /* "].iter().any(|mark| line.contains(mark));
    // A time or a level at the beginning is a log's.
    let word = line.split_whitespace().next().unwrap_or_default();
    let is_stamp = word.bytes().filter(u8::is_ascii_digit).count() > 3;
    let letters = line.chars().filter(|letter| letter.is_alphanumeric() || letter.is_whitespace()).count();
    !is_code && !is_stamp && !is_of_level(line) && letters * 5 >= line.chars().count() * 4
}

/// "error: …", "INFO …", "npm warn …"; not "error messages are …".
fn is_of_level(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let first = words.next().unwrap_or_default();
    let is_program = ["npm", "yarn", "pnpm"].contains(&first);
    let level = if is_program { words.next().unwrap_or_default() } else { first };
    let is_marked = is_program || level.ends_with([':', ']']) || level.bytes().all(|byte| byte.is_ascii_uppercase());
    let level = level.trim_matches(|letter: char| !letter.is_alphanumeric()).to_ascii_lowercase();
    is_marked && LEVELS.split('|').any(|known| known == level)
}

/// Cut at line ends, after `.`, `!` and `?` before a space, and after their like in Japanese; not after what is
/// shortened.
pub fn sentences(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| {
        let mut rest = line;
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let is_end = |(at, mark): &(usize, char)| match mark {
                '.' | '!' | '?' => rest[at + 1..].starts_with(' ') && !is_shortened(&rest[..*at]),
                '。' | '！' | '？' => !is_shortened(&rest[..*at]),
                _ => false,
            };
            let end = rest.char_indices().find(is_end).map_or(rest.len(), |(at, mark)| at + mark.len_utf8());
            let (sentence, after) = rest.split_at(end);
            rest = after.trim_start();
            Some(sentence)
        })
    })
}

fn is_shortened(before: &str) -> bool {
    ["e.g", "i.e", " vs", " etc", " cf", " no"].iter().any(|short| before.ends_with(short))
}

/// The parts of a sentence that stand by themselves.
pub(super) fn clauses(sentence: &str) -> impl Iterator<Item = &str> {
    sentence
        .split(" — ")
        .flat_map(|part| part.split(" – "))
        .flat_map(|part| part.split(" - "))
        .flat_map(|part| part.split("; "))
        .flat_map(|part| part.split("。"))
}
