//! Who joins a session, and what they may do in it.

use data_encoding::BASE64URL_NOPAD;
use pipeline::{
    chat::channel::Channel,
    ids::{SessionId, UserId},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a participant may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ParticipantRole {
    /// Opened the session, or speaks for who did: asks about all that is the owner's.
    Owner,
    /// A guest: speaks, edits, and asks about what is open to guests.
    Editor,
    /// Looks on.
    Viewer,
}

impl ParticipantRole {
    /// All roles.
    const ALL: [Self; 3] = [Self::Owner, Self::Editor, Self::Viewer];

    /// The name in D1 and in answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Editor => "editor",
            Self::Viewer => "viewer",
        }
    }

    /// Reads a [`name`](Self::name).
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// Somebody who joins a channel, and which.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Participant {
    /// The session's owner.
    pub owner: UserId,
    /// The session.
    pub session: SessionId,
    /// Distinguishes them from others of the same name.
    pub id: String,
    /// What the others see.
    pub name: String,
    /// What they may do.
    pub role: ParticipantRole,
    /// The last event they have.
    pub since: i64,
    /// The subprotocol to answer with, if they asked for one.
    pub protocol: Option<String>,
}

impl Participant {
    /// As the value of a header, which takes ASCII only: names are in any script.
    pub fn to_header(&self) -> String {
        BASE64URL_NOPAD.encode(&serde_json::to_vec(self).unwrap_or_default())
    }

    /// Reads [`to_header`](Self::to_header).
    pub fn from_header(value: &str) -> Option<Self> {
        serde_json::from_slice(&BASE64URL_NOPAD.decode(value.as_bytes()).ok()?).ok()
    }

    /// The channel they join.
    pub fn channel(&self) -> Channel {
        Channel::Session(self.owner.clone(), self.session.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_participant_of_any_name_fits_a_header() {
        let participant = Participant {
            owner: UserId::parse("usr_00000000000000000000000000").unwrap(),
            session: SessionId::parse("ses_00000000000000000000000000").unwrap(),
            id: "1".to_owned(),
            name: "Zoë 李 🐋".to_owned(),
            role: ParticipantRole::Editor,
            since: 3,
            protocol: None,
        };
        let header = participant.to_header();
        assert!(header.is_ascii());
        assert_eq!(Participant::from_header(&header), Some(participant));
        assert_eq!(Participant::from_header("{}"), None);
    }
}
