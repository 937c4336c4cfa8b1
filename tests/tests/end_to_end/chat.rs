//! Chat, memory and live sessions on the real workerd.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    io::{BufRead, BufReader},
    process::Command,
    time::{Duration, Instant},
};

use local_dev::{
    client::{Client, Upload},
    configuration::Profile,
    language_model::LanguageModel,
    product::root,
};
use producers::api::sessions::edit::Edit;
use serde_json::{Value, json};
use tests::socket::{Knock, Participant};

use crate::started::{DEADLINE, shared, start};

/// How long what a session says may take to arrive.
const WAIT: Duration = Duration::from_mins(2);
pub const QUESTION: &str = "What is the capital of Freedonia?";

pub fn upload(client: &Client) {
    let documents = [
        ("freedonia.md", "# Freedonia\n\nThe capital of Freedonia is Glorp. It lies on the river Blem.\n"),
        ("garden.md", "# Garden\n\nTomatoes want sun, water and a stick to lean on.\n"),
    ];
    let files: Vec<Upload> =
        documents.map(|(path, text)| Upload { path: path.to_owned(), content: text.into() }).into();
    let answer = client.upload(&files, "").unwrap();
    let job = answer.json()["job_id"].as_str().unwrap().to_owned();
    assert_eq!(client.follow(&job, DEADLINE, |_| {}).unwrap()["status"], "succeeded");
}

pub fn ask(client: &Client, body: &Value) -> Value {
    let answer = client.post("/api/chat", body).unwrap();
    assert_eq!(answer.status, 202, "{}", answer.json());
    answer.json()
}

