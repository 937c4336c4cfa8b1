//! Archive: conversations nobody continued are handed to the archive stage.

use std::collections::BTreeMap;

use pipeline::{
    budget::allowances::Allowances,
    failure::Failure,
    ids::{JobId, UserId},
    job::{cursors::ArchiveCursor, message::Stage},
    platform::{
        ports::{Clock, Database, Deployment, KeyValue, Queue, Random},
        statement::json,
        transaction::Transaction,
    },
    store::{
        conversations::archive::{self, IdleConversation},
        jobs::create::{self, NewItem, NewJob},
    },
    time::{DAY, Timestamp},
};

/// Conversations of one night: each is a message, three queue operations of ten thousand.
const CONVERSATIONS: i64 = 200;

/// Hands the oldest on. Returns how many.
pub async fn archive<P>(ports: &P) -> Result<usize, Failure>
where
    P: Database + KeyValue + Queue + Deployment + Clock + Random,
{
    let now = ports.now();
    let days = Allowances::load(ports).await.allowances.archive_after_days;
    let idle = archive::idle(now.plus(-i64::from(days) * DAY), CONVERSATIONS).all(ports).await?;
    let count = idle.len();
    for (user, conversations) in by_user(idle).into_values() {
        begin(ports, &user, &conversations, now).await?;
    }
    Ok(count)
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
