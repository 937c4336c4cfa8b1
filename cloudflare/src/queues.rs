//! [`Queue`] over Queues, and a consumer's view of what is delivered.

use pipeline::{
    constants,
    failure::Failure,
    job::message::{Message, Stage},
    platform::{ports::Queue, statement::json},
    time::Span,
};
use serde::Serialize;
use wasm_bindgen::prelude::*;
use worker::{
    js_sys::{Array, Promise},
    wasm_bindgen_futures::JsFuture,
};

use crate::workers::{Workers, message, plain_object};

#[wasm_bindgen]
extern "C" {
    type Producer;
    #[wasm_bindgen(method, catch, js_name = sendBatch)]
    fn send_batch(this: &Producer, messages: &Array) -> Result<Promise, JsValue>;
}

/// A message as the binding takes it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Outgoing<'a> {
    body: &'a str,
    content_type: &'static str,
}

impl<'a> Outgoing<'a> {
    const fn text(body: &'a str) -> Self {
        Self { body, content_type: "text" }
    }
}

impl Queue for Workers {
    async fn send(&self, messages: Vec<Message>) -> Result<(), Failure> {
        for stage in Stage::ALL {
            let bodies: Vec<String> =
                messages.iter().filter(|message| message.stage == stage).map(Message::encode).collect();
            for bodies in bodies.chunks(constants::MESSAGES_PER_SEND) {
                self.send_to(stage, bodies).await?;
            }
        }
        Ok(())
    }
}

impl Workers {
    async fn send_to(&self, stage: Stage, bodies: &[String]) -> Result<(), Failure> {
        let failure = |error: JsValue| Failure::transient(format!("queue {}: {}", stage.name(), message(&error)));
        let producer: Producer = self.binding(binding(stage))?;
        // One crossing for all of them.
        let outgoing = plain_object(&json(&bodies.iter().map(|body| Outgoing::text(body)).collect::<Vec<_>>())?)?;
        let operations: u64 = bodies.iter().map(|body| operations(body)).sum();
        self.count(|usage| usage.queue_operations += operations);
        self.ask_service("Queues")?;
        let promise = producer.send_batch(outgoing.unchecked_ref()).map_err(failure)?;
        JsFuture::from(promise).await.map(drop).map_err(failure)
    }

    /// Counts a delivery: a read, and the delete of a message that will not come again.
    pub fn count_delivery(&self, body: &str, is_last: bool) {
        let operations = operations(body) * if is_last { 2 } else { 1 };
        self.count(|usage| usage.queue_operations += operations);
    }
}

/// An operation is counted for every 64 KB of a message.
fn operations(body: &str) -> u64 {
    body.len().div_ceil(constants::QUEUE_OPERATION_BYTES).max(1) as u64
}

const fn binding(stage: Stage) -> &'static str {
    match stage {
        Stage::Chunk => "CHUNK_QUEUE",
        Stage::Embed => "EMBED_QUEUE",
        Stage::Upsert => "UPSERT_QUEUE",
        Stage::Unpack => "UNPACK_QUEUE",
        Stage::Purge => "RETIRE_QUEUE",
        Stage::Chat => "CHAT_QUEUE",
        Stage::Archive => "ARCHIVE_QUEUE",
        Stage::Capture => "CAPTURE_QUEUE",
    }
}

#[wasm_bindgen]
extern "C" {
    /// The messages that the runtime delivers to one invocation.
    pub type Deliveries;
    /// The queue's name.
    #[wasm_bindgen(method, getter)]
    pub fn queue(this: &Deliveries) -> String;
    /// Its messages.
    #[wasm_bindgen(method, getter)]
    pub fn messages(this: &Deliveries) -> Array;

    /// One delivered message.
    pub type Delivery;
    /// Its id.
    #[wasm_bindgen(method, getter)]
    pub fn id(this: &Delivery) -> String;
    /// Its body: text, if we sent it.
    #[wasm_bindgen(method, getter)]
    pub fn body(this: &Delivery) -> JsValue;
    /// How often it was delivered.
    #[wasm_bindgen(method, getter)]
    pub fn attempts(this: &Delivery) -> u32;
    /// It will not come again.
    #[wasm_bindgen(method)]
    pub fn ack(this: &Delivery);
    #[wasm_bindgen(method)]
    fn retry(this: &Delivery, options: &JsValue);
}

impl Delivery {
    /// It will come again after so long.
    pub fn retry_after(&self, span: Span) {
        let seconds = span.min(constants::QUEUE_DELAY).as_seconds();
        let options = plain_object(&format!(r#"{{"delaySeconds":{seconds}}}"#)).unwrap_or(JsValue::UNDEFINED);
        self.retry(&options);
    }
}
