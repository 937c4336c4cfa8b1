//! Archive: a conversation nobody continued into one object, and its turns out of D1.
//!
//! In: an archive item whose cursor names the conversation and its last message.
//! Does, per message:
//! 1. reads the conversation and its turns; one that was continued or deleted is left alone;
//! 2. notes the object it is about to write, writes it, and reads it back;
//! 3. in one fenced transaction: points the conversation at the object if nobody continued it in the
//!    meantime, and only then removes the first turns;
//! 4. removes the rest of a long conversation in slices.
//!
//! Sends on: archive again while turns are left.
//!
//! What a crash leaves between 2 and 3 is an object that nothing points at; its note lets the
//! schedule find it. No turn is removed that the object does not hold: both are the same reading.

use std::collections::HashSet;

use pipeline::{
    archive::{self, ArchivedConversation, ArchivedTurn},
    failure::Failure,
    job::{
        cursors::{self, ArchiveCursor},
        item::{Claim, Move, Progress},
        outcome::Outcome,
        protocol::complete,
    },
    platform::{
        object_keys,
        ports::{Clock, Database, ObjectStore, PutIf, Queue},
        statement::json,
        transaction::Transaction,
    },
    store::{
        archives,
        conversations::{
            archive::{archivable, point_at, remove_messages},
            messages,
        },
    },
};

/// Turns removed by one message: each costs a row, and a transaction should stay short.
const SLICE: usize = 500;

/// Runs the stage. See the module for its steps.
pub async fn archive<P>(ports: &P, claim: &Claim) -> Result<Outcome, Failure>
where
    P: Database + ObjectStore + Queue + Clock,
{
    let cursor: ArchiveCursor =
        cursors::read(claim)?.ok_or_else(|| Failure::bug("an archive item without a conversation"))?;
    let id = &cursor.conversation_id;
    let mut look = Transaction::default();
    let conversation = look.query(archivable(&claim.user, id, cursor.number));
    let turns = look.query(messages::through(&claim.user, id, cursor.number));
    let found = look.commit(ports).await?;
    let Some(conversation) = found.first(conversation)? else {
        // Continued, deleted: nothing to do.
        return complete(ports, claim, Transaction::default(), &Progress::default(), Move::Finish).await;
    };
    let turns: Vec<ArchivedTurn> = found.all(turns)?.into_iter().map(ArchivedTurn::from).collect();
    let mut numbers: Vec<i64> = turns.iter().map(|turn| turn.number).collect();
    let mut work = Transaction::default();
    let key = if let Some(key) = conversation.archived_key {
        // An earlier message archived it; its slices are left, and perhaps an answer that came late.
        let held = held(ports, &key).await?;
        numbers.retain(|number| held.contains(number));
        key
    } else {
        let key = store_object(ports, claim, &cursor, conversation.title, turns).await?;
        // The compare-and-set that everything after it hangs on.
        work.write(point_at(claim, id, cursor.number, &key));
        work.write(archives::keep_conversation(claim, id, &key));
        key
    };
    let more = numbers.len() > SLICE;
    numbers.truncate(SLICE);
    work.write(remove_messages(claim, id, &key, &numbers)?);
    let next = if more { Move::Continue(json(&cursor)?) } else { Move::Finish };
    complete(ports, claim, work, &Progress::default(), next).await
}

/// Step 2; the object's name.
async fn store_object<P: Database + ObjectStore + Clock>(
    ports: &P,
    claim: &Claim,
    cursor: &ArchiveCursor,
    title: String,
    turns: Vec<ArchivedTurn>,
) -> Result<String, Failure> {
    let id = &cursor.conversation_id;
    let conversation =
        ArchivedConversation { version: ArchivedConversation::VERSION, id: id.to_string(), title, turns };
    let bytes = archive::encode(&conversation)?;
    let now = ports.now();
    let key = object_keys::archived_conversation(&claim.user, &now.date(), id, &claim.token);
    archives::note_conversation(&key, &claim.user, id, now).run(ports).await?;
    // Overwrites its own earlier attempt: nobody else has this name.
    ports.put(&key, bytes.clone(), PutIf::Always).await?;
    match ports.get(&key, None).await? {
        Some(object) if object.bytes == bytes => Ok(key),
        _ => Err(Failure::transient(format!("{key} does not hold what was written"))),
    }
}

/// The turns an archive holds, by their numbers.
async fn held<P: ObjectStore>(ports: &P, key: &str) -> Result<HashSet<i64>, Failure> {
    let archived = archive::load(ports, key).await?;
    Ok(archived.turns.into_iter().map(|turn| turn.number).collect())
}
