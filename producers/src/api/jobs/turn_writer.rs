//! A turn's events as server-sent events. <https://html.spec.whatwg.org/multipage/server-sent-events.html>

use pipeline::{chat::channel::TurnEvent, ids::JobId};
use serde_json::json;

use crate::http::reply::EventWriter;

/// Writes a turn's events as they are, each with its number, so that a listener can come back for more.
#[derive(Debug)]
pub struct TurnWriter {
    job: JobId,
    has_ended: bool,
}

impl TurnWriter {
    /// For the events of this job.
    pub fn new(job: &JobId) -> Self {
        Self { job: job.clone(), has_ended: false }
    }
}

impl EventWriter for TurnWriter {
    fn write(&mut self, number: Option<i64>, event: &TurnEvent) -> String {
        self.has_ended |= event.is_last();
        let Ok(mut data) = serde_json::to_value(event) else { return String::new() };
        let id = number.map(|number| format!("id: {number}\n")).unwrap_or_default();
        let name = data["type"].as_str().unwrap_or_default().to_owned();
        data["job_id"] = json!(self.job);
        format!("{id}event: {name}\ndata: {data}\n\n")
    }

    fn has_ended(&self) -> bool {
        self.has_ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_carries_its_number_its_name_and_its_job() {
        let mut writer = TurnWriter::new(&JobId::parse("job_00000000000000000000000000").unwrap());
        let text = writer.write(Some(7), &TurnEvent::Restarted);
        assert!(text.starts_with("id: 7\nevent: restarted\ndata: {"), "{text}");
        assert!(text.contains(r#""job_id":"job_00000000000000000000000000""#) && text.ends_with("}\n\n"), "{text}");
        assert!(!writer.has_ended());
        assert!(writer.write(None, &TurnEvent::Cancelled).starts_with("event: cancelled\n"));
        assert!(writer.has_ended());
    }
}
