//! Requests, workers and the schedule in the middle of what they do, while others go on.

use std::{
    pin::Pin,
    task::{Context, Waker},
};

use bytes::Bytes;
use http::Request;
use pipeline::{
    ids::RequestId,
    job::{message::Message, outcome::Outcome},
    platform::ports::{Clock as _, Random as _},
};
use producers::{http::handle::handle, schedule::Schedule};
use serde_json::Value;
use test_platform::Fate;

use super::{Answer, Rig, answer_of, settings, tick, work};
use crate::described;

/// A worker in the middle of a message; polled, it works until it pauses, dies or ends.
pub type Worker = Held<Outcome>;

/// A request in the middle of being answered.
pub type HeldRequest = Held<Answer>;

type Held<Output> = Pin<Box<dyn Future<Output = Output>>>;

impl Rig {
    /// Lets a request by the first user run up to one of its calls, where it waits while others are answered; `None`
    /// if it has no such call.
    pub fn hold_request(&self, method: &str, path: &str, body: &Value, call: u64) -> Option<HeldRequest> {
        self.hold_request_with_headers(method, path, &[], body, call)
    }

    /// The same of a request with headers.
    pub fn hold_request_with_headers(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
        call: u64,
    ) -> Option<HeldRequest> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://test{path}"))
            .header("authorization", format!("Bearer {}", self.key));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Bytes::from(body.to_string())).unwrap();
        let request_id = RequestId::new(self.memory.now(), self.memory.bytes());
        let worker = self.memory.worker("held");
        let method = method.to_owned();
        let request = Box::pin(async move {
            let (reply, summary) = handle(&worker, &settings(), request, request_id).await;
            described::check(&method, summary.route, &reply);
            answer_of(reply)
        });
        self.hold_at(request, call)
    }

    /// A worker of its own at a message: it can pause in the middle while others go on.
    pub fn worker(&self, name: &str, message: &Message) -> Worker {
        self.worker_again(name, message, 1)
    }

    /// The same at a message that was delivered so many times.
    pub fn worker_again(&self, name: &str, message: &Message, deliveries: u32) -> Worker {
        let (worker, name, message) = (self.memory.worker(name), name.to_owned(), message.clone());
        Box::pin(async move { work(&worker, &name, &message, deliveries).await.outcome })
    }

    /// Lets a worker run up to one of its calls, where it waits; `None` if it ended before.
    pub fn hold(&self, message: &Message, call: u64) -> Option<Worker> {
        self.hold_at(self.worker("held", message), call)
    }

    fn hold_at<Output>(&self, mut held: Held<Output>, call: u64) -> Option<Held<Output>> {
        let mut calls = 0;
        self.memory.set_fates(move || {
            calls += 1;
            if calls == call { Fate::Pauses } else { Fate::Works }
        });
        let polled = held.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        self.memory.heal();
        if polled.is_pending() { Some(held) } else { None }
    }

    /// The schedule in a worker of its own.
    pub fn cron_worker(&self, name: &str, schedule: Schedule) -> Worker {
        let worker = self.memory.worker(name);
        Box::pin(async move {
            let _ = tick(&worker, schedule).await;
            Outcome::Done
        })
    }

    /// Lets the schedule run up to one of its calls, where it waits; `None` if it ended before.
    pub fn hold_cron(&self, schedule: Schedule, call: u64) -> Option<Worker> {
        self.hold_at(self.cron_worker("held", schedule), call)
    }
}
