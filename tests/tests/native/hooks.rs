//! `POST /hooks/claude-code`: what is known for a session and a prompt, and that nobody is ever disturbed.
#![expect(clippy::unwrap_used, reason = "tests")]

use pipeline::{
    chat::generation::estimated_tokens,
    platform::ports::Burst,
    time::{DAY, MINUTE},
};
use producers::schedule::Schedule;
use serde_json::{Value, json};
use test_platform::{Fate, Service};
use tests::rig::{Answer, Rig};

const PROJECT: &str = "github.com/ada/ledger";

fn hook(rig: &Rig, body: &Value) -> Answer {
    rig.request("POST", "/hooks/claude-code", body)
}

/// What is added to a prompt; nothing for `{}`.
fn told(rig: &Rig, session: &str, prompt: &str) -> String {
    context(&hook(rig, &json!({"hook_event_name": "UserPromptSubmit", "session_id": session, "prompt": prompt})))
}

fn started(rig: &Rig, session: &str, more: &Value) -> String {
    let mut body = json!({"hook_event_name": "SessionStart", "session_id": session, "project": PROJECT});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    context(&hook(rig, &body))
}

fn context(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.body);
    let output = &answer.body["hookSpecificOutput"];
    if output.is_null() {
        assert_eq!(answer.body, json!({}));
    }
    output["additionalContext"].as_str().unwrap_or_default().to_owned()
}

fn remember(rig: &Rig, memory: &Value) -> String {
    let answer = rig.request("POST", "/api/memory", memory);
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.body["id"].as_str().unwrap().to_owned()
}

/// A product in whose project some files and some memories are.
fn furnished() -> Rig {
    let rig = Rig::new(1);
    let name = |path: &str| format!("{PROJECT}/{path}");
    rig.upload(&json!([
        {"external_id": name("src/sweep.rs"), "content": format!(
            "//! The sweep.\n{}\n/// Sends lost messages again.\nfn rebuild_messages(items: Items) {{}}\n",
            "// Nothing is lost for good.\n".repeat(20))},
        {"external_id": name("src/ledger.rs"), "content": "/// Posts it to the ledger.\nfn post_invoice() {}\n"},
        {"external_id": name("README.md"), "content": "# Ledger\n\nBooks invoices. Start it with make.\n"},
        {"external_id": "other/notes.md", "content": "Notes on gardening and on how tomatoes grow in the shade.\n"},
    ]));
    rig.drain();
    remember(&rig, &json!({"text": "We deploy on Thursdays", "kind": "decision", "project": PROJECT}));
    remember(&rig, &json!({"text": "Amounts are kept in cents", "kind": "decision", "source": "meeting of May 4"}));
    rig
}

#[test]
fn a_session_is_told_what_is_pinned_what_was_decided_and_what_changed() {
    let rig = furnished();
    remember(&rig, &json!({"text": "Ada prefers short answers", "kind": "preference", "pinned": true}));
    remember(&rig, &json!({"text": "The website is in Hugo", "kind": "decision", "project": "github.com/ada/site"}));
    remember(&rig, &json!({"text": "Ada lives in London"}));
    let text = started(&rig, "one", &json!({}));
    let place = |part: &str| text.find(part).unwrap_or_else(|| unreachable!("{part} in {text}"));
    assert!(place("Ada prefers short answers") < place("We deploy on Thursdays"), "{text}");
    assert!(place("We deploy on Thursdays") < place("Amounts are kept in cents"), "the project's own first: {text}");
    assert!(text.contains("from meeting of May 4") && text.contains(PROJECT), "{text}");
    assert!(!text.contains("Hugo") && !text.contains("London") && !text.contains("sweep.rs"), "{text}");
    rig.memory.advance(DAY);
    rig.upload(&json!([
        {"external_id": format!("{PROJECT}/src/tax.rs"), "content": "fn tax() {}"},
        {"external_id": "other/more.md", "content": "More on gardening."},
    ]));
    rig.drain();
    let text = started(&rig, "two", &json!({}));
    assert!(text.contains("- src/tax.rs") && !text.contains("more.md") && !text.contains("sweep.rs"), "{text}");
}

