//! What the stages read of D1 grows with what they do, not with what there is: not with the other items of a job,
//! nor with the other documents of its owner, nor with what the day has cost so far.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::iter::repeat_n;

use pipeline::{
    ids::{ItemId, JobId, UserId},
    job::{
        item::ItemState::{self, Cancelled, Done, Failed, Parked, Queued, Running, Uploading, Waiting},
        kind::JobKind,
        message::Stage,
    },
    platform::{
        ports::{Clock as _, Meter as _, Random as _},
        transaction::{Transaction, Write},
    },
    store::{
        counters,
        jobs::{
            create::{self, NewItem, NewJob},
            items,
        },
        users::COUNTED_DOCUMENTS,
    },
    time::{MINUTE, Timestamp},
};
use producers::schedule::Schedule;
use serde_json::{Value, json};
use test_platform::{InMemory, ready};
use tests::rig::Rig;

/// A job whose items have these states, the first of them number 1; it has more numbers than items.
fn job(states: impl IntoIterator<Item = ItemState>) -> InMemory {
    let memory = InMemory::new(1);
    let (id, now) = (JobId::new(memory.now(), memory.bytes()), memory.now());
    let user = UserId::new(now, memory.bytes());
    let item = |state| NewItem { state, next_at: DUE, ..NewItem::queued(Stage::Chunk, now) };
    let items: Vec<NewItem> = states.into_iter().map(item).collect();
    let numbers = items.len() + 1_000;
    let kind = JobKind::Index;
    let new = NewJob {
        id: &id,
        user: &user,
        kind,
        is_accepted: true,
        items: numbers,
        documents: 0,
        rejected: 0,
        key: None,
        now,
    };
    let mut transaction = Transaction::default();
    transaction.query(create::job(new));
    transaction.write(counters::take_item_numbers(&id, numbers));
    transaction.query(create::items(&id, &items, now).unwrap());
    ready(transaction.commit(&memory)).unwrap();
    memory
}

/// When items are due.
const DUE: Timestamp = Timestamp::from_milliseconds(7);

fn rows_read(memory: &InMemory, write: Write) -> u64 {
    let before = memory.usage().d1_rows_read;
    ready(write.run(memory)).unwrap();
    memory.usage().d1_rows_read - before
}

/// So many states of one kind, then of another.
fn first(count: usize, state: ItemState, then: usize, other: ItemState) -> impl Iterator<Item = ItemState> {
    repeat_n(state, count).chain(repeat_n(other, then))
}

#[test]
fn the_end_of_an_item_reads_as_much_in_a_job_of_ten_thousand_as_in_one_of_ten() {
    let read = |half: usize, unpacks: bool| {
        let (of_first, of_last) = if unpacks { (Queued, Done) } else { (Done, Queued) };
        let memory = job(first(1, of_first, half, Done).chain(repeat_n(of_last, half)));
        let item = ItemId(i64::try_from(half).unwrap());
        rows_read(&memory, items::finish_job(item, memory.now()))
    };
    assert_eq!(read(5, false), read(5_000, false), "they end in their order");
    assert_eq!(read(5, true), read(5_000, true), "the first finds the others, and outlasts them");
}

/// Rows that each stage reads to index a document of a user who has so many, on a day that has cost so many
/// invocations.
fn rows_to_index(documents: usize, invocations: usize) -> Vec<Value> {
    let rig = Rig::new(1);
    rig.run_cron(Schedule::Frequent).1.unwrap();
    rig.memory.run_script(&format!(
        "UPDATE users SET document_count = {COUNTED_DOCUMENTS};
         INSERT INTO documents (user_id, id, type, media_type, tags, created_at, uploaded_at, bytes, latest)
         SELECT users.id, 'doc_' || n.key, 'doc', '', '[]', 1, 1, 1, 1 FROM users, json_each('{}') n;
         INSERT INTO usage_log (at, id, user_id, source, neurons, d1_rows_read, d1_rows_written, kv_reads, kv_writes,
                                r2_class_a, r2_class_b, queue_operations, vectors_queried, vectors_upserted)
         SELECT 1795309200000, n.key, users.id, 'before', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 FROM users, json_each('{}') n",
        json!(vec![0; documents]),
        json!(vec![0; invocations]),
    ));
    rig.memory.advance(MINUTE);
    rig.upload(&json!([{"external_id": "tides.md", "content": "about tides"}]));
    rig.drain();
    rig.memory.look(
        "SELECT source, sum(d1_rows_read) AS rows FROM usage_log WHERE source IN ('chunk', 'embed', 'upsert')
         GROUP BY source ORDER BY source",
    )
}

