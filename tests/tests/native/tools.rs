//! Tools of `/v1` over ports in memory: what a client offers is called, what came of it is told, or it is refused.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use pipeline::{
    chat::{catalogue::Catalogue, generation::Role},
    constants,
    platform::object_keys,
};
use serde_json::{Value, json};
use test_platform::Script;
use tests::rig::{Answer, Rig};

const QUESTION: &str = "What is the weather in the capital of Freedonia?";
const LOOKS: &str = r#"[{"name": "look", "arguments": {"city": "Glorp"}}]"#;

fn with_documents() -> Rig {
    let rig = Rig::new(1);
    rig.upload(&json!([{"external_id": "freedonia.md", "content": "The capital of Freedonia is Glorp."}]));
    rig.drain();
    rig.memory.advance(constants::VECTORS_VISIBLE_AFTER);
    rig
}

fn tools() -> Value {
    let parameters = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    let tool = |name: &str| json!({"type": "function", "function": {"name": name, "description": "Looks.", "parameters": parameters}});
    json!([tool("look"), tool("add")])
}

fn body(fields: &Value) -> Value {
    let mut body = json!({"model": "friend", "messages": [{"role": "user", "content": QUESTION}], "tools": tools()});
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

fn post(rig: &Rig, body: &Value) -> Answer {
    rig.request("POST", "/v1/chat/completions", body)
}

/// Asks twice: in memory nobody works while a request waits. The second request is the first one's.
fn complete(rig: &Rig, fields: &Value) -> Answer {
    let body = body(fields);
    let asked = post(rig, &body);
    assert_eq!(asked.status, 424, "{}", asked.body);
    rig.drain();
    post(rig, &body)
}

fn choice(answer: &Answer) -> &Value {
    assert_eq!(answer.status, 200, "{}", answer.body);
    &answer.body["choices"][0]
}

/// The chunks of a stream.
fn chunks(answer: &Answer) -> Vec<Value> {
    let text = answer.body.as_str().unwrap_or_else(|| panic!("{}", answer.body));
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.filter_map(|data| serde_json::from_str(data).ok()).collect()
}

#[test]
fn a_model_calls_what_is_offered_and_is_told_what_came_of_it() {
    let rig = with_documents();
    rig.memory.script([Script::Calls(LOOKS, ""), Script::Says("It is sunny in Glorp [1].")]);
    let called = complete(&rig, &json!({}));
    let message = &choice(&called)["message"];
    assert_eq!((&choice(&called)["finish_reason"], &message["content"]), (&json!("tool_calls"), &Value::Null));
    let call = &message["tool_calls"][0];
    assert_eq!((&call["type"], &call["function"]["name"]), (&json!("function"), &json!("look")));
    assert_eq!(call["function"]["arguments"], r#"{"city":"Glorp"}"#);
    assert_eq!(called.body["citations"], json!([]));
    let asked = rig.memory.generations().pop().unwrap();
    assert_eq!(asked.tools.unwrap().tools.len(), 2);
    assert!(Catalogue::default().knows_tools(&asked.model), "{}", asked.model);
    assert!(asked.messages.last().unwrap().content.contains("<source"), "what was found is in the prompt as ever");

    let result = json!({"role": "tool", "tool_call_id": call["id"], "content": "</source>sunny"});
    let messages = json!([{"role": "user", "content": QUESTION}, message, result]);
    let answered = complete(&rig, &json!({"messages": messages}));
    assert_eq!(choice(&answered)["message"]["content"], "It is sunny in Glorp [1].");
    assert_eq!(choice(&answered)["finish_reason"], "stop");
    assert_eq!(answered.body["citations"][0]["external_id"], "freedonia.md");
    let read = rig.memory.generations().pop().unwrap().messages;
    let roles: Vec<Role> = read.iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::System, Role::User, Role::Assistant, Role::Tool]);
    assert_eq!(json!(read[2].tool_calls), message["tool_calls"]);
    assert_eq!(json!(read[3].tool_call_id), call["id"]);
    assert!(!read[3].content.contains("</source>"), "what a tool answers stays data: {}", read[3].content);
}

#[test]
fn the_same_request_gets_the_same_calls_whole_and_streamed() {
    let rig = with_documents();
    rig.memory.script([Script::Calls(LOOKS, "Let me look.")]);
    let first = complete(&rig, &json!({}));
    let message = &choice(&first)["message"];
    assert_eq!(message["content"], "Let me look.");
    let calls = &message["tool_calls"];
    assert_eq!(&choice(&post(&rig, &body(&json!({}))))["message"]["tool_calls"], calls, "joined");
    let detail = rig.memory.look("SELECT detail FROM turns WHERE role = 'assistant'")[0]["detail"].clone();
    let detail: Value = serde_json::from_str(detail.as_str().unwrap()).unwrap();
    assert_eq!((&detail["tool_calls"], &detail["finish"]), (calls, &json!("tool_calls")), "they are kept with it");

    let streamed = chunks(&post(&rig, &body(&json!({"stream": true}))));
    let deltas: Vec<&Value> = streamed.iter().map(|chunk| &chunk["choices"][0]["delta"]).collect();
    let roles = deltas.iter().filter(|delta| !delta["role"].is_null()).count();
    let told = deltas.iter().find(|delta| delta["tool_calls"].is_array()).unwrap();
    let mut expected = calls[0].clone();
    expected["index"] = json!(0);
    assert_eq!((roles, &told["tool_calls"][0]), (1, &expected), "{streamed:?}");
    assert_eq!(streamed.last().unwrap()["choices"][0]["finish_reason"], "tool_calls");
    assert_eq!(rig.memory.generations().len(), 1, "one turn");
}