/// Polls a turn until it is answered.
pub fn answered(client: &Client, job: &str) -> Value {
    let until = Instant::now() + DEADLINE;
    loop {
        let view = client.get(&format!("/api/jobs/{job}")).unwrap().json();
        if !view["result"].is_null() {
            return view["result"].clone();
        }
        assert!(Instant::now() < until, "{view}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// The events of a turn after `since`, until the last one or until `most` have come, each with its number in the
/// log; an end that only D1 knows, since its worker died before it could publish it, has that of the event before it.
pub fn events(client: &Client, job: &str, since: u64, most: usize) -> Vec<(u64, Value)> {
    let response = ureq::get(format!("{}/api/jobs/{job}/events", client.url()))
        .header("authorization", format!("Bearer {}", client.key()))
        .header("last-event-id", since.to_string())
        .call()
        .unwrap();
    let (mut found, mut id) = (Vec::new(), 0);
    for line in BufReader::new(response.into_body().into_reader()).lines() {
        let line = line.unwrap();
        if let Some(number) = line.strip_prefix("id: ") {
            id = number.split('-').next().unwrap().parse().unwrap();
        }
        if let Some(data) = line.strip_prefix("data: ") {
            found.push((std::mem::take(&mut id), serde_json::from_str(data).unwrap()));
            if found.len() == most {
                break;
            }
        }
    }
    found
}

/// What somebody reads who follows the events; begins anew when told to.
pub fn read(events: impl IntoIterator<Item = Value>) -> String {
    events.into_iter().fold(String::new(), |mut text, event| {
        match event["type"].as_str() {
            Some("delta") => text.push_str(event["text"].as_str().unwrap()),
            Some("restarted") => text.clear(),
            _ => {}
        }
        text
    })
}

/// True for an answer that cites what says it.
pub fn cites_freedonia(result: &Value) -> bool {
    result["citations"].as_array().unwrap().iter().any(|citation| citation["external_id"] == "freedonia.md")
}

/// What is installed beside the product speaks once: a real model reads the source and says what it says.
#[test]
fn a_real_model_answers_with_its_source() {
    let real = LanguageModel::from_environment(&root());
    assert_ne!(real, LanguageModel::None, "make installs one");
    let product = start("real_model", Profile::default(), real);
    let client = product.client().unwrap();
    upload(&client);
    let asked = ask(&client, &json!({"message": QUESTION}));
    let result = answered(&client, asked["job_id"].as_str().unwrap());
    assert!(result["degraded"].is_null(), "{result}");
    assert!(result["answer"].as_str().unwrap().contains("Glorp") && cites_freedonia(&result), "{result}");
}

/// One question over poll, server-sent events with a break in between, a session's WebSocket, and
/// the official `OpenAI` package.
#[test]
fn a_question_is_answered_with_its_source_on_every_way() {
    let product = &shared().product;
    let client = product.new_user("asks on every way").unwrap();
    upload(&client);
    // As if it were long ago: before Vectorize shows what was published, no answer is kept.
    product.change("UPDATE users SET published_at = 0 WHERE name = 'asks on every way'").unwrap();

    let asked = ask(&client, &json!({"message": QUESTION}));
    let job = asked["job_id"].as_str().unwrap();
    let first = events(&client, job, 0, 2);
    let rest = events(&client, job, first.last().unwrap().0, usize::MAX);
    let numbers: Vec<u64> = first.iter().chain(&rest).map(|(id, _)| *id).collect();
    assert!(
        numbers.is_sorted() && numbers.windows(2).all(|pair| pair[0] < pair[1]),
        "none missed, none twice: {numbers:?}"
    );
    let told = read(first.iter().chain(&rest).map(|(_, event)| event.clone()));
    let result = answered(&client, job);
    assert!(told.contains("Glorp"), "{told}");
    assert!(result["answer"].as_str().unwrap().contains("Glorp") && cites_freedonia(&result), "{result}");
    assert_eq!(rest.last().unwrap().1["result"]["answer"], result["answer"]);
    let again = client.post("/api/chat", &json!({"message": QUESTION})).unwrap();
    assert_eq!((again.status, &again.json()["cached"]), (200, &json!(true)), "{}", again.json());

    let waited = client
        .send(
            "POST",
            "/api/chat",
            &[("prefer", "wait=60")],
            br#"{"message":"And which river is Glorp, the capital of Freedonia, on?"}"#,
        )
        .unwrap();
    // Waiting ends after a minute with 202, which a slow machine may come to; asked for the job it waits on.
    let until = Instant::now() + DEADLINE;
    let mut result = waited.json();
    if waited.status == 202 {
        let job = format!("/api/jobs/{}", result["job_id"].as_str().unwrap());
        while result["result"].is_null() {
            assert!(Instant::now() < until, "{result}");
            result = client.send("GET", &job, &[("prefer", "wait=60")], b"").unwrap().json();
        }
        result = result["result"].clone();
    } else {
        assert_eq!(waited.status, 200, "{result}");
    }
    assert!(cites_freedonia(&result), "{result}");

    over_a_session(&client);

    let output = Command::new("python3")
        .env("PYTHONPATH", root().join(".tools/python"))
        .arg(root().join("tests/openai_client.py"))
        .args([&format!("{}/v1", client.url()), client.key(), QUESTION])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let seen: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(
        seen["answer"].as_str().unwrap().contains("Glorp") && seen["streamed"].as_str().unwrap().contains("Glorp"),
        "{seen}"
    );
    assert!(
        cites_freedonia(&seen) && seen["pieces"].as_u64() > Some(1) && seen["streamed_usage"].as_u64() > Some(10),
        "{seen}"
    );
    assert_eq!(
        (&seen["unknown_model"], &seen["bad_key"], &seen["finish"]),
        (&json!("model_not_found"), &json!(401), &json!("stop"))
    );
}

/// Two people in one channel: messages, a streamed answer seen by both, the shared text edited by both
/// at once, a ticket that is good once, somebody who comes back.
fn over_a_session(client: &Client) {
    let documents = client.get("/api/documents?external_id=freedonia.md").unwrap().success().unwrap();
    let opened = json!({"title": "A channel", "guests": {"document_ids": [documents["items"][0]["id"]]}});
    let session = client.post("/api/session", &opened).unwrap().success().unwrap();
    let id = session["id"].as_str().unwrap();
    let (url, key) = (client.url().to_owned(), client.key().to_owned());
    let invite = |body: &Value| {
        let answer = client.post(&format!("/api/session/{id}/tickets"), body).unwrap().success().unwrap();
        answer["ticket"].as_str().unwrap().to_owned()
    };
    let mut ada = Participant::join(&url, id, &Knock { key: Some(&key), ..Knock::default() }).unwrap();
    let ticket = invite(&json!({"name": "Bob"}));
    let mut bob = Participant::join(&url, id, &Knock { ticket: Some(&ticket), ..Knock::default() }).unwrap();
    let wait = WAIT;
    ada.wait_for("Bob", wait, |event| event["type"] == "joined" && event["from"]["name"] == "Bob");
    for (knock, status) in [
        (Knock { ticket: Some(&ticket), ..Knock::default() }, 401),
        (Knock { ticket: Some("nonsense"), ..Knock::default() }, 401),
        (Knock::default(), 401),
        (Knock { key: Some(&key), origin: Some("https://evil.example"), ..Knock::default() }, 403),
    ] {
        assert_eq!(Participant::join(&url, id, &knock).err(), Some(status), "{knock:?}");
    }

    bob.send(&json!({"type": "say", "text": "Hello Ada"}));
    assert_eq!(ada.wait_for("message", wait, |event| event["type"] == "message")["text"], "Hello Ada");

    // Both on revision 0: nothing is lost, and both see the same.
    ada.send(&json!({"type": "edit", "revision": 0, "operation": ["ada "]}));
    bob.send(&json!({"type": "edit", "revision": 0, "operation": ["bob "]}));
    ada.wait_for("two edits", wait, |event| event["type"] == "edited" && event["revision"] == 2);
    bob.send(&json!({"type": "scratch"}));
    let text = bob.wait_for("text", wait, |event| event["type"] == "scratch")["text"].as_str().unwrap().to_owned();
    assert!(text.len() == 8 && text.contains("ada ") && text.contains("bob "), "{text:?}");

    for (frame, code) in [
        (json!({"type": "dance"}), "invalid"),
        (json!({"type": "edit", "revision": 99, "operation": ["x"]}), "conflict"),
    ] {
        bob.send(&frame);
        bob.wait_for(code, wait, |event| event["code"] == code);
    }

    bob.send(&json!({"type": "say", "text": format!("Please tell me: {QUESTION}"), "ask": true}));
    let done = ada.wait_for("answer", DEADLINE, |event| event["type"] == "done");
    assert!(done["result"]["answer"].as_str().unwrap().contains("Glorp") && cites_freedonia(&done["result"]), "{done}");
    assert!(read(ada.seen.iter().cloned()).contains("Glorp"));
    bob.wait_for("the same answer", wait, |event| event["type"] == "done");

    // Somebody who was away gets what they missed, in order and once.
    let half = ada.seen.iter().find(|event| event["type"] == "message").unwrap()["sequence"].as_u64().unwrap();
    drop(bob);
    ada.wait_for("leaving", wait, |event| event["type"] == "left");
    let ticket = invite(&json!({"name": "Bob", "role": "viewer"}));
    let mut back =
        Participant::join(&url, id, &Knock { ticket: Some(&ticket), since: half, ..Knock::default() }).unwrap();
    back.wait_for("the answer", wait, |event| event["type"] == "done");
    let sequence = |events: &[Value]| events.iter().filter_map(|event| event["sequence"].as_u64()).collect::<Vec<_>>();
    let missed = sequence(&back.seen);
    assert_eq!(missed[0], half + 1);
    assert!(missed.windows(2).all(|pair| pair[1] == pair[0] + 1), "{missed:?}");
    back.send(&json!({"type": "say", "text": "may I?"}));
    back.wait_for("refusal", wait, |event| event["code"] == "forbidden");
    back.send_text(r#"{"type":"ping"}"#);
    back.wait_for("pong", wait, |event| event["type"] == "pong");

    let seen = client.get(&format!("/api/session/{id}")).unwrap().json();
    assert_eq!(
        (seen["participants"].as_array().unwrap().len(), seen["scratch"].as_str()),
        (2, Some(text.as_str())),
        "{seen}"
    );

    back.send_binary(vec![1, 2, 3]);
    assert_eq!(back.wait_for_close(), 1003);
    for (what, code) in [("x".repeat(40_000), 1009), (r#"{"type":"scratch"}"#.to_string(), 1008)] {
        let ticket = invite(&json!({"name": "Mallory"}));
        let mut mallory = Participant::join(&url, id, &Knock { ticket: Some(&ticket), ..Knock::default() }).unwrap();
        for _ in 0..if code == 1008 { 120 } else { 1 } {
            mallory.send_text(&what);
        }
        assert_eq!(mallory.wait_for_close(), code);
    }
    assert_eq!(client.send("DELETE", &format!("/api/session/{id}"), &[], b"").unwrap().status, 204);
    assert_eq!(ada.wait_for_close(), 1000);
    assert_eq!(Participant::join(&url, id, &Knock { key: Some(&key), ..Knock::default() }).err(), Some(409));
    assert_eq!(client.get(&format!("/api/session/{id}")).unwrap().json()["state"], "closed");
}

/// Three in one channel, one of them twice away while an answer is written: all end with the same log.
/// A hundred edits at once: all end with the same text.
#[test]
fn three_participants_see_the_same() {
    let shared = shared();
    let client = shared.product.new_user("three").unwrap();
    let session = client.post("/api/session", &json!({"title": "Three"})).unwrap().success().unwrap();
    let id = session["id"].as_str().unwrap();
    let (url, key) = (client.url().to_owned(), client.key().to_owned());
    let join = |since| Participant::join(&url, id, &Knock { key: Some(&key), since, ..Knock::default() }).unwrap();
    let wait = WAIT;
    let mut channel = [join(0), join(0), join(0)];
    for participant in &mut channel {
        participant.wait_for("all three", wait, |event| {
            event["type"] == "joined" && event["participants"].as_array().unwrap().len() == 3
        });
    }
    for number in 0..100 {
        channel[number % 3].send(&json!({"type": "edit", "revision": 0, "operation": [format!("<{number}>")]}));
    }
    for participant in &mut channel {
        participant.wait_for("a hundred edits", wait, |event| event["revision"] == 100);
    }
    // Told in three parts: the next when the one who was away is back.
    channel[0].send(&json!({"type": "say", "text": "Tell me a story about a whale and a ship.", "ask": true}));
    let last = |participant: &Participant| {
        participant.seen.iter().filter_map(|event| event["sequence"].as_u64()).max().unwrap_or(0)
    };
    let mut earlier = Vec::new();
    for _ in 0..2 {
        let heard = last(&channel[2]);
        channel[2]
            .wait_for("a piece", wait, |event| event["type"] == "delta" && event["sequence"].as_u64() > Some(heard));
        let since = last(&channel[2]);
        earlier.append(&mut channel[2].seen);
        channel[2] = join(since);
        shared.model.go_on();
    }
    for participant in &mut channel {
        participant.wait_for("the end", DEADLINE, |event| event["type"] == "done");
    }
    earlier.append(&mut channel[2].seen);
    channel[2].seen = earlier;
    let end = channel[0].wait_for("the end", wait, |event| event["type"] == "done")["sequence"].as_u64().unwrap();
    let log = |participant: &Participant| -> Vec<Value> {
        let numbered =
            participant.seen.iter().filter(|event| event["sequence"].as_u64().is_some_and(|sequence| sequence <= end));
        let mut log: Vec<Value> = numbered.cloned().collect();
        log.sort_by_key(|event| event["sequence"].as_u64());
        log
    };
    let logs = channel.each_ref().map(log);
    // The first to join has everything, the others everything since.
    for log in &logs[1..] {
        let from = logs[0].len() - log.len();
        assert_eq!(logs[0][from..], log[..]);
    }
    assert!(
        logs[0]
            .windows(2)
            .all(|pair| pair[1]["sequence"].as_u64() == pair[0]["sequence"].as_u64().map(|sequence| sequence + 1))
    );
    let replay = |log: &[Value]| {
        log.iter().filter(|event| event["type"] == "edited").fold(String::new(), |text, event| {
            let operation: Edit = serde_json::from_value(event["operation"].clone()).unwrap();
            operation.apply(&text).unwrap().0
        })
    };
    let text = replay(&logs[0]);
    assert!((0..100).all(|number| text.contains(&format!("<{number}>"))), "{text}");
    for log in &logs {
        assert_eq!(replay(log), text);
    }
    assert_eq!(client.get(&format!("/api/session/{id}")).unwrap().json()["scratch"], text);
}
