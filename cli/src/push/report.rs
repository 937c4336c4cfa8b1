//! What became of every file: the table at the end, and the same for programs.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use pipeline::model::EMBEDDING;
use serde_json::{Value, json};

use super::{
    files::{Found, Skipped},
    manifest::Compared,
};
use crate::{
    arguments::Push,
    clock,
    context::Context,
    failure::{Exit, Failure},
    output::{self, BAD, BOLD, DIM, GOOD, WARNING, styled},
    project::Project,
};

/// Bytes of a word piece of source code, roughly: what a model reads is counted there.
const BYTES_PER_PIECE: f64 = 3.2;
/// Files that are named for each reason.
const NAMED: usize = 5;

/// What became of a push.
#[derive(Debug, Default)]
pub struct Report {
    project: String,
    added: Vec<String>,
    changed: Vec<String>,
    unchanged: usize,
    in_progress: usize,
    /// What was left out, and why.
    pub skipped: Vec<Skipped>,
    failed: Vec<Skipped>,
    /// What was removed there.
    pub pruned: Vec<String>,
    /// Bytes of files that were sent.
    pub sent_bytes: u64,
    /// What brings them.
    pub jobs: Vec<String>,
    /// Chunks that they came to.
    pub chunks: u64,
    /// Until when the rest waits.
    pub parked: Option<String>,
    /// What for.
    pub parked_why: Option<String>,
    bytes: u64,
    /// What a dry run says of neurons.
    price: Option<Price>,
}

/// What it would cost.
#[derive(Clone, Copy, Debug)]
struct Price {
    neurons: f64,
    left: f64,
    a_day: f64,
}

impl Report {
    /// Before anything is sent.
    pub fn new(project: &Project, found: &Found, compared: &Compared) -> Self {
        let names = |files: &[super::files::File]| files.iter().map(|file| file.name.clone()).collect();
        Self {
            project: project.name.clone(),
            added: names(&compared.added),
            changed: names(&compared.changed),
            unchanged: compared.unchanged,
            in_progress: compared.in_progress,
            skipped: found.skipped.clone(),
            bytes: compared.bytes(),
            ..Self::default()
        }
    }

    /// Files that were sent, and of which nothing else is known so far.
    pub fn sent(&self) -> HashSet<&str> {
        self.added.iter().chain(&self.changed).map(String::as_str).collect()
    }

    /// Files that could not be indexed.
    pub fn fail(&mut self, failed: Vec<Skipped>) {
        for failure in failed {
            self.added.retain(|name| *name != failure.name);
            self.changed.retain(|name| *name != failure.name);
            self.failed.push(failure);
        }
    }

    /// Estimates what sending it would cost, beside what today has left.
    ///
    /// # Errors
    /// The server refuses, or is not reached.
    pub fn price(&mut self, context: &Context) -> Result<(), Failure> {
        let usage = context.client.get("/api/usage")?;
        let number = |field: &str| usage["ingest"][field].as_f64().unwrap_or(0.0);
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "rough"
        )]
        let pieces = (self.bytes as f64 / BYTES_PER_PIECE) as u64;
        let left = (number("allowance") - number("neurons")).max(0.0);
        self.price = Some(Price { neurons: EMBEDDING.neurons(pieces), left, a_day: number("allowance") });
        Ok(())
    }

    /// How it ends.
    ///
    /// # Errors
    /// Not everything is there as it is here.
    pub fn outcome(&self) -> Result<(), Failure> {
        if let Some(until) = &self.parked {
            return Err(parked(until, self.parked_why.as_deref().unwrap_or_default()));
        }
        if self.failed.is_empty() {
            return Ok(());
        }
        let is_nothing = self.added.is_empty() && self.changed.is_empty() && self.unchanged == 0;
        let exit = if is_nothing { Exit::Failed } else { Exit::Partial };
        Err(Failure::new(exit, format!("{} files could not be indexed; the table says why", self.failed.len())))
    }

    fn json(&self, took: Duration, requests: u64) -> Value {
        let named = |list: &[Skipped]| -> Vec<Value> {
            list.iter().map(|skipped| json!({ "path": skipped.name, "why": skipped.why })).collect()
        };
        json!({
            "project": self.project, "added": self.added, "changed": self.changed, "unchanged": self.unchanged,
            "in_progress": self.in_progress,
            "skipped": named(&self.skipped), "failed": named(&self.failed), "pruned": self.pruned,
            "bytes": self.bytes, "requests": requests, "seconds": took.as_secs_f64(), "jobs": self.jobs,
            "chunks": self.chunks, "parked_until": self.parked,
            "neurons": self.price.map(|price| (price.neurons * 10.0).round() / 10.0),
        })
    }

    /// Shows it.
    pub fn show(&self, arguments: &Push, context: &Context, took: Duration) {
        let (requests, wire) = context.client.sent();
        context.output.data(&self.json(took, requests), || {
            if context.output.quiet && self.failed.is_empty() {
                return;
            }
            let would = if arguments.dry_run { " (nothing is sent)" } else { "" };
            output::line(&format!("{}{would}", styled(BOLD, &output::harmless(&self.project))));
            self.table();
            let sent = format!(
                "{} in {}, {requests} requests, {} over the wire",
                size(self.bytes),
                clock::span(took),
                size(wire)
            );
            output::line(&styled(DIM, &sent));
            if self.in_progress > 0 {
                output::line(&styled(DIM, "`friend status --watch` follows what an earlier push has on its way"));
            }
            if let Some(price) = self.price {
                output::line(&price_text(price));
            }
        });
    }

    fn table(&self) {
        let count = |name: &str, style, count: usize| {
            if count > 0 {
                output::line(&format!("  {:10} {:>7}", styled(style, &format!("{name:10}")), count));
            }
        };
        count("added", GOOD, self.added.len());
        count("changed", GOOD, self.changed.len());
        count("unchanged", DIM, self.unchanged);
        count("on its way", DIM, self.in_progress);
        count("removed", WARNING, self.pruned.len());
        reasons("skipped", DIM, &self.skipped);
        reasons("failed", BAD, &self.failed);
    }
}

