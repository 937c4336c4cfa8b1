//! Passes an answer on while it is written: to the turn's channel, a few pieces a second.

use pipeline::{
    chat::{
        channel::{Channel, TurnEvent, Update},
        generation::{Flow, Sink},
    },
    failure::Failure,
    job::{item::Claim, protocol},
    platform::ports::{Channels, Clock, Database},
    time::{Span, Timestamp},
};

use super::thinking::Thinking;

/// The time between two updates: quick enough to read along, and some fifteen requests to the channel for
/// an answer.
const PUBLISH_EVERY: Span = Span::milliseconds(300);
/// The time between two renewals of the lease.
const RENEW_EVERY: Span = Span::seconds(20);

/// One model's attempt at an answer.
pub struct StreamPublisher<'a, P> {
    ports: &'a P,
    claim: &'a Claim,
    channel: &'a Channel,
    attempt: String,
    thinking: Thinking,
    /// What was said so far, without thoughts.
    pub text: String,
    /// Bytes of it that the channel has.
    told: usize,
    waiting: Vec<TurnEvent>,
    last_told: Timestamp,
    last_renewed: Timestamp,
    /// Nobody wants the rest: the claim was lost, or the turn was cancelled.
    pub unwanted: bool,
}

impl<P> std::fmt::Debug for StreamPublisher<'_, P> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("StreamPublisher").field("attempt", &self.attempt).finish_non_exhaustive()
    }
}

/// The name of an attempt: sorts by claim, then by model.
pub fn attempt_name(claim: &Claim, model: usize) -> String {
    format!("{}/{model:02}", claim.token)
}

impl<'a, P: Database + Channels + Clock> StreamPublisher<'a, P> {
    /// Begins attempt number `model` of a claim with the event that announces it.
    pub fn new(ports: &'a P, claim: &'a Claim, channel: &'a Channel, model: usize, started: TurnEvent) -> Self {
        Self {
            ports,
            claim,
            channel,
            attempt: attempt_name(claim, model),
            thinking: Thinking::default(),
            text: String::new(),
            told: 0,
            waiting: vec![started],
            last_told: Timestamp::from_milliseconds(0),
            last_renewed: ports.now(),
            unwanted: false,
        }
    }

    /// Passes on what has not been. A channel that does not answer is tried again with the next piece:
    /// each says where it begins, so that none is passed on twice.
    async fn publish(&mut self) {
        let mut events = self.waiting.clone();
        if self.text.len() > self.told {
            events.push(TurnEvent::Delta { at: self.told, text: self.text[self.told..].to_owned() });
        }
        let update = Update { job: self.claim.job.clone(), attempt: self.attempt.clone(), events };
        self.last_told = self.ports.now();
        match self.ports.publish(self.channel, update).await {
            Ok(true) => {
                self.waiting.clear();
                self.told = self.text.len();
            }
            Ok(false) => self.unwanted = true,
            Err(_) => {}
        }
    }

    /// The end of the model's answer: passes on the rest.
    pub async fn finish(&mut self) {
        let rest = self.thinking.finish();
        self.text.push_str(&rest);
        self.publish().await;
    }

    async fn renew(&mut self) -> Result<(), Failure> {
        self.last_renewed = self.ports.now();
        self.unwanted |= !protocol::renew(self.ports, self.claim).await?;
        Ok(())
    }
}

impl<P: Database + Channels + Clock> Sink for StreamPublisher<'_, P> {
    async fn accept(&mut self, text: &str) -> Flow {
        let said = self.thinking.push(text);
        // An answer does not begin with the blank lines that follow thoughts.
        self.text.push_str(if self.text.is_empty() { said.trim_start() } else { &said });
        let now = self.ports.now();
        if now.since(self.last_told) >= PUBLISH_EVERY && self.text.len() > self.told {
            self.publish().await;
        }
        if now.since(self.last_renewed) >= RENEW_EVERY {
            // A renewal that fails is no reason to stop: the last write is fenced by the claim.
            let _ = self.renew().await;
        }
        if self.unwanted { Flow::Stop } else { Flow::Continue }
    }
}
