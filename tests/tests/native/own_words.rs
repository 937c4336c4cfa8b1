//! What others store changes nothing of what one finds: everybody's words are in full-text tables of their own.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{cell::Cell, time::Instant};

use pipeline::{
    constants,
    filters::Filters,
    ids::UserId,
    job::message::Message,
    store::{
        chunks::search::{self, Sought},
        users::{self, words::Words},
    },
    time::DAY,
};
use producers::schedule::Schedule;
use serde_json::{Value, json};
use test_platform::{Fate, ready};
use tests::rig::Rig;

/// Documents of strangers that say what one's own say.
const STRANGERS: usize = 1_000;
/// Strangers.
const USERS: usize = 4;
/// Words that everybody uses.
const WORDS: [&str; 12] = [
    "tides",
    "harbour",
    "sail",
    "anchor",
    "parseHeader",
    "ledger",
    "invoice",
    "lantern",
    "ferry",
    "月の満ち欠け",
    "storm",
    "keel",
];

/// One document of so many says something that is rare among one's own.
const RARE: usize = 15;

fn document(number: usize) -> Value {
    let word = |step: usize| WORDS[(number * step + number / 7) % WORDS.len()];
    let rare = if number.is_multiple_of(RARE) { "takeBearing(astrolabe);" } else { "" };
    let content = format!("{} and {} near the {}, {}.\n{rare}{}", word(1), word(3), word(5), word(7), word(2));
    let kind = if number.is_multiple_of(3) { "code" } else { "doc" };
    json!({"external_id": format!("{number}.txt"), "title": format!("On {}", word(4)), "type": kind,
           "tags": [format!("t{}", number % 2)], "content": content})
}

fn upload_as(rig: &Rig, key: &str, documents: &[Value]) {
    let body = json!({ "documents": documents }).to_string();
    let answer = rig.request_as(key, "POST", "/api/index", &[("content-type", "application/json")], body.as_bytes());
    assert_eq!(answer.status, 202, "{}", answer.body);
}

fn remember_as(rig: &Rig, key: &str, text: &str) {
    let body = json!({ "text": text }).to_string();
    let answer = rig.request_as(key, "POST", "/api/memory", &[("content-type", "application/json")], body.as_bytes());
    assert_eq!(answer.status, 201, "{}", answer.body);
}

/// Strangers who store much with the same words.
fn strangers(rig: &Rig) {
    for _ in 0..USERS {
        let key = rig.new_user();
        let documents: Vec<Value> = (0..STRANGERS / USERS).map(|number| document(number * RARE)).collect();
        upload_as(rig, &key, &documents);
        for number in 0..20 {
            remember_as(rig, &key, &format!("The {} and the {number}", WORDS[number % 3]));
        }
        rig.drain();
    }
}

/// A product in which somebody has stored something, `meanwhile` between its two halves.
fn stored(meanwhile: impl FnOnce(&Rig)) -> Rig {
    let rig = Rig::new(1);
    for (place, word) in WORDS.iter().enumerate() {
        rig.request("POST", "/api/memory", &json!({"text": format!("We keep {word} in {}", WORDS[place / 2])}));
    }
    let own = |numbers: std::ops::Range<usize>| Value::from(numbers.map(document).collect::<Vec<_>>());
    rig.upload(&own(0..20));
    rig.drain();
    meanwhile(&rig);
    rig.upload(&own(20..40));
    rig.drain();
    rig.memory.advance(constants::VECTORS_VISIBLE_AFTER);
    rig
}

const QUERIES: [&str; 7] =
    ["takeBearing", "tides", "sail near the harbour", "parseHead", "月", "ledger invoice storm keel", "満ち欠け"];

