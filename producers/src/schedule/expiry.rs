//! Expire: rows that have served their purpose.

use pipeline::{
    constants,
    failure::Failure,
    platform::{
        ports::{Clock, Database},
        transaction::{Transaction, Write},
    },
    store::{
        conversations, dead_letters, documents, hook_sessions, idempotency, jobs, kept_vectors, sessions, uploads,
        usage,
    },
    time::{Span, Timestamp},
};

/// How long a request may be repeated, and after which an invitation that ran out goes.
const REQUESTS_KEPT: Span = Span::days(2);
/// How long the owner of a finished job can look at it.
const JOBS_KEPT: Span = Span::days(7);
/// How long what went wrong, what is deleted and what a client keeps itself stay.
const RECORDS_KEPT: Span = Span::days(30);
/// How long a day's row of the budget stays.
const BUDGETS_KEPT: Span = Span::days(40);

/// D1 queries of all of it; a test counts them.
pub(super) const QUERIES: u64 = 16;

/// Removes what is old. Returns how many rows went.
///
/// # Errors
/// What the database fails with; nothing is removed then.
pub async fn expire<P: Database + Clock>(ports: &P) -> Result<u64, Failure> {
    let mut transaction = Transaction::default();
    let written: Vec<_> = old(ports.now()).into_iter().map(|write| transaction.write(write)).collect();
    let done = transaction.commit(ports).await?;
    Ok(written.into_iter().map(|write| done.changes(write)).sum())
}

fn old(now: Timestamp) -> Vec<Write> {
    let before = |kept: Span| now.plus(-kept);
    let mut writes = vec![
        idempotency::expire(before(REQUESTS_KEPT)),
        sessions::tickets::expire(before(REQUESTS_KEPT)),
        dead_letters::expire(before(RECORDS_KEPT)),
        usage::alerts::expire(before(RECORDS_KEPT)),
        kept_vectors::expire(before(RECORDS_KEPT)),
        hook_sessions::expire(before(constants::HOOK_SESSION_KEPT)),
        usage::budget::expire(before(BUDGETS_KEPT)),
    ];
    writes.extend(conversations::expire(before(RECORDS_KEPT)));
    writes.push(documents::delete::expire(before(RECORDS_KEPT)));
    writes.extend(jobs::sweep::expire(before(JOBS_KEPT)));
    writes.extend(uploads::expire(before(JOBS_KEPT)));
    writes
}

#[cfg(test)]
mod tests {
    use pipeline::{
        ids::DocumentId,
        job::{
            item::{ItemState, PackedDocument},
            kind::JobKind,
            message::Stage,
        },
        store::jobs::create::NewItem,
        time::{DAY, MILLISECOND},
    };
    use test_platform::{InMemory, ready};

    use super::{
        super::fixture::{insert_job, user},
        *,
    };

    /// A row of everything that goes beside jobs, from when the platform's time begins.
    const ROWS: [&str; 9] = [
        "INSERT INTO idempotency_keys (user_id, key, body_hash, job_id, created_at)
         VALUES ('user', 'key', '', 'job', 1795309200000)",
        "INSERT INTO session_tickets VALUES ('digest', 'user', 'session', 'name', 'viewer', 1795309200000, NULL)",
        "INSERT INTO dead_letters (id, stage, why, created_at) VALUES ('one', 'chunk', '', 1795309200000)",
        "INSERT INTO hook_sessions (user_id, session_id, started_at, used_at, told, said, captures, proposals)
         VALUES ('user', 'session', 0, 1795309200000, '', '[]', 0, 0)",
        "INSERT INTO alerts (id, body, created_at, attempts) VALUES ('one', '{}', 1795309200000, 0)",
        "INSERT INTO budget (day, neurons, ingest_neurons) VALUES (1795305600000, 0, 0)",
        "INSERT INTO conversations (user_id, id, title, origin, created_at, updated_at, last_number, summarised_through)
         VALUES ('user', 'client', '', 'openai', 1795309200000, 1795309200000, 1, 0),
                ('user', 'ours', '', 'chat', 1795309200000, 1795309200000, 1, 0)",
        "INSERT INTO turns (user_id, conversation_id, number, id, role, content, created_at)
         VALUES ('user', 'client', 1, 'one', 'user', '', 1795309200000),
                ('user', 'ours', 1, 'two', 'user', '', 1795309200000)",
        "INSERT INTO documents (user_id, id, type, media_type, tags, created_at, uploaded_at, bytes, latest, deleted_at)
         VALUES ('user', 'gone', 'doc', '', '[]', 0, 0, 0, 1, 1795309200000),
                ('user', 'here', 'doc', '', '[]', 0, 0, 0, 1, NULL)",
    ];

