//! An agent that speaks MCP with the product over ports in memory, in either era, and holds each answer to what the
//! product says of it.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_panics_doc,
    clippy::needless_pass_by_value,
    reason = "a test that cannot go on fails; what is sent is written where it is"
)]

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::rig::{Answer, Rig};

/// How an agent speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// As of 2025-11-25, after `initialize`.
    Legacy,
    /// As of 2026-07-28.
    Modern,
}

/// An agent of the rig's first user.
pub struct Agent<'a> {
    rig: &'a Rig,
    speaks: Speaks,
    outputs: HashMap<String, jsonschema::Validator>,
}

/// What a tool answered.
#[derive(Debug)]
pub struct Told {
    /// For a model.
    pub text: String,
    /// For programs; null of what could not be done.
    pub data: Value,
    /// True if it could not be done.
    pub is_error: bool,
}

/// The headers and `_meta` of a request of 2026-07-28.
pub fn modern(method: &str, mut params: Value) -> (Vec<(&'static str, String)>, Value) {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "agent", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let mut headers = vec![("mcp-protocol-version", "2026-07-28".to_owned()), ("mcp-method", method.to_owned())];
    let named = params["name"].as_str().or(params["uri"].as_str());
    if let (Some(name), true) = (named, ["tools/call", "prompts/get", "resources/read"].contains(&method)) {
        headers.push(("mcp-name", name.to_owned()));
    }
    (headers, json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params }))
}

impl<'a> Agent<'a> {
    /// An agent that has listed the tools.
    pub fn new(rig: &'a Rig, speaks: Speaks) -> Self {
        let mut agent = Self { rig, speaks, outputs: HashMap::new() };
        let tools = agent.result("tools/list", json!({}))["tools"].take();
        for tool in tools.as_array().unwrap() {
            let validator = jsonschema::draft202012::new(&tool["outputSchema"]).unwrap();
            agent.outputs.insert(tool["name"].as_str().unwrap().to_owned(), validator);
        }
        agent
    }

    /// The whole answer to a request.
    pub fn request(&self, method: &str, params: Value) -> Answer {
        let (mut headers, body) = match self.speaks {
            Speaks::Modern => modern(method, params),
            Speaks::Legacy => (
                vec![("mcp-protocol-version", "2025-11-25".to_owned())],
                json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params }),
            ),
        };
        headers.push(("content-type", "application/json".to_owned()));
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.rig.request_with_headers("POST", "/mcp", &headers, body.to_string().as_bytes())
    }

    /// The result of a request that goes well.
    pub fn result(&self, method: &str, params: Value) -> Value {
        let mut answer = self.request(method, params);
        assert_eq!((answer.status, &answer.body["id"]), (200, &json!(7)), "{}", answer.body);
        let result = answer.body["result"].take();
        assert!(result.is_object(), "{}", answer.body);
        let is_complete = result["resultType"] == "complete";
        assert_eq!(is_complete, self.speaks == Speaks::Modern, "{result}");
        result
    }

    /// The error of a request that is refused: its status and its number.
    pub fn error(&self, method: &str, params: Value) -> (u16, i64) {
        let answer = self.request(method, params);
        (answer.status, answer.body["error"]["code"].as_i64().unwrap())
    }

    /// Calls a tool; what it answers must be what its schema says.
    pub fn call(&self, tool: &str, arguments: Value) -> Told {
        let mut result = self.result("tools/call", json!({ "name": tool, "arguments": arguments }));
        let text = result["content"][0]["text"].as_str().unwrap().to_owned();
        let (is_error, data) = (result["isError"] == true, result["structuredContent"].take());
        assert_eq!(is_error, data.is_null(), "{text}");
        if let Some(wrong) = self.outputs[tool].iter_errors(&data).next().filter(|_| !is_error) {
            panic!("{tool} is not as described at {}: {wrong}\n{data:#}", wrong.instance_path());
        }
        Told { text, data, is_error }
    }

    /// Calls a tool that does what it is asked; what it says to programs.
    pub fn done(&self, tool: &str, arguments: Value) -> Value {
        let told = self.call(tool, arguments);
        assert!(!told.is_error, "{}", told.text);
        told.data
    }

    /// Calls a tool that cannot; why.
    pub fn refused(&self, tool: &str, arguments: Value) -> String {
        let told = self.call(tool, arguments);
        assert!(told.is_error, "{}", told.text);
        told.text
    }
}
