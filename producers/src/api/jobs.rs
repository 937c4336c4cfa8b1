//! Jobs: how far an upload or an answer is, following it, stopping it, trying again.

pub mod cancel;
pub mod items;
mod turn_writer;
mod view;

use http::{HeaderName, StatusCode, header};
use pipeline::{
    chat::{
        channel::{self, Channel, TurnEvent, Update},
        restore,
        turn::{Turn, TurnResult},
    },
    failure::Failure,
    fingerprint,
    ids::{ItemId, JobId, UserId},
    job::kind::JobKind,
    platform::{
        ports::{Channels, Clock, Database, Deployment, Meter, ObjectStore, Queue},
        transaction::Transaction,
    },
    problem::{Code, Problem},
    store::{self, jobs::read::TurnRow},
    time::{SECOND, Span},
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use self::turn_writer::TurnWriter;
pub use self::view::{Counts, JobView, StageView, Status, UploadView};
use crate::http::{
    call::{Call, since},
    paging,
    reply::{Answer, Body, Refusal, Reply, TurnStream},
};

/// Reads a job; `None` if there is none or it is another's.
pub async fn read<P: Database>(ports: &P, user: &UserId, job: &JobId) -> Result<Option<JobView>, Failure> {
    let mut transaction = Transaction::default();
    let job_row = transaction.query(store::jobs::read::job(user, job));
    let item_rows = transaction.query(store::jobs::read::items(user, job));
    let done = transaction.commit(ports).await?;
    let Some(row) = done.first(job_row)? else { return Ok(None) };
    let items = done.all(item_rows)?;
    Ok(Some(view::view(row, &items)))
}

fn id_of(call: &Call<'_>) -> Result<JobId, Problem> {
    JobId::parse(call.id).ok_or_else(not_found)
}

fn not_found() -> Problem {
    Problem::new(Code::NotFound, "there is no such job; GET /api/jobs lists yours")
}

/// `GET /api/jobs/{id}`. An answer that lies in an archive is brought back with its conversation.
pub async fn get<P: Database + ObjectStore + Clock>(ports: &P, call: &Call<'_>) -> Answer {
    let job = id_of(call)?;
    let user = &call.tenant.user;
    let mut view = read(ports, user, &job).await?.ok_or_else(not_found)?;
    if view.answer_is_elsewhere()
        && let Some(turn) = turn_of(ports, user, &job).await?
        && restore::restore(ports, user, &turn.conversation_id).await?
    {
        view = read(ports, user, &job).await?.ok_or_else(not_found)?;
    }
    let reply = reply(StatusCode::OK, &view)?;
    let unchanged = call
        .request
        .headers()
        .get(header::IF_NONE_MATCH)
        .is_some_and(|given| reply.headers.get(header::ETAG) == Some(given));
    if unchanged {
        let headers = reply.headers;
        return Ok(Reply { status: StatusCode::NOT_MODIFIED, headers, body: Body::Bytes(Vec::new()) });
    }
    Ok(reply)
}

/// After how long asking again is worth it.
const POLL_AFTER: Span = SECOND;

fn reply(status: StatusCode, view: &JobView) -> Result<Reply, Failure> {
    let text = pipeline::platform::statement::json(view)?;
    let etag = format!("\"{}\"", &fingerprint::of(&[text.as_bytes()])[..32]);
    let reply = Reply::bytes(status, "application/json", text.into_bytes())
        .with(header::ETAG, &etag)
        .with(header::CACHE_CONTROL, "no-cache");
    let poll_after = POLL_AFTER.as_seconds().to_string();
    Ok(if view.status.is_terminal() { reply } else { reply.with(header::RETRY_AFTER, &poll_after) })
}

/// Waits for a job's end, for so long at most. Answers 200 with the job if it ended, else 202.
/// `accepted` is what the 202 says beside it.
pub async fn wait<P: Database + Deployment + Meter + Clock>(
    ports: &P,
    user: &UserId,
    job: &JobId,
    longest: Span,
    accepted: &impl Serialize,
) -> Answer {
    wait_for_end(ports, user, job, longest).await?;
    let view = read(ports, user, job).await?.ok_or_else(not_found)?;
    let status = if view.status.is_terminal() { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok(Reply::json(status, &with_job(accepted, view)?)
        .with(HeaderName::from_static("preference-applied"), &format!("wait={}", longest.as_seconds()))
        .with(header::LOCATION, &format!("/api/jobs/{job}")))
}

/// The pause before the second look at a job.
const FIRST_PAUSE: Span = Span::milliseconds(100);
/// D1 queries that are kept for what is read and answered after the wait.
const QUERIES_AFTER_WAIT: u64 = 4;

/// Waits for a job's end, for so long at most; false if it has not come. Each look costs the invocation a query:
/// pauses grow, and one that has no more queries waits no longer.
pub async fn wait_for_end<P: Database + Deployment + Meter + Clock>(
    ports: &P,
    user: &UserId,
    job: &JobId,
    longest: Span,
) -> Result<bool, Failure> {
    let deadline = ports.now().plus(longest);
    let longest_pause = (longest / ports.plan().units().pauses_of_a_wait).max(SECOND);
    let mut pause = FIRST_PAUSE;
    loop {
        if has_ended(ports, user, job).await? {
            return Ok(true);
        }
        let left = deadline.since(ports.now());
        if left <= Span::ZERO || ports.asked().queries_left() <= QUERIES_AFTER_WAIT {
            return Ok(false);
        }
        ports.sleep(pause.min(left)).await;
        pause = (3 * pause / 2).min(longest_pause);
    }
}

/// True if a job has ended, or is gone.
async fn has_ended<P: Database>(ports: &P, user: &UserId, job: &JobId) -> Result<bool, Failure> {
    let end = store::jobs::read::end(user, job).first(ports).await?;
    Ok(end.is_none_or(|end| end.finished_at.is_some()))
}

/// What was accepted, with the job if it was waited for.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "{T}WithJob")]
pub struct WithJob<T> {
    #[serde(flatten)]
    accepted: T,
    /// The job's present status, or what is said in its place where there is no job.
    #[schemars(with = "String")]
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<JobView>,
}

fn with_job(accepted: &impl Serialize, job: JobView) -> Result<WithJob<Map<String, Value>>, Failure> {
    let bug = |error: serde_json::Error| Failure::bug(error.to_string());
    let mut accepted: Map<String, Value> =
        serde_json::to_value(accepted).and_then(serde_json::from_value).map_err(bug)?;
    // What it was when it was accepted.
    accepted.remove("status");
    Ok(WithJob { accepted, status: job.status, job: Some(job) })
}

/// `GET /api/jobs/{id}/events`: the edge streams a job's states, or what is published about a turn.
///
/// `Last-Event-ID` or `?since=` goes on after that event of a turn.
pub async fn events<P: Database>(ports: &P, call: &Call<'_>) -> Answer {
    let job = id_of(call)?;
    let user = &call.tenant.user;
    let view = read(ports, user, &job).await?.ok_or_else(not_found)?;
    let reply = Reply::bytes(StatusCode::OK, "text/event-stream", Vec::new()).with(header::CACHE_CONTROL, "no-store");
    if view.kind != JobKind::Chat {
        return Ok(Reply { body: Body::JobEvents(job), ..reply });
    }
    let turn = turn_of(ports, user, &job).await?.ok_or_else(not_found)?;
    let channel = Channel::of_turn(user, &job, turn.session_id.as_ref());
    let since = since(call.request)?;
    Ok(Reply {
        body: Body::TurnEvents(TurnStream { writer: Box::new(TurnWriter::new(&job)), job, channel, since }),
        ..reply
    })
}

/// What a chat job is about.
async fn turn_of<P: Database>(ports: &P, user: &UserId, job: &JobId) -> Result<Option<Turn>, Failure> {
    let row = store::jobs::read::turn(user, job).first(ports).await?;
    row.map_or(Ok(None), |row| turn_in(&row))
}

/// The turn that a chat job's row holds.
fn turn_in(row: &TurnRow) -> Result<Option<Turn>, Failure> {
    let Some(text) = &row.turn else { return Ok(None) };
    serde_json::from_str(text).map(Some).map_err(|error| Failure::bug(format!("a chat job's turn: {error}")))
}

/// How far a turn is.
#[derive(Clone, Debug)]
pub enum TurnState {
    /// Not answered yet.
    Open,
    /// Answered.
    Answered(Box<TurnResult>),
    /// Its owner stopped it.
    Cancelled,
    /// Ended without an answer, and why.
    Ended(String),
}

/// Looks whether a turn is answered.
pub async fn turn_state<P: Database>(ports: &P, user: &UserId, job: &JobId) -> Result<TurnState, Failure> {
    let Some(view) = read(ports, user, job).await? else {
        return Ok(TurnState::Ended("the conversation was deleted".to_owned()));
    };
    Ok(match (view.result, view.status) {
        (Some(result), _) => TurnState::Answered(Box::new(result)),
        (None, Status::Cancelled) => TurnState::Cancelled,
        (None, status) if status.is_terminal() => {
            let why = view.errors.first().map_or("there is no answer", |problem| problem.detail.as_str());
            TurnState::Ended(why.to_owned())
        }
        (None, _) => TurnState::Open,
    })
}

/// The end of a turn as an event, for listeners whose channel did not hear of it; `None` while it is open.
pub async fn turn_end<P: Database>(ports: &P, user: &UserId, job: &JobId) -> Result<Option<TurnEvent>, Failure> {
    if !has_ended(ports, user, job).await? {
        return Ok(None);
    }
    Ok(match turn_state(ports, user, job).await? {
        TurnState::Open => None,
        TurnState::Cancelled => Some(TurnEvent::Cancelled),
        TurnState::Ended(detail) => Some(TurnEvent::Failed { detail }),
        TurnState::Answered(result) => {
            let result = serde_json::to_value(&result).map_err(|error| Failure::bug(error.to_string()))?;
            Some(TurnEvent::Done { result: Box::new(result) })
        }
    })
}

/// One state of a job as a server-sent event.
#[derive(Debug)]
pub struct JobEvent {
    /// `event:`, `id:` and `data:` lines.
    pub text: String,
    /// Tells one state from the next.
    pub etag: String,
    /// The stream ends with it.
    pub is_last: bool,
}

/// The job's present state as an event.
pub async fn event<P: Database>(ports: &P, user: &UserId, job: &JobId) -> Result<Option<JobEvent>, Failure> {
    let Some(view) = read(ports, user, job).await? else { return Ok(None) };
    let data = pipeline::platform::statement::json(&view)?;
    let etag = fingerprint::of(&[data.as_bytes()]);
    Ok(Some(JobEvent {
        text: format!("event: job\nid: {}\ndata: {data}\n\n", &etag[..16]),
        etag,
        is_last: view.status.is_terminal(),
    }))
}

/// `GET /api/jobs`: the newest first.
pub async fn list<P: Database>(ports: &P, call: &Call<'_>) -> Answer {
    let (limit, cursor) = paging::page(call)?;
    let entries = store::jobs::read::list(&call.tenant.user, cursor, limit + 1).all(ports).await?;
    Ok(paging::page_reply(entries, limit, |entry| entry.id.to_string()))
}

/// `POST /api/jobs/{id}/retry`: failed items try again from where they failed.
pub async fn retry<P: Database + Queue + Channels + Clock>(ports: &P, call: &Call<'_>) -> Answer {
    let job = id_of(call)?;
    let user = &call.tenant.user;
    read(ports, user, &job).await?.ok_or_else(not_found)?;
    requeue(ports, user, &job, None).await?;
    let view = read(ports, user, &job).await?.ok_or_else(not_found)?;
    reply(StatusCode::ACCEPTED, &view).map_err(Refusal::from)
}

/// Queues a job's failed items again, or one of them, and sends their messages. A batch waits for its
/// failed pack again, wherever it had got to without it. Who listens to a turn is told before anybody can work
/// on it again.
pub async fn requeue<P: Database + Queue + Channels + Clock>(
    ports: &P,
    user: &UserId,
    job: &JobId,
    only: Option<ItemId>,
) -> Result<(), Failure> {
    let now = ports.now();
    let mut transaction = Transaction::default();
    let failed = transaction.query(store::jobs::retry::failed_turn(user, job));
    transaction.write(store::jobs::retry::reopen_batches(user, job, only, now));
    transaction.announce(store::jobs::retry::requeue(user, job, only, now));
    transaction.write(store::jobs::retry::reopen_job(user, job));
    let done = transaction.commit(ports).await?;
    if let Some(failed) = done.first(failed)? {
        publish_retry(ports, user, job, &failed).await?;
    }
    ports.send(done.messages()?).await
}

/// Takes back that a turn failed, for those who heard it and those who would hear it late.
async fn publish_retry<P: Channels>(
    ports: &P,
    user: &UserId,
    job: &JobId,
    failed: &store::jobs::retry::FailedTurn,
) -> Result<(), Failure> {
    let turn: Turn =
        serde_json::from_str(&failed.turn).map_err(|error| Failure::bug(format!("a chat job's turn: {error}")))?;
    let attempt = channel::retry_attempt(failed.failed_at);
    let update = Update { job: job.clone(), attempt, events: vec![TurnEvent::Restarted] };
    // D1 is the truth: a channel that is not reached costs its listeners the live view.
    let _ = ports.publish(&Channel::of_turn(user, job, turn.session_id.as_ref()), update).await;
    Ok(())
}
