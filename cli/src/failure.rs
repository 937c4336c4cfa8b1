//! Why a command ends without having done what it was asked for, and with which exit code.

use std::fmt::Write as _;

use pipeline::problem::Problem;
use serde_json::{Value, json};

use crate::escapes::harmless;

/// What the program ends with: a script tells by it what to do next. docs/cli.md lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It could not be done.
    Failed = 1,
    /// It was asked for in a way that is not understood.
    Usage = 2,
    /// There is no key, or not a valid one.
    Auth = 3,
    /// What is named is not there.
    NotFound = 4,
    /// An allowance is spent.
    Quota = 5,
    /// Some of it was done, some was not.
    Partial = 6,
    /// Somebody pressed Ctrl-C.
    Interrupted = 130,
}

impl Exit {
    /// What a refusal of the server means.
    pub const fn of_status(status: u16) -> Self {
        match status {
            401 | 403 => Self::Auth,
            404 | 410 => Self::NotFound,
            429 => Self::Quota,
            _ => Self::Failed,
        }
    }
}

/// What is said to whoever asked, and what they can do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What the program ends with.
    pub exit: Exit,
    /// What is wrong, one sentence.
    pub said: String,
    /// What to do next.
    pub advice: Option<String>,
    /// The server's own word on it.
    pub problem: Option<Problem>,
}

impl Failure {
    /// Something went wrong.
    pub fn new(exit: Exit, said: impl Into<String>) -> Self {
        Self { exit, said: said.into(), advice: None, problem: None }
    }

    /// The same with what to do next.
    #[must_use]
    pub fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// Somebody answers who does not speak as the API does.
    pub fn no_friend(expected: &str) -> Self {
        Self::new(Exit::Failed, format!("the server answers something else than {expected}"))
            .advise("is it a friend, and does nothing between answer in its place?")
    }

    /// What a file or folder refuses.
    pub fn of_file(path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::new(Exit::Failed, format!("{}: {error}", path.display()))
    }

    /// Says it on standard error.
    pub fn say(&self, json: bool) {
        if json {
            anstream::eprintln!("{}", self.json());
        } else {
            anstream::eprintln!("{}", self.text());
        }
    }

    /// As people read it.
    pub fn text(&self) -> String {
        let mut text = format!("friend: {}", self.said);
        for field in self.problem.iter().flat_map(|problem| &problem.errors) {
            // One field is usually what the detail is about already.
            if !self.said.contains(&field.detail) {
                let _ = write!(text, "\n  {}: {}", field.pointer, field.detail);
            }
        }
        if let Some(advice) = &self.advice {
            let _ = write!(text, "\n  {advice}");
        }
        harmless(&text).into_owned()
    }

    /// As programs read it.
    pub fn json(&self) -> Value {
        let code = self.problem.as_ref().map(|problem| &problem.code);
        let request = self.problem.as_ref().and_then(|problem| problem.request_id.as_ref());
        json!({ "error": {
            "exit": self.exit as u8, "code": code, "detail": self.said, "advice": self.advice, "request_id": request,
        } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_to_do_next_to_people_and_to_programs() {
        let failure = Failure::new(Exit::Auth, "the key was refused").advise("run `friend login URL`");
        assert_eq!(failure.text(), "friend: the key was refused\n  run `friend login URL`");
        let json = failure.json();
        assert_eq!(
            (json["error"]["exit"].as_u64(), json["error"]["advice"].as_str()),
            (Some(3), Some("run `friend login URL`"))
        );
    }
}
