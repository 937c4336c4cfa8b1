//! Retention: removes what users do not want to keep any longer, by kind (`retention` of their profile).
//!
//! A document goes as if its owner had deleted it, and its job's receipt says what was removed.

use pipeline::{
    failure::Failure,
    platform::{
        ports::{Clock, Database, Meter, Queue, Random},
        transaction::Transaction,
    },
    store::{
        conversations,
        documents::{self, delete::Cause},
        memories, users,
    },
    tenant::Tenant,
    time::Timestamp,
};
use serde::Serialize;

use crate::remove;

/// Documents, conversations, and owners of memories, that one run looks at.
const AT_ONCE: i64 = 10;
/// D1 queries that removing a document, a conversation or a user's memories takes at most.
const QUERIES_OF_ONE: u64 = 6;
/// D1 queries that look for documents and conversations.
const LOOKS: u64 = 2;

/// What one run removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// Documents.
    pub documents: usize,
    /// Conversations.
    pub conversations: usize,
    /// Memories.
    pub memories: u64,
}

/// Removes what is older than its owner wants. True if more is left: another run goes on.
pub async fn enforce_retention<P>(ports: &P) -> Result<(Removed, bool), Failure>
where
    P: Database + Queue + Meter + Clock + Random,
{
    let now = ports.now();
    let mut removed = Removed::default();
    let has_queries_left = || ports.asked().queries_left() >= QUERIES_OF_ONE;
    let full = usize::try_from(AT_ONCE).unwrap_or(0);
    let owners = memories::owners_past_retention(now, AT_ONCE).all(ports).await?;
    let mut is_more = owners.len() == full;
    for owner in owners {
        if ports.asked().queries_left() < QUERIES_OF_ONE + LOOKS {
            is_more = true;
            break;
        }
        removed.memories += remove_memories(ports, &owner, now).await?;
    }
    if ports.asked().queries_left() < LOOKS {
        return Ok((removed, true));
    }
    let mut looks = Transaction::default();
    let old_documents = looks.query(documents::delete::past_retention(now, AT_ONCE));
    let old_conversations = looks.query(conversations::past_retention(now, AT_ONCE));
    let found = looks.commit(ports).await?;
    let (old_documents, old_conversations) = (found.all(old_documents)?, found.all(old_conversations)?);
    is_more |= old_documents.len() == full || old_conversations.len() == full;
    for old in old_documents {
        if !has_queries_left() {
            is_more = true;
            break;
        }
        let job = remove::document(ports, &old.user_id, &old.id, Cause::Retention).await?;
        removed.documents += usize::from(job.is_some());
    }
    for old in old_conversations {
        if !has_queries_left() {
            is_more = true;
            break;
        }
        removed.conversations += usize::from(remove::conversation(ports, &old.user_id, &old.id).await?.is_some());
    }
    Ok((removed, is_more))
}

/// Pinned memories stay.
async fn remove_memories<P: Database>(ports: &P, owner: &Tenant, now: Timestamp) -> Result<u64, Failure> {
    let [words, rows] = memories::delete_past_retention(&owner.user, owner.words_of_memories(), now);
    let mut transaction = Transaction::default();
    transaction.write(users::bump_version(&owner.user));
    transaction.write(words);
    let removed = transaction.write(rows);
    Ok(transaction.commit(ports).await?.changes(removed))
}

#[cfg(test)]
mod tests {
    use pipeline::{
        ids::UserId,
        store::users::words::Words,
        time::{DAY, MILLISECOND, Timestamp},
    };
    use serde_json::json;
    use test_platform::{InMemory, ready};

    use super::*;

