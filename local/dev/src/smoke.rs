//! `make smoke`: the main job against any deployment, and a table of what only a real account can show.
//!
//! In: an address, a key, and, where there are any, what `wrangler deploy` printed and `wrangler tail` saw meanwhile.
//! Does: 1. indexes, searches, asks, remembers, opens a session, and removes all of it again;
//!       2. reads how long the Workers took to start when they were deployed;
//!       3. reads the logs of those invocations: CPU, queries, endings, words of errors.
//! Out: a row for each assumption: expected, seen, and whether it holds. Fails if one does not.

mod check;
mod deployed;
mod journey;
mod logs;

use std::path::PathBuf;

use clap::Args;
use pipeline::plan::Plan;

use crate::{Error, client::Client};
pub use check::{Check, Verdict, table};
pub use deployed::judge as judge_deployed;
pub use journey::{PATIENCE, Patience, travel};
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
    /// Files with what `wrangler deploy` printed of each of its Workers.
    #[arg(long)]
    deployed: Vec<PathBuf>,
}

/// Tries the deployment and prints the table.
pub fn run(target: &Target) -> Result<(), Error> {
    let client = Client::new(target.url.trim_end_matches('/'), &target.key);
    let mut checks = travel(&client, PATIENCE)?;
    checks.push(judge_deployed(&texts(&target.deployed)));
    let invocations: Vec<Invocation> = texts(&target.logs).iter().flat_map(|text| read(text)).collect();
    let health = client.get("/health")?.json();
    let plan = Plan::parse(health["plan"].as_str().unwrap_or_default())?;
    checks.extend(judge(&invocations, plan));
    print!("{}", table(&checks));
    let broken = checks.iter().filter(|check| check.verdict == Verdict::Broken).count();
    if broken > 0 {
        return Err(format!("{broken} of {} assumptions do not hold here", checks.len()).into());
    }
    Ok(())
}

/// What is in these files. One that was never there is the same as one that holds nothing.
fn texts(paths: &[PathBuf]) -> Vec<String> {
    paths.iter().map(|path| std::fs::read_to_string(path).unwrap_or_default()).collect()
}