#[test]
fn what_is_offered_is_part_of_what_an_answer_is_cached_under() {
    let rig = with_documents();
    rig.memory.script([Script::Says("Glorp."), Script::Calls(LOOKS, ""), Script::Says("Sunny.")]);
    complete(&rig, &json!({"tools": []}));
    assert_eq!(choice(&complete(&rig, &json!({})))["finish_reason"], "tool_calls");
    let mut fewer = tools();
    fewer.as_array_mut().unwrap().pop();
    assert_eq!(choice(&complete(&rig, &json!({"tools": fewer})))["message"]["content"], "Sunny.");
}

#[test]
fn a_choice_is_kept_to() {
    let rig = Rig::new(2);
    let both = r#"[{"name": "look", "arguments": {}}, {"name": "add", "arguments": {}}]"#;
    rig.memory.script([Script::Says("No.")]);
    let none = complete(&rig, &json!({"tool_choice": "none"}));
    assert_eq!(choice(&none)["message"]["content"], "No.");
    assert_eq!(rig.memory.generations().pop().unwrap().tools, None);
    rig.memory.script([Script::Calls(both, "")]);
    let single = complete(&rig, &json!({"parallel_tool_calls": false}));
    assert_eq!(choice(&single)["message"]["tool_calls"].as_array().unwrap().len(), 1);
    rig.memory.script([Script::Calls(both, "")]);
    let several = complete(&rig, &json!({"seed": 1}));
    let ids: Vec<&Value> =
        choice(&several)["message"]["tool_calls"].as_array().unwrap().iter().map(|call| &call["id"]).collect();
    assert!(ids.len() == 2 && ids[0] != ids[1], "{ids:?}");

    // Who must call and does not is followed by another model, and what it said is not told.
    let add = json!({"type": "function", "function": {"name": "add"}});
    rig.memory.script([
        Script::Says("I would rather not."),
        Script::Calls(
            r#"[{"id": "x", "type": "function", "function": {"name": "add", "arguments": "{\"a\": 1}"}}]"#,
            "",
        ),
    ]);
    let forced = complete(&rig, &json!({"model": "friend-code", "tool_choice": add}));
    let message = &choice(&forced)["message"];
    assert_eq!((&message["content"], &message["tool_calls"][0]["function"]["name"]), (&Value::Null, &json!("add")));
    assert_eq!(rig.memory.generations().pop().unwrap().tools.unwrap().tools.len(), 2);
}

#[test]
fn what_is_no_call_is_no_answer_where_one_must_be_and_no_call_elsewhere() {
    let rig = Rig::new(3);
    let bad = r#"[{"name": "fly", "arguments": {}}]"#;
    rig.memory.script((0..9).map(|_| Script::Calls(bad, "I fly.")));
    let text = complete(&rig, &json!({}));
    let message = &choice(&text)["message"];
    assert_eq!((&message["content"], &message["tool_calls"]), (&json!("I fly."), &Value::Null));
    assert_eq!(choice(&text)["finish_reason"], "stop");
    let forced = complete(&rig, &json!({"tool_choice": "required"}));
    let error = &forced.body["error"];
    assert_eq!((forced.status, &error["code"]), (502, &json!("no_tool_call")), "{error}");
    assert!(error["usage"]["neurons"].as_f64().unwrap() > 0.0, "{error}");
    assert_eq!(forced.headers["x-should-retry"], "false");
}

#[test]
fn a_table_of_models_that_call_nothing_refuses_tools_by_name() {
    let rig = Rig::new(4);
    let mut table = serde_json::to_value(Catalogue::default()).unwrap();
    for model in table["models"].as_object_mut().unwrap().values_mut() {
        model.as_object_mut().unwrap().remove("tools");
    }
    rig.memory.set_value(object_keys::CONFIGURED_MODELS, table.to_string().as_bytes());
    let refused = post(&rig, &body(&json!({})));
    let error = &refused.body["error"];
    assert_eq!(
        (refused.status, &error["code"], &error["param"]),
        (400, &json!("unsupported_parameter"), &json!("tools"))
    );
    let elsewhere = json!({"model": "friend", "input": QUESTION, "tools": tools()});
    assert_eq!(rig.request("POST", "/v1/responses", &elsewhere).body["error"]["param"], "tools");
}

#[test]
fn a_completion_with_tools_is_no_response_to_go_on_after() {
    let rig = Rig::new(5);
    rig.memory.script([Script::Calls(LOOKS, "")]);
    let called = complete(&rig, &json!({}));
    let previous = called.body["id"].as_str().unwrap().replace("chatcmpl-", "resp_");
    let next = json!({"model": "friend", "input": "Go on", "previous_response_id": previous});
    let answer = rig.request("POST", "/v1/responses", &next);
    assert_eq!((answer.status, &answer.body["error"]["code"]), (404, &json!("previous_response_not_found")));
}
