//! Asking a language model: what goes in, what comes out.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    chat::{
        client::{AnswerFormat, Sampling},
        tools::OfferedTools,
    },
    time::Span,
};

pub use crate::chat::prompt::{PromptMessage, Role};

/// A prompt and how it is to be answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Generation {
    /// A model of the catalogue.
    pub model: String,
    /// The prompt.
    pub messages: Vec<PromptMessage>,
    /// Most tokens of the answer.
    pub max_tokens: u32,
    /// Neurons per million prompt tokens and per million answer tokens: what the call is counted as.
    pub price: Price,
    /// Tokens of the prompt, as cl100k counts them: what it is counted as if the model does not say.
    pub prompt_tokens: u64,
    /// How the model is to choose its words.
    pub sampling: Sampling,
    /// What the answer must be, if it is no text. Such an answer comes whole: Workers AI does not stream it.
    pub format: Option<AnswerFormat>,
    /// What it may call. Such an answer comes whole, too: what it calls is known at its end.
    pub tools: Option<OfferedTools>,
    /// How long it may be silent.
    pub patience: Patience,
}

/// How long a model may be silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Before its first word.
    pub reading: Span,
    /// After it.
    pub writing: Span,
}

impl Patience {
    /// As long as who asks would wait.
    pub const USUAL: Self = Self { reading: READING, writing: STALL };
}

/// Bytes of a prompt that make a token at least, for what a call may cost at most; prose has more.
const FEWEST_BYTES_PER_TOKEN: usize = 3;

impl Generation {
    /// The most neurons the call may cost: what is reserved for it.
    pub fn most_neurons(&self) -> f64 {
        let said: usize = self.messages.iter().map(|message| message.text().len()).sum();
        let bytes = said + self.tools.as_ref().map_or(0, |tools| tools.text().len());
        let prompt = bytes.div_ceil(FEWEST_BYTES_PER_TOKEN) as u64;
        self.price.neurons(Tokens { prompt, completion: u64::from(self.max_tokens) })
    }

    /// True if its answer is not streamed.
    pub const fn comes_whole(&self) -> bool {
        self.format.is_some() || self.tools.is_some()
    }
}

/// What a model costs, in neurons per million tokens.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Price {
    /// Of the prompt.
    pub input: f64,
    /// Of the answer.
    pub output: f64,
}

impl Price {
    /// Neurons of a call.
    #[expect(clippy::cast_precision_loss, reason = "token counts are far below 2^52")]
    pub fn neurons(self, tokens: Tokens) -> f64 {
        (tokens.prompt as f64 * self.input + tokens.completion as f64 * self.output) / 1e6
    }
}

/// Tokens of a call, as the model counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    /// Of the prompt.
    #[serde(rename = "prompt_tokens", default)]
    pub prompt: u64,
    /// Of the answer.
    #[serde(rename = "completion_tokens", default)]
    pub completion: u64,
}

/// What a generation came to, beside the text that was passed on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Generated {
    /// What it took.
    pub tokens: Tokens,
    /// What the model calls, as it says it: [`OfferedTools::calls`] reads it.
    pub calls: Vec<Value>,
}

impl From<Tokens> for Generated {
    fn from(tokens: Tokens) -> Self {
        Self { tokens, calls: Vec::new() }
    }
}

/// Whether a generation should go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Yes.
    Continue,
    /// Nobody wants the rest: the model is not read any further.
    Stop,
}

/// Where an answer goes while it is being written.
#[expect(async_fn_in_trait, reason = "Workers are single-threaded: no future needs to be Send")]
pub trait Sink {
    /// Takes the next piece of text.
    async fn accept(&mut self, text: &str) -> Flow;
}

/// Collects an answer without passing it on.
#[derive(Debug, Default)]
pub struct Collect(pub String);

impl Sink for Collect {
    async fn accept(&mut self, text: &str) -> Flow {
        self.0.push_str(text);
        Flow::Continue
    }
}

/// How long without a token a model counts as stalled.
pub const STALL: Span = Span::seconds(30);
/// The same before the first one: a small machine reads some fifty tokens of a prompt a second. Less than the lease of
/// who asks, which nothing renews meanwhile.
pub const READING: Span = Span::seconds(45);
/// The same for an answer that comes whole: less than the lease of who asks, which nothing renews meanwhile.
pub const STALL_OF_WHOLE: Span = Span::seconds(45);

/// Reads the server-sent events of a streaming model: `data: {"response": "…"}` as Workers AI sends
/// them, or with `choices[0].delta.content` as its OpenAI-shaped models do, ended by `data: [DONE]`.
/// <https://developers.cloudflare.com/workers-ai/features/streaming>/
#[derive(Debug, Default)]
pub struct EventReader {
    rest: Vec<u8>,
    tokens: Option<Tokens>,
    done: bool,
}

