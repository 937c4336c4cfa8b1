//! What the words of a call that failed mean: try again, wait for the next day, or mend the code.
//!
//! The runtime throws text. What counts in it is the code that it begins or ends with; the rest may quote
//! anything, numbers that look like codes among it. What is not listed here passes.

use crate::failure::Failure;

/// Workers AI: the day's neurons are spent. The second is what the binding says for the first.
const AI_SPENT: [u32; 2] = [3036, 4006];
/// Workers AI: requests that will never do.
/// <https://developers.cloudflare.com/workers-ai/platform/errors/>
const AI_REFUSED: [u32; 13] = [3003, 3006, 3039, 3041, 3042, 5004, 5005, 5006, 5007, 5016, 5018, 5019, 5035];
/// Vectorize: requests that will never do: wrong dimensions, too many ids, an id, a key or metadata too long,
/// options that are none. Every other failure passes, 40014 and 40041 (too many requests) among them.
const VECTORIZE_REFUSED: [u32; 9] = [40006, 40007, 40008, 40012, 40018, 40023, 40025, 40026, 40029];
/// D1: how errors begin that are the statement's fault, whatever they end with.
const D1_REFUSED: [&str; 7] = [
    "D1_TYPE_ERROR",
    "D1_COLUMN_NOTFOUND",
    "no such table",
    "no such column",
    "near \"",
    "Wrong number of parameter bindings",
    "Too many API requests",
];
/// D1: the codes of `SQLite` that say the same, as errors end.
const SQLITE_REFUSED: [&str; 6] =
    ["SQLITE_ERROR", "SQLITE_CONSTRAINT", "SQLITE_TOOBIG", "SQLITE_MISMATCH", "SQLITE_RANGE", "SQLITE_AUTH"];
/// D1: how errors begin that a full database or account gives.
const D1_FULL: [&str; 2] = ["Exceeded maximum DB size", "Exceeded maximum account storage"];

/// Returns why a call of Workers AI failed, by its words.
pub fn of_workers_ai(words: &str) -> Failure {
    let why = format!("Workers AI: {words}");
    match leading_code(words) {
        Some(code) if AI_SPENT.contains(&code) => Failure::exhausted(why),
        Some(code) if AI_REFUSED.contains(&code) => Failure::bug(why),
        _ => Failure::transient(why),
    }
}

/// Returns why a call of Vectorize failed, by its words.
pub fn of_vectorize(words: &str) -> Failure {
    let why = format!("Vectorize: {words}");
    match code_of_name(words) {
        Some(code) if VECTORIZE_REFUSED.contains(&code) => Failure::bug(why),
        _ => Failure::transient(why),
    }
}

/// Returns why a statement of D1 failed, by its words. After what passes the outcome of a write is unknown, which
/// every write here is made for.
///
/// <https://developers.cloudflare.com/d1/observability/debug-d1/>
pub fn of_d1(words: &str) -> Failure {
    let why = format!("D1: {words}");
    let said = words.strip_prefix("D1_ERROR: ").unwrap_or(words);
    let code = words.rsplit(": ").next().unwrap_or_default();
    let begins = |signs: &[&str]| signs.iter().any(|sign| said.starts_with(sign));
    if begins(&D1_FULL) || code.starts_with("SQLITE_FULL") || is_daily_limit(said) {
        Failure::exhausted(why)
    } else if begins(&D1_REFUSED) || SQLITE_REFUSED.iter().any(|refused| code.starts_with(refused)) {
        Failure::bug(why)
    } else {
        Failure::transient(why)
    }
}

/// The rows of the day are spent: every query fails until 00:00 UTC.
fn is_daily_limit(said: &str) -> bool {
    let said = said.to_lowercase();
    said.contains("daily") && said.contains("limit")
}

/// The number that the words begin with, behind the names of the errors they were wrapped in:
/// `InferenceUpstreamError: 3040: Capacity temporarily exceeded`.
fn leading_code(words: &str) -> Option<u32> {
    let mut rest = words;
    loop {
        let (head, tail) = rest.split_once(':').unwrap_or((rest, ""));
        let head = head.trim();
        if let Ok(code) = head.parse() {
            return Some(code);
        }
        let is_wrapper = head == "error code" || (head.ends_with("Error") && !head.contains(' '));
        if !is_wrapper {
            return None;
        }
        rest = tail;
    }
}

