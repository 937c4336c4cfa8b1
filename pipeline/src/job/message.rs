//! Queue messages: claim checks that name a job item. Never text, never vectors.
//!
//! Versioned. A consumer learns to read a version before any producer writes it (consumers deploy
//! first), so a message from a newer producer is retried later, not lost.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    budget::purpose::Purpose,
    ids::{ItemId, UserId},
};

/// The newest version this code reads. What it writes depends on the stage: see [`Stage::version`].
pub const VERSION: u32 = 5;

/// A stage of the pipeline; each has its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// An upload that lies in R2 as it came into packs.
    Unpack,
    /// A pack's text into chunks.
    Chunk,
    /// A batch's chunks into vectors.
    Embed,
    /// A batch's vectors into the index, and the documents' new revisions into view.
    Upsert,
    /// Superseded, deleted and cancelled revisions out of every store. Stored, sent and configured under
    /// its first name, `retire`: rows, messages and queues outlive a release.
    #[serde(rename = "retire")]
    Purge,
    /// A question into an answer.
    Chat,
    /// A conversation nobody continued into an archive.
    Archive,
    /// What was said in a session of Claude Code into memories that are proposed.
    Capture,
}

impl Stage {
    /// All stages, in the order of the data path.
    pub const ALL: [Self; 8] =
        [Self::Unpack, Self::Chunk, Self::Embed, Self::Upsert, Self::Purge, Self::Chat, Self::Archive, Self::Capture];

    /// Returns the version its messages are written in: the first whose readers know the stage.
    pub const fn version(self) -> u32 {
        match self {
            Self::Chunk | Self::Embed | Self::Upsert | Self::Purge => 1,
            Self::Chat => 2,
            Self::Archive => 3,
            Self::Unpack => 4,
            Self::Capture => 5,
        }
    }

    /// Returns the stage's name: of its queue, in D1, in messages and in answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unpack => "unpack",
            Self::Chunk => "chunk",
            Self::Embed => "embed",
            Self::Upsert => "upsert",
            Self::Purge => "retire",
            Self::Chat => "chat",
            Self::Archive => "archive",
            Self::Capture => "capture",
        }
    }

    /// Returns what the stage's neurons are for.
    pub const fn purpose(self) -> Purpose {
        match self {
            Self::Chat => Purpose::Interactive,
            _ => Purpose::Ingest,
        }
    }

    /// Reads a [`name`](Self::name).
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.name() == name)
    }
}

/// "Look at this item": all a message says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The stage it is for, and so its queue.
    pub stage: Stage,
    /// The item to look at.
    pub item: ItemId,
    /// The item's owner, so that every statement can carry the predicate.
    pub user: UserId,
}

/// An item that a statement has just inserted or moved.
#[derive(Clone, Debug, Deserialize)]
pub struct ItemAnnouncement {
    /// The item.
    pub id: ItemId,
    /// The stage it is in.
    pub stage: Stage,
    /// Its state there; only one that is `queued` wants a worker now.
    pub state: String,
    /// Its owner.
    pub user_id: UserId,
}

impl ItemAnnouncement {
    /// Returns the message that announces the item to its stage, if it wants a worker now.
    pub fn message(self) -> Option<Message> {
        (self.state == "queued").then_some(Message { stage: self.stage, item: self.id, user: self.user_id })
    }
}

#[derive(Serialize, Deserialize)]
struct Envelope<M> {
    v: u32,
    #[serde(flatten)]
    message: M,
}

/// What a message body turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// A message this code understands.
    Known(Message),
    /// Written by newer code: deliver again when this code has been replaced.
    TooNew {
        /// Its version.
        version: u32,
    },
    /// No message of ours: recorded as a dead letter.
    Malformed {
        /// What is wrong with it.
        why: String,
    },
}

impl Message {
    /// Returns the body to send.
    pub fn encode(&self) -> String {
        // A struct of numbers and strings always serialises.
        serde_json::to_string(&Envelope { v: self.stage.version(), message: self }).unwrap_or_default()
    }

    /// Reads a body.
    pub fn decode(body: &str) -> Decoded {
        #[derive(Deserialize)]
        struct Version {
            v: u32,
        }
        match serde_json::from_str::<Version>(body) {
            Err(error) => Decoded::Malformed { why: format!("no version: {error}") },
            Ok(Version { v }) if v > VERSION => Decoded::TooNew { version: v },
            Ok(_) => match serde_json::from_str::<Envelope<Self>>(body) {
                Ok(envelope) => Decoded::Known(envelope.message),
                Err(error) => Decoded::Malformed { why: error.to_string() },
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_newer_version_is_not_taken_for_a_malformed_one() {
        assert_eq!(Message::decode(r#"{"v":6,"anything":[]}"#), Decoded::TooNew { version: 6 });
        for malformed in [
            "",
            "null",
            "{}",
            r#"{"v":"1"}"#,
            r#"{"v":1,"stage":"chunk"}"#,
            r#"{"v":1,"stage":"dance","item":1,"user":"usr_x"}"#,
        ] {
            assert!(matches!(Message::decode(malformed), Decoded::Malformed { .. }), "{malformed}");
        }
    }

    proptest! {
        #[test]
        fn decoding_never_panics(body in ".*") {
            let _ = Message::decode(&body);
        }

        #[test]
        fn what_is_encoded_reads_back(item in 0i64..1 << 39, stage in 0usize..Stage::ALL.len()) {
            let user = UserId::parse("usr_00000000000000000000000000").unwrap();
            let message = Message { stage: Stage::ALL[stage], item: ItemId(item), user };
            prop_assert_eq!(Message::decode(&message.encode()), Decoded::Known(message));
        }
    }
}
