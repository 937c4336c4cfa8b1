//! JSON-RPC 2.0, as far as MCP uses it: what comes is read, what goes is written.
//!
//! <https://www.jsonrpc.org/specification>

use std::collections::BTreeMap;

use pipeline::strict_json;
use serde::Serialize;
use serde_json::{Value, json, value::RawValue};

/// Most messages of a batch, which only the oldest version knows: together they are one invocation.
pub const BATCH: usize = 5;

/// What is wrong with a message, or with what it asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct RpcError {
    /// Its number.
    pub code: ErrorCode,
    /// What is wrong, and what to do.
    pub message: String,
    /// What programs read of it.
    pub data: Option<Value>,
}

/// The numbers of errors. Those below -32019 are MCP's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// It is no JSON.
    Parse,
    /// It is no message.
    InvalidRequest,
    /// There is no such method.
    MethodNotFound,
    /// What it says cannot be.
    InvalidParams,
    /// Our fault, or a part of the service is not answering.
    Internal,
    /// There is no such resource; of versions before 2026-07-28.
    ResourceNotFound,
    /// Headers say something else than the message.
    HeaderMismatch,
    /// A version that is not spoken here.
    UnsupportedVersion,
}

impl ErrorCode {
    /// The number.
    pub const fn number(self) -> i32 {
        match self {
            Self::Parse => -32700,
            Self::InvalidRequest => -32600,
            Self::MethodNotFound => -32601,
            Self::InvalidParams => -32602,
            Self::Internal => -32603,
            Self::ResourceNotFound => -32002,
            Self::HeaderMismatch => -32020,
            Self::UnsupportedVersion => -32022,
        }
    }
}

impl RpcError {
    /// An error of this kind.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    /// The same with data.
    #[must_use]
    pub fn with(mut self, data: Value) -> Self {
        self.data = Some(data);
        self
    }

    /// As the answer to a message of this id; without one where it could not be read.
    pub fn answer(&self, id: Option<&Value>) -> Value {
        let mut error = json!({ "code": self.code.number(), "message": self.message });
        if let Some(data) = &self.data {
            error["data"] = data.clone();
        }
        let mut answer = json!({ "jsonrpc": "2.0", "error": error });
        if let Some(id) = id {
            answer["id"] = id.clone();
        }
        answer
    }
}

/// The answer to a request that went well.
pub fn answer(id: &Value, result: &impl Serialize) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "result": result })
}

/// What a body holds.
#[derive(Debug)]
pub enum Body<'a> {
    /// A message.
    One(Message<'a>),
    /// Several, of which each may be none.
    Batch(Vec<Result<Message<'a>, RpcError>>),
}

/// A message.
#[derive(Debug)]
pub enum Message<'a> {
    /// It wants an answer.
    Request(Request<'a>),
    /// It wants none: something has happened, or is an answer to what nobody here has asked.
    Note,
}

/// A message that wants an answer.
#[derive(Debug)]
pub struct Request<'a> {
    /// What its answer is known by: a text or a whole number.
    pub id: Value,
    /// What is to be done.
    pub method: String,
    /// How, as JSON; an object.
    pub params: Option<&'a RawValue>,
}

impl<'a> Request<'a> {
    /// The fields of its params, or of an object that is one of them.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidParams`] for what is no object.
    pub fn fields(of: Option<&'a RawValue>) -> Result<BTreeMap<String, &'a RawValue>, RpcError> {
        let Some(of) = of else { return Ok(BTreeMap::new()) };
        serde_json::from_str(of.get())
            .map_err(|_| RpcError::new(ErrorCode::InvalidParams, "expected a JSON object as params"))
    }
}

/// Reads a body.
///
/// # Errors
/// [`ErrorCode::Parse`] for what is no JSON, [`ErrorCode::InvalidRequest`] for what is neither a message nor a batch.
pub fn read(body: &[u8]) -> Result<Body<'_>, RpcError> {
    let no_json = |error: serde_json::Error| {
        RpcError::new(ErrorCode::Parse, format!("the body is no JSON: {error}; send one JSON-RPC message"))
    };
    let whole: &RawValue = serde_json::from_slice(body).map_err(no_json)?;
    if !whole.get().starts_with('[') {
        return message(whole).map(Body::One);
    }
    let messages: Vec<&RawValue> = serde_json::from_str(whole.get()).map_err(no_json)?;
    if messages.is_empty() || messages.len() > BATCH {
        let detail = format!("a batch of {} messages: send 1 to {BATCH}", messages.len());
        return Err(RpcError::new(ErrorCode::InvalidRequest, detail));
    }
    Ok(Body::Batch(messages.into_iter().map(message).collect()))
}

