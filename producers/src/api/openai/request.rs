//! What a client of `/v1/chat/completions` asks: the question with all that goes with it.

use pipeline::{
    chat::{
        catalogue::RouteName,
        client::{AnswerFormat, ClientAsk, LARGEST_SEED, Sampling},
        turn::Ask,
    },
    problem::Problem,
};
use schemars::JsonSchema;
use serde_json::{Value, value::RawValue};

use super::{
    described::{ResponseFormat, Stop, ToolWish, complete},
    fields::{Fields, missing, unsupported, wrong},
    messages::{self, Message, Said},
    models::AnsweringModel,
    parameters::CHAT,
    tools::{self, SentTool},
};
use crate::api::chat::Checked;

/// A request as `OpenAI`'s clients send it: the parameters that are done.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "ChatCompletionRequest", transform = complete(CHAT))]
#[expect(dead_code, reason = "it is described; read is each field by its rules")]
pub struct CompletionRequest<'a> {
    model: String,
    #[schemars(length(min = 1))]
    messages: Vec<Message<'a>>,
    /// The functions that the model may call.
    tools: Option<Vec<SentTool>>,
    /// `none`, `auto`, `required`, or the one function that is to be called.
    tool_choice: Option<ToolWish>,
    /// False: at most one call an answer.
    parallel_tool_calls: Option<bool>,
    /// Most tokens of the answer, within what the route gives.
    #[schemars(range(min = 1, max = MOST_TOKENS))]
    max_completion_tokens: Option<i64>,
    /// The same under its older name.
    #[schemars(range(min = 1, max = MOST_TOKENS))]
    max_tokens: Option<i64>,
    /// `text`, `json_object`, or `json_schema` with a schema.
    response_format: Option<ResponseFormat>,
    /// False: the answer is made of the messages alone.
    retrieval: Option<bool>,
    #[schemars(range(min = i64::MIN, max = i64::MAX))]
    seed: Option<i64>,
    /// Up to four texts before which the answer ends, or one.
    stop: Option<Stop>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    #[schemars(range(min = 0, max = 2))]
    temperature: Option<f64>,
    #[schemars(range(min = 0, max = 1))]
    top_p: Option<f64>,
}

#[derive(Debug, JsonSchema)]
#[expect(dead_code, reason = "it is described")]
struct StreamOptions {
    include_usage: Option<bool>,
}

/// Most sequences before which an answer ends.
const STOP_SEQUENCES: usize = 4;

/// What a request asks: the question with all that goes with it, and how it wants to be answered.
#[derive(Debug)]
pub(super) struct ParsedCompletion {
    pub(super) checked: Checked,
    pub(super) model: String,
    pub(super) stream: bool,
    pub(super) include_usage: bool,
    /// Its answer may be calls.
    pub(super) may_call: bool,
}

/// Reads and checks a request.
pub(super) fn parse(text: &[u8]) -> Result<ParsedCompletion, Problem> {
    let fields = Fields::read(text, CHAT)?;
    let said = messages::read("messages", fields.get("messages").ok_or_else(|| missing("messages"))?, true)?;
    let (model, mut asked) = asked(&fields)?;
    let client = ClientAsk {
        stop: stop(&fields)?,
        format: fields.get("response_format").map(format_of_chat).transpose()?.flatten(),
        tools: tools::read(&fields)?,
        ..asked.client
    };
    asked = Asked { client, max_tokens: max_tokens(&fields, &["max_completion_tokens", "max_tokens"])?, ..asked };
    let stream = fields.flag("stream")?.unwrap_or_default();
    let may_call = asked.client.tools.is_some();
    let include_usage = include_usage(&fields, stream)?;
    Ok(ParsedCompletion { checked: asked.checked(said), model, stream, include_usage, may_call })
}

/// How a question is to be answered, whichever operation asks.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) route: Option<RouteName>,
    pub(super) max_tokens: Option<u32>,
    pub(super) client: ClientAsk,
}

impl Asked {
    /// With what is said.
    pub(super) fn checked(self, said: Said) -> Checked {
        let Said { instructions, history, question, following } = said;
        let ask = Ask {
            route: self.route,
            max_tokens: self.max_tokens,
            use_memory: !self.client.is_plain,
            history,
            instructions,
            client: Some(ClientAsk { following, ..self.client }),
            ..Ask::default()
        };
        Checked { message: question, conversation: None, session: None, ask }
    }
}

