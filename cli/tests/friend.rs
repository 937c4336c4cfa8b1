//! The program against a server that does what servers do: answer, refuse, fail, and go silent in the middle.

mod scripted;

use std::process::Command;

use serde_json::{Value, json};

use scripted::{Answer, Asked, Folder, Server, friend, json_answer, problem, run, run_with_input};

/// Ids of documents, as there are.
const DOC_A: &str = "doc_aaaaaaaaaaaaaaaaaaaaaaaa";
const DOC_B: &str = "doc_bbbbbbbbbbbbbbbbbbbbbbbb";

fn hits() -> Value {
    let hit = json!({
        "document_id": "doc_a", "external_id": "github.com/owner/name/src/fence.rs", "title": "fence.rs",
        "chunk_index": 0, "start": 0, "end": 20, "start_line": 12, "end_line": 30, "score": 0.71,
        "text": "/// A claim is fenced.\nfn fence() {}\n", "found_by": ["vector", "keyword"],
    });
    json!({ "hits": [hit], "mode": "hybrid", "freshness": "complete", "cached": false, "took_ms": 3 })
}

#[test]
fn a_hit_is_shown_as_file_and_line_and_as_json_as_it_came() {
    let folder = Folder::new("search");
    let server = Server::start(|_, _| json_answer(200, hits()));
    let shown = run(&mut friend(&server.url, &folder.0, &["search", "fence", "claim"]));
    assert_eq!(shown.code, 0, "{shown:?}");
    assert!(shown.stdout.contains("src/fence.rs:12") && shown.stdout.contains("fn fence() {}"), "{shown:?}");
    assert!(!shown.stdout.contains('\u{1b}'), "no colours where no terminal is: {shown:?}");
    let read = run(&mut friend(&server.url, &folder.0, &["--json", "search", "fence"]));
    assert_eq!(read.json(), hits());
    let asked = server.asked();
    assert_eq!(asked[0].json()["query"], "fence claim");
    assert_eq!(asked[0].header("authorization"), Some("Bearer cf_test_key"));
}

#[test]
fn a_search_is_reranked_where_it_is_asked_for_and_says_why_it_was_not() {
    const WHY: &str = "too few of today's neurons are left; not reranked";
    let folder = Folder::new("rerank");
    for is_degraded in [false, true] {
        let headers = if is_degraded { vec![("x-degraded", WHY.to_owned())] } else { Vec::new() };
        let server = Server::start(move |_, _| Answer::Json(200, hits(), headers.clone()));
        for extra in [&[][..], &["--json"], &["--open"]] {
            let arguments = [&["search", "--rerank", "fence"], extra].concat();
            let ran = run(&mut friend(&server.url, &folder.0, &arguments));
            // None of the hits is a file here that could be opened.
            let code = if extra == ["--open"] { 4 } else { 0 };
            assert_eq!((ran.code, ran.stderr.contains(WHY)), (code, is_degraded), "{ran:?}");
        }
        run(&mut friend(&server.url, &folder.0, &["search", "fence"]));
        let asked = server.asked();
        assert_eq!((&asked[0].json()["rerank"], asked[3].json().get("rerank")), (&json!(true), None));
    }
}

#[test]
fn exit_codes_tell_what_went_wrong_and_the_sentence_what_to_do() {
    let folder = Folder::new("codes");
    for (status, code, exit) in
        [(401, "unauthorized", 3), (403, "forbidden", 3), (404, "not_found", 4), (410, "gone", 4)]
    {
        let server = Server::start(move |_, _| json_answer(status, problem(status, code, "it is so")));
        let ran = run(&mut friend(&server.url, &folder.0, &["jobs", "show", "job_x"]));
        assert_eq!((ran.code, ran.stderr.contains("it is so")), (exit, true), "{ran:?}");
    }
    let server = Server::start(|_, _| json_answer(200, json!({ "hits": [], "mode": "hybrid" })));
    assert_eq!(run(&mut friend(&server.url, &folder.0, &["search", "nothing"])).code, 4);
    assert_eq!(run(&mut friend(&server.url, &folder.0, &["search"])).code, 2);
    assert_eq!(run(friend(&server.url, &folder.0, &["usage"]).env_remove("FRIEND_KEY")).code, 3);
    assert_eq!(run(&mut friend("http://friend.example", &folder.0, &["usage"])).code, 2, "unencrypted");
    let refused = Server::start(|_, _| json_answer(401, problem(401, "unauthorized", "no such key")));
    let ran = run(&mut friend(&refused.url, &folder.0, &["--json", "usage"]));
    let said: Value = serde_json::from_str(&ran.stderr).unwrap();
    assert_eq!((said["error"]["exit"].as_u64(), said["error"]["code"].as_str()), (Some(3), Some("unauthorized")));
}

#[test]
fn who_is_asked_to_wait_waits_and_who_is_asked_to_wait_until_tomorrow_says_so() {
    let folder = Folder::new("patience");
    let server = Server::start(|_, before| {
        if before < 2 {
            let limited = problem(429, "rate_limited", "too many at once");
            return Answer::Json(429, limited, vec![("retry-after", "0".to_owned())]);
        }
        json_answer(200, hits())
    });
    assert_eq!(run(&mut friend(&server.url, &folder.0, &["search", "fence"])).code, 0);
    assert_eq!(server.asked().len(), 3);
    let spent = Server::start(|_, _| {
        let limited = problem(429, "rate_limited", "today's requests are spent");
        Answer::Json(429, limited, vec![("retry-after", "7300".to_owned())])
    });
    let ran = run(&mut friend(&spent.url, &folder.0, &["search", "fence"]));
    assert_eq!((ran.code, spent.asked().len()), (5, 1));
    assert!(ran.stderr.contains("2 h from now"), "{ran:?}");
}

#[test]
fn a_server_that_fails_is_tried_again_only_where_that_does_nothing_twice() {
    let folder = Folder::new("repeats");
    let failing = || problem(500, "internal", "our fault");
    let server =
        Server::start(move |_, before| if before < 2 { json_answer(500, failing()) } else { json_answer(200, hits()) });
    assert_eq!(run(&mut friend(&server.url, &folder.0, &["search", "fence"])).code, 0);
    let keys = Server::start(move |_, _| json_answer(500, failing()));
    assert_eq!(run(&mut friend(&keys.url, &folder.0, &["keys", "new", "laptop"])).code, 1);
    assert_eq!(keys.asked().len(), 1, "a key that nobody saw would be good for ever");
}

#[test]
fn garbage_silence_and_nobody_at_all_are_said_in_a_sentence() {
    let folder = Folder::new("garbage");
    let page = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 15\r\n\r\n<html>hi</html>";
    let garbage = Server::start(move |_, _| Answer::Raw(page));
    let ran = run(&mut friend(&garbage.url, &folder.0, &["usage"]));
    assert!(ran.code == 1 && ran.stderr.contains("not JSON"), "{ran:?}");
    let noise = Server::start(|_, _| Answer::Raw("what?\r\n\r\n"));
    let ran = run(&mut friend(&noise.url, &folder.0, &["usage"]));
    assert!(ran.code == 1 && ran.stderr.contains("is not reached"), "{ran:?}");
    let silent = Server::start(|_, _| Answer::HangUp);
    let ran = run(&mut friend(&silent.url, &folder.0, &["usage"]));
    assert!(ran.code == 1 && ran.stderr.contains("friend doctor"), "{ran:?}");
    let ran = run(&mut friend("http://127.0.0.1:9", &folder.0, &["usage"]));
    assert!(ran.code == 1 && ran.stderr.contains("is not reached"), "{ran:?}");
}

#[test]
fn an_answer_goes_on_where_its_stream_broke_and_is_shown_once() {
    let folder = Folder::new("ask");
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    let first: &'static str = format!(
        "{head}id: 1\nevent: started\ndata: {{}}\n\n\
         id: 2\nevent: delta\ndata: {{\"text\":\"A whale \"}}\n\nid: 3\nevent: de"
    )
    .leak();
    let second: &'static str = format!(
        "{head}id: 3\nevent: delta\ndata: {{\"text\":\"is a mammal.\"}}\n\nid: 4-done\nevent: done\ndata: {{}}\n\n"
    )
    .leak();
    let server = Server::start(move |asked, _| match (asked.method.as_str(), asked.path.as_str()) {
        ("POST", "/api/chat") => json_answer(202, json!({ "job_id": "job_a", "conversation_id": "con_a" })),
        ("GET", "/api/jobs/job_a/events") if asked.header("last-event-id") == Some("2") => Answer::Raw(second),
        ("GET", "/api/jobs/job_a/events") => Answer::Raw(first),
        _ => json_answer(
            200,
            json!({ "status": "succeeded", "result": {
            "answer": "A whale is a mammal.", "conversation_id": "con_a",
            "citations": [{ "n": 1, "external_id": "whales.md", "start_line": 3, "end_line": 4 }],
        } }),
        ),
    });
    let ran = run(&mut friend(&server.url, &folder.0, &["ask", "What", "is", "a", "whale?"]));
    assert_eq!(ran.stdout, "A whale is a mammal.\n[1] whales.md:3\n", "{ran:?}");
    run(&mut friend(&server.url, &folder.0, &["ask", "--continue", "And a shark?"]));
    let asked = server.asked_for("/api/chat");
    assert_eq!(asked[1].json()["conversation_id"], "con_a");
    assert_ne!(asked[0].header("idempotency-key"), asked[1].header("idempotency-key"));
}

