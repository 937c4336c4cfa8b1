//! Retention: removes what users do not want to keep any longer, by kind (`retention` of their profile).
//!
//! A document goes as if its owner had deleted it, and its job's receipt says what was removed.

use pipeline::{
    failure::Failure,
    platform::{
        ports::{Clock, Database, Queue, Random},
        transaction::Transaction,
    },
    store::{memories, retention, users},
    time::Timestamp,
};
use serde::Serialize;

use crate::api::{conversations, documents};

/// Of each kind in one night; the next night goes on.
const AT_ONCE: i64 = 100;

/// What one run removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Retained {
    /// Documents.
    pub documents: usize,
    /// Conversations.
    pub conversations: usize,
    /// Memories.
    pub memories: u64,
}

/// Removes what is older than its owner wants.
pub async fn enforce_retention<P: Database + Queue + Clock + Random>(ports: &P) -> Result<Retained, Failure> {
    let now = ports.now();
    let mut looks = Transaction::default();
    let old_documents = looks.query(retention::documents(now, AT_ONCE));
    let old_conversations = looks.query(retention::conversations(now, AT_ONCE));
    let found = looks.commit(ports).await?;
    let mut removed = Retained::default();
    for old in found.all(old_documents)? {
        removed.documents += usize::from(documents::remove(ports, &old.user_id, &old.id).await?.is_some());
    }
    for old in found.all(old_conversations)? {
        removed.conversations += usize::from(conversations::remove(ports, &old.user_id, &old.id).await?.is_some());
    }
    removed.memories = remove_memories(ports, now).await?;
    Ok(removed)
}

/// Pinned memories stay.
async fn remove_memories<P: Database>(ports: &P, now: Timestamp) -> Result<u64, Failure> {
    let [words, rows] = memories::delete_past_retention(now);
    let mut transaction = Transaction::default();
    transaction.write(users::bump_past_retention(now));
    transaction.write(words);
    let removed = transaction.write(rows);
    Ok(transaction.commit(ports).await?.changes(removed))
}
