//! Jobs: how far an upload or an answer is, following it, stopping it, trying again.

pub mod cancel;
pub mod follow;
pub mod items;
mod look;
mod overview;
mod turn;
mod turn_writer;
mod view;
mod wait;

use http::{StatusCode, header};
use pipeline::{
    chat::{
        channel::{self, Channel, TurnEvent, Update},
        turn::Turn,
    },
    failure::Failure,
    fingerprint,
    ids::{ItemId, JobId, UserId},
    job::kind::JobKind,
    platform::{
        ports::{Channels, Clock, Database, ObjectStore, Queue},
        transaction::Transaction,
    },
    problem::Problem,
    restore,
    store::{self, jobs::read::WantedJobs},
};

pub use self::{
    look::read,
    turn::{TurnState, of_job as turn_of, turn_end, turn_state},
    view::{Counts, JobView, StageView, Status, UploadView},
    wait::{WithJob, wait, wait_for_end},
};
use self::{
    turn_writer::{Heard, TurnWriter},
    view::{cancelled, not_found, nothing_failed},
};
use crate::http::{
    call::{Call, last_event},
    paging,
    reply::{Answer, Body, Refusal, Reply, TurnStream},
};

fn id_of(call: &Call<'_>) -> Result<JobId, Problem> {
    JobId::parse(call.id).ok_or_else(not_found)
}

/// `GET /api/jobs/{id}`. An answer that lies in an archive is brought back with its conversation.
pub async fn get<P: Database + ObjectStore + Clock>(ports: &P, call: &Call<'_>) -> Answer {
    let job = id_of(call)?;
    let user = &call.tenant.user;
    let mut view = read(ports, user, &job).await?.ok_or_else(not_found)?;
    if view.answer_is_elsewhere()
        && let Some(turn) = turn::of_job(ports, user, &job).await?
        && restore::restore(ports, user, &turn.conversation_id).await?
    {
        view = read(ports, user, &job).await?.ok_or_else(not_found)?;
    }
    let reply = reply(StatusCode::OK, &view)?;
    if reply.is_known_to(call.request.headers()) {
        return Ok(Reply { status: StatusCode::NOT_MODIFIED, body: Body::Bytes(Vec::new()), ..reply });
    }
    Ok(reply)
}

fn reply(status: StatusCode, view: &JobView) -> Result<Reply, Failure> {
    let text = pipeline::platform::statement::json(view)?;
    let etag = format!("\"{}\"", &fingerprint::of(&[text.as_bytes()])[..32]);
    let reply = Reply::bytes(status, "application/json", text.into_bytes())
        .with(header::ETAG, &etag)
        .with(header::CACHE_CONTROL, "no-cache");
    Ok(if view.status.is_terminal() { reply } else { reply.asked_again_after(follow::least_pause(view.item_rows)) })
}

/// `GET /api/jobs/{id}/events`: the edge streams a job's states, or what is published about a turn.
///
/// `Last-Event-ID` or `?since=` goes on after that event of a turn. After the last event of either it is 204, by which
/// an `EventSource` knows not to come back.
pub async fn events<P: Database>(ports: &P, call: &Call<'_>) -> Answer {
    let job = id_of(call)?;
    let user = &call.tenant.user;
    let row = store::jobs::read::job(user, &job).first(ports).await?.ok_or_else(not_found)?;
    let reply = Reply::bytes(StatusCode::OK, "text/event-stream", Vec::new()).with(header::CACHE_CONTROL, "no-store");
    let last = last_event(call.request);
    if row.kind != JobKind::Chat {
        if row.finished_at.is_some()
            && let Some(id) = last
            && follow::has_heard_all(ports, user, &job, &id).await?
        {
            return Ok(nothing_follows());
        }
        return Ok(Reply { body: Body::JobEvents(job), ..reply });
    }
    let Heard { since, end } = Heard::of(last.as_deref())?;
    if end.is_some() && end == turn_end(ports, user, &job).await?.as_ref().map(turn_writer::name) {
        return Ok(nothing_follows());
    }
    let turn = turn::of_job(ports, user, &job).await?.ok_or_else(not_found)?;
    let channel = Channel::of_turn(user, &job, turn.session_id.as_ref());
    Ok(Reply {
        body: Body::TurnEvents(TurnStream {
            writer: Box::new(TurnWriter::new(&job)),
            job,
            channel,
            since,
            closing: None,
        }),
        ..reply
    })
}