#[derive(Deserialize)]
struct Event {
    response: Option<String>,
    #[serde(default)]
    choices: Vec<Choice>,
    usage: Option<Tokens>,
}

#[derive(Deserialize)]
struct Choice {
    delta: Option<Delta>,
}

#[derive(Deserialize)]
struct Delta {
    content: Option<String>,
}

impl EventReader {
    /// Takes the next bytes; gives the text they complete. Lines that are no events are skipped.
    pub fn read(&mut self, bytes: &[u8]) -> String {
        self.rest.extend_from_slice(bytes);
        let mut text = String::new();
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            self.line(&line, &mut text);
        }
        text
    }

    fn line(&mut self, line: &[u8], text: &mut String) {
        let line = line.trim_ascii();
        let Some(data) = line.strip_prefix(b"data:").map(<[u8]>::trim_ascii) else { return };
        if data == b"[DONE]" {
            self.done = true;
            return;
        }
        let Ok(event) = serde_json::from_slice::<Event>(data) else { return };
        self.tokens = event.usage.filter(|tokens| *tokens != Tokens::default()).or(self.tokens);
        text.push_str(event.response.as_deref().unwrap_or_default());
        for choice in event.choices {
            text.push_str(choice.delta.and_then(|delta| delta.content).as_deref().unwrap_or_default());
        }
    }

    /// Tokens as the model counted them, if it said.
    pub fn tokens(&self) -> Option<Tokens> {
        self.tokens
    }

    /// True if the model said that it ended.
    pub fn is_done(&self) -> bool {
        self.done
    }
}

/// An answer that came whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WholeAnswer {
    /// Its text.
    pub text: String,
    /// Its calls, as the model says them.
    pub calls: Vec<Value>,
    /// Its tokens, if the model said.
    pub tokens: Option<Tokens>,
}

/// The same as Workers AI gives it: `response` with text or, of JSON, what it holds, and `tool_calls`; or both in a
/// message, as its OpenAI-shaped models do.
#[derive(Deserialize)]
struct SentAnswer {
    response: Option<Value>,
    tool_calls: Option<Vec<Value>>,
    #[serde(default)]
    choices: Vec<SentChoice>,
    usage: Option<Tokens>,
}

#[derive(Deserialize)]
struct SentChoice {
    message: SentMessage,
}

#[derive(Deserialize)]
struct SentMessage {
    content: Option<String>,
    tool_calls: Option<Vec<Value>>,
}

/// Reads an answer that came whole. `None` for what is no answer: neither text nor a call.
pub fn read_whole(answer: &str) -> Option<WholeAnswer> {
    let answer: SentAnswer = serde_json::from_str(answer).ok()?;
    let message = answer.choices.into_iter().next().map(|choice| choice.message);
    let (content, message_calls) = message.map_or((None, None), |message| (message.content, message.tool_calls));
    let calls = answer.tool_calls.filter(|calls| !calls.is_empty()).or(message_calls).unwrap_or_default();
    let text = match answer.response {
        Some(Value::String(text)) => Some(text),
        Some(Value::Null) | None => content,
        Some(object) => Some(object.to_string()),
    };
    let tokens = answer.usage.filter(|tokens| *tokens != Tokens::default());
    let text = if calls.is_empty() { text? } else { text.unwrap_or_default() };
    Some(WholeAnswer { text, calls, tokens })
}

/// Tokens of a text when the model did not count them: cl100k's, which come near those of the models asked.
pub fn estimated_tokens(text: &str) -> u64 {
    tokenizer::count(text) as u64
}