/// The number behind the error's name: `VECTOR_DELETE_ERROR (code = 40007): too many ids in payload`.
fn code_of_name(words: &str) -> Option<u32> {
    let name = words.split(':').next().filter(|name| name.starts_with("VECTOR_"))?;
    name.trim_end_matches(')').rsplit(|character: char| !character.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::FailureKind::{Bug, Exhausted, Transient};

    #[test]
    fn a_failure_of_workers_ai_is_known_by_its_leading_code() {
        for (words, kind) in [
            ("3036: You have used up your daily free allocation of 10,000 neurons.", Exhausted),
            ("4006: you have used up your daily free allocation of 10,000 neurons, please upgrade", Exhausted),
            ("AiError: 4006: you have used up your daily free allocation of 10,000 neurons", Exhausted),
            ("InferenceUpstreamError: AiError: 3036: Account limited", Exhausted),
            ("5007: No such model @cf/nobody/nothing or task", Bug),
            ("AiError: 5006: Error: required properties at '/' are 'prompt'", Bug),
            ("3003: Request is missing headers or body: text", Bug),
            ("5035: not on the Free plan", Bug),
            ("3040: Capacity temporarily exceeded, please try again.", Transient),
            ("InferenceUpstreamError: error code: 1031", Transient),
            ("429: Too Many Requests", Transient),
            ("429 Too Many Requests", Transient),
            ("3007: Request timeout after 3003 ms", Transient),
            ("1031: upstream said 3036 and 5007", Transient),
            ("Network connection lost.", Transient),
            ("the model says 3003", Transient),
            ("Error:", Transient),
            ("", Transient),
        ] {
            assert_eq!(of_workers_ai(words).kind, kind, "{words}");
        }
    }

    #[test]
    fn vectorize_is_at_fault_unless_its_code_says_that_we_are() {
        for (words, kind) in [
            ("VECTOR_DELETE_ERROR (code = 40007): too many ids in payload; max id count is 100, got 173", Bug),
            ("VECTOR_QUERY_ERROR (code = 40006): invalid query vector, expected 384 dimensions", Bug),
            ("VECTOR_UPSERT_ERROR (40023): metadata too large", Bug),
            ("VECTOR_UPSERT_ERROR 40018", Bug),
            ("VECTOR_UPSERT_ERROR: Status + 503", Transient),
            ("VECTOR_QUERY_ERROR: Status + 500", Transient),
            ("VECTOR_UPSERT_ERROR (code = 40041): Too Many Requests", Transient),
            ("VECTOR_UPSERT_ERROR (code = 10000): Authentication error", Transient),
            ("VECTOR_UPSERT_ERROR: code 40007 in its words", Transient),
            ("Network connection lost: 40007", Transient),
            ("internal error", Transient),
            ("", Transient),
        ] {
            assert_eq!(of_vectorize(words).kind, kind, "{words}");
        }
    }

    #[test]
    fn d1_passes_unless_the_statement_is_wrong_or_the_day_or_the_space_is_spent() {
        for (words, kind) in [
            ("D1_ERROR: no such table: nothing: SQLITE_ERROR", Bug),
            ("D1_ERROR: no such table: nothing", Bug),
            ("D1_ERROR: near \"FORM\": syntax error at offset 0: SQLITE_ERROR", Bug),
            ("D1_ERROR: string or blob too big: SQLITE_TOOBIG", Bug),
            ("D1_ERROR: too many SQL variables at offset 409: SQLITE_ERROR", Bug),
            (
                "D1_ERROR: UNIQUE constraint failed: a.b: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_PRIMARYKEY)",
                Bug,
            ),
            ("D1_TYPE_ERROR: Type 'bigint' not supported for value '1'", Bug),
            ("D1_ERROR: Exceeded maximum DB size", Exhausted),
            ("D1_ERROR: database or disk is full: SQLITE_FULL", Exhausted),
            ("D1_ERROR: Your account has exceeded the daily row read limit", Exhausted),
            ("D1 DB is overloaded. Requests queued for too long.", Transient),
            ("D1_ERROR: D1 DB is overloaded. Too many requests queued.", Transient),
            ("D1_ERROR: Network connection lost.", Transient),
            ("D1_ERROR: D1 DB reset because its code was updated.", Transient),
            ("D1_ERROR: Internal error in D1 DB storage caused object to be reset.", Transient),
            ("D1_ERROR: database is locked: SQLITE_BUSY", Transient),
            ("", Transient),
        ] {
            assert_eq!(of_d1(words).kind, kind, "{words}");
        }
    }
}