#[test]
fn what_a_session_is_told_keeps_to_its_tokens() {
    let rig = Rig::new(1);
    for number in 0..40 {
        let text = format!("Decision number {number}: {}", "services talk to each other by queues alone, ".repeat(6));
        remember(&rig, &json!({"text": text, "kind": "decision"}));
    }
    for (asked, most) in [(json!({}), 1_200), (json!({"max_tokens": 300}), 300), (json!({"max_tokens": "x"}), 1_200)] {
        let tokens = estimated_tokens(&started(&rig, "one", &asked));
        assert!(tokens <= most && tokens * 3 > most, "{tokens} of {most}");
    }
}

#[test]
fn nothing_known_is_nothing_said() {
    let rig = Rig::new(1);
    assert_eq!(started(&rig, "one", &json!({})), "");
    assert_eq!(told(&rig, "one", "why does the sweep send lost messages?"), "");
}

#[test]
fn a_prompt_is_told_what_is_about_it_with_its_source_and_nothing_twice() {
    let rig = furnished();
    started(&rig, "two", &json!({"project": "github.com/ada/none"}));
    let text = told(&rig, "one", "Why does the sweep rebuild lost messages?");
    assert!(text.contains("src/sweep.rs:") && text.contains("friend://doc/"), "{text}");
    assert!(!text.contains("ledger.rs") && !text.contains("Thursdays"), "{text}");
    let lines = text.split("src/sweep.rs:").nth(1).unwrap().split(' ').next().unwrap();
    let (first, last) = lines.split_once('-').unwrap();
    assert!(first == "23" && last == "24", "{text}");
    assert_eq!(told(&rig, "one", "And why does the sweep rebuild lost messages?"), "");
    assert_ne!(told(&rig, "another", "Why does the sweep rebuild lost messages?"), "");
    let text = told(&rig, "one", "when should I deploy?");
    assert!(text.contains("We deploy on Thursdays") && text.contains("(decision, "), "{text}");
    assert_eq!(told(&rig, "one", "when should we deploy?"), "");
}

#[test]
fn what_a_session_was_told_at_its_start_is_not_told_with_a_prompt() {
    let rig = furnished();
    started(&rig, "one", &json!({}));
    assert_eq!(told(&rig, "one", "when should I deploy?"), "");
    let text = told(&rig, "one", "what does post_invoice do?");
    assert!(text.contains("- src/ledger.rs:") && !text.contains(&format!("- {PROJECT}")), "{text}");
}

#[test]
fn a_session_that_is_resumed_is_told_nothing_again() {
    let rig = furnished();
    assert_eq!(started(&rig, "two", &json!({"source": "resume"})), started(&rig, "three", &json!({})), "told never");
    assert_ne!(started(&rig, "one", &json!({"source": "startup"})), "");
    assert_eq!(started(&rig, "one", &json!({"source": "resume"})), "");
    assert_eq!(told(&rig, "one", "when should I deploy?"), "", "it was told when it began");
    assert_ne!(started(&rig, "one", &json!({"source": "clear"})), "", "all that it was told is gone");
}

#[test]
fn what_cannot_be_noted_is_told_all_the_same() {
    let rig = furnished();
    let mut answered = Vec::new();
    for call in 1..12 {
        let mut calls = 0;
        rig.memory.set_fates(move || {
            calls += 1;
            if calls == call { Fate::Fails } else { Fate::Works }
        });
        answered.push(!started(&rig, &format!("session-{call}"), &json!({})).is_empty());
        rig.memory.heal();
    }
    // Without the key, the day or what is known there is nothing to tell. The note is the last that is asked for.
    let asked = answered.iter().rposition(|is_told| !is_told).unwrap();
    assert!((1..=3).contains(&asked) && answered[asked + 1..].iter().all(|is_told| *is_told), "{answered:?}");
    let mut calls = 0;
    rig.memory.set_fates(move || {
        calls += 1;
        if calls == asked + 2 { Fate::Fails } else { Fate::Works }
    });
    assert_ne!(started(&rig, "unnoted", &json!({})), "");
    rig.memory.heal();
    assert!(rig.memory.look("SELECT 1 FROM hook_sessions WHERE session_id = 'unnoted'").is_empty());
}

