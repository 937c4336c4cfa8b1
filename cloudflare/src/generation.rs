//! [`Generator`] over Workers AI, streaming.

use futures_util::future::{Either, select};
use pipeline::{
    chat::generation::{EventReader, Flow, Generation, PromptMessage, STALL, Sink, Tokens, estimated_tokens},
    failure::Failure,
    platform::{
        ports::{Clock, Generator},
        statement::json,
    },
};
use serde::Serialize;
use wasm_bindgen::prelude::*;
use worker::{
    js_sys::{Promise, Uint8Array},
    wasm_bindgen_futures::JsFuture,
};

use crate::{
    ai::{Ai, failure},
    workers::{Workers, plain_object},
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
    fn value(this: &Piece) -> JsValue;
}

#[derive(Serialize)]
struct Input<'a> {
    messages: &'a [PromptMessage],
    stream: bool,
    max_tokens: u32,
}

impl Generator for Workers {
    async fn generate<S: Sink>(&self, generation: &Generation, sink: &mut S) -> Result<Tokens, Failure> {
        let input = Input { messages: &generation.messages, stream: true, max_tokens: generation.max_tokens };
        let input = plain_object(&json(&input)?)?;
        let ai: Ai = self.binding("AI")?;
        self.ask_service("AI")?;
        let promise = ai.run(&generation.model, &input).map_err(|error| failure(&error))?;
        let stream: Stream = self.unless_stalled(promise).await?.unchecked_into();
        let reader = stream.get_reader().map_err(|_| Failure::transient("Workers AI: the answer is no stream"))?;
        let mut events = EventReader::default();
        let mut said = String::new();
        let outcome = self.read_all(&reader, &mut events, &mut said, sink).await;
        // Billed for what it wrote, whatever became of it.
        let prompt: u64 = generation.messages.iter().map(|message| estimated_tokens(&message.content)).sum();
        let tokens = events.tokens().unwrap_or(Tokens { prompt, completion: estimated_tokens(&said) });
        self.count(|usage| usage.neurons += generation.price.neurons(tokens));
        let stopped = outcome?;
        if stopped == Flow::Continue && !events.is_done() {
            return Err(Failure::transient("Workers AI: the answer broke off"));
        }
        Ok(tokens)
    }
}

impl Workers {
    async fn read_all<S: Sink>(
        &self,
        reader: &Reader,
        events: &mut EventReader,
        said: &mut String,
        sink: &mut S,
    ) -> Result<Flow, Failure> {
        loop {
            let promise = reader.read().map_err(|error| failure(&error))?;
            let piece: Piece = match self.unless_stalled(promise).await {
                Ok(piece) => piece.unchecked_into(),
                Err(failure) => {
                    // Nobody reads on: the model may stop.
                    let _ = reader.cancel();
                    return Err(failure);
                }
            };
            if piece.done() {
                return Ok(Flow::Continue);
            }
            let text = events.read(&Uint8Array::new(&piece.value()).to_vec());
            said.push_str(&text);
            if !text.is_empty() && sink.accept(&text).await == Flow::Stop {
                let _ = reader.cancel();
                return Ok(Flow::Stop);
            }
        }
    }

    /// A promise's value, unless it takes longer than a model may be silent.
    async fn unless_stalled(&self, promise: Promise) -> Result<JsValue, Failure> {
        let waiting = Box::pin(self.sleep(STALL));
        match select(JsFuture::from(promise), waiting).await {
            Either::Left((answer, _)) => answer.map_err(|error| failure(&error)),
            Either::Right(((), _)) => Err(Failure::transient("Workers AI: the model says nothing")),
        }
    }
}
