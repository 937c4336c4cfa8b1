//! `POST /v1/responses`: text in, text out, by the turn that a chat completion has.
//!
//! Each response is a conversation of its own, like each completion. One that goes on after another takes along what
//! was said in it and before it, so that several may go on after the same one.

use std::collections::BTreeMap;

use http::StatusCode;
use pipeline::{
    chat::{
        catalogue::Catalogue,
        client::{AnswerFormat, ClientAsk},
        generation::{PromptMessage, Role},
        turn::Turn,
    },
    ids::{JobId, UserId},
    platform::ports::{Clock, Database},
    problem::{Code, Problem, excerpt},
    schema,
    store::conversations::messages,
};
use schemars::JsonSchema;
use serde_json::{Map, Value, value::RawValue};

use super::{
    JOB, VERDICT, at_once,
    described::{ResponseMessage, ResponseText, Truncation, complete},
    event_stream_of,
    fields::{Fields, missing, refused, unsupported, wrong},
    join, messages as sent,
    messages::Said,
    parameters::RESPONSES,
    request::{MOST_TOKENS, asked, format, max_tokens},
    response::{Response, ResponseWriter},
    result, stream,
    window::{hold_to_models, leave_out_unreadable},
};
use crate::{
    api::{
        chat::Checked,
        jobs::{TurnState, turn_of, turn_state},
    },
    http::{
        call::{Call, RequestPorts},
        reply::{Answer, Refusal, Reply},
    },
};

/// A request as `OpenAI`'s clients send it: the parameters that are done.
#[derive(Debug, JsonSchema)]
#[schemars(transform = complete(RESPONSES))]
#[expect(dead_code, reason = "it is described; read is each field by its rules")]
pub struct ResponseRequest {
    model: String,
    /// A text, or messages of text.
    input: Input,
    instructions: Option<String>,
    /// Most tokens of the answer, within what the route gives.
    #[schemars(range(min = 1, max = MOST_TOKENS))]
    max_output_tokens: Option<i64>,
    metadata: Option<BTreeMap<String, String>>,
    /// The response that it goes on after.
    previous_response_id: Option<String>,
    /// False: the answer is made of the messages alone.
    retrieval: Option<bool>,
    stream: Option<bool>,
    #[schemars(range(min = 0, max = 2))]
    temperature: Option<f64>,
    /// `format`: `text`, `json_object`, or `json_schema` with a schema.
    text: Option<ResponseText>,
    #[schemars(range(min = 0, max = 1))]
    top_p: Option<f64>,
    /// `disabled`, or `auto`: the oldest messages are left out until the rest fits.
    truncation: Option<Truncation>,
}

