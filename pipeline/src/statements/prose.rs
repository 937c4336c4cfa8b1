//! What of a message somebody wrote in sentences: without code, quotes, pasted output and markup.

/// What a sentence may open with that says nothing.
const OPENINGS: &[&str] = &[
    "ok,",
    "ok ",
    "okay,",
    "okay ",
    "yes,",
    "yes ",
    "yeah,",
    "yeah ",
    "yep,",
    "no,",
    "so,",
    "so ",
    "right,",
    "great,",
    "perfect,",
    "nice,",
    "cool,",
    "good,",
    "sure,",
    "alright,",
    "actually,",
    "hmm,",
    "well,",
    "btw,",
    "btw ",
    "by the way,",
    "also,",
    "also ",
    "and ",
    "but ",
    "note:",
    "fyi:",
    "fyi,",
    "fyi ",
    "thanks,",
    "thank you,",
    "hi,",
    "hey,",
    "hello,",
    "in this repo,",
    "in this project,",
    "for this project,",
    "for this repo,",
    "one more thing:",
];
/// Where a request for work follows that is none of the statement.
const REQUESTS: &[&str] =
    &[", so please ", ", so can you ", ", can you ", ", could you ", ", please ", ", so ", ". please ", ", then "];

/// The sentences of what is prose in a message.
pub(super) fn of(message: &str) -> impl Iterator<Item = &str> {
    let mut fence = false;
    let mut element: Option<String> = None;
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
        !fence && is_prose(line)
    });
    lines.flat_map(sentences)
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
    if line.starts_with(['>', '$', '|', '[', '{', '}', '+', '@', '%', '\\']) || line.starts_with("//") {
        return false;
    }
    // A time or a level at the beginning is a log's.
    let word = line.split_whitespace().next().unwrap_or_default();
    let is_stamp = word.bytes().filter(u8::is_ascii_digit).count() > 3;
    let is_level = ["error", "warn", "info", "debug", "trace", "fatal", "warning"]
        .contains(&word.trim_matches(|letter: char| !letter.is_alphanumeric()).to_ascii_lowercase().as_str());
    let letters = line.chars().filter(|letter| letter.is_alphabetic() || letter.is_whitespace()).count();
    !is_stamp && !is_level && letters * 5 >= line.chars().count() * 4
}

/// Cut at line ends and after `.`, `!` and `?` before a space; not after what is shortened.
pub fn sentences(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| {
        let mut rest = line;
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let marks = [". ", "! ", "? "].iter().flat_map(|mark| rest.match_indices(*mark).map(|(at, _)| at));
            let end = marks.filter(|at| !is_shortened(&rest[..*at])).min().map_or(rest.len(), |at| at + 1);
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
}

/// The clause without signs of lists and markup, and without what says nothing.
pub(super) fn without_openings(clause: &str) -> &str {
    let signs = |letter: char| letter.is_whitespace() || "-*#_•`".contains(letter);
    let mut clause = clause.trim_matches(signs);
    loop {
        let opening = OPENINGS.iter().find(|opening| {
            clause.get(..opening.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(opening))
        });
        let Some(opening) = opening else { return clause };
        clause = clause[opening.len()..].trim_matches(signs);
    }
}

/// The statement without what is asked for behind it, and without its end.
pub(super) fn cut(text: &str) -> &str {
    let lower = text.to_ascii_lowercase();
    let end = REQUESTS.iter().filter_map(|request| lower.find(request)).min().unwrap_or(text.len());
    text[..end]
        .trim()
        .trim_matches(|letter: char| "*_`".contains(letter))
        .trim_end_matches(['.', '!', ',', ':', ';'])
        .trim()
}