#[test]
fn a_hook_never_stands_in_the_way() {
    let folder = Folder::new("hook");
    let hook = ["hook", "session-start"];
    let nobody = run_with_input(&mut friend("http://127.0.0.1:9", &folder.0, &hook), "{\"session_id\":\"s\"}");
    assert_eq!((nobody.code, nobody.stdout.as_str(), nobody.stderr.as_str()), (0, "{}", ""));
    let server =
        Server::start(|_, _| json_answer(200, json!({ "hookSpecificOutput": { "additionalContext": "known" } })));
    let ran = run_with_input(
        &mut friend(&server.url, &folder.0, &hook),
        "{\"session_id\":\"s\",\"new_field\":[1],\"cwd\":\"/tmp\",\"transcript_path\":\"/tmp/t\"}",
    );
    assert_eq!((ran.code, &ran.json()["hookSpecificOutput"]["additionalContext"]), (0, &json!("known")), "{ran:?}");
    let asked = server.asked_for("/hooks/claude-code")[0].json();
    assert!(asked["project"].is_string() && asked["cwd"].is_null() && asked["transcript_path"].is_null(), "{asked}");
    assert_eq!((asked["hook_event_name"].as_str(), asked["new_field"][0].as_u64()), (Some("SessionStart"), Some(1)));
    for input in ["", "no json", "[]"] {
        let ran = run_with_input(&mut friend(&server.url, &folder.0, &hook), input);
        assert_eq!((ran.code, ran.stdout.as_str()), (0, "{}"), "{input:?}");
    }
    let failing = Server::start(|_, _| json_answer(500, Value::Null));
    assert_eq!(run_with_input(&mut friend(&failing.url, &folder.0, &hook), "{}").stdout, "{}");
    assert_eq!(failing.asked().len(), 1, "nobody waits for a second attempt");
}

