//! What somebody states in a session of work that may be worth remembering: decisions, preferences, instructions and
//! facts.
//!
//! Found by how sentences begin, not by a model: it costs nothing, the same message always states the same, and what
//! is not plainly stated is left alone. Precision goes first, since a person looks at each: questions, requests for
//! work, what is only considered, quotes and pasted output state nothing.

mod leads;
mod prose;

pub use prose::sentences;

use self::leads::{CHOICES, Form, LEADS, PRONOUNS, REFERENCES, VERBS};
use crate::job::cursors::Speaker;

/// Something that was stated.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// `decision`, `preference`, `instruction` or `fact`.
    pub kind: &'static str,
    /// What was stated, as it was.
    pub text: String,
    /// How sure it is that it is one, from 0 to 1.
    pub confidence: f64,
    /// It is about who says it, wherever they work.
    pub is_personal: bool,
}

/// Shortest and longest statement, in bytes.
const BYTES: std::ops::RangeInclusive<usize> = 8..=300;
/// Most bytes of a message that are looked at.
const LOOKED_AT: usize = 8 * 1024;
/// How sure what Claude says of a decision is: it may be its own idea.
const OF_ASSISTANT: f64 = 0.4;

/// What is only considered, quoted, or told of another time.
const HEDGES: &[&str] = &[
    "maybe",
    "perhaps",
    "not sure",
    "might",
    "probably",
    "thinking about",
    "thinking of",
    "considering",
    "i think",
    "i guess",
    "i wonder",
    "what if",
    "how about",
    "could",
    "would be",
    "suppose",
    "imagine",
    "hypothetically",
    "for example",
    "he said",
    "she said",
    "they said",
    "according to",
    "back then",
    "at first",
    "originally",
    "used to",
    "years ago",
    "but then",
    "in theory",
    "let me know",
    "not yet",
    "if we",
    "should we",
];
/// What passes.
const PASSING: &[&str] = &[
    "for now",
    "right now",
    "at the moment",
    "currently",
    "today",
    "yesterday",
    "tomorrow",
    "this time",
    "first,",
    "just now",
    "temporarily",
    "this morning",
    "tonight",
    "in the meantime",
    "this pr",
    "this commit",
    "this branch",
    "this bug",
];
/// What is wrong at the time, and no fact about a project.
const TROUBLE: &[&str] = &[
    "failing",
    "fails",
    "failed",
    "broken",
    "breaks",
    "crash",
    "error",
    "bug",
    "wrong",
    "weird",
    "flaky",
    "stuck",
    "slow",
    "not working",
    "doesn't work",
    "does not work",
    "issue",
    "problem",
    "timeout",
    "leak",
    "panic",
    "red again",
    "is down",
    "out of memory",
];
/// What points at something that is only seen where it is said.
const POINTING: &[&str] = &["here", "this", "that one", "these", "those", "above", "below", "it", "there"];

/// The statements in a message, in its order, each once.
pub fn statements(by: Speaker, message: &str) -> Vec<Statement> {
    let message = &message[..message.floor_char_boundary(LOOKED_AT)];
    let mut found: Vec<Statement> = Vec::new();
    for sentence in prose::of(message) {
        for clause in prose::clauses(sentence) {
            // Emphasis may stand inside: "**Decision:** …".
            if let Some(statement) = statement(by, &clause.replace("**", ""))
                && found.iter().all(|known| known.text != statement.text)
            {
                found.push(statement);
            }
        }
    }
    found
}

fn statement(by: Speaker, clause: &str) -> Option<Statement> {
    let clause = prose::without_openings(clause);
    if clause.ends_with('?') || !BYTES.contains(&clause.len()) || clause.starts_with(['"', '“', '\'', '‘', '<', '|'])
    {
        return None;
    }
    let lower = lowered(clause);
    if holds(&lower, HEDGES) || holds(&lower, PASSING) {
        return None;
    }
    let lead = LEADS.iter().find(|lead| lower.starts_with(lead.text) && lead.is_met(&lower));
    let (kind, confidence, is_personal) = match lead {
        Some(lead) => (lead.kind, lead.confidence, lead.is_personal),
        None if is_order(&lower) => ("instruction", 0.8, false),
        None if is_rule(&lower) => ("instruction", 0.6, false),
        None => return None,
    };
    let is_decided = lead.is_some_and(|lead| kind == "decision" && lead.confidence >= 0.8);
    if by == Speaker::Assistant && !is_decided {
        return None;
    }
    let text = prose::cut(match lead {
        Some(lead) if lead.form == Form::Behind => clause.get(lead.text.len()..)?,
        _ => clause,
    });
    let kind = if lead.is_some_and(|lead| lead.form == Form::Behind) { kind_behind(text, kind) } else { kind };
    let enough = BYTES.contains(&text.len()) && text.split_whitespace().count() >= 3;
    enough.then(|| Statement {
        kind,
        text: text.to_owned(),
        confidence: if by == Speaker::Assistant { OF_ASSISTANT } else { confidence },
        is_personal,
    })
}