/// All that somebody finds, with each score.
fn found(rig: &Rig) -> Vec<Value> {
    let mut found = Vec::new();
    for query in QUERIES {
        for mode in ["keyword", "hybrid"] {
            for filters in [json!({}), json!({"type": "code"}), json!({"tags": ["t1"]})] {
                let search = json!({"query": query, "mode": mode, "filters": filters, "top_k": 30});
                found.push(rig.request("POST", "/api/search", &search).body["hits"].clone());
            }
        }
    }
    for (place, query) in QUERIES.iter().enumerate().filter(|(_, query)| query.is_ascii()) {
        let path = format!("/api/memory?query={}", query.replace(' ', "%20"));
        let recalled = rig.request("GET", &path, &Value::Null).body["items"].clone();
        let recalled = recalled.as_array().unwrap().iter();
        found.push(recalled.map(|item| json!([item["id"], item["score"], item["found_by"]])).collect());
        let prompt = json!({"hook_event_name": "UserPromptSubmit", "session_id": place.to_string(),
                            "prompt": format!("Why does {query} matter?")});
        found.push(rig.request("POST", "/hooks/claude-code", &prompt).body);
    }
    found
}

#[test]
fn what_strangers_store_changes_neither_the_order_nor_a_score_of_what_one_finds() {
    let alone = found(&stored(|_| {}));
    let beside = found(&stored(strangers));
    assert!(alone.iter().filter(|hits| hits.as_array().is_some_and(|hits| hits.len() > 3)).count() > 20);
    assert!(alone.iter().any(|told| !told["hookSpecificOutput"].is_null()), "some prompt is told something");
    for (one, other) in alone.iter().zip(&beside) {
        assert_eq!(one, other);
    }
}

/// Rows that a search by words, one by words and meaning, a recall and a hook read.
fn rows_read(rig: &Rig) -> [i64; 4] {
    let total = || rig.memory.look("SELECT sum(d1_rows_read) AS rows FROM usage_log")[0]["rows"].as_i64().unwrap();
    let prompt = json!({"hook_event_name": "UserPromptSubmit", "session_id": "a",
                        "prompt": "Why do the tides of the ledger matter?"});
    let search = |mode: &str| json!({"query": "tides ledger", "mode": mode, "top_k": 5});
    // The first request writes what was noted before.
    rig.request("GET", "/api/me", &Value::Null);
    [
        ("POST", "/api/search", search("keyword")),
        ("POST", "/api/search", search("hybrid")),
        ("GET", "/api/memory?query=tides%20ledger", Value::Null),
        ("POST", "/hooks/claude-code", prompt),
    ]
    .map(|(method, path, body)| {
        let before = total();
        assert_eq!(rig.request(method, path, &body).status, 200);
        total() - before
    })
}

#[test]
fn a_search_reads_as_many_rows_beside_strangers_as_alone() {
    let alone = rows_read(&stored(|_| {}));
    assert!(alone.iter().all(|rows| *rows > 0), "{alone:?}");
    assert_eq!(alone, rows_read(&stored(strangers)));
}

/// Copies what strangers have until it is so many chunks, with their full-text rows.
fn copy_of_strangers(rig: &Rig, chunks: usize) {
    for copy in 1..chunks / STRANGERS {
        rig.memory.run_script(&format!(
            "INSERT INTO chunks (id, user_id, document_id, revision, chunk_index, start, \"end\", text)
             SELECT c.id + {copy} * (1 << 40), c.user_id, document_id, revision, chunk_index + {copy}, start, \"end\",
                    text
             FROM chunks c JOIN users u ON u.id = c.user_id WHERE u.number > 1 AND c.id < 1 << 40"
        ));
    }
    for number in 2..2 + USERS {
        rig.memory.run_script(&format!(
            "INSERT INTO chunks_fts_{number} (rowid, scope, title, body, ident)
             SELECT c.id, '', '', text, '' FROM chunks c JOIN users u ON u.id = c.user_id
             WHERE u.number = {number} AND c.id >= 1 << 40"
        ));
    }
}

/// Median milliseconds of many searches in each of two products, by turns, so that what else the machine does is the
/// same for both.
fn milliseconds(rigs: [&Rig; 2], search: impl Fn(&Rig, usize)) -> [f64; 2] {
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..201 {
        for (rig, times) in rigs.iter().zip(&mut times) {
            let begun = Instant::now();
            search(rig, round);
            times.push(begun.elapsed().as_secs_f64() * 1_000.0);
        }
    }
    times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    })
}

