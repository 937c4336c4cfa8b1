//! What the plugin's hooks bring to the friend, and to the model; and that nobody's work waits for them.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use local_dev::product::root;
use serde_json::{Value, json};

use super::{CHAT, FIND, GREETING, Machine, Server, memories, wait_for};
use crate::{
    chat::upload,
    started::{DEADLINE, shared},
};

pub const DECIDE: &str = "We decided to power the fog horn by compressed air, because the mains fail in storms.";
pub const DECIDED: &str = "So it shall be.";
pub const WEEKDAY: &str = "On which weekday does the keeper paint?";

const EVENTS: [&str; 5] = ["SessionStart", "UserPromptSubmit", "PreCompact", "Stop", "SessionEnd"];

/// What a hook was answered that it adds to the conversation.
fn added(seen: &[Value], event: &str) -> String {
    let hooks = seen.iter().filter(|hook| hook["input"]["hook_event_name"] == event);
    hooks.filter_map(|hook| hook["answer"]["hookSpecificOutput"]["additionalContext"].as_str()).collect()
}

/// A machine with the plugin whose hooks are written down on their way.
fn recorded(name: &str) -> (local_dev::client::Client, Server, Machine) {
    let client = shared().product.new_user(name).unwrap();
    let log = std::env::temp_dir().join(format!("friend-{}-{}.log", name.replace(' ', "-"), std::process::id()));
    let _ = fs::remove_file(&log);
    let recorder = Server::start("recorder.mjs", client.url(), log);
    let machine = Machine::with_plugin(&recorder.url, client.key());
    (client, recorder, machine)
}

#[test]
fn every_hook_of_the_plugin_reaches_the_friend() {
    let (client, recorder, machine) = recorded("every hook");
    assert_eq!(machine.say(CHAT), GREETING);
    machine.say_with("/compact", &["--continue"]);
    let seen = recorder.seen();
    let of = |event: &str| seen.iter().find(|hook| hook["input"]["hook_event_name"] == event);
    for event in EVENTS {
        let hook = of(event).unwrap_or_else(|| panic!("{event} did not fire: {seen:#?}"));
        assert_eq!(hook["headers"]["authorization"], format!("Bearer {}", client.key()), "{event}");
        assert!(hook["input"]["session_id"].is_string(), "{hook}");
    }
    assert_eq!(of("UserPromptSubmit").unwrap()["input"]["prompt"], CHAT);
    assert_eq!(of("Stop").unwrap()["input"]["last_assistant_message"], GREETING);
}

/// Nobody listens at the friend's address: Claude Code answers as if there were no plugin, and its model is told of no
/// trouble.
#[test]
fn claude_code_goes_on_undisturbed_where_the_friend_is_down() {
    let nobody = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let machine = Machine::with_plugin(&format!("http://{nobody}"), "cf_nobody");
    assert_eq!(machine.say(CHAT), GREETING);
    assert!(!machine.told().contains("hook error"), "{}", machine.told());
}

/// What a friend that answers this has passed on, and how often it was asked.
fn passed_on(answer: &str, path: &Path, variables: &[(&str, &str)]) -> (String, usize) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut process = Command::new("/bin/sh")
        .arg(root().join("plugin/hooks/pass_on.sh"))
        .arg("user-prompt-submit")
        .env_clear()
        .env("PATH", path)
        .env("FRIEND_NO_KEYRING", "1")
        .env("FRIEND_URL", url)
        .env("FRIEND_KEY", "cf_key")
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // It may be gone before it has read anything.
    let _ = process
        .stdin
        .take()
        .unwrap()
        .write_all(br#"{"hook_event_name":"UserPromptSubmit","cwd":"/home/ada","session_id":"s"}"#);
    listener.set_nonblocking(true).unwrap();
    let mut asked = 0;
    wait_for(
        DEADLINE,
        || {
            while let Ok((mut stream, _)) = listener.accept() {
                asked += 1;
                stream.set_nonblocking(false).unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"}") {
                    let mut piece = [0; 4096];
                    let count = stream.read(&mut piece).unwrap();
                    assert!(count > 0, "{}", String::from_utf8_lossy(&request));
                    request.extend_from_slice(&piece[..count]);
                }
                let request = String::from_utf8(request).unwrap();
                assert!(
                    request.starts_with("POST /hooks/claude-code ") && request.contains("Bearer cf_key"),
                    "{request}"
                );
                assert!(request.contains("\"UserPromptSubmit\"") && !request.contains("/home/ada"), "{request}");
                let length = answer.split_once("\r\n\r\n").unwrap().1.len();
                let (status, rest) = answer.split_once("\r\n").unwrap();
                write!(stream, "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n{rest}").unwrap();
            }
            process.try_wait().unwrap()
        },
        || "what passes hooks on does not end".to_owned(),
    );
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    (String::from_utf8(output.stdout).unwrap(), asked)
}

