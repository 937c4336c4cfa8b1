//! A document with a word of its own: sent, found, and removed again.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{
    client::{Client, Request, idempotency_key, pages},
    clock,
    failure::{Exit, Failure},
    output,
};

/// Longest that it is waited for.
const LONGEST: Duration = Duration::from_mins(3);
/// Between two looks at a job.
const EVERY: Duration = Duration::from_millis(200);

/// Such a document.
pub struct Probe<'a> {
    client: &'a Client,
    name: String,
    word: String,
    sent_at: Instant,
    job: String,
}

impl<'a> Probe<'a> {
    /// Sends one into a folder of the deployment.
    ///
    /// # Errors
    /// It is refused. It is there all the same, maybe, so that it is removed.
    pub fn send(client: &'a Client, folder: &str) -> (Self, Result<(), Failure>) {
        let word = idempotency_key().replace('-', "");
        let name = format!("{folder}/{word}.md");
        let mut probe = Self { client, name, word, sent_at: Instant::now(), job: String::new() };
        let document = json!({ "external_id": probe.name, "content": format!("# A probe\n\n{}\n", probe.sentence()) });
        let accepted = client.json(Request::new("POST", "/api/index").once(&idempotency_key()), &document);
        let accepted = accepted.map(|accepted| probe.job = output::text(&accepted["job_id"]));
        (probe, accepted)
    }

    /// Since it was sent.
    pub fn elapsed(&self) -> Duration {
        self.sent_at.elapsed()
    }

    fn sentence(&self) -> String {
        format!("The word {} stands here alone.", self.word)
    }

    /// Waits until it is indexed, and hands on each stage that is done.
    ///
    /// # Errors
    /// It is not, or not in time.
    pub fn wait(&self, mut take: impl FnMut(&str)) -> Result<(), Failure> {
        let mut seen: Vec<String> = Vec::new();
        loop {
            let view = self.client.get(&format!("/api/jobs/{}", self.job))?;
            for stage in view["stages"].as_array().into_iter().flatten().filter(|stage| stage["state"] == "done") {
                let stage = output::text(&stage["name"]);
                if !seen.contains(&stage) {
                    take(&stage);
                    seen.push(stage);
                }
            }
            match view["status"].as_str().unwrap_or_default() {
                "succeeded" => return Ok(()),
                "queued" | "running" if self.elapsed() < LONGEST => std::thread::sleep(EVERY),
                other => return Err(self.too_late(other)),
            }
        }
    }

    fn too_late(&self, how: &str) -> Failure {
        Failure::new(Exit::Failed, format!("the probe is {how} after {}", clock::span(self.elapsed())))
    }

    /// True if a search for its word has it first.
    ///
    /// # Errors
    /// It cannot be looked for.
    pub fn is_found(&self) -> Result<bool, Failure> {
        Ok(self.search(&json!({ "query": self.word, "top_k": 1 }))?[0] == self.name.as_str())
    }

    /// Searches until it is found, and answers with how long that took since it was sent.
    ///
    /// # Errors
    /// It cannot be looked for, or is not found in time.
    pub fn found_by(&self, mode: &str, every: Duration) -> Result<Duration, Failure> {
        let query = if mode == "keyword" { self.word.clone() } else { self.sentence() };
        let body = json!({ "query": query, "top_k": 10, "mode": mode });
        while self.elapsed() < LONGEST {
            if self.search(&body)?.iter().any(|name| *name == self.name.as_str()) {
                return Ok(self.elapsed());
            }
            std::thread::sleep(every);
        }
        Err(self.too_late("not found"))
    }

    fn search(&self, body: &Value) -> Result<Vec<Value>, Failure> {
        let answer = self.client.json(Request::new("POST", "/api/search").repeatable(), body)?;
        let hits = answer["hits"].as_array().into_iter().flatten();
        Ok(hits.map(|hit| hit["external_id"].clone()).collect())
    }

    /// Removes it.
    ///
    /// # Errors
    /// It stays there.
    pub fn remove(&self) -> Result<(), Failure> {
        let path = format!("/api/documents?external_id={}", pages::encoded(&self.name));
        self.client.send(&Request::new("DELETE", &path)).map(|_| ())
    }
}
