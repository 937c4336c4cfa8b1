//! What following a job, listing what it brought and waiting for it read of D1, when it has thousands of items.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::iter::repeat_n;

use pipeline::{
    ids::JobId,
    job::{item::ItemState, kind::JobKind, message::Stage},
    platform::{
        ports::{Clock as _, Meter as _, Random as _},
        transaction::Transaction,
    },
    store::{
        counters,
        jobs::create::{self, NewItem, NewJob},
    },
    time::{DAY, SECOND, Span},
};
use producers::api::{
    index::token::consistency_token,
    jobs::follow::{Followed, News},
};
use serde_json::{Value, json};
use test_platform::ready;
use tests::rig::Rig;

fn events_after(rig: &Rig, job: &str, id: &str) -> u16 {
    let path = format!("/api/jobs/{job}/events");
    let by_header = rig.request_with_headers("GET", &path, &[("last-event-id", id)], b"").status;
    let by_parameter = rig.request("GET", &format!("{path}?since={id}"), &Value::Null).status;
    assert_eq!(by_header, by_parameter, "after {id}");
    by_header
}

/// By 204 an `EventSource` knows not to come back.
#[test]
fn who_has_the_last_event_of_a_job_is_told_that_nothing_follows() {
    let rig = Rig::new(1);
    let job = rig.upload(&json!([{"external_id": "a.md", "content": "A whale is a mammal."}]));
    let look = || {
        let mut followed = Followed::new(rig.user(), JobId::parse(&job).unwrap());
        let Ok(News::State { text, is_last }) = ready(followed.step(&rig.memory)) else { panic!("no state") };
        (text.lines().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned(), is_last)
    };
    let (first, is_last) = look();
    assert_eq!((is_last, events_after(&rig, &job, &first)), (false, 200), "it goes on");
    rig.drain();
    let (last, is_last) = look();
    assert!(is_last);
    assert_eq!(events_after(&rig, &job, &last), 204);
    for other in [first.as_str(), "7", "0123456789abcdef"] {
        assert_eq!(events_after(&rig, &job, other), 200, "after {other}");
    }
    assert_eq!(rig.request("GET", &format!("/api/jobs/{job}/events"), &Value::Null).status, 200);
}

#[test]
fn who_has_the_end_of_a_turn_is_told_that_nothing_follows_unless_it_ended_otherwise() {
    let rig = Rig::new(1);
    let asked = rig.ask(&json!({"message": "What is a whale?"}));
    let job = asked.body["job_id"].as_str().unwrap();
    assert_eq!(events_after(&rig, job, "3-failed"), 200, "it goes on");
    rig.drain();
    assert_eq!(rig.job(job)["status"], "succeeded");
    for (id, status) in [("3-done", 204), ("0-done", 204), ("3-failed", 200), ("3", 200), ("done", 422), ("-3", 422)] {
        assert_eq!(events_after(&rig, job, id), status, "after {id}");
    }
}

/// Packs of a batch in these jobs, of a document and two chunks each.
const PACKS: usize = 3;

/// What a request reads beside what it is about: its key, its day, its usage.
const OTHER_ROWS: u64 = 60;

/// A job of so many batches; their packs are done.
fn job(rig: &Rig, batches: usize, state: ItemState) -> JobId {
    let (user, now) = (rig.user(), rig.memory.now());
    rig.memory.begin("an upload");
    let id = JobId::new(now, rig.memory.bytes());
    let packs = batches * PACKS;
    let next_at = now.plus(DAY);
    let mut items: Vec<NewItem> = (0..packs)
        .map(|pack| NewItem {
            state: ItemState::Done,
            batch: Some(packs + pack / PACKS),
            document_count: Some(1),
            chunk_count: 2,
            ..NewItem::queued(Stage::Chunk, now)
        })
        .collect();
    let batch = |batch: usize| NewItem {
        state,
        packs: Some((batch * PACKS, batch * PACKS + PACKS - 1)),
        chunk_count: 6,
        next_at,
        ..NewItem::queued(Stage::Upsert, now)
    };
    items.extend((0..batches).map(batch));
    let (items_of, kind) = (items.len(), JobKind::Index);
    let new = NewJob {
        id: &id,
        user: &user,
        kind,
        is_accepted: true,
        items: items_of,
        documents: packs,
        rejected: 0,
        key: None,
        now,
    };
    let mut transaction = Transaction::default();
    transaction.query(create::job(new));
    transaction.write(counters::take_item_numbers(&id, items_of));
    transaction.query(create::items(&id, &items, now).unwrap());
    ready(transaction.commit(&rig.memory)).unwrap();
    id
}

fn rows_of(rig: &Rig, method: &str, path: &str, body: &Value) -> (u64, Value) {
    let answer = rig.request(method, path, body);
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    (rig.memory.usage().d1_rows_read, answer.body)
}

