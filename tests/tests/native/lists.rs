//! Lists read the rows of who asks: how many others there are, and what they have, costs nothing.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};

use pipeline::{
    ids::{JobId, UserId},
    job::{item::ItemState, kind::JobKind, message::Stage},
    platform::{
        ports::{Clock as _, Meter as _},
        transaction::Transaction,
    },
    store::{
        counters,
        jobs::create::{self, NewItem, NewJob},
    },
};
use producers::{
    http::{operation::Operation, operations::operations},
    schedule::Schedule,
};
use serde_json::Value;
use test_platform::{InMemory, ready};
use tests::rig::Rig;

/// Every list: the operation, and how the user asks for theirs.
const LISTS: [(&str, &str); 22] = [
    ("/api/jobs", "/api/jobs?limit=100"),
    ("/api/jobs", "/api/jobs?kind=index"),
    ("/api/jobs", "/api/jobs?status=failed"),
    ("/api/jobs/{id}/items", "/api/jobs/job_m0000000000000000000000001/items?limit=100"),
    ("/api/jobs/{id}/items", "/api/jobs/job_m0000000000000000000000001/items?status=rejected"),
    ("/api/documents", "/api/documents?limit=100"),
    ("/api/documents", "/api/documents?type=doc"),
    ("/api/documents", "/api/documents?language=en"),
    ("/api/documents", "/api/documents?tag=tides"),
    ("/api/documents", "/api/documents?external_id=tides.md"),
    ("/api/documents", "/api/documents?prefix=tid&status=failed"),
    ("/api/documents", "/api/documents?status=indexed"),
    ("/api/documents", "/api/documents?created_after=1970-01-01T00:00:00Z&created_before=2026-01-01T00:00:00Z"),
    ("/api/conversations", "/api/conversations?limit=100"),
    ("/api/conversations", "/api/conversations?title=conversation"),
    ("/api/conversations/{id}", "/api/conversations/con_m0000000000000000000000001?limit=100"),
    ("/api/memory", "/api/memory?limit=100"),
    ("/api/memory", "/api/memory?state=active"),
    ("/api/memory", "/api/memory?query=something"),
    ("/api/session", "/api/session?limit=100"),
    ("/api/keys", "/api/keys?limit=100"),
    ("/api/dead-letters", "/api/dead-letters?limit=100"),
];

/// Deletes of what is listed, in this order: of nothing, of what is shown only, and of all that is theirs.
const DELETES: [&str; 4] = [
    "/api/documents?prefix=none",
    "/api/documents?prefix=tid&dry_run=true",
    "/api/documents?tag=tides&status=failed",
    "/api/documents?external_id=tides.md",
];

/// What sums up, or lists what is of everybody.
const OTHERS: [&str; 3] = ["/api/usage", "/v1/models", "/api/me"];

/// So many entries of each list are the user's own: a page and more.
const OWN: u64 = 120;

