//! A turn's events as server-sent events. <https://html.spec.whatwg.org/multipage/server-sent-events.html>

use pipeline::{
    chat::channel::TurnEvent,
    ids::JobId,
    problem::{Code, Problem},
};
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

/// What a listener of a turn has heard: its last event's number, and how the turn ended if it heard that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// The number.
    pub since: i64,
    /// The name of the end.
    pub end: Option<String>,
}

impl Heard {
    /// Reads an event's id: its number, with its name where nothing follows it. So whoever comes back after an end is
    /// known to have it, and hears of another if the turn was tried again.
    pub fn of(id: Option<&str>) -> Result<Self, Problem> {
        let Some(id) = id else { return Ok(Self::default()) };
        let (number, end) = id.split_once('-').map_or((id, None), |(number, end)| (number, Some(end.to_owned())));
        let since = number.parse().ok().filter(|since| *since >= 0);
        let since = since.ok_or_else(|| {
            Problem::field(Code::Invalid, "since", "expected the id of an event: its number, as \"7\" or \"8-done\"")
        })?;
        Ok(Self { since, end })
    }
}

/// The name of an event, which is its type.
pub fn name(event: &TurnEvent) -> String {
    let data = serde_json::to_value(event).unwrap_or_default();
    data["type"].as_str().unwrap_or_default().to_owned()
}

impl EventWriter for TurnWriter {
    fn write(&mut self, number: Option<i64>, event: &TurnEvent) -> String {
        self.has_ended |= event.is_last();
        let Ok(mut data) = serde_json::to_value(event) else { return String::new() };
        let name = name(event);
        let end = if event.is_last() { format!("-{name}") } else { String::new() };
        let id = number.map(|number| format!("id: {number}{end}\n")).unwrap_or_default();
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
        assert!(writer.write(Some(7), &TurnEvent::Cancelled).starts_with("id: 7-cancelled\nevent: cancelled\n"));
        assert!(writer.has_ended());
    }

    #[test]
    fn an_id_says_what_was_heard() {
        let heard = |id| Heard::of(Some(id)).map(|heard| (heard.since, heard.end));
        assert_eq!(heard("7"), Ok((7, None)));
        assert_eq!(heard("7-done"), Ok((7, Some("done".to_owned()))));
        for id in ["", "x", "-1", "done", "7.5"] {
            assert!(heard(id).is_err(), "{id:?}");
        }
    }
}
