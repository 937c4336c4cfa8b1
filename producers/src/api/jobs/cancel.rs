//! Stopping a job: what it works on ends at the next stage boundary, what it made is removed.

use http::StatusCode;
use pipeline::{
    chat::{
        channel::{Channel, TurnEvent, Update},
        turn::Turn,
    },
    failure::Failure,
    ids::{JobId, UserId},
    job::{
        kind::JobKind,
        purge::{self, Purge},
    },
    platform::{
        object_keys,
        ports::{Channels, Clock, Database, ObjectStore, Queue, Random},
        transaction::Transaction,
    },
    problem::{Code, Problem},
    store::{documents, jobs, users},
};

use super::{id_of, not_found, read, reply};
use crate::http::{
    call::Call,
    reply::{Answer, Refusal},
};

/// `POST /api/jobs/{id}/cancel`: stops at once what is not running, and what is at its next write.
///
/// One transaction: the items' claims are void from then on, the revisions they were making are
/// superseded, and documents that were never published are gone. What a document had taken over from another upload
/// before that was published is gone, too, and does not come back: the receipt counts what is to be sent again.
pub async fn cancel<P: Database + ObjectStore + Queue + Channels + Clock + Random>(
    ports: &P,
    call: &Call<'_>,
) -> Answer {
    let job = id_of(call)?;
    let user = &call.tenant.user;
    let view = read(ports, user, &job).await?.ok_or_else(not_found)?;
    if view.kind == JobKind::Chat && !view.status.is_terminal() {
        cancel_turn(ports, user, &job).await?;
        let view = read(ports, user, &job).await?.ok_or_else(not_found)?;
        return reply(StatusCode::OK, &view).map_err(Refusal::from);
    }
    if view.status.is_terminal() {
        return reply(StatusCode::OK, &view).map_err(Refusal::from);
    }
    if view.kind != JobKind::Index {
        let detail = "what was deleted is not brought back, and what is put away is not left half way: this kind of \
                      job goes on to its end";
        return Err(Problem::new(Code::Conflict, detail).into());
    }
    let now = ports.now();
    let purge_job = JobId::new(now, ports.bytes());
    let mut work = Transaction::default();
    work.write(documents::superseded::by_cancel(user, &job));
    work.write(jobs::cancel::note_lost(user, &job));
    work.write(documents::delete::withdraw(user, now));
    purge::schedule(&mut work, Purge { job: &purge_job, user, kind: JobKind::Purge, due: now, now })?;
    for write in jobs::cancel::job(user, &job, now) {
        work.write(write);
    }
    work.write(users::bump(user));
    let done = work.commit(ports).await?;
    let _ = ports.send(done.messages()?).await;
    // Whether it was streamed or not; what is not removed here is removed by the schedule.
    let _ = ports.delete(&[object_keys::upload(user, &job)]).await;
    let view = read(ports, user, &job).await?.ok_or_else(not_found)?;
    reply(StatusCode::OK, &view).map_err(Refusal::from)
}

/// Stops a turn: its worker stops at the channel's next answer, its next question goes on.
pub async fn cancel_turn<P: Database + Queue + Channels + Clock>(
    ports: &P,
    user: &UserId,
    job: &JobId,
) -> Result<(), Failure> {
    let now = ports.now();
    let Some(row) = jobs::read::turn(user, job).first(ports).await? else { return Ok(()) };
    let Some(turn) = row.turn.as_deref().map(Turn::read).transpose()? else { return Ok(()) };
    let mut transaction = Transaction::default();
    let [items, whole] = jobs::cancel::job(user, job, now);
    transaction.write(items);
    let cancelled = transaction.write(whole);
    transaction.announce(jobs::items::wake_waiting(row.first_item, now));
    let done = transaction.commit(ports).await?;
    let is_cancelled = done.changes(cancelled) > 0;
    let _ = ports.send(done.messages()?).await;
    // It was answered in the meantime: whoever listens is about to hear that.
    if !is_cancelled {
        return Ok(());
    }
    // Sorts after every worker's attempt.
    let update = Update { job: job.clone(), attempt: "~".to_owned(), events: vec![TurnEvent::Cancelled] };
    let _ = ports.publish(&Channel::of_turn(user, job, turn.session_id.as_ref()), update).await;
    Ok(())
}
