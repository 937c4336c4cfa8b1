//! What a channel says of itself and its participants, and when it closes: plain decisions, without a
//! socket in sight. What participants send is read in [`frames`](super::frames).

use pipeline::{constants, time::Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ParticipantRole, SessionView};

/// The heartbeat that the platform answers by itself, without waking the channel.
pub const PING: &str = r#"{"type":"ping"}"#;
/// Its answer.
pub const PONG: &str = r#"{"type":"pong"}"#;

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

/// Which frame an answer is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Its type, if it is one that there is.
    pub frame: Option<&'static str>,
    /// What its sender calls it.
    pub id: Option<String>,
}

/// What a channel knows of its session.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ChannelState {
    /// Who is there.
    pub participants: Vec<Sender>,
    /// The number of the last event.
    pub last_sequence: i64,
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

/// What a channel does when its alarm rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Somebody is there.
    Nothing,
    /// Nobody is: what outlives it goes to D1.
    Persist,
    /// D1 has all that outlives it: it removes everything and takes no storage any more.
    Forget,
}

impl Rest {
    /// Of the channel of a session, whose log ends with the number `last`; `persisted` is where it ended when
    /// it was last persisted.
    pub fn of_session(participants: usize, persisted: Option<i64>, last: i64) -> Self {
        match (participants, persisted) {
            (1.., _) => Self::Nothing,
            (0, Some(persisted)) if persisted == last => Self::Forget,
            (0, _) => Self::Persist,
        }
    }
}

/// Counts a participant's frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rate {
    since: Option<Timestamp>,
    frames: u32,
}

impl Rate {
    /// Counts so many more at this time; false if that is too many.
    pub fn admit(&mut self, now: Timestamp, frames: u32) -> bool {
        if self.since.is_none_or(|since| now.since(since) >= constants::FRAME_WINDOW) {
            *self = Self { since: Some(now), frames: 0 };
        }
        let all = self.frames.saturating_add(frames);
        let is_admitted = all <= constants::FRAMES_PER_WINDOW;
        if is_admitted {
            self.frames = all;
        }
        is_admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_forgets_only_what_is_persisted_and_never_while_somebody_is_there() {
        assert_eq!(Rest::of_session(0, None, 5), Rest::Persist);
        assert_eq!(Rest::of_session(0, Some(4), 5), Rest::Persist, "something was published since");
        assert_eq!(Rest::of_session(0, Some(5), 5), Rest::Forget);
        assert_eq!(Rest::of_session(1, Some(5), 5), Rest::Nothing);
    }

    #[test]
    fn every_reason_to_close_stands_on_the_page() {
        let page = include_str!("../../../../docs/sessions.md");
        for close in [Close::Binary, Close::TooLarge, Close::Flood, Close::Closed] {
            assert!(page.contains(&format!("\n| {} |", close.parts().0)), "{close:?}");
        }
    }

    #[test]
    fn a_flood_is_noticed_and_forgotten() {
        let mut rate = Rate::default();
        let now = Timestamp::from_milliseconds(1_000_000);
        let admitted = (0..150).filter(|_| rate.admit(now, 1)).count();
        assert_eq!(admitted, constants::FRAMES_PER_WINDOW as usize);
        assert!(rate.admit(now.plus(constants::FRAME_WINDOW), 1));
    }

    #[test]
    fn a_dear_frame_that_is_refused_leaves_room_for_others() {
        let mut rate = Rate::default();
        let now = Timestamp::from_milliseconds(1_000_000);
        assert!(rate.admit(now, constants::FRAMES_PER_WINDOW - 1));
        assert!(!rate.admit(now, 20));
        assert!(rate.admit(now, 1));
    }
}
