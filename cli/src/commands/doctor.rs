//! `friend doctor`: whether everything is as it should be, one line each, with what to do where it is not.

use std::time::Instant;

use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc2822};

use super::probe::Probe;
use crate::{
    arguments::Global,
    client::{Client, Request},
    clock, configuration,
    failure::{Exit, Failure},
    output::{self, BAD, GOOD, Output, WARNING, styled},
};

/// From so much on a clock is wrong: what is signed or expires by time goes wrong with it.
const SKEW: i64 = 30;
/// A share of an allowance from which on it is worth a warning.
const SCARCE: f64 = 0.8;

/// One thing that was looked at.
struct Check {
    name: &'static str,
    state: &'static str,
    said: String,
}

impl Check {
    fn new(name: &'static str, state: &'static str, said: impl Into<String>) -> Self {
        Self { name, state, said: said.into() }
    }

    fn failed(name: &'static str, failure: &Failure) -> Self {
        Self::new(name, "failed", failure.text().trim_start_matches("friend: ").replace("\n  ", "; "))
    }
}

/// Looks at everything, as far as one leads to the next.
///
/// # Errors
/// Something is not as it should be; the code is that of the first such thing.
pub fn doctor(global: &Global, output: Output) -> Result<(), Failure> {
    let mut checks = Vec::new();
    let end = examine(global, &mut |check| {
        if !output.json {
            show(&check);
        }
        checks.push(check);
    });
    let found: Vec<Value> =
        checks.iter().map(|check| json!({ "name": check.name, "state": check.state, "said": check.said })).collect();
    output.data(&json!({ "checks": found }), || {});
    match end {
        Err(failure) => Err(failure),
        Ok(()) if checks.iter().any(|check| check.state == "failed") => {
            Err(Failure::new(Exit::Failed, "not everything is as it should be"))
        }
        Ok(()) => Ok(()),
    }
}

fn show(check: &Check) {
    let (style, mark) = match check.state {
        "ok" => (GOOD, "✓"),
        "warning" => (WARNING, "!"),
        _ => (BAD, "✗"),
    };
    output::line(&format!("{} {:10} {}", styled(style, mark), check.name, output::harmless(&check.said)));
}

fn examine(global: &Global, say: &mut dyn FnMut(Check)) -> Result<(), Failure> {
    let url = configuration::url(global.url.as_deref())?;
    say(Check::new("address", "ok", &url));
    let began = Instant::now();
    let reply = Client::new(&url, "")
        .send(&Request::new("GET", "/health"))
        .inspect_err(|failure| say(Check::failed("reached", failure)))?;
    let took = began.elapsed();
    say(Check::new("reached", "ok", format!("in {}", clock::span(took))));
    let health = reply.json().inspect_err(|failure| say(Check::failed("answer", failure)))?;
    say(version(&health));
    say(skew(reply.headers.get("date").and_then(|date| date.to_str().ok())));
    let key = configuration::key(&url).inspect_err(|failure| say(Check::failed("key", failure)))?;
    let client = Client::new(&url, &key);
    let me = client.get("/api/me").inspect_err(|failure| say(Check::failed("key", failure)))?;
    say(Check::new("key", "ok", format!("of {}", output::text(&me["user_id"]))));
    say(budget(&client.get("/api/usage")?));
    for check in probe(&client) {
        say(check);
    }
    Ok(())
}

fn version(health: &Value) -> Check {
    let theirs = output::text(&health["version"]);
    let ours = env!("CARGO_PKG_VERSION");
    let state = health["status"].as_str().unwrap_or_default();
    if state != "ok" {
        return Check::new("health", "failed", state);
    }
    if theirs == ours {
        return Check::new("version", "ok", format!("{ours}, as the deployment"));
    }
    Check::new("version", "warning", format!("{ours} here, {theirs} there: one of them is older"))
}

fn skew(date: Option<&str>) -> Check {
    let Some(theirs) = date.and_then(|date| OffsetDateTime::parse(&date.replace("GMT", "+0000"), &Rfc2822).ok()) else {
        return Check::new("clock", "warning", "the deployment does not say what time it is");
    };
    let seconds = (clock::now() - theirs).whole_seconds();
    if seconds.abs() <= SKEW {
        return Check::new("clock", "ok", format!("{} s apart", seconds.abs()));
    }
    let said =
        format!("this machine's clock is {} s {}: set it", seconds.abs(), if seconds > 0 { "fast" } else { "slow" });
    Check::new("clock", "warning", said)
}

fn budget(usage: &Value) -> Check {
    let scarce: Vec<String> = usage["resources"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|resource| resource["share"].as_f64().unwrap_or(0.0) >= SCARCE)
        .map(|resource| {
            format!("{} {:.0} %", output::text(&resource["name"]), resource["share"].as_f64().unwrap_or(0.0) * 100.0)
        })
        .collect();
    if scarce.is_empty() {
        return Check::new("budget", "ok", format!("{} goes first", output::text(&usage["first_to_run_out"])));
    }
    let until = clock::text_of(usage["until"].as_str().unwrap_or_default());
    Check::new("budget", "warning", format!("{}; all is new at {until}", scarce.join(", ")))
}

/// A document that is indexed, found, and removed again: how long each stage takes.
fn probe(client: &Client) -> Vec<Check> {
    let (probe, sent) = Probe::send(client, "friend-doctor");
    let mut checks = Vec::new();
    if let Err(failure) = sent.and_then(|()| follow(&probe, &mut checks)) {
        checks.push(Check::failed("probe", &failure));
    }
    if let Err(failure) = probe.remove() {
        checks.push(Check::failed("removed", &failure));
    }
    checks
}

fn follow(probe: &Probe<'_>, checks: &mut Vec<Check>) -> Result<(), Failure> {
    checks.push(Check::new("accepted", "ok", clock::span(probe.elapsed())));
    probe.wait(|stage| {
        checks.push(Check::new("stage", "ok", format!("{stage} done after {}", clock::span(probe.elapsed()))));
    })?;
    let asked = Instant::now();
    let (state, said) = if probe.is_found()? { ("ok", "found") } else { ("failed", "not found") };
    checks.push(Check::new("search", state, format!("{said} in {}", clock::span(asked.elapsed()))));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_wrong_is_noticed() {
        assert_eq!(skew(None).state, "warning");
        let check = skew(Some("Thu, 01 Jan 2026 00:00:00 GMT"));
        assert!(check.state == "warning" && check.said.contains("fast"), "{}", check.said);
    }
}
