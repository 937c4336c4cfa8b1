//! What cron archives and removes, over ports in memory: archives, expiry, eviction, retention, a month of days.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use std::{cell::Cell, rc::Rc};

use pipeline::{
    constants,
    platform::ports::Clock as _,
    time::{DAY, HOUR, MINUTE},
};
use producers::schedule::Schedule;
use serde_json::{Value, json};
use test_platform::Fate;
use tests::{
    report,
    rig::{Rig, prose},
};

/// A count; `total` gives it as a float.
fn count(rig: &Rig, sql: &'static str) -> usize {
    let text = rig.memory.look(sql)[0]["count"].to_string();
    text.trim_end_matches(".0").parse().unwrap()
}

/// A conversation of three turns that nobody continued for a month.
fn idle_conversation(seed: u64) -> (Rig, String) {
    let rig = Rig::new(seed);
    let first = rig.chat(&json!({"message": "What is the tide at noon?"}));
    let id = first["conversation_id"].as_str().unwrap().to_owned();
    for message in ["And at night?", "Thank you"] {
        rig.chat(&json!({"message": message, "conversation_id": id}));
    }
    rig.memory.advance(constants::ARCHIVE_AFTER + DAY);
    (rig, id)
}

fn messages(rig: &Rig, id: &str) -> Vec<Value> {
    let answer = rig.request("GET", &format!("/api/conversations/{id}"), &Value::Null);
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body["messages"].as_array().unwrap().clone()
}

fn archives(rig: &Rig) -> Vec<String> {
    rig.memory.object_keys().into_iter().filter(|key| key.contains("/archives/")).collect()
}

fn finish_everything(rig: &Rig) {
    assert!(rig.converge());
    rig.memory.advance(2 * constants::MAX_WRITER_LIFE);
    assert!(rig.converge());
}

#[test]
fn an_idle_conversation_is_archived_stays_listed_and_comes_back() {
    let (rig, id) = idle_conversation(1);
    let before = rig.memory.look("SELECT * FROM turns ORDER BY number");
    assert_eq!(before.len(), 6);
    assert_eq!(rig.run_cron(Schedule::Daily).0.archived, 1);
    finish_everything(&rig);
    assert!(rig.memory.look("SELECT * FROM turns").is_empty());
    assert_eq!(archives(&rig).len(), 1);
    let listed = rig.request("GET", "/api/conversations?title=TIDE", &Value::Null).body;
    assert_eq!((&listed["items"][0]["id"], &listed["items"][0]["archived"]), (&json!(id), &json!(true)), "{listed}");
    assert_eq!(rig.run_cron(Schedule::Daily).0.archived, 0, "what is archived is not archived again");
    // Reading brings it back, exactly.
    assert_eq!(messages(&rig, &id).len(), 6);
    assert_eq!(rig.memory.look("SELECT * FROM turns ORDER BY number"), before);
    finish_everything(&rig);
    assert!(archives(&rig).is_empty(), "what was restored is collected");
    assert_eq!(rig.run_cron(Schedule::Daily).0.archived, 0, "who reads it keeps it at hand");
}

#[test]
fn going_on_with_an_archived_conversation_brings_it_back_first() {
    let (rig, id) = idle_conversation(2);
    rig.run_cron(Schedule::Daily).1.unwrap();
    finish_everything(&rig);
    let turn = rig.chat(&json!({"message": "And tomorrow?", "conversation_id": id}));
    assert_eq!(turn["conversation_id"], json!(id));
    let asked = rig.memory.generations().pop().unwrap();
    assert!(asked.messages.iter().any(|message| message.content.contains("at noon")), "the model knows what was said");
    assert_eq!(messages(&rig, &id).len(), 8);
}

#[test]
fn deleting_an_archived_conversation_removes_the_archive() {
    let (rig, id) = idle_conversation(3);
    rig.run_cron(Schedule::Daily).1.unwrap();
    finish_everything(&rig);
    assert_eq!(rig.request("DELETE", &format!("/api/conversations/{id}"), &Value::Null).status, 200);
    finish_everything(&rig);
    assert!(archives(&rig).is_empty() && rig.memory.look("SELECT * FROM archives").is_empty());
    assert_eq!(rig.request("GET", &format!("/api/conversations/{id}"), &Value::Null).status, 404);
}