#[test]
fn most_prompts_are_told_nothing_and_write_nothing() {
    let rig = furnished();
    let before = rig.memory.look("SELECT count(*) AS n FROM hook_sessions");
    for prompt in [
        "thanks, looks good",
        "yes",
        "run the tests again",
        "commit this",
        "fix the typo",
        "what is 2 + 2?",
        "/clear",
        "write a haiku about tomatoes",
        "explain recursion in Haskell",
        "now make it shorter please",
        "rename the variable to total",
        "why is the sky blue?",
        "add a dark mode toggle to the settings page",
        "",
        "   ",
    ] {
        assert_eq!(told(&rig, "one", prompt), "", "{prompt}");
    }
    assert_eq!(rig.memory.look("SELECT count(*) AS n FROM hook_sessions"), before);
}

#[test]
fn no_model_is_asked() {
    let rig = furnished();
    let before = rig.memory.embedded();
    started(&rig, "one", &json!({}));
    told(&rig, "one", "Why does the sweep rebuild lost messages?");
    rig.memory.put_out(Service::Models, DAY);
    rig.memory.put_out(Service::Vectors, DAY);
    assert_ne!(told(&rig, "three", "Why does the sweep rebuild lost messages?"), "");
    assert_eq!(rig.memory.embedded(), before);
}

#[test]
fn whatever_comes_is_answered_with_nothing() {
    let rig = furnished();
    for body in [
        json!({}),
        json!([]),
        json!("text"),
        json!(7),
        json!({"hook_event_name": "PreToolUse", "session_id": "one"}),
        json!({"hook_event_name": "FromTheFuture", "more": {"deep": [1, 2, 3]}}),
        json!({"hook_event_name": 3}),
        json!({"hook_event_name": "UserPromptSubmit"}),
        json!({"hook_event_name": "UserPromptSubmit", "prompt": ["x"]}),
        json!({"hook_event_name": "UserPromptSubmit", "session_id": {}, "prompt": "sweep lost messages"}),
        json!({"hook_event_name": "UserPromptSubmit", "session_id": "x".repeat(10_000), "prompt": "post_invoice"}),
        json!({"hook_event_name": "Stop"}),
        json!({"hook_event_name": "Stop", "session_id": "one", "stop_hook_active": 1}),
        json!({"hook_event_name": "PreCompact", "session_id": "one", "trigger": "auto"}),
        json!({"hook_event_name": "SessionEnd", "session_id": "one", "reason": "other"}),
    ] {
        let answer = hook(&rig, &body);
        assert_eq!((answer.status, &answer.body), (200, &json!({})), "{body}");
    }
    let send = |path: &str, headers: &[(&str, &str)], body: &[u8]| {
        let answer = rig.request_with_headers("POST", path, headers, body);
        assert_eq!((answer.status, &answer.body), (200, &json!({})), "{path} {headers:?}");
    };
    let path = "/hooks/claude-code";
    send(path, &[], b"");
    send(path, &[], b"{\"hook_event_name\": ");
    send(path, &[], &[0xff, 0xfe, 0x00]);
    send(path, &[("content-type", "text/plain")], b"{}");
    send(path, &[("content-encoding", "br")], b"{}");
    send(path, &[("content-encoding", "gzip")], b"no gzip");
    send("/hooks/claude-code?verbose=1", &[], b"{}");
    let long = json!({"hook_event_name": "UserPromptSubmit", "session_id": "one", "prompt": "sweep ".repeat(900_000)});
    send(path, &[], long.to_string().as_bytes());
}

#[test]
fn a_wrong_key_is_told_and_another_method_refused() {
    let rig = Rig::new(1);
    assert_eq!(rig.request_as("cf_test_wrong", "POST", "/hooks/claude-code", &[], b"{}").status, 401);
    assert_eq!(rig.request("GET", "/hooks/claude-code", &Value::Null).status, 405);
}

