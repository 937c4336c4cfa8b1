//! Archive: conversations nobody continued are handed to the archive stage.

use std::collections::BTreeMap;

use pipeline::{
    budget::allowances::Allowances,
    failure::Failure,
    ids::{JobId, UserId},
    job::{cursors::ArchiveCursor, kind::JobKind, message::Stage},
    platform::{
        ports::{Clock, Database, Deployment, KeyValue, Meter, Queue, Random},
        statement::json,
        transaction::Transaction,
    },
    store::{
        conversations::archiving::{self, IdleConversation},
        counters,
        jobs::create::{self, NewItem, NewJob},
    },
    time::Timestamp,
};

/// Conversations of one night: each is a message, three queue operations of ten thousand.
const CONVERSATIONS: i64 = 200;

/// D1 queries that a user's job takes.
const QUERIES_OF_USER: u64 = 3;

/// Hands the oldest on. Returns how many, and whether more are left for another run.
pub async fn enqueue_idle<P>(ports: &P) -> Result<(usize, bool), Failure>
where
    P: Database + KeyValue + Queue + Deployment + Meter + Clock + Random,
{
    let now = ports.now();
    let archive_after = Allowances::load(ports).await.allowances.archive_after;
    let idle = archiving::idle(now.plus(-archive_after), CONVERSATIONS).all(ports).await?;
    let mut count = 0;
    for (user, conversations) in by_user(idle).into_values() {
        if ports.asked().queries_left() < QUERIES_OF_USER {
            return Ok((count, true));
        }
        begin(ports, &user, &conversations, now).await?;
        count += conversations.len();
    }
    Ok((count, false))
}

/// Groups conversations by their owners, in the order of the owners' ids.
fn by_user(idle: Vec<IdleConversation>) -> BTreeMap<String, (UserId, Vec<ArchiveCursor>)> {
    let mut by_user: BTreeMap<String, (UserId, Vec<ArchiveCursor>)> = BTreeMap::new();
    for IdleConversation { user_id, id, last_number } in idle {
        let cursor = ArchiveCursor { conversation_id: id, number: last_number };
        by_user.entry(user_id.to_string()).or_insert_with(|| (user_id, Vec::new())).1.push(cursor);
    }
    by_user
}

