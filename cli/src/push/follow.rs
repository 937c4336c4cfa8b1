//! Jobs followed to their ends, and bars that show how far all of them are together.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;

use super::{
    files::{File, Skipped},
    manifest::{self, Compared},
    report::{Parked, Report, rejected},
};
use crate::{client::pages, clock, context::Context, failure::Failure, output::Output, project::Project};

/// Jobs looked at in one turn: a key has a hundred requests in ten seconds.
const JOBS_PER_TURN: usize = 8;
/// The pause between turns: a part of how long it has taken so far, for who waits long does not count seconds, and a
/// look at a large job reads thousands of rows.
const SHORTEST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(10);
const PART: u32 = 20;
/// Documents that are named when they cannot be indexed.
const NAMED: usize = 1_000;

/// The stages that have a bar, beside the upload: their names in a job, and what they make of a file.
const STAGES: [(&str, &str); 3] = [("chunk", "chunked"), ("embed", "embedded"), ("upsert", "searchable")];

/// What is known of the jobs.
#[derive(Debug)]
pub struct Followed {
    views: HashMap<String, Value>,
    next: usize,
    began: Instant,
}

/// True if nothing will change a job but its owner.
pub fn has_ended(view: &Value) -> bool {
    matches!(view["status"].as_str(), Some("succeeded" | "partial" | "failed" | "cancelled"))
}

/// All that is left of a job waits, and not for a moment: what failed once waits less before it is tried again.
pub fn is_parked(view: &Value) -> bool {
    view["status"] == "parked" && view["parked_until"].as_str().is_some_and(clock::is_far)
}

impl Followed {
    /// Nothing is known so far.
    pub fn new() -> Self {
        Self { views: HashMap::new(), next: 0, began: Instant::now() }
    }

    /// True if nothing more will happen to any of them today.
    pub fn has_ended(&self, jobs: &[(String, Option<String>)]) -> bool {
        let ended = |job: &str| self.views.get(job).is_some_and(|view| has_ended(view) || is_parked(view));
        jobs.iter().all(|(job, _)| ended(job))
    }

    /// Looks at some of those that have not ended, in turn.
    ///
    /// # Errors
    /// The server refuses, or is not reached any more.
    pub fn look(&mut self, jobs: &[(String, Option<String>)], context: &Context) -> Result<(), Failure> {
        let open: Vec<&String> =
            jobs.iter().map(|(job, _)| job).filter(|job| !self.views.get(*job).is_some_and(has_ended)).collect();
        for place in 0..open.len().min(JOBS_PER_TURN) {
            let Some(job) = open.get((self.next + place) % open.len()) else { continue };
            let view = context.client.get(&format!("/api/jobs/{job}"))?;
            self.views.insert((*job).clone(), view);
        }
        self.next = self.next.wrapping_add(JOBS_PER_TURN);
        Ok(())
    }

    /// Waits for the next turn.
    pub fn pause(&self) {
        std::thread::sleep((self.began.elapsed() / PART).clamp(SHORTEST, LONGEST));
    }

    /// How much the stage of this name has done of how much, over all jobs.
    fn stage(&self, name: &str) -> (u64, u64) {
        let stages = self.views.values().flat_map(|view| view["stages"].as_array().into_iter().flatten());
        let number = |stage: &Value, field: &str| stage[field].as_u64().unwrap_or(0);
        stages
            .filter(|stage| stage["name"] == name)
            .fold((0, 0), |(done, total), stage| (done + number(stage, "done"), total + number(stage, "total")))
    }

    /// How many documents are found by words, and of how many; `None` while uploads may bring more.
    fn by_words(&self) -> Option<(u64, u64)> {
        let (unpacked, to_unpack) = self.stage("unpack");
        let (done, total) = self.stage("chunk");
        (unpacked >= to_unpack && total > 0).then_some((done, total))
    }

    /// Notes in the report what did not become of it what should have.
    ///
    /// # Errors
    /// The server refuses, or is not reached any more.
    pub fn finish(
        &self,
        jobs: &[(String, Option<String>)],
        project: &Project,
        compared: &Compared,
        context: &Context,
        report: &mut Report,
    ) -> Result<(), Failure> {
        let mut unnamed = Vec::new();
        for (job, items) in jobs {
            let Some(view) = self.views.get(job) else { continue };
            let of_upload = items.as_ref().filter(|_| view["items"]["rejected"].as_u64().unwrap_or(0) > 0);
            if let Some(items) = of_upload {
                let entries = pages::list(&context.client, &format!("{items}?status=rejected"), NAMED)?;
                report.fail(entries.iter().filter_map(|item| rejected(item, project, &[])).collect());
            }
            let failures = failures(view, project, context);
            report.fail(failures.named);
            unnamed.extend(failures.unnamed);
            if is_parked(view) {
                let until = crate::output::text(&view["parked_until"]);
                let why = crate::output::text(&view["parked_why"]);
                report.parked = Some(Parked { until, why, by_words: self.by_words() });
            }
        }
        report.chunks = self.stage("embed").1;
        name(unnamed, project, compared, context, report)
    }
}