/// The statement that looks for words, alone.
fn look_for_words(rig: &Rig, user: &UserId) {
    rig.memory.begin("search");
    let expression = r#"{title body ident} : ("sail" OR "near" OR "harbour")"#.to_owned();
    let sought = Sought { user, filters: &Filters::default(), after: None };
    let found = search::by_words(sought, Words::of_chunks(1, true), expression, 200, 50).unwrap();
    assert!(!ready(found.all(&rig.memory)).unwrap().is_empty());
}

#[test]
#[ignore = "it measures; `make soak` runs it"]
fn fifty_thousand_chunks_of_strangers_change_nothing() {
    let alone = stored(|_| {});
    let beside = stored(|rig| {
        strangers(rig);
        copy_of_strangers(rig, 50_000);
    });
    let count = |rig: &Rig| rig.memory.look("SELECT count(*) AS rows FROM chunks")[0]["rows"].as_i64().unwrap();
    assert_eq!(count(&beside) - count(&alone), 50_000);
    assert_eq!(beside.memory.indexed_chunks(), count(&beside));
    assert_eq!(found(&alone), found(&beside));
    let rows = rows_read(&alone);
    assert_eq!(rows, rows_read(&beside));
    println!("rows read by a search by words, by both, a recall and a hook, alone and beside them: {rows:?}");
    let (rigs, user) = ([&alone, &beside], alone.user());
    println!("milliseconds of the statement: {:.2?}", milliseconds(rigs, |rig, _| look_for_words(rig, &user)));
    for mode in ["keyword", "hybrid"] {
        // Each is another one, so that none is answered from a cache.
        let search = |rig: &Rig, round| {
            let search = json!({"query": format!("sail near the harbour {round}"), "mode": mode});
            assert_eq!(rig.request("POST", "/api/search", &search).status, 200);
        };
        println!("milliseconds of a search ({mode}): {:.2?}", milliseconds(rigs, search));
    }
}

#[test]
fn nothing_is_asked_by_words_for_somebody_who_has_nothing() {
    let rig = stored(|_| {});
    let key = rig.new_user();
    let ask = |method: &str, path: &str, body: &Value| {
        let headers = [("content-type", "application/json")];
        rig.request_as(&key, method, path, &headers, body.to_string().as_bytes())
    };
    rig.memory.note_statements();
    for mode in ["keyword", "hybrid"] {
        let found = ask("POST", "/api/search", &json!({"query": "tides", "mode": mode}));
        assert_eq!((found.status, &found.body["hits"]), (200, &json!([])));
    }
    assert_eq!(ask("GET", "/api/memory?query=tides", &Value::Null).body["items"], json!([]));
    let prompt = json!({"hook_event_name": "UserPromptSubmit", "session_id": "a", "prompt": "Why do tides matter?"});
    assert_eq!(ask("POST", "/hooks/claude-code", &prompt).body, json!({}));
    assert!(rig.memory.noted_statements().iter().all(|statement| !statement.contains("MATCH")));
    assert_eq!(rig.memory.look("SELECT chunk_words + memory_words AS made FROM users WHERE number = 2")[0]["made"], 0);
}

#[test]
fn whoever_waits_for_their_first_document_finds_it() {
    let rig = Rig::new(1);
    let document = json!({"external_id": "tides.md", "content": "about tides"});
    let token = rig.request("POST", "/api/index", &document).body["consistency_token"].clone();
    // It is indexed when the search has begun.
    let search = json!({"query": "tides", "mode": "keyword", "after": token});
    let held = rig.hold_request_with_headers("POST", "/api/search", &[("prefer", "wait=30")], &search, 3).unwrap();
    rig.drain();
    let answer = ready(held);
    assert_eq!(answer.body["hits"][0]["external_id"], "tides.md", "{}", answer.body);
}

