//! The budget and the schedule on the real workerd: an allowance that ends in mid-upload, a day that
//! begins, bursts, and archives whose worker is killed.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    thread,
    time::{Duration, Instant},
};

use local_dev::{
    client::{Client, Upload},
    configuration::{Bursts, Profile},
    language_model::LanguageModel,
    product::Product,
    schedule::Schedule,
};
use serde_json::{Value, json};
use tests::{
    report,
    socket::{Knock, Participant},
};

use crate::started::{DEADLINE, words_alone};

const DAY: Duration = Duration::from_hours(24);

/// Answers are what was found: what is tested here needs no words.
fn start(name: &str, profile: Profile) -> Product {
    crate::started::start(name, profile, LanguageModel::None)
}

fn restart(product: &mut Product, profile: Profile) {
    product.kill_workers();
    product.set_profile(profile).unwrap();
    product.restart_workers().unwrap();
}

fn limits(text: &str) -> Profile {
    Profile { limits: text.to_owned(), ..words_alone() }
}

/// Looks again and again until it is so.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < end, "not in time: {what}");
        thread::sleep(Duration::from_millis(200));
    }
}

fn notes(count: usize) -> Vec<Upload> {
    let note = |number: usize| {
        let text = format!("# Note {number}\n\nNote {number} is about harbour {number} and its tides. ");
        Upload { path: format!("notes/{number}.md"), content: text.repeat(30).into_bytes() }
    };
    (0..count).map(note).collect()
}