/// What the operations that answer have in common: the model, and how it chooses its words.
pub(super) fn asked(fields: &Fields<'_>) -> Result<(String, Asked), Problem> {
    let name = fields.required("model")?;
    let model = AnsweringModel::parse(&name)?;
    let wants_retrieval = fields.flag("retrieval")?.unwrap_or(true);
    let sampling = Sampling {
        temperature: fields.number("temperature", 0.0..=2.0)?,
        // Workers AI takes no 0; the likeliest word alone is the same.
        top_p: fields.number("top_p", 0.0..=1.0)?.map(|top_p| top_p.max(SMALLEST_TOP_P)),
        seed: fields.integer("seed", i64::MIN..=i64::MAX)?.map(|seed| seed.rem_euclid(LARGEST_SEED) + 1),
    };
    let client = ClientAsk { is_plain: model.is_plain || !wants_retrieval, sampling, ..ClientAsk::default() };
    Ok((name, Asked { route: model.route, max_tokens: None, client }))
}

/// The smallest that Workers AI takes. <https://developers.cloudflare.com/workers-ai/models/>
const SMALLEST_TOP_P: f64 = 0.001;

/// The largest limit of tokens there is.
pub(super) const MOST_TOKENS: i64 = u32::MAX as i64;

/// The limit of tokens under one of some names.
pub(super) fn max_tokens(fields: &Fields<'_>, names: &[&str]) -> Result<Option<u32>, Problem> {
    let mut limit = None;
    for name in names {
        let Some(tokens) = fields.integer(name, 1..=MOST_TOKENS)? else { continue };
        if limit.replace(u32::try_from(tokens).unwrap_or(u32::MAX)).is_some() {
            return Err(unsupported(name, format!("{} say the same: send one of them", names.join(" and "))));
        }
    }
    Ok(limit)
}

fn stop(fields: &Fields<'_>) -> Result<Vec<String>, Problem> {
    let expected = || format!("a string, or an array of 1 to {STOP_SEQUENCES} strings, none of them empty");
    let sequences = fields.value("stop", expected, |value| {
        let one = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        match value {
            Value::Array(values) if (1..=STOP_SEQUENCES).contains(&values.len()) => values.iter().map(one).collect(),
            value => one(value).map(|text| vec![text]),
        }
    })?;
    Ok(sequences.unwrap_or_default())
}

fn include_usage(fields: &Fields<'_>, stream: bool) -> Result<bool, Problem> {
    let expected = || "an object with nothing but include_usage, true or false".to_owned();
    let options = fields.value("stream_options", expected, |value| {
        let options = value.as_object()?;
        // There is no obfuscation to leave out.
        let is_known = options.keys().all(|name| ["include_usage", "include_obfuscation"].contains(&name.as_str()));
        let include_usage = options.get("include_usage").filter(|wish| !wish.is_null());
        include_usage.map_or(Some(false), Value::as_bool).filter(|_| is_known)
    })?;
    if options.is_some() && !stream {
        return Err(wrong("stream_options", "there", "left out where stream is not true"));
    }
    Ok(options.unwrap_or_default())
}

fn format_of_chat(raw: &RawValue) -> Result<Option<AnswerFormat>, Problem> {
    let wish: Value = serde_json::from_str(raw.get()).unwrap_or_default();
    format("response_format", &wish, |format| format.get("json_schema")?.get("schema"))
}