#[test]
fn a_look_at_a_job_of_six_thousand_items_reads_each_once_and_asks_for_patience() {
    let rig = Rig::new(1);
    let id = job(&rig, 1_500, ItemState::Queued);
    rig.memory.run_script(
        "UPDATE job_items SET state = 'done' WHERE stage = 'upsert' AND id % 2 = 0;
         UPDATE job_items SET state = 'failed', error = 'broken ' || id WHERE stage = 'upsert' AND id % 5 = 0;
         UPDATE job_items SET failures = '[{\"document_id\":\"doc_x\",\"code\":\"invalid\",\"detail\":\"odd\"}]'
         WHERE id = 3000",
    );
    let (read, view) = rows_of(&rig, "GET", &format!("/api/jobs/{id}"), &Value::Null);
    assert!(read < 6_000 + 400 + OTHER_ROWS, "{read} rows");
    let counts = json!({
        "queued": 1_800, "running": 0, "done": 1_800, "failed": 900, "cancelled": 0, "superseded": 0, "rejected": 0,
    });
    assert_eq!(view["items"], counts);
    assert_eq!(view["errors"].as_array().unwrap().len(), 100);
    assert_eq!(view["errors"][0]["detail"].as_str().unwrap().split(':').next(), Some("3 documents, upsert stage"));
    assert_eq!(view["stages"][2]["error"], "broken 4505");
    let answer = rig.request("GET", &format!("/api/jobs/{id}"), &Value::Null);
    assert_eq!(answer.headers["retry-after"], "120");
    let small = job(&rig, 1, ItemState::Queued);
    assert_eq!(rig.request("GET", &format!("/api/jobs/{small}"), &Value::Null).headers["retry-after"], "1");
}

#[test]
fn more_items_than_one_text_holds_are_all_counted() {
    let rig = Rig::new(1);
    let [id, ..] = [(); 4].map(|()| job(&rig, 1_500, ItemState::Done));
    // The first of them takes the items of the others over.
    rig.memory.run_script(&format!("UPDATE jobs SET last_item = (SELECT max(id) FROM job_items) WHERE id = '{id}'"));
    let (_, view) = rows_of(&rig, "GET", &format!("/api/jobs/{id}"), &Value::Null);
    assert_eq!((&view["status"], &view["items"]["done"]), (&json!("succeeded"), &json!(18_000)));
}

/// A stream's steps until it ends, or so many; each is an invocation's that has queries enough.
struct Stream {
    rows: u64,
    states: usize,
    took: Span,
    last: News,
}

fn follow(rig: &Rig, job: &JobId, steps: usize, mut between: impl FnMut(usize)) -> Stream {
    let began = rig.memory.now();
    let mut followed = Followed::new(rig.user(), job.clone());
    let mut stream = Stream { rows: 0, states: 0, took: Span::ZERO, last: News::Nothing };
    for step in 0..steps {
        rig.memory.advance(followed.pause(rig.memory.now()));
        rig.memory.begin("a step");
        stream.last = ready(followed.step(&rig.memory)).unwrap();
        stream.rows += rig.memory.usage().d1_rows_read;
        stream.states += usize::from(matches!(stream.last, News::State { .. }));
        if matches!(stream.last, News::Enough | News::Gone | News::State { is_last: true, .. }) {
            break;
        }
        between(step);
    }
    stream.took = rig.memory.now().since(began);
    stream
}

#[test]
fn a_stream_about_a_job_of_six_thousand_items_reads_twenty_thousand_rows_and_takes_its_time() {
    let rig = Rig::new(1);
    let id = job(&rig, 1_500, ItemState::Queued);
    let goes_on = |step: usize| {
        rig.memory.run_script(&format!("UPDATE job_items SET state = 'done' WHERE id = {}", 4_501 + step));
    };
    let stream = follow(&rig, &id, 1_000, goes_on);
    assert_eq!((&stream.last, stream.states), (&News::Enough, 3));
    assert!(stream.rows < 20_000, "{} rows", stream.rows);
    assert!(stream.took >= Span::minutes(6), "{:?}", stream.took);
}

#[test]
fn a_stream_tells_the_end_of_a_large_job_within_fifteen_seconds() {
    let rig = Rig::new(1);
    let id = job(&rig, 1_500, ItemState::Queued);
    let ends = |step: usize| {
        if step == 0 {
            rig.memory.run_script("UPDATE job_items SET state = 'done'; UPDATE jobs SET finished_at = 1");
        }
    };
    let stream = follow(&rig, &id, 10, ends);
    assert!(matches!(&stream.last, News::State { text, is_last: true } if text.contains("\"succeeded\"")));
    assert!(stream.took <= 15 * SECOND, "{:?}", stream.took);
}

