//! What a channel does with what its participants send: plain decisions, without a socket in sight.

use operational_transform::OperationSeq;
use pipeline::constants;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{ParticipantRole, SessionView};

/// The heartbeat that the platform answers by itself, without waking the channel.
pub const PING: &str = r#"{"type":"ping"}"#;
/// Its answer.
pub const PONG: &str = r#"{"type":"pong"}"#;

/// What a participant sends.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Frame {
    /// A message to all; with `ask`, a question to the friend, too.
    Say {
        /// What is said.
        text: String,
        /// It is to be answered.
        #[serde(default)]
        ask: bool,
    },
    /// An edit of the shared text.
    Edit {
        /// The revision it was made on.
        revision: i64,
        /// The edit, in the format of ot.js.
        operation: OperationSeq,
    },
    /// Asks for the shared text as it is.
    Scratch,
}

/// Who sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Participant")]
pub struct Sender {
    /// Their id in this channel.
    pub id: String,
    /// Their name.
    pub name: String,
    /// What they may do.
    pub role: ParticipantRole,
}

/// What a channel knows of its session.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ChannelState {
    /// Who is there.
    pub participants: Vec<Sender>,
    /// The number of the last event.
    pub sequence: i64,
    /// The shared text; null in a session that nobody has written in, once it is closed.
    #[schemars(with = "Option<String>")]
    pub scratch: String,
    /// How many edits made it.
    pub scratch_revision: i64,
}

/// A session as `GET /api/session/{id}` answers: the edge lays what its channel knows over what D1 does.
#[derive(Clone, Debug, JsonSchema)]
pub struct LiveSession {
    /// What D1 knows.
    #[serde(flatten)]
    pub session: SessionView,
    /// What its channel knows, while it is open and answers.
    #[serde(flatten)]
    pub channel: Option<ChannelState>,
}

/// Reads a frame; the error is what its sender is told.
pub fn read(text: &str, sender: &Sender) -> Result<Frame, Value> {
    let frame: Frame = serde_json::from_str(text).map_err(|error| {
        problem("malformed", &format!("a frame is a JSON object of type say, edit, scratch or ping: {error}"))
    })?;
    if sender.role == ParticipantRole::Viewer && frame != Frame::Scratch {
        return Err(problem("forbidden", "a viewer may only look on"));
    }
    if let Frame::Say { text, .. } = &frame {
        if text.trim().is_empty() {
            return Err(problem("invalid", "the text is empty"));
        }
        if text.len() > constants::CHAT_MESSAGE_BYTES {
            return Err(problem(
                "too_large",
                &format!("{} bytes; the limit is {}", text.len(), constants::CHAT_MESSAGE_BYTES),
            ));
        }
    }
    Ok(frame)
}

/// What a sender is told when a frame is refused.
pub fn problem(code: &str, detail: &str) -> Value {
    json!({ "type": "error", "code": code, "detail": detail })
}

/// Why a connection is closed. <https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// A frame that is not text.
    Binary,
    /// A frame over [`constants::FRAME_BYTES`].
    TooLarge,
    /// More than [`constants::FRAMES_PER_WINDOW`] frames.
    Flood,
    /// The session was closed.
    Closed,
}

impl Close {
    /// Status code and reason.
    pub const fn parts(self) -> (u16, &'static str) {
        match self {
            Self::Binary => (1003, "frames are text"),
            Self::TooLarge => (1009, "the frame is too large"),
            Self::Flood => (1008, "too many frames"),
            Self::Closed => (1000, "the session was closed"),
        }
    }
}

/// Counts a participant's frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rate {
    since: i64,
    frames: u32,
}

impl Rate {
    /// Counts one more at this time in milliseconds; false if it is one too many.
    pub fn admit(&mut self, now: i64) -> bool {
        if now - self.since >= constants::FRAME_WINDOW {
            *self = Self { since: now, frames: 0 };
        }
        self.frames += 1;
        self.frames <= constants::FRAMES_PER_WINDOW
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(role: ParticipantRole) -> Sender {
        Sender { id: "1".into(), name: "Ada".into(), role }
    }

    #[test]
    fn frames() {
        let editor = sender(ParticipantRole::Editor);
        assert_eq!(read(r#"{"type":"say","text":"hi"}"#, &editor), Ok(Frame::Say { text: "hi".into(), ask: false }));
        assert!(matches!(
            read(r#"{"type":"edit","revision":0,"operation":["a",-1,2]}"#, &editor),
            Ok(Frame::Edit { .. })
        ));
        let long = format!(r#"{{"type":"say","text":"{}"}}"#, "x".repeat(constants::CHAT_MESSAGE_BYTES + 1));
        for (text, code) in [
            ("", "malformed"),
            ("[]", "malformed"),
            (r#"{"type":"dance"}"#, "malformed"),
            (r#"{"type":"say","text":" "}"#, "invalid"),
            (r#"{"type":"edit","revision":"x","operation":[]}"#, "malformed"),
            (long.as_str(), "too_large"),
        ] {
            assert_eq!(read(text, &editor).unwrap_err()["code"], code, "{text:.60}");
        }
        let viewer = sender(ParticipantRole::Viewer);
        assert_eq!(read(r#"{"type":"say","text":"hi"}"#, &viewer).unwrap_err()["code"], "forbidden");
        assert_eq!(read(r#"{"type":"scratch"}"#, &viewer), Ok(Frame::Scratch));
    }

    #[test]
    fn a_flood_is_noticed_and_forgotten() {
        let mut rate = Rate::default();
        let admitted = (0..150).filter(|_| rate.admit(1_000_000)).count();
        assert_eq!(admitted, constants::FRAMES_PER_WINDOW as usize);
        assert!(rate.admit(1_000_000 + constants::FRAME_WINDOW));
    }
}
