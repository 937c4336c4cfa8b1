//! What must hold whatever happened: while it happens, and when all has come to rest.

use std::{
    collections::BTreeSet,
    task::{Context, Waker},
};

use pipeline::{
    constants,
    platform::ports::Clock as _,
    time::{HOUR, SECOND},
};
use producers::schedule::Schedule;
use serde_json::{Value, json};

use super::{
    clients::unique_word,
    history::{LONGEST_LIFE, PLENTY, Simulation},
};

/// More than any history needs to index what it parked.
const DAYS_PARKED: u32 = 60;

impl Simulation {
    /// A document that searches see is there whole.
    pub(super) fn never_half_visible(&mut self) -> Result<(), String> {
        let half = self.rig.memory.look(
            "SELECT d.id, d.current FROM documents d WHERE d.current IS NOT NULL AND d.deleted_at IS NULL
               AND d.chunk_count <> (SELECT count(*) FROM chunks c
                    WHERE c.id >= d.current_first AND c.id < d.current_first + d.chunk_count
                      AND c.document_id = d.id AND c.revision = d.current)",
        );
        if half.is_empty() { Ok(()) } else { self.violated(&format!("half-visible: {half:?}")) }
    }

    /// No more faults: everything that was accepted is worked off, what failed is tried again by its
    /// owner, and nothing is left to do.
    pub(super) fn come_to_rest(&mut self) -> Result<(), String> {
        self.rig.memory.heal();
        self.lists_say_what_jobs_say()?;
        // What is still at it removes nothing that its owner wants to keep now.
        self.may_forget();
        self.keep_documents(None);
        let mut context = Context::from_waker(Waker::noop());
        for mut running in std::mem::take(&mut self.running) {
            if self.rig.memory.now().since(running.started) <= LONGEST_LIFE {
                // Without faults nothing waits for anything: it ends.
                let ended = (0..10_000).any(|_| running.future.as_mut().poll(&mut context).is_ready());
                assert!(ended, "seed {}: a worker that never ends", self.seed);
            }
        }
        for _ in 0..5 {
            self.wait_for_tomorrow()?;
            if !self.rig.converge() {
                let open = self.rig.memory.look(
                    "SELECT j.kind, i.stage, i.state, i.attempts, i.error FROM jobs j
                     LEFT JOIN job_items i ON i.id BETWEEN j.first_item AND j.last_item WHERE j.finished_at IS NULL",
                );
                return self.violated(&format!("work is left: {open:?}"));
            }
            let failed = self.failed_jobs();
            if failed.is_empty() {
                break;
            }
            for job in failed {
                self.rig.request("POST", &format!("/api/jobs/{job}/retry"), &Value::Null);
            }
        }
        // The last retry ends, too, before what it left is looked for.
        if !self.rig.converge() {
            return self.violated("the last retry does not end");
        }
        if !self.failed_jobs().is_empty() && self.streams() {
            // What was kept for its owner to try again is kept for a day.
            self.rig.memory.advance(constants::FAILED_UPLOAD_KEPT);
        }
        self.lists_say_what_jobs_say()?;
        self.rig.memory.advance(2 * constants::MAX_WRITER_LIFE);
        if !self.rig.converge() {
            return self.violated("the second visit does not end");
        }
        // Before they are summed up: a row of one that was taken for dead, and its own.
        self.none(
            "neurons are counted twice",
            "SELECT a.id FROM usage_log a JOIN usage_log b ON b.id = a.id AND b.source <> 'abandoned'
             WHERE a.source = 'abandoned'",
        )?;
        self.rig.memory.advance(2 * HOUR);
        for schedule in [Schedule::Hourly, Schedule::Frequent] {
            self.rig.run_cron(schedule).1.map_err(|failure| failure.to_string())?;
        }
        Ok(())
    }

    /// A list of jobs tells how each is in its own words, from a look at much less.
    fn lists_say_what_jobs_say(&mut self) -> Result<(), String> {
        // Every look at a job costs the history time.
        if self.seed % 8 != 3 {
            return Ok(());
        }
        let listed = self.rig.request("GET", "/api/jobs", &Value::Null).body;
        for entry in listed["items"].as_array().into_iter().flatten() {
            let view = self.rig.job(entry["id"].as_str().unwrap_or_default());
            if (&view["status"], &view["items"]["rejected"]) != (&entry["status"], &entry["rejected"]) {
                return self.violated(&format!("a list says {entry} of {view}"));
            }
        }
        Ok(())
    }

    /// Every day brings neurons for some of what is parked.
    fn wait_for_tomorrow(&mut self) -> Result<(), String> {
        self.rig.converge();
        while !self.rig.memory.look("SELECT id FROM job_items WHERE state = 'parked'").is_empty() {
            self.days_parked += 1;
            if self.days_parked > DAYS_PARKED {
                return self.violated("work is parked for ever");
            }
            self.a_day_passes();
            self.rig.converge();
        }
        Ok(())
    }

