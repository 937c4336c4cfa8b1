//! What happened in a history, a line for each thing: when, who, what, and what came of it.

use std::{cell::RefCell, fmt::Write as _, rc::Rc, task::Poll};

use pipeline::{
    job::{message::Message, outcome::Outcome},
    time::{HOUR, MINUTE, Span, Timestamp},
};
use serde_json::Value;
use test_platform::Fate;

/// More of a request's body than this tells nobody anything.
const LONGEST_BODY: usize = 90;

/// The lines of a history, if anybody wants to read them.
#[derive(Clone, Debug, Default)]
pub(super) struct Trace {
    lines: Option<Vec<Line>>,
    operation: Option<usize>,
    started: Option<Timestamp>,
    faults: Rc<RefCell<Vec<String>>>,
}

#[derive(Clone, Debug)]
struct Line {
    operation: Option<usize>,
    text: String,
}

impl Trace {
    /// One that is written.
    pub(super) fn written() -> Self {
        Self { lines: Some(Vec::new()), ..Self::default() }
    }

    pub(super) fn is_written(&self) -> bool {
        self.lines.is_some()
    }

    /// The operation to which the next lines belong; none once all operations are done.
    pub(super) fn begin(&mut self, operation: Option<usize>) {
        self.operation = operation;
    }

    /// Watches what becomes of calls: those that do not work are told with the next line.
    pub(super) fn watch(&self, mut fates: impl FnMut() -> Fate + 'static) -> Box<dyn FnMut() -> Fate> {
        if !self.is_written() {
            return Box::new(fates);
        }
        let faults = Rc::clone(&self.faults);
        let mut call = 0;
        Box::new(move || {
            call += 1;
            let fate = fates();
            if fate != Fate::Works {
                faults.borrow_mut().push(format!("call {call} {}", told(fate)));
            }
            fate
        })
    }

    /// Writes a line.
    pub(super) fn note(&mut self, now: Timestamp, who: &str, what: impl FnOnce() -> String) {
        let Some(lines) = &mut self.lines else { return };
        let since = now.since(*self.started.get_or_insert(now));
        let mut text = format!("{} {who:<12} {}", clock(since), what());
        let faults = std::mem::take(&mut *self.faults.borrow_mut());
        if !faults.is_empty() {
            let _ = write!(text, " ({})", faults.join(", "));
        }
        lines.push(Line { operation: self.operation, text });
    }

    /// The lines of the last so many operations, and what came after them.
    pub(super) fn of_last(&self, operations: usize) -> Vec<String> {
        let lines = self.lines.as_deref().unwrap_or_default();
        let mut numbers: Vec<usize> = lines.iter().filter_map(|line| line.operation).collect();
        numbers.dedup();
        let first = numbers.len().saturating_sub(operations);
        let first = numbers.get(first).copied().unwrap_or(0);
        lines
            .iter()
            .filter(|line| line.operation.is_none_or(|operation| operation >= first))
            .map(|line| match line.operation {
                Some(operation) => format!("{operation:>4} {}", line.text),
                None => format!("   - {}", line.text),
            })
            .collect()
    }
}

fn told(fate: Fate) -> &'static str {
    match fate {
        Fate::Works => "works",
        Fate::Fails => "fails",
        Fate::AnswerLost => "is done, its answer lost",
        Fate::Pauses => "pauses",
        Fate::Crashes => "crashes before it",
        Fate::CrashesAfter => "crashes after it",
    }
}

/// Days, hours, minutes and seconds since the history began.
fn clock(since: Span) -> String {
    let (hours, minutes, seconds) = (since / HOUR, since / MINUTE % 60, since.as_seconds() % 60);
    let milliseconds = since.as_milliseconds() % 1_000;
    format!("+{}d{:02}:{minutes:02}:{seconds:02}.{milliseconds:03}", hours / 24, hours % 24)
}

/// The beginning of a request's body.
pub(super) fn shortened(body: &Value) -> String {
    let text = if body.is_null() { String::new() } else { body.to_string() };
    match text.char_indices().nth(LONGEST_BODY) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// What a worker is asked to do.
pub(super) fn task_of(message: &Message) -> String {
    format!("{} item {}", message.stage.name(), message.item)
}

/// What became of a worker for now.
pub(super) fn outcome_of(polled: &Poll<Outcome>) -> String {
    match polled {
        Poll::Pending => "pauses".to_owned(),
        Poll::Ready(Outcome::Retry { why, .. }) => format!("retried, {why}"),
        Poll::Ready(Outcome::Park { why, .. }) => format!("parked, {why}"),
        Poll::Ready(Outcome::Dead { why }) => format!("dead, {why}"),
        Poll::Ready(Outcome::Done) => "done".to_owned(),
    }
}