/// Tokens that a text has at least: see [`tokenizer::least`].
pub fn least_tokens(text: &str) -> u64 {
    tokenizer::least(text) as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STREAM: &str = "data: {\"response\":\"Hé\",\"p\":\"ab\"}\n\n: comment\n\n\
                          data: {\"choices\":[{\"delta\":{\"content\":\"llo\"}}]}\r\n\r\n\
                          data: not json\n\n\
                          data: {\"response\":\"\",\
                          \"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2,\"total_tokens\":9}}\n\n\
                          data: [DONE]\n\n";

    proptest! {
        /// Wherever the network cuts the stream, even inside a character.
        #[test]
        fn a_stream_reads_the_same_however_it_is_cut(cuts in prop::collection::vec(0usize..STREAM.len(), 0..12)) {
            let mut cuts = cuts;
            cuts.extend([0, STREAM.len()]);
            cuts.sort_unstable();
            let mut reader = EventReader::default();
            let text: String = cuts.windows(2).map(|pair| reader.read(&STREAM.as_bytes()[pair[0]..pair[1]])).collect();
            prop_assert_eq!(text, "Héllo");
            prop_assert_eq!(reader.tokens(), Some(Tokens { prompt: 7, completion: 2 }));
            prop_assert!(reader.is_done());
        }
    }

    /// Qwen3 thinks by default: its thoughts come beside the answer, and are none.
    #[test]
    fn thoughts_beside_the_answer_are_not_shown() {
        let mut reader = EventReader::default();
        let text = reader.read(
            b"data: {\"choices\":[{\"delta\":{\"content\":\"\",\"reasoning_content\":\"Hm.\"}}]}\n\n\
              data: {\"choices\":[{\"delta\":{\"content\":null,\"reasoning\":\"Hm!\"}}]}\n\n\
              data: {\"response\":null,\"reasoning_content\":\"Well.\"}\n\n\
              data: {\"choices\":[{\"delta\":{\"content\":\"Glorp.\"}}]}\n\n",
        );
        assert_eq!(text, "Glorp.");
    }

    #[test]
    fn an_answer_that_came_whole_is_text_whatever_shape_it_has() {
        let counted = Some(Tokens { prompt: 7, completion: 2 });
        for answer in [
            r#"{"response":"{\"a\":1}","usage":{"prompt_tokens":7,"completion_tokens":2}}"#,
            r#"{"response":{"a":1},"usage":{"prompt_tokens":7,"completion_tokens":2}}"#,
            r#"{"choices":[{"message":{"content":"{\"a\":1}"}}],"usage":{"prompt_tokens":7,"completion_tokens":2}}"#,
        ] {
            let whole = WholeAnswer { text: r#"{"a":1}"#.to_owned(), calls: Vec::new(), tokens: counted };
            assert_eq!(read_whole(answer), Some(whole), "{answer}");
        }
        let uncounted = WholeAnswer { text: "x".to_owned(), ..WholeAnswer::default() };
        assert_eq!(read_whole(r#"{"response":"x","usage":{"prompt_tokens":0}}"#), Some(uncounted));
        assert_eq!([read_whole("[]"), read_whole("{}"), read_whole("nothing")], [None, None, None]);
    }

    #[test]
    fn calls_are_an_answer_without_text_in_either_shape() {
        for answer in [
            r#"{"response":null,"tool_calls":[{"name":"look","arguments":{}}]}"#,
            r#"{"response":"","tool_calls":[{"name":"look","arguments":{}}]}"#,
            r#"{"choices":[{"message":{"content":null,"tool_calls":[{"name":"look","arguments":{}}]}}]}"#,
        ] {
            let calls = vec![serde_json::json!({"name": "look", "arguments": {}})];
            assert_eq!(read_whole(answer), Some(WholeAnswer { calls, ..WholeAnswer::default() }), "{answer}");
        }
        let text = read_whole(r#"{"choices":[{"message":{"content":"Hi","tool_calls":[]}}]}"#).unwrap();
        assert_eq!((text.text.as_str(), text.calls.len()), ("Hi", 0));
        assert_eq!(read_whole(r#"{"response":null,"tool_calls":[]}"#), None);
    }

    #[test]
    fn what_is_called_and_offered_is_paid_for() {
        let call = r#"{"id":"c","type":"function","function":{"name":"look","arguments":"{}"}}"#;
        let message = |calls: &str| {
            let message = format!(r#"{{"role":"assistant","content":"","tool_calls":[{calls}]}}"#);
            serde_json::from_str::<PromptMessage>(&message).unwrap()
        };
        let generation = |message: PromptMessage, tools: Option<OfferedTools>| Generation {
            model: String::new(),
            messages: vec![message],
            max_tokens: 1,
            price: Price { input: 1.0, output: 1.0 },
            prompt_tokens: 0,
            sampling: Sampling::default(),
            format: None,
            tools,
            patience: Patience::USUAL,
        };
        let offered = r#"{"tools":[{"type":"function","function":{"name":"look","description":"","parameters":{}}}],
                          "choice":"auto","is_single":false}"#;
        let silent = generation(message(""), None).most_neurons();
        let calling = generation(message(call), None).most_neurons();
        let offering = generation(message(""), serde_json::from_str(offered).unwrap()).most_neurons();
        assert!(calling > silent && offering > silent);
    }

    #[test]
    fn prices_add_up() {
        let price = Price { input: 1_542.0, output: 10_158.0 };
        let neurons = price.neurons(Tokens { prompt: 1_000, completion: 100 });
        assert!((neurons - 2.5578).abs() < 1e-9, "{neurons}");
    }
}