#[test]
fn a_document_is_indexed_for_as_many_rows_beside_five_thousand_as_beside_ten() {
    assert_eq!(rows_to_index(10, 1), rows_to_index(5_000, 1));
    assert_eq!(rows_to_index(10, 1), rows_to_index(10, 500), "late on a long day");
}

#[test]
fn an_item_that_goes_on_looks_at_no_other() {
    let memory = job([Queued, Done]);
    let (goes_on, ended) = (items::finish_job(ItemId(1), memory.now()), items::finish_job(ItemId(2), memory.now()));
    assert!(rows_read(&memory, goes_on) < rows_read(&memory, ended));
}

#[test]
fn an_item_that_is_parked_reads_as_much_in_a_job_of_ten_thousand_as_in_one_of_ten() {
    let read = |half: usize| {
        let memory = job(first(half, Parked, half, Queued));
        rows_read(&memory, items::park_job(ItemId(1)))
    };
    assert_eq!(read(5), read(5_000));
}

/// Every choice of these states for three items.
fn all_of_three(states: &[ItemState]) -> Vec<[ItemState; 3]> {
    let mut all = Vec::new();
    for one in states {
        for two in states {
            all.extend(states.iter().map(|three| [*one, *two, *three]));
        }
    }
    all
}

#[test]
fn a_job_is_finished_when_every_item_of_it_is_and_hidden_when_all_that_is_left_is_parked() {
    let states = [Uploading, Waiting, Queued, Running, Parked, Done, Failed, Cancelled];
    let count = |of: &[ItemState], wanted: &[ItemState]| of.iter().filter(|state| wanted.contains(state)).count();
    for of_job in all_of_three(&states) {
        let memory = job(of_job);
        for item in 1..=3 {
            ready(items::finish_job(ItemId(item), memory.now()).run(&memory)).unwrap();
            ready(items::park_job(ItemId(item)).run(&memory)).unwrap();
        }
        let row = memory.look("SELECT finished_at IS NOT NULL AS finished, due_at FROM jobs")[0].clone();
        let all_ended = count(&of_job, &[Done, Failed, Cancelled]) == 3;
        let all_wait = count(&of_job, &[Parked]) > 0 && count(&of_job, &[Queued, Running]) == 0;
        assert_eq!(row["finished"] == 1, all_ended, "{of_job:?}");
        assert_eq!(row["due_at"], if all_wait { DUE.milliseconds() } else { 0 }, "{of_job:?}");
        ready(items::finish_all_jobs(memory.now()).run(&memory)).unwrap();
        let finished = memory.look("SELECT id FROM jobs WHERE finished_at IS NOT NULL").len();
        assert_eq!(finished == 1, all_ended, "{of_job:?}, by the schedule");
    }
}

#[test]
fn what_an_upload_takes_over_from_five_hundred_packs_is_noted_reading_each_note_a_few_times() {
    let memory = job(repeat_n(Queued, 500));
    memory.run_script(&format!(
        "INSERT INTO garbage (retire_item, document_id, revision, pack, user_id)
         SELECT (SELECT value + 1 FROM counters WHERE name = 'item'), 'doc_' || n.key, 1, n.key + 1, 'usr_x'
         FROM json_each('{}') n",
        json!(vec![0; 500]),
    ));
    let read = rows_read(&memory, items::note_superseded());
    assert!(read < 10 * 500, "{read} rows");
    let noted = "SELECT id FROM job_items WHERE superseded = json_array('doc_' || (id - 1))";
    assert_eq!(memory.look(noted).len(), 500);
}