#[test]
fn a_hook_passes_on_what_claude_is_told_and_no_orders_to_claude_code() {
    let folder = Folder::new("orders");
    let server = Server::start(|_, _| {
        let output = json!({ "hookEventName": "Stop", "additionalContext": "known", "permissionDecision": "allow" });
        json_answer(200, json!({ "decision": "block", "continue": false, "hookSpecificOutput": output }))
    });
    let pass_on = |name| run_with_input(&mut friend(&server.url, &folder.0, &["hook", name]), "{\"session_id\":\"s\"}");
    for (name, event) in [("session-start", "SessionStart"), ("user-prompt-submit", "UserPromptSubmit")] {
        let expected = json!({ "hookEventName": event, "additionalContext": "known" });
        assert_eq!(pass_on(name).json(), json!({ "hookSpecificOutput": expected }));
    }
    for name in ["stop", "session-end", "pre-compact"] {
        let ran = pass_on(name);
        assert_eq!((ran.code, ran.stdout.as_str()), (0, "{}"), "{name}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn what_cannot_be_written_is_a_failure_but_for_a_hook_and_a_reader_that_has_gone_is_none() {
    let folder = Folder::new("unwritable");
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    for (arguments, exit) in [(&["completions", "bash"][..], 1), (&["hook", "stop"], 0)] {
        let mut command = friend("http://127.0.0.1:9", &folder.0, arguments);
        let output = command.stdin(std::process::Stdio::null()).stdout(full()).output().unwrap();
        assert_eq!(output.status.code(), Some(exit), "{arguments:?}: {output:?}");
    }
    let mut command = friend("http://127.0.0.1:9", &folder.0, &["completions", "bash"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = command.stdout(writer).output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]), "{output:?}");
}

#[cfg(unix)]
#[test]
fn a_link_that_is_named_is_left_out_however_it_is_called() {
    let (folder, elsewhere) = (Folder::new("linking"), Folder::new("linked"));
    elsewhere.write("private.md", "of another project");
    folder.write("new.md", "some text");
    std::os::unix::fs::symlink(&elsewhere.0, folder.0.join("link")).unwrap();
    let server = deployment(&[]);
    let push = ["--json", "push", "--project", "shop", "new.md"];
    for link in ["link", "link/", "link/private.md", "./link"] {
        let ran = run(&mut friend(&server.url, &folder.0, &[&push[..], &[link]].concat()));
        assert_eq!((ran.code, &ran.json()["added"]), (0, &json!(["new.md"])), "{link}: {ran:?}");
        let skipped = &ran.json()["skipped"][0];
        let why = skipped["why"].as_str().unwrap_or_default();
        assert!(skipped["path"] == "link" && why.contains("a symbolic link"), "{link}: {ran:?}");
        run(&mut friend(&server.url, &folder.0, &["push", link]));
    }
    for sent in server.asked_for("/api/index") {
        assert!(sent.documents().iter().all(|document| document["external_id"] == "shop/new.md"));
    }
}

/// A folder of the project example.com/owner/shop, whose remote has a password in it.
fn shop(name: &str) -> Folder {
    let folder = Folder::new(name);
    for arguments in [&["init", "--quiet"][..], &["remote", "add", "origin", "https://a:b@Example.com/owner/shop.git"]]
    {
        assert!(Command::new("git").args(arguments).current_dir(&folder.0).status().is_ok_and(|ran| ran.success()));
    }
    folder
}

#[test]
fn what_is_sought_is_of_this_folders_project_first_and_what_is_remembered_where_it_is_said() {
    let folder = shop("projects");
    let server = Server::start(|asked, _| match asked.method.as_str() {
        "GET" => json_answer(200, json!({ "items": [{ "id": "mem_a", "text": "tea" }] })),
        _ if asked.path == "/api/search" => json_answer(200, hits()),
        _ => json_answer(201, json!({ "id": "mem_a", "outcome": "remembered" })),
    });
    let here = "example.com/owner/shop";
    let said = |arguments: &[&str]| {
        let ran = run(&mut friend(&server.url, &folder.0, arguments));
        assert_eq!(ran.code, 0, "{ran:?}");
        server.asked().pop().unwrap()
    };
    assert_eq!(said(&["search", "fence"]).json()["project"], here);
    assert_eq!(said(&["search", "fence", "--project", "other"]).json()["project"], "other");
    let project = |asked: Asked| asked.path.split("&project=").nth(1).unwrap().replace("%2F", "/");
    assert_eq!(project(said(&["recall", "tea"])), here);
    assert_eq!(project(said(&["recall", "tea", "--project", "other"])), "other");
    assert_eq!(said(&["remember", "we", "drink", "tea"]).json()["project"], Value::Null);
    let remembered = said(&["remember", "--project", "we", "drink", "tea"]).json();
    assert_eq!((&remembered["project"], &remembered["text"]), (&json!(here), &json!("we drink tea")));
    assert_eq!(said(&["remember", "--project=other", "tea"]).json()["project"], "other");
    let refused = run(&mut friend(&server.url, &folder.0, &["search", "--project", "/home/ada/shop", "fence"]));
    assert_eq!(refused.code, 2, "{refused:?}");
}

#[test]
fn each_hook_says_which_it_is_and_of_which_project() {
    let folder = shop("hooks");
    let server = Server::start(|_, _| json_answer(200, json!({})));
    let input = json!({ "session_id": "s", "cwd": folder.0, "transcript_path": folder.0.join("t.jsonl") }).to_string();
    for (name, event) in [
        ("session-start", "SessionStart"),
        ("user-prompt-submit", "UserPromptSubmit"),
        ("pre-compact", "PreCompact"),
        ("stop", "Stop"),
        ("session-end", "SessionEnd"),
    ] {
        run_with_input(&mut friend(&server.url, &folder.0, &["hook", name]), &input);
        let asked = server.asked_for("/hooks/claude-code").pop().unwrap().json();
        let said = (asked["hook_event_name"].as_str(), asked["project"].as_str());
        assert_eq!(said, (Some(event), Some("example.com/owner/shop")));
        assert!(!asked.to_string().contains(folder.0.to_str().unwrap()), "paths stay here: {asked}");
    }
}

#[test]
fn a_key_is_kept_where_its_owner_alone_reads_it_and_forgotten_again() {
    let folder = Folder::new("login");
    let server = Server::start(|_, _| json_answer(200, json!({ "user_id": "usr_a", "items": [], "resources": [] })));
    let kept = |arguments: &[&str]| {
        let mut command = friend(&server.url, &folder.0, arguments);
        command.env_remove("FRIEND_KEY").env_remove("FRIEND_URL");
        command
    };
    let ran = run_with_input(&mut kept(&["login", &server.url, "--key-stdin"]), "cf_kept_key\n");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(!format!("{ran:?}").contains("cf_kept_key"), "{ran:?}");
    let file = folder.0.join(".config/friend/credentials.toml");
    assert!(std::fs::read_to_string(&file).unwrap().contains("cf_kept_key"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert_eq!(run(&mut kept(&["usage"])).code, 0);
    assert_eq!(server.asked().last().unwrap().header("authorization"), Some("Bearer cf_kept_key"));
    assert_eq!(run(&mut kept(&["logout"])).code, 0);
    assert_eq!(run(&mut kept(&["usage"])).code, 3);
}

/// A deployment that takes uploads: its manifest knows `known`, and each upload succeeds at once.
fn deployment(known: &'static [&'static str]) -> Server {
    Server::start(move |asked, _| match (asked.method.as_str(), asked.path.split('?').next().unwrap_or_default()) {
        ("POST", "/api/documents/manifest") => {
            let entries = asked.json()["entries"].as_array().cloned().unwrap_or_default();
            let missing: Vec<&Value> = entries
                .iter()
                .map(|entry| &entry["external_id"])
                .filter(|id| !known.iter().any(|name| id.as_str().is_some_and(|id| id.ends_with(name))))
                .collect();
            json_answer(
                200,
                json!({ "missing": missing, "changed": [], "failed": [], "unchanged": 0, "in_progress": 0 }),
            )
        }
        ("POST", "/api/index") => json_answer(202, json!({ "job_id": "job_a", "status": "queued", "items": [] })),
        ("GET", "/api/jobs/job_a") => json_answer(
            200,
            json!({
                "id": "job_a", "status": "succeeded", "items": { "done": 1, "failed": 0, "rejected": 0 }, "errors": [],
                "stages": [{ "name": "chunk", "done": 1, "total": 1 }, { "name": "embed", "done": 2, "total": 2 }],
            }),
        ),
        ("GET", "/api/documents") => json_answer(
            200,
            json!({ "items": [
            { "id": "doc_gone", "external_id": "shop/gone.md", "metadata": { "project": "shop" } },
            { "id": "doc_here", "external_id": "shop/new.md", "metadata": { "project": "shop" } },
            { "id": "doc_other", "external_id": "shop/by-hand.md", "metadata": null },
            { "id": "doc_inner", "external_id": "shop/api/x.md", "metadata": { "project": "shop/api" } },
        ], "next_cursor": null }),
        ),
        ("DELETE", _) => json_answer(202, json!({ "job_id": "job_b", "status": "queued" })),
        _ => json_answer(404, problem(404, "not_found", "there is nothing here")),
    })
}

#[test]
fn only_what_the_server_does_not_have_is_sent_and_secrets_never_are() {
    let folder = Folder::new("push");
    folder.write("known.md", "the server has this");
    folder.write("new.md", "and not this\n");
    folder.write(".env", "PASSWORD=hunter2");
    let server = deployment(&["known.md"]);
    let ran = run(&mut friend(&server.url, &folder.0, &["--json", "push", "--project", "shop", "--tag", "a"]));
    assert_eq!(ran.code, 0, "{ran:?}");
    let report = ran.json();
    assert_eq!((&report["added"], &report["unchanged"], &report["chunks"]), (&json!(["new.md"]), &json!(1), &json!(2)));
    assert_eq!(report["skipped"][0]["path"], ".env");
    let mut sent = server.asked_for("/api/index")[0].documents();
    // As `git hash-object` says it.
    let blob = json!("29d9963a222e8156cc53d31883d3d39721ed1d74");
    let expected = json!({ "external_id": "shop/new.md", "content": "and not this\n", "tags": ["a"], "blob": blob,
        "metadata": { "project": "shop" } });
    assert_eq!(sent.pop(), Some(expected));
    assert!(sent.is_empty());
    for asked in server.asked() {
        assert!(!String::from_utf8_lossy(&asked.body).contains("hunter2"));
    }
}

#[test]
fn a_file_with_a_secret_in_it_stays_here_unless_it_is_meant() {
    let folder = Folder::new("secret");
    let secret = format!("glpat-{}", "k3Vq9XzR7bTn2LmW8sYd");
    folder.write("notes.md", &format!("# Deploying\n\nwith {secret}\n"));
    folder.write("new.md", "nothing of the kind\n");
    folder.write(".env", "MODE=fast\n");
    let server = deployment(&[]);
    let push = ["--json", "push", "--project", "shop"];
    let ran = run(&mut friend(&server.url, &folder.0, &push));
    assert_eq!((ran.code, &ran.json()["added"]), (0, &json!(["new.md"])), "{ran:?}");
    let skipped = ran.json()["skipped"][1].clone();
    assert_eq!(skipped["path"], "notes.md", "{ran:?}");
    let why = skipped["why"].as_str().unwrap();
    assert!(why.contains("line 3") && why.contains("gitlab-pat"), "{why}");
    assert!(server.asked().iter().all(|asked| !String::from_utf8_lossy(&asked.body).contains(&secret)));
    assert!(!format!("{ran:?}").contains(&secret), "the table does not show it either");
    // Who reads this may be an agent, which is not to insist by itself.
    let table = run(&mut friend(&server.url, &folder.0, &push[1..]));
    assert!(table.stdout.contains("gitlab-pat") && !format!("{table:?}{ran:?}").contains("allow-secrets"), "{table:?}");
    let ran = run(&mut friend(&server.url, &folder.0, &[&push[..], &["--allow-secrets"]].concat()));
    assert_eq!((ran.code, &ran.json()["added"]), (0, &json!([".env", "new.md", "notes.md"])), "{ran:?}");
    assert!(server.asked().iter().any(|asked| asked.path == "/api/index?allow_secrets=true"));
}

#[test]
fn a_server_that_answers_something_else_has_nothing_and_lists_nothing() {
    let folder = Folder::new("garbage-lists");
    folder.write("new.md", "some text");
    for garbage in [json!({}), json!([]), Value::Null, json!({ "missing": "all" })] {
        let answer = garbage.clone();
        let server = Server::start(move |_, _| json_answer(200, answer.clone()));
        for arguments in [&["push"][..], &["docs", "ls"], &["memory", "ls"]] {
            let ran = run(&mut friend(&server.url, &folder.0, arguments));
            assert_eq!(ran.code, 1, "{garbage} {arguments:?}: {ran:?}");
            assert!(ran.stderr.contains("answers something else"), "{ran:?}");
        }
        let server = Server::start(move |asked, _| match asked.path.as_str() {
            "/api/documents/manifest" => json_answer(200, json!({ "missing": ["shop/new.md"] })),
            _ => json_answer(202, garbage.clone()),
        });
        let ran = run(&mut friend(&server.url, &folder.0, &["--json", "push", "--project", "shop", "--no-wait"]));
        assert!(ran.code == 1 && ran.stderr.contains("answers something else"), "{ran:?}");
        assert_eq!((&ran.json()["added"], &ran.json()["not_sent"]), (&json!([]), &json!(["new.md"])), "{ran:?}");
    }
}

#[test]
fn what_has_not_arrived_is_not_called_added() {
    let folder = Folder::new("died");
    for name in ["a.md", "b.md", "c.md"] {
        // Each fills a batch.
        folder.write(name, &"some text\n".repeat(15_000));
    }
    let taken = std::sync::atomic::AtomicBool::new(false);
    let server = Server::start(move |asked, _| match asked.path.as_str() {
        "/api/documents/manifest" => json_answer(200, json!({ "missing": ["shop/a.md", "shop/b.md", "shop/c.md"] })),
        "/api/index" if taken.swap(true, std::sync::atomic::Ordering::SeqCst) => {
            json_answer(400, problem(400, "malformed", "no more"))
        }
        "/api/index" => json_answer(202, json!({ "job_id": "job_a", "items": [] })),
        _ => json_answer(200, json!({ "id": "job_a", "status": "succeeded", "items": {}, "stages": [] })),
    });
    let ran = run(&mut friend(&server.url, &folder.0, &["--json", "push", "--project", "shop"]));
    let report = ran.json();
    let count = |field: &str| report[field].as_array().unwrap().len();
    assert_eq!((ran.code, count("added"), count("not_sent")), (1, 1, 2), "{ran:?}");
    assert_eq!((&report["bytes"], &report["sent_bytes"]), (&json!(450_000), &json!(150_000)));
    let table = run(&mut friend(&server.url, &folder.0, &["push", "--project", "shop"])).stdout;
    assert!(table.contains("not sent") && !table.contains("added") && table.contains("0 bytes of 450 KB"), "{table}");
}

#[test]
fn a_file_that_goes_before_it_is_sent_is_left_out_and_nothing_else() {
    let folder = Folder::new("goes");
    folder.write("new.md", "some text");
    folder.write("gone.md", "some text");
    let gone = folder.0.join("gone.md");
    let server = Server::start(move |asked, _| match asked.path.as_str() {
        "/api/documents/manifest" => {
            let _ = std::fs::remove_file(&gone);
            json_answer(200, json!({ "missing": ["shop/new.md", "shop/gone.md"] }))
        }
        "/api/index" => json_answer(202, json!({ "job_id": "job_a", "items": [] })),
        _ => json_answer(200, json!({ "id": "job_a", "status": "succeeded", "items": {}, "stages": [] })),
    });
    let ran = run(&mut friend(&server.url, &folder.0, &["--json", "push", "--project", "shop"]));
    let report = ran.json();
    assert_eq!((&report["added"], &report["skipped"][0]["path"]), (&json!(["new.md"]), &json!("gone.md")), "{ran:?}");
    assert_eq!((ran.code, &report["not_sent"]), (0, &json!([])), "{ran:?}");
}

#[test]
fn what_goes_to_this_machine_passes_no_proxy_and_all_else_does() {
    let folder = Folder::new("proxy");
    let server = Server::start(|_, _| json_answer(200, hits()));
    let proxy = Server::start(|_, _| json_answer(502, Value::Null));
    for variable in ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY"] {
        let ran = run(friend(&server.url, &folder.0, &["search", "fence"]).env(variable, &proxy.url));
        assert_eq!((ran.code, proxy.asked().len()), (0, 0), "{variable}: {ran:?}");
    }
    let away = |arguments: &[&str]| {
        let mut command = friend("http://friend.example", &folder.0, arguments);
        command.env("FRIEND_ALLOW_HTTP", "1");
        command
    };
    // Not repeated, so that it ends at once.
    assert_eq!(run(away(&["keys", "new", "laptop"]).env("ALL_PROXY", &proxy.url)).code, 1);
    assert!(proxy.asked().iter().any(|asked| asked.path.contains("friend.example")), "{:?}", proxy.asked());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let socks = format!("socks5h://{}", listener.local_addr().unwrap());
    let greeted = std::thread::spawn(move || {
        let mut version = [0];
        std::io::Read::read_exact(&mut listener.accept().unwrap().0, &mut version).unwrap();
        version[0]
    });
    assert_eq!(run(away(&["keys", "new", "laptop"]).env("ALL_PROXY", socks)).code, 1);
    assert_eq!(greeted.join().unwrap(), 5);
}

#[test]
fn only_a_yes_allows_what_is_not_encrypted() {
    let folder = Folder::new("unencrypted");
    for no in ["", "0", "false"] {
        let ran = run(friend("http://friend.example", &folder.0, &["usage"]).env("FRIEND_ALLOW_HTTP", no));
        assert_eq!(ran.code, 2, "{no:?}: {ran:?}");
    }
}

#[test]
fn keys_that_cannot_be_read_are_neither_taken_for_none_nor_overwritten() {
    let folder = Folder::new("damaged");
    let server = Server::start(|_, _| json_answer(200, json!({ "user_id": "usr_a", "resources": [] })));
    let file = folder.0.join(".config/friend/credentials.toml");
    let damaged = "[keys]\n\"https://other.example\" = \"cf_other_key\nhalf";
    let kept = |arguments: &[&str]| {
        let mut command = friend(&server.url, &folder.0, arguments);
        command.env_remove("FRIEND_KEY");
        command
    };
    for text in [Some(damaged), Some("keys = \"cf_other_key\""), None] {
        let _ = std::fs::remove_file(&file);
        match text {
            Some(text) => folder.write(".config/friend/credentials.toml", text),
            // As little to be read as one of another owner.
            None => std::fs::create_dir_all(&file).unwrap(),
        }
        let login = run_with_input(&mut kept(&["login", &server.url, "--key-stdin"]), "cf_new_key\n");
        for ran in [login, run(&mut kept(&["usage"])), run(&mut kept(&["logout"]))] {
            assert!(ran.code == 1 && ran.stderr.contains("credentials.toml"), "{text:?}: {ran:?}");
            assert!(!ran.stderr.contains("cf_other_key"), "{ran:?}");
        }
        assert_eq!(std::fs::read_to_string(&file).ok().as_deref(), text);
    }
}

#[test]
fn a_document_is_meant_by_its_id_only_where_it_is_one() {
    let folder = Folder::new("called");
    let server = Server::start(|asked, _| match asked.path.split('?').next().unwrap_or_default() {
        "/api/documents" => json_answer(200, json!({ "items": [{ "id": DOC_A }] })),
        _ => json_answer(200, json!("text")),
    });
    for (name, asked) in [
        ("doc_notes", "/api/documents?external_id=doc_notes"),
        ("doc_a?text=true", "/api/documents?external_id=doc_a%3Ftext%3Dtrue"),
        (DOC_B, "/api/documents/doc_bbbbbbbbbbbbbbbbbbbbbbbb/original"),
    ] {
        let before = server.asked().len();
        assert_eq!(run(&mut friend(&server.url, &folder.0, &["docs", "show", name])).code, 0, "{name}");
        assert_eq!(server.asked()[before].path, asked);
    }
}

#[test]
fn an_answer_that_is_begun_anew_stands_in_a_file_as_it_ended() {
    let folder = Folder::new("anew");
    let events = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n\
                  id: 1\nevent: delta\ndata: {\"text\":\"A whale is a fish\"}\n\n\
                  id: 2\nevent: restarted\ndata: {}\n\n\
                  id: 3\nevent: delta\ndata: {\"text\":\"A whale is a mammal.\"}\n\n\
                  id: 4\nevent: done\ndata: {}\n\n";
    let server = Server::start(move |asked, _| match asked.path.as_str() {
        "/api/chat" => json_answer(202, json!({ "job_id": "job_a", "conversation_id": "con_a" })),
        "/api/jobs/job_a/events" => Answer::Raw(events),
        _ => json_answer(200, json!({ "result": { "answer": "A whale is a mammal.", "citations": [] } })),
    });
    let ran = run(&mut friend(&server.url, &folder.0, &["ask", "What is a whale?"]));
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "A whale is a mammal.\n"), "{ran:?}");
}