/// A row of everything that is listed for each row of `owners`, of the platform's first day; `id` makes it unique.
/// Strangers cost nothing, or there would be alerts.
const ROWS: &str = "
    UPDATE jobs SET finished_at = 1795309200000;
    INSERT INTO uploads (job_id, user_id, media_type, bytes, cleared_at)
    SELECT 'job_' || id, user, 'application/x-ndjson', 1, 1 FROM owners;
    INSERT INTO upload_results (job_id, first, results)
    SELECT 'job_' || id, 0, '[{\"external_id\": \"tides.md\", \"status\": \"rejected\"}]' FROM owners;
    INSERT INTO documents (user_id, id, external_id, type, language, media_type, tags, created_at, uploaded_at, bytes,
                           latest, latest_item)
    SELECT user, 'doc_' || substr(id, 1, 1) || substr(id, 4), 'tides.md', 'doc', 'en', 'text/plain', '[\"tides\"]', 1,
           1, 1, 1,
           (SELECT first_item FROM jobs j WHERE j.id = 'job_' || owners.id) FROM owners;
    INSERT INTO conversations (user_id, id, title, origin, created_at, updated_at, last_number, summarised_through)
    SELECT user, 'con_' || id, 'A conversation', 'chat', 1, 1795309200000, 0, 0 FROM owners;
    INSERT INTO turns (user_id, conversation_id, number, id, role, content, created_at)
    SELECT user, 'con_' || id, 1, 'trn_' || id, 'user', 'A question', 1 FROM owners;
    INSERT INTO memories (id, user_id, kind, text, hash, confidence, state, pinned, created_at)
    SELECT 'mem_' || id, user, 'fact', 'Something', id, 1, 'active', 0, 1 FROM owners;
    INSERT INTO sessions (user_id, id, title, conversation_id, state, last_sequence, created_at, updated_at)
    SELECT user, 'ses_' || id, 'A session', 'con_' || id, 'open', 0, 1, 1 FROM owners;
    INSERT INTO api_keys (id, user_id, name, digest, created_at)
    SELECT id, user, 'A key', '', 1 FROM owners;
    INSERT INTO dead_letters (id, user_id, item_id, stage, why, created_at)
    SELECT 'item-' || id, user, (SELECT first_item FROM jobs j WHERE j.id = 'job_' || owners.id), 'chunk', 'It failed.',
           1795309200000 FROM owners;
    INSERT INTO usage_log (at, id, user_id, key_id, source, neurons, d1_rows_read, d1_rows_written, kv_reads,
                           kv_writes, r2_class_a, r2_class_b, queue_operations, vectors_queried, vectors_upserted)
    SELECT 1795309200000, id, user, id, '/api/chat', place < 1000, 0, 0, 0, 0, 0, 0, 0, 0, 0 FROM owners;
    DROP TABLE owners;";

/// More in the first job and in the first conversation of whoever has the rest.
const MORE: &str = "
    INSERT INTO upload_results (job_id, first, results)
    SELECT 'job_m0000000000000000000000001', place - 1, '[{\"external_id\": \"tides.md\", \"status\": \"rejected\"}]'
    FROM owners WHERE place > 1;
    INSERT INTO turns (user_id, conversation_id, number, id, role, content, created_at)
    SELECT user, 'con_m0000000000000000000000001', place, 'trn_' || id, 'user', 'A question', 1 FROM owners
    WHERE place > 1;";

/// Inserts what is listed for each row of `owners`, after a script that makes them or looks at them.
fn insert_rows(rig: &Rig, script: &str) {
    rig.memory.run_script(script);
    for owner in rig.memory.look("SELECT id, user FROM owners") {
        let text = |name: &str| owner[name].as_str().unwrap();
        insert_failed_job(rig, &format!("job_{}", text("id")), text("user"));
    }
    rig.memory.run_script(ROWS);
}

/// A job of one pack that failed. It is made by an invocation of its own, which may ask so much of D1 alone.
fn insert_failed_job(rig: &Rig, id: &str, user: &str) {
    let (id, user, now) = (JobId::parse(id).unwrap(), UserId::parse(user).unwrap(), rig.memory.now());
    rig.memory.begin("an upload");
    let kind = JobKind::Index;
    let new =
        NewJob { id: &id, user: &user, kind, is_accepted: true, items: 1, documents: 1, rejected: 0, key: None, now };
    let item = NewItem { state: ItemState::Failed, ..NewItem::queued(Stage::Chunk, now) };
    let mut transaction = Transaction::default();
    transaction.query(create::job(new));
    transaction.write(counters::take_item_numbers(&id, 1));
    transaction.query(create::items(&id, &[item], now).unwrap());
    ready(transaction.commit(&rig.memory)).unwrap();
}

fn own(rig: &Rig) {
    let owners = format!(
        "CREATE TEMP TABLE owners AS WITH RECURSIVE n (place) AS (SELECT 1 UNION ALL SELECT place + 1 FROM n
         WHERE place < {OWN}) SELECT place, printf('m%025d', place) AS id, (SELECT id FROM users) AS user FROM n;"
    );
    rig.memory.run_script(&owners);
    insert_rows(rig, MORE);
}

/// Others, half of whom sort before the user, half behind.
#[derive(Clone, Copy)]
struct Strangers {
    users: u64,
    /// So many of everything that is listed for each of them.
    entries: u64,
}

