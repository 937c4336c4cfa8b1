//! Passes an answer on while it is written: to the turn's channel, a few pieces a second.

use pipeline::{
    chat::{
        channel::{Channel, TurnEvent, Update},
        generation::{Flow, Sink},
        verdict::Support,
    },
    failure::Failure,
    ids::ClaimToken,
    job::{item::Claim, protocol},
    platform::ports::{Channels, Clock, Database, Meter},
    time::{Span, Timestamp},
};

use super::{
    answer_filter::AnswerFilter,
    check::{self, Judged, evidence::Evidence, parts::Part},
    repetition,
};

/// The time between two updates: quick enough to read along, and some fifteen requests to the channel for
/// an answer.
const PUBLISH_EVERY: Span = Span::milliseconds(300);
/// How long a model may read and write what is not shown: who asks has something to read meanwhile, but waits.
pub(super) const DRAFT: Span = Span::seconds(12);
/// The time between two renewals of the lease.
const RENEW_EVERY: Span = Span::seconds(20);
/// Requests that are kept for what comes after the answer: one that is very long is passed on late.
const KEPT_REQUESTS: u64 = 100;
/// D1 queries that are kept for it: what a turn ends with, in whatever way.
pub(super) const QUERIES_TO_END: u64 = 20;

/// One model's attempt at an answer.
pub struct StreamPublisher<'a, P> {
    ports: &'a P,
    claim: &'a Claim,
    channel: &'a Channel,
    attempt: String,
    filter: AnswerFilter,
    shown: Shown<'a>,
    /// The answer so far, without thoughts.
    pub text: String,
    /// Bytes of it in which nothing is left to be checked.
    checked: usize,
    /// It was cut: what the filter holds back is none of it.
    is_cut: bool,
    started: Timestamp,
    /// Bytes of it that the channel has.
    published: usize,
    waiting: Vec<TurnEvent>,
    last_published: Timestamp,
    last_renewed: Timestamp,
    /// Nobody wants the rest: the claim was lost, or the turn was cancelled.
    pub unwanted: bool,
}

impl<P> std::fmt::Debug for StreamPublisher<'_, P> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("StreamPublisher").field("attempt", &self.attempt).finish_non_exhaustive()
    }
}

/// What is shown of an answer while it is written.
#[derive(Debug)]
pub enum Shown<'a> {
    /// All, and for every sentence what speaks for it.
    Checked(&'a Evidence),
    /// All; there is nothing to hold it against.
    Unchecked,
    /// All, as its client asked for it: it may repeat itself.
    AsIs,
    /// Nothing of it, but this, if it is anything. Where there is something that each of its sentences must stand in,
    /// it ends before the first that does not.
    Instead(String, Option<&'a Evidence>),
}

/// Which part of a claim's work an update comes from. A channel takes an update as the end of every part
/// before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The route's model at this place answers.
    Model(usize),
    /// The turn has ended, whoever answered.
    End,
}

impl Attempt {
    /// The name in updates: sorts by claim, then by model, the end last.
    pub fn name(self, claim: &ClaimToken) -> String {
        match self {
            Self::Model(place) => format!("{claim}/{place:02}"),
            Self::End => format!("{claim}/99"),
        }
    }
}

impl<'a, P: Database + Channels + Meter + Clock> StreamPublisher<'a, P> {
    /// Begins an attempt of a claim with the event that announces it.
    pub fn new(
        ports: &'a P,
        claim: &'a Claim,
        channel: &'a Channel,
        (attempt, started): (Attempt, TurnEvent),
        filter: AnswerFilter,
        shown: Shown<'a>,
    ) -> Self {
        let instead = match &shown {
            Shown::Instead(text, _) if !text.is_empty() => Some(TurnEvent::Delta { at: 0, text: text.clone() }),
            _ => None,
        };
        let now = ports.now();
        Self {
            ports,
            claim,
            channel,
            attempt: attempt.name(&claim.token),
            filter,
            text: String::new(),
            published: 0,
            waiting: std::iter::once(started).chain(instead).collect(),
            last_published: Timestamp::from_milliseconds(0),
            last_renewed: now,
            unwanted: false,
            shown,
            checked: 0,
            is_cut: false,
            started: now,
        }
    }

    /// Passes on what is shown before the model says anything.
    pub async fn begin(&mut self) {
        if matches!(self.shown, Shown::Instead(..)) {
            self.publish().await;
        }
    }

    /// Passes on what has not been. A channel that does not answer is tried again with the next piece:
    /// each says where it begins, so that none is passed on twice.
    async fn publish(&mut self) {
        let mut events = self.waiting.clone();
        if self.text.len() > self.published && self.is_shown() {
            events.push(TurnEvent::Delta { at: self.published, text: self.text[self.published..].to_owned() });
        }
        let (checked, upto) = self.newly_checked();
        events.extend(checked);
        let update = Update { job: self.claim.job.clone(), attempt: self.attempt.clone(), events };
        self.last_published = self.ports.now();
        match self.ports.publish(self.channel, update).await {
            Ok(true) => {
                self.waiting.clear();
                self.published = self.text.len();
                self.checked = upto;
            }
            Ok(false) => self.unwanted = true,
            Err(_) => {}
        }
    }

    const fn is_shown(&self) -> bool {
        !matches!(self.shown, Shown::Instead(..))
    }

