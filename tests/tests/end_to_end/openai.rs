//! `/v1` on the real workerd, called by the official packages and by tools that speak `OpenAI`'s API.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    collections::BTreeSet,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use local_dev::{client::Client, product::root};
use producers::api::openai::parameters::{CHAT, EMBEDDINGS, RESPONSES, RequestParameter};
use serde_json::{Value, json};

use crate::{
    chat::upload,
    started::{DEADLINE, shared},
};

const ANSWER: &str = "The capital of Freedonia is Glorp. It lies on the river Blem. [1]";
const STOPPED: &str = "The capital of Freedonia is Glorp. [1]";

/// A user with documents, and what their program saw.
fn run(name: &str, command: &mut Command, more: &[&str]) -> (Client, Value) {
    let client = shared().product.new_user(name).unwrap();
    upload(&client);
    let output = command.args([&format!("{}/v1", client.url()), client.key()]).args(more).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // Some tools print what they please before it.
    let printed = String::from_utf8(output.stdout).unwrap();
    let seen = serde_json::from_str(printed.lines().last().unwrap()).unwrap();
    (client, seen)
}

fn python(script: &str, packages: &str) -> Command {
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", root().join(".tools").join(packages)).arg(root().join("tests").join(script));
    command
}

#[test]
fn the_official_python_package_gets_what_it_asks_for_or_is_refused_by_name() {
    let (client, seen) = run("the Python package", &mut python("openai_sdk.py", "python"), &[]);
    for (operation, table) in [("chat", CHAT), ("embeddings", EMBEDDINGS), ("responses", RESPONSES)] {
        every_parameter_is_known(&seen["parameters"][operation], table);
    }
    assert_eq!(seen["stopped"], STOPPED, "{seen}");
    assert_eq!((&seen["streamed"], &seen["whole"]), (&json!(ANSWER), &json!(ANSWER)), "{seen}");
    assert_eq!(seen["streamed_citations"][0]["external_id"], "freedonia.md", "{seen}");
    assert_eq!((seen["plain"][1].as_array().unwrap().len(), &seen["json"]["capital"]), (0, &json!("Glorp")), "{seen}");
    // Models of either shape: some call as Workers AI has it, some as OpenAI.
    for told in seen["tools"].as_array().unwrap() {
        assert_eq!(told.as_array().unwrap()[..3], [json!("tool_calls"), Value::Null, json!("look")], "{told}");
        assert!(told[3].as_str().unwrap().starts_with("The tool says Glorp."), "{told}");
    }
    assert_eq!(seen["parsed"], "Glorp");
    assert_eq!(seen["tools_streamed"], json!([true, "assistant", null, "tool_calls", "Glorp"]), "{seen}");
    let refused = &seen["refused"];
    for (what, expected) in [
        ("tools", json!(["BadRequestError", "unsupported_parameter", "tools.0.type"])),
        ("alone", json!(["BadRequestError", "invalid_value", "messages.1.tool_call_id"])),
        ("choice", json!(["BadRequestError", "invalid_value", "tool_choice"])),
        ("logprobs", json!(["BadRequestError", "unsupported_parameter", "logprobs"])),
        ("temperature", json!(["BadRequestError", "invalid_value", "temperature"])),
        ("hot", json!(["BadRequestError", "invalid_value", "temperature"])),
        ("unknown", json!(["BadRequestError", "unknown_parameter", "heat"])),
        ("long", json!(["BadRequestError", "context_length_exceeded", "messages"])),
        ("completions", json!(["NotFoundError", "not_found", null])),
        ("dimensions", json!(["BadRequestError", "invalid_value", "dimensions"])),
    ] {
        assert_eq!(refused[what], expected, "{what}");
    }
    assert_eq!((&seen["model"], &seen["same"]), (&json!("friend-plain"), &json!(true)));
    assert_eq!((&seen["embeddings"][0], &seen["embeddings"][1]), (&json!(2), &json!(384)), "{seen}");
    assert_eq!((&seen["response"][0], &seen["response"][1]), (&json!(ANSWER), &json!("completed")), "{seen}");
    assert_eq!((&seen["second"], &seen["response_streamed"]), (&json!([true, true]), &json!(ANSWER)), "{seen}");
    let events = seen["events"].as_array().unwrap();
    assert_eq!((&events[0], events.last().unwrap()), (&json!("response.created"), &json!("response.completed")));
    is_cancelled(&client, seen["closed"].as_str().unwrap());
}

