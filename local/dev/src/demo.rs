//! `make demo`: a real folder uploaded, followed to its end, and searched.

use std::{path::PathBuf, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::{
    Error,
    client::{Client, Upload},
    corpus,
    product::{Options, Product},
};

/// Files the demonstration indexes at most.
const FILES: usize = 2_000;
const DEADLINE: Duration = Duration::from_mins(30);

/// Runs the demonstration against the running product, or one that it starts.
pub fn run(options: &Options, folder: Option<PathBuf>) -> Result<(), Error> {
    let running = Client::new(&format!("http://localhost:{}", options.port), "");
    let key_file = options.state.join("api-key");
    let (_product, client) = if running.is_healthy() && key_file.is_file() {
        (None, running.with_key(&std::fs::read_to_string(key_file)?))
    } else {
        eprintln!("==> starting (a few seconds)");
        let product = Product::start(options.clone())?;
        let client = product.client()?;
        (Some(product), client)
    };
    let own = folder.is_none();
    let folder = folder.unwrap_or_else(|| options.root.clone());
    let files = corpus::read(&folder, FILES)?;
    let bytes: usize = files.iter().map(|file| file.content.len()).sum();
    println!("{}: {} files, {} KB", folder.display(), files.len(), bytes / 1024);
    let summary = index(&client, &files)?;
    println!("{summary}");
    let queries = if own {
        [
            "how are chunks split at the structure of code",
            "what happens when a worker crashes in the middle of a job",
            "OptimisticConcurrency fence token lease",
        ]
    } else {
        ["what is this about", "how do I get started", "what can go wrong"]
    };
    for query in queries {
        print_hits(query, &client.search(&json!({ "query": query, "top_k": 3 }))?);
    }
    Ok(())
}

/// What became of an upload.
#[derive(Debug, Default)]
pub struct Summary {
    /// Documents indexed.
    pub done: i64,
    /// Documents that failed in a stage.
    pub failed: i64,
    /// Files refused at the door.
    pub rejected: usize,
    /// Files that were there already.
    pub duplicates: usize,
    /// Status of each job.
    pub statuses: Vec<String>,
    /// Why files were refused, by reason.
    pub reasons: std::collections::BTreeMap<String, usize>,
    /// Seconds from the first request to the last job's end.
    pub seconds: f64,
}

impl Summary {
    /// What an upload that was too large to be answered at once says later.
    fn add_streamed(&mut self, client: &Client, job: &str, view: &Value) -> Result<(), Error> {
        self.duplicates += count(&view["upload"]["duplicates"]);
        let rejected = count(&view["upload"]["rejected"]);
        if rejected == 0 {
            return Ok(());
        }
        self.rejected += rejected;
        client.items(job, Some("rejected"))?.iter().for_each(|item| self.note_reason(item));
        Ok(())
    }

    fn note_reason(&mut self, item: &Value) {
        let reason = item["error"]["detail"].as_str().unwrap_or_default().chars().take(120).collect();
        *self.reasons.entry(reason).or_default() += 1;
    }
}

fn count(number: &Value) -> usize {
    number.as_u64().and_then(|number| usize::try_from(number).ok()).unwrap_or(0)
}

impl std::fmt::Display for Summary {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "{} indexed, {} failed, {} refused, {} there already, in {:.1} s ({})",
            self.done,
            self.failed,
            self.rejected,
            self.duplicates,
            self.seconds,
            self.statuses.join(", ")
        )?;
        self.reasons.iter().try_for_each(|(reason, count)| write!(formatter, "\n  refused {count}: {reason}"))
    }
}

/// Uploads files and follows their jobs to the end, with a bar on the screen.
pub fn index(client: &Client, files: &[Upload]) -> Result<Summary, Error> {
    let started = std::time::Instant::now();
    let mut summary = Summary::default();
    let mut jobs = Vec::new();
    for request in corpus::requests(files) {
        let answer = client.unhurried(|client| client.upload(request, ""))?.json();
        for item in answer["items"].as_array().into_iter().flatten() {
            match item["status"].as_str() {
                Some("duplicate") => summary.duplicates += 1,
                Some("rejected") => {
                    summary.rejected += 1;
                    summary.note_reason(item);
                }
                _ => {}
            }
        }
        jobs.extend(answer["job_id"].as_str().map(str::to_owned));
    }
    for (number, job) in jobs.iter().enumerate() {
        let bar = ProgressBar::new(100);
        bar.set_style(ProgressStyle::with_template("{prefix} {bar:40} {pos}% {msg}")?);
        bar.set_prefix(format!("job {}/{}", number + 1, jobs.len()));
        let view = client.follow(job, DEADLINE, |view| show(&bar, view))?;
        bar.finish_and_clear();
        summary.add_streamed(client, job, &view)?;
        summary.done += view["items"]["done"].as_i64().unwrap_or(0);
        summary.failed += view["items"]["failed"].as_i64().unwrap_or(0);
        summary.statuses.push(view["status"].as_str().unwrap_or_default().to_owned());
    }
    summary.seconds = started.elapsed().as_secs_f64();
    Ok(summary)
}

fn show(bar: &ProgressBar, view: &Value) {
    let stages = view["stages"].as_array().cloned().unwrap_or_default();
    let share = |stage: &Value| {
        let (done, total) = (stage["done"].as_u64().unwrap_or(0), stage["total"].as_u64().unwrap_or(0));
        (done * 100).checked_div(total).unwrap_or(0)
    };
    let sum: u64 = stages.iter().map(share).sum();
    bar.set_position(sum / (stages.len() as u64).max(1));
    let words: Vec<String> = stages
        .iter()
        .map(|stage| format!("{} {}/{}", stage["name"].as_str().unwrap_or_default(), stage["done"], stage["total"]))
        .collect();
    bar.set_message(words.join("  "));
}

fn print_hits(query: &str, answer: &Value) {
    println!("\n? {query}   ({} ms)", answer["took_ms"]);
    for hit in answer["hits"].as_array().into_iter().flatten() {
        let text: String = hit["text"]
            .as_str()
            .unwrap_or_default()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
            .chars()
            .take(100)
            .collect();
        let by: Vec<&str> = hit["found_by"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        println!(
            "  {:.3}  {}  bytes {}-{}  by {}\n         {text}…",
            hit["score"].as_f64().unwrap_or(0.0),
            hit["external_id"].as_str().unwrap_or("-"),
            hit["start"],
            hit["end"],
            by.join(" and ")
        );
    }
}
