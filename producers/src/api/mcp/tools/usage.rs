//! `friend_usage`: what the day has left.

use pipeline::{budget::day::Level, time::Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::tool::{Told, ToolAnswer};
use crate::{
    api::usage,
    http::call::{Call, RequestPorts},
};

/// Nothing is to be said.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "FriendUsage")]
pub struct Arguments {}

/// The day so far.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Answer {
    /// When the allowances are new.
    resets_at: Timestamp,
    /// What was used of each allowance.
    resources: Vec<Used>,
    /// What is given up at present.
    degraded: Vec<String>,
}

/// What was used of an allowance.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Used {
    /// Of what.
    name: &'static str,
    /// So much.
    used: f64,
    /// Of so much.
    allowance: f64,
    /// How near the end is.
    level: Level,
    /// When it runs out at today's pace.
    runs_out_at: Option<Timestamp>,
}

/// Answers the tool.
pub async fn usage<P: RequestPorts>(ports: &P, call: &Call<'_>, _: Arguments) -> Told {
    let view = usage::today(ports, &call.tenant, call.budget).await?;
    let resources = view.resources.into_iter().map(|resource| {
        let usage::ResourceView { name, used, allowance, level, runs_out_at, .. } = resource;
        Used { name, used, allowance, level, runs_out_at }
    });
    let answer = Answer { resets_at: view.until, resources: resources.collect(), degraded: view.degraded };
    Ok(ToolAnswer::new(in_words(&answer), &answer)?)
}

fn in_words(answer: &Answer) -> String {
    let mut text = format!("Today's allowances, new at {}:\n", answer.resets_at.to_rfc3339());
    for Used { name, used, allowance, runs_out_at, .. } in &answer.resources {
        let percent = if *allowance > 0.0 { used / allowance * 100.0 } else { 0.0 };
        let end = runs_out_at.map(|at| format!(", runs out at {}", at.to_rfc3339())).unwrap_or_default();
        text.push_str(&format!("{name}: {used:.0} of {allowance:.0} ({percent:.0}%){end}\n"));
    }
    for notice in &answer.degraded {
        text.push_str(&format!("Note: {notice}.\n"));
    }
    text.trim_end().to_owned()
}
