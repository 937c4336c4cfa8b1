//! Durable Objects in memory: what is published about turns, and what is said in sessions.

use pipeline::{
    chat::channel::{self, Channel, EventPage, Saying, Update},
    failure::Failure,
    platform::ports::Channels,
    problem::Problem,
};
use serde_json::json;

use crate::{in_memory::InMemory, service::Service};

impl Channels for InMemory {
    async fn publish(&self, channel: &Channel, update: Update) -> Result<bool, Failure> {
        self.count(|usage| usage.object_requests += 1);
        self.call(Service::Channels, || {
            let job = update.job.to_string();
            let admission = channel::admit(self.streams.borrow().get(&job), update);
            self.count_channel(self.streams.borrow().contains_key(&job), admission.events.len());
            self.streams.borrow_mut().insert(job, admission.state);
            self.channels.borrow_mut().entry(channel.name()).or_default().extend(admission.events);
            Ok(admission.wanted)
        })
        .await
    }

    async fn events_after(&self, channel: &Channel, since: i64) -> Result<EventPage, Failure> {
        self.count(|usage| usage.object_requests += 1);
        self.call(Service::Channels, || {
            let said = self.said.borrow().get(&channel.name()).cloned().unwrap_or_default();
            let events = said.into_iter().filter(|event| event["sequence"].as_i64() > Some(since));
            Ok(EventPage { events: events.collect(), more: false })
        })
        .await
    }

    async fn say(&self, saying: &Saying) -> Result<Result<i64, Problem>, Failure> {
        self.count(|usage| usage.object_requests += 1);
        self.call(Service::Channels, || {
            let mut said = self.said.borrow_mut();
            let said = said.entry(saying.channel().name()).or_default();
            let number = said.len() + 1;
            let from = json!({ "id": "api", "name": saying.name, "role": "owner" });
            said.push(json!({ "sequence": number, "type": "message", "from": from, "text": saying.text }));
            Ok(Ok(i64::try_from(number).unwrap_or(0)))
        })
        .await
    }
}