#[test]
fn what_is_not_understood_is_json_where_a_program_reads_it() {
    let folder = Folder::new("usage-json");
    for arguments in [&["--json", "search"][..], &["search", "--bogus", "--json"], &["bogus", "--json"]] {
        let ran = run(&mut friend("http://127.0.0.1:9", &folder.0, arguments));
        let said: Value = serde_json::from_str(&ran.stderr).unwrap_or_default();
        assert_eq!((ran.code, said["error"]["exit"].as_u64()), (2, Some(2)), "{arguments:?}: {ran:?}");
        assert!(said["error"]["detail"].as_str().is_some_and(|detail| !detail.starts_with("error")), "{ran:?}");
    }
    let help = run(&mut friend("http://127.0.0.1:9", &folder.0, &["--json", "search", "--help"]));
    assert!(help.code == 0 && help.stdout.contains("Usage:"), "{help:?}");
}

#[cfg(unix)]
#[test]
fn a_hit_is_opened_at_its_line_as_each_editor_wants_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = shop("editor");
    folder.write("src/fence.rs", "fn fence() {}\n");
    let server = Server::start(|_, _| {
        let mut answer = hits();
        answer["hits"][0]["external_id"] = json!("example.com/owner/shop/src/fence.rs");
        json_answer(200, answer)
    });
    let file = folder.0.canonicalize().unwrap().join("src/fence.rs").display().to_string();
    for (editor, expected) in
        [("code", format!("--wait\n--goto\n{file}:12\n")), ("nano", format!("--wait\n+12\n{file}\n"))]
    {
        let program = folder.0.join(editor);
        folder.write(editor, "#!/bin/sh\nprintf '%s\\n' \"$@\" >\"$HOME/opened\"\n");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut search = friend(&server.url, &folder.0, &["search", "--open", "fence"]);
        let ran = run(search.env("VISUAL", " ").env("EDITOR", format!("{} --wait", program.display())));
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_eq!(std::fs::read_to_string(folder.0.join("opened")).unwrap(), expected);
    }
}

