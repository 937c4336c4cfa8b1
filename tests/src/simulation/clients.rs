//! What clients ask for, and what they may expect from then on.

use std::collections::{BTreeMap, BTreeSet};

use pipeline::{platform::ports::Clock as _, time::MINUTE};
use producers::schedule::Schedule;
use serde_json::{Value, json};

use super::{
    history::{Simulation, chaos},
    trace::shortened,
};
use crate::rig::{Answer, Rig, prose};

/// Names that clients give their documents: few, so that revisions, deletes and cancels meet.
pub(super) const NAMES: u64 = 5;

impl Simulation {
    /// A request under fire; a client that did not hear back asks again, calmly.
    pub(super) fn request(&mut self, method: &str, path: &str, key: Option<&str>, body: &Value) -> Answer {
        self.asked(method, path, body, |rig| rig.request_with_key(method, path, key, body))
    }

    /// The same for whatever `send` sends, of which `told` is told.
    pub(super) fn asked(&mut self, method: &str, path: &str, told: &Value, send: impl Fn(&Rig) -> Answer) -> Answer {
        let fates = chaos(self.draw.next());
        self.put_under(fates);
        let first = send(&self.rig);
        self.rig.memory.heal();
        self.note_request(method, path, told, &first);
        if first.status < 500 {
            return first;
        }
        let mut answer = send(&self.rig);
        while answer.status >= 500 && self.is_out() {
            self.wait_a_minute();
            answer = send(&self.rig);
        }
        // The first may have died while it held the key: it is freed after a while.
        for _ in 0..20 {
            if answer.status != 409 {
                break;
            }
            self.rig.memory.advance(5 * MINUTE);
            self.may_forget();
            let _ = self.rig.run_cron(Schedule::Frequent);
            answer = send(&self.rig);
        }
        self.note_request(method, path, told, &answer);
        answer
    }

    fn note_request(&mut self, method: &str, path: &str, body: &Value, answer: &Answer) {
        self.note("client", || {
            let job = answer.body["job_id"].as_str().unwrap_or_default();
            format!("{method} {path} {}: {} {job}", shortened(body), answer.status)
        });
    }

    fn name(&mut self) -> String {
        name_of(self.draw.below(NAMES))
    }

    pub(super) fn upload(&mut self) {
        let mut documents = Vec::new();
        let mut contents = BTreeMap::new();
        for _ in 0..=self.draw.below(3) {
            let name = self.name();
            self.written += 1;
            let word = format!("unique{}x{}", self.seed, self.written);
            let content = match self.draw.below(10) {
                0 => prose(&word, 14),
                1 => format!("fn {word}() {{ sail(); }}\n"),
                // Something it held before: what it holds now, or what it goes back to.
                2 | 3 => self.earlier(&name).unwrap_or(word),
                _ => format!("About {word}, in a few words."),
            };
            contents.insert(name, content);
        }
        for (name, content) in &contents {
            documents.push(json!({"external_id": name, "content": content}));
        }
        let key = self.draw.percent(50).then(|| format!("key-{}", self.written));
        let before = self.rig.memory.now();
        let answer = self.request("POST", "/api/index", key.as_deref(), &json!({ "documents": documents }));
        assert!(matches!(answer.status, 200 | 202), "seed {}: {}", self.seed, answer.body);
        for (name, content) in contents {
            self.contents.entry(name.clone()).or_default().push(content.clone());
            self.expected.insert(name.clone(), BTreeSet::from([Some(content)]));
            let mut items = answer.body["items"].as_array().into_iter().flatten();
            let item = items.find(|item| item["external_id"] == json!(name)).unwrap_or(&Value::Null);
            // What is on its way already stays the business of the job that brings it: of an earlier one than the
            // last that took the name, if what that brings is not unpacked.
            let (is_queued, job) = match item["status"].as_str() {
                Some("queued") => (true, &answer.body["job_id"]),
                Some("in_progress") => (false, &item["job_id"]),
                _ => continue,
            };
            if is_queued {
                self.note_uploaded(&name, before);
            }
            if let Some(job) = job.as_str() {
                self.jobs.insert(name, job.to_owned());
            }
        }
    }

    fn earlier(&mut self, name: &str) -> Option<String> {
        let contents = self.contents.get(name)?;
        let place = usize::try_from(self.draw.below(contents.len() as u64)).unwrap();
        contents.get(place).cloned()
    }

    pub(super) fn document_id(&self, name: &str) -> Option<String> {
        let found = self.rig.request("GET", &format!("/api/documents?external_id={name}"), &Value::Null);
        found.body["items"][0]["id"].as_str().map(str::to_owned)
    }

    pub(super) fn delete(&mut self) {
        if self.is_out() {
            return;
        }
        let name = self.name();
        // By its id: the name of a revision that is on its way is not listed yet.
        let Some(id) = self.document_id(&name) else { return };
        let answer = self.request("DELETE", &format!("/api/documents/{id}"), None, &Value::Null);
        assert!(matches!(answer.status, 202 | 404), "seed {}: {}", self.seed, answer.body);
        self.expected.insert(name.clone(), BTreeSet::from([None]));
        self.jobs.remove(&name);
    }