/// Names what failed where a job does not: it lists some errors, and one of them may stand for a whole batch. The
/// manifest knows of each file whether it could be indexed.
fn name(
    unnamed: Vec<Skipped>,
    project: &Project,
    compared: &Compared,
    context: &Context,
    report: &mut Report,
) -> Result<(), Failure> {
    let Some(first) = unnamed.first() else { return Ok(()) };
    let names = report.sent();
    let sent: Vec<File> = compared.to_send().filter(|file| names.contains(file.name.as_str())).cloned().collect();
    let failed: Vec<Skipped> = manifest::failed(project, &sent, context)?
        .into_iter()
        .map(|name| Skipped { name, why: first.why.clone() })
        .collect();
    report.fail(if failed.is_empty() { unnamed } else { failed });
    Ok(())
}

/// Documents that failed in a stage.
#[derive(Debug, Default)]
struct Failures {
    /// Those that the job names.
    named: Vec<Skipped>,
    /// Why others did, under the job's name.
    unnamed: Vec<Skipped>,
}

/// What failed in a stage. What was rejected at the door is known already.
fn failures(view: &Value, project: &Project, context: &Context) -> Failures {
    let failed = view["items"]["failed"].as_u64().unwrap_or(0);
    let mut failures = Failures::default();
    if failed == 0 && view["status"] != "cancelled" {
        return failures;
    }
    for error in view["errors"].as_array().into_iter().flatten() {
        let why = error["detail"].as_str().unwrap_or("it failed").to_owned();
        let document = error["instance"].as_str().and_then(|path| context.client.get(path).ok());
        match document.and_then(|document| document["external_id"].as_str().map(str::to_owned)) {
            Some(id) => failures.named.push(Skipped { name: project.path(&id).unwrap_or(&id).to_owned(), why }),
            None => failures.unnamed.push(Skipped { name: crate::output::text(&view["id"]), why }),
        }
    }
    let is_named = failed > 0 && failures.named.len() as u64 >= failed;
    if !is_named && failures.unnamed.is_empty() {
        let job = crate::output::text(&view["id"]);
        let said = match view["status"].as_str() {
            Some("cancelled") => "the job is cancelled".to_owned(),
            _ => format!("it could not be indexed; `friend jobs show {job}` says more"),
        };
        failures.unnamed.push(Skipped { name: job, why: said });
    }
    failures
}

/// A bar under its name, which a terminal shows once it is told to.
fn bar(name: &'static str, total: u64, counted: &str) -> ProgressBar {
    let template = format!("{{prefix:10}} {{wide_bar:.green/white.dim}} {counted}");
    let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden());
    bar.with_style(style.progress_chars("█▉▊▋▌▍▎▏░")).with_prefix(name)
}

/// A bar for what is done one by one, where a terminal is.
pub fn counted(output: Output, name: &'static str, total: usize) -> ProgressBar {
    let bar = bar(name, total as u64, "{pos}/{len}");
    if output.is_live() {
        bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
    }
    bar
}

/// A bar for the upload, and one for each stage.
pub struct Bars {
    shown: Option<Shown>,
}

/// Bars on a terminal.
struct Shown {
    upload: ProgressBar,
    stages: Vec<(&'static str, ProgressBar)>,
    /// What draws them beneath each other.
    _several: MultiProgress,
}

impl Bars {
    /// For so many bytes; without the stages, where nobody follows them. Where no terminal is, nothing is shown.
    pub fn new(output: Output, bytes: u64, follows: bool) -> Self {
        if !output.is_live() {
            return Self { shown: None };
        }
        let several = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        let bar = |name: &'static str, total: u64, counted: &str| several.add(bar(name, total, counted));
        let upload = bar("uploaded", bytes, "{bytes}/{total_bytes}");
        let stages =
            STAGES.into_iter().filter(|_| follows).map(|(stage, name)| (stage, bar(name, 0, "{pos}/{len}"))).collect();
        Self { shown: Some(Shown { upload, stages, _several: several }) }
    }

    /// So many bytes are sent.
    pub fn uploaded(&self, bytes: u64) {
        if let Some(shown) = &self.shown {
            shown.upload.set_position(bytes);
        }
    }

    /// Shows how far the stages are.
    pub fn show(&self, followed: &Followed) {
        for (stage, bar) in self.shown.iter().flat_map(|shown| &shown.stages) {
            let (done, total) = followed.stage(stage);
            bar.set_length(total.max(1));
            bar.set_position(done);
        }
    }

    /// Leaves them as they are.
    pub fn finish(&self) {
        let Some(shown) = &self.shown else { return };
        for bar in shown.stages.iter().map(|(_, bar)| bar).chain([&shown.upload]) {
            bar.abandon();
        }
    }
}