#[test]
fn what_is_gone_is_removed_by_being_named() {
    let folder = Folder::new("named-gone");
    folder.write("new.md", "some text");
    let server = deployment(&["new.md"]);
    let push = |more: &[&str]| {
        let arguments = [&["--json", "push", "--project", "shop"][..], more].concat();
        run(&mut friend(&server.url, &folder.0, &arguments))
    };
    let ran = push(&["--prune", "--yes", "gone.md"]);
    assert_eq!((ran.code, &ran.json()["pruned"]), (0, &json!(["gone.md"])), "{ran:?}");
    let ran = push(&["--prune", "--yes", "old/folder"]);
    assert_eq!((ran.code, &ran.json()["pruned"]), (0, &json!([])), "{ran:?}");
    assert_eq!(ran.json()["skipped"][0]["why"], "there is no such file or folder", "{ran:?}");
    for mistaken in [&["gone.md"][..], &["--prune", "--yes", "old/../../elsewhere"]] {
        let ran = push(mistaken);
        assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:?}");
    }
}

#[test]
fn what_lies_above_a_repository_says_nothing_about_it() {
    let folder = Folder::new("above");
    folder.write(".gitignore", "*\n");
    folder.write("repository/new.md", "some text");
    let repository = folder.0.join("repository");
    assert!(
        Command::new("git").args(["init", "--quiet"]).current_dir(&repository).status().is_ok_and(|ran| ran.success())
    );
    let ran = run(&mut friend(&deployment(&[]).url, &repository, &["--json", "push"]));
    assert_eq!(ran.json()["added"], json!(["new.md"]), "{ran:?}");
}

#[test]
fn a_dry_run_sends_names_and_hashes_and_nothing_else() {
    let folder = Folder::new("dry");
    folder.write("new.md", "some text");
    let server = Server::start(|asked, _| match asked.path.as_str() {
        "/api/usage" => json_answer(200, json!({ "ingest": { "neurons": 100.0, "allowance": 7000.0 } })),
        "/api/documents/manifest" => json_answer(200, json!({ "missing": ["shop/new.md"] })),
        _ => json_answer(500, Value::Null),
    });
    let ran = run(&mut friend(&server.url, &folder.0, &["push", "--project", "shop", "--dry-run"]));
    assert!(ran.code == 0 && ran.stdout.contains("neurons") && ran.stdout.contains("added"), "{ran:?}");
    assert!(server.asked().iter().all(|asked| !String::from_utf8_lossy(&asked.body).contains("some text")));
}

#[test]
fn an_upload_that_dies_in_the_middle_arrives_once() {
    let folder = Folder::new("dies");
    folder.write("new.md", "some text");
    let server = Server::start(|asked, before| match asked.path.as_str() {
        "/api/documents/manifest" => json_answer(200, json!({ "missing": ["shop/new.md"] })),
        "/api/index" if before < 3 => Answer::HangUp,
        "/api/index" => json_answer(202, json!({ "job_id": "job_a", "items": [] })),
        _ => json_answer(200, json!({ "id": "job_a", "status": "succeeded", "items": {}, "stages": [], "errors": [] })),
    });
    let ran = run(&mut friend(&server.url, &folder.0, &["--json", "push", "--project", "shop"]));
    assert_eq!(ran.code, 0, "{ran:?}");
    let keys: Vec<Option<String>> =
        server.asked_for("/api/index").iter().map(|asked| asked.header("idempotency-key").map(str::to_owned)).collect();
    assert!(keys.len() > 1 && keys[0].is_some() && keys.iter().all(|key| *key == keys[0]), "{keys:?}");
}

#[test]
fn a_push_that_is_refused_in_part_names_the_files_and_ends_with_its_own_code() {
    let folder = Folder::new("partial");
    folder.write("good.md", "some text");
    folder.write("bad.md", "other text");
    let server = Server::start(|asked, _| match asked.path.as_str() {
        "/api/documents/manifest" => json_answer(200, json!({ "missing": ["shop/good.md", "shop/bad.md"] })),
        "/api/index" => json_answer(
            202,
            json!({ "job_id": "job_a", "items": [
            { "index": 0, "external_id": "shop/bad.md", "status": "rejected", "error": { "detail": "it has no text" } },
            { "index": 1, "external_id": "shop/good.md", "status": "queued" },
        ] }),
        ),
        _ => json_answer(200, json!({ "id": "job_a", "status": "succeeded", "items": {}, "stages": [], "errors": [] })),
    });
    let ran = run(&mut friend(&server.url, &folder.0, &["--json", "push", "--project", "shop"]));
    assert_eq!(ran.code, 6, "{ran:?}");
    let report = ran.json();
    assert_eq!(report["added"], json!(["good.md"]));
    assert_eq!(report["failed"], json!([{ "path": "bad.md", "why": "it has no text" }]));
}

#[test]
fn a_push_whose_neurons_are_spent_says_until_when_the_rest_waits() {
    let folder = Folder::new("parked");
    folder.write("new.md", "some text");
    let server = Server::start(|asked, _| match asked.path.as_str() {
        "/api/documents/manifest" => json_answer(200, json!({ "missing": ["shop/new.md"] })),
        "/api/index" => json_answer(202, json!({ "job_id": "job_a", "items": [] })),
        _ => json_answer(
            200,
            json!({
                "id": "job_a", "status": "parked", "items": {}, "errors": [],
                "stages": [{ "name": "chunk", "done": 1, "total": 2 }, { "name": "embed", "done": 0, "total": 1 }],
                "parked_until": "9998-11-27T00:00:00.000Z", "parked_why": "today's neurons are spent",
            }),
        ),
    });
    let ran = run(&mut friend(&server.url, &folder.0, &["push", "--project", "shop"]));
    assert!(ran.code == 5 && ran.stderr.contains("9998-11-27 00:00"), "{ran:?}");
    assert!(ran.stderr.contains("1 of 2 documents are found by words"), "{ran:?}");
}

#[test]
fn what_is_gone_is_removed_when_somebody_says_so_and_what_was_uploaded_otherwise_stays() {
    let folder = Folder::new("prune");
    folder.write("new.md", "some text");
    let server = deployment(&["new.md"]);
    let asked = run(&mut friend(&server.url, &folder.0, &["push", "--project", "shop", "--prune"]));
    assert_eq!(asked.code, 2, "nobody is there to be asked: {asked:?}");
    let ran = run(&mut friend(&server.url, &folder.0, &["--json", "push", "--project", "shop", "--prune", "--yes"]));
    assert_eq!(ran.json()["pruned"], json!(["gone.md"]));
    let deleted: Vec<String> =
        server.asked().into_iter().filter(|asked| asked.method == "DELETE").map(|asked| asked.path).collect();
    assert_eq!(deleted, ["/api/documents/doc_gone"]);
}

#[test]
fn without_git_the_nearest_repository_is_the_root_and_names_the_project() {
    let folder = Folder::new("gitless");
    folder.write("shop/.git/config", "[remote \"origin\"]\n\turl = work:owner/store.git\n");
    folder.write("shop/src/new.md", "some text");
    folder.write("other.md", "not part of it");
    let server = deployment(&[]);
    let within = folder.0.join("shop/src");
    let ran = run(friend(&server.url, &within, &["--json", "push"]).env("PATH", ""));
    let report = ran.json();
    let expected = (&json!("work/owner/store"), &json!(["src/new.md"]));
    assert_eq!((&report["project"], &report["added"]), expected, "{ran:?}");
}