/// In lower case as far as beginnings are concerned: places stay the same.
fn lowered(clause: &str) -> String {
    clause.to_ascii_lowercase()
}

/// What is said to be remembered is of its own kind.
fn kind_behind(text: &str, otherwise: &'static str) -> &'static str {
    let lower = lowered(text);
    let lead = LEADS.iter().find(|lead| lead.form == Form::Whole && lower.starts_with(lead.text));
    match lead {
        Some(lead) => lead.kind,
        None if is_order(&lower) || is_rule(&lower) => "instruction",
        None => otherwise,
    }
}

/// True if the text holds one of these, as whole words.
fn holds(lower: &str, parts: &[&str]) -> bool {
    parts.iter().any(|part| {
        lower.match_indices(part).any(|(place, _)| {
            let is_end = |letter: Option<char>| letter.is_none_or(|letter| !letter.is_alphanumeric());
            is_end(lower[..place].chars().next_back()) && is_end(lower[place + part.len()..].chars().next())
        })
    })
}

/// What is meant is said, and not only pointed at: "that one", "option 2", "it".
fn names_something(rest: &str) -> bool {
    let rest = rest.trim_start();
    // "we decided that all services log JSON" says it; "let's go with that approach" does not.
    let rest = rest.strip_prefix("that ").filter(|rest| rest.split_whitespace().count() > 2).unwrap_or(rest);
    !rest.is_empty() && !holds_first(rest, REFERENCES)
}

/// True if a text begins with one of these words.
fn holds_first(rest: &str, words: &[&str]) -> bool {
    let rest = rest.trim_start();
    let begins = |word: &&str| rest.strip_prefix(*word).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric));
    words.iter().any(begins)
}

/// "always …", "never …", "don't ever …": for good, and by a verb that orders.
fn is_order(lower: &str) -> bool {
    let rest = lower.strip_prefix("please ").unwrap_or(lower);
    let rest = rest.strip_prefix("you should ").or_else(|| rest.strip_prefix("you must ")).unwrap_or(rest);
    let for_good = ["always ", "never ", "don't ever ", "do not ever ", "we always ", "we never "];
    if let Some(rest) = for_good.iter().find_map(|beginning| rest.strip_prefix(beginning)) {
        return orders(rest);
    }
    let not = ["don't ", "do not "].iter().find_map(|beginning| rest.strip_prefix(beginning));
    let bounds = ["without asking", "without my", "unless i", "unless we", "by hand", "under any", "ever", "anywhere"];
    if let Some(rest) = not {
        return orders(rest) && holds(rest, &bounds) && !holds(rest, POINTING);
    }
    // "whenever you change the schema, run …"
    let whenever = ["whenever you ", "every time you ", "before you ", "after you ", "when you "];
    whenever.iter().take(2).any(|beginning| rest.starts_with(beginning))
        && rest.split_once(", ").is_some_and(|(_, then)| {
            orders(then.strip_prefix("always ").or_else(|| then.strip_prefix("please ")).unwrap_or(then))
        })
}

fn orders(rest: &str) -> bool {
    let word = rest.split(|letter: char| !(letter.is_alphanumeric() || letter == '-')).next().unwrap_or_default();
    !word.is_empty()
        && VERBS.split(' ').any(|verb| verb == word)
        && rest.len() > word.len() + 1
        && !holds_first(&rest[word.len()..], PRONOUNS)
}

/// "every pull request must have a test": a rule for all of a kind.
fn is_rule(lower: &str) -> bool {
    ["all ", "every ", "each ", "no ", "any "].iter().any(|beginning| lower.starts_with(beginning))
        && [" must ", " must not ", " may never ", " should never ", " should always "]
            .iter()
            .any(|word| lower.contains(word))
        && !holds(lower, POINTING)
}

impl leads::Lead {
    /// True if what follows it makes it what it seems to be.
    fn is_met(&self, lower: &str) -> bool {
        let rest = &lower[self.text.len()..];
        match self.form {
            Form::Choice => names_something(rest) && holds(rest, CHOICES),
            Form::Fact => names_something(rest) && !holds(rest, TROUBLE) && !holds(rest, POINTING),
            Form::Taste => {
                names_something(rest)
                    && !holds(rest, POINTING)
                    && !["how ", "when ", "your ", "to see "].iter().any(|word| rest.starts_with(word))
            }
            Form::Whole | Form::Behind => names_something(rest),
        }
    }
}

#[cfg(test)]
mod tests;