#[test]
fn whatever_is_out_nobody_is_disturbed() {
    for service in Service::BINDINGS {
        let rig = furnished();
        rig.memory.put_out(service, DAY);
        for (event, prompt) in [
            ("SessionStart", ""),
            ("UserPromptSubmit", "Why does the sweep rebuild lost messages?"),
            ("UserPromptSubmit", "We decided to use Postgres for the ledger"),
            ("Stop", ""),
            ("SessionEnd", ""),
        ] {
            let body = json!({"hook_event_name": event, "session_id": "one", "prompt": prompt, "project": PROJECT});
            let answer = hook(&rig, &body);
            assert_eq!(answer.status, 200, "{event} without {}: {}", service.name(), answer.body);
        }
    }
}

#[test]
fn who_asks_too_often_or_has_had_their_share_is_not_disturbed() {
    let rig = furnished();
    for burst in [Burst::Address, Burst::Key] {
        rig.memory.refuse_bursts(&[burst]);
        assert_eq!(hook(&rig, &json!({"hook_event_name": "SessionStart"})).body, json!({}));
    }
    rig.memory.refuse_bursts(&[]);
    rig.memory.set_limits(r#"{"requests_per_key": 1}"#);
    rig.memory.advance(MINUTE);
    rig.run_cron(Schedule::Frequent).1.unwrap();
    assert_eq!(hook(&rig, &json!({"hook_event_name": "SessionStart"})).body, json!({}));
}

#[test]
fn a_session_is_known_to_its_user_alone_and_not_for_ever() {
    let rig = furnished();
    assert_ne!(told(&rig, "one", "what does post_invoice do?"), "");
    let other = rig.new_user();
    let body =
        json!({"hook_event_name": "UserPromptSubmit", "session_id": "one", "prompt": "what does post_invoice do?"});
    let answer = rig.request_as(&other, "POST", "/hooks/claude-code", &[], body.to_string().as_bytes());
    assert_eq!(answer.body, json!({}), "another's documents");
    assert_eq!(rig.memory.look("SELECT count(*) AS n FROM hook_sessions")[0]["n"], 1);
    rig.memory.advance(31 * DAY);
    rig.run_cron(Schedule::Daily).1.unwrap();
    assert!(rig.memory.look("SELECT session_id FROM hook_sessions").is_empty());
}

#[test]
fn a_path_of_a_machine_is_kept_nowhere() {
    let rig = furnished();
    let home = "/home/ada/ledger";
    let body = json!({"hook_event_name": "SessionStart", "session_id": "one", "cwd": home, "project": home,
                      "transcript_path": format!("{home}/t.jsonl")});
    hook(&rig, &body);
    let kept = rig.memory.look("SELECT project, told, said FROM hook_sessions");
    assert!(!json!(kept).to_string().contains("/home/ada"), "{kept:?}");
    assert_eq!(rig.request("POST", "/api/memory", &json!({"text": "x y z", "project": home})).status, 422);
    assert_eq!(rig.request("GET", &format!("/api/memory?project={home}"), &Value::Null).status, 422);
}

#[test]
fn a_projects_own_memories_and_documents_are_preferred_and_others_found() {
    let rig = Rig::new(1);
    let (own, other) = (PROJECT, "github.com/ada/site");
    remember(&rig, &json!({"text": "Releases are made by hand", "project": other}));
    remember(&rig, &json!({"text": "Releases are made by robots", "project": own}));
    let recalled = |project: &str| -> Vec<Value> {
        let path = format!("/api/memory?query=how+are+releases+made&project={project}");
        let found = rig.request("GET", &path, &Value::Null).body["items"].clone();
        found.as_array().unwrap().iter().map(|memory| memory["project"].clone()).collect()
    };
    assert_eq!((recalled(own), recalled(other)), (vec![json!(own), json!(other)], vec![json!(other), json!(own)]));
    let listed = rig.request("GET", &format!("/api/memory?project={own}"), &Value::Null).body;
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    for project in [own, other] {
        rig.upload(&json!([{"external_id": format!("{project}/a.md"), "content": "How releases are made here."}]));
    }
    rig.drain();
    for project in [own, other] {
        let query =
            json!({"query": "how releases are made", "mode": "keyword", "project": format!("https://{project}.git")});
        let found = rig.search(&query);
        assert_eq!((found.len(), found[0].as_str()), (2, format!("{project}/a.md").as_str()), "{found:?}");
    }
}