    pub(super) fn erase_everything(&mut self) {
        self.rig.memory.heal();
        let listed = self.rig.request("GET", "/api/documents", &Value::Null).body;
        for document in listed["items"].as_array().into_iter().flatten() {
            let id = document["id"].as_str().unwrap_or_default();
            let answer = self.rig.request("DELETE", &format!("/api/documents/{id}"), &Value::Null);
            assert_eq!(answer.status, 202, "seed {}: {}", self.seed, answer.body);
            if let Some(name) = document["external_id"].as_str() {
                self.expected.insert(name.to_owned(), BTreeSet::from([None]));
            }
        }
        self.rig.drain();
    }

    pub(super) fn violated<T>(&self, what: &str) -> Result<T, String> {
        Err(format!("seed {}: {what}", self.seed))
    }

    pub(super) fn none(&self, what: &str, sql: &'static str) -> Result<(), String> {
        let rows = self.rig.memory.look(sql);
        if rows.is_empty() { Ok(()) } else { self.violated(&format!("{what}: {rows:?}")) }
    }

    pub(super) fn check(&mut self) -> Result<(), String> {
        self.never_half_visible()?;
        // A hit in the millisecond of an eviction is not after it.
        self.rig.memory.advance(SECOND);
        self.check_streams()?;
        self.check_documents()?;
        self.vectors_come_back()?;
        self.check_leftovers()?;
        self.check_conversations()?;
        self.check_memories()?;
        // Reading brought back what was archived; that leaves nothing either.
        self.rig.run_cron(Schedule::Frequent).1.map_err(|failure| failure.to_string())?;
        self.check_objects()?;
        self.check_ledger()
    }

    /// Nothing lost, nothing that was deleted, each found by its own words.
    fn check_documents(&self) -> Result<(), String> {
        for (name, expected) in &self.expected {
            let published = self.published(name);
            if !expected.contains(&published) {
                let begin =
                    |content: &Option<String>| content.as_deref().map(|text| text.chars().take(40).collect::<String>());
                let expected: Vec<_> = expected.iter().map(begin).collect();
                return self.violated(&format!("{name} holds {:?}, expected {expected:?}", begin(&published)));
            }
            if let Some(content) = &published {
                let id = self.document_id(name).unwrap_or_default();
                let original = self.rig.request("GET", &format!("/api/documents/{id}/original"), &Value::Null);
                if original.body.as_str() != Some(content) {
                    return self.violated(&format!("the original of {name} is not what was uploaded"));
                }
            }
            let Some(word) = published.as_deref().and_then(unique_word) else { continue };
            let query = json!({"query": word, "mode": "keyword", "group_by": "document"});
            if !self.rig.search(&query).contains(name) {
                return self.violated(&format!("{name} is not found by {word}"));
            }
        }
        Ok(())
    }

    /// What was evicted was found just now, by keyword: given room it is embedded again.
    fn vectors_come_back(&mut self) -> Result<(), String> {
        self.none(
            "an eviction was not finished",
            "SELECT id FROM documents WHERE evicting IS NOT NULL AND evicted_at IS NOT NULL",
        )?;
        self.rig.memory.set_limits(PLENTY);
        self.rig.memory.advance(constants::MAX_WRITER_LIFE);
        // A hit while its pack is on its way puts a document off to the next run.
        for _ in 0..2 {
            self.rig.run_cron(Schedule::Hourly).1.map_err(|failure| failure.to_string())?;
            if !self.rig.converge() {
                return self.violated("embedding again does not end");
            }
        }
        self.none(
            "vectors did not come back",
            "SELECT id, external_id, current, latest, hit_at, evicted_at, evicting, current_item FROM documents
             WHERE evicted_at IS NOT NULL AND deleted_at IS NULL",
        )
    }

    /// Every question once, with one answer, in order; archived or not.
    fn check_conversations(&self) -> Result<(), String> {
        for (conversation, turns) in &self.turns {
            let answer = self.rig.request("GET", &format!("/api/conversations/{conversation}"), &Value::Null);
            let numbers: Vec<i64> = answer.body["messages"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|message| message["number"].as_i64())
                .collect();
            let expected: Vec<i64> = (1..=2 * i64::try_from(*turns).unwrap()).collect();
            if numbers != expected {
                return self.violated(&format!("{conversation} of {turns} turns has messages {numbers:?}"));
            }
        }
        self.none(
            "a turn of no conversation",
            "SELECT number FROM turns t
             WHERE NOT EXISTS (SELECT 1 FROM conversations c WHERE c.user_id = t.user_id AND c.id = t.conversation_id)",
        )
    }

