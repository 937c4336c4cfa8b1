//! `/mcp` on the real workerd, spoken by the official SDKs in each era, by the Inspector, and held to the conformance
//! suite.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use local_dev::{client::Client, product::root};
use serde_json::{Value, json};

use crate::{chat::upload, started::shared};

const TOOLS: [&str; 10] = [
    "friend_search",
    "friend_get",
    "friend_index",
    "friend_status",
    "friend_ask",
    "friend_remember",
    "friend_recall",
    "friend_forget",
    "friend_sessions",
    "friend_usage",
];

fn user(name: &str) -> Client {
    let client = shared().product.new_user(name).unwrap();
    upload(&client);
    client
}

fn endpoint(client: &Client) -> String {
    format!("{}/mcp", client.url())
}

/// What a program prints last, as JSON.
fn seen(command: &mut Command) -> Value {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(String::from_utf8(output.stdout).unwrap().lines().last().unwrap()).unwrap()
}

fn node() -> Command {
    let mut command = Command::new(root().join("node_modules/node/bin/node"));
    command.current_dir(root().join("tests/mcp"));
    command
}

/// Every tool did what it is for, and the SDK found each answer to be as its schema says.
fn assert_saw(seen: &Value, label: &str) {
    let seen = &seen[label];
    let file = format!("{label}/seals.md");
    let line = format!("The seals of {label} sing in the deep.");
    assert_eq!(seen["tools"], json!(TOOLS), "{label}");
    assert_eq!((&seen["indexed"], &seen["status"]), (&json!("succeeded"), &json!("succeeded")), "{seen}");
    assert_eq!(seen["found"], json!([file, 1, 3]), "{label}");
    assert_eq!(seen["read"].as_str().unwrap().trim_end(), line, "{label}");
    assert_eq!(seen["resource"].as_str().unwrap().trim_end(), format!("# Seals\n\n{line}"), "{label}");
    assert_eq!((&seen["recalled"], &seen["forgotten"]), (&json!(true), &json!(true)), "{seen}");
    assert_eq!((&seen["sessions"], &seen["usage"]), (&json!(0), &json!("neurons")), "{label}");
    assert_eq!((&seen["asked"][0], &seen["asked"][2]), (&json!("succeeded"), &json!("freedonia.md")), "{seen}");
    assert!(seen["asked"][1].as_str().unwrap().contains("Glorp"), "{seen}");
    assert_eq!((&seen["resources"], &seen["templates"]), (&json!("friend://profile"), &json!(2)), "{label}");
    assert_eq!((&seen["prompts"], &seen["context"]), (&json!(["context", "checkpoint"]), &json!(true)), "{seen}");
    assert!(seen["refused"].as_str().unwrap().contains("call again"), "{seen}");
    assert_eq!(seen["unknown"], -32602, "{label}");
}

#[test]
fn the_official_typescript_sdks_list_and_call_every_tool_in_both_eras() {
    let client = user("the TypeScript SDKs of MCP");
    let seen = seen(node().args(["typescript_sdk.mjs", &endpoint(&client), client.key()]));
    for label in ["v1", "v2_legacy", "v2_auto", "v2_pinned"] {
        assert_saw(&seen, label);
        assert_eq!(seen[label]["server"], "claudes-friend", "{label}");
    }
    assert!(
        seen["refused"].as_str().unwrap().contains("401") || seen["refused"].as_str().unwrap().contains("nauthorized")
    );
}

#[test]
fn the_official_python_sdk_lists_and_calls_every_tool_in_both_eras() {
    let client = user("the Python SDK of MCP");
    let mut python = Command::new("python3");
    python.env("PYTHONPATH", root().join(".tools/mcp")).env("PYTHONDONTWRITEBYTECODE", "1");
    let seen = seen(python.arg(root().join("tests/mcp/python_sdk.py")).args([&endpoint(&client), client.key()]));
    for (label, version) in [("py_legacy", "2025-11-25"), ("py_auto", "2026-07-28"), ("py_pinned", "2026-07-28")] {
        assert_saw(&seen, label);
        assert_eq!(seen[label]["version"], version, "{label}");
    }
}