/// An upload is parked in its middle, what is given up is published, it goes on after midnight, and nothing is
/// embedded twice.
#[test]
fn an_allowance_that_ends_in_mid_upload() {
    let mut product = start("budget", limits(r#"{"neurons": 60, "ingest_share": 0.5}"#));
    let client = product.client().unwrap();
    let answer = client.upload(&notes(60), "").unwrap();
    assert_eq!(answer.status, 202);
    let job = answer.json()["job_id"].as_str().unwrap().to_owned();
    let view = || client.get(&format!("/api/jobs/{job}")).unwrap().json();
    until("the job parks", || view()["status"] == "parked");
    let parked = view();
    report(&format!("parked until {}: {}", parked["parked_until"], parked["parked_why"]));
    assert!(parked["parked_until"].as_str().unwrap().ends_with("T00:00:00.000Z"), "{parked}");
    assert!(parked["parked_why"].as_str().unwrap().contains("neurons for indexing"), "{parked}");
    let usage = || client.get("/api/usage").unwrap().json();
    let ingest = usage()["ingest"]["neurons"].as_f64().unwrap();
    assert!((20.0..=30.0).contains(&ingest), "{ingest} of 30 neurons");
    // What is there is searched, by words and by what meaning there is.
    let search = |query: &str| client.post("/api/search", &json!({ "query": query })).unwrap();
    let found = search("harbour 7 and its tides");
    assert_eq!((found.status, found.json()["mode"].as_str()), (200, Some("hybrid")));
    assert!(found.header("x-budget").unwrap().contains("share of the neurons"));
    // The rest of the day's neurons are gone, too.
    let spent = usage()["resources"][0]["used"].as_f64().unwrap();
    restart(&mut product, limits(&json!({"neurons": spent, "ingest_share": 0.5}).to_string()));
    let found = search("the tides of harbour 8");
    assert_eq!((found.status, found.json()["mode"].as_str()), (200, Some("keyword")), "{}", found.json());
    assert!(found.header("x-degraded").unwrap().contains("neurons are spent"));
    assert!(!found.json()["hits"].as_array().unwrap().is_empty());
    let asked = client
        .send(
            "POST",
            "/api/chat",
            &[("prefer", "wait=30")],
            json!({"message": "What is note 7 about?"}).to_string().as_bytes(),
        )
        .unwrap();
    let turn = asked.json();
    assert_eq!(asked.status, 200, "{turn}");
    assert!(turn["degraded"].as_str().unwrap().contains("allowance"), "{turn}");
    product.run_cron(Schedule::Frequent).unwrap();
    until("the alert is there", || usage()["alerts"].to_string().contains("spent"));
    // Midnight.
    restart(&mut product, Profile { limits: r#"{"neurons": 200}"#.to_owned(), clock_shift: DAY, ..words_alone() });
    let done = client.follow(&job, DEADLINE, |_| {}).unwrap();
    assert_eq!((done["status"].as_str(), done["items"]["done"].as_i64()), (Some("succeeded"), Some(60)), "{done}");
    let chunks: u64 = product.query("SELECT count(*) FROM chunks").unwrap()[0][0].parse().unwrap();
    let texts = product.model_use().unwrap()["texts"].as_u64().unwrap();
    let queries = 1;
    report(&format!("{chunks} chunks, {texts} texts embedded, {queries} of them a query"));
    assert_eq!(texts, chunks + queries, "each chunk was embedded once");
    assert_eq!(product.vector_ids().unwrap().len() as u64, chunks);
}

#[test]
fn bursts_are_refused_and_hammering_is_banned() {
    let product = start("bursts", Profile { bursts: Bursts::Tenth, ..words_alone() });
    let client = product.client().unwrap();
    let ask = || client.get("/api/documents?limit=1").unwrap();
    let calm = ask();
    assert_eq!(calm.header("ratelimit-policy"), Some("\"burst\";q=100;w=10, \"day\";q=20000;w=86400"));
    // As fast as it answers.
    let refused = (0..2_000).map(|_| ask()).find(|answer| answer.status == 429).expect("a burst is refused");
    assert_eq!((refused.header("retry-after"), refused.header("ratelimit")), (Some("10"), Some("\"burst\";r=0;t=10")));
    assert_eq!(refused.json()["code"], "rate_limited");
    // Going on and on.
    let banned = (0..2_000).map(|_| ask()).find(|answer| {
        let seconds = answer.header("retry-after").and_then(|seconds| seconds.parse::<u32>().ok());
        answer.status == 429 && seconds > Some(500)
    });
    assert!(banned.is_some(), "who hammers is banned");
    let other = product.new_user("patient").unwrap();
    assert_eq!(other.get("/api/documents").unwrap().status, 200, "others are not");
}

/// Workerd is killed again and again while conversations are archived, and each can still be read.
#[test]
fn archives_survive_their_worker() {
    let mut product = start("archives", limits(r#"{"archive_after_days": 1}"#));
    let client = product.client().unwrap();
    let mut conversations = Vec::new();
    for number in 0..6 {
        let mut id = Value::Null;
        for turn in 0..3 {
            let body = json!({"message": format!("Question {turn} of conversation {number}?"), "conversation_id": id});
            let answer =
                client.send("POST", "/api/chat", &[("prefer", "wait=60")], body.to_string().as_bytes()).unwrap();
            assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.bytes));
            id = answer.json()["conversation_id"].clone();
        }
        conversations.push(id.as_str().unwrap().to_owned());
    }
    let read = |client: &Client, id: &str| -> Value {
        let answer = client.get(&format!("/api/conversations/{id}")).unwrap();
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.bytes));
        answer.json()["messages"].clone()
    };
    let before: Vec<Value> = conversations.iter().map(|id| read(&client, id)).collect();
    let shifted = Profile { clock_shift: 3 * DAY, ..limits(r#"{"archive_after_days": 1}"#) };
    restart(&mut product, shifted);
    for kill_after in [0, 5, 15, 30, 60, 120, 250] {
        product.run_cron(Schedule::Daily).unwrap();
        // The moment of death, not a wait for anything.
        thread::sleep(Duration::from_millis(kill_after));
        product.kill_workers();
        product.restart_workers().unwrap();
    }
    // Two minutes are what a lost claim takes; another two days are more than that.
    let later = Profile { clock_shift: 5 * DAY, ..limits(r#"{"archive_after_days": 1}"#) };
    restart(&mut product, later);
    product.run_cron(Schedule::Daily).unwrap();
    let rows = |sql: &str| -> usize { product.query(sql).unwrap()[0][0].parse().unwrap() };
    until("all are archived", || {
        product.run_cron(Schedule::Frequent).unwrap();
        rows("SELECT count(*) FROM turns") == 0 && rows("SELECT count(*) FROM archives WHERE state <> 'kept'") == 0
    });
    let objects = || product.object_keys().unwrap().iter().filter(|key| key.contains("/archives/")).count();
    assert_eq!(objects(), conversations.len(), "each once");
    for (id, messages) in conversations.iter().zip(&before) {
        assert_eq!(read(&client, id), *messages, "nothing is lost of {id}");
    }
    report(&format!("{} conversations archived under 8 kills, all of them read back whole", conversations.len()));
}

/// A restart forgets what a channel knew of the day; whoever joins waits until it has looked.
#[test]
fn a_channel_that_wakes_up_on_a_day_without_rows_writes_nothing_that_is_said() {
    let mut product = start("rows", limits(r#"{"object_rows_written": 20}"#));
    let client = product.client().unwrap();
    let session = client.post("/api/session", &json!({})).unwrap().success().unwrap();
    let path = format!("/api/session/{}", session["id"].as_str().unwrap());
    let join = |client: &Client| {
        let knock = Knock { key: Some(client.key()), ..Knock::default() };
        Participant::join(client.url(), session["id"].as_str().unwrap(), &knock).unwrap()
    };
    let say = |participant: &mut Participant, text: &str| {
        participant.send(&json!({"type": "say", "text": text}));
        participant.wait_for("what becomes of it", DEADLINE, |event| event["text"] == text || event["type"] == "error")
            ["type"]
            .clone()
    };
    let mut ada = join(&client);
    for number in 0..20 {
        assert_eq!(say(&mut ada, &format!("message {number}")), "message");
    }
    drop(ada);
    // Whoever asks a channel counts its rows.
    client.get(&path).unwrap().success().unwrap();
    product.run_cron(Schedule::Frequent).unwrap();
    product.kill_workers();
    product.restart_workers().unwrap();
    assert_eq!(say(&mut join(&product.client().unwrap()), "too late"), "error");
}
