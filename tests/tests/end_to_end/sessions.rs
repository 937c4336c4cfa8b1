//! Live sessions on the real workerd: hostile frames, what a channel keeps and sends, what it takes and leaves.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{process::Command, time::Duration};

use local_dev::{client::Client, product::root, schedule::Schedule};
use serde_json::{Value, json};
use tests::socket::{Knock, Participant};

use crate::started::{DEADLINE, shared};

/// How long what a session says may take to arrive.
const WAIT: Duration = Duration::from_mins(2);

fn open(client: &Client, body: &Value) -> String {
    client.post("/api/session", body).unwrap().success().unwrap()["id"].as_str().unwrap().to_owned()
}

fn join(client: &Client, session: &str, since: u64) -> Participant {
    let knock = Knock { key: Some(client.key()), since, ..Knock::default() };
    Participant::join(client.url(), session, &knock).unwrap()
}

fn invite(client: &Client, session: &str) -> Participant {
    let ticket = client.post(&format!("/api/session/{session}/tickets"), &json!({"name": "Mallory"})).unwrap();
    let ticket = ticket.success().unwrap()["ticket"].as_str().unwrap().to_owned();
    Participant::join(client.url(), session, &Knock { ticket: Some(&ticket), ..Knock::default() }).unwrap()
}

