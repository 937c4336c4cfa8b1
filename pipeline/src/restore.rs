//! Bringing an archived conversation back, for who reads it, goes on with it or still owes it an answer.

use crate::{
    archive_format::load,
    failure::Failure,
    ids::{ConversationId, UserId},
    platform::{
        ports::{Clock, Database, ObjectStore},
        transaction::Transaction,
    },
    store::{
        archives,
        conversations::{archiving, messages::MessageRow},
    },
};

/// Restores a conversation if it is archived; false if it is not, or is nobody's.
///
/// One transaction restores the messages, whatever of them is still there, and gives the archive up:
/// until then nothing has changed.
///
/// # Errors
/// What the database or the object store fails with; a bug if the archive cannot be read.
pub async fn restore<P: Database + ObjectStore + Clock>(
    ports: &P,
    user: &UserId,
    conversation: &ConversationId,
) -> Result<bool, Failure> {
    let Some(row) = archiving::archived(user, conversation).first(ports).await? else { return Ok(false) };
    let key = row.archived_key;
    let messages: Vec<MessageRow> = load(ports, &key).await?.turns.into_iter().map(MessageRow::from).collect();
    let now = ports.now();
    let mut transaction = Transaction::default();
    transaction.write_all(archiving::restore_messages(user, conversation, &key, &messages)?);
    transaction.write(archives::supersede_restored(user, conversation, &key, now));
    transaction.write(archiving::mark_restored(user, conversation, &key, now));
    transaction.commit(ports).await?;
    Ok(true)
}
