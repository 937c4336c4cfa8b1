//! A language model that says what is written here, as fast as it is told: an OpenAI-compatible server
//! inside of the test. What tests of streams, kills and order need is an answer, not a clever one.
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test that cannot go on fails")]

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::Duration,
};

use local_dev::language_model::LanguageModel;
use serde_json::{Map, Value, json};

/// What stands in a source, and what is said when it does: of Freedonia, and of what a smoke test uploads.
const KNOWN: [(&str, &str); 2] = [
    ("capital of Freedonia is Glorp", "The capital of Freedonia is Glorp. It lies on the river Blem."),
    ("The lighthouse keeper of ", "The lighthouse keeper counts ships at dusk [1]."),
];
/// What is said where JSON is asked for.
const OBJECT: &str = r#"{"capital":"Glorp","river":"Blem"}"#;
/// What is said before a tool's result.
const RESULT: &str = "The tool says ";
/// A question that holds this word is answered with a story in parts, whatever its sources are; see
/// [`ScriptedModel::go_on`].
const IN_PARTS: &str = "whale";
const PARTS: usize = 3;
const STORY: &str = "Once there was a ship that sailed far to the north, where the sea is green and cold. \
    One morning its crew saw something large between the waves. They took it for an island, and rowed there \
    with an empty barrel for water. But the island breathed. It looked at them for a while, thought about \
    them, and sank so slowly that not one of them got wet.";
const PAUSE: Duration = Duration::from_millis(5);
/// Longer than a listener waits for the next piece, so that each part is heard as one piece or more.
const PAUSE_IN_PARTS: Duration = Duration::from_millis(50);

/// A part that may not be told yet is told as slowly as this, a word at a time: a model that says nothing
/// at all counts as stalled.
const HELD_BACK: Duration = Duration::from_secs(5);

/// The server; it ends with the process.
#[derive(Debug)]
pub struct ScriptedModel {
    address: SocketAddr,
    gate: Arc<Gate>,
}

/// How many parts of a story may be told.
#[derive(Debug, Default)]
struct Gate {
    open: Mutex<usize>,
    changed: Condvar,
}

impl ScriptedModel {
    /// Starts it on a free port.
    pub fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let gate = Arc::new(Gate { open: Mutex::new(1), changed: Condvar::new() });
        let of_server = Arc::clone(&gate);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let gate = Arc::clone(&of_server);
                // A listener that is gone needs no answer.
                thread::spawn(move || answer(stream, &gate));
            }
        });
        Self { address, gate }
    }

    /// As a product's language model.
    pub fn as_language_model(&self) -> LanguageModel {
        LanguageModel::Server(format!("http://{}/v1", self.address))
    }

    /// Lets the next part of stories in parts be told; the first is told at once.
    pub fn go_on(&self) {
        *self.gate.open.lock().unwrap() += 1;
        self.gate.changed.notify_all();
    }
}

impl Gate {
    /// Waits for a part, or for as long as a word of one that is held back takes.
    fn wait_for(&self, part: usize) {
        let open = self.open.lock().unwrap();
        drop(self.changed.wait_timeout_while(open, HELD_BACK, |open| *open <= part).unwrap());
    }
}

fn answer(mut stream: TcpStream, gate: &Gate) -> io::Result<()> {
    let request = read_body(&stream)?;
    if request["tools"].is_array() {
        let message = message_with_tools(&request).to_string();
        let length = message.len();
        return write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
             connection: close\r\n\r\n{message}"
        );
    }
    write!(stream, "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")?;
    let (text, is_in_parts) = script(&request);
    let limit = request["max_tokens"].as_u64().and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    let words: Vec<&str> = text.split_inclusive(' ').take(limit).collect();
    let part = words.len().div_ceil(PARTS);
    for (place, word) in words.iter().enumerate() {
        if is_in_parts {
            gate.wait_for(place / part);
        }
        let delta = json!({"choices": [{"index": 0, "delta": {"content": word}, "finish_reason": null}]});
        write!(stream, "data: {delta}\n\n")?;
        thread::sleep(if is_in_parts { PAUSE_IN_PARTS } else { PAUSE });
    }
    let usage = json!({"choices": [], "usage": {"prompt_tokens": 50, "completion_tokens": words.len()}});
    write!(stream, "data: {usage}\n\ndata: [DONE]\n\n")
}

/// What is said to a prompt, and whether it is told in parts.
fn script(request: &Value) -> (&'static str, bool) {
    let messages = request["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !request["response_format"].is_null() {
        return (OBJECT, false);
    }
    let said = |message: &Value| message["content"].as_str().unwrap_or_default().to_owned();
    if messages.last().map(said).is_some_and(|question| question.contains(IN_PARTS)) {
        return (STORY, true);
    }
    let known = KNOWN.iter().find(|(fact, _)| messages.iter().any(|message| said(message).contains(fact)));
    (known.map_or(STORY, |(_, answer)| answer), false)
}

/// What is answered where tools are offered: a call of the one that is asked for, or of the first; and when its result
/// is there, what it is.
fn message_with_tools(request: &Value) -> Value {
    let last = request["messages"].as_array().and_then(|messages| messages.last()).cloned().unwrap_or_default();
    let message = if last["role"] == "tool" {
        json!({"role": "assistant", "content": format!("{RESULT}{}.", last["content"].as_str().unwrap_or_default())})
    } else {
        let asked = &request["tool_choice"]["function"]["name"];
        let mut functions = request["tools"].as_array().into_iter().flatten().map(|tool| &tool["function"]);
        let function = functions.find(|function| asked.is_null() || function["name"] == *asked).unwrap();
        let mut arguments: Map<String, Value> = serde_json::from_str(OBJECT).unwrap();
        arguments.retain(|name, _| !function["parameters"]["properties"][name].is_null());
        let function = json!({"name": function["name"], "arguments": json!(arguments).to_string()});
        let call = json!({"id": "x", "type": "function", "function": function});
        json!({"role": "assistant", "content": null, "tool_calls": [call]})
    };
    let usage = json!({"prompt_tokens": 60, "completion_tokens": 12});
    json!({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": usage})
}

fn read_body(stream: &TcpStream) -> io::Result<Value> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim_end().to_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(serde_json::from_slice(&body)?)
}
