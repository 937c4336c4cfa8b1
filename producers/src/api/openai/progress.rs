//! How far a stream is, whatever words it is written in. Clients of `OpenAI`'s API cannot take text back: an attempt
//! that begins anew is passed on from where it says more than was sent, and one that says something else ends the
//! stream with an error.

use pipeline::chat::{channel::TurnEvent, turn::TurnResult};

use super::unanswered::{self, Unanswerable};

/// How far a stream is.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// What the client has.
    sent: String,
    /// What the present attempt has said.
    current: String,
    has_begun: bool,
    has_ended: bool,
}

/// What is to be written next.
#[derive(Debug)]
pub(super) enum Step {
    Nothing,
    /// The answer begins.
    Begin,
    /// More of it.
    Text(String),
    /// The rest of it, and its end.
    End {
        /// What was not sent so far.
        rest: String,
        /// The whole.
        result: Box<TurnResult>,
    },
    /// There is no answer.
    Fail(Box<Unanswerable>),
}

impl Progress {
    /// True once the stream has ended, for the turn's end or before it.
    pub(super) const fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// What has been sent of the answer.
    #[cfg(test)]
    pub(super) fn sent(&self) -> &str {
        &self.sent
    }

    /// What an event of the turn asks for.
    pub(super) fn step(&mut self, event: &TurnEvent) -> Step {
        match event {
            TurnEvent::Started { .. } if !self.has_begun => {
                self.has_begun = true;
                Step::Begin
            }
            TurnEvent::Started { .. } | TurnEvent::Checked { .. } => Step::Nothing,
            TurnEvent::Restarted => {
                self.current.clear();
                Step::Nothing
            }
            TurnEvent::Delta { text, .. } => self.delta(text),
            TurnEvent::Done { result } => match unanswered::read(result) {
                Ok(result) => self.end(result),
                Err(unanswerable) => self.fail(unanswerable),
            },
            TurnEvent::Failed { detail } => self.fail(Unanswerable::failed(detail)),
            TurnEvent::Cancelled => self.fail(unanswered::cancelled()),
        }
    }

    fn fail(&mut self, unanswerable: Unanswerable) -> Step {
        self.has_ended = true;
        Step::Fail(Box::new(unanswerable))
    }

    fn delta(&mut self, text: &str) -> Step {
        self.current.push_str(text);
        // Space at the end waits for what follows it: a finished answer has none.
        let current = self.current.trim_end();
        if self.sent.starts_with(current) {
            return Step::Nothing;
        }
        let Some(new) = current.strip_prefix(self.sent.as_str()).map(str::to_owned) else {
            return self.fail(Unanswerable::failed("the answer was begun anew and says something else; ask again"));
        };
        self.sent.push_str(&new);
        Step::Text(new)
    }

    /// The end of the turn: what its answer has beyond what was sent, such as citations, and the end.
    pub(super) fn end(&mut self, result: TurnResult) -> Step {
        self.has_ended = true;
        if let Some(unanswerable) = unanswered::of(&result) {
            return Step::Fail(Box::new(unanswerable));
        }
        let rest = result.answer.strip_prefix(self.sent.as_str()).unwrap_or_default().to_owned();
        Step::End { rest, result: Box::new(result) }
    }
}
