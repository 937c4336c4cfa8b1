//! Removing a document or a conversation: as its owner asks, or as their retention says.

use pipeline::{
    failure::Failure,
    ids::{ConversationId, DocumentId, JobId, UserId},
    job::{
        kind::JobKind,
        purge::{self, Purge},
    },
    platform::{
        ports::{Clock, Database, Queue, Random},
        transaction::Transaction,
    },
    store::{
        archives,
        conversations::{self, messages},
        documents::{
            delete::{self, Cause},
            superseded,
        },
        jobs::cancel,
        users,
    },
};

/// Removes a document; the job that removes it everywhere, or `None` if there is no such document, or none that may
/// go for this cause.
///
/// One transaction: both its revisions are superseded, and the row becomes a tombstone that fences off
/// what is in flight.
///
/// # Errors
/// D1 is not answering; the document may be removed.
pub async fn document<P: Database + Queue + Clock + Random>(
    ports: &P,
    user: &UserId,
    id: &DocumentId,
    cause: Cause,
) -> Result<Option<JobId>, Failure> {
    let now = ports.now();
    let job = JobId::new(now, ports.bytes());
    let mut work = Transaction::default();
    work.write(superseded::by_delete(user, id, cause, now));
    purge::schedule(&mut work, Purge { job: &job, user, kind: JobKind::Delete, due: now, now })?;
    let tombstone = work.write(delete::tombstone(user, id, cause, now));
    work.write(users::bump(user));
    let done = work.commit(ports).await?;
    if done.changes(tombstone) == 0 {
        return Ok(None);
    }
    // A lost message costs a sweep.
    let _ = ports.send(done.messages()?).await;
    Ok(Some(job))
}

/// Removes a conversation in one transaction; how many messages went with it from D1, or `None` if
/// there is no such conversation. A turn that is being answered is cancelled, and its archive is
/// superseded from then on.
///
/// # Errors
/// D1 is not answering; the conversation may be removed.
pub async fn conversation<P: Database + Clock>(
    ports: &P,
    user: &UserId,
    id: &ConversationId,
) -> Result<Option<u64>, Failure> {
    let now = ports.now();
    let mut transaction = Transaction::default();
    for cancel in cancel::turns_of(user, id, now) {
        transaction.write(cancel);
    }
    transaction.write(archives::supersede_deleted(user, id, now));
    let messages = transaction.write(messages::delete(user, id));
    let conversation = transaction.write(conversations::delete(user, id));
    let done = transaction.commit(ports).await?;
    Ok((done.changes(conversation) > 0).then(|| done.changes(messages)))
}