    /// A user with one thing of each kind, made at the time 0, and one more memory that is pinned.
    fn with_one_of_each() -> InMemory {
        let memory = InMemory::default();
        memory.change("INSERT INTO users (id, name, created_at) VALUES ('usr_00000000000000000000000000', 'Ada', 0)");
        memory.change(
            "INSERT INTO documents (user_id, id, type, media_type, tags, created_at, uploaded_at, bytes, latest,
                                    latest_item, current, current_item)
             VALUES ('usr_00000000000000000000000000', 'doc_000000000000000000000001', 'doc', 'text/plain', '[]', 0, 0,
                     1, 1, 1, 1, 1)",
        );
        memory.change(
            "INSERT INTO conversations (user_id, id, title, origin, created_at, updated_at, last_number,
                                        summarised_through)
             VALUES ('usr_00000000000000000000000000', 'con_00000000000000000000000000', 'Tides', 'chat', 0, 0, 0, 0)",
        );
        memory.change(
            "INSERT INTO memories (number, id, user_id, kind, text, hash, confidence, state, pinned, created_at)
             VALUES (1, 'mem_1', 'usr_00000000000000000000000000', 'fact', 'one', 'a', 1, 'active', 0, 0),
                    (2, 'mem_2', 'usr_00000000000000000000000000', 'fact', 'two', 'b', 1, 'active', 1, 0)",
        );
        let (user, words) = (UserId::parse("usr_00000000000000000000000000").unwrap(), Words::of_memories(1, false));
        for (hash, text) in [("a", "one"), ("b", "two")] {
            ready(memories::index(&user, words, hash, text).run(&memory)).unwrap();
        }
        // From the time 0 to a moment after midnight of the third day.
        memory.advance(3 * DAY + MILLISECOND - memory.now().since(Timestamp::from_milliseconds(0)));
        memory
    }

    fn version(memory: &InMemory) -> i64 {
        memory.look("SELECT index_version FROM users")[0]["index_version"].as_i64().unwrap()
    }

    #[test]
    fn what_no_retention_was_set_for_stays() {
        let memory = with_one_of_each();
        assert_eq!(ready(enforce_retention(&memory)).unwrap().0, Removed::default());
        memory.change(r#"UPDATE users SET profile = '{"retention": {"document_days": null}}'"#);
        assert_eq!(ready(enforce_retention(&memory)).unwrap().0, Removed::default());
        assert_eq!(version(&memory), 0);
    }

    #[test]
    fn what_is_older_than_its_owner_wants_goes() {
        let memory = with_one_of_each();
        memory.change(
            r#"UPDATE users SET profile =
                 '{"retention": {"document_days": 3, "conversation_days": 3, "memory_days": 3}}'"#,
        );
        let expected = Removed { documents: 1, conversations: 1, memories: 1 };
        assert_eq!(ready(enforce_retention(&memory)).unwrap().0, expected);
        assert!(memory.look("SELECT id FROM documents WHERE deleted_at IS NULL").is_empty());
        assert!(memory.look("SELECT id FROM conversations").is_empty());
        assert_eq!(ready(enforce_retention(&memory)).unwrap().0, Removed::default());
    }

    #[test]
    fn what_is_as_old_as_its_owner_wants_stays() {
        let memory = with_one_of_each();
        memory.change(
            r#"UPDATE users SET profile =
                 '{"retention": {"document_days": 4, "conversation_days": 4, "memory_days": 4}}'"#,
        );
        assert_eq!(ready(enforce_retention(&memory)).unwrap().0, Removed::default());
    }

    #[test]
    fn a_pinned_memory_stays_and_the_other_is_out_of_reach() {
        let memory = with_one_of_each();
        memory.change(r#"UPDATE users SET profile = '{"retention": {"memory_days": 1}}'"#);
        assert_eq!(ready(enforce_retention(&memory)).unwrap().0.memories, 1);
        assert_eq!(memory.look("SELECT id FROM memories"), [json!({ "id": "mem_2" })]);
        assert_eq!(memory.look("SELECT rowid AS number FROM memories_fts_1"), [json!({ "number": 2 })]);
        assert_eq!(version(&memory), 1, "cached answers from before are not given again");
        assert_eq!(ready(enforce_retention(&memory)).unwrap().0.memories, 0);
        assert_eq!(version(&memory), 1);
    }
}
