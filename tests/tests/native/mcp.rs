//! `POST /mcp` as its versions have it: what is agreed on, checked, refused, and in which words.

use serde_json::{Value, json};
use tests::{
    agent::{Agent, Speaks, modern},
    rig::{Answer, Rig},
};

const BOTH: [Speaks; 2] = [Speaks::Legacy, Speaks::Modern];

fn post(rig: &Rig, headers: &[(&str, &str)], body: &str) -> Answer {
    rig.request_with_headers("POST", "/mcp", headers, body.as_bytes())
}

fn method(name: &str) -> String {
    json!({ "jsonrpc": "2.0", "id": 1, "method": name }).to_string()
}

#[test]
fn a_client_of_each_earlier_version_agrees_on_it_and_is_given_no_session() {
    let rig = Rig::new(1);
    for (asked, agreed) in [
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("2024-11-05", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
        ("nonsense", "2025-11-25"),
    ] {
        let params = json!({ "protocolVersion": asked, "capabilities": {}, "clientInfo": { "name": "a" } });
        let body = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params }).to_string();
        let answer = post(&rig, &[("accept", "application/json, text/event-stream")], &body);
        let result = &answer.body["result"];
        assert_eq!((answer.status, result["protocolVersion"].as_str()), (200, Some(agreed)), "{}", answer.body);
        assert_eq!(result["capabilities"], json!({ "tools": {}, "resources": {}, "prompts": {} }));
        assert!(result["instructions"].as_str().unwrap().contains("friend_search"));
        assert!(!answer.headers.contains_key("mcp-session-id"));
        assert!(result["_meta"].is_null() && result["resultType"].is_null());
        let version = [("mcp-protocol-version", agreed)];
        let noted = post(&rig, &version, r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        assert_eq!((noted.status, noted.body), (202, Value::from("")));
        assert_eq!(post(&rig, &version, &method("ping")).body["result"], json!({}));
    }
}

#[test]
fn a_stream_or_a_session_to_end_there_is_none_of() {
    let rig = Rig::new(1);
    for method in ["GET", "DELETE", "PUT", "HEAD"] {
        let answer = rig.request_with_headers(method, "/mcp", &[("accept", "text/event-stream")], b"");
        assert_eq!((answer.status, &answer.headers["allow"]), (405, &"POST, OPTIONS".parse().unwrap()), "{method}");
    }
}

#[test]
fn a_session_id_and_a_last_event_of_earlier_clients_mean_nothing() {
    let rig = Rig::new(1);
    let answer = post(&rig, &[("mcp-session-id", "abc"), ("last-event-id", "4")], &method("tools/list"));
    assert_eq!(answer.status, 200);
    assert!(!answer.headers.contains_key("mcp-session-id"));
}

