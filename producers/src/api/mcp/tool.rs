//! What a tool answers with, and how much of it: a model's context is dear.

use pipeline::{
    constants,
    failure::Failure,
    problem::{Code, Problem},
    time::Span,
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::http::{paging, reply::Refusal};

/// Bytes of an answer whose caller does not say how long it may be.
pub const DEFAULT_BYTES: usize = 8 * 1024;
/// Bytes that are taken for a token: of code and English there are rather more.
const BYTES_PER_TOKEN: usize = 4;
/// Fewest and most tokens of an answer that a caller may ask for.
const TOKENS: (u32, u32) = (100, 25_000);

/// Bytes of the longest answer.
pub const MOST_BYTES: usize = TOKENS.1 as usize * BYTES_PER_TOKEN;

/// What a tool answers.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolAnswer {
    /// For a model, in words.
    pub text: String,
    /// The same for programs.
    pub structured: Value,
}

/// A tool's answer, or why there is none.
pub type Told = Result<ToolAnswer, Refusal>;

impl ToolAnswer {
    /// An answer in words and as data.
    ///
    /// # Errors
    /// A bug if the data cannot be written as JSON.
    pub fn new(text: String, structured: &impl Serialize) -> Result<Self, Failure> {
        let structured = serde_json::to_value(structured).map_err(|error| Failure::bug(error.to_string()))?;
        Ok(Self { text, structured })
    }

    /// As the result of `tools/call`.
    pub fn result(self) -> Value {
        json!({
            "content": [{ "type": "text", "text": self.text }],
            "structuredContent": self.structured,
            "isError": false,
        })
    }
}

/// A refusal in the words of the tool: what the API calls by a pointer that begins with the first of a pair is the
/// argument that its second points to.
pub fn of_arguments(refusal: impl Into<Refusal>, pointers: &[(&str, &str)]) -> Refusal {
    let mut refusal = refusal.into();
    if let Refusal::Problem(problem) = &mut refusal {
        for error in &mut problem.errors {
            let of_tool = |(api, tool): &(&str, &str)| Some(format!("{tool}{}", error.pointer.strip_prefix(api)?));
            if let Some(pointer) = pointers.iter().find_map(of_tool) {
                error.pointer = pointer;
            }
        }
    }
    refusal
}

/// What cannot be done, as the result of `tools/call`: a model reads it and calls again, mended.
pub fn refusal(problem: &Problem) -> Value {
    let mut text = problem.detail.clone();
    for error in &problem.errors {
        let field = error.pointer.trim_start_matches('/').replace('/', ".");
        if !field.is_empty() {
            text.push_str(&format!("\n{field}: {}", error.detail));
        }
    }
    let next = match problem.status {
        429 | 503 => "\nTry again in a minute; until then go on without it.",
        500..=599 => "\nTry once more; if it happens again, go on without it and tell the user.",
        404 => "",
        _ => "\nMend the arguments and call again.",
    };
    text.push_str(next);
    json!({ "content": [{ "type": "text", "text": text }], "isError": true })
}

/// How many bytes an answer may have.
///
/// # Errors
/// [`Code::Invalid`] for a number of tokens that no answer may have.
pub fn bytes(max_tokens: Option<u32>) -> Result<usize, Problem> {
    let (fewest, most) = TOKENS;
    match max_tokens {
        None => Ok(DEFAULT_BYTES),
        Some(tokens) if (fewest..=most).contains(&tokens) => Ok(tokens as usize * BYTES_PER_TOKEN),
        Some(tokens) => {
            let detail = format!("{tokens} tokens: an answer has {fewest} to {most}");
            Err(Problem::field(Code::Invalid, "/max_tokens", detail))
        }
    }
}

/// A number of entries within what may be asked for.
///
/// # Errors
/// [`Code::Invalid`] beyond it.
pub fn limit(asked: Option<u32>, usual: u32, most: u32) -> Result<usize, Problem> {
    let asked = asked.unwrap_or(usual);
    if (1..=most).contains(&asked) {
        return Ok(asked as usize);
    }
    Err(Problem::field(Code::Invalid, "/limit", format!("expected a whole number from 1 to {most}, not {asked}")))
}

/// Longest wait, in seconds: clients give a tool a minute.
pub const LONGEST_WAIT: u32 = 50;

/// How long is waited for what was asked for.
///
/// # Errors
/// [`Code::Invalid`] beyond [`LONGEST_WAIT`].
pub fn wait(asked: Option<u32>, usual: u32) -> Result<Span, Problem> {
    let asked = asked.unwrap_or(usual);
    if asked <= LONGEST_WAIT {
        return Ok(Span::seconds(i64::from(asked)).min(constants::WAIT));
    }
    let detail = format!("expected a whole number from 0 to {LONGEST_WAIT}, not {asked}");
    Err(Problem::field(Code::Invalid, "/wait_seconds", detail))
}

/// A cursor that is a number; 0 without one.
///
/// # Errors
/// [`Code::Invalid`] for what no answer gave.
pub fn place(cursor: Option<&str>) -> Result<i64, Problem> {
    let Some(cursor) = cursor else { return Ok(0) };
    paging::number(cursor).ok_or_else(|| Problem::field(Code::Invalid, "/cursor", NO_CURSOR))
}

/// What is said of a cursor that no answer gave.
pub const NO_CURSOR: &str = "this is no cursor of this tool: send next_cursor as it came, or none to begin";

/// As many of these as fit into so many bytes of JSON, one at least.
///
/// # Errors
/// A bug if one cannot be written as JSON.
pub fn fitting<T: Serialize>(items: Vec<T>, bytes: usize) -> Result<Vec<T>, Failure> {
    let mut left = bytes;
    let mut fitting = Vec::new();
    for item in items {
        let length = serde_json::to_string(&item).map_err(|error| Failure::bug(error.to_string()))?.len();
        if length > left && !fitting.is_empty() {
            break;
        }
        left = left.saturating_sub(length);
        fitting.push(item);
    }
    Ok(fitting)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_as_long_as_was_asked_for_within_bounds() {
        assert_eq!([bytes(None).unwrap(), bytes(Some(25_000)).unwrap()], [8_192, 100_000]);
        assert!([0, 99, 25_001].into_iter().all(|tokens| bytes(Some(tokens)).is_err()));
        assert_eq!(fitting(vec!["a".repeat(90), "b".to_owned(), "c".repeat(20)], 100).unwrap().len(), 2);
        assert_eq!(fitting(vec!["a".repeat(90)], 10).unwrap().len(), 1, "one at least");
    }

    #[test]
    fn a_cursor_is_one_that_was_given() {
        assert_eq!([place(None).unwrap(), place(Some("42")).unwrap()], [0, 42]);
        assert!(["", "-1", "x", "+3", "9999999999999999999999"].into_iter().all(|cursor| place(Some(cursor)).is_err()));
    }
}