fn nothing_follows() -> Reply {
    Reply::bytes(StatusCode::NO_CONTENT, "text/event-stream", Vec::new())
}

/// What jobs are for that their owners see.
pub const KINDS: [&str; 6] = [
    JobKind::Index.name(),
    JobKind::Delete.name(),
    JobKind::Restore.name(),
    JobKind::Chat.name(),
    JobKind::Archive.name(),
    JobKind::Capture.name(),
];
/// What a job may be, as far as it has come.
pub const STATUSES: [&str; 7] = ["queued", "running", "parked", "succeeded", "partial", "failed", "cancelled"];

/// `GET /api/jobs`: the newest first.
pub async fn list<P: Database>(ports: &P, call: &Call<'_>) -> Answer {
    let (limit, cursor) = paging::page(call, |cursor| paging::id(cursor, JobId::parse))?;
    let wanted = WantedJobs {
        cursor,
        kind: paging::one_of(call, "kind", &KINDS)?,
        status: paging::one_of(call, "status", &STATUSES)?,
    };
    let entries = store::jobs::read::list(&call.tenant.user, &wanted, limit + 1).all(ports).await?;
    Ok(paging::page_reply(entries, limit, |entry| entry.id.to_string()))
}

/// `POST /api/jobs/{id}/retry`: failed items try again from where they failed; not those of a job that was cancelled.
pub async fn retry<P: Database + Queue + Channels + Clock>(ports: &P, call: &Call<'_>) -> Answer {
    let job = id_of(call)?;
    let user = &call.tenant.user;
    let requeued = requeue(ports, user, &job, None).await?;
    let view = read(ports, user, &job).await?.ok_or_else(not_found)?;
    if requeued == 0 && view.status.is_terminal() {
        return Err(nothing_failed().into());
    }
    Ok(reply(StatusCode::ACCEPTED, &view)?.of_job(&job))
}

/// A dead letter that is replayed.
#[derive(Clone, Copy, Debug)]
pub struct Letter<'a> {
    /// The letter.
    pub id: &'a str,
    /// The item that failed.
    pub item: ItemId,
}

/// Queues a job's failed items again, or that of a dead letter, and sends their messages; how many they are. A batch
/// waits for its failed pack again, wherever it had got to without it. Who listens to a turn is sent the news before
/// anybody can work on it again.
pub async fn requeue<P: Database + Queue + Channels + Clock>(
    ports: &P,
    user: &UserId,
    job: &JobId,
    letter: Option<Letter<'_>>,
) -> Result<usize, Refusal> {
    let now = ports.now();
    let only = letter.map(|letter| letter.item);
    let mut transaction = Transaction::default();
    let end = transaction.query(store::jobs::read::end(user, job));
    let failed = transaction.query(store::jobs::retry::failed_turn(user, job));
    if let Some(letter) = letter {
        transaction.write(store::dead_letters::replay(user, letter.id, now));
    }
    transaction.write(store::jobs::retry::reopen_batches(user, job, only, now));
    transaction.announce(store::jobs::retry::requeue(user, job, only, now));
    transaction.write(store::jobs::retry::reopen_job(user, job));
    let done = transaction.commit(ports).await?;
    if done.first(end)?.ok_or_else(not_found)?.cancelled_at.is_some() {
        return Err(cancelled().into());
    }
    if let Some(failed) = done.first(failed)? {
        publish_retry(ports, user, job, &failed).await?;
    }
    let messages = done.messages()?;
    let requeued = messages.len();
    ports.send(messages).await?;
    Ok(requeued)
}

/// Takes back that a turn failed, for those who heard it and those who would hear it late.
async fn publish_retry<P: Channels>(
    ports: &P,
    user: &UserId,
    job: &JobId,
    failed: &store::jobs::retry::FailedTurn,
) -> Result<(), Failure> {
    let turn = Turn::read(&failed.turn)?;
    let attempt = channel::retry_attempt(failed.failed_at);
    let update = Update { job: job.clone(), attempt, events: vec![TurnEvent::Restarted] };
    // D1 is the truth: a channel that is not reached costs its listeners the live view.
    let _ = ports.publish(&Channel::of_turn(user, job, turn.session_id.as_ref()), update).await;
    Ok(())
}