fn message(raw: &RawValue) -> Result<Message<'_>, RpcError> {
    let invalid = |detail: &str| RpcError::new(ErrorCode::InvalidRequest, detail);
    let fields: BTreeMap<String, &RawValue> =
        serde_json::from_str(raw.get()).map_err(|_| invalid("a message is a JSON object"))?;
    if text(&fields, "jsonrpc").as_deref() != Some("2.0") {
        return Err(invalid("expected \"jsonrpc\": \"2.0\""));
    }
    let Some(method) = fields.get("method") else {
        let is_answer = fields.contains_key("result") || fields.contains_key("error");
        return if is_answer { Ok(Message::Note) } else { Err(invalid("a message names its \"method\"")) };
    };
    let Ok(method) = serde_json::from_str(method.get()) else { return Err(invalid("\"method\" is a text")) };
    let params = fields.get("params").copied().filter(|params| params.get() != "null");
    if params.is_some_and(|params| !params.get().starts_with('{')) {
        return Err(invalid("\"params\" is a JSON object, or left out"));
    }
    let Some(id) = fields.get("id") else { return Ok(Message::Note) };
    match serde_json::from_str::<Value>(id.get()) {
        Ok(id) if is_id(&id) => Ok(Message::Request(Request { id, method, params })),
        _ => Err(invalid("\"id\" is a text or a whole number; a notification has none")),
    }
}

/// True for what an answer is known by: a text or a whole number, which JSON also writes as 7.0.
fn is_id(id: &Value) -> bool {
    id.is_string() || id.is_i64() || id.is_u64() || id.as_f64().and_then(strict_json::whole).is_some()
}

/// A field that is a text.
pub fn text(fields: &BTreeMap<String, &RawValue>, name: &str) -> Option<String> {
    serde_json::from_str(fields.get(name)?.get()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(body: &str) -> ErrorCode {
        read(body.as_bytes()).err().unwrap().code
    }

    #[test]
    fn a_whole_number_is_one_however_it_is_written() {
        for (written, id) in
            [("-118433.0", json!(-118_433.0)), ("3e2", json!(300.0)), ("7", json!(7)), (r#""7""#, json!("7"))]
        {
            let body = format!(r#"{{"jsonrpc":"2.0","id":{written},"method":"ping"}}"#);
            let read = read(body.as_bytes()).unwrap();
            assert!(matches!(read, Body::One(Message::Request(request)) if request.id == id), "{written}");
        }
    }

    #[test]
    fn what_is_no_message_is_refused_by_its_kind() {
        for body in ["", "{", "nothing", "{} {}", "\u{0}"] {
            assert_eq!(code(body), ErrorCode::Parse, "{body}");
        }
        for body in [
            "1",
            "null",
            "{}",
            "[]",
            r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#,
            r#"{"id":1,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":7}"#,
            r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[1]}"#,
        ] {
            assert_eq!(code(body), ErrorCode::InvalidRequest, "{body}");
        }
        let many = format!("[{}]", [r#"{"jsonrpc":"2.0","method":"a"}"#; BATCH + 1].join(","));
        assert_eq!(code(&many), ErrorCode::InvalidRequest);
    }

    #[test]
    fn requests_want_an_answer_and_nothing_else_does() {
        let read = |body: &'static str| match read(body.as_bytes()).unwrap() {
            Body::One(Message::Request(request)) => Some(request.id),
            Body::One(Message::Note) => None,
            Body::Batch(_) => panic!("one message"),
        };
        assert_eq!(read(r#"{"jsonrpc":"2.0","id":0,"method":"ping"}"#), Some(json!(0)));
        assert_eq!(read(r#"{"jsonrpc":"2.0","id":"a","method":"ping","params":{}}"#), Some(json!("a")));
        assert_eq!(read(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#), None);
        assert_eq!(read(r#"{"jsonrpc":"2.0","id":3,"result":{}}"#), None);
    }

    #[test]
    fn an_error_without_a_request_has_no_id() {
        let error = RpcError::new(ErrorCode::Parse, "no");
        assert_eq!(error.answer(None), json!({ "jsonrpc": "2.0", "error": { "code": -32700, "message": "no" } }));
        assert_eq!(error.answer(Some(&json!(4)))["id"], 4);
    }
}