#[test]
fn a_stream_about_a_job_that_is_parked_reads_a_row_at_a_time_until_it_goes_on() {
    let rig = Rig::new(1);
    let id = job(&rig, 1_500, ItemState::Parked);
    let due = rig.memory.now().plus(DAY).milliseconds();
    rig.memory.run_script(&format!("UPDATE jobs SET due_at = {due}"));
    let stream = follow(&rig, &id, 200, |_| ());
    assert_eq!((&stream.last, stream.states), (&News::Nothing, 1));
    assert!(stream.rows < 6_000 + 200 + OTHER_ROWS, "{} rows", stream.rows);
    let retried = |step: usize| {
        if step == 100 {
            rig.memory.run_script("UPDATE jobs SET due_at = 0; UPDATE job_items SET state = 'queued' WHERE id = 4501");
        }
    };
    assert_eq!(follow(&rig, &id, 200, retried).states, 2);
}

#[test]
fn a_stream_about_a_small_job_tells_each_state_at_once() {
    let rig = Rig::new(1);
    let id = job(&rig, 5, ItemState::Queued);
    let goes_on = |step: usize| {
        rig.memory.run_script(&format!("UPDATE job_items SET state = 'done' WHERE id = {}", 16 + step));
    };
    let stream = follow(&rig, &id, 10, goes_on);
    assert!(matches!(stream.last, News::State { is_last: true, .. }));
    assert_eq!((stream.states, stream.took <= 3 * SECOND), (6, true), "{:?}", stream.took);
}

/// Makes a job one of an upload that was streamed.
fn stream(rig: &Rig, id: &JobId) {
    rig.memory.run_script(&format!(
        "INSERT INTO uploads (job_id, user_id, media_type, bytes)
         SELECT id, user_id, 'application/x-ndjson', 1 FROM jobs WHERE id = '{id}'"
    ));
}

/// A job of an upload of so many documents, of which the last alone failed.
fn uploaded(rig: &Rig, documents: usize) -> JobId {
    let id = job(rig, 1, ItemState::Done);
    stream(rig, &id);
    let range: Vec<Value> = repeat_n(json!({"external_id": "tides.md", "status": "rejected"}), 100).collect();
    rig.memory.run_script(&format!(
        "INSERT INTO upload_results (job_id, first, results)
         SELECT '{id}', 100 * n.key, '{}' FROM json_each('{}') n;
         INSERT INTO upload_results (job_id, first, results)
         VALUES ('{id}', {documents}, '[{{\"external_id\": \"last.md\", \"status\": \"duplicate\"}}]')",
        json!(range),
        json!(vec![0; documents / 100]),
    ));
    id
}

#[test]
fn a_page_of_results_in_one_state_reads_as_much_of_thirty_thousand_as_of_three() {
    let read = |documents: usize| {
        let rig = Rig::new(1);
        let id = uploaded(&rig, documents);
        let path = format!("/api/jobs/{id}/items?status=duplicate");
        let (read, page) = rows_of(&rig, "GET", &path, &Value::Null);
        assert_eq!(page, json!({"items": [], "next_cursor": "999", "limit": 100}));
        read
    };
    assert_eq!(read(3_000), read(30_000));
}

#[test]
fn the_cursors_of_pages_that_have_nothing_lead_to_what_there_is() {
    let rig = Rig::new(1);
    let id = uploaded(&rig, 3_000);
    let (mut found, mut pages, mut cursor) = (Vec::new(), 0, String::new());
    loop {
        let (_, page) = rows_of(&rig, "GET", &format!("/api/jobs/{id}/items?status=duplicate{cursor}"), &Value::Null);
        found.extend(page["items"].as_array().unwrap().iter().map(|item| item["index"].clone()));
        pages += 1;
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!((found, pages), (vec![json!(3_000)], 4));
}

#[test]
fn a_list_of_results_does_not_read_the_items_of_its_job() {
    let read = |batches: usize| {
        let rig = Rig::new(1);
        let id = job(&rig, batches, ItemState::Queued);
        stream(&rig, &id);
        rows_of(&rig, "GET", &format!("/api/jobs/{id}/items"), &Value::Null).0
    };
    assert_eq!(read(1), read(1_500));
}

#[test]
fn a_search_that_waits_for_a_job_of_six_thousand_items_reads_as_much_as_for_one_of_four() {
    let read = |batches: usize, finished: &str, freshness: &str| {
        let rig = Rig::new(1);
        let id = job(&rig, batches, ItemState::Done);
        rig.memory.run_script(&format!("UPDATE jobs SET finished_at = {finished}"));
        let search = json!({"query": "tides", "after": consistency_token(&id), "mode": "keyword"});
        let (read, found) = rows_of(&rig, "POST", "/api/search", &search);
        assert_eq!(found["freshness"], freshness);
        read
    };
    assert_eq!(read(1, "1", "complete"), read(1_500, "1", "complete"));
    assert_eq!(read(1, "NULL", "partial"), read(1_500, "NULL", "partial"));
}