/// Where conversations are archived before their jobs expire.
#[test]
fn asking_for_the_answer_alone_brings_it_back_too() {
    let rig = Rig::new(5);
    let asked = rig.ask(&json!({"message": "What is the tide at noon?"})).body;
    rig.drain();
    let answer = || rig.job(asked["job_id"].as_str().unwrap())["result"]["answer"].clone();
    let before = answer();
    assert!(before.is_string());
    rig.memory.set_limits(r#"{"archive_after_days": 1}"#);
    rig.memory.advance(2 * DAY);
    assert_eq!(rig.run_cron(Schedule::Daily).0.archived, 1);
    finish_everything(&rig);
    assert!(rig.memory.look("SELECT * FROM turns").is_empty());
    assert_eq!(answer(), before);
    assert_eq!(messages(&rig, asked["conversation_id"].as_str().unwrap()).len(), 2);
}

/// For every call of the archive stage and each fate: afterwards the conversation exists once, whole.
#[test]
fn archival_may_die_at_every_call() {
    let calls = Rc::new(Cell::new(0u64));
    let mut total = 1;
    let mut victim = 0;
    while victim < total {
        for fate in [Fate::Fails, Fate::AnswerLost, Fate::Crashes, Fate::CrashesAfter] {
            let (rig, id) = idle_conversation(4);
            let before = rig.memory.look("SELECT * FROM turns ORDER BY number");
            rig.run_cron(Schedule::Daily).1.unwrap();
            let message = rig.memory.receive().unwrap();
            calls.set(0);
            let counted = Rc::clone(&calls);
            rig.memory.set_fates(move || {
                counted.set(counted.get() + 1);
                if counted.get() == victim + 1 { fate } else { Fate::Works }
            });
            rig.process(&message);
            rig.memory.heal();
            total = total.max(calls.get());
            let rows = rig.memory.look("SELECT * FROM turns ORDER BY number");
            assert!(rows == before || (rows.is_empty() && !archives(&rig).is_empty()), "{fate:?} at {victim}: lost");
            finish_everything(&rig);
            assert!(rig.memory.look("SELECT * FROM turns").is_empty(), "{fate:?} at {victim}: not archived in the end");
            assert_eq!(archives(&rig).len(), 1, "{fate:?} at {victim}: twice");
            assert_eq!(messages(&rig, &id).len(), 6);
            assert_eq!(rig.memory.look("SELECT * FROM turns ORDER BY number"), before, "{fate:?} at {victim}");
        }
        victim += 1;
    }
    assert!(total >= 6, "{total}");
    report(&format!("archival: {total} calls x 4 fates: nothing lost, nothing twice"));
}

#[test]
fn a_question_that_comes_while_the_conversation_is_archived_wins() {
    let (rig, id) = idle_conversation(5);
    rig.run_cron(Schedule::Daily).1.unwrap();
    let archival = rig.memory.receive().unwrap();
    let asked = rig.ask(&json!({"message": "Are you there?", "conversation_id": id}));
    assert_eq!(asked.status, 202);
    rig.process(&archival);
    finish_everything(&rig);
    assert_eq!(messages(&rig, &id).len(), 8);
    assert!(archives(&rig).is_empty());
}

#[test]
fn a_full_index_gives_up_what_was_least_useful_and_takes_it_back_when_it_is_looked_for() {
    let rig = Rig::new(6);
    for name in ["old", "useful", "new"] {
        rig.upload(&json!([{"external_id": name, "content": prose(name, 8)}]));
        rig.drain();
        rig.memory.advance(HOUR);
    }
    assert_eq!(rig.search(&json!({"query": "old 3"}))[0], "old");
    rig.memory.advance(25 * HOUR);
    assert_eq!(rig.search(&json!({"query": "useful 3", "top_k": 1}))[0], "useful");
    rig.memory.advance(HOUR);
    let all = rig.memory.vector_ids().len();
    rig.memory.set_limits(&json!({ "vectors_stored": all }).to_string());
    let (report, done) = rig.run_cron(Schedule::Daily);
    done.unwrap();
    assert!(report.evicted.documents == 1 && report.evicted.vectors > 0, "{:?}", report.evicted);
    assert_eq!(rig.memory.vector_ids().len(), all - report.evicted.vectors);
    let documents = rig.request("GET", "/api/documents", &Value::Null).body;
    let evicted: Vec<&Value> =
        documents["items"].as_array().unwrap().iter().filter(|document| document["keyword_only"] == true).collect();
    assert_eq!(evicted.len(), 1);
    let victim = evicted[0]["external_id"].as_str().unwrap().to_owned();
    assert_ne!(victim, "useful");
    let alerts = rig.request("GET", "/api/usage", &Value::Null).body["alerts"].to_string();
    assert!(alerts.contains("index.evicted"), "{alerts}");
    // Still found by its words; and being looked for brings it back, once there is room.
    rig.memory.set_limits(&json!({ "vectors_stored": all * 2 }).to_string());
    rig.memory.advance(MINUTE);
    assert_eq!(rig.search(&json!({"query": format!("{victim} 5"), "mode": "keyword"}))[0], victim);
    rig.memory.advance(HOUR);
    let (report, done) = rig.run_cron(Schedule::Hourly);
    done.unwrap();
    assert_eq!(report.evicted.restored, 1);
    assert!(rig.converge());
    assert_eq!(rig.memory.vector_ids().len(), all);
    assert_eq!(count(&rig, "SELECT count(*) AS count FROM documents WHERE evicted_at IS NOT NULL"), 0);
    assert_eq!(rig.run_cron(Schedule::Hourly).0.evicted.restored, 0);
}

#[test]
fn an_eviction_that_dies_half_way_is_finished() {
    for fate in [Fate::Fails, Fate::AnswerLost, Fate::Crashes, Fate::CrashesAfter] {
        for victim in 0..14 {
            let rig = Rig::new(7);
            for name in ["a", "b", "c"] {
                rig.upload(&json!([{"external_id": name, "content": prose(name, 4)}]));
            }
            rig.drain();
            let all = rig.memory.vector_ids().len();
            rig.memory.set_limits(&json!({ "vectors_stored": all }).to_string());
            let mut call = 0;
            rig.memory.set_fates(move || {
                call += 1;
                if call == victim + 1 { fate } else { Fate::Works }
            });
            rig.memory.begin("eviction");
            let _ = test_platform::ready(producers::schedule::eviction::evict(&rig.memory, true));
            rig.memory.heal();
            rig.run_cron(Schedule::Daily).1.unwrap();
            let kept = count(&rig, "SELECT total(chunk_count) AS count FROM documents WHERE evicted_at IS NULL");
            assert_eq!(rig.memory.vector_ids().len(), kept, "{fate:?} at {victim}");
            assert_eq!(count(&rig, "SELECT count(*) AS count FROM documents WHERE evicting IS NOT NULL"), 0);
            assert!(kept * 10 <= all * 9 && kept > 0, "{fate:?} at {victim}: {kept} of {all}");
        }
    }
}

#[test]
fn retention_is_its_owners() {
    let rig = Rig::new(8);
    let keep = json!({"retention": {"document_days": 10, "conversation_days": 5, "memory_days": 3}});
    assert_eq!(rig.request("PATCH", "/api/me", &keep).status, 200);
    assert_eq!(rig.request("GET", "/api/me", &Value::Null).body["retention"]["document_days"], 10);
    let refused = rig.request("PATCH", "/api/me", &json!({"retention": {"document_days": 0}}));
    assert_eq!(refused.status, 422, "{}", refused.body);
    rig.upload(&json!([{"external_id": "a", "content": prose("tides", 2)}]));
    rig.chat(&json!({"message": "Hello"}));
    rig.request("POST", "/api/memory", &json!({"text": "I live by the sea"}));
    rig.drain();
    let left = |rig: &Rig| {
        (
            count(rig, "SELECT count(*) AS count FROM documents WHERE deleted_at IS NULL"),
            count(rig, "SELECT count(*) AS count FROM conversations"),
            count(rig, "SELECT count(*) AS count FROM memories"),
        )
    };
    rig.run_cron(Schedule::Daily).1.unwrap();
    assert_eq!(left(&rig), (1, 1, 1));
    for (days, expected) in [(4, (1, 1, 0)), (2, (1, 0, 0)), (5, (0, 0, 0))] {
        rig.memory.advance(days * DAY);
        let (report, done) = rig.run_cron(Schedule::Daily);
        done.unwrap();
        assert_eq!(left(&rig), expected, "{:?}", report.retention);
    }
    finish_everything(&rig);
    assert!(rig.memory.vector_ids().is_empty());
}

/// Tables that hold work in progress do not grow with the days, whatever is uploaded, asked and deleted.
#[test]
fn thirty_days_of_use_leave_bounded_tables() {
    let rig = Rig::new(9);
    rig.memory.set_limits(r#"{"archive_after_days": 3}"#);
    let mut sizes: Vec<Vec<i64>> = Vec::new();
    for day in 0..45 {
        let names = json!([
            {"external_id": "daily.md", "content": prose("daily", 2) + &day.to_string()},
            {"external_id": format!("day-{day}.md"), "content": prose("tides", 2)},
        ]);
        rig.upload(&names);
        if day >= 2 {
            let name = format!("/api/documents?external_id=day-{}.md", day - 2);
            let id = rig.request("GET", &name, &Value::Null).body["items"][0]["id"].as_str().unwrap().to_owned();
            assert_eq!(rig.request("DELETE", &format!("/api/documents/{id}"), &Value::Null).status, 202);
        }
        rig.search(&json!({"query": format!("daily {day}")}));
        let turn = rig.chat(&json!({"message": format!("What happened on day {day}?")}));
        if day % 7 == 0 {
            messages(&rig, turn["conversation_id"].as_str().unwrap());
        }
        for hour in 0..24 {
            rig.drain();
            for _ in 0..3 {
                rig.run_cron(Schedule::Frequent).1.unwrap();
                rig.memory.advance(20 * MINUTE);
            }
            rig.run_cron(Schedule::Hourly).1.unwrap();
            if hour == 3 {
                rig.run_cron(Schedule::Daily).1.unwrap();
            }
        }
        let tables = rig.memory.look(
            "SELECT (SELECT count(*) FROM jobs) AS jobs, (SELECT count(*) FROM job_items) AS job_items,
                    (SELECT count(*) FROM documents) AS documents, (SELECT count(*) FROM chunks) AS chunks,
                    (SELECT count(*) FROM garbage) AS garbage, (SELECT count(*) FROM turns) AS turns,
                    (SELECT count(*) FROM conversations) AS conversations,
                    (SELECT count(*) FROM usage_log) AS usage_log,
                    (SELECT count(*) FROM usage_hourly) AS usage_hourly,
                    (SELECT count(*) FROM usage_daily) AS usage_daily,
                    (SELECT count(*) FROM reservations) AS reservations, (SELECT count(*) FROM alerts) AS alerts",
        );
        let objects = i64::try_from(rig.memory.object_keys().len()).unwrap();
        println!("day {day:>2}: {} objects {objects}", tables[0]);
        let row = tables[0].as_object().unwrap();
        sizes.push(
            [
                "jobs",
                "job_items",
                "documents",
                "chunks",
                "garbage",
                "turns",
                "usage_log",
                "usage_hourly",
                "reservations",
                "alerts",
            ]
            .iter()
            .map(|name| row[*name].as_i64().unwrap())
            .collect(),
        );
    }
    // From the fifth week on nothing of these grows any more; a day's usage rows differ a little.
    for (early, late) in sizes[36].iter().zip(&sizes[44]) {
        assert!(late <= &(early + early / 10 + 2), "{:?} {:?}", sizes[36], sizes[44]);
    }
    assert!(count(&rig, "SELECT count(*) AS count FROM usage_daily") > 0);
    assert_eq!(archives(&rig).len(), 45 - 3, "a conversation a day, the last of them still at hand");
    assert!(
        rig.memory.look("SELECT * FROM usage_log WHERE at < (SELECT max(at) FROM usage_log) - 2 * 3600000").is_empty()
    );
    assert!(rig.memory.now().milliseconds() > 0);
}

#[test]
fn a_finished_month_goes_into_an_archive() {
    let rig = Rig::new(10);
    rig.search(&json!({"query": "anything"}));
    rig.memory.advance(2 * DAY);
    rig.run_cron(Schedule::Hourly).1.unwrap();
    let days = count(&rig, "SELECT count(*) AS count FROM usage_daily");
    assert!(days > 0);
    let month = |rig: &Rig| rig.request("GET", "/api/usage?month=2026-11", &Value::Null).body;
    let at_hand = month(&rig);
    let sources: Vec<_> = at_hand["days"][0]["sources"].as_array().unwrap().iter().map(|of| &of["source"]).collect();
    assert_eq!((&at_hand["days"][0]["day"], sources), (&json!("2026-11-22"), vec![&json!("/api/search")]), "{at_hand}");
    assert_eq!(at_hand["total"]["invocations"], 1, "{at_hand}");
    rig.run_cron(Schedule::Daily).1.unwrap();
    assert_eq!(count(&rig, "SELECT count(*) AS count FROM usage_daily"), days, "last month stays at hand");
    rig.memory.advance(70 * DAY);
    rig.run_cron(Schedule::Daily).1.unwrap();
    assert_eq!(rig.memory.object_keys(), ["archives/usage/2026/11.json.gz"]);
    assert_eq!(count(&rig, "SELECT count(*) AS count FROM usage_daily WHERE day < 1796000000000"), 0);
    // Two days after the search the first look at the month was taken.
    assert_eq!(month(&rig)["days"][0], at_hand["days"][0], "out of its archive it reads the same");
    let other = rig.new_user();
    let answer = rig.request_as(&other, "GET", "/api/usage?month=2026-11", &[], b"");
    assert_eq!((answer.status, &answer.body["days"]), (200, &json!([])), "nobody sees another's days");
    assert_eq!(rig.request("GET", "/api/usage?month=2026-13", &Value::Null).status, 422);
}
