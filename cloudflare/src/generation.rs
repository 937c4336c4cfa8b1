//! [`Generator`] over Workers AI, streaming.

use std::{cell::Cell, pin::pin};

use futures_util::future::{Either, select};
use pipeline::{
    chat::{
        client::{AnswerFormat, Sampling},
        generation::{
            EventReader, Flow, Generated, Generation, Patience, PromptMessage, STALL_OF_WHOLE, Sink, Tokens,
            estimated_tokens, read_whole,
        },
        tools::{Tool, ToolChoice},
    },
    failure::Failure,
    platform::{
        ports::{Clock, Generator},
        statement::json,
    },
    time::{Span, Timestamp},
};
use serde::Serialize;
use wasm_bindgen::prelude::*;
use worker::{
    js_sys::{JSON, Promise, Uint8Array},
    wasm_bindgen_futures::JsFuture,
};

use crate::{
    ai::{Ai, failure},
    workers::{Workers, copied, plain_object},
};

#[wasm_bindgen]
extern "C" {
    type Stream;
    #[wasm_bindgen(method, catch, js_name = getReader)]
    fn get_reader(this: &Stream) -> Result<Reader, JsValue>;

    type Reader;
    #[wasm_bindgen(method, catch)]
    fn read(this: &Reader) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn cancel(this: &Reader) -> Result<Promise, JsValue>;

    type Piece;
    #[wasm_bindgen(method, getter)]
    fn done(this: &Piece) -> bool;
    #[wasm_bindgen(method, getter)]
    fn value(this: &Piece) -> Uint8Array;
}

/// How often it is looked whether a model says something.
const LOOK_EVERY: Span = Span::seconds(5);

/// An answer that comes whole is silence until it is there.
const WHOLE: Patience = Patience { reading: STALL_OF_WHOLE, writing: STALL_OF_WHOLE };

#[derive(Serialize)]
struct Input<'a> {
    messages: &'a [PromptMessage],
    stream: bool,
    max_tokens: u32,
    #[serde(flatten)]
    sampling: Sampling,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<&'a AnswerFormat>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<&'a [Tool]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<&'a ToolChoice>,
}

impl Generator for Workers {
    async fn generate<S: Sink>(&self, generation: &Generation, sink: &mut S) -> Result<Generated, Failure> {
        if generation.comes_whole() {
            return self.generate_whole(generation, sink).await;
        }
        let heard = Cell::new(0);
        let asked = self.now();
        let stream: Stream =
            self.unless_stalled(self.run(generation)?, &heard, generation.patience, asked).await?.unchecked_into();
        let reader = stream.get_reader().map_err(|_| Failure::transient("Workers AI: the answer is no stream"))?;
        let mut events = EventReader::default();
        let mut said = String::new();
        let reading = read_all(&reader, &mut events, &mut said, sink, &heard);
        let outcome = self.unless_stalled(reading, &heard, generation.patience, asked).await;
        if !matches!(outcome, Ok(Flow::Continue)) {
            // Nobody reads on: the model may stop.
            let _ = reader.cancel();
        }
        // Billed for what it wrote, whatever became of it. Most models say how much that was.
        let tokens = events
            .tokens()
            .unwrap_or_else(|| Tokens { prompt: generation.prompt_tokens, completion: estimated_tokens(&said) });
        self.count(|usage| usage.neurons += generation.price.neurons(tokens));
        let stopped = outcome?;
        if stopped == Flow::Continue && !events.is_done() {
            return Err(Failure::transient("Workers AI: the answer broke off"));
        }
        Ok(tokens.into())
    }
}

/// Reads a stream to its end, or until nobody wants the rest. Counts the pieces.
async fn read_all<S: Sink>(
    reader: &Reader,
    events: &mut EventReader,
    said: &mut String,
    sink: &mut S,
    heard: &Cell<u32>,
) -> Result<Flow, Failure> {
    loop {
        let promise = reader.read().map_err(|error| failure(&error))?;
        let piece: Piece = JsFuture::from(promise).await.map_err(|error| failure(&error))?.unchecked_into();
        heard.set(heard.get() + 1);
        if piece.done() {
            return Ok(Flow::Continue);
        }
        let text = events.read(&piece.value().to_vec());
        said.push_str(&text);
        if !text.is_empty() && sink.accept(&text).await == Flow::Stop {
            return Ok(Flow::Stop);
        }
    }
}

impl Workers {
    /// Asks a model; what it answers.
    fn run(&self, generation: &Generation) -> Result<impl Future<Output = Result<JsValue, Failure>>, Failure> {
        let tools = generation.tools.as_ref();
        let input = Input {
            messages: &generation.messages,
            stream: !generation.comes_whole(),
            max_tokens: generation.max_tokens,
            sampling: generation.sampling,
            response_format: generation.format.as_ref(),
            tools: tools.map(|tools| &tools.tools[..]),
            // What a model does by itself is not asked for: not every one knows the word.
            tool_choice: tools.map(|tools| &tools.choice).filter(|choice| choice.is_forced()),
        };
        let input = plain_object(&json(&input)?)?;
        let ai: Ai = self.binding("AI")?;
        self.ask_service("AI")?;
        let promise = ai.run(&generation.model, &input).map_err(|error| failure(&error))?;
        Ok(async { JsFuture::from(promise).await.map_err(|error| failure(&error)) })
    }

    /// The same for an answer that Workers AI does not stream.
    async fn generate_whole<S: Sink>(&self, generation: &Generation, sink: &mut S) -> Result<Generated, Failure> {
        let answer = self.unless_stalled(self.run(generation)?, &Cell::new(0), WHOLE, self.now()).await?;
        let answer = JSON::stringify(&answer).map(|text| copied(&text)).unwrap_or_default();
        let read = read_whole(&answer);
        let whole = read.clone().unwrap_or_default();
        let said = || whole.calls.iter().fold(whole.text.clone(), |text, call| text + &call.to_string());
        let tokens = whole
            .tokens
            .unwrap_or_else(|| Tokens { prompt: generation.prompt_tokens, completion: estimated_tokens(&said()) });
        self.count(|usage| usage.neurons += generation.price.neurons(tokens));
        if read.is_none() {
            return Err(Failure::transient("Workers AI: the answer holds no text"));
        }
        sink.accept(&whole.text).await;
        Ok(Generated { tokens, calls: whole.calls })
    }

    /// What `work` comes to, unless it hears nothing for as long as a model may be silent: before its first word, and
    /// after it.
    async fn unless_stalled<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
        heard: &Cell<u32>,
        patience: Patience,
        since: Timestamp,
    ) -> Result<T, Failure> {
        match select(pin!(work), pin!(self.silence(heard, patience, since))).await {
            Either::Left((done, _)) => done,
            Either::Right(((), _)) => Err(Failure::transient("Workers AI: the model says nothing")),
        }
    }

    /// Ends when nothing was heard for so long. Looks now and then: an answer has a thousand pieces, and a timer for
    /// each would cost as much as reading it.
    async fn silence(&self, heard: &Cell<u32>, patience: Patience, since: Timestamp) {
        // However an answer begins, it is waited for once.
        let (mut before, mut silent) = (heard.get(), self.now().since(since));
        // What has said nothing so far is reading.
        let longest = |heard| if heard == 0 { patience.reading } else { patience.writing };
        while silent < longest(before) {
            let pause = LOOK_EVERY.min(longest(before) - silent);
            self.sleep(pause).await;
            silent = if heard.get() == before { silent + pause } else { Span::ZERO };
            before = heard.get();
        }
    }
}