/// What the package can send stands in the table, and what stands there beside it is ours.
fn every_parameter_is_known(names: &Value, table: &[RequestParameter]) {
    let sent: BTreeSet<&str> = names.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    let known: BTreeSet<&str> = table.iter().map(|row| row.name).collect();
    let ours: Vec<&&str> = known.difference(&sent).collect();
    assert_eq!(sent.difference(&known).collect::<Vec<_>>(), Vec::<&&str>::new());
    assert!(ours.iter().all(|name| **name == "retrieval"), "{ours:?}");
}

/// Closing its stream stops a turn, as soon as the platform says that it was closed.
fn is_cancelled(client: &Client, job: &str) {
    let until = Instant::now() + DEADLINE;
    loop {
        let view = client.get(&format!("/api/jobs/{job}")).unwrap().json();
        if view["status"] == "cancelled" {
            return;
        }
        assert!(view["result"].is_null() && Instant::now() < until, "{view}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn the_official_npm_package_gets_what_it_asks_for() {
    let mut node = Command::new(root().join("node_modules/node/bin/node"));
    node.arg(root().join("tests/openai_sdk.cjs"));
    let (_, seen) = run("the npm package", &mut node, &[]);
    assert_eq!((&seen["stopped"], &seen["streamed"]), (&json!(STOPPED), &json!(ANSWER)), "{seen}");
    assert_eq!(seen["citations"][0]["external_id"], "freedonia.md", "{seen}");
    assert_eq!(seen["refused"], json!([400, "missing_required_parameter", "tools.0.function"]));
    for told in ["tools", "streamed_tools"] {
        assert_eq!(seen[told], "The tool says Glorp, sunny.", "{told}");
    }
    assert_eq!((&seen["embeddings"], &seen["model"]), (&json!([2, 384]), &json!("friend-code")));
    assert_eq!(seen["response"], ANSWER);
}

#[test]
fn tools_that_speak_openais_api_work_as_they_are() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("openai-tools");
    std::fs::create_dir_all(&folder).unwrap();
    let tools = &mut python("openai_tools.py", "openai-tools");
    let (_, seen) = run("tools", tools, &[folder.to_str().unwrap()]);
    assert_eq!((&seen["llm"]["whole"], &seen["llm"]["streamed"]), (&json!(ANSWER), &json!(ANSWER)), "{seen}");
    let litellm = &seen["litellm"];
    assert_eq!((&litellm["whole"], &litellm["streamed"]), (&json!(STOPPED), &json!(ANSWER)), "{litellm}");
    assert_eq!((&litellm["refused"], &litellm["dimensions"]), (&json!(true), &json!(384)), "{litellm}");
    assert_eq!(litellm["called"], "look");
    assert_eq!(litellm["too_long"], "ContextWindowExceededError", "by which it falls back to other models");
    let langchain = &seen["langchain"];
    assert_eq!((&langchain["whole"], &langchain["streamed"]), (&json!(ANSWER), &json!(ANSWER)), "{langchain}");
    assert_eq!((&langchain["structured"], &langchain["dimensions"]), (&json!("Glorp"), &json!([384, 384])));
    assert_eq!(langchain["called"], "Glorp");
    assert_eq!(seen["instructor"], json!({"json": "Glorp", "schema": "Glorp", "tools": "Glorp"}));
}
