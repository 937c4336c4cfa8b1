//! The whole product over ports in memory: real routes, real stages, real SQL.
#![expect(clippy::unwrap_used, clippy::panic, clippy::missing_panics_doc, reason = "a test that cannot go on fails")]

pub mod held;

use std::{cell::Cell, fmt::Write as _};

use bytes::Bytes;
use consumers::{Report, consume};
use http::Request;
use pipeline::{
    budget::{
        ledger::{self, Entry},
        purpose::Purpose,
    },
    constants,
    failure::Failure,
    ids::{RequestId, UserId},
    job::{message::Message, outcome::Outcome},
    platform::{
        ports::{Clock as _, Random as _},
        transaction::Write,
    },
    time::{MILLISECOND, Span},
};
use producers::{
    api::sessions::Participant,
    http::{
        call::Settings,
        handle::handle,
        reply::{Body, Reply},
    },
    schedule::{self, Schedule},
};
use serde_json::{Value, json};
use test_platform::{InMemory, ready};

use crate::described;

/// A product and the key of its first user.
#[derive(Debug)]
pub struct Rig {
    /// The platform.
    pub memory: InMemory,
    key: String,
    deliveries: Cell<u64>,
}

/// More than any test sends: what goes on beyond them goes on for ever.
const MESSAGES: usize = 20_000;

const ADMIN: &str = "administrator";

fn settings() -> Settings {
    Settings {
        pepper: b"pepper".to_vec(),
        admin_token: ADMIN.to_owned(),
        environment: "test".to_owned(),
        ..Settings::default()
    }
}

/// An answer: status, headers, body.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: http::HeaderMap,
    /// The body as JSON, or as text.
    pub body: Value,
}

impl Rig {
    /// A product with one user; `seed` decides its ids.
    pub fn new(seed: u64) -> Self {
        Self::with_schema(seed, "")
    }

    /// The same with more in its database than the product has.
    pub fn with_schema(seed: u64, schema: &'static str) -> Self {
        let memory = InMemory::with_schema(seed, schema);
        let mut rig = Self { memory, key: ADMIN.to_owned(), deliveries: Cell::new(0) };
        rig.key = rig.new_user();
        rig
    }

    /// A product over a platform that is there already, and the key of a user it knows.
    pub fn over(memory: InMemory, key: &str) -> Self {
        Self { memory, key: key.to_owned(), deliveries: Cell::new(0) }
    }

    /// Creates a user; their key.
    pub fn new_user(&self) -> String {
        self.request_as(ADMIN, "POST", "/api/keys", &[], b"{}").body["key"].as_str().unwrap().to_owned()
    }

    /// A request by the administrator.
    pub fn administer(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.request_as(ADMIN, method, path, &[], body.to_string().as_bytes())
    }

    /// A request by the first user.
    pub fn request(&self, method: &str, path: &str, body: &Value) -> Answer {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        self.request_as(&self.key, method, path, &[("content-type", "application/json")], text.as_bytes())
    }

    /// A request by the first user, with an idempotency key if there is one.
    pub fn request_with_key(&self, method: &str, path: &str, key: Option<&str>, body: &Value) -> Answer {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(key.map(|key| ("idempotency-key", key)));
        self.request_as(&self.key, method, path, &headers, text.as_bytes())
    }

    /// A request by the first user with headers.
    pub fn request_with_headers(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.request_as(&self.key, method, path, headers, body)
    }