    /// Of what was said in a session at most five memories are proposed, each once, and none of what was handed over is
    /// lost before that.
    fn check_memories(&self) -> Result<(), String> {
        self.none(
            "a session proposed too much",
            "SELECT source, count(*) AS memories FROM memories GROUP BY source HAVING count(*) > 5",
        )?;
        self.none(
            "proposals are counted wrong",
            "SELECT s.session_id, s.proposals FROM hook_sessions s
             WHERE s.proposals <> (SELECT count(*) FROM memories m
                                   WHERE m.source = 'Claude Code, session ' || s.session_id)",
        )?;
        self.none(
            "what was said was handed over twice",
            "SELECT one.value ->> 'text' AS text FROM handed_over h, json_each(h.said, '$.said') one
             GROUP BY 1 HAVING count(DISTINCT h.item) > 1",
        )?;
        self.none(
            "what was handed over is lost",
            "SELECT one.value ->> 'text' AS text
             FROM handed_over h JOIN job_items i ON i.id = h.item, json_each(h.said, '$.said') one
             WHERE i.state = 'done'
               AND rtrim(one.value ->> 'text', '.') NOT IN (SELECT text FROM memories)
               AND (SELECT proposals FROM hook_sessions WHERE session_id = h.said ->> 'session_id') < 5",
        )
    }

    /// No orphan in any store.
    fn check_leftovers(&self) -> Result<(), String> {
        self.none("a claim was stolen", "SELECT * FROM stolen")?;
        self.check_cancelled()?;
        self.none("what had ended was given up", "SELECT * FROM undone")?;
        self.none("what had attempts left was given up", "SELECT * FROM healthy")?;
        self.none("garbage is left", "SELECT * FROM garbage")?;
        self.none("a job is left", "SELECT id, kind FROM jobs WHERE finished_at IS NULL")?;
        self.none(
            "an orphaned chunk",
            "SELECT c.id, c.document_id, c.revision FROM chunks c
             LEFT JOIN documents d ON d.user_id = c.user_id AND d.id = c.document_id
             WHERE d.current IS NOT c.revision OR d.deleted_at IS NOT NULL",
        )?;
        let chunks = self.rig.memory.look("SELECT count(*) AS count FROM chunks");
        if chunks[0]["count"].as_i64() != Some(self.rig.memory.indexed_chunks()) {
            return self.violated("chunks and full text differ");
        }
        let wanted: BTreeSet<String> = self
            .rig
            .memory
            .look("SELECT document_id, revision, chunk_index FROM chunks")
            .iter()
            .map(|chunk| {
                let id = chunk["document_id"].as_str().unwrap_or_default();
                format!("{id}-{}-{}", chunk["revision"], chunk["chunk_index"])
            })
            .collect();
        let stored: BTreeSet<String> = self.rig.memory.vector_ids().into_iter().collect();
        if wanted != stored {
            let differ: Vec<&String> = wanted.symmetric_difference(&stored).collect();
            return self.violated(&format!("vectors: {differ:?}"));
        }
        self.check_objects()?;
        let unreadable = self.rig.memory.look("SELECT id FROM dead_letters WHERE stage = 'unreadable'");
        if unreadable.len() == self.poisons.len() {
            Ok(())
        } else {
            self.violated(&format!("{} of {} unreadable messages are recorded", unreadable.len(), self.poisons.len()))
        }
    }

    /// Every object is a pack that holds a document, or the archive of a conversation.
    fn check_objects(&self) -> Result<(), String> {
        let text = |rows: Vec<Value>, field: &str| -> BTreeSet<String> {
            rows.iter().map(|row| row[field].as_str().map_or_else(|| row[field].to_string(), str::to_owned)).collect()
        };
        let packs = text(
            self.rig.memory.look(
                "SELECT DISTINCT current_item AS pack FROM documents WHERE current IS NOT NULL AND deleted_at IS NULL",
            ),
            "pack",
        );
        let archives = text(
            self.rig.memory.look("SELECT archived_key FROM conversations WHERE archived_key IS NOT NULL"),
            "archived_key",
        );
        for key in self.rig.memory.object_keys() {
            let is_pack = key.rsplit_once("/packs/").is_some_and(|(_, pack)| packs.contains(pack));
            if !is_pack && !archives.contains(&key) && !key.starts_with("archives/usage/") {
                return self.violated(&format!("an orphaned object: {key}"));
            }
        }
        Ok(())
    }

    /// The day's neurons are the sum of all usage rows; nothing stays reserved.
    fn check_ledger(&self) -> Result<(), String> {
        self.none("neurons are still reserved", "SELECT * FROM reservations")?;
        let sums = self.rig.memory.look(
            "SELECT (SELECT total(neurons) FROM budget) AS days,
                    (SELECT total(neurons) FROM usage_log) + (SELECT total(neurons) FROM usage_hourly)
                        + (SELECT total(neurons) FROM usage_daily) AS rows",
        );
        let number = |field: &str| sums[0][field].as_f64().unwrap_or(f64::NAN);
        let (days, rows) = (number("days"), number("rows"));
        if (days - rows).abs() > 1e-6 {
            return self.violated(&format!("the ledger says {days} neurons, its rows {rows}"));
        }
        let billed = self.rig.memory.billed_after_reserving();
        if rows + 1e-6 >= billed {
            Ok(())
        } else {
            self.violated(&format!("{billed} neurons were spent, {rows} counted"))
        }
    }
}
