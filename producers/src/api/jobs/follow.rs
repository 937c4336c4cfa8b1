//! Following a job: what is reported of it, and how often it is looked at.
//!
//! A look reads every item, and a large upload has thousands. So the more items a job has, the rarer it is looked
//! at; in between one row says whether it has ended, and while all of it is parked nothing else is read.

use pipeline::{
    failure::Failure,
    fingerprint,
    ids::{JobId, UserId},
    platform::{
        ports::{Clock, Database},
        statement::json,
    },
    store::jobs::read::mark,
    time::{Span, Timestamp},
};

use super::{look::read, view::JobView};

/// Between two looks at a job that has just changed; without news the pauses grow.
const FIRST_PAUSE: Span = Span::milliseconds(500);
/// The longest pause: a comment after each keeps proxies from closing the stream.
const LONGEST_PAUSE: Span = Span::seconds(15);
/// For each item of a job so much of a pause: whoever follows a job all day reads less than the day's rows.
const PAUSE_OF_ITEM: Span = Span::milliseconds(20);
/// Items of a job that are read as readily as the row that says whether they need be.
const FEW_ITEMS: usize = 100;
/// Items that one stream reads, whatever the looks; the first look is made in any case.
const ITEMS_OF_STREAM: usize = 20_000;
/// D1 queries of a step: a look asks for the job, its items and their failures, after one whether it is worth it.
pub const QUERIES_OF_STEP: u64 = 4;

/// The least pause between two looks at a job of so many items.
pub fn least_pause(items: usize) -> Span {
    i64::try_from(items).unwrap_or(i64::MAX / PAUSE_OF_ITEM.as_milliseconds()) * PAUSE_OF_ITEM
}

/// A job's state as it is reported, and its id, which distinguishes it from the next.
fn written(view: &JobView) -> Result<(String, String), Failure> {
    let data = json(view)?;
    let mut id = fingerprint::of(&[data.as_bytes()]);
    id.truncate(16);
    Ok((data, id))
}

/// True if a job has ended and its last event is the one with this id: there is nothing to follow any more.
///
/// # Errors
/// D1 does not answer.
pub async fn has_heard_all<P: Database>(ports: &P, user: &UserId, job: &JobId, id: &str) -> Result<bool, Failure> {
    let Some(view) = read(ports, user, job).await? else { return Ok(false) };
    Ok(view.status.is_terminal() && written(&view)?.1 == id)
}

/// A job that somebody follows.
#[derive(Clone, Debug)]
pub struct Followed {
    user: UserId,
    job: JobId,
    /// The id of the state that was reported last.
    id: String,
    /// How long nothing has to be looked at, while nothing happens.
    pause: Span,
    next_look: Option<Timestamp>,
    /// Items of the job.
    items: usize,
    /// Until when it was parked when it was looked at.
    due_at: Timestamp,
    /// Items that were read.
    read: usize,
}

/// What a step found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// Another state than before, as a server-sent event; the stream ends with the last.
    State {
        /// `event:`, `id:` and `data:` lines.
        text: String,
        /// The job has ended.
        is_last: bool,
    },
    /// Nothing that was not reported.
    Nothing,
    /// This stream has read enough.
    Enough,
    /// There is no such job.
    Gone,
}

impl Followed {
    /// Somebody begins to follow a user's job.
    pub const fn new(user: UserId, job: JobId) -> Self {
        let due_at = Timestamp::from_milliseconds(0);
        Self { user, job, id: String::new(), pause: Span::ZERO, next_look: None, items: 0, due_at, read: 0 }
    }

    /// How long to wait for the next step.
    pub fn pause(&self, now: Timestamp) -> Span {
        self.next_look.map_or(Span::ZERO, |next| next.since(now).clamp(FIRST_PAUSE, LONGEST_PAUSE))
    }

    /// What a stream ends with whose job has not: who listens comes back when there may be something to report.
    pub fn come_back(&self) -> String {
        let pause = least_pause(self.items).max(Span::seconds(1));
        format!("retry: {}\n\n", pause.as_milliseconds())
    }

    /// Looks at the job, if that can show anything new.
    ///
    /// # Errors
    /// D1 does not answer; the next step may be made.
    pub async fn step<P: Database + Clock>(&mut self, ports: &P) -> Result<News, Failure> {
        if self.items > FEW_ITEMS && !self.is_worth_a_look(ports).await? {
            return Ok(News::Nothing);
        }
        if self.read > 0 && self.read + self.items > ITEMS_OF_STREAM {
            return Ok(News::Enough);
        }
        self.wait_longer(ports.now());
        let Some(view) = read(ports, &self.user, &self.job).await? else { return Ok(News::Gone) };
        self.items = view.item_rows;
        self.read += view.item_rows;
        self.due_at = view.due_at;
        self.note(&view, ports.now())
    }

    /// Whether the job has ended, or may have changed since it was looked at and was not a moment ago.
    async fn is_worth_a_look<P: Database + Clock>(&mut self, ports: &P) -> Result<bool, Failure> {
        let Some(mark) = mark(&self.user, &self.job).first(ports).await? else { return Ok(true) };
        if mark.finished_at.is_some() {
            return Ok(true);
        }
        let now = ports.now();
        let is_early = self.next_look.is_some_and(|next| next > now);
        let is_parked = mark.due_at > now && mark.due_at == self.due_at;
        if is_parked && !is_early {
            self.next_look = Some(now.plus(LONGEST_PAUSE));
        }
        Ok(!is_early && !is_parked)
    }

    fn wait_longer(&mut self, now: Timestamp) {
        self.pause = (3 * self.pause / 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        self.look_after(self.pause, now);
    }

    fn look_after(&mut self, pause: Span, now: Timestamp) {
        self.next_look = Some(now.plus(pause.max(least_pause(self.items))));
    }

    fn note(&mut self, view: &JobView, now: Timestamp) -> Result<News, Failure> {
        let (data, id) = written(view)?;
        if id == self.id {
            self.look_after(self.pause, now);
            return Ok(News::Nothing);
        }
        self.pause = FIRST_PAUSE;
        self.look_after(self.pause, now);
        let text = format!("event: job\nid: {id}\ndata: {data}\n\n");
        self.id = id;
        Ok(News::State { text, is_last: view.status.is_terminal() })
    }
}
