//! Stopping a job: what it works on is let go at the next stage boundary, what it made is removed.

use http::StatusCode;
use pipeline::job::purge::{self, Purge};
use pipeline::store;
use pipeline::{
    chat::channel::{Channel, TurnEvent, Update},
    failure::Failure,
    ids::{JobId, UserId},
    platform::{
        ports::{Channels, Clock, Database, Queue, Random},
        statement::Statement,
        transaction::Transaction,
    },
};

use super::{id_of, not_found, read, reply, turn_in};
use crate::http::{
    call::Call,
    reply::{Answer, Refusal},
};

/// `POST /api/jobs/{id}/cancel`: stops at once what is not running, and what is at its next write.
///
/// One transaction: the items' claims are void from then on, the revisions they were making are
/// garbage, and documents that were never published are gone.
pub async fn cancel<P: Database + Queue + Channels + Clock + Random>(ports: &P, call: &Call<'_>) -> Answer {
    let job = id_of(call)?;
    let user = &call.tenant.user;
    let view = read(ports, user, &job).await?.ok_or_else(not_found)?;
    if view.kind == "chat" && !view.status.is_terminal() {
        cancel_turn(ports, user, &job).await?;
        let view = read(ports, user, &job).await?.ok_or_else(not_found)?;
        return reply(StatusCode::OK, &view).map_err(Refusal::from);
    }
    if view.status.is_terminal() || view.kind != "index" {
        return reply(StatusCode::OK, &view).map_err(Refusal::from);
    }
    let now = ports.now();
    // What the job still works on: documents whose latest revision is in a pack of a batch that is not done.
    let garbage = Statement::new(
        "INSERT INTO garbage (retire_item, document_id, revision, pack, user_id)
         SELECT (SELECT value + 1 FROM counters WHERE name = 'item'), d.id, d.latest, p.id, d.user_id
         FROM jobs j JOIN job_items p ON p.id BETWEEN j.first_item AND j.last_item AND p.batch IS NOT NULL
         JOIN job_items b ON b.id = p.batch AND b.state NOT IN ('done', 'failed')
         JOIN json_each(p.documents) packed
         CROSS JOIN documents d ON d.user_id = j.user_id AND d.id = packed.value ->> 'id' AND d.latest_item = p.id
         WHERE j.id = ?1 AND j.user_id = ?2 AND j.cancelled_at IS NULL AND d.current_item IS NOT p.id",
    )
    .bind(&job)
    .bind(user);
    let retire_job = JobId::new(now, ports.bytes());
    let mut work = Transaction::from(vec![garbage]);
    work.push(
        Statement::new(
            "UPDATE documents SET pending = NULL, latest_item = current_item, latest_hash = content_hash,
                 deleted_at = CASE WHEN current IS NULL THEN ?3 END
             WHERE user_id = ?1 AND (id, latest) IN (SELECT g.document_id, g.revision FROM garbage g, counters c
                                                     WHERE c.name = 'item' AND g.retire_item = c.value + 1 AND g.user_id = ?2)",
        )
        .bind(user)
        .bind(user)
        .bind(now),
    );
    purge::schedule(&mut work, Purge { job: &retire_job, user, kind: "retire", due: now, now })?;
    for write in store::jobs::cancel::job(user, &job, now) {
        work.write(write);
    }
    work.write(store::users::bump(user));
    let done = work.commit(ports).await?;
    let _ = ports.send(done.messages()?).await;
    let view = read(ports, user, &job).await?.ok_or_else(not_found)?;
    reply(StatusCode::OK, &view).map_err(Refusal::from)
}

/// Stops a turn: its worker stops at the channel's next answer, its next question goes on.
async fn cancel_turn<P: Database + Queue + Channels + Clock>(
    ports: &P,
    user: &UserId,
    job: &JobId,
) -> Result<(), Failure> {
    let now = ports.now();
    let Some(row) = store::jobs::read::turn(user, job).first(ports).await? else { return Ok(()) };
    let Some(turn) = turn_in(&row)? else { return Ok(()) };
    let mut transaction = Transaction::default();
    for write in store::jobs::cancel::job(user, job, now) {
        transaction.write(write);
    }
    transaction.announce(store::jobs::items::wake_waiting(row.first_item, now));
    let messages = transaction.commit(ports).await?.messages()?;
    let _ = ports.send(messages).await;
    // Sorts after every worker's attempt.
    let update = Update { job: job.clone(), attempt: "~".to_owned(), events: vec![TurnEvent::Cancelled] };
    let _ = ports.publish(&Channel::of_turn(user, job, turn.session_id.as_ref()), update).await;
    Ok(())
}