/// What a guest once stopped the whole product with: on 32 bits that length is 0, and was then counted down
/// from 2^63.
#[test]
fn a_length_that_nobody_can_count_is_refused_and_everything_goes_on() {
    let client = shared().product.new_user("hostile frames").unwrap();
    let session = open(&client, &json!({}));
    let mut ada = join(&client, &session, 0);
    let mut mallory = invite(&client, &session);
    for operation in
        ["[-9223372032559808512]", "[4294967296]", "[-4294967296]", "[9223372036854775807,9223372036854775807,2]"]
    {
        mallory.seen.clear();
        mallory.send_text(&format!(r#"{{"type":"edit","revision":0,"operation":{operation}}}"#));
        mallory.wait_for("refusal", WAIT, |event| event["type"] == "error");
        assert_eq!(client.get("/health").unwrap().status, 200, "{operation}");
    }
    mallory.send(&json!({"type": "edit", "revision": 0, "operation": ["still here"]}));
    let edited = ada.wait_for("an edit", WAIT, |event| event["type"] == "edited");
    assert_eq!((&edited["revision"], &edited["operation"]), (&json!(1), &json!(["still here"])));
    for revision in [i64::MAX, i64::MIN, -1, 2] {
        mallory.seen.clear();
        mallory.send(&json!({"type": "edit", "revision": revision, "operation": ["x"]}));
        let refused = mallory.wait_for("refusal", WAIT, |event| event["type"] == "error");
        assert_eq!(refused["code"], "conflict", "{refused}");
    }
}

#[test]
fn joining_sends_the_newest_events_and_the_others_are_asked_for_by_pages() {
    let client = shared().product.new_user("many events").unwrap();
    let session = open(&client, &json!({}));
    // Nobody may send a hundred at once.
    let mut speakers = [join(&client, &session, 0), join(&client, &session, 0), join(&client, &session, 0)];
    for number in 0..240 {
        speakers[number % 3].send(&json!({"type": "say", "text": format!("message {number}")}));
    }
    let is_message = |event: &Value| event["type"] == "message";
    let heard = |speaker: &Participant| speaker.seen.iter().filter(|event| is_message(event)).count();
    let last = speakers[0].wait_for("240 messages", WAIT, |event| is_message(event) && event["sequence"] == 243);
    assert_eq!((heard(&speakers[0]), &last["sequence"]), (240, &json!(243)));

    let mut late = join(&client, &session, 0);
    let own = late.wait_for("joining", WAIT, |event| event["type"] == "joined" && event["sequence"] == 244);
    let welcome = late.seen[0].clone();
    let since = welcome["since"].as_u64().unwrap();
    assert_eq!((&welcome["last_sequence"], since), (&json!(243), 43), "{welcome}");
    let numbers: Vec<u64> = late.seen.iter().filter_map(|event| event["sequence"].as_u64()).collect();
    assert_eq!(numbers, (since + 1..=own["sequence"].as_u64().unwrap()).collect::<Vec<_>>());
    late.send(&json!({"type": "events", "since": 0}));
    let page = late.wait_for("a page", WAIT, |event| event["type"] == "events");
    let numbers: Vec<u64> =
        page["events"].as_array().unwrap().iter().map(|event| event["sequence"].as_u64().unwrap()).collect();
    assert_eq!((numbers, &page["more"]), ((1..=200).collect(), &json!(true)));
    late.seen.clear();
    late.send(&json!({"type": "events", "since": 200}));
    let page = late.wait_for("a page", WAIT, |event| event["type"] == "events");
    assert_eq!((page["events"].as_array().unwrap().len(), &page["more"]), (44, &json!(false)), "{page}");
}

/// Events of sixteen thousand bytes: no more than a megabyte of them is kept, and a page is no more than an
/// eighth of that.
#[test]
fn a_channel_keeps_and_sends_only_so_many_bytes() {
    let client = shared().product.new_user("large events").unwrap();
    let session = open(&client, &json!({}));
    let mut ada = join(&client, &session, 0);
    let text = "x".repeat(16_000);
    for _ in 0..80 {
        ada.send(&json!({"type": "say", "text": text}));
    }
    ada.wait_for("all", WAIT, |event| event["sequence"] == 81);
    let sizes = "SELECT k.value, count(*), sum(length(e.data)) FROM events e, kept k WHERE k.name = 'identity'";
    let stored = shared().product.query_channels(sizes).unwrap();
    let row = stored.values().flatten().find(|row| row[0].contains(&session)).unwrap();
    let (count, bytes): (usize, usize) = (row[1].parse().unwrap(), row[2].parse().unwrap());
    assert!(bytes <= 1024 * 1024 && (40..70).contains(&count), "{count} events, {bytes} bytes");
    let mut late = join(&client, &session, 0);
    late.wait_for("joining", WAIT, |event| event["type"] == "joined" && event["sequence"] == 82);
    let sent = late.seen.iter().filter(|event| event["type"] == "message").count();
    assert_eq!(sent, 8, "of {count}");
}

#[test]
fn what_a_channel_uses_is_counted_and_when_it_is_closed_nothing_is_left() {
    let product = &shared().product;
    let client = product.new_user("forgotten").unwrap();
    let session = open(&client, &json!({}));
    // Looking at one that has nothing yet makes nothing.
    client.get(&format!("/api/session/{session}")).unwrap().success().unwrap();
    let mut ada = join(&client, &session, 0);
    for revision in 0..20 {
        ada.send(&json!({"type": "edit", "revision": revision, "operation": [revision, "x"]}));
    }
    ada.wait_for("edits", WAIT, |event| event["revision"] == 20);
    let tables = "SELECT name FROM sqlite_master WHERE name IN ('events', 'edits', 'kept')";
    let of_session = || {
        let kept = product.query_channels("SELECT value FROM kept WHERE name = 'identity'").unwrap();
        kept.into_iter().find(|(_, rows)| rows.iter().any(|row| row[0].contains(&session))).map(|(path, _)| path)
    };
    let path = of_session().unwrap();
    assert_eq!(product.query_channels(tables).unwrap()[&path].len(), 3);
    assert_eq!(client.send("DELETE", &format!("/api/session/{session}"), &[], b"").unwrap().status, 204);
    ada.wait_for_close();
    assert_eq!(of_session(), None);
    assert_eq!(product.query_channels(tables).unwrap()[&path], Vec::<Vec<String>>::new());

    // 20 edits of three rows each, and what began the channel; in rows of whoever asked it, and of its own.
    let counted = format!(
        "SELECT total(object_rows_written), total(object_rows_read), total(object_milliseconds) FROM usage_log l
         JOIN sessions s ON s.user_id = l.user_id WHERE s.id = '{session}'"
    );
    let row: Vec<f64> = product.query(&counted).unwrap()[0].iter().map(|value| value.parse().unwrap()).collect();
    assert!((60.0..100.0).contains(&row[0]) && row[1] > 20.0 && row[2] >= 10_000.0, "{row:?}");
    product.run_cron(Schedule::Frequent).unwrap();
    let usage = client.get("/api/usage").unwrap().success().unwrap();
    let names: Vec<&str> =
        usage["resources"].as_array().unwrap().iter().map(|resource| resource["name"].as_str().unwrap()).collect();
    for name in ["object_rows_read", "object_rows_written", "object_gb_seconds"] {
        assert!(names.contains(&name), "{names:?}");
    }
    assert!(usage["own"]["object_rows_written"].as_u64().unwrap() >= 60, "{}", usage["own"]);
}

#[test]
fn a_channel_that_forgot_everything_goes_on_where_it_ended() {
    let product = &shared().product;
    let client = product.new_user("comes back").unwrap();
    let session = open(&client, &json!({}));
    let ended = format!(
        "UPDATE sessions SET scratch = 'what was written', scratch_revision = 7, last_sequence = 40
         WHERE id = '{session}'"
    );
    assert_eq!(product.change(&ended).unwrap(), 1);
    let mut ada = join(&client, &session, 0);
    let welcome = ada.wait_for("welcome", WAIT, |event| event["type"] == "welcome");
    assert_eq!((&welcome["last_sequence"], &welcome["since"]), (&json!(40), &json!(40)), "{welcome}");
    assert_eq!(welcome["scratch"], json!({"revision": 7, "text": "what was written"}));
    ada.wait_for("joining", WAIT, |event| event["type"] == "joined" && event["sequence"] == 41);
    ada.send(&json!({"type": "edit", "revision": 7, "operation": [16, "!"]}));
    ada.wait_for("an edit", WAIT, |event| {
        event["type"] == "edited" && event["revision"] == 8 && event["sequence"] == 42
    });
}

/// Runs a script of tests/ with Node, against this product as this user; what it prints.
fn node(script: &str, options: &[&str], client: &Client) -> String {
    let output = Command::new(root().join("node_modules/node/bin/node"))
        .args(options)
        .arg(root().join("tests").join(script))
        .args([client.url(), client.key()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// By a client of which nothing is known here: Node's, which says that it is closed when its connection has ended.
#[test]
fn closing_a_session_ends_its_connections_at_once_and_says_so() {
    let client = shared().product.new_user("closes").unwrap();
    assert_eq!(node("web_socket.mjs", &[], &client).trim(), "204 1000 the session was closed clean");
}

#[test]
fn frames_are_refused_by_name_and_a_ping_is_a_ping_however_it_is_spelt() {
    let client = shared().product.new_user("spells").unwrap();
    let session = open(&client, &json!({}));
    let mut ada = join(&client, &session, 0);
    for ping in [r#"{"type":"ping"}"#, r#"{"type": "ping"}"#, r#"{ "id": "p", "type": "ping" }"#] {
        ada.seen.clear();
        ada.send_text(ping);
        ada.wait_for("pong", WAIT, |event| event["type"] == "pong" && event.get("id").is_some() == ping.contains("id"));
    }
    ada.seen.clear();
    ada.send_text(r#"["say", "7", "hi", false]"#);
    ada.send_text(r#"{"type": "say", "id": "m-1", "text": "hi", "asks": true}"#);
    ada.send_text(r#"{"type": "edit", "id": "e-1", "revision": 3, "operation": []}"#);
    let unknown = ada.wait_for("refusal", WAIT, |event| event["id"] == "m-1");
    assert_eq!((&unknown["frame"], &unknown["errors"][0]["pointer"]), (&json!("say"), &json!("/asks")), "{unknown}");
    let misfit = ada.wait_for("refusal", WAIT, |event| event["id"] == "e-1");
    assert_eq!((&misfit["frame"], &misfit["code"]), (&json!("edit"), &json!("conflict")), "{misfit}");
    let list = ada.seen.iter().find(|event| event["type"] == "error").unwrap();
    assert_eq!((&list["code"], list.get("frame")), (&json!("invalid"), None), "{list}");
    assert!(!ada.seen.iter().any(|event| event["type"] == "message"), "{:?}", ada.seen);
}

#[test]
fn an_edit_counts_a_whale_as_two_as_javascript_does() {
    let client = shared().product.new_user("counts units").unwrap();
    let session = open(&client, &json!({}));
    let mut ada = join(&client, &session, 0);
    for (revision, operation) in [(0, r#"["🐋"]"#), (1, r#"[2,"!"]"#), (2, r#"[1,"\udc0c",-1,1]"#)] {
        ada.send_text(&format!(r#"{{"type":"edit","revision":{revision},"operation":{operation}}}"#));
    }
    let edited = ada.wait_for("the last", WAIT, |event| event["type"] == "edited" && event["revision"] == 3);
    assert_eq!(edited["operation"], json!(["🐌", -2, 1]));
    let view = client.get(&format!("/api/session/{session}")).unwrap().success().unwrap();
    assert_eq!((&view["scratch"], &view["last_sequence"]), (&json!("🐌!"), &json!(4)), "{view}");
}

/// A guest asks in the session of somebody whose document says it: they are told when it was opened, not before.
#[test]
fn a_guest_is_told_nothing_that_was_not_opened() {
    let client = shared().product.new_user("invites").unwrap();
    let upload = json!({"documents": [
        {"external_id": "freedonia.md", "tags": ["open"], "content": "The capital of Freedonia is Glorp."},
    ]});
    let job = client.post("/api/index", &upload).unwrap().success().unwrap()["job_id"].as_str().unwrap().to_owned();
    client.follow(&job, DEADLINE, |_| {}).unwrap();
    let session = open(&client, &json!({}));
    let mut guest = invite(&client, &session);
    let question = json!({"type": "say", "text": "What is the capital of Freedonia?", "ask": true});
    let mut ask = || {
        guest.seen.clear();
        guest.send(&question);
        guest.wait_for("an answer", DEADLINE, |event| event["type"] == "done")["result"].clone()
    };
    let result = ask();
    assert!(!result.to_string().contains("Glorp"), "{result}");
    let opened = json!({"guests": {"tags": ["open"]}}).to_string();
    let changed = client.send("PATCH", &format!("/api/session/{session}"), &[], opened.as_bytes()).unwrap();
    assert_eq!(changed.status, 200, "{}", changed.json());
    let result = ask();
    assert!(result["answer"].as_str().unwrap().contains("Glorp"), "{result}");
    assert_eq!(result["citations"][0]["external_id"], "freedonia.md", "{result}");
}