#[test]
fn a_worktree_is_the_project_that_it_is_a_tree_of() {
    let folder = Folder::new("worktree");
    folder.write("main/new.md", "some text");
    let git = |folder: &str, arguments: &[&str]| {
        let identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "commit.gpgsign=false"];
        let ran = std::process::Command::new("git").arg("-C").arg(folder).args(identity).args(arguments).output();
        assert!(ran.is_ok_and(|ran| ran.status.success()), "{arguments:?}");
    };
    let main = folder.0.join("main").display().to_string();
    git(&main, &["init", "--quiet"]);
    git(&main, &["remote", "add", "origin", "https://ada:secret@Example.com:8443/owner/shop.git"]);
    git(&main, &["add", "new.md"]);
    git(&main, &["commit", "--quiet", "--message", "first"]);
    git(&main, &["worktree", "add", "--quiet", "--detach", "../tree"]);
    let server = deployment(&[]);
    let ran = run(&mut friend(&server.url, &folder.0.join("tree"), &["--json", "push"]));
    let report = ran.json();
    assert_eq!(
        (&report["project"], &report["added"]),
        (&json!("example.com/owner/shop"), &json!(["new.md"])),
        "{ran:?}"
    );
    assert!(server.asked().iter().all(|asked| !String::from_utf8_lossy(&asked.body).contains("secret")));
}

#[test]
fn a_deployment_without_a_manifest_gets_everything() {
    let folder = Folder::new("older");
    folder.write("new.md", "some text");
    let server = Server::start(|asked, _| match asked.path.as_str() {
        "/api/documents/manifest" => json_answer(404, problem(404, "not_found", "there is no such path")),
        "/api/index" => json_answer(
            200,
            json!({ "job_id": null, "status": "succeeded", "items": [
            { "index": 0, "external_id": "shop/new.md", "status": "duplicate" },
        ] }),
        ),
        _ => json_answer(500, Value::Null),
    });
    assert_eq!(run(&mut friend(&server.url, &folder.0, &["push", "--project", "shop"])).code, 0);
    assert_eq!(server.asked_for("/api/index").len(), 1);
}

#[test]
fn documents_are_deleted_by_prefix_only_where_somebody_says_so() {
    let folder = Folder::new("docs");
    let server = Server::start(|asked, _| {
        let is_dry = asked.path.contains("dry_run=true");
        let (deleted, remaining) = if is_dry { (2, 1) } else { (3, 0) };
        json_answer(
            200,
            json!({ "deleted": deleted, "remaining": remaining, "next_cursor": null, "status": "succeeded" }),
        )
    });
    assert_eq!(run(&mut friend(&server.url, &folder.0, &["docs", "rm", "--prefix", "notes/"])).code, 2);
    let ran = run(&mut friend(&server.url, &folder.0, &["--json", "docs", "rm", "--prefix", "notes/", "--yes"]));
    assert_eq!(ran.json(), json!({ "deleted": 3 }));
}

#[test]
fn completions_are_written_for_every_shell_without_a_deployment() {
    let folder = Folder::new("completions");
    for shell in ["bash", "zsh", "fish"] {
        let ran = run(friend("", &folder.0, &["completions", shell]).env_remove("FRIEND_URL"));
        assert!(ran.code == 0 && ran.stdout.contains("push"), "{shell}");
    }
}

/// What a stranger writes who knows terminals: it sets a title, clears the screen, and writes to the clipboard.
const ORDERS: &str = "fn fence()\u{1b}]0;mine\u{7}\u{1b}[2J\u{9b}1A\r\n";

#[test]
fn what_others_wrote_reaches_no_terminal_as_an_order() {
    let folder = Folder::new("orders");
    let server = Server::start(|asked, _| match asked.path.split('?').next().unwrap_or_default() {
        "/api/search" => {
            let mut answer = hits();
            answer["hits"][0]["text"] = json!(ORDERS);
            answer["hits"][0]["external_id"] = json!(format!("a{ORDERS}.rs"));
            json_answer(200, answer)
        }
        "/api/memory" => json_answer(200, json!({ "items": [{ "id": "mem_a", "text": ORDERS, "source": ORDERS }] })),
        "/api/chat" => json_answer(200, json!({ "answer": ORDERS, "citations": [{ "n": 1, "external_id": ORDERS }] })),
        "/api/documents" => json_answer(200, json!({ "items": [{ "id": "doc_a", "external_id": ORDERS }] })),
        _ => json_answer(404, problem(404, "not_found", ORDERS)),
    });
    let commands: [&[&str]; 6] = [
        &["search", "fence"],
        &["recall", "fence"],
        &["ask", "fence?"],
        &["docs", "ls"],
        &["jobs", "show", "job_a"],
        &["push", "--project", "shop", "--force"],
    ];
    for arguments in commands {
        // As on a terminal, where colours stay.
        let ran = run(friend(&server.url, &folder.0, arguments).env("CLICOLOR_FORCE", "1"));
        let shown = format!("{}{}", ran.stdout, ran.stderr);
        for order in ["\u{1b}]", "\u{1b}[2J", "\u{7}", "\u{9b}", "\r"] {
            assert!(!shown.contains(order), "{arguments:?} shows {order:?}: {shown:?}");
        }
    }
    let ran = run(&mut friend(&server.url, &folder.0, &["--json", "recall", "fence"]));
    assert_eq!(ran.json()[0]["text"], ORDERS, "programs get what was said");
}

#[test]
fn a_document_goes_into_a_file_as_it_is() {
    let folder = Folder::new("bytes");
    let page = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 14\r\n\r\n\u{1b}[1mbold\u{1b}[0m\r\n";
    let server = Server::start(move |_, _| Answer::Raw(page));
    let ran = run(&mut friend(&server.url, &folder.0, &["docs", "show", DOC_A]));
    assert_eq!(ran.stdout, "\u{1b}[1mbold\u{1b}[0m\r\n", "{ran:?}");
}

#[test]
fn a_question_that_was_answered_before_is_answered_at_once() {
    let folder = Folder::new("answered");
    let server = Server::start(|_, _| {
        json_answer(200, json!({ "answer": "A whale is a mammal.", "conversation_id": "con_a", "citations": [] }))
    });
    let ran = run(&mut friend(&server.url, &folder.0, &["ask", "What is a whale?"]));
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "A whale is a mammal.\n"), "{ran:?}");
}

#[test]
fn a_push_that_is_done_says_so_whatever_becomes_of_what_is_to_be_removed() {
    let folder = Folder::new("pruned");
    folder.write("new.md", "some text");
    let push = ["--json", "push", "--project", "shop", "--prune"];
    let shop = deployment(&[]);
    let ran = run(&mut friend(&shop.url, &folder.0, &push));
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(shop.asked_for("/api/index").is_empty(), "who cannot be asked hears so before anything is sent");
    for (status, exit, pruned) in [(404, 0, json!(["a.md", "b.md"])), (400, 1, json!(["a.md"]))] {
        let server = Server::start(move |asked, _| match (asked.method.as_str(), asked.path.as_str()) {
            ("POST", "/api/documents/manifest") => json_answer(200, json!({ "missing": ["shop/new.md"] })),
            ("POST", _) => json_answer(202, json!({ "job_id": "job_a", "items": [] })),
            ("DELETE", path) if path.ends_with("doc_b") => json_answer(status, problem(status, "no", "it is so")),
            ("DELETE", _) => json_answer(202, json!({ "job_id": "job_b" })),
            (_, path) if path.starts_with("/api/documents") => json_answer(
                200,
                json!({ "items": [
                    { "id": "doc_a", "external_id": "shop/a.md", "metadata": { "project": "shop" } },
                    { "id": "doc_b", "external_id": "shop/b.md", "metadata": { "project": "shop" } },
                ] }),
            ),
            _ => json_answer(200, json!({ "id": "job_a", "status": "succeeded", "items": {}, "stages": [] })),
        });
        let ran = run(&mut friend(&server.url, &folder.0, &[&push[..], &["--yes"]].concat()));
        assert_eq!((ran.code, &ran.json()["pruned"], &ran.json()["added"]), (exit, &pruned, &json!(["new.md"])));
    }
}

