//! What became of asking a route's models.

use pipeline::{
    chat::{tools::CalledFunction, turn::Spent},
    failure::{Failure, FailureKind},
};

/// What a model made of a prompt.
#[derive(Debug)]
pub struct Written {
    /// The answer, without thoughts.
    pub text: String,
    /// The model.
    pub model: String,
    /// What it calls.
    pub calls: Vec<CalledFunction>,
    /// What it took.
    pub spent: Spent,
    /// Why it ended: `stop`, `length` or `tool_calls`.
    pub finish: &'static str,
}

/// Why no model answered.
#[derive(Debug)]
pub enum Unwritten {
    /// Nobody wants the answer any more.
    Unwanted,
    /// Every model failed.
    Failed(Failed),
}

/// How every model failed.
#[derive(Debug)]
pub struct Failed {
    /// The last failure, or the one that says most.
    pub failure: Failure,
    /// What those took that were asked and wrote nothing that can be read.
    pub spent: Spent,
}

impl From<Failure> for Unwritten {
    fn from(failure: Failure) -> Self {
        Self::Failed(Failed { failure, spent: Spent::default() })
    }
}

impl Failed {
    /// And how another failed.
    pub fn add(&mut self, other: Self) {
        self.spent.prompt_tokens += other.spent.prompt_tokens;
        self.spent.completion_tokens += other.spent.completion_tokens;
        self.spent.neurons += other.spent.neurons;
        // A passing failure says more than that a model is unknown.
        let is_telling = matches!(other.failure.kind, FailureKind::Transient | FailureKind::Exhausted);
        if self.failure.kind != FailureKind::Transient || is_telling {
            self.failure = other.failure;
        }
    }
}
