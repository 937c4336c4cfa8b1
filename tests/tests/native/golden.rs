//! What earlier versions wrote is read for ever, and finished: messages, and a database with jobs in every
//! state. Lines and files are only ever added.
//!
//! `database_v9.sql` was dumped by the last version before migration 10, in the middle of its work;
//! `database_v9.json` holds what lay beside it: the time, keys, messages under way, objects and vectors.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeSet;

use data_encoding::BASE64;
use pipeline::{
    ids::ItemId,
    job::{
        item::ItemState,
        message::{Decoded, Message, Stage},
    },
    platform::ports::{Clock as _, ObjectStore as _, PutIf, VectorIndex as _, VectorRecord},
    time::Timestamp,
};
use producers::schedule::Schedule;
use serde_json::{Value, json};
use test_platform::{InMemory, Mutation, ready};
use tests::rig::Rig;

#[test]
fn every_message_ever_written_is_read() {
    let lines = include_str!("../../golden/message_v1.jsonl").lines();
    let expected = [(Stage::Chunk, 1), (Stage::Embed, 549_755_813_888), (Stage::Upsert, 3), (Stage::Purge, 4)];
    assert_eq!(lines.clone().count(), expected.len());
    for (line, (stage, item)) in lines.zip(expected) {
        let Decoded::Known(message) = Message::decode(line) else { panic!("{line} is not read") };
        assert_eq!((message.stage, message.item), (stage, ItemId(item)));
    }
}

#[test]
fn version_two_adds_the_chat_stage() {
    let line = include_str!("../../golden/message_v2.jsonl").trim();
    let Decoded::Known(message) = Message::decode(line) else { panic!("{line} is not read") };
    assert_eq!((message.stage, message.item), (Stage::Chat, ItemId(7)));
}

#[test]
fn version_three_adds_the_archive_stage() {
    let line = include_str!("../../golden/message_v3.jsonl").trim();
    let Decoded::Known(message) = Message::decode(line) else { panic!("{line} is not read") };
    assert_eq!((message.stage, message.item), (Stage::Archive, ItemId(9)));
}

#[test]
fn version_four_adds_the_unpack_stage() {
    let line = include_str!("../../golden/message_v4.jsonl").trim();
    let Decoded::Known(message) = Message::decode(line) else { panic!("{line} is not read") };
    assert_eq!((message.stage, message.item), (Stage::Unpack, ItemId(11)));
}

#[test]
fn version_five_adds_the_capture_stage() {
    let line = include_str!("../../golden/message_v5.jsonl").trim();
    let Decoded::Known(message) = Message::decode(line) else { panic!("{line} is not read") };
    assert_eq!((message.stage, message.item), (Stage::Capture, ItemId(13)));
}

#[test]
fn what_is_written_now_is_what_was_written_then() {
    let goldens = [
        include_str!("../../golden/message_v1.jsonl"),
        include_str!("../../golden/message_v2.jsonl"),
        include_str!("../../golden/message_v3.jsonl"),
        include_str!("../../golden/message_v4.jsonl"),
        include_str!("../../golden/message_v5.jsonl"),
    ];
    for golden in goldens {
        let first = golden.lines().next().unwrap();
        let Decoded::Known(message) = Message::decode(first) else { panic!("{first} is not read") };
        assert_eq!(message.encode(), first);
    }
}

/// How many migrations the version knew that wrote the golden database.
const MIGRATIONS: usize = 9;