/// Looks again and again, for a minute, until it is so: another attempt alone takes five seconds.
fn eventually(mut is_so: impl FnMut() -> bool) -> bool {
    let begin = std::time::Instant::now();
    while begin.elapsed() < std::time::Duration::from_mins(1) {
        if is_so() {
            return true;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    false
}

#[test]
fn a_watched_push_that_failed_is_tried_again_and_said_to_have_failed() {
    for quiet in [&["--quiet"][..], &[]] {
        let folder = Folder::new(&format!("watch-{}", quiet.len()));
        folder.write("new.md", "some text");
        let said = said_while_watched(&folder, quiet);
        assert!(said.contains("not today") && !said.contains("changed"), "{said:?}");
        assert_eq!(said.contains("trying again"), quiet.is_empty(), "{said:?}");
    }
}

/// What a watched push says whose first attempt is refused.
#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
fn said_while_watched(folder: &Folder, quiet: &[&str]) -> String {
    let tried = std::sync::atomic::AtomicUsize::new(0);
    let server = Server::start(move |asked, _| match asked.path.as_str() {
        "/api/documents/manifest" => json_answer(200, json!({ "missing": ["shop/new.md"] })),
        "/api/index" if tried.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0 => {
            json_answer(400, problem(400, "malformed", "not today"))
        }
        "/api/index" => json_answer(202, json!({ "job_id": "job_a", "items": [] })),
        _ => json_answer(200, json!({ "id": "job_a", "status": "succeeded", "items": {}, "stages": [] })),
    });
    let arguments = [quiet, &["push", "--project", "shop", "--watch"]].concat();
    let mut watching = friend(&server.url, &folder.0, &arguments)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let is_tried = eventually(|| server.asked_for("/api/jobs/job_a").len() == 1);
    watching.kill().unwrap();
    let said = String::from_utf8(watching.wait_with_output().unwrap().stderr).unwrap();
    assert!(is_tried && server.asked_for("/api/index").len() == 2, "{said}");
    said
}

#[test]
fn a_guest_joins_with_a_ticket_and_no_key() {
    let folder = Folder::new("guest");
    let server = Server::start(|_, _| json_answer(410, problem(410, "gone", "the session was closed")));
    let mut join = friend(&server.url, &folder.0, &["session", "join", "ses_a", "--ticket", "tic_a"]);
    let ran = run(join.env_remove("FRIEND_KEY"));
    assert_eq!(ran.code, 4, "{ran:?}");
    let asked = server.asked();
    assert_eq!(asked[0].header("sec-websocket-protocol"), Some("claudes-friend, ticket.tic_a"));
    assert_eq!(asked[0].header("authorization"), None);
}

#[test]
fn a_hook_that_is_not_known_yet_is_passed_over() {
    let folder = Folder::new("newer");
    for arguments in [&["hook", "post-tool-use"][..], &["hook", "stop", "--newer"], &["--quiet", "hook", "a", "b"]] {
        let ran = run_with_input(&mut friend("http://127.0.0.1:9", &folder.0, arguments), "{}");
        assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, "", ""), "{arguments:?}");
    }
    let ran = run(&mut friend("http://127.0.0.1:9", &folder.0, &["search", "hook", "--bogus"]));
    assert_eq!(ran.code, 2, "{ran:?}");
}

#[cfg(unix)]
#[test]
fn a_hook_waits_for_nothing_that_does_not_come() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new("waits");
    folder.write("bin/git", "#!/bin/sh\nexec sleep 20\n");
    std::fs::set_permissions(folder.0.join("bin/git"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", folder.0.join("bin").display(), std::env::var("PATH").unwrap_or_default());
    let server = Server::start(|_, _| json_answer(200, json!({})));
    // One whose git hangs, and one whose standard input never ends.
    for input in [Some("{}"), None] {
        let began = std::time::Instant::now();
        let mut hook = friend(&server.url, &folder.0, &["hook", "stop"])
            .env("PATH", &path)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = hook.stdin.take();
        if let Some(text) = input {
            std::io::Write::write_all(&mut stdin.take().unwrap(), text.as_bytes()).unwrap();
        }
        let ran = hook.wait_with_output().unwrap();
        assert_eq!((ran.status.code(), ran.stdout.as_slice()), (Some(0), &b"{}"[..]), "{input:?}");
        assert!(began.elapsed() < std::time::Duration::from_secs(5), "{input:?} took {:?}", began.elapsed());
    }
}

#[test]
fn what_failed_of_a_push_is_never_called_added_however_little_the_job_says() {
    let folder = Folder::new("unnamed");
    for name in ["a.md", "b.md", "c.md", "d.md"] {
        folder.write(name, name);
    }
    let names = ["shop/a.md", "shop/b.md", "shop/c.md", "shop/d.md"];
    let server = Server::start(move |asked, before| match asked.path.as_str() {
        "/api/documents/manifest" if before == 0 => json_answer(200, json!({ "missing": names })),
        "/api/documents/manifest" => json_answer(200, json!({ "missing": [], "failed": ["shop/b.md", "shop/c.md"] })),
        "/api/index" => json_answer(202, json!({ "job_id": "job_a", "items": [] })),
        "/api/documents/doc_a" => json_answer(200, json!({ "id": "doc_a", "external_id": "shop/a.md" })),
        _ => json_answer(
            200,
            json!({
                "id": "job_a", "status": "partial", "items": { "done": 1, "failed": 3 }, "stages": [],
                "errors": [
                    { "detail": "2 documents, embed stage: the model is not there" },
                    { "detail": "no text", "instance": "/api/documents/doc_a" },
                ],
            }),
        ),
    });
    let ran = run(&mut friend(&server.url, &folder.0, &["--json", "push", "--project", "shop"]));
    assert_eq!(ran.code, 6, "{ran:?}");
    let report = ran.json();
    assert_eq!(report["added"], json!(["d.md"]), "{report}");
    let failed: Vec<&str> =
        report["failed"].as_array().unwrap().iter().filter_map(|failed| failed["path"].as_str()).collect();
    assert_eq!(failed, ["a.md", "b.md", "c.md"], "{report}");
}

#[test]
fn a_stream_of_events_is_taken_up_again_where_the_server_is_busy() {
    let folder = Folder::new("stream");
    let done = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n\
                id: 1\nevent: delta\ndata: {\"text\":\"Yes.\"}\n\nid: 2\nevent: done\ndata: {}\n\n";
    let server = Server::start(move |asked, before| match asked.path.as_str() {
        "/api/chat" => json_answer(202, json!({ "job_id": "job_a", "conversation_id": "con_a" })),
        "/api/jobs/job_a/events" => match before {
            1 => {
                let limited = problem(429, "rate_limited", "too many at once");
                Answer::Json(429, limited, vec![("retry-after", "0".to_owned())])
            }
            2 => json_answer(500, problem(500, "internal", "our fault")),
            3 => Answer::HangUp,
            _ => Answer::Raw(done),
        },
        _ => json_answer(200, json!({ "status": "succeeded", "result": { "answer": "Yes.", "citations": [] } })),
    });
    let ran = run(&mut friend(&server.url, &folder.0, &["ask", "Is it?"]));
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "Yes.\n"), "{ran:?}");
}

#[test]
fn a_question_that_is_still_being_worked_on_is_asked_again() {
    let folder = Folder::new("worked-on");
    let server = Server::start(|_, before| {
        if before == 0 {
            let mut under_way = problem(409, "conflict", "a request with this key is being worked on");
            under_way["errors"] = json!([{ "pointer": "Idempotency-Key", "detail": "send it again in a moment" }]);
            return json_answer(409, under_way);
        }
        json_answer(200, json!({ "answer": "Yes.", "conversation_id": "con_a", "citations": [] }))
    });
    assert_eq!(run(&mut friend(&server.url, &folder.0, &["ask", "Is it?"])).stdout, "Yes.\n");
}

#[test]
fn documents_are_deleted_though_others_are_not_there_or_an_answer_was_lost() {
    const DOC_C: &str = "doc_cccccccccccccccccccccccc";
    const DOC_LOST: &str = "doc_llllllllllllllllllllllll";
    let folder = Folder::new("missing");
    let lost = std::sync::atomic::AtomicBool::new(false);
    let server = Server::start(move |asked, _| {
        let id = asked.path.strip_prefix("/api/documents/").filter(|_| asked.method == "DELETE");
        match id {
            Some(DOC_LOST) if !lost.swap(true, std::sync::atomic::Ordering::SeqCst) => Answer::HangUp,
            Some(DOC_A | DOC_C) => json_answer(202, json!({ "job_id": "job_a" })),
            _ => json_answer(404, problem(404, "not_found", "there is no such document")),
        }
    });
    let remove =
        |names: &[&str]| run(&mut friend(&server.url, &folder.0, &[&["--json", "docs", "rm"], names].concat()));
    let ran = remove(&[DOC_A, DOC_B, DOC_C]);
    assert_eq!((ran.code, ran.json().as_array().unwrap().len()), (6, 2), "{ran:?}");
    assert!(ran.stderr.contains(DOC_B) && !ran.stderr.contains(DOC_C), "{ran:?}");
    assert_eq!(remove(&[DOC_B, "doc_notes"]).code, 4);
    let ran = remove(&[DOC_LOST]);
    assert_eq!((ran.code, &ran.json()[0]["document_id"]), (0, &json!(DOC_LOST)), "{ran:?}");
    assert_eq!(remove(&[DOC_LOST]).code, 4, "and the next time it is not there");
}

