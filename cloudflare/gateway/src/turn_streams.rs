//! The answers that stream through a channel: what was published of each turn, and who follows it.

use std::{cell::RefCell, collections::HashMap};

use futures_channel::mpsc;
use futures_util::StreamExt;
use pipeline::{
    chat::channel::{self, StreamState, TurnEvent, Update},
    ids::JobId,
};
use serde_json::json;
use worker::{Error, Response, Result};

use crate::channel_log::{Entry, Log, TurnPart};

/// Somebody who follows one turn.
struct Listener {
    job: String,
    sender: mpsc::UnboundedSender<Vec<u8>>,
}

/// The turns of one channel.
#[derive(Default)]
pub struct TurnStreams {
    published: RefCell<HashMap<String, StreamState>>,
    listeners: RefCell<Vec<Listener>>,
}

impl TurnStreams {
    /// Keeps the events of an update that are news, and passes each on; false if its worker should stop.
    pub fn publish(&self, log: &Log, update: Update, pass_on: impl Fn(&Entry)) -> Result<bool> {
        let job = update.job.clone();
        let known = self.published(log, &job)?;
        let admission = channel::admit(Some(&known), update);
        for event in &admission.events {
            let entry = keep(log, &job, &admission.state, event)?;
            pass_on(&entry);
            self.send_to_listeners(&job, &entry, event.is_last());
        }
        self.published.borrow_mut().insert(job.to_string(), admission.state);
        Ok(admission.wanted)
    }

    /// What was published of a turn so far; after hibernation from the log.
    fn published(&self, log: &Log, job: &JobId) -> Result<StreamState> {
        if let Some(published) = self.published.borrow().get(job.as_str()) {
            return Ok(published.clone());
        }
        log.stream_state(job.as_str())
    }

    fn send_to_listeners(&self, job: &JobId, entry: &Entry, is_last: bool) {
        let line = line(entry);
        self.listeners.borrow_mut().retain(|listener| {
            listener.job != job.as_str() || (listener.sender.unbounded_send(line.clone()).is_ok() && !is_last)
        });
    }

    /// The events of a turn after `since`, and those to come, as JSON lines until the last.
    pub fn listen(&self, log: &Log, job: &str, since: i64) -> Result<Response> {
        let (sender, receiver) = mpsc::unbounded();
        let mut ended = false;
        let mut entries = log.of_job(job, since)?.into_iter().peekable();
        while let Some(entry) = entries.next() {
            // An end that others follow was none: the turn failed and was tried again.
            if entry.is_last && entries.peek().is_some() {
                continue;
            }
            ended = entry.is_last;
            let _ = sender.unbounded_send(line(&entry));
        }
        if !ended {
            self.listeners.borrow_mut().push(Listener { job: job.to_owned(), sender });
        }
        Response::from_stream(receiver.map(Ok::<Vec<u8>, Error>))
    }

    /// True while somebody follows a turn.
    pub fn is_followed(&self) -> bool {
        self.listeners.borrow_mut().retain(|listener| !listener.sender.is_closed());
        !self.listeners.borrow().is_empty()
    }

    /// Forgets what was published, as the log has.
    pub fn forget(&self) {
        self.published.borrow_mut().clear();
    }
}

fn keep(log: &Log, job: &JobId, state: &StreamState, event: &TurnEvent) -> Result<Entry> {
    let mut data = serde_json::to_value(event)?;
    data["job_id"] = json!(job);
    let length = if let TurnEvent::Delta { text, .. } = event { text.len() } else { 0 };
    log.append(&data, Some(TurnPart { job: job.as_str(), attempt: &state.attempt, length }))
}

fn line(entry: &Entry) -> Vec<u8> {
    [entry.text.as_bytes(), b"\n"].concat()
}