    /// A question and jobs of indexing that have ended, one with a document in its pack; and a question that has not.
    fn insert_jobs(memory: &InMemory) {
        let done = || NewItem { state: ItemState::Done, ..NewItem::queued(Stage::Chunk, memory.now()) };
        let document = PackedDocument { id: DocumentId::from_external_id(&user(), "a.md"), start: 0, end: 1 };
        insert_job(memory, JobKind::Chat, &[done()]);
        insert_job(memory, JobKind::Index, &[done()]);
        insert_job(memory, JobKind::Index, &[NewItem { documents: vec![document], ..done() }]);
        memory.change("UPDATE jobs SET finished_at = 1795309200000");
        insert_job(memory, JobKind::Chat, &[done()]);
    }

    fn filled() -> InMemory {
        let memory = InMemory::new(1);
        for row in ROWS {
            memory.change(row);
        }
        insert_jobs(&memory);
        memory
    }

    #[test]
    fn as_much_is_asked_as_is_left_for_it() {
        assert_eq!(old(InMemory::new(1).now()).len() as u64, QUERIES);
    }

    #[test]
    fn a_job_that_has_something_to_purge_stays_until_it_is_purged() {
        let memory = InMemory::new(1);
        let failed = || NewItem { state: ItemState::Failed, ..NewItem::queued(Stage::Purge, memory.now()) };
        insert_job(&memory, JobKind::Purge, &[failed()]);
        insert_job(&memory, JobKind::Delete, &[failed()]);
        memory.change("UPDATE jobs SET finished_at = 1795309200000");
        memory.change("INSERT INTO garbage VALUES (2, 'doc', 1, 7, 'user', NULL)");
        memory.advance(8 * DAY);
        assert_eq!(ready(expire(&memory)).unwrap(), 2);
        assert_eq!(memory.look("SELECT id, (SELECT count(*) FROM jobs) AS jobs FROM job_items")[0]["id"], 2);
        memory.change("DELETE FROM garbage");
        assert_eq!(ready(expire(&memory)).unwrap(), 2);
    }

    #[test]
    fn everything_goes_after_its_days_and_not_before() {
        let memory = filled();
        let mut last = 0;
        // Key and ticket; two jobs with their items; letter, session, alert, conversation, turn, document; the day.
        for (days, rows) in [(2, 2), (7, 4), (30, 6), (40, 1)] {
            memory.advance((days - last) * DAY);
            last = days;
            // The day's row is an hour older than the rest.
            let early = u64::from(days == 40);
            assert_eq!(ready(expire(&memory)).unwrap(), early, "day {days}");
            memory.advance(MILLISECOND);
            assert_eq!(ready(expire(&memory)).unwrap(), rows - early, "day {days}");
            memory.advance(-MILLISECOND);
        }
    }

    #[test]
    fn what_is_still_needed_stays() {
        let memory = filled();
        memory.advance(365 * DAY);
        ready(expire(&memory)).unwrap();
        let left = |sql| memory.look(sql).iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
        assert_eq!(left("SELECT id FROM conversations"), ["ours"]);
        assert_eq!(left("SELECT id FROM documents"), ["here"]);
        let jobs = "SELECT kind || CASE WHEN finished_at IS NULL THEN ' open' ELSE ' done' END AS id FROM jobs \
                    ORDER BY first_item";
        assert_eq!(left(jobs), ["index done", "chat open"], "a pack's row says where its documents are");
    }
}