/// The product as the last version left it, with this one deployed over it; and what lay beside the database.
fn upgraded() -> (Rig, Value) {
    let beside: Value = serde_json::from_str(include_str!("../../golden/database_v9.json")).unwrap();
    let memory = InMemory::upgraded(10, MIGRATIONS, include_str!("../../golden/database_v9.sql"));
    memory.advance(Timestamp::from_milliseconds(beside["now"].as_i64().unwrap()).since(memory.now()));
    let bytes = |value: &Value| BASE64.decode(value.as_str().unwrap().as_bytes()).unwrap();
    for (key, object) in beside["objects"].as_object().unwrap() {
        assert!(ready(memory.put(key, bytes(object), PutIf::Absent)).unwrap());
    }
    for vector in beside["vectors"].as_array().unwrap() {
        let text = |field: &str| vector[field].as_str().unwrap().to_owned();
        let values =
            bytes(&vector["values"]).chunks(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect();
        let record = VectorRecord { id: text("id"), values, metadata: text("metadata") };
        ready(memory.upsert(&text("namespace"), &[record])).unwrap();
    }
    for body in beside["messages"].as_array().unwrap() {
        let Decoded::Known(message) = Message::decode(body.as_str().unwrap()) else { panic!("{body} is not read") };
        memory.redeliver(message);
    }
    (Rig::over(memory, beside["keys"][0].as_str().unwrap()), beside)
}

/// Runs until nothing is left to do, over midnight and into the day after: what is parked is due then, and a
/// worker of the version before cannot be alive any more.
fn rest(rig: &Rig) {
    rig.converge();
    rig.memory.advance(rig.memory.now().next_day().since(rig.memory.now()));
    assert!(
        rig.converge(),
        "{:?}",
        rig.memory.look("SELECT * FROM job_items WHERE state NOT IN ('done', 'failed', 'cancelled')")
    );
    rig.run_cron(Schedule::Hourly).1.unwrap();
}

/// Names of documents that hold one of the words, for whoever has this key.
fn found(rig: &Rig, key: &str, query: &str) -> BTreeSet<String> {
    let body = json!({"query": query, "mode": "keyword", "top_k": 50}).to_string();
    let answer = rig.request_as(key, "POST", "/api/search", &[("content-type", "application/json")], body.as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body["hits"].as_array().unwrap().iter().map(|hit| hit["external_id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_golden_database_holds_jobs_in_every_state() {
    let (rig, _) = upgraded();
    let rows = rig.memory.look("SELECT DISTINCT state FROM job_items");
    let states: BTreeSet<&str> = rows.iter().map(|row| row["state"].as_str().unwrap()).collect();
    assert_eq!(states, STATES.map(ItemState::name).into());
    let some = |sql| assert!(!rig.memory.look(sql).is_empty(), "{sql}");
    some("SELECT id FROM job_items WHERE state = 'running' AND lease < 1795482900750");
    some("SELECT id FROM job_items WHERE state = 'running' AND lease > 1795482900750");
    some("SELECT id FROM job_items WHERE stage = 'chat' AND state = 'waiting' AND first_pack IS NOT NULL");
    some("SELECT id FROM job_items WHERE stage = 'retire' AND state = 'parked' AND next_at > 1795482900750");
    some("SELECT id FROM job_items WHERE stage = 'archive' AND state = 'queued'");
    some("SELECT id FROM jobs WHERE kind = 'delete' AND receipt IS NOT NULL");
    some("SELECT key FROM idempotency_keys WHERE response IS NULL");
    some("SELECT key FROM idempotency_keys WHERE response IS NOT NULL");
    some("SELECT id FROM reservations");
    some("SELECT key FROM archives");
}

#[test]
fn every_job_that_the_last_version_accepted_ends_as_it_should() {
    let (rig, beside) = upgraded();
    let status = |name: &str| rig.job(beside["jobs"][name].as_str().unwrap())["status"].clone();
    rig.converge();
    assert_eq!(status("parked"), "parked", "until midnight");
    rest(&rig);
    for name in beside["jobs"].as_object().unwrap().keys() {
        let expected = match name.as_str() {
            "failed" => "failed",
            "cancelled" => "cancelled",
            _ => "succeeded",
        };
        assert_eq!(status(name), expected, "{name}");
    }
    for name in ["receipt", "deleting"] {
        let job = rig.job(beside["jobs"][name].as_str().unwrap());
        assert_eq!(job["receipt"], json!({"vectors": 1, "chunks": 1, "objects": 1, "objects_rewritten": 0}), "{name}");
    }
    assert!(rig.memory.look("SELECT id FROM jobs WHERE finished_at IS NULL").is_empty());
    // What had failed is tried again.
    let failed = beside["jobs"]["failed"].as_str().unwrap();
    assert_eq!(rig.request("POST", &format!("/api/jobs/{failed}/retry"), &Value::Null).status, 202);
    rig.drain();
    assert_eq!(status("failed"), "succeeded");
}

#[test]
fn what_was_uploaded_is_found_and_what_was_deleted_is_gone_everywhere() {
    let (rig, beside) = upgraded();
    let key = |place: usize| beside["keys"][place].as_str().unwrap();
    rest(&rig);
    let names = ["tide", "swallow", "parked", "embedded", "reserved", "dead", "lost", "queued", "live"];
    let words = "tide swallow anchor lighthouse buoy wreck bottle pier ferry \
                 receipt deleting cancellation abandonment stranger";
    assert_eq!(found(&rig, key(0), words), names.map(|name| format!("{name}.md")).into());
    assert_eq!(found(&rig, key(1), words), ["foreign.md".to_owned()].into());
    assert_eq!(rig.search(&json!({"query": "What the lighthouse does", "mode": "vector"}))[0], "embedded.md");
    let chunks = rig.memory.look("SELECT count(*) AS count FROM chunks")[0]["count"].as_u64().unwrap();
    assert_eq!(rig.memory.vector_ids().len() as u64, chunks);
    assert!(rig.memory.look("SELECT * FROM garbage").is_empty());
    let packs = rig.memory.object_keys().iter().filter(|key| key.contains("/packs/")).count();
    // Nine of the user's, one of the other's, and the one that failed: it can be tried again.
    assert_eq!(packs, names.len() + 2, "{:?}", rig.memory.object_keys());
    assert!(rig.memory.object_keys().iter().all(|key| !key.starts_with("vectors/")), "slices that nothing reads");
}

#[test]
fn questions_that_waited_in_the_old_columns_are_answered_in_order() {
    let (rig, beside) = upgraded();
    rest(&rig);
    let id = beside["conversations"]["waiting"].as_str().unwrap();
    let read = rig.request("GET", &format!("/api/conversations/{id}"), &Value::Null).body;
    let said: Vec<(i64, &str)> = read["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| (message["number"].as_i64().unwrap(), message["role"].as_str().unwrap()))
        .collect();
    assert_eq!(said, [(1, "user"), (2, "assistant"), (3, "user"), (4, "assistant"), (5, "user"), (6, "assistant")]);
    let asked: Vec<String> =
        rig.memory.generations().iter().map(|asked| asked.messages.last().unwrap().content.clone()).collect();
    let place = |question: &str| asked.iter().position(|prompt| prompt.contains(question));
    // No document says what the tide does: that is answered without a model.
    assert_eq!(place("What does the tide do?"), None, "{asked:?}");
    assert!(place("And the lighthouse?").is_some() && place("And the lighthouse?") < place("And the swallow?"));
}

/// The rule that reads the old columns is needed: without it nobody wakes the questions.
#[test]
fn without_the_old_columns_questions_would_wait_for_ever() {
    let (rig, _) = upgraded();
    let old = "coalesce(unblocks, batch)";
    rig.memory.mutate(Mutation { name: old, rule: old, instead: "unblocks" });
    rig.converge();
    assert!(rig.memory.has_mutated());
    assert!(rig.memory.look("SELECT id FROM turns WHERE number = 6").is_empty());
}

#[test]
fn archives_of_the_last_version_come_back_and_what_it_was_archiving_is_archived() {
    let (rig, beside) = upgraded();
    rest(&rig);
    assert!(rig.memory.look("SELECT id FROM conversations WHERE archived_key IS NULL AND last_number = 4").is_empty());
    for name in ["archived", "archiving"] {
        let id = beside["conversations"][name].as_str().unwrap();
        let read = rig.request("GET", &format!("/api/conversations/{id}"), &Value::Null);
        assert_eq!((read.status, read.body["messages"].as_array().unwrap().len()), (200, 4), "{name}");
    }
}

#[test]
fn a_request_is_repeated_across_versions() {
    let (rig, beside) = upgraded();
    let upload = |key: &str, name: &str, word: &str| {
        let content = format!("# {word}\n\nWhat the {word} does is told here, and told once.\n");
        let documents = json!([{"external_id": format!("{name}.md"), "content": content}]);
        rig.request_with_key("POST", "/api/index", Some(key), &json!({ "documents": documents }))
    };
    let again = upload("answered", "swallow", "swallow");
    assert_eq!((again.status, &again.body["status"]), (200, &json!("succeeded")), "as it is now: {}", again.body);
    for field in ["job_id", "consistency_token", "estimate"] {
        assert_eq!(again.body[field], beside["answer"][field], "the same answer");
    }
    // It has been in flight for longer than a lease: its request is dead.
    let again = upload("in flight", "abandoned", "abandonment");
    assert_eq!(again.status, 202, "{}", again.body);
    assert!(rig.memory.look("SELECT key FROM idempotency_keys WHERE response IS NULL").is_empty());
    rest(&rig);
    assert!(rig.memory.look("SELECT id FROM jobs WHERE accepted_at IS NULL").is_empty());
    assert_eq!(rig.job(again.body["job_id"].as_str().unwrap())["status"], "succeeded");
}

#[test]
fn neurons_that_the_last_version_spent_and_reserved_stay_counted() {
    let (rig, _) = upgraded();
    rest(&rig);
    assert!(rig.memory.look("SELECT * FROM reservations").is_empty());
    let sums = rig.memory.look(
        "SELECT (SELECT total(neurons) FROM budget) AS days,
                (SELECT total(neurons) FROM usage_log) + (SELECT total(neurons) FROM usage_hourly)
                    + (SELECT total(neurons) FROM usage_daily) AS rows",
    );
    let [days, rows] = ["days", "rows"].map(|name| sums[0][name].as_f64().unwrap());
    assert!(days > 0.0 && (days - rows).abs() < 1e-6, "{days} {rows}");
}

/// All states of an item.
const STATES: [ItemState; 8] = [
    ItemState::Uploading,
    ItemState::Waiting,
    ItemState::Queued,
    ItemState::Running,
    ItemState::Parked,
    ItemState::Done,
    ItemState::Failed,
    ItemState::Cancelled,
];

/// The other direction: names that are stored are those the last version reads, should it be deployed again.
#[test]
fn every_stored_name_is_one_that_the_last_version_reads() {
    assert_eq!(
        Stage::ALL.map(Stage::name),
        ["unpack", "chunk", "embed", "upsert", "retire", "chat", "archive", "capture"]
    );
    assert_eq!(
        STATES.map(ItemState::name),
        ["uploading", "waiting", "queued", "running", "parked", "done", "failed", "cancelled"]
    );
    let (rig, _) = upgraded();
    rest(&rig);
    let names = |sql| -> BTreeSet<String> {
        rig.memory.look(sql).iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
    };
    for (sql, known) in [
        ("SELECT DISTINCT kind AS name FROM jobs", &["index", "delete", "retire", "restore", "chat", "archive"][..]),
        ("SELECT DISTINCT stage AS name FROM dead_letters", &["chunk", "embed", "upsert", "retire", "chat", "archive"]),
        ("SELECT DISTINCT kind AS name FROM archives", &["conversation", "usage"]),
        ("SELECT DISTINCT state AS name FROM archives", &["writing", "kept", "garbage"]),
        ("SELECT DISTINCT origin AS name FROM conversations", &["chat", "openai"]),
        ("SELECT DISTINCT role AS name FROM turns", &["user", "assistant"]),
        ("SELECT DISTINCT state AS name FROM memories", &["proposed", "active", "superseded"]),
        ("SELECT DISTINCT purpose AS name FROM reservations", &["ingest", "interactive"]),
    ] {
        let known: BTreeSet<String> = known.iter().map(|name| (*name).to_owned()).collect();
        assert!(names(sql).is_subset(&known), "{sql}: {:?}", names(sql));
    }
}

#[test]
fn a_question_that_waits_is_seen_to_wait_by_the_last_version_too() {
    let rig = Rig::new(1);
    let ask = |body: &Value| rig.request("POST", "/api/chat", body).body;
    let first = ask(&json!({"message": "What is a tide?"}));
    let second = ask(&json!({"message": "And a ferry?", "conversation_id": first["conversation_id"]}));
    // The last version does not know these columns.
    rig.memory.change("UPDATE job_items SET waits_for_first = NULL, waits_for_last = NULL, unblocks = NULL");
    rig.run_cron(Schedule::Hourly).1.unwrap();
    let states = rig.memory.look("SELECT state FROM job_items ORDER BY id");
    assert_eq!([&states[0]["state"], &states[1]["state"]], ["queued", "waiting"]);
    rig.drain();
    for job in [&first["job_id"], &second["job_id"]] {
        assert_eq!(rig.job(job.as_str().unwrap())["status"], "succeeded");
    }
}