/// Reads a wish for JSON; `schema` is where its schema lies. `None` is text.
pub(super) fn format(
    name: &str,
    format: &Value,
    schema: impl FnOnce(&Value) -> Option<&Value>,
) -> Result<Option<AnswerFormat>, Problem> {
    let expected = "an object whose type is text, json_object, or json_schema with a schema that is an object";
    let refused = || wrong(name, &format.to_string(), expected);
    match format.get("type").and_then(Value::as_str) {
        Some("text") => Ok(None),
        Some("json_object") => Ok(Some(AnswerFormat::JsonObject)),
        Some("json_schema") => {
            let schema = schema(format).filter(|schema| schema.is_object()).ok_or_else(refused)?;
            Ok(Some(AnswerFormat::JsonSchema { json_schema: schema.clone() }))
        }
        _ => Err(refused()),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::{super::parameters::Treatment, *};

    /// A request that asks something, with these parameters.
    pub(in super::super) fn body(fields: &Value) -> Vec<u8> {
        let mut body = json!({"model": "friend", "messages": [{"role": "user", "content": "Hi"}]});
        for (name, value) in fields.as_object().unwrap() {
            body[name] = value.clone();
        }
        body.to_string().into_bytes()
    }

    fn client(fields: &Value) -> ClientAsk {
        parse(&body(fields)).unwrap().checked.ask.client.unwrap()
    }

    #[test]
    fn a_request_becomes_a_question_with_history() {
        let parsed = parse(&body(&json!({"model": "friend-code", "stream": true, "max_tokens": 50, "messages": [
            {"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello"},
            {"role": "user", "content": [{"type": "text", "text": "What "}, {"type": "text", "text": "now?"}]}]})))
        .unwrap();
        let ask = &parsed.checked.ask;
        assert_eq!(
            (parsed.checked.message.as_str(), ask.instructions.as_deref(), ask.history.len()),
            ("What now?", Some("Be brief."), 2)
        );
        assert_eq!((ask.route, ask.max_tokens, parsed.stream), (Some(RouteName::Code), Some(50), true));
    }

    #[test]
    fn what_a_client_wishes_is_kept_with_the_question() {
        let asked = client(&json!({"temperature": 0.5, "top_p": 0, "seed": 0, "stop": "\n"}));
        let sampling = Sampling { temperature: Some(0.5), top_p: Some(0.001), seed: Some(1) };
        assert_eq!((asked.sampling, asked.stop), (sampling, vec!["\n".to_owned()]));
        assert_eq!(client(&json!({"stop": ["a", "b"]})).stop, ["a", "b"]);
        assert_eq!(client(&json!({"seed": -1})).sampling.seed, Some(LARGEST_SEED));
        let schema = json!({"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}});
        let json_schema = json!({"type": "object"});
        assert_eq!(client(&json!({"response_format": schema})).format, Some(AnswerFormat::JsonSchema { json_schema }));
        assert_eq!(client(&json!({"response_format": {"type": "text"}})).format, None);
        for plain in
            [json!({"retrieval": false}), json!({"model": "friend-plain"}), json!({"model": "friend-code-plain"})]
        {
            let ask = parse(&body(&plain)).unwrap().checked.ask;
            assert!(ask.is_plain() && !ask.use_memory && ask.source_filters().is_none());
        }
        assert!(!client(&json!({"retrieval": true})).is_plain);
    }

    #[test]
    fn a_value_that_cannot_be_is_refused_by_its_name() {
        for (fields, param) in [
            (json!({"temperature": "hot"}), "/temperature"),
            (json!({"temperature": 3}), "/temperature"),
            (json!({"top_p": 1.5}), "/top_p"),
            (json!({"seed": 1.5}), "/seed"),
            (json!({"stop": ["a", "b", "c", "d", "e"]}), "/stop"),
            (json!({"stop": [""]}), "/stop"),
            (json!({"max_tokens": 0}), "/max_tokens"),
            (json!({"max_tokens": 5, "max_completion_tokens": 5}), "/max_tokens"),
            (json!({"response_format": {"type": "yaml"}}), "/response_format"),
            (json!({"response_format": {"type": "json_schema"}}), "/response_format"),
            (json!({"stream_options": {"include_usage": true}}), "/stream_options"),
            (json!({"stream": true, "stream_options": {"include_usages": true}}), "/stream_options"),
            (json!({"tools": [{"type": "function"}]}), "/tools/0/function"),
            (json!({"messages": [{"role": "robot", "content": "x"}]}), "/messages/0/role"),
            (json!({"messages": [{"role": "assistant", "content": "x", "tool_calls": [1]}]}), "/messages/0/tool_calls"),
            (json!({"messages": "Hi"}), "/messages"),
            (json!({"messages": null}), "/messages"),
            (json!({"model": 5}), "/model"),
        ] {
            let problem = parse(&body(&fields)).unwrap_err();
            assert_eq!(problem.errors[0].pointer, param, "{fields}: {}", problem.detail);
        }
    }

    #[test]
    fn what_is_described_is_what_is_read() {
        let schema = schemars::schema_for!(CompletionRequest<'_>);
        let described: BTreeSet<&str> =
            schema.get("properties").unwrap().as_object().unwrap().keys().map(String::as_str).collect();
        let read = CHAT.iter().filter(|row| row.treatment != Treatment::Refused(&[])).map(|row| row.name).collect();
        assert_eq!(described, read);
    }
}