#[test]
fn an_export_goes_on_without_what_cannot_be_read() {
    let folder = Folder::new("export");
    let list = |names: &[&str]| {
        let items: Vec<Value> = names
            .iter()
            .enumerate()
            .map(|(n, name)| json!({ "id": format!("doc_{n}"), "external_id": name }))
            .collect();
        json_answer(200, json!({ "items": items }))
    };
    let server = Server::start(move |asked, _| match asked.path.split('?').next().unwrap_or_default() {
        "/api/documents" => list(&["notes", "notes/x.md", "b", "../b", "gone.md"]),
        "/api/documents/doc_4/original" => json_answer(404, problem(404, "not_found", "it was deleted")),
        path if path.ends_with("/original") => json_answer(200, json!(path)),
        "/api/conversations" => json_answer(200, json!({ "items": [{ "id": "con_a" }, { "id": "con_b" }] })),
        "/api/conversations/con_a" => json_answer(404, problem(404, "not_found", "it was deleted")),
        "/api/conversations/con_b" => json_answer(200, json!({ "id": "con_b", "messages": [] })),
        "/api/memory" => json_answer(200, json!({ "items": [{ "id": "mem_a" }] })),
        _ => json_answer(200, json!({ "user_id": "usr_a" })),
    });
    let ran = run(&mut friend(&server.url, &folder.0, &["--json", "export", "all"]));
    assert_eq!(ran.code, 6, "{ran:?}");
    let counted = ran.json();
    assert_eq!((&counted["documents"], &counted["conversations"]), (&json!(4), &json!(1)), "{counted}");
    let failed: Vec<&Value> = counted["failed"].as_array().unwrap().iter().map(|failed| &failed["name"]).collect();
    assert_eq!(failed, [&json!("gone.md"), &json!("con_a")]);
    let read = |name: &str| std::fs::read_to_string(folder.0.join("all").join(name)).unwrap();
    for line in read("documents.jsonl").lines().take(4) {
        let document: Value = serde_json::from_str(line).unwrap();
        let original = format!("\"/api/documents/{}/original\"", document["id"].as_str().unwrap());
        assert_eq!(read(document["file"].as_str().unwrap()), original);
    }
    assert!(read("memories.jsonl").contains("mem_a") && read("profile.json").contains("usr_a"));
}

#[test]
fn a_wrong_word_is_an_error_of_usage_before_anything_is_asked() {
    let folder = Folder::new("usage");
    let server = Server::start(|_, _| json_answer(422, problem(422, "invalid", "no")));
    for arguments in [
        &["remember", "--kind", "poem", "tea"][..],
        &["memory", "ls", "--state", "bogus"],
        &["search", "--type", "x", "tea"],
    ] {
        assert_eq!(run(&mut friend(&server.url, &folder.0, arguments)).code, 2, "{arguments:?}");
    }
    assert!(server.asked().is_empty());
}

#[test]
fn what_is_ignored_is_not_pushed_by_being_named() {
    let folder = Folder::new("ignored");
    folder.write(".gitignore", "private.yaml\n");
    folder.write("private.yaml", "some text");
    let server = deployment(&[]);
    let ran = run(&mut friend(&server.url, &folder.0, &["--json", "push", "--project", "shop", "private.yaml"]));
    let skipped = ran.json()["skipped"].clone();
    assert_eq!((ran.code, &skipped[0]["path"]), (0, &json!("private.yaml")), "{ran:?}");
    assert!(skipped[0]["why"].as_str().unwrap().contains("ignored"), "{skipped}");
    assert!(server.asked_for("/api/index").is_empty());
}

#[test]
fn a_status_that_is_watched_goes_on_while_a_job_rests_for_a_moment() {
    let folder = Folder::new("rests");
    let soon = time::OffsetDateTime::now_utc() + time::Duration::seconds(30);
    let soon = soon.format(&time::format_description::well_known::Rfc3339).unwrap();
    let server = Server::start(move |asked, before| match asked.path.split('?').next().unwrap_or_default() {
        "/health" => json_answer(200, json!({ "status": "ok" })),
        "/api/jobs" if before < 3 => json_answer(200, json!({ "items": [{ "id": "job_a", "finished_at": null }] })),
        "/api/jobs" => json_answer(200, json!({ "items": [] })),
        _ => json_answer(200, json!({ "id": "job_a", "status": "parked", "parked_until": soon, "stages": [] })),
    });
    assert_eq!(run(&mut friend(&server.url, &folder.0, &["status", "--watch"])).code, 0);
    assert_eq!(server.asked_for("/health").len(), 2);
}

#[cfg(unix)]
#[test]
fn a_hook_that_is_passed_on_without_the_program_names_the_project_as_well() {
    use std::os::unix::fs::PermissionsExt as _;
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugin/hooks/pass_on.sh");
    for (remote, project) in [
        ("work:owner/name.git", Some("ssh://work/owner/name.git")),
        ("git@github.com:owner/name.git", Some("git@github.com:owner/name.git")),
        ("https://ada:secret@github.com/owner/name", Some("https://github.com/owner/name")),
        ("C:/git/name", None),
        ("/srv/git/name.git", None),
    ] {
        let folder = Folder::new("passed-on");
        folder.write("bin/friend", "#!/bin/sh\nexit 1\n");
        folder.write("bin/curl", "#!/bin/sh\ncat >sent\necho '{}'\n");
        for name in ["bin/friend", "bin/curl"] {
            std::fs::set_permissions(folder.0.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        for arguments in [&["init", "--quiet"][..], &["remote", "add", "origin", remote]] {
            assert!(Command::new("git").args(arguments).current_dir(&folder.0).status().unwrap().success());
        }
        let path = format!("{}:{}", folder.0.join("bin").display(), std::env::var("PATH").unwrap_or_default());
        let mut hook = Command::new("sh");
        hook.arg(&script).arg("stop").current_dir(&folder.0).env("PATH", path);
        hook.env("FRIEND_URL", "https://friend.example").env("FRIEND_KEY", "cf_test_key");
        for nonsense in ["", "{}", "no json"] {
            run_with_input(&mut hook, nonsense);
            assert!(!folder.0.join("sent").exists(), "{nonsense:?}");
        }
        let ran = run_with_input(&mut hook, "{ \"session_id\": \"s\",\n  \"cwd\" : \"/home/ada\" }\n");
        assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{ran:?}");
        let sent: Value = serde_json::from_slice(&std::fs::read(folder.0.join("sent")).unwrap()).unwrap();
        assert_eq!((sent["project"].as_str(), sent["cwd"].as_str()), (project, Some("")), "{remote}");
    }
}

#[test]
fn a_bench_says_how_long_a_document_takes_to_be_found_and_leaves_none_behind() {
    let folder = Folder::new("bench");
    let sent = std::sync::Mutex::new(String::new());
    let server = Server::start(move |asked, _| match (asked.method.as_str(), asked.path.split('?').next().unwrap()) {
        ("GET", "/api/documents") => json_answer(200, json!({ "items": [{ "id": "doc_a" }] })),
        ("GET", "/api/documents/doc_a/original") => json_answer(200, json!("an extraordinary word")),
        ("POST", "/api/index") => {
            *sent.lock().unwrap() = asked.json()["external_id"].as_str().unwrap().to_owned();
            json_answer(202, json!({ "job_id": "job_a" }))
        }
        ("POST", "/api/search") => {
            let name = sent.lock().unwrap().clone();
            json_answer(200, json!({ "hits": [{ "document_id": "doc_a", "external_id": name }] }))
        }
        ("GET", _) => json_answer(200, json!({ "id": "job_a", "status": "succeeded", "stages": [] })),
        _ => json_answer(202, json!({ "job_id": "job_b" })),
    });
    let ran = run(&mut friend(&server.url, &folder.0, &["--json", "bench"]));
    assert_eq!(ran.code, 0, "{ran:?}");
    let measured = ran.json();
    let of_probe = &measured["searchable"];
    assert!(of_probe["by_words_ms"].is_u64() && of_probe["by_meaning_ms"].as_u64() >= of_probe["by_words_ms"].as_u64());
    assert_eq!((&measured["documents"], &measured["word"]["recall_at_10"]), (&json!(1), &json!(1.0)));
    let modes: Vec<Value> = server.asked_for("/api/search").iter().map(|asked| asked.json()["mode"].clone()).collect();
    assert_eq!(modes, [Value::Null, Value::Null, json!("keyword"), json!("vector")]);
    let removed = server.asked().pop().unwrap();
    let name = server.asked_for("/api/index")[0].json()["external_id"].as_str().unwrap().to_owned();
    assert_eq!((removed.method.as_str(), removed.path), ("DELETE", format!("/api/documents?external_id={name}")));
}
