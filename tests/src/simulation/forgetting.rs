//! What clients do not want any longer. In an eighth of the histories they keep documents for a day: what is older may
//! go by itself, what was accepted since may not, whatever it replaces. In others much fails for good, and they cancel
//! what has failed in part.

use pipeline::{
    platform::ports::Clock as _,
    time::{DAY, Timestamp},
};
use serde_json::{Value, json};

use super::history::Simulation;

impl Simulation {
    /// True if this history's clients keep documents for a day.
    pub(super) const fn forgets(&self) -> bool {
        matches!(self.seed % 16, 6 | 12) && self.plan.outage.is_none()
    }

    /// They say so, and until when.
    pub(super) fn keep_documents(&mut self, days: Option<u32>) {
        if !self.forgets() {
            return;
        }
        let profile = json!({"retention": {"document_days": days}});
        let answer = self.rig.request("PATCH", "/api/me", &profile);
        assert_eq!(answer.status, 200, "seed {}: {}", self.seed, answer.body);
        self.note("client", || format!("keeps documents for {days:?} days"));
    }

    /// A name's document was uploaded, not before this.
    pub(super) fn note_uploaded(&mut self, name: &str, at: Timestamp) {
        self.uploaded.insert(name.to_owned(), at);
    }

    /// From here on what is older than its owner wants may be gone.
    pub(super) fn may_forget(&mut self) {
        if !self.forgets() {
            return;
        }
        let now = self.rig.memory.now();
        for (name, expected) in &mut self.expected {
            let is_old = self.uploaded.get(name).is_none_or(|uploaded| now.since(*uploaded) > DAY);
            if is_old {
                expected.insert(None);
            }
        }
    }

    /// True if this history's queues give much up.
    pub(super) const fn gives_up_soon(&self) -> bool {
        matches!(self.seed % 32, 5 | 29)
    }

    /// In such a history: an upload of which something has failed, while the rest is still at work.
    pub(super) fn half_failed(&self) -> Option<String> {
        if !self.gives_up_soon() {
            return None;
        }
        let jobs = self.rig.memory.look(
            "SELECT j.id FROM jobs j WHERE j.kind = 'index' AND j.finished_at IS NULL AND j.accepted_at IS NOT NULL
               AND EXISTS (SELECT 1 FROM job_items i WHERE i.id BETWEEN j.first_item AND j.last_item
                             AND i.state = 'failed')
             ORDER BY j.id DESC",
        );
        jobs.first()?["id"].as_str().map(str::to_owned)
    }

    /// What was cancelled has neither come back nor left anything that nobody will publish.
    pub(super) fn check_cancelled(&self) -> Result<(), String> {
        self.none("what was cancelled is worked on again", "SELECT * FROM revived")?;
        self.none(
            "a cancelled job has left a revision",
            "SELECT d.id, p.state FROM documents d JOIN job_items p ON p.id = d.latest_item
             JOIN jobs j ON j.id = p.job_id
             WHERE j.cancelled_at IS NOT NULL AND d.current_item IS NOT d.latest_item",
        )
    }

    /// Somebody wants a cancelled job to go on, or what failed once, by its dead letter.
    pub(super) fn try_again(&mut self) {
        match self.written % 3 {
            0 => {
                let Some(job) = self.cancelled.last().cloned() else { return };
                let answer = self.rig.request("POST", &format!("/api/jobs/{job}/retry"), &Value::Null);
                assert!(matches!(answer.status, 404 | 409), "seed {}: {}", self.seed, answer.body);
            }
            1 => {
                let letters = self.rig.request("GET", "/api/dead-letters", &Value::Null).body;
                let Some(letter) = letters["items"][0]["id"].as_str() else { return };
                let path = format!("/api/dead-letters/{letter}/replay");
                let answer = self.request("POST", &path, None, &Value::Null);
                assert!(matches!(answer.status, 202 | 404 | 409 | 410), "seed {}: {}", self.seed, answer.body);
            }
            _ => {}
        }
    }
}