#[test]
fn a_request_of_today_is_answered_without_another_before_it() {
    let rig = Rig::new(1);
    let agent = Agent::new(&rig, Speaks::Modern);
    let found = agent.result("server/discover", json!({}));
    let versions = ["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26"];
    assert_eq!(found["supportedVersions"], json!(versions));
    assert_eq!((found["cacheScope"].as_str(), found["ttlMs"].as_i64()), (Some("public"), Some(3_600_000)));
    for (method, scope) in [
        ("tools/list", "public"),
        ("prompts/list", "public"),
        ("resources/templates/list", "public"),
        ("resources/list", "private"),
    ] {
        let list = agent.result(method, json!({}));
        assert_eq!(list["cacheScope"], scope, "{method}");
        assert!(list["ttlMs"].as_i64().unwrap() >= 0);
        assert_eq!(list["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "claudes-friend");
    }
    let read = agent.result("resources/read", json!({ "uri": "friend://profile" }));
    assert_eq!((read["cacheScope"].as_str(), read["ttlMs"].as_i64()), (Some("private"), Some(0)));
    let called = agent.result("tools/call", json!({ "name": "friend_usage" }));
    assert!(called["ttlMs"].is_null() && called["cacheScope"].is_null());
}

#[test]
fn headers_that_say_something_else_than_the_message_are_refused() {
    let rig = Rig::new(1);
    let (headers, body) = modern("tools/call", json!({ "name": "friend_usage" }));
    let sent = |change: &dyn Fn(&str) -> Option<String>| {
        let headers: Vec<(&str, String)> =
            headers.iter().filter_map(|(name, value)| Some((*name, change(name).or(Some(value.clone()))?))).collect();
        let headers: Vec<(&str, &str)> =
            headers.iter().filter(|(_, value)| value != "-").map(|(name, value)| (*name, value.as_str())).collect();
        let answer = post(&rig, &headers, &body.to_string());
        (answer.status, answer.body["error"]["code"].as_i64(), answer.body["id"].as_i64())
    };
    assert_eq!(sent(&|_| None), (200, None, Some(7)));
    for (header, value) in [
        ("mcp-protocol-version", "-"),
        ("mcp-protocol-version", "2025-11-25"),
        ("mcp-method", "-"),
        ("mcp-method", "tools/list"),
        ("mcp-name", "-"),
        ("mcp-name", "friend_forget"),
    ] {
        let changed = sent(&|name| (name == header).then(|| value.to_owned()));
        assert_eq!(changed, (400, Some(-32020), Some(7)), "{header}: {value}");
    }
}

#[test]
fn what_a_version_does_not_know_is_refused_in_its_own_words() {
    let rig = Rig::new(1);
    let [legacy, today] = BOTH.map(|speaks| Agent::new(&rig, speaks));
    for method in ["nothing", "subscriptions/listen", "logging/setLevel", "completion/complete", "tasks/get"] {
        assert_eq!(legacy.error(method, json!({})), (200, -32601), "{method}");
        assert_eq!(today.error(method, json!({})), (404, -32601), "{method}");
    }
    assert_eq!(today.error("ping", json!({})), (404, -32601));
    assert_eq!(today.error("initialize", json!({})), (404, -32601));
    assert_eq!(legacy.error("server/discover", json!({})), (200, -32601));
    for method in ["tools/list", "prompts/list", "resources/list", "resources/templates/list"] {
        assert_eq!(legacy.error(method, json!({ "cursor": "nowhere" })), (200, -32602), "{method}");
        assert_eq!(today.error(method, json!({ "cursor": 3 })), (400, -32602), "{method}");
    }
    for (method, params) in [
        ("tools/call", json!({ "name": "friend_fly" })),
        ("tools/call", json!({})),
        ("tools/call", json!({ "name": "friend_usage", "arguments": [] })),
        ("prompts/get", json!({ "name": "poem" })),
        ("prompts/get", json!({ "name": "context" })),
        ("resources/read", json!({})),
    ] {
        assert_eq!(legacy.error(method, params.clone()), (200, -32602), "{method} {params}");
        assert_eq!(today.error(method, params.clone()), (400, -32602), "{method} {params}");
    }
    for uri in ["friend://doc/doc_000000000000000000000001", "file:///etc/passwd", "friend://doc/../x"] {
        assert_eq!(legacy.error("resources/read", json!({ "uri": uri })), (200, -32002), "{uri}");
        assert_eq!(today.error("resources/read", json!({ "uri": uri })), (400, -32602), "{uri}");
    }
}

#[test]
fn a_version_that_is_not_spoken_is_refused_with_those_that_are() {
    let rig = Rig::new(1);
    for version in ["2024-11-05", "1900-01-01", "2027-01-01", "x"] {
        let answer = post(&rig, &[("mcp-protocol-version", version)], &method("tools/list"));
        let error = &answer.body["error"];
        assert_eq!((answer.status, error["code"].as_i64()), (400, Some(-32022)), "{version}");
        assert_eq!(
            (&error["data"]["requested"], &error["data"]["supported"][0]),
            (&json!(version), &json!("2026-07-28"))
        );
        let noted = r#"{"jsonrpc":"2.0","method":"notifications/cancelled"}"#;
        assert_eq!(post(&rig, &[("mcp-protocol-version", version)], noted).status, 400);
    }
}

#[test]
fn what_is_no_message_is_refused_and_breaks_nothing() {
    let rig = Rig::new(1);
    for (body, code) in [
        ("", -32700),
        ("{", -32700),
        ("null", -32600),
        ("[]", -32600),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":3}"#, -32600),
    ] {
        let answer = post(&rig, &[], body);
        assert_eq!((answer.status, answer.body["error"]["code"].as_i64()), (400, Some(code)), "{body}");
        assert!(answer.body.get("id").is_none(), "{body}");
    }
    let long = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"a":"{}"}}}}"#, "x".repeat(10_000_000));
    let answer = post(&rig, &[], &long);
    assert_eq!((answer.status, answer.body["code"].as_str()), (413, Some("too_large")));
    let deep = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{}}}"#, "{\"a\":".repeat(90_000));
    assert_eq!(post(&rig, &[], &deep).status, 413);
    let deep = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"friend_usage","arguments":{}1{}}}}}"#,
        "{\"a\":".repeat(10_000),
        "}".repeat(10_000)
    );
    assert!([200, 400].contains(&post(&rig, &[], &deep).status));
    assert_eq!(post(&rig, &[], &method("ping")).status, 200);
}

