//! What a channel sends to its participants, beside the events of turns. docs/sessions.md shows each.

use std::fmt;

use pipeline::problem::{FieldError, Problem};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    edit::Edit,
    live::{About, Sender},
    scratch::Scratch,
};

/// Something that is sent: an event that the log numbers and everybody hears, or an answer to one participant.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Event {
    /// Somebody has joined: to them alone, before all else.
    Welcome {
        /// Who they are.
        you: Sender,
        /// Who is there, they as well.
        participants: Vec<Sender>,
        /// The number of the last event there is.
        last_sequence: i64,
        /// All events after this one follow.
        since: i64,
        /// The shared text.
        scratch: SharedText,
    },
    /// Somebody has joined: to everybody.
    Joined {
        /// Who.
        from: Sender,
        /// Who is there now.
        participants: Vec<Sender>,
    },
    /// Somebody has left.
    Left {
        /// Who.
        from: Sender,
        /// Who is there now.
        participants: Vec<Sender>,
    },
    /// Somebody has said something.
    Message {
        /// Who.
        from: Sender,
        /// What.
        text: String,
    },
    /// Somebody has edited the shared text.
    Edited {
        /// Who.
        from: Sender,
        /// The revision that this made.
        revision: i64,
        /// The edit, of the revision before.
        operation: Edit,
    },
    /// The answer to a frame `scratch`.
    Scratch {
        /// The frame's id.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        /// The text.
        #[serde(flatten)]
        scratch: SharedText,
    },
    /// The answer to a frame `events`: a page of events.
    Events {
        /// The frame's id.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        /// After which event.
        since: i64,
        /// The events, as they were sent.
        events: Vec<Box<RawValue>>,
        /// There are more after these.
        more: bool,
    },
    /// The answer to a frame `ping`.
    Pong {
        /// The frame's id.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<String>,
    },
    /// The answer to a frame that is refused.
    Error {
        /// The kind of problem, as in `/problems/{code}`.
        code: String,
        /// What is wrong.
        detail: String,
        /// The frame's type, if it is one that there is.
        #[serde(skip_serializing_if = "Option::is_none")]
        frame: Option<&'static str>,
        /// The frame's id.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        /// The fields at fault.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        errors: Vec<FieldError>,
    },
}

/// The shared text as it is sent.
#[derive(Debug, Serialize)]
pub struct SharedText {
    revision: i64,
    text: String,
}

impl From<Scratch> for SharedText {
    fn from(Scratch { revision, text }: Scratch) -> Self {
        Self { revision, text }
    }
}

impl Event {
    /// What is wrong with a frame, said to its sender.
    pub fn error(about: About, problem: Problem) -> Self {
        let Problem { code, detail, errors, .. } = problem;
        Self::Error { code, detail, frame: about.frame, id: about.id, errors }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Nothing of it fails to be written: an edit that was applied inserts texts alone.
        formatter.write_str(&serde_json::to_string(self).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use pipeline::chat::channel::TurnEvent;
    use serde_json::{Value, json};

    use super::{
        super::{
            ParticipantRole,
            frames::{self, TYPES},
            live::PONG,
        },
        *,
    };

    const PAGE: &str = include_str!("../../../../docs/sessions.md");

    /// The lines of all examples of a kind.
    fn examples(kind: &str) -> Vec<&'static str> {
        let mut blocks = PAGE.split("\n```");
        let of_kind = blocks.by_ref().filter_map(|block| block.strip_prefix(&format!("json {kind}\n")));
        of_kind.flat_map(str::lines).collect()
    }

    fn types(examples: &[&str]) -> BTreeSet<String> {
        let kind =
            |example: &&str| serde_json::from_str::<Value>(example).unwrap()["type"].as_str().unwrap().to_owned();
        examples.iter().map(kind).collect()
    }

    fn ada() -> Sender {
        Sender { id: "5f2a91c4".into(), name: "Ada".into(), role: ParticipantRole::Owner }
    }

    fn ben() -> Sender {
        Sender { id: "07be33d0".into(), name: "Ben".into(), role: ParticipantRole::Editor }
    }

    fn raw(value: &Value) -> Box<RawValue> {
        RawValue::from_string(value.to_string()).unwrap()
    }

    /// One of each kind.
    fn every_kind() -> Vec<Event> {
        let scratch = || SharedText { revision: 7, text: "Hello 🐋".into() };
        let refused = r#"{"type": "say", "id": "m-17", "text": "What is a whale?", "asks": true}"#;
        let said = json!({"sequence": 43, "type": "message", "from": ben(), "text": "What is a whale?"});
        vec![
            Event::Welcome {
                you: ben(),
                participants: vec![ada(), ben()],
                last_sequence: 42,
                since: 41,
                scratch: scratch(),
            },
            Event::Joined { from: ben(), participants: vec![ada(), ben()] },
            Event::Left { from: ben(), participants: vec![ada()] },
            Event::Message { from: ben(), text: "What is a whale?".into() },
            Event::Edited { from: ben(), revision: 8, operation: serde_json::from_str(r#"[6, "big ", 2]"#).unwrap() },
            Event::Scratch { id: Some("s-1".into()), scratch: scratch() },
            Event::Events { id: None, since: 42, events: vec![raw(&said)], more: false },
            Event::Pong { id: None },
            frames::read(refused, &ben()).unwrap_err(),
        ]
    }

    #[test]
    fn the_page_shows_every_event_as_it_is_sent() {
        let shown: Vec<Value> = examples("event").iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        for event in every_kind() {
            let mut sent = serde_json::to_value(&event).unwrap();
            let of_kind: Vec<&Value> = shown.iter().filter(|shown| shown["type"] == sent["type"]).collect();
            if let Some(number) = of_kind.first().and_then(|shown| shown.get("sequence")) {
                sent["sequence"] = number.clone();
            }
            assert!(of_kind.contains(&&sent), "docs/sessions.md does not show {sent}");
        }
        assert_eq!(shown.len(), every_kind().len());
    }

    #[test]
    fn the_page_shows_every_frame_and_each_is_read() {
        let shown = examples("frame");
        for frame in &shown {
            assert!(frames::read(frame, &ben()).is_ok(), "{frame}");
        }
        assert_eq!(types(&shown), TYPES.map(str::to_owned).into());
    }

    #[test]
    fn the_page_shows_every_event_of_a_turn() {
        let shown = examples("turn");
        for event in &shown {
            assert!(serde_json::from_str::<TurnEvent>(event).is_ok(), "{event}");
        }
        let all = ["started", "restarted", "delta", "checked", "done", "failed", "cancelled"];
        assert_eq!(types(&shown), all.map(str::to_owned).into());
    }

    #[test]
    fn the_platform_answers_a_ping_in_the_same_words() {
        assert_eq!(Event::Pong { id: None }.to_string(), PONG);
    }
}