#[test]
fn two_workers_that_write_the_first_words_at_once_write_them_all() {
    for call in 1.. {
        let rig = Rig::new(1);
        rig.upload(&json!([{"external_id": "a.md", "content": "about tides"}]));
        rig.upload(&json!([{"external_id": "b.md", "content": "about ferries"}]));
        let messages: Vec<Message> = std::iter::from_fn(|| rig.memory.receive()).collect();
        let Some(late) = rig.hold(&messages[0], call) else {
            assert!(call > 3);
            return;
        };
        rig.process(&messages[1]);
        ready(late);
        rig.drain();
        assert_eq!(rig.search(&json!({"query": "tides", "mode": "keyword"})), ["a.md"], "call {call}");
        assert_eq!(rig.search(&json!({"query": "ferries", "mode": "keyword"})), ["b.md"]);
        assert_eq!(rig.memory.indexed_chunks(), 2);
    }
}

#[test]
fn the_words_of_somebody_who_goes_are_gone_and_come_back_with_what_is_stored_next() {
    let rig = stored(|_| {});
    for write in users::drop_words(1) {
        ready(write.run(&rig.memory)).unwrap();
    }
    let left = "SELECT name FROM sqlite_schema WHERE name LIKE 'chunks_fts_1%' OR name LIKE 'memories_fts_1%'";
    assert!(rig.memory.look(left).is_empty());
    assert!(rig.search(&json!({"query": "tides", "mode": "keyword"})).is_empty());
    rig.upload(&json!([{"external_id": "again.md", "content": "about tides"}]));
    rig.drain();
    assert_eq!(rig.search(&json!({"query": "tides", "mode": "keyword"})), ["again.md"]);
}

/// The product as the version before left it: in its tables that all shared is what is now in those of each.
fn as_before(rig: &Rig) {
    let shared = "INSERT INTO chunks_fts (rowid, scope, title, body, ident)
                  SELECT c.id, 'u' || u.number, '', c.text, '' FROM chunks c JOIN users u ON u.id = c.user_id;
                  INSERT INTO memories_fts (rowid, scope, body)
                  SELECT m.number, 'u' || u.number, m.text FROM memories m JOIN users u ON u.id = m.user_id
                  WHERE m.state = 'active';
                  UPDATE counters SET value = value | 512 WHERE name = 'steps_due';
                  INSERT OR IGNORE INTO counters (name, value) VALUES ('steps_due', 512)";
    rig.memory.run_script(shared);
    for user in rig.memory.look("SELECT number FROM users") {
        for write in users::drop_words(user["number"].as_i64().unwrap()) {
            ready(write.run(&rig.memory)).unwrap();
        }
    }
}

/// One run of what goes on every five minutes; how many rows it moved.
fn run(rig: &Rig) -> usize {
    let (report, outcome) = rig.run_cron(Schedule::Frequent);
    outcome.unwrap();
    report.words_moved
}

/// Runs until nothing is left in the tables that all shared.
fn move_all(rig: &Rig) {
    for _ in 0..1_000 {
        if run(rig) == 0 {
            break;
        }
    }
    let left = "SELECT (SELECT count(*) FROM chunks_fts) + (SELECT count(*) FROM memories_fts) AS rows";
    assert_eq!(rig.memory.look(left)[0]["rows"], 0);
}

#[test]
fn what_the_version_before_indexed_is_found_as_if_it_had_been_indexed_now() {
    let rig = stored(|rig| {
        let key = rig.new_user();
        upload_as(rig, &key, &[document(5), document(6)]);
        remember_as(rig, &key, "The tides are theirs");
    });
    // Another revision of one is on its way, described in other words.
    rig.upload(&json!([{"external_id": "3.txt", "title": "On storms", "type": "doc", "content": "keel and storm"}]));
    let before = found(&rig);
    let chunks = rig.memory.indexed_chunks();
    as_before(&rig);
    assert!(rig.search(&json!({"query": "sail", "mode": "keyword"})).is_empty(), "not so far");
    // Memories first.
    assert_eq!(run(&rig), WORDS.len() + 1);
    let first = run(&rig);
    assert!(first > 0 && i64::try_from(first).unwrap() < chunks, "some of them: {first} of {chunks}");
    assert!(!rig.search(&json!({"query": "sail", "mode": "keyword"})).is_empty(), "what is moved so far is found");
    move_all(&rig);
    assert_eq!(rig.memory.indexed_chunks(), chunks);
    // What a session was told it is not told again.
    rig.memory.change("DELETE FROM hook_sessions");
    for (one, other) in before.iter().zip(&found(&rig)) {
        assert_eq!(one, other);
    }
}

