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
    archive_format::{self, ArchivedConversation, ArchivedTurn},
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
            archiving::{archivable, point_at, remove_messages},
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
    let bytes = archive_format::encode(&conversation)?;
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
    let archived = archive_format::load(ports, key).await?;
    Ok(archived.turns.into_iter().map(|turn| turn.number).collect())
}

#[cfg(test)]
mod tests {
    use pipeline::{
        ids::{ConversationId, ItemId, JobId, UserId},
        job::{
            kind::JobKind,
            message::{Message, Stage},
            protocol,
        },
        store::{
            counters,
            jobs::create::{self, NewItem, NewJob},
        },
        time::Timestamp,
    };
    use serde_json::json;
    use test_platform::{InMemory, ready};

    use super::*;

    const USER: &str = "usr_00000000000000000000000000";
    const CONVERSATION: &str = "con_00000000000000000000000000";

    /// A conversation of 502 messages, and the archive item for it that the schedule made.
    fn idle() -> (InMemory, Message) {
        let memory = InMemory::default();
        memory.change(
            "INSERT INTO conversations (user_id, id, title, origin, created_at, updated_at, last_number,
                                        summarised_through)
             VALUES ('usr_00000000000000000000000000', 'con_00000000000000000000000000', 'Tides', 'chat', 1, 1,
                     502, 0)",
        );
        memory.change(
            "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 502)
             INSERT INTO turns (user_id, conversation_id, number, id, role, content, created_at)
             SELECT 'usr_00000000000000000000000000', 'con_00000000000000000000000000', n,
                    'trn_00000000000000000000000000', CASE WHEN n % 2 THEN 'user' ELSE 'assistant' END,
                    'Message ' || n, n FROM n",
        );
        let user = UserId::parse(USER).unwrap();
        let now = memory.now();
        let id = JobId::new(now, [1; 10]);
        let cursor = json!({ "conversation_id": CONVERSATION, "number": 502 }).to_string();
        let item = NewItem { cursor: Some(cursor), ..NewItem::queued(Stage::Archive, now) };
        let job = NewJob {
            id: &id,
            user: &user,
            kind: JobKind::Archive,
            is_accepted: true,
            items: 1,
            documents: 0,
            rejected: 0,
            key: None,
            now,
        };
        let mut transaction = Transaction::default();
        transaction.query(create::job(job));
        transaction.write(counters::take_item_numbers(&id, 1));
        transaction.query(create::items(&id, &[item], now).unwrap());
        ready(transaction.commit(&memory)).unwrap();
        (memory, Message { stage: Stage::Archive, item: ItemId(1), user })
    }

    fn work(memory: &InMemory, message: &Message) {
        let claim = ready(protocol::claim(memory, message)).unwrap().unwrap();
        assert_eq!(ready(archive(memory, &claim)).unwrap(), Outcome::Done);
    }

    fn count(memory: &InMemory, sql: &'static str) -> i64 {
        memory.look(sql)[0]["count"].as_i64().unwrap()
    }

    #[test]
    fn every_message_is_in_the_archive_before_the_first_is_removed() {
        let (memory, message) = idle();
        work(&memory, &message);
        let key = memory.look("SELECT archived_key FROM conversations")[0]["archived_key"].as_str().unwrap().to_owned();
        assert_eq!(memory.object_keys(), [key.as_str()]);
        assert_eq!(count(&memory, "SELECT count(*) AS count FROM archives WHERE state = 'kept'"), 1);
        let archived = ready(archive_format::load(&memory, &key)).unwrap();
        assert_eq!((archived.id.as_str(), archived.title.as_str()), (CONVERSATION, "Tides"));
        let expected: Vec<(i64, String)> = (1..=502).map(|number| (number, format!("Message {number}"))).collect();
        let held: Vec<(i64, String)> = archived.turns.into_iter().map(|turn| (turn.number, turn.content)).collect();
        assert_eq!(held, expected);
    }

    #[test]
    fn a_long_conversation_is_removed_a_slice_at_a_time() {
        let (memory, message) = idle();
        work(&memory, &message);
        assert_eq!(count(&memory, "SELECT count(*) AS count FROM turns"), 2);
        assert_eq!(memory.receive(), Some(message.clone()));
        work(&memory, &message);
        assert_eq!(count(&memory, "SELECT count(*) AS count FROM turns"), 0);
        assert_eq!(memory.receive(), None);
        assert_eq!(memory.look("SELECT state FROM job_items")[0]["state"], "done");
        assert_eq!(memory.object_keys().len(), 1);
    }

    #[test]
    fn an_answer_that_came_after_the_archive_was_written_is_kept() {
        let (memory, message) = idle();
        memory.change("DELETE FROM turns WHERE number = 100");
        work(&memory, &message);
        memory.change(
            "INSERT INTO turns (user_id, conversation_id, number, id, role, content, created_at)
             VALUES ('usr_00000000000000000000000000', 'con_00000000000000000000000000', 100,
                     'trn_00000000000000000000000000', 'assistant', 'Late', 1)",
        );
        work(&memory, &message);
        assert_eq!(memory.look("SELECT number FROM turns"), [json!({ "number": 100 })]);
    }

    #[test]
    fn a_conversation_that_was_continued_is_left_alone() {
        let (memory, message) = idle();
        memory.change("UPDATE conversations SET last_number = 504");
        work(&memory, &message);
        assert!(memory.object_keys().is_empty());
        assert_eq!(count(&memory, "SELECT count(*) AS count FROM turns"), 502);
        assert_eq!(memory.look("SELECT state FROM job_items")[0]["state"], "done");
    }

    #[test]
    fn an_archive_that_was_given_up_meanwhile_is_not_pointed_at() {
        let (memory, message) = idle();
        let claim = ready(protocol::claim(&memory, &message)).unwrap().unwrap();
        let id = ConversationId::parse(CONVERSATION).unwrap();
        let note = archives::note_conversation("a name", &claim.user, &id, Timestamp::from_milliseconds(1));
        ready(note.run(&memory)).unwrap();
        assert_eq!(ready(archives::give_up(&["a name".to_owned()]).unwrap().all(&memory)).unwrap().len(), 1);
        assert_eq!(ready(point_at(&claim, &id, 502, "a name").run(&memory)).unwrap(), 0);
    }
}
