//! What a test decides beforehand: what calls come to, and what the language model says.

use pipeline::failure::Failure;

/// What a call comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It works.
    Works,
    /// It fails and nothing was done.
    Fails,
    /// It was done, but the answer was lost.
    AnswerLost,
    /// It works, but only after others have had a turn.
    Pauses,
    /// From this call on nothing is done any more: the worker is gone.
    Crashes,
    /// It was done, and then the worker is gone.
    CrashesAfter,
}

/// What the language model does when it is asked next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Script {
    /// Says this, word by word.
    Says(&'static str),
    /// Calls this, JSON in the shape that a model gives it, beside this text.
    Calls(&'static str, &'static str),
    /// Fails at once.
    Fails(Failure),
    /// Says this and then breaks off.
    BreaksOff(&'static str),
}

/// What the reranking model does when it is asked next.
#[derive(Clone, Debug, PartialEq)]
pub enum Judgement {
    /// Scores the texts so, in their order.
    Scores(Vec<f64>),
    /// Answers with this JSON, whatever it means.
    Answers(&'static str),
    /// Fails at once.
    Fails(Failure),
}