#[test]
fn the_inspector_lists_and_calls() {
    let client = user("the Inspector");
    let key = format!("Authorization: Bearer {}", client.key());
    let inspect = |arguments: &[&str]| {
        let launcher = "node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js";
        let url = endpoint(&client);
        let output =
            node().args([launcher, "--cli", &url, "--transport", "http", "--header", &key]).args(arguments).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{arguments:?}\n{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    // Strictly: what of a schema some client cannot read is an error.
    let listed = inspect(&["--method", "tools/list", "--strict"]);
    let names: Vec<&str> =
        listed["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names, TOOLS);
    let called = inspect(&[
        "--method",
        "tools/call",
        "--tool-name",
        "friend_search",
        "--tool-arg",
        "query=capital of Freedonia",
        "mode=keyword",
    ]);
    assert_eq!(called["structuredContent"]["hits"][0]["file"], "freedonia.md", "{called}");
    assert_eq!(inspect(&["--method", "prompts/list"])["prompts"].as_array().unwrap().len(), 2);
    assert_eq!(inspect(&["--method", "resources/list"])["resources"][0]["uri"], "friend://profile");
    let read = inspect(&["--method", "resources/read", "--uri", "friend://profile"]);
    assert_eq!(read["contents"][0]["mimeType"], "application/json", "{read}");
}

/// Passes on what comes with a key; ends when it is dropped.
struct KeyedProxy(Child);

impl KeyedProxy {
    fn start(client: &Client) -> (Self, String) {
        let mut child = node()
            .args(["keyed_proxy.mjs", client.url(), client.key()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        (Self(child), format!("http://localhost:{}/mcp", port.trim()))
    }
}

impl Drop for KeyedProxy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Those of the suite's scenarios that are about any server: others call tools of a server that was written for it, or
/// are about what this one does not offer.
const SCENARIOS: [(&str, &str); 19] = [
    ("2025-06-18", "server-initialize"),
    ("2025-06-18", "ping"),
    ("2025-06-18", "tools-list"),
    ("2025-06-18", "resources-list"),
    ("2025-06-18", "prompts-list"),
    ("2025-11-25", "server-initialize"),
    ("2025-11-25", "ping"),
    ("2025-11-25", "tools-list"),
    ("2025-11-25", "resources-list"),
    ("2025-11-25", "prompts-list"),
    ("2025-11-25", "dns-rebinding-protection"),
    ("2026-07-28", "server-stateless"),
    ("2026-07-28", "tools-list"),
    ("2026-07-28", "resources-list"),
    ("2026-07-28", "prompts-list"),
    ("2026-07-28", "caching"),
    ("2026-07-28", "http-header-validation"),
    ("2026-07-28", "sep-2164-resource-not-found"),
    ("2026-07-28", "server-sse-multiple-streams"),
];

/// What the suite checked of a scenario: the state of each check, and what it says of it.
fn checks(url: &str, version: &str, scenario: &str, folder: &Path) -> Vec<(String, Value)> {
    let _ = fs::remove_dir_all(folder);
    let suite = "node_modules/@modelcontextprotocol/conformance/dist/index.js";
    let arguments = [suite, "server", "--url", url, "--scenario", scenario, "--spec-version", version, "-o"];
    let output = node().args(arguments).arg(folder).output().unwrap();
    let results = fs::read_dir(folder).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let result = results.map(|entry| entry.unwrap().path().join("checks.json")).next().unwrap();
    let checks: Vec<Value> = serde_json::from_str(&fs::read_to_string(result).unwrap()).unwrap();
    checks.into_iter().map(|check| (check["status"].as_str().unwrap().to_owned(), check)).collect()
}

/// What of a scenario the suite finds fault with. Of a scenario that is about any server, some checks need a tool that
/// was written for them: what the suite itself says that it could not try here is no finding.
fn faults(checks: &[(String, Value)]) -> Vec<&Value> {
    let is_fault = |(status, check): &&(String, Value)| {
        ["FAILURE", "WARNING"].contains(&status.as_str()) && check["details"]["untestable"] != true
    };
    checks.iter().filter(is_fault).map(|(_, check)| check).collect()
}

/// The suite gives some answers half a second, which a machine that runs all tests at once may not: what it finds
/// fault with three times is a finding.
#[test]
fn the_conformance_suite_finds_nothing_to_say() {
    let client = user("conformance");
    let (_proxy, url) = KeyedProxy::start(&client);
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("conformance");
    let mut passed = 0;
    for (version, scenario) in SCENARIOS {
        let mut tries = (0..3).map(|_| checks(&url, version, scenario, &folder));
        let mut result = tries.next().unwrap();
        while !faults(&result).is_empty()
            && let Some(again) = tries.next()
        {
            result = again;
        }
        assert_eq!(faults(&result), Vec::<&Value>::new(), "{version} {scenario}");
        let succeeded = result.iter().filter(|(status, _)| status == "SUCCESS").count();
        assert!(succeeded > 0, "{version} {scenario} was not tried");
        passed += succeeded;
    }
    tests::report(&format!("conformance: {passed} checks passed in {} scenarios", SCENARIOS.len()));
}
