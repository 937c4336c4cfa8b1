//! What is published about a turn while it is being answered, and to whom.
//!
//! A channel is a Durable Object that numbers events, keeps them, and passes them to whoever listens.
//! A turn that names a session is published there; any other has a channel of its own. D1 is the truth: a
//! channel that loses everything costs its listeners the live view, not the answer.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    chat::verdict::CheckedSentence,
    ids::{ClaimToken, ConversationId, JobId, RANDOM_BYTES, SessionId, TurnId, UserId},
    time::Timestamp,
};

/// Which channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Of a session, by the user who opened it.
    Session(UserId, SessionId),
    /// Of a single turn.
    Turn(UserId, JobId),
}

impl Channel {
    /// The object's name: it holds the user, so that nobody's id leads into another's channel.
    pub fn name(&self) -> String {
        match self {
            Self::Session(user, session) => format!("u/{user}/{session}"),
            Self::Turn(user, job) => format!("u/{user}/{job}"),
        }
    }

    /// Whose it is.
    pub const fn owner(&self) -> &UserId {
        match self {
            Self::Session(user, _) | Self::Turn(user, _) => user,
        }
    }

    /// The channel in which a turn is published.
    pub fn of_turn(user: &UserId, job: &JobId, session: Option<&SessionId>) -> Self {
        match session {
            Some(session) => Self::Session(user.clone(), session.clone()),
            None => Self::Turn(user.clone(), job.clone()),
        }
    }
}

/// An event of a turn.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum TurnEvent {
    /// A model begins to answer.
    Started {
        /// The turn.
        turn_id: TurnId,
        /// Its conversation.
        conversation_id: ConversationId,
        /// The route's name.
        route: String,
        /// The model.
        model: String,
    },
    /// What was published so far does not count, nor does it if that was the end: another attempt begins.
    Restarted,
    /// More of the answer.
    Delta {
        /// Bytes of the answer before it, in this attempt: a piece that is published twice is passed on once.
        at: usize,
        /// The text.
        text: String,
    },
    /// A sentence that was held against the sources. What none was told of is unchecked so far.
    Checked {
        /// The sentence: its place in what this attempt has written, and what speaks for it.
        #[serde(flatten)]
        sentence: CheckedSentence,
    },
    /// The answer, whole, with its sources.
    Done {
        /// As the job's `result`.
        result: Box<Value>,
    },
    /// There is no answer.
    Failed {
        /// Why.
        detail: String,
    },
    /// Its owner stopped it.
    Cancelled,
}

impl TurnEvent {
    /// True if nothing follows.
    pub const fn is_last(&self) -> bool {
        matches!(self, Self::Done { .. } | Self::Failed { .. } | Self::Cancelled)
    }
}

/// A page of what has happened in a session.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct EventPage {
    /// The events, as participants are sent them, each with its `sequence`.
    pub events: Vec<Value>,
    /// There are more after these.
    pub more: bool,
}

/// Something that is said in a session by who has no connection to it, on its owner's account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Saying {
    /// The session's owner.
    pub owner: UserId,
    /// The session.
    pub session: SessionId,
    /// What the others see as who says it.
    pub name: String,
    /// What is said.
    pub text: String,
}

impl Saying {
    /// Where it is said.
    pub fn channel(&self) -> Channel {
        Channel::Session(self.owner.clone(), self.session.clone())
    }
}

/// What one attempt at a turn publishes on a channel.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Update {
    /// The job.
    pub job: JobId,
    /// Sorts after every earlier attempt's: a channel listens to the latest only.
    pub attempt: String,
    /// The events.
    pub events: Vec<TurnEvent>,
}

/// An update as it is sent to its channel, which does not know its own name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AddressedUpdate {
    /// Of a session's channel: whose session, and which.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<(UserId, SessionId)>,
    /// The update.
    #[serde(flatten)]
    pub update: Update,
}

impl AddressedUpdate {
    /// An update for a channel.
    pub fn new(channel: &Channel, update: Update) -> Self {
        let session = match channel {
            Channel::Session(user, session) => Some((user.clone(), session.clone())),
            Channel::Turn(..) => None,
        };
        Self { session, update }
    }
}

/// What a channel knows of a turn.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamState {
    /// The latest attempt.
    pub attempt: String,
    /// Bytes of the answer it has published.
    pub length: usize,
    /// Nothing may follow: it was answered or cancelled. What failed may be tried again.
    pub ended: bool,
}

/// What becomes of an update.
#[derive(Clone, Debug)]
pub struct Admission {
    /// False: its publisher should stop.
    pub wanted: bool,
    /// What is to be passed on.
    pub events: Vec<TurnEvent>,
    /// What is known of the turn from now on.
    pub state: StreamState,
}

/// The name under which a turn that failed is said to be tried again: sorts after every attempt that was claimed
/// by then, so that no worker of before is heard any more, and before those to come. `failed_at` is when it
/// failed, by the clock of the worker that gave it up.
pub fn retry_attempt(failed_at: Timestamp) -> String {
    ClaimToken::new(failed_at, [u8::MAX; RANDOM_BYTES]).to_string()
}