#[derive(Debug, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
#[expect(dead_code, reason = "it is described")]
enum Input {
    Text(#[schemars(length(min = 1), regex(pattern = schema::TEXT))] String),
    Messages(#[schemars(length(min = 1))] Vec<ResponseMessage>),
}

/// The oldest messages are left out until the rest fits.
const AUTO: &str = "auto";
/// What does not fit is refused.
const DISABLED: &str = "disabled";

/// What a request asks for.
struct Parsed {
    checked: Checked,
    response: Response,
    previous: Option<JobId>,
    is_streamed: bool,
}

/// `POST /v1/responses`
pub async fn respond<P: RequestPorts>(ports: &P, call: &Call<'_>) -> Answer {
    let Parsed { mut checked, mut response, previous, is_streamed } = parse(call.request.body())?;
    let user = &call.tenant.user;
    if let Some(previous) = previous {
        let mut history = said_until(ports, user, &previous).await?;
        history.append(&mut checked.ask.history);
        checked.ask.history = history;
    }
    let catalogue = Catalogue::load(ports).await.catalogue;
    if response.truncation == AUTO {
        leave_out_unreadable(&mut checked.ask, &catalogue);
    }
    hold_to_models("input", &checked, &catalogue)?;
    let joined = join::begin(ports, call, checked).await?;
    response.begin(&joined.begun.job, ports.now());
    if is_streamed {
        return Ok(match joined.begun.result.clone() {
            Some(result) => at_once(event_stream_of(&joined.begun.job), ResponseWriter::new(response).at_once(result)),
            None => stream(user, joined, Box::new(ResponseWriter::new(response))),
        });
    }
    Ok(match result(ports, user, &joined).await? {
        Ok(result) => Reply::json(StatusCode::OK, &response.whole(&result))
            .with(JOB, joined.begun.job.as_str())
            .with(VERDICT, result.detail.verdict.name()),
        Err(unanswerable) => unanswerable.reply(&joined.begun.job),
    })
}

fn parse(body: &[u8]) -> Result<Parsed, Problem> {
    let fields = Fields::read(body, RESPONSES)?;
    let mut said = input(fields.get("input").ok_or_else(|| missing("input"))?)?;
    let instructions = fields.text("instructions")?;
    said.instructions = match (instructions.clone(), said.instructions.take()) {
        (Some(first), Some(second)) => Some(format!("{first}\n{second}")),
        (one, other) => one.or(other),
    };
    let (model, mut asked) = asked(&fields)?;
    let answer_format = fields.get("text").map(text_format).transpose()?.flatten();
    asked.client = ClientAsk { format: answer_format, ..asked.client };
    asked.max_tokens = max_tokens(&fields, &["max_output_tokens"])?;
    let previous = fields.text("previous_response_id")?;
    asked.client.leaves_out_oldest = truncation(&fields)?;
    let response = Response {
        model,
        instructions,
        max_output_tokens: asked.max_tokens,
        metadata: metadata(&fields)?,
        previous: previous.clone(),
        sampling: asked.client.sampling,
        format: asked.client.format.clone(),
        truncation: if asked.client.leaves_out_oldest { AUTO } else { DISABLED },
        ..Response::default()
    };
    Ok(Parsed {
        previous: previous.as_deref().map(job_of).transpose()?,
        checked: asked.checked(said),
        response,
        is_streamed: fields.flag("stream")?.unwrap_or_default(),
    })
}

/// A text alone is the question.
fn input(raw: &RawValue) -> Result<Said, Problem> {
    match serde_json::from_str::<String>(raw.get()) {
        Ok(text) if text.trim().is_empty() => Err(wrong("input", raw.get(), "a text that is not empty")),
        Ok(question) => Ok(Said { question, ..Said::default() }),
        Err(_) => sent::read("input", raw, false),
    }
}

fn text_format(raw: &RawValue) -> Result<Option<AnswerFormat>, Problem> {
    let expected = "an object with format";
    let text: Map<String, Value> = serde_json::from_str(raw.get()).map_err(|_| wrong("text", raw.get(), expected))?;
    if let Some(name) = text.keys().find(|name| !["format", "verbosity"].contains(&name.as_str())) {
        return Err(wrong(&format!("text.{}", excerpt(name)), "there", "left out: it is not known"));
    }
    if text.get("verbosity").is_some_and(|verbosity| !verbosity.is_null() && verbosity != "medium") {
        return Err(unsupported("text.verbosity", "verbosity is not done here: leave it out".to_owned()));
    }
    let Some(wish) = text.get("format").filter(|format| !format.is_null()) else { return Ok(None) };
    format("text.format", wish, |format| format.get("schema"))
}

fn truncation(fields: &Fields<'_>) -> Result<bool, Problem> {
    let expected = || "\"auto\" or \"disabled\"".to_owned();
    let leaves_out = fields.value("truncation", expected, |value| match value.as_str()? {
        AUTO => Some(true),
        DISABLED => Some(false),
        _ => None,
    })?;
    Ok(leaves_out.unwrap_or_default())
}

fn metadata(fields: &Fields<'_>) -> Result<Map<String, Value>, Problem> {
    let expected = || "an object of texts".to_owned();
    let metadata = fields.value("metadata", expected, |value| {
        value.as_object().filter(|labels| labels.values().all(Value::is_string)).cloned()
    })?;
    Ok(metadata.unwrap_or_default())
}

fn job_of(response: &str) -> Result<JobId, Problem> {
    let suffix = response.strip_prefix(Response::PREFIX);
    suffix.and_then(|suffix| JobId::parse(&format!("{}{suffix}", JobId::PREFIX))).ok_or_else(no_such_response)
}

fn no_such_response() -> Problem {
    let detail = "there is no such response of yours: it may be older than seven days; leave previous_response_id out \
                  and send what was said as input";
    let mut problem = Problem::field(Code::NotFound, "/previous_response_id", detail);
    "previous_response_not_found".clone_into(&mut problem.code);
    problem
}

/// What was said until a response had ended, itself included.
async fn said_until<P: Database + Clock>(ports: &P, user: &UserId, job: &JobId) -> Result<Vec<PromptMessage>, Refusal> {
    // One with tools is a chat completion, which no response goes on after.
    let is_response = |turn: &Turn| turn.request.client.is_some() && !turn.request.is_about_tools();
    let turn = turn_of(ports, user, job).await?.filter(is_response).ok_or_else(no_such_response)?;
    let unanswered = || refused("previous_response_id", "that response has not ended with an answer");
    let TurnState::Answered(result) = turn_state(ports, user, job).await? else { return Err(unanswered().into()) };
    if result.detail.unanswered.is_some() {
        return Err(unanswered().into());
    }
    let question = messages::after(user, &turn.conversation_id, turn.number - 1, 1).first(ports).await?;
    let question = question.ok_or_else(no_such_response)?;
    let mut history = turn.request.history;
    history.push(PromptMessage::new(Role::User, question.content));
    history.push(PromptMessage::new(Role::Assistant, result.answer));
    Ok(history)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{super::parameters::Treatment, *};

    #[test]
    fn what_is_described_is_what_is_read() {
        let schema = schemars::schema_for!(ResponseRequest);
        let described: BTreeSet<&str> =
            schema.get("properties").unwrap().as_object().unwrap().keys().map(String::as_str).collect();
        let is_read = |treatment| treatment != Treatment::Refused(&[]);
        let read = RESPONSES.iter().filter(|row| is_read(row.treatment)).map(|row| row.name).collect();
        assert_eq!(described, read);
    }

    #[test]
    fn a_request_is_read_and_a_wrong_one_refused_by_name() {
        let parsed = |fields: &str| parse(format!(r#"{{"model":"friend",{fields}}}"#).as_bytes());
        let text = parsed(r#""input":"Hi","instructions":"Be brief.","max_output_tokens":9,"temperature":0"#).unwrap();
        let ask = &text.checked.ask;
        assert_eq!((text.checked.message.as_str(), ask.instructions.as_deref()), ("Hi", Some("Be brief.")));
        assert_eq!((ask.max_tokens, text.response.truncation), (Some(9), DISABLED));
        let format = r#""text":{"format":{"type":"json_schema","name":"x","schema":{"type":"object"}}}"#;
        let formatted = parsed(&format!(r#""input":[{{"role":"user","content":"Hi"}}],{format}"#)).unwrap();
        assert!(formatted.checked.ask.client.unwrap().format.is_some());
        for (fields, pointer) in [
            (r#""input":"""#, "/input"),
            (r#""input":[{"type":"function_call_output"}]"#, "/input/0"),
            (r#""input":"x","text":{"verbosity":"low"}"#, "/text/verbosity"),
            (r#""input":"x","text":{"format":{"type":"yaml"}}"#, "/text/format"),
            (r#""input":"x","truncation":"some""#, "/truncation"),
            (r#""input":"x","metadata":{"a":1}"#, "/metadata"),
            (r#""input":"x","tools":[{"type":"web_search"}]"#, "/tools"),
            (r#""input":"x","store":false"#, "/store"),
            (r#""input":"x","previous_response_id":"chatcmpl-1""#, "/previous_response_id"),
        ] {
            let problem = parsed(fields).err().unwrap();
            assert_eq!(problem.errors[0].pointer, pointer, "{fields}");
        }
    }
}
