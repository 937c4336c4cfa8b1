//! What became of every file: the table at the end, and the same for programs.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use pipeline::model::EMBEDDING;
use serde_json::{Value, json};

use super::{
    files::{File, Found, Skipped},
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
    /// What was to be sent and, as far as is known, has not arrived.
    not_sent: Vec<String>,
    /// What was removed there.
    pub pruned: Vec<String>,
    /// Bytes of files that have arrived.
    sent_bytes: u64,
    /// What brings them.
    pub jobs: Vec<String>,
    /// Chunks that they came to.
    pub chunks: u64,
    /// What waits for another day.
    pub parked: Option<Parked>,
    bytes: u64,
    /// What a dry run says of neurons.
    price: Option<Price>,
}

/// What waits for an allowance.
#[derive(Clone, Debug)]
pub struct Parked {
    /// Until when.
    pub until: String,
    /// What for.
    pub why: String,
    /// How many documents are found by words so far, and of how many; `None` where not all were counted so far.
    pub by_words: Option<(u64, u64)>,
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
        Self {
            project: project.name.clone(),
            not_sent: compared.to_send().map(|file| file.name.clone()).collect(),
            unchanged: compared.unchanged,
            in_progress: compared.in_progress,
            skipped: found.skipped.clone(),
            bytes: compared.bytes(),
            ..Self::default()
        }
    }

    /// Says what would be sent, where nothing is.
    pub fn plan(&mut self, compared: &Compared) {
        self.note_sent(compared, |_| true);
        self.sent_bytes = 0;
    }

    /// Notes which files the server has taken: what became of the others nobody knows, or it is not there.
    pub fn note_sent(&mut self, compared: &Compared, is_sent: impl Fn(&str) -> bool) {
        let sent = |files: &[File]| -> Vec<File> { files.iter().filter(|file| is_sent(&file.name)).cloned().collect() };
        let names = |files: &[File]| files.iter().map(|file| file.name.clone()).collect();
        let (added, changed) = (sent(&compared.added), sent(&compared.changed));
        self.sent_bytes = added.iter().chain(&changed).map(|file| file.bytes).sum();
        (self.added, self.changed) = (names(&added), names(&changed));
        self.not_sent.retain(|name| !is_sent(name));
    }

    /// Notes what was left out when it was to be sent.
    pub fn skip(&mut self, skipped: Vec<Skipped>) {
        self.not_sent.retain(|name| skipped.iter().all(|skipped| skipped.name != *name));
        self.skipped.extend(skipped);
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
        match (self.failed.len(), &self.parked) {
            (0, None) => Ok(()),
            (0, Some(parked)) => Err(Failure::new(Exit::Quota, parked.said()).advise(GOES_ON)),
            (failed, parked) => {
                let is_nothing = self.added.is_empty() && self.changed.is_empty() && self.unchanged == 0;
                let exit = if is_nothing { Exit::Failed } else { Exit::Partial };
                let failure = Failure::new(exit, format!("{failed} files could not be indexed; the table says why"));
                Err(match parked {
                    Some(parked) => failure.advise(format!("{}; {GOES_ON}", parked.said())),
                    None => failure,
                })
            }
        }
    }

    /// What can be done about files that were left out. An agent that reads it might insist: it is for people alone.
    fn advice(&self, is_for_people: bool) -> Option<&'static str> {
        let has_secret = self.skipped.iter().any(Skipped::is_for_secrets);
        (is_for_people && has_secret).then_some("--allow-secrets takes what is left out for passwords or keys")
    }

    fn json(&self, took: Duration, requests: u64) -> Value {
        let named = |list: &[Skipped]| -> Vec<Value> {
            list.iter().map(|skipped| json!({ "path": skipped.name, "why": skipped.why })).collect()
        };
        json!({
            "project": self.project, "added": self.added, "changed": self.changed, "unchanged": self.unchanged,
            "in_progress": self.in_progress,
            "skipped": named(&self.skipped), "failed": named(&self.failed), "not_sent": self.not_sent,
            "pruned": self.pruned, "bytes": self.bytes, "sent_bytes": self.sent_bytes, "requests": requests,
            "seconds": took.as_secs_f64(), "jobs": self.jobs, "chunks": self.chunks,
            "parked_until": self.parked.as_ref().map(|parked| &parked.until),
            "neurons": self.price.map(|price| (price.neurons * 10.0).round() / 10.0),
        })
    }

    /// Shows it.
    pub fn show(&self, arguments: &Push, context: &Context, took: Duration) {
        let (requests, wire) = context.client.sent();
        context.output.data(&self.json(took, requests), || {
            if context.output.quiet && self.failed.is_empty() && self.not_sent.is_empty() {
                return;
            }
            let would = if arguments.dry_run { " (nothing is sent)" } else { "" };
            output::line(&format!("{}{would}", styled(BOLD, &output::harmless(&self.project))));
            self.table();
            let (all, sent) = (size(self.bytes), size(self.sent_bytes));
            let sent = if self.not_sent.is_empty() { all } else { format!("{sent} of {all}") };
            let took = clock::span(took);
            output::line(&styled(DIM, &format!("{sent} in {took}, {requests} requests, {} over the wire", size(wire))));
            if let Some(advice) = self.advice(output::somebody_is_there()) {
                output::line(&styled(DIM, advice));
            }
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
        count("not sent", BAD, self.not_sent.len());
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
    let why = item["error"]["detail"].as_str().unwrap_or("it was rejected");
    // How the server is made to take a secret is no advice to an agent, which reads this as well.
    let why = why.split_once(": ").filter(|(_, advice)| advice.contains("allow_secrets")).map_or(why, |(what, _)| what);
    Some(Skipped { name, why: why.to_owned() })
}

/// What becomes of what is parked.
const GOES_ON: &str = "it goes on by itself; `friend status` shows how far it is";

impl Parked {
    fn said(&self) -> String {
        let by_words = match self.by_words {
            Some((done, total)) if done == total => "everything is sent, and found by words".to_owned(),
            Some((done, total)) => format!("everything is sent, and {done} of {total} documents are found by words"),
            None => "everything is sent".to_owned(),
        };
        format!("{by_words}; the rest waits until {}: {}", clock::text_of(&self.until), self.why)
    }
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
    }

    #[test]
    fn what_waits_is_found_by_words_only_where_it_is_counted_so_and_failures_are_said_first() {
        let parked = |by_words| Parked { until: "2026-11-27T00:00:00Z".into(), why: "spent".into(), by_words };
        let mut report = Report { added: vec!["a.rs".into()], ..Report::default() };
        for (by_words, says) in [
            (Some((3, 3)), "sent, and found by words;"),
            (Some((1, 3)), "sent, and 1 of 3 documents are found by words;"),
            (None, "everything is sent;"),
        ] {
            report.parked = Some(parked(by_words));
            let failure = report.outcome().unwrap_err();
            assert!(failure.exit == Exit::Quota && failure.said.contains(says), "{failure:?}");
        }
        report.fail(vec![Skipped { name: "b.rs".into(), why: "no text".into() }]);
        let failure = report.outcome().unwrap_err();
        assert_eq!((failure.exit, failure.said.starts_with("1 files could not be indexed")), (Exit::Partial, true));
        assert!(failure.advice.unwrap().contains("waits until 2026-11-27"));
    }

    #[test]
    fn how_to_insist_on_secrets_is_said_to_people_alone() {
        let skipped =
            |why: &str| Report { skipped: vec![Skipped { name: "a.md".into(), why: why.into() }], ..Report::default() };
        let secret = skipped("it holds what looks like a secret: line 3, gitlab-pat");
        assert_eq!([true, false].map(|people| secret.advice(people).is_some()), [true, false]);
        assert_eq!(skipped("binary").advice(true), None);
        let item = serde_json::json!({ "status": "rejected", "index": 0, "error": {
            "detail": "line 1 holds a secret: take it out, or insist with ?allow_secrets=true" } });
        let project = Project { name: "p".into(), root: std::path::PathBuf::new() };
        assert_eq!(rejected(&item, &project, &["a.md".to_owned()]).unwrap().why, "line 1 holds a secret");
    }

    #[test]
    fn a_price_says_when_all_is_searchable() {
        let days = price_text(Price { neurons: 15_000.0, left: 1_000.0, a_day: 7_000.0 });
        assert!(days.contains("in 2 days"), "{days}");
    }
}