/// A file that cannot be indexed, and why.
pub fn rejected(item: &Value, project: &Project, names: &[String]) -> Option<Skipped> {
    if item["status"] != "rejected" {
        return None;
    }
    let place = item["index"].as_u64().and_then(|index| usize::try_from(index).ok());
    let name = item["external_id"].as_str().map(|id| project.path(id).unwrap_or(id).to_owned());
    let name = name.or_else(|| names.get(place?).cloned()).unwrap_or_default();
    let why = item["error"]["detail"].as_str().unwrap_or("it was rejected").to_owned();
    Some(Skipped { name, why })
}

/// What is said where the day's neurons are spent.
fn parked(until: &str, why: &str) -> Failure {
    let until = clock::text_of(until);
    Failure::new(Exit::Quota, format!("everything is sent, and found by words; the rest waits until {until}: {why}"))
        .advise("it goes on by itself; `friend status` shows how far it is")
}

/// A line for each reason, with some of the files that it holds for.
fn reasons(name: &str, style: anstyle::Style, list: &[Skipped]) {
    let mut by_reason: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for skipped in list {
        by_reason.entry(&skipped.why).or_default().push(&skipped.name);
    }
    for (why, names) in by_reason {
        let some: Vec<&str> = names.iter().take(NAMED).copied().filter(|name| !name.is_empty()).collect();
        let more = if names.len() > NAMED { ", …" } else { "" };
        let text = format!("{why}: {}{more}", some.join(", "));
        let columns = output::width().saturating_sub(22);
        let text = output::excerpt(&text, columns);
        output::line(&format!("  {} {:>7}  {text}", styled(style, &format!("{name:10}")), names.len()));
    }
}

fn price_text(price: Price) -> String {
    let Price { neurons, left, a_day } = price;
    let about = format!("about {neurons:.0} neurons; what the server embedded before costs none again");
    if neurons <= left {
        return format!("{about}. Today has {left:.0} left for indexing");
    }
    let days = ((neurons - left) / a_day.max(1.0)).ceil();
    format!(
        "{about}. Today has {left:.0} left for indexing: all is found by words at once, by meaning in {days:.0} days"
    )
}

fn size(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
    let number = bytes as f64;
    match bytes {
        0..=999 => format!("{bytes} bytes"),
        1_000..=999_999 => format!("{:.0} KB", number / 1e3),
        _ => format!("{:.1} MB", number / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_push_that_failed_in_part_is_not_called_whole() {
        let mut report = Report { added: vec!["a.rs".into(), "b.rs".into()], ..Report::default() };
        assert_eq!(report.outcome(), Ok(()));
        report.fail(vec![Skipped { name: "b.rs".into(), why: "no text".into() }]);
        assert_eq!(report.outcome().unwrap_err().exit, Exit::Partial);
        assert_eq!(report.added, ["a.rs"]);
        report.fail(vec![Skipped { name: "a.rs".into(), why: "no text".into() }]);
        assert_eq!(report.outcome().unwrap_err().exit, Exit::Failed);
        report.parked = Some("2026-11-27T00:00:00Z".into());
        assert_eq!(report.outcome().unwrap_err().exit, Exit::Quota);
    }

    #[test]
    fn a_price_says_when_all_is_searchable() {
        let days = price_text(Price { neurons: 15_000.0, left: 1_000.0, a_day: 7_000.0 });
        assert!(days.contains("in 2 days"), "{days}");
    }
}