/// Decides what of an update is passed on: nothing after the end, nothing of an attempt that
/// another has replaced, and `restarted` before the second attempt at an answer.
pub fn admit(state: Option<&StreamState>, update: Update) -> Admission {
    let known = state.cloned().unwrap_or_default();
    if known.ended || update.attempt < known.attempt {
        // An end that is published again is not news, and no reason to stop either.
        return Admission { wanted: false, events: Vec::new(), state: known };
    }
    let is_new = update.attempt > known.attempt;
    let ends_only = update.events.iter().all(TurnEvent::is_last);
    let says_so_itself = matches!(update.events.first(), Some(TurnEvent::Restarted));
    let restarts = is_new && known.length > 0 && !ends_only && !says_so_itself;
    let mut length = if is_new && !ends_only { 0 } else { known.length };
    let is_final = |event: &TurnEvent| matches!(event, TurnEvent::Done { .. } | TurnEvent::Cancelled);
    let ended = update.events.iter().any(is_final);
    let fresh: Vec<TurnEvent> = update.events.into_iter().filter_map(|event| news(event, &mut length)).collect();
    let events = restarts.then_some(TurnEvent::Restarted).into_iter().chain(fresh).collect();
    Admission { wanted: true, events, state: StreamState { attempt: update.attempt, length, ended } }
}

/// An event without what was published before.
fn news(event: TurnEvent, length: &mut usize) -> Option<TurnEvent> {
    let TurnEvent::Delta { at, text } = event else { return Some(event) };
    let text = text.get(length.saturating_sub(at)..).unwrap_or_default().to_owned();
    let at = at.max(*length);
    *length = at + text.len();
    (!text.is_empty()).then_some(TurnEvent::Delta { at, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(attempt: &str, events: Vec<TurnEvent>) -> Update {
        Update { job: JobId::parse("job_00000000000000000000000000").unwrap(), attempt: attempt.to_owned(), events }
    }

    fn delta(at: usize, text: &str) -> TurnEvent {
        TurnEvent::Delta { at, text: text.to_owned() }
    }

    /// What a reader who obeys `restarted` has read.
    fn read(events: &[TurnEvent]) -> String {
        events.iter().fold(String::new(), |mut text, event| {
            match event {
                TurnEvent::Delta { text: more, .. } => text.push_str(more),
                TurnEvent::Restarted => text.clear(),
                _ => {}
            }
            text
        })
    }

    #[test]
    fn a_second_attempt_never_doubles_the_text() {
        let mut state = None;
        let mut events = Vec::new();
        for (attempt, at, text) in [
            ("a", 0, "Hel"),
            ("a", 0, "Hello"),
            ("b", 0, "Hello"),
            ("a", 5, " lost"),
            ("b", 0, "Hello"),
            ("b", 5, " world"),
        ] {
            let admission = admit(state.as_ref(), update(attempt, vec![delta(at, text)]));
            assert_eq!(admission.wanted, text != " lost");
            events.extend(admission.events);
            state = Some(admission.state);
        }
        assert_eq!(read(&events), "Hello world");
        assert_eq!(events.iter().filter(|event| matches!(event, TurnEvent::Restarted)).count(), 1);
    }

    #[test]
    fn nothing_follows_the_end() {
        let ended = admit(None, update("a", vec![delta(0, "x"), TurnEvent::Cancelled])).state;
        let late = admit(Some(&ended), update("b", vec![delta(0, "y")]));
        assert!(!late.wanted && late.events.is_empty());
    }

    #[test]
    fn after_a_retry_the_old_failure_is_not_heard_and_the_new_attempt_is() {
        let second = |count: i64| Timestamp::from_milliseconds(1_000 * count);
        let claim = |at| format!("{}/00", ClaimToken::new(at, [7; RANDOM_BYTES]));
        let end = |at| format!("{}/99", ClaimToken::new(at, [7; RANDOM_BYTES]));
        let first = admit(None, update(&claim(second(1)), vec![delta(0, "Hel")])).state;
        // It failed in second 5, and the worker publishes it late.
        let retried = admit(Some(&first), update(&retry_attempt(second(5)), vec![TurnEvent::Restarted]));
        assert!(matches!(retried.events[..], [TurnEvent::Restarted]), "{:?}", retried.events);
        for at in [second(1), second(5)] {
            let failed = vec![TurnEvent::Failed { detail: "x".into() }];
            assert!(admit(Some(&retried.state), update(&end(at), failed)).events.is_empty());
        }
        let next = admit(Some(&retried.state), update(&claim(second(6)), vec![delta(0, "Hello")]));
        assert_eq!((next.wanted, read(&next.events)), (true, "Hello".to_owned()));
        assert_eq!(next.events.len(), 1, "it was restarted already");
    }

    #[test]
    fn an_end_alone_does_not_restart() {
        let state = admit(None, update("a", vec![delta(0, "x")])).state;
        let failed = admit(Some(&state), update("b", vec![TurnEvent::Failed { detail: "x".into() }]));
        assert!(failed.events.len() == 1 && !failed.state.ended);
    }
}