    /// A request with a key and headers.
    pub fn request_as(&self, key: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://test{path}"))
            .header("authorization", format!("Bearer {key}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Bytes::copy_from_slice(body)).unwrap();
        self.memory.set_body(body.to_vec());
        let request_id = RequestId::new(self.memory.now(), self.memory.bytes());
        self.memory.begin(request_id.as_str());
        let (reply, summary) = ready(handle(&self.memory, &settings(), request, request_id));
        let entry = Entry {
            user: summary.user.as_ref(),
            key: summary.key.as_deref(),
            source: summary.route,
            purpose: Purpose::Interactive,
        };
        if summary.is_recorded {
            let _ = ready(ledger::record(&self.memory, entry));
        }
        self.memory.note_asked(&format!("{method} {}", summary.route));
        described::check(method, summary.route, &reply);
        self.assert_admitted();
        answer_of(reply)
    }

    /// Uploads documents; the job's id.
    pub fn upload(&self, documents: &Value) -> String {
        let answer = self.request("POST", "/api/index", &json!({ "documents": documents }));
        assert_eq!(answer.status, 202, "{}", answer.body);
        answer.body["job_id"].as_str().unwrap().to_owned()
    }

    /// Asks; the answer to the request.
    pub fn ask(&self, request: &Value) -> Answer {
        self.request("POST", "/api/chat", request)
    }

    /// Asks, lets the question be answered, and reads the turn.
    pub fn chat(&self, request: &Value) -> Value {
        let asked = self.ask(request);
        assert_eq!(asked.status, 202, "{}", asked.body);
        self.drain();
        self.job(asked.body["job_id"].as_str().unwrap())["result"].clone()
    }

    /// The user's id.
    pub fn user(&self) -> UserId {
        let me = self.request("GET", "/api/me", &Value::Null);
        UserId::parse(me.body["user_id"].as_str().unwrap()).unwrap()
    }

    /// Processes one message, delivered for the first time; what became of it.
    pub fn process(&self, message: &Message) -> Report {
        self.process_again(message, 1)
    }

    /// Processes one message, delivered so many times; what became of it.
    pub fn process_again(&self, message: &Message, deliveries: u32) -> Report {
        self.deliveries.set(self.deliveries.get() + 1);
        self.memory.begin(&format!("message-{}", self.deliveries.get()));
        let report = ready(work(&self.memory, "message", message, deliveries));
        self.assert_admitted();
        report
    }

    /// Lets a message's item have no attempts left, and its claim run out, as if its worker had been stopped again
    /// and again.
    pub fn use_up_attempts(&self, message: &Message) {
        let spend = Write::new(
            "UPDATE job_items SET attempts = ?2, lease = min(lease, ?3)
             WHERE id = ?1 AND state IN ('queued', 'running')",
        );
        let ended = self.memory.now().plus(-MILLISECOND);
        self.memory.begin("attempts");
        ready(spend.bind(message.item).bind(constants::ATTEMPTS).bind(ended).run(&self.memory)).unwrap();
    }

    /// Lets the schedule run, as a trigger of this schedule does.
    pub fn run_cron(&self, schedule: Schedule) -> (schedule::Report, Result<(), Failure>) {
        self.deliveries.set(self.deliveries.get() + 1);
        self.memory.begin(&format!("cron-{}", self.deliveries.get()));
        let ticked = ready(tick(&self.memory, schedule));
        self.assert_admitted();
        ticked
    }

    /// No invocation may have asked what production refuses one.
    fn assert_admitted(&self) {
        let refused = self.memory.take_refused();
        assert!(refused.is_empty(), "production refuses this: {refused:?}");
    }

    /// Processes messages until there are none; retries come after their time.
    pub fn drain(&self) {
        for _ in 0..MESSAGES {
            let Some(message) = self.memory.receive() else { return };
            if let Outcome::Retry { after, .. } = self.process(&message).outcome {
                self.memory.advance(after);
                self.memory.redeliver(message);
            }
        }
        panic!("messages without end");
    }

    /// Drains, lets the schedule run and time pass, until nothing is left to do. True if that comes.
    pub fn converge(&self) -> bool {
        for _ in 0..60 {
            self.drain();
            if self.memory.look("SELECT id FROM jobs WHERE finished_at IS NULL").is_empty()
                && self.remove_orphans() == 0
            {
                return true;
            }
            self.memory.advance(Span::minutes(2));
            let _ = self.run_cron(Schedule::Frequent);
        }
        false
    }

    fn remove_orphans(&self) -> usize {
        let (report, done) = self.run_cron(Schedule::Frequent);
        if done.is_ok() { report.orphans } else { 1 }
    }

    /// A job as its owner sees it.
    pub fn job(&self, id: &str) -> Value {
        self.request("GET", &format!("/api/jobs/{id}"), &Value::Null).body
    }

    /// Searches; external ids of the hits, best first.
    pub fn search(&self, request: &Value) -> Vec<String> {
        let answer = self.request("POST", "/api/search", request);
        assert_eq!(answer.status, 200, "{}", answer.body);
        let hits = answer.body["hits"].as_array().unwrap().clone();
        hits.iter().map(|hit| hit["external_id"].as_str().unwrap_or("-").to_owned()).collect()
    }

    /// Everything stored that must be the same whatever happened on the way.
    pub fn state(&self) -> Value {
        json!({
            "documents": self.memory.look(
                "SELECT id, external_id, title, latest = current AS published, latest_item = current_item AS same,
                        chunk_count, content_hash IS NOT NULL AS hashed, deleted_at IS NOT NULL AS deleted,
                        pending
                 FROM documents ORDER BY id"),
            "chunks": self.memory.look(
                "SELECT document_id, revision, chunk_index, start, \"end\", start_line, end_line, text
                 FROM chunks
                 ORDER BY document_id, revision, chunk_index"),
            "full_text": self.memory.indexed_chunks(),
            "garbage": self.memory.look("SELECT document_id, revision FROM garbage ORDER BY 1, 2"),
            "vectors": self.memory.vector_ids(),
            "objects": self.memory.object_keys().len(),
        })
    }
}

fn answer_of(reply: Reply) -> Answer {
    let body = match reply.body {
        Body::Bytes(bytes) => {
            serde_json::from_slice(&bytes).unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&bytes)))
        }
        Body::JobEvents(job) => Value::from(job.to_string()),
        Body::TurnEvents(turn) => json!({ "job": turn.job, "channel": turn.channel.name(), "since": turn.since }),
        Body::Join(joining) => json!(Participant::from_header(&joining.participant)),
        Body::WithChannel(known, _) => known,
        Body::CloseChannel(channel) => Value::from(channel.name()),
    };
    Answer { status: reply.status.as_u16(), headers: reply.headers, body }
}

/// An invocation at a message, as the consumer Worker runs it.
async fn work(ports: &InMemory, id: &str, message: &Message, deliveries: u32) -> Report {
    let report = consume(ports, id, &message.encode(), deliveries).await;
    ports.count_delivery(!matches!(report.outcome, Outcome::Retry { .. }));
    let stage = message.stage;
    let entry = Entry { user: report.user.as_ref(), key: None, source: stage.name(), purpose: stage.purpose() };
    let _ = ledger::record(ports, entry).await;
    ports.note_asked(stage.name());
    report
}

/// An invocation by cron, as the gateway Worker runs it.
async fn tick(ports: &InMemory, schedule: Schedule) -> (schedule::Report, Result<(), Failure>) {
    let done = schedule::run(ports, schedule).await;
    let entry = Entry { user: None, key: None, source: "cron", purpose: Purpose::Interactive };
    let _ = ledger::record(ports, entry).await;
    ports.note_asked(&format!("cron {schedule:?}"));
    done
}

/// A paragraph that is long enough to make chunks of its own when repeated.
pub fn prose(topic: &str, paragraphs: usize) -> String {
    let filler = "It goes on for a while in plain words. ".repeat(12);
    let mut text = String::new();
    for number in 0..paragraphs {
        let _ =
            write!(text, "## {topic} {number}\n\nThis part is about {topic} and its number is {number}. {filler}\n\n");
    }
    text
}
