//! Archive: conversations nobody continued are handed to the archive stage.

use pipeline::{
    platform::transaction::Transaction,
    store::jobs::create::{self, NewItem, NewJob},
};
use std::collections::BTreeMap;

use pipeline::{
    budget::allowances::Allowances,
    failure::Failure,
    ids::{ConversationId, JobId, UserId},
    job::message::Stage,
    platform::{
        ports::{Clock, Database, Deployment, KeyValue, Queue, Random},
        statement::{Statement, json},
    },
    time::{DAY, Timestamp},
};
use serde::{Deserialize, Serialize};

/// Conversations of one night: each is a message, three queue operations of ten thousand.
const CONVERSATIONS: i64 = 200;

#[derive(Debug, Deserialize)]
struct Idle {
    user_id: UserId,
    #[serde(flatten)]
    conversation: Cursor,
}

/// As the archive stage reads it (`consumers::archive::Cursor`).
#[derive(Debug, Serialize, Deserialize)]
struct Cursor {
    #[serde(rename(deserialize = "id"))]
    conversation_id: ConversationId,
    #[serde(rename(deserialize = "last_number"))]
    number: i64,
}

/// Hands the oldest on. Returns how many.
pub async fn archive<P>(ports: &P) -> Result<usize, Failure>
where
    P: Database + KeyValue + Queue + Deployment + Clock + Random,
{
    let now = ports.now();
    let days = Allowances::load(ports).await.allowances.archive_after_days;
    let idle = idle(ports, now.plus(-i64::from(days) * DAY)).await?;
    let count = idle.len();
    let mut by_user: BTreeMap<String, (UserId, Vec<Cursor>)> = BTreeMap::new();
    for Idle { user_id, conversation } in idle {
        by_user.entry(user_id.to_string()).or_insert_with(|| (user_id, Vec::new())).1.push(conversation);
    }
    for (user, conversations) in by_user.into_values() {
        begin(ports, &user, &conversations, now).await?;
    }
    Ok(count)
}

async fn idle<P: Database>(ports: &P, before: Timestamp) -> Result<Vec<Idle>, Failure> {
    let query = Statement::new(
        "SELECT user_id, id, last_number FROM conversations
         WHERE origin = 'chat' AND archived_key IS NULL AND max(updated_at, coalesce(restored_at, 0)) < ?1
           AND id NOT IN (SELECT i.cursor ->> '$.conversation_id' FROM jobs j
                          JOIN job_items i ON i.id BETWEEN j.first_item AND j.last_item
                          WHERE j.finished_at IS NULL AND j.kind = 'archive' AND i.cursor IS NOT NULL)
           AND NOT EXISTS (SELECT 1 FROM job_items q WHERE q.id = last_item AND q.state NOT IN ('done', 'failed', 'cancelled'))
         ORDER BY updated_at LIMIT ?2",
    )
    .bind(before)
    .bind(CONVERSATIONS);
    ports.batch(vec![query]).await?.at(0)?.all()
}

/// One job of a user's conversations, an item each: committed first, told after.
async fn begin<P: Database + Queue + Clock + Random>(
    ports: &P,
    user: &UserId,
    conversations: &[Cursor],
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
        kind: "archive",
        is_accepted: true,
        items: items.len(),
        documents: 0,
        key: None,
        now,
    }));
    transaction.write(create::take_numbers(&job, items.len()));
    transaction.announce(create::items(&job, &items, now)?);
    // A lost message costs a sweep.
    let _ = ports.send(transaction.commit(ports).await?.messages()?).await;
    Ok(())
}