    /// What the cancelled job wrote may be there or not; what was there before it may be, too.
    pub(super) fn cancel(&mut self) -> Result<(), String> {
        if self.is_out() {
            return Ok(());
        }
        let name = self.name();
        let Some(job) = self.half_failed().or_else(|| self.jobs.get(&name).cloned()) else { return Ok(()) };
        let before: Vec<(String, Option<String>)> = self
            .jobs
            .iter()
            .filter(|(_, of)| **of == job)
            .map(|(name, _)| (name.clone(), self.published(name)))
            .collect();
        self.stop_before_streams(&job);
        let answer = self.request("POST", &format!("/api/jobs/{job}/cancel"), None, &Value::Null);
        assert!(matches!(answer.status, 200 | 202 | 404 | 409), "seed {}: {}", self.seed, answer.body);
        for (name, published) in before {
            self.expected.entry(name.clone()).or_default().insert(published);
            self.stop_stream(&job, &name);
            self.jobs.remove(&name);
            // What was there before is as old as it was.
            self.uploaded.remove(&name);
        }
        if answer.body["status"] == "cancelled" {
            self.cancelled.push(job);
        }
        self.check_cancelled()
    }

    /// The text searches see of a name's document.
    pub(super) fn published(&self, name: &str) -> Option<String> {
        let id = self.document_id(name)?;
        let document = self.rig.request("GET", &format!("/api/documents/{id}?text=true"), &Value::Null).body;
        document["revision"].as_i64()?;
        let chunks = document["chunks"].as_array()?;
        Some(chunks.iter().map(|chunk| chunk["text"].as_str().unwrap_or_default()).collect())
    }

    pub(super) fn ask(&mut self) {
        self.written += 1;
        let going_on = self.turns.keys().nth(usize::try_from(self.draw.below(4)).unwrap()).cloned();
        // Each is new, so that none is answered from the cache.
        let message = format!("What about question number {}?", self.written);
        let key = format!("ask-{}", self.written);
        let body = json!({"message": message, "conversation_id": going_on});
        let answer = self.request("POST", "/api/chat", Some(&key), &body);
        assert!(matches!(answer.status, 200 | 202), "seed {}: {}", self.seed, answer.body);
        let conversation = answer.body["conversation_id"].as_str().unwrap_or_default().to_owned();
        *self.turns.entry(conversation).or_default() += 1;
    }

    /// A prompt that states something, or the end of a turn or of the session, in one of a few sessions. Whatever goes
    /// wrong is answered `{}`: nobody knows what was heard.
    pub(super) fn work_with_claude(&mut self) {
        let session = format!("session-{}", self.draw.below(2));
        self.written += 1;
        let (event, prompt) = match self.draw.below(4) {
            0 => ("SessionEnd", String::new()),
            1 => ("Stop", String::new()),
            _ => {
                let number = self.written;
                let word = format!("said{}x{number}", self.seed);
                ("UserPromptSubmit", format!("We decided to keep {word} in bucket {word}."))
            }
        };
        let body = json!({"hook_event_name": event, "session_id": session, "prompt": prompt});
        let answer = self.request("POST", "/hooks/claude-code", None, &body);
        assert_eq!(answer.status, 200, "seed {}: {}", self.seed, answer.body);
    }

    pub(super) fn read(&mut self) {
        if self.is_out() {
            return;
        }
        let Some(id) = self.turns.keys().next().cloned() else { return };
        let answer = self.request("GET", &format!("/api/conversations/{id}"), None, &Value::Null);
        assert_eq!(answer.status, 200, "seed {}: {}", self.seed, answer.body);
    }

    /// What is deleted is never found, and what is found is what was written.
    pub(super) fn search(&mut self) -> Result<(), String> {
        let name = self.name();
        // Some look for one document, which alone is noted as found then.
        let word = self.contents.get(&name).and_then(|contents| unique_word(contents.last()?));
        let query = match word {
            Some(word) if self.draw.percent(50) => json!({"query": word, "mode": "keyword"}),
            _ => json!({"query": "about unique words", "top_k": 50}),
        };
        let answer = self.request("POST", "/api/search", None, &query);
        for hit in answer.body["hits"].as_array().into_iter().flatten() {
            let name = hit["external_id"].as_str().unwrap_or_default();
            let gone = BTreeSet::from([None]);
            if self.expected.get(name).is_none_or(|expected| *expected == gone) {
                return self.violated(&format!("{name} is found, and was deleted"));
            }
        }
        Ok(())
    }

    pub(super) fn failed_jobs(&self) -> Vec<String> {
        self.rig
            .memory
            .look("SELECT DISTINCT job_id FROM job_items WHERE state = 'failed'")
            .iter()
            .filter_map(|row| row["job_id"].as_str().map(str::to_owned))
            .collect()
    }

    pub(super) fn retry(&mut self) {
        // What fails in an outage is not for its owner to repair.
        if self.plan.outage.is_some() {
            return;
        }
        self.try_again();
        for job in self.failed_jobs().into_iter().take(1) {
            self.request("POST", &format!("/api/jobs/{job}/retry"), None, &Value::Null);
        }
    }
}

/// The name that has this number.
pub(super) fn name_of(number: u64) -> String {
    format!("doc-{number}.md")
}

/// The word that only this content holds.
pub(super) fn unique_word(content: &str) -> Option<&str> {
    content.split_whitespace().find(|word| word.contains("unique"))
}