#[test]
fn a_move_that_breaks_off_at_any_call_is_gone_on_with() {
    for lost in [Fate::Fails, Fate::AnswerLost] {
        for call in 1..=12 {
            let rig = stored(|_| {});
            let chunks = rig.memory.indexed_chunks();
            as_before(&rig);
            let calls = Cell::new(0);
            rig.memory.set_fates(move || {
                calls.set(calls.get() + 1);
                if calls.get() == call { lost } else { Fate::Works }
            });
            for _ in 0..2 {
                let _ = rig.run_cron(Schedule::Frequent);
            }
            rig.memory.heal();
            // A step that failed waits for its hour.
            rig.run_cron(Schedule::Hourly).1.unwrap();
            move_all(&rig);
            assert_eq!(rig.memory.indexed_chunks(), chunks, "call {call}");
            let memories = rig.memory.look("SELECT count(*) AS rows FROM memories_fts_1");
            assert_eq!(memories[0]["rows"], WORDS.len());
        }
    }
}

#[test]
fn what_is_deleted_corrected_and_uploaded_while_words_are_moved_is_so_afterwards() {
    for (call, memories) in (1..).flat_map(|call| [(call, true), (call, false)]) {
        let rig = stored(|_| {});
        as_before(&rig);
        if !memories {
            assert_eq!(run(&rig), WORDS.len(), "memories first, then chunks");
        }
        let listed = rig.request("GET", "/api/documents", &Value::Null).body["items"].clone();
        let memory = rig.request("GET", "/api/memory", &Value::Null).body["items"][0]["id"].clone();
        let held = rig.hold_cron(Schedule::Frequent, call);
        for document in listed.as_array().unwrap().iter().take(30) {
            let path = format!("/api/documents/{}", document["id"].as_str().unwrap());
            assert_eq!(rig.request("DELETE", &path, &Value::Null).status, 202);
        }
        rig.upload(&json!([{"external_id": "new.md", "content": "a zephyr"}]));
        let path = format!("/api/memory/{}", memory.as_str().unwrap());
        assert_eq!(rig.request("DELETE", &path, &Value::Null).status, 204);
        rig.drain();
        let Some(held) = held else {
            assert!(call > 3, "{call}");
            return;
        };
        ready(held);
        move_all(&rig);
        rig.memory.advance(DAY);
        assert!(rig.converge());
        let count = |sql| rig.memory.look(sql)[0]["rows"].as_i64().unwrap();
        assert_eq!(rig.memory.indexed_chunks(), count("SELECT count(*) AS rows FROM chunks"), "call {call}");
        assert_eq!(
            count("SELECT count(*) AS rows FROM memories_fts_1"),
            count("SELECT count(*) AS rows FROM memories WHERE state = 'active'")
        );
        assert_eq!(rig.search(&json!({"query": "zephyr", "mode": "keyword"})), ["new.md"]);
    }
}

#[test]
fn what_the_version_before_indexes_while_it_is_replaced_is_moved_within_the_hour() {
    let rig = stored(|_| {});
    move_all(&rig);
    assert_eq!(run(&rig), 0);
    as_before(&rig);
    rig.memory.change("UPDATE counters SET value = 0 WHERE name = 'steps_due'");
    assert_eq!(run(&rig), 0, "it is not due");
    assert!(rig.run_cron(Schedule::Hourly).0.words_moved > 0);
    move_all(&rig);
    assert_eq!(rig.memory.look("SELECT value & 512 AS due FROM counters WHERE name = 'steps_due'")[0]["due"], 0);
}
