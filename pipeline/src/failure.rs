//! What can go wrong, sorted by what should happen next.

use std::fmt;

/// A failure's kind decides its fate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// Passing: the platform was busy, timed out, or its answer was lost. Try again.
    Transient,
    /// A daily allowance is spent. Wait for the next day.
    Exhausted,
    /// The input cannot be processed. Its owner reads why.
    Input,
    /// Our own fault. Its owner reads that, and it is logged.
    Bug,
}

/// Why a port or a stage could not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What should happen next.
    pub kind: FailureKind,
    /// Which port or step failed and how; never content, never secrets.
    pub why: String,
}

impl Failure {
    /// A passing failure.
    pub fn transient(why: impl Into<String>) -> Self {
        Self { kind: FailureKind::Transient, why: why.into() }
    }

    /// A spent allowance.
    pub fn exhausted(why: impl Into<String>) -> Self {
        Self { kind: FailureKind::Exhausted, why: why.into() }
    }

    /// An input that cannot be processed.
    pub fn input(why: impl Into<String>) -> Self {
        Self { kind: FailureKind::Input, why: why.into() }
    }

    /// Something that should be impossible.
    pub fn bug(why: impl Into<String>) -> Self {
        Self { kind: FailureKind::Bug, why: why.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}: {}", self.kind, self.why)
    }
}

impl std::error::Error for Failure {}
