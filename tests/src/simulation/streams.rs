//! Clients whose uploads are streamed, in an eighth of the histories: they are unpacked while others write the same
//! documents, workers die and messages come twice.

use std::collections::{BTreeMap, BTreeSet};

use pipeline::constants;
use serde_json::{Value, json};

use super::{
    clients::{NAMES, name_of},
    history::Simulation,
    streamed::Streamed,
};
use crate::rig::Answer;

/// White space makes a document long on its way and leaves it short: what is unpacked costs a history little, and a
/// range holds two of them.
const PADDING: usize = 60_000;
/// Documents of an upload, which is more than is read at once then: each name once.
const DOCUMENTS: u64 = NAMES;
/// A document that cannot be read, in a place that chance decides.
const REJECTED: &str = "{\"external_id\":\"never.md\"}";

impl Simulation {
    /// True if this history's clients send large uploads, too.
    pub(super) const fn streams(&self) -> bool {
        self.seed % 8 == 5
    }

    /// An upload that is larger than what is read at once.
    pub(super) fn upload_stream(&mut self) {
        let mut contents = BTreeMap::new();
        let mut lines = Vec::new();
        let (bad, first) = (self.draw.below(2 * DOCUMENTS), self.draw.below(NAMES));
        for place in 0..DOCUMENTS {
            if place == bad {
                lines.push(REJECTED.to_owned());
            }
            let name = name_of((first + place) % NAMES);
            self.written += 1;
            let content = format!("About unique{}x{}, out of a stream.", self.seed, self.written);
            let document = json!({"external_id": name, "content": content}).to_string();
            lines.push(document.replace("\",\"", &format!("\",{}\"", " ".repeat(PADDING))));
            contents.insert(name, content);
        }
        let documents = lines.len();
        let body = lines.join("\n");
        assert!(body.len() > constants::READ_AT_ONCE_BYTES, "{} bytes are read at once", body.len());
        let key = format!("stream-{}", self.written);
        let answer = self.send_stream(&key, body.as_bytes());
        assert_eq!(answer.status, 202, "seed {}: {}", self.seed, answer.body);
        let job = answer.body["job_id"].as_str().unwrap_or_default().to_owned();
        // It is newer than everything that was accepted before it, however late it is unpacked.
        let mut before = BTreeMap::new();
        for (name, content) in &contents {
            self.contents.entry(name.clone()).or_default().push(content.clone());
            let was = self.expected.insert(name.clone(), BTreeSet::from([Some(content.clone())]));
            before.insert(name.clone(), was.unwrap_or_else(|| BTreeSet::from([None])));
            self.jobs.insert(name.clone(), job.clone());
        }
        self.streamed.push(Streamed { job, contents, before, documents });
    }

    fn send_stream(&mut self, key: &str, body: &[u8]) -> Answer {
        let headers = [("content-type", "application/x-ndjson"), ("idempotency-key", key)];
        let told = json!(format!("{} bytes", body.len()));
        self.asked("POST", "/api/index", &told, |rig| rig.request_with_headers("POST", "/api/index", &headers, body))
    }

    fn is_unpacked(&self, job: &str) -> bool {
        self.unpack_state(job).is_some_and(|state| state == "done")
    }

    /// How far the item is that unpacks an upload; `None` if it is gone with its job.
    fn unpack_state(&self, job: &str) -> Option<String> {
        let items = self.rig.memory.look("SELECT job_id, state FROM job_items WHERE stage = 'unpack'");
        let item = items.into_iter().find(|item| item["job_id"] == json!(job))?;
        item["state"].as_str().map(str::to_owned)
    }

    /// A job was stopped: what of its upload was not unpacked leaves this name as it was to be before.
    pub(super) fn stop_stream(&mut self, job: &str, name: &str) {
        let Some(streamed) = self.streamed.iter().find(|streamed| streamed.job == job) else { return };
        let before = streamed.before.get(name).cloned().unwrap_or_default();
        self.expected.entry(name.to_owned()).or_default().extend(before);
    }

    /// A job is about to be stopped. Uploads that were accepted after it have taken over its names: should one of them
    /// never be unpacked, its names are not left to what the job brought, but to what is there without it.
    pub(super) fn stop_before_streams(&mut self, job: &str) {
        let stopped = self.streamed.iter().find(|streamed| streamed.job == job).cloned();
        let mut later = std::mem::take(&mut self.streamed);
        // Ids of jobs begin with the time.
        for streamed in later.iter_mut().filter(|streamed| streamed.job.as_str() > job) {
            for (name, before) in &mut streamed.before {
                before.insert(self.published(name));
                before.extend(stopped.iter().filter_map(|stopped| stopped.before.get(name)).flatten().cloned());
            }
        }
        self.streamed = later;
    }

    /// Every document of every upload that was unpacked is accounted for, once. Who tried one again when it was not
    /// kept any more has what they had before, the newest first: what it replaced may have been such a one, too.
    pub(super) fn check_streams(&mut self) -> Result<(), String> {
        for streamed in self.streamed.clone().into_iter().rev() {
            if self.is_unpacked(&streamed.job) {
                self.check_items(&streamed)?;
                continue;
            }
            for (name, content) in &streamed.contents {
                if self.expected.get(name).is_some_and(|expected| expected.contains(&Some(content.clone()))) {
                    self.stop_stream(&streamed.job, name);
                }
            }
        }
        self.none(
            "an upload is left in R2 that nothing unpacks any more",
            "SELECT u.job_id FROM uploads u WHERE u.cleared_at IS NULL
               AND EXISTS (SELECT 1 FROM job_items i WHERE i.job_id = u.job_id AND i.stage = 'unpack'
                           AND i.state IN ('done', 'cancelled'))",
        )
    }

    fn check_items(&self, streamed: &Streamed) -> Result<(), String> {
        let path = format!("/api/jobs/{}/items", streamed.job);
        let answer = self.rig.request("GET", &path, &Value::Null);
        if answer.status == 404 {
            // Its job ended long ago, and is forgotten.
            return Ok(());
        }
        let listed = answer.body["items"].as_array().cloned().unwrap_or_default();
        let is_whole = listed.len() == streamed.documents
            && listed.iter().enumerate().all(|(index, item)| item["index"] == json!(index));
        if !is_whole {
            return self.violated(&format!(
                "{} of {} documents are listed: {listed:?}",
                listed.len(),
                streamed.documents
            ));
        }
        let ended = ["done", "duplicate", "in_progress", "rejected", "failed", "cancelled", "superseded"];
        match listed.iter().find(|item| !ended.contains(&item["status"].as_str().unwrap_or_default())) {
            Some(item) => self.violated(&format!("an item of {} has not ended: {item}", streamed.job)),
            None => Ok(()),
        }
    }
}