    /// What is known of the sentences that have ended since, and how far they reach. The last one may go on.
    fn newly_checked(&self) -> (Vec<TurnEvent>, usize) {
        let Shown::Checked(evidence) = &self.shown else { return (Vec::new(), self.checked) };
        let rest = &self.text[self.checked..];
        let mut parts = check::parts::parts(rest);
        parts.pop();
        let upto = parts.last().map_or(self.checked, |part| self.checked + part.range.end);
        let event = |part: &Part| {
            let Judged { mut sentence, undecided } = check::check_part(rest, part, evidence);
            sentence.start += self.checked;
            sentence.end += self.checked;
            undecided.is_none().then_some(TurnEvent::Checked { sentence })
        };
        (parts.iter().filter_map(event).collect(), upto)
    }

    /// Cuts a draft before the first sentence that stands in no source; true if there was one. `is_whole` says that the
    /// last sentence goes no further. Of a draft that begins so that sentence is left: nothing of it stands.
    fn is_cut_to_what_stands(&mut self, is_whole: bool) -> bool {
        let Shown::Instead(_, Some(evidence)) = &self.shown else { return false };
        let rest = &self.text[self.checked..];
        let mut parts = check::parts::parts(rest);
        if !is_whole {
            parts.pop();
        }
        for part in &parts {
            if check::check_part(rest, part, evidence).sentence.support == Support::Unsupported {
                let start = self.checked + part.range.start;
                let before = self.text[..start].trim_end().len();
                self.text.truncate(if before > 0 { before } else { self.checked + part.range.end });
                self.is_cut = true;
                return true;
            }
        }
        self.checked += parts.last().map_or(0, |part| part.range.end);
        false
    }

    /// True for an answer that only repeats itself, which is cut, and for a draft that takes too long.
    fn is_over(&mut self, now: Timestamp) -> bool {
        if !matches!(self.shown, Shown::AsIs)
            && let Some(end) = repetition::end_of_news(&self.text)
        {
            self.text.truncate(if self.filter.is_for_client() { end.max(self.published) } else { end });
            self.checked = self.checked.min(self.text.len());
            self.is_cut = true;
            return true;
        }
        if self.is_cut_to_what_stands(false) {
            return true;
        }
        if self.is_shown() || now.since(self.started) < DRAFT {
            return false;
        }
        self.text.truncate(whole_sentences(&self.text).len());
        self.checked = self.checked.min(self.text.len());
        self.is_cut = true;
        self.is_cut_to_what_stands(true);
        true
    }

    /// The end of the model's answer: passes on the rest.
    pub async fn finish(&mut self) {
        let rest = self.filter.finish();
        if !self.is_cut {
            self.text.push_str(if self.text.is_empty() { rest.trim_start() } else { &rest });
            self.is_cut_to_what_stands(true);
        }
        self.publish().await;
    }

    async fn renew(&mut self) -> Result<(), Failure> {
        self.last_renewed = self.ports.now();
        self.unwanted |= !protocol::renew(self.ports, self.claim).await?;
        Ok(())
    }
}

impl<P: Database + Channels + Meter + Clock> Sink for StreamPublisher<'_, P> {
    async fn accept(&mut self, text: &str) -> Flow {
        let text = self.filter.push(text);
        // An answer does not begin with the blank lines that follow thoughts.
        self.text.push_str(if self.text.is_empty() { text.trim_start() } else { &text });
        let now = self.ports.now();
        let asked = self.ports.asked();
        let is_over = self.is_over(now);
        let is_new = self.text.len() > self.published && self.is_shown();
        let is_due = now.since(self.last_published) >= PUBLISH_EVERY && is_new;
        if is_due && asked.subrequests_left() > KEPT_REQUESTS {
            self.publish().await;
        }
        if now.since(self.last_renewed) >= RENEW_EVERY && asked.queries_left() > QUERIES_TO_END {
            // A renewal that fails is no reason to stop: the last write is fenced by the claim.
            let _ = self.renew().await;
        }
        if self.unwanted || is_over || self.filter.has_stopped() { Flow::Stop } else { Flow::Continue }
    }
}

/// A text without the sentence that is under way; all of it where no sentence has ended, which is checked as it is.
fn whole_sentences(text: &str) -> &str {
    // The point of "wrangler.toml" ends nothing.
    let is_end = |at: usize, mark: char| match mark {
        '.' | '!' | '?' => text[at + 1..].starts_with(char::is_whitespace),
        mark => matches!(mark, '\n' | '。' | '！' | '？'),
    };
    let end = text.char_indices().rev().find(|(at, mark)| is_end(*at, *mark));
    end.map_or(text, |(at, mark)| &text[..at + mark.len_utf8()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_sentence_is_left_out_unless_it_is_all_there_is() {
        assert_eq!(whole_sentences("Run make dev. It listens on"), "Run make dev.");
        assert_eq!(whole_sentences("図書館。それは"), "図書館。");
        assert_eq!(whole_sentences("Run it. It is set in wrangler.to"), "Run it.");
        assert_eq!((whole_sentences("The"), whole_sentences("")), ("The", ""));
    }

    #[test]
    fn the_end_sorts_after_every_model_of_its_claim() {
        let token = ClaimToken::parse("clm_00000000000000000000000000").unwrap();
        assert_eq!(Attempt::Model(0).name(&token), "clm_00000000000000000000000000/00");
        assert_eq!(Attempt::End.name(&token), "clm_00000000000000000000000000/99");
        assert!(Attempt::Model(12).name(&token) < Attempt::End.name(&token));
    }
}