#[test]
fn the_oldest_version_alone_takes_batches() {
    let rig = Rig::new(1);
    let batch = format!(
        "[{},{},{},{}]",
        method("ping"),
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        r#"{"jsonrpc":"2.0","id":"two","method":"nothing"}"#,
        r#"{"jsonrpc":"2.0","id":3,"method":"initialize"}"#,
    );
    for headers in [vec![], vec![("mcp-protocol-version", "2025-03-26")]] {
        let answer = post(&rig, &headers, &batch);
        let answers = answer.body.as_array().unwrap();
        assert_eq!((answer.status, answers.len()), (200, 3));
        assert_eq!(answers[0]["result"], json!({}));
        assert_eq!((&answers[1]["id"], &answers[1]["error"]["code"]), (&json!("two"), &json!(-32601)));
        assert_eq!(answers[2]["error"]["code"], -32600);
    }
    let none = post(&rig, &[], "[0, {}]");
    assert_eq!((none.status, none.body.as_array().unwrap().len()), (400, 2), "no message at all");
    let notes = format!("[{0},{0}]", r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
    assert_eq!(post(&rig, &[], &notes).status, 202);
    for version in ["2025-06-18", "2025-11-25", "2026-07-28"] {
        let answer = post(&rig, &[("mcp-protocol-version", version)], &batch);
        assert_eq!((answer.status, &answer.body["error"]["code"]), (400, &json!(-32600)), "{version}");
    }
}

#[test]
fn a_page_of_another_origin_may_call_nothing_whatever_key_it_has() {
    let rig = Rig::new(1);
    for origin in ["https://evil.example", "http://test", "null", "http://localhost:3000"] {
        let answer = post(&rig, &[("origin", origin)], &method("tools/list"));
        assert_eq!((answer.status, answer.body["code"].as_str()), (403, Some("forbidden")), "{origin}");
        let anonymous = rig.request_as("", "POST", "/mcp", &[("origin", origin)], b"{}");
        assert_eq!(anonymous.status, 403, "{origin}");
    }
    assert_eq!(post(&rig, &[], &method("tools/list")).status, 200);
}

#[test]
fn a_key_that_is_not_good_says_why() {
    let rig = Rig::new(1);
    let other = rig.request("POST", "/api/keys", &json!({ "name": "laptop" })).body;
    let revoked = other["key"].as_str().unwrap();
    let path = format!("/api/keys/{}", other["id"].as_str().unwrap());
    assert_eq!(rig.request("DELETE", &path, &Value::Null).status, 204);
    for (key, says) in [("", "not an API key"), ("cf_wrong", "not an API key"), (revoked, "revoked")] {
        let answer = rig.request_as(key, "POST", "/mcp", &[], method("tools/list").as_bytes());
        assert_eq!((answer.status, &answer.headers["www-authenticate"]), (401, &"Bearer".parse().unwrap()));
        assert!(answer.body["detail"].as_str().unwrap().contains(says), "{}", answer.body);
    }
}

#[test]
fn tools_are_listed_in_the_same_order_with_all_that_clients_ask_for() {
    let rig = Rig::new(1);
    let lists = BOTH.map(|speaks| Agent::new(&rig, speaks).result("tools/list", json!({}))["tools"].clone());
    assert_eq!(lists[0], lists[1]);
    let names: Vec<&str> = lists[0].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    let expected = ["search", "get", "index", "status", "ask", "remember", "recall", "forget", "sessions", "usage"];
    assert_eq!(names, expected.map(|name| format!("friend_{name}")));
    for tool in lists[0].as_array().unwrap() {
        assert!(tool["_meta"]["anthropic/maxResultSizeChars"].as_u64().unwrap() >= 100_000);
        for schema in ["inputSchema", "outputSchema"] {
            jsonschema::draft202012::meta::validate(&tool[schema]).unwrap();
        }
    }
}

#[test]
fn the_documentation_has_every_tool_and_version_and_no_other() {
    let rig = Rig::new(1);
    let agent = Agent::new(&rig, Speaks::Modern);
    let documentation = include_str!("../../../docs/mcp.md");
    let tools = agent.result("tools/list", json!({}))["tools"].take();
    let listed: Vec<String> =
        tools.as_array().unwrap().iter().map(|tool| format!("| `{}` |", tool["name"].as_str().unwrap())).collect();
    let documented = documentation.lines().filter(|line| line.starts_with("| `friend_"));
    let documented: Vec<&str> = documented.map(|line| &line[..line[2..].find('|').unwrap() + 3]).collect();
    assert_eq!(documented, listed);
    for version in agent.result("server/discover", json!({}))["supportedVersions"].as_array().unwrap() {
        assert!(documentation.contains(version.as_str().unwrap()), "{version}");
    }
}
