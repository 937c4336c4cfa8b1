//! An assumption, what was seen of it, and the table of many.

/// What became of an assumption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It holds.
    Holds,
    /// It does not.
    Broken,
    /// Nothing here shows it.
    Unknown,
}

/// One assumption about the platform, or about the product on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What is assumed.
    pub assumption: &'static str,
    /// What was seen.
    pub seen: String,
    /// Whether that is what was assumed.
    pub verdict: Verdict,
}

impl Check {
    /// A check that holds or does not.
    pub fn new(assumption: &'static str, holds: bool, seen: impl Into<String>) -> Self {
        let verdict = if holds { Verdict::Holds } else { Verdict::Broken };
        Self { assumption, seen: seen.into(), verdict }
    }

    /// A check that nothing here can decide.
    pub fn unknown(assumption: &'static str, why: impl Into<String>) -> Self {
        Self { assumption, seen: why.into(), verdict: Verdict::Unknown }
    }
}

/// The table, a line an assumption.
pub fn table(checks: &[Check]) -> String {
    let width = checks.iter().map(|check| check.assumption.chars().count()).max().unwrap_or(0);
    let line = |check: &Check| {
        let verdict = match check.verdict {
            Verdict::Holds => "holds  ",
            Verdict::Broken => "BROKEN ",
            Verdict::Unknown => "unknown",
        };
        format!("{verdict}  {:<width$}  {}\n", check.assumption, check.seen)
    };
    checks.iter().map(line).collect()
}
