//! `make smoke`: the main job against any deployment, and a table of what only a real account can show.
//!
//! In: an address, a key, and, where wrangler is signed in, what `wrangler tail` saw meanwhile.
//! Does: 1. indexes, searches, asks, remembers, opens a session, and removes all of it again;
//!       2. reads the logs of those invocations: CPU, queries, endings, words of errors.
//! Out: a row for each assumption: expected, seen, and whether it holds. Fails if one does not.

mod journey;
mod logs;

use std::path::PathBuf;

use clap::Args;

use crate::{Error, client::Client};
pub use journey::travel;
pub use logs::{Invocation, judge, read};

/// The deployment that is tried.
#[derive(Clone, Debug, Args)]
pub struct Target {
    /// Its address.
    #[arg(long, env = "URL")]
    url: String,
    /// A key of one of its users.
    #[arg(long, env = "KEY", hide_env_values = true)]
    key: String,
    /// Files with what `wrangler tail --format json` printed of its Workers meanwhile.
    #[arg(long)]
    logs: Vec<PathBuf>,
}

/// What became of an assumption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It holds.
    Holds,
    /// It does not.
    Broken,
    /// Nothing here can tell.
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

/// Tries the deployment and prints the table.
pub fn run(target: &Target) -> Result<(), Error> {
    let client = Client::new(target.url.trim_end_matches('/'), &target.key);
    let mut checks = travel(&client)?;
    let mut invocations = Vec::new();
    for path in &target.logs {
        // A tail that was never there is the same as one that saw nothing.
        invocations.extend(read(&std::fs::read_to_string(path).unwrap_or_default()));
    }
    checks.extend(judge(&invocations));
    print!("{}", table(&checks));
    let broken = checks.iter().filter(|check| check.verdict == Verdict::Broken).count();
    if broken > 0 {
        return Err(format!("{broken} of {} assumptions do not hold here", checks.len()).into());
    }
    Ok(())
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
