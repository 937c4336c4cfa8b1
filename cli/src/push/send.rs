//! Batches on their way, several at once, and what the server says of each file.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde_json::Value;

use super::{
    batches::{self, Body},
    files::{File, Skipped},
    follow::{Bars, Followed},
    manifest::Compared,
    report::{Report, rejected},
};
use crate::{
    arguments::Push,
    client::{Request, idempotency_key},
    context::Context,
    failure::Failure,
    project::Project,
};

/// Batches on their way at once.
const IN_FLIGHT: usize = 4;

/// What the senders share.
#[derive(Debug, Default)]
struct Shared {
    waiting: VecDeque<Vec<File>>,
    /// Batches that are read or on their way.
    sending: usize,
    /// Jobs that bring what was sent, with where the server lists what became of each file.
    jobs: Vec<(String, Option<String>)>,
    sent: u64,
    /// The files of batches that were accepted.
    accepted: HashSet<String>,
    skipped: Vec<Skipped>,
    failed: Vec<Skipped>,
    /// Why nothing more is sent.
    end: Option<Failure>,
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sends everything that is to be sent, and follows it until it is searchable.
///
/// # Errors
/// The server refuses, or is not reached any more. What was sent before is noted in the report.
pub fn send(
    project: &Project,
    compared: &Compared,
    arguments: &Push,
    context: &Context,
    report: &mut Report,
) -> Result<(), Failure> {
    let bytes = compared.bytes();
    let waiting: VecDeque<Vec<File>> = batches::plan(compared.to_send(), bytes).into();
    if waiting.is_empty() {
        return Ok(());
    }
    let shared = Mutex::new(Shared { waiting, ..Shared::default() });
    let bars = Bars::new(context.output, bytes, !arguments.no_wait);
    let mut followed = Followed::new();
    let result = std::thread::scope(|scope| {
        for _ in 0..IN_FLIGHT {
            scope.spawn(|| work(project, arguments, context, &shared));
        }
        watch(&shared, &mut followed, &bars, arguments, context)
    });
    bars.finish();
    let shared = shared.into_inner().unwrap_or_else(PoisonError::into_inner);
    report.note_sent(compared, |name| shared.accepted.contains(name));
    report.skip(shared.skipped);
    report.fail(shared.failed);
    report.jobs = shared.jobs.iter().map(|(job, _)| job.clone()).collect();
    let finished = followed.finish(&shared.jobs, project, compared, context, report);
    // What ended the sending is why the rest is not known.
    shared.end.map_or(result, Err).and(finished)
}

/// While batches are sent, and then until their jobs have ended.
fn watch(
    shared: &Mutex<Shared>,
    followed: &mut Followed,
    bars: &Bars,
    arguments: &Push,
    context: &Context,
) -> Result<(), Failure> {
    loop {
        let (is_sent, jobs, sent) = {
            let shared = lock(shared);
            let is_sent = shared.sending == 0 && (shared.waiting.is_empty() || shared.end.is_some());
            (is_sent, shared.jobs.clone(), shared.sent)
        };
        bars.uploaded(sent);
        if is_sent && (arguments.no_wait || followed.has_ended(&jobs)) {
            return Ok(());
        }
        if !arguments.no_wait {
            followed.look(&jobs, context)?;
            bars.show(followed);
        }
        followed.pause();
    }
}

/// Sends batches until there are no more.
fn work(project: &Project, arguments: &Push, context: &Context, shared: &Mutex<Shared>) {
    loop {
        let batch = {
            let mut shared = lock(shared);
            let batch = if shared.end.is_none() { shared.waiting.pop_front() } else { None };
            shared.sending += usize::from(batch.is_some());
            batch
        };
        let Some(batch) = batch else { return };
        let bytes: u64 = batch.iter().map(|file| file.bytes).sum();
        let done = batches::body(project, &batch, arguments).and_then(|body| {
            let answer = if body.names.is_empty() { Value::Null } else { post(&body, arguments, context)? };
            Ok((body, answer))
        });
        let mut shared = lock(shared);
        shared.sending -= 1;
        match done {
            Ok((body, answer)) => take(&mut shared, project, body, &answer, bytes),
            Err(failure) => shared.end = Some(failure),
        }
    }
}

fn post(body: &Body, arguments: &Push, context: &Context) -> Result<Value, Failure> {
    let path = if arguments.allow_secrets { "/api/index?allow_secrets=true" } else { "/api/index" };
    let mut request = Request { body: Some(("application/x-ndjson", &body.bytes)), ..Request::new("POST", path) };
    if body.is_compressed {
        request = request.with("content-encoding", "gzip");
    }
    // The same key for each attempt of this batch: however often it arrives, it is taken once.
    let request = request.once(&idempotency_key());
    match context.client.send(&request) {
        Ok(reply) => taken(reply.json()?),
        // Refused whole because each of its files is: the answer is one problem that names them all.
        Err(failure) => match failure.problem.as_ref().filter(|problem| problem.status == 422) {
            Some(problem) => Ok(all_rejected(body, &problem.detail, &problem.errors)),
            None => Err(failure),
        },
    }
}

/// An answer that says what became of the documents, or where that is listed: whoever says neither has taken nothing.
fn taken(answer: Value) -> Result<Value, Failure> {
    if answer["items"].is_array() || answer["items_url"].is_string() {
        return Ok(answer);
    }
    Err(Failure::no_friend("what became of what was sent"))
}

fn all_rejected(body: &Body, detail: &str, errors: &[pipeline::problem::FieldError]) -> Value {
    let items = (0..body.names.len()).map(|index| {
        let detail = errors.get(index).map_or(detail, |error| error.detail.as_str());
        serde_json::json!({ "index": index, "status": "rejected", "error": { "detail": detail } })
    });
    serde_json::json!({ "items": items.collect::<Vec<Value>>() })
}

/// Notes what the server says of a batch.
fn take(shared: &mut Shared, project: &Project, body: Body, answer: &Value, bytes: u64) {
    shared.sent += bytes;
    shared.accepted.extend(body.names.iter().cloned());
    shared.skipped.extend(body.skipped);
    if let Some(job) = answer["job_id"].as_str() {
        shared.jobs.push((job.to_owned(), answer["items_url"].as_str().map(str::to_owned)));
    }
    for item in answer["items"].as_array().into_iter().flatten() {
        if let Some(failed) = rejected(item, project, &body.names) {
            shared.failed.push(failed);
        }
        // An earlier push brings it: that one is waited for as well.
        let other = item["job_id"].as_str().filter(|_| item["status"] == "in_progress");
        if let Some(job) = other.filter(|job| !shared.jobs.iter().any(|(known, _)| known == job)) {
            shared.jobs.push((job.to_owned(), None));
        }
    }
}