fn strangers(rig: &Rig, Strangers { users, entries }: Strangers) {
    let count = users * entries;
    let owners = format!(
        "CREATE TEMP TABLE owners AS WITH RECURSIVE n (place) AS (SELECT 1001 UNION ALL SELECT place + 1 FROM n
         WHERE place < 1000 + {count}) SELECT place, substr('az', 1 + place % 2, 1) || printf('%025d', place) AS id,
         'usr_' || substr('0z', 1 + place % 2, 1) || printf('%025d', place % {users}) AS user FROM n;
         INSERT INTO users (id, name, created_at) SELECT DISTINCT user, 'A stranger', 1 FROM owners;"
    );
    insert_rows(rig, &owners);
}

/// Rows that a request reads, its key and its usage row among them.
fn rows_read(rig: &Rig, path: &str) -> (u64, Value) {
    rows_read_by(rig, "GET", path)
}

fn rows_read_by(rig: &Rig, method: &str, path: &str) -> (u64, Value) {
    let answer = rig.request(method, path, &Value::Null);
    assert!(matches!(answer.status, 200 | 202), "{path}: {}", answer.body);
    (rig.memory.usage().d1_rows_read, answer.body)
}

/// The entries of a page.
fn entries(page: &Value) -> usize {
    page.get("items").unwrap_or(&page["messages"]).as_array().unwrap().len()
}

/// Rows read by the first page and by the second of each list.
fn rows_of_lists(rig: &Rig) -> BTreeMap<String, u64> {
    let mut rows = BTreeMap::new();
    for path in OTHERS {
        let (read, answer) = rows_read(rig, path);
        rows.insert(path.to_owned(), read);
        if path == "/api/usage" {
            assert_eq!(answer["own"]["neurons"].as_f64(), Some(f64::from(u32::try_from(OWN).unwrap())), "{answer}");
        }
    }
    for (_, path) in LISTS {
        let (read, page) = rows_read(rig, path);
        rows.insert(path.to_owned(), read);
        // What fits a question has no second page; nothing here was indexed, nor has the id that its name makes.
        if ["query=", "=indexed", "external_id="].iter().any(|short| path.contains(short)) {
            continue;
        }
        assert_eq!(entries(&page), 100, "{path}");
        let cursor = page["next_cursor"].as_str().unwrap();
        let (read, page) = rows_read(rig, &format!("{path}&cursor={cursor}"));
        assert!(entries(&page) >= 20, "{path}");
        rows.insert(format!("{path}, second page"), read);
    }
    for (path, deleted) in DELETES.iter().zip([0, 0, OWN, 0]) {
        let (read, answer) = rows_read_by(rig, "DELETE", path);
        assert_eq!(answer["deleted"], deleted, "{path}: {answer}");
        rows.insert(format!("DELETE {path}"), read);
    }
    rows
}

fn measured(others: Strangers) -> BTreeMap<String, u64> {
    let rig = Rig::new(1);
    own(&rig);
    strangers(&rig, others);
    rig.run_cron(Schedule::Frequent).1.unwrap();
    rows_of_lists(&rig)
}

/// Two, not none: a range of an index ends at the first row of the next user, if there is one.
#[test]
fn a_list_or_a_delete_reads_as_much_beside_a_thousand_users_as_beside_two_and_beside_two_who_have_ten_thousand_each() {
    let few = measured(Strangers { users: 2, entries: 1 });
    assert_eq!(few, measured(Strangers { users: 1_000, entries: 1 }));
    assert_eq!(few, measured(Strangers { users: 2, entries: 10_000 }));
    tests::report(&format!("rows read by lists: {few:?}"));
}

#[test]
fn every_operation_that_lists_is_counted() {
    let lists = |operation: &&Operation<InMemory>| operation.parameters.iter().any(|found| found.name == "limit");
    let of_table: BTreeSet<&str> = operations().iter().filter(lists).map(|operation| operation.path).collect();
    assert_eq!(of_table, LISTS.iter().map(|(operation, _)| *operation).collect());
}
