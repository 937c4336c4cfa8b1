//! Server-sent events, read line by line, and a stream of them that is taken up again where it broke.

use std::io::{BufRead, BufReader, Read};

use serde_json::Value;

use super::Client;
use crate::failure::{Exit, Failure};

/// How often a stream that brings nothing is taken up again.
const BREAKS: u32 = 20;

/// An event of a job.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// What it is called.
    pub name: String,
    /// What it says.
    pub data: Value,
    /// Its id, to go on from.
    pub id: Option<String>,
}

/// Hands on each event of a job until `take` says that it was the last, over as many connections as it needs.
///
/// # Errors
/// The server refuses, or is not reached any more.
pub fn follow(client: &Client, path: &str, mut take: impl FnMut(&Event) -> bool) -> Result<(), Failure> {
    let mut heard: Option<String> = None;
    let mut breaks = 0;
    while breaks < BREAKS {
        let Some(stream) = client.stream(path, heard.as_deref())? else { return Ok(()) };
        let mut reader = BufReader::new(stream);
        while let Some(event) = next(&mut reader) {
            breaks = 0;
            heard = event.id.clone().or(heard);
            if take(&event) {
                return Ok(());
            }
        }
        breaks += 1;
        std::thread::sleep(std::time::Duration::from_millis(250));
    }
    Err(Failure::new(Exit::Failed, "the stream of events broke again and again")
        .advise("`friend jobs show` says how far it is"))
}

/// The next event; `None` where the stream ends or breaks. Comments and `retry:` are passed over.
fn next(reader: &mut BufReader<impl Read>) -> Option<Event> {
    let mut event = Event { name: "message".to_owned(), data: Value::Null, id: None };
    let mut data = String::new();
    let mut line = String::new();
    loop {
        line.clear();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let text = line.trim_end_matches(['\r', '\n']);
        if text.is_empty() {
            if data.is_empty() {
                continue;
            }
            event.data = serde_json::from_str(&data).unwrap_or(Value::Null);
            return Some(event);
        }
        let (field, value) = text.split_once(':').unwrap_or((text, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut event.name),
            "id" => event.id = Some(value.to_owned()),
            "data" => data.push_str(value),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_and_what_is_cut_off_is_none() {
        let text = ": hello\nretry: 100\n\nid: 7\nevent: delta\ndata: {\"text\":\"a: b\"}\n\nid: 8\ndata: {\"te";
        let mut reader = BufReader::new(text.as_bytes());
        let event = next(&mut reader).unwrap();
        assert_eq!(
            (event.name.as_str(), event.id.as_deref(), event.data["text"].as_str()),
            ("delta", Some("7"), Some("a: b"))
        );
        assert_eq!(next(&mut reader), None);
    }
}