/// One job of a user's conversations, an item each: committed first, announced after.
async fn begin<P: Database + Queue + Clock + Random>(
    ports: &P,
    user: &UserId,
    conversations: &[ArchiveCursor],
    now: Timestamp,
) -> Result<(), Failure> {
    let job = JobId::new(now, ports.bytes());
    let items: Vec<NewItem> = conversations
        .iter()
        .map(|conversation| {
            let cursor = Some(json(conversation)?);
            Ok(NewItem { cursor, document_count: Some(1), ..NewItem::queued(Stage::Archive, now) })
        })
        .collect::<Result<_, Failure>>()?;
    let mut transaction = Transaction::default();
    transaction.query(create::job(NewJob {
        id: &job,
        user,
        kind: JobKind::Archive,
        is_accepted: true,
        items: items.len(),
        documents: 0,
        rejected: 0,
        key: None,
        now,
    }));
    transaction.write(counters::take_item_numbers(&job, items.len()));
    transaction.announce(create::items(&job, &items, now)?);
    // A lost message costs a sweep.
    let _ = ports.send(transaction.commit(ports).await?.messages()?).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use pipeline::{
        chat::turn::{Ask, Turn},
        constants::ARCHIVE_AFTER,
        ids::{ConversationId, TurnId},
        time::{DAY, MILLISECOND, Span},
    };
    use serde_json::json;
    use test_platform::{InMemory, ready};

    use super::*;
    use crate::api::chat::accept::{self, Question};

    /// Begins a conversation with a question that is not answered.
    fn ask(memory: &InMemory, user: &UserId) {
        let now = memory.now();
        let turn = Turn {
            conversation_id: ConversationId::new(now, memory.bytes()),
            turn_id: TurnId::new(now, memory.bytes()),
            number: 0,
            session_id: None,
            request: Ask::default(),
        };
        let question = Question {
            job: &JobId::new(now, memory.bytes()),
            user,
            turn: &turn,
            message: "When is high tide?",
            is_new: true,
            origin: "chat",
            key: None,
            response: "{}",
            answer: None,
        };
        assert_eq!(ready(accept::accept(memory, &question)).unwrap(), accept::Acceptance::Accepted);
    }

    fn answer(memory: &InMemory) {
        memory.change("UPDATE job_items SET state = 'done'");
        memory.change("UPDATE jobs SET finished_at = created_at");
    }

    fn user(memory: &InMemory) -> UserId {
        UserId::new(memory.now(), memory.bytes())
    }

    fn wait(memory: &InMemory, span: Span) {
        memory.advance(span + MILLISECOND);
    }

    #[test]
    fn an_idle_conversation_gets_one_archive_item() {
        let memory = InMemory::default();
        ask(&memory, &user(&memory));
        answer(&memory);
        wait(&memory, ARCHIVE_AFTER - DAY);
        assert_eq!(ready(enqueue_idle(&memory)).unwrap().0, 0);
        wait(&memory, DAY);
        assert_eq!(ready(enqueue_idle(&memory)).unwrap().0, 1);
        let cursors = memory.look("SELECT cursor FROM job_items WHERE stage = 'archive' AND state = 'queued'");
        let cursor: ArchiveCursor = serde_json::from_str(cursors[0]["cursor"].as_str().unwrap()).unwrap();
        assert_eq!(memory.look("SELECT id FROM conversations"), [json!({ "id": cursor.conversation_id })]);
        assert_eq!((cursors.len(), cursor.number), (1, 2));
        assert_eq!(ready(enqueue_idle(&memory)).unwrap().0, 0, "its item is on its way");
    }

    #[test]
    fn one_that_owes_an_answer_gets_none() {
        let memory = InMemory::default();
        ask(&memory, &user(&memory));
        wait(&memory, ARCHIVE_AFTER);
        assert_eq!(ready(enqueue_idle(&memory)).unwrap().0, 0);
    }

    #[test]
    fn one_that_was_restored_lately_gets_none() {
        let memory = InMemory::default();
        ask(&memory, &user(&memory));
        answer(&memory);
        wait(&memory, ARCHIVE_AFTER);
        memory.change("UPDATE conversations SET restored_at = updated_at + 1000");
        assert_eq!(ready(enqueue_idle(&memory)).unwrap().0, 0);
        wait(&memory, DAY);
        assert_eq!(ready(enqueue_idle(&memory)).unwrap().0, 1);
    }

    #[test]
    fn one_that_its_client_keeps_or_that_is_archived_gets_none() {
        let memory = InMemory::default();
        ask(&memory, &user(&memory));
        ask(&memory, &user(&memory));
        answer(&memory);
        wait(&memory, ARCHIVE_AFTER);
        memory.change("UPDATE conversations SET origin = 'openai' WHERE id = (SELECT min(id) FROM conversations)");
        memory
            .change("UPDATE conversations SET archived_key = 'a name' WHERE id = (SELECT max(id) FROM conversations)");
        assert_eq!(ready(enqueue_idle(&memory)).unwrap().0, 0);
    }

    #[test]
    fn the_conversations_of_a_user_are_one_job() {
        let memory = InMemory::default();
        let users = [user(&memory), user(&memory)];
        for user in [&users[0], &users[1], &users[0]] {
            ask(&memory, user);
        }
        answer(&memory);
        wait(&memory, ARCHIVE_AFTER);
        assert_eq!(ready(enqueue_idle(&memory)).unwrap().0, 3);
        let jobs =
            memory.look("SELECT last_item - first_item + 1 AS items FROM jobs WHERE kind = 'archive' ORDER BY 1");
        assert_eq!(jobs, [json!({ "items": 1 }), json!({ "items": 2 })]);
    }
}
