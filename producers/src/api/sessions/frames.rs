//! What participants send: frames, read and checked before anything is done with them.
//!
//! They come from strangers, to an object that many share: whatever the text, reading it ends soon, takes no
//! more memory than it has bytes, and never traps. `tests/wasm` holds that where `usize` has 32 bits.

use pipeline::constants;
use serde::Deserialize;
use serde_json::Value;

use super::{
    ParticipantRole,
    edit::Edit,
    live::{Sender, problem},
};
use crate::http::body::EMPTY_TEXT;

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
        operation: Edit,
    },
    /// Asks for the shared text as it is.
    Scratch,
    /// Asks for a page of the events after a number: of those that joining left out.
    Events {
        /// The number.
        since: i64,
    },
}

impl Frame {
    /// True for what changes nothing.
    pub const fn only_looks(&self) -> bool {
        matches!(self, Self::Scratch | Self::Events { .. })
    }

    /// For how many frames it counts: a page of events is many rows read.
    pub const fn weight(&self) -> u32 {
        if matches!(self, Self::Events { .. }) { constants::FRAMES_PER_PAGE } else { 1 }
    }
}

/// Reads a frame; the error is the answer to its sender.
pub fn read(text: &str, sender: &Sender) -> Result<Frame, Value> {
    let frame: Frame = serde_json::from_str(text).map_err(|error| {
        problem("malformed", &format!("a frame is a JSON object of type say, edit, scratch, events or ping: {error}"))
    })?;
    if sender.role == ParticipantRole::Viewer && !frame.only_looks() {
        return Err(problem("forbidden", "a viewer may only look on"));
    }
    if let Frame::Say { text, .. } = &frame {
        check_text(text)?;
    }
    Ok(frame)
}

fn check_text(text: &str) -> Result<(), Value> {
    if text.trim().is_empty() {
        return Err(problem("invalid", EMPTY_TEXT));
    }
    if text.len() > constants::CHAT_MESSAGE_BYTES {
        let detail =
            format!("{} bytes; the limit is {}: say it in several messages", text.len(), constants::CHAT_MESSAGE_BYTES);
        return Err(problem("too_large", &detail));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::{
        super::{edit::base_length, scratch::Scratch},
        *,
    };

    fn sender(role: ParticipantRole) -> Sender {
        Sender { id: "1".into(), name: "Ada".into(), role }
    }

    #[test]
    fn frames_are_read_or_refused_with_what_is_wrong() {
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
            (r#"{"type":"edit","revision":0,"operation":[-9223372032559808512]}"#, "malformed"),
            (long.as_str(), "too_large"),
        ] {
            assert_eq!(read(text, &editor).unwrap_err()["code"], code, "{text:.60}");
        }
    }

    #[test]
    fn a_viewer_looks_on_and_does_nothing_else() {
        let viewer = sender(ParticipantRole::Viewer);
        for frame in [r#"{"type":"say","text":"hi"}"#, r#"{"type":"edit","revision":0,"operation":["x"]}"#] {
            assert_eq!(read(frame, &viewer).unwrap_err()["code"], "forbidden", "{frame}");
        }
        assert_eq!(read(r#"{"type":"scratch"}"#, &viewer), Ok(Frame::Scratch));
        assert_eq!(read(r#"{"type":"events","since":3}"#, &viewer), Ok(Frame::Events { since: 3 }));
    }

    /// Numbers at which sums wrap, and their neighbours.
    fn length() -> impl Strategy<Value = i64> {
        let edges = [0, 1 << 31, 1 << 32, 1 << 33, i64::MAX, i64::MIN, -9_223_372_032_559_808_512];
        prop_oneof![
            -20i64..20,
            any::<i64>(),
            (prop::sample::select(edges.to_vec()), -3i64..3).prop_map(|(edge, beside)| edge.saturating_add(beside))
        ]
    }

    fn part() -> impl Strategy<Value = Value> {
        prop_oneof![
            length().prop_map(Value::from),
            "\\PC{0,8}".prop_map(Value::from),
            any::<u64>().prop_map(Value::from)
        ]
    }

    proptest! {
        #[test]
        fn whatever_text_comes_is_read_or_refused(text in "\\PC{0,200}") {
            let _ = read(&text, &sender(ParticipantRole::Editor));
        }

        #[test]
        fn whatever_edit_comes_fits_its_text_or_changes_nothing(
            revision in prop_oneof![0i64..3, length()],
            parts in prop::collection::vec(part(), 0..8),
            text in "\\PC{0,20}",
        ) {
            let frame = json!({"type": "edit", "revision": revision, "operation": parts}).to_string();
            if let Ok(Frame::Edit { revision, operation }) = read(&frame, &sender(ParticipantRole::Editor)) {
                let before = Scratch { revision: 0, text };
                let mut scratch = before.clone();
                if let Ok(applied) = scratch.edit(revision, operation, &[]) {
                    prop_assert_eq!(base_length(&applied), before.text.chars().count() as u64);
                    prop_assert_eq!(scratch.revision, 1);
                } else {
                    prop_assert_eq!(scratch, before);
                }
            }
        }
    }
}
