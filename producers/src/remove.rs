//! Removing documents or a conversation: as their owner asks, or as their retention says.

use pipeline::{
    failure::Failure,
    ids::{ConversationId, DocumentId, ItemId, JobId, UserId},
    job::{
        kind::JobKind,
        purge::{self, Purge},
    },
    platform::{
        ports::{Clock, Database, Queue, Random},
        transaction::{self, Transaction},
    },
    store::{
        archives,
        conversations::{self, messages},
        documents::{
            delete::{self, Cause},
            filter::DocumentFilter,
            superseded,
        },
        jobs::cancel,
        uploads, users,
    },
    time::Timestamp,
};

/// Removes a document; the job that removes it everywhere, or `None` if there is no such document, or none that may
/// go for this cause.
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
    let mut work = Transaction::default();
    work.write(superseded::by_delete(user, id, cause, now));
    let removal = Removal { job: JobId::new(now, ports.bytes()), user, cause, now };
    Ok(removal.commit(ports, work).await?.gone.map(|gone| gone.job))
}

/// What a request to remove documents came to.
#[derive(Debug)]
pub struct RemovedDocuments {
    /// Those that are removed, if there were any.
    pub gone: Option<Gone>,
    /// Uploads that were accepted before, and may still bring documents that nobody knew.
    pub unpacking: Vec<JobId>,
}

/// Removes the documents that a filter means, of `most` at most.
///
/// # Errors
/// D1 is not answering; the documents may be removed.
pub async fn documents<P: Database + Queue + Clock + Random>(
    ports: &P,
    user: &UserId,
    filter: &DocumentFilter,
    most: i64,
) -> Result<RemovedDocuments, Failure> {
    let now = ports.now();
    let mut work = Transaction::default();
    let unpacking = work.query(uploads::unpacking(user));
    work.write(superseded::by_delete_of(user, filter, most));
    let removal = Removal { job: JobId::new(now, ports.bytes()), user, cause: Cause::Owner, now };
    let Committed { done, gone } = removal.commit(ports, work).await?;
    let unpacking = done.all(unpacking)?.into_iter().map(|upload| upload.job_id).collect();
    Ok(RemovedDocuments { gone, unpacking })
}

/// Documents that are removed.
#[derive(Debug)]
pub struct Gone {
    /// How many they are.
    pub documents: u64,
    /// The job that removes them everywhere.
    pub job: JobId,
    /// The last number that was given out before: what has one that is larger was decided since.
    pub until: ItemId,
}

/// The removal of the documents whose revisions a transaction has noted.
struct Removal<'a> {
    job: JobId,
    user: &'a UserId,
    cause: Cause,
    now: Timestamp,
}

/// What a removal came to.
struct Committed {
    done: transaction::Committed,
    gone: Option<Gone>,
}

impl Removal<'_> {
    /// One transaction, however many documents they are: all their revisions are superseded, and their rows become
    /// tombstones that fence off what is in flight.
    async fn commit<P: Database + Queue>(self, ports: &P, mut work: Transaction) -> Result<Committed, Failure> {
        let Self { job, user, cause, now } = self;
        let tombstones = work.write(delete::tombstones(user, cause, now));
        work.write(users::bump_if_noted(user));
        purge::schedule(&mut work, Purge { job: &job, user, kind: JobKind::Delete, due: now, now })?;
        let done = work.commit(ports).await?;
        let messages = done.messages()?;
        let item = messages.first().map(|message| message.item);
        let gone = item.map(|item| Gone { documents: done.changes(tombstones), job, until: ItemId(item.0 - 1) });
        if gone.is_some() {
            // A lost message costs a sweep.
            let _ = ports.send(messages).await;
        }
        Ok(Committed { done, gone })
    }
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