/// A folder with these programs, as all that there is.
fn path_with(name: &str, programs: &[&Path]) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("friend-path-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    for program in programs {
        symlink(program, folder.join(program.file_name().unwrap())).unwrap();
    }
    folder
}

/// Where this machine has a program.
fn found(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file()).unwrap()
}

const KNOWN: &str = "200 OK\r\ncontent-type: application/json\r\n\r\n\
                     {\"hookSpecificOutput\":{\"additionalContext\":\"it is known\"}}";

#[test]
fn hooks_are_passed_on_by_what_there_is_and_nothing_but_an_answer_comes_back() {
    let [cat, curl, sed, git] = ["cat", "curl", "sed", "git"].map(found);
    let friend = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../debug/friend");
    let by_curl = path_with("curl", &[&cat, &curl, &sed, &git]);
    let by_friend = path_with("friend", &[&cat, &friend]);
    let by_nothing = path_with("nothing", &[&cat]);
    for path in [&by_curl, &by_friend] {
        let told = |answer: &str, variables: &[_]| passed_on(answer, path, variables);
        assert!(told(KNOWN, &[]).0.contains("it is known"), "{path:?}");
        let beside = KNOWN.replace("}}", "},\"continue\":false,\"a\":{}}");
        assert!(!told(&beside, &[]).0.contains("continue"), "{path:?}");
        let order = "200 OK\r\ncontent-type: application/json\r\n\r\n{\"decision\":\"block\",\"continue\":false}";
        assert!(["", "{}"].contains(&told(order, &[]).0.trim()), "{path:?}");
        let portal = "200 OK\r\ncontent-type: text/html\r\n\r\n<html>Log in, and do as I say.</html> {}";
        assert!(["", "{}"].contains(&told(portal, &[]).0.trim()), "{path:?}");
        assert!(["", "{}"].contains(&told(&KNOWN.replace("200 OK", "404 Not Found"), &[]).0.trim()), "{path:?}");
        assert_eq!(told(KNOWN, &[("FRIEND_HOOKS", "session-start")]), (String::new(), 0), "{path:?}");
        assert_eq!(told(KNOWN, &[("FRIEND_HOOKS", "")]), (String::new(), 0), "{path:?}");
        assert_eq!(told(KNOWN, &[("FRIEND_HOOKS", "session-start user-prompt-submit")]).1, 1, "{path:?}");
    }
    assert_eq!(passed_on(KNOWN, &by_curl, &[("FRIEND_KEY", "")]), (String::new(), 0));
    assert_eq!(passed_on(KNOWN, &by_nothing, &[]), (String::new(), 0));
    // An older `friend` that does not know the hook.
    let older = by_curl.join("friend");
    fs::write(&older, "#!/bin/sh\ncat >/dev/null\necho unknown\nexit 2\n").unwrap();
    fs::set_permissions(&older, fs::Permissions::from_mode(0o755)).unwrap();
    let (said, asked) = passed_on(KNOWN, &by_curl, &[]);
    assert!(said.contains("it is known") && asked == 1, "{said}");
    for folder in [by_curl, by_friend, by_nothing] {
        let _ = fs::remove_dir_all(folder);
    }
}

/// What a session begins with, and what a prompt is about, reaches the model, each with where it comes from.
#[test]
fn what_the_hooks_add_reaches_the_model() {
    const PAINTS: &str = "The keeper of the lighthouse paints on Thursdays.";
    let (client, recorder, machine) = recorded("what hooks add");
    upload(&client);
    client
        .post("/api/memory", &json!({"text": PAINTS, "kind": "decision", "pinned": true}))
        .unwrap()
        .success()
        .unwrap();
    machine.say(WEEKDAY);
    let known = added(&recorder.seen(), "SessionStart");
    assert!(known.contains(PAINTS), "{known}");
    assert!(machine.told().contains(&known), "{known}\n{}", machine.told());

    machine.say(FIND);
    let relevant = added(&recorder.seen(), "UserPromptSubmit");
    assert!(relevant.contains("freedonia.md"), "{:#?}", recorder.seen());
    assert!(machine.told().contains(&relevant), "{relevant}\n{}", machine.told());
}

/// What was decided is proposed, and not more than that: nobody has accepted it.
#[test]
fn what_was_said_is_proposed_as_a_memory() {
    let (client, recorder, machine) = recorded("proposals");
    assert_eq!(machine.say(DECIDE), DECIDED);
    machine.say_with("/compact", &["--continue"]);
    let proposed = || memories(&client, "proposed").into_iter().find(about_the_horn);
    wait_for(DEADLINE, proposed, || format!("nothing was proposed: {:#?}", recorder.seen()));
    assert!(!memories(&client, "active").iter().any(about_the_horn));
}

fn about_the_horn(memory: &Value) -> bool {
    memory["text"].as_str().unwrap().contains("compressed air")
}
