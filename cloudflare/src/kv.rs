//! [`KeyValue`] over KV.
//!
//! Configuration is asked about with every request, and a ban with every request of who was refused before. KV
//! itself answers them from a cache for up to a minute; the isolate does the same, and saves the reads.

use std::{cell::RefCell, collections::HashMap};

use pipeline::{
    failure::Failure,
    platform::{
        object_keys,
        ports::{Clock, KeyValue},
    },
    time::{MINUTE, Span, Timestamp},
};
use wasm_bindgen::prelude::*;
use worker::{
    js_sys::{Promise, Uint8Array},
    wasm_bindgen_futures::JsFuture,
};

use crate::workers::{Workers, message, plain_object};

#[wasm_bindgen]
extern "C" {
    type Namespace;
    #[wasm_bindgen(method, catch)]
    fn get(this: &Namespace, key: &str, kind: &str) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn put(this: &Namespace, key: &str, value: &Uint8Array, options: &JsValue) -> Result<Promise, JsValue>;
}

/// KV refuses to forget sooner. <https://developers.cloudflare.com/kv/api/write-key-value-pairs>/
const SHORTEST: Span = MINUTE;

/// Values that this isolate remembers at most; callers come and go.
const REMEMBERED: usize = 1_000;

/// What KV said, and when.
#[derive(Clone)]
struct Seen {
    at: Timestamp,
    value: Option<Vec<u8>>,
}

thread_local! {
    static SEEN: RefCell<HashMap<String, Seen>> = RefCell::default();
}

fn seen(key: &str, now: Timestamp) -> Option<Seen> {
    SEEN.with_borrow(|seen| seen.get(key).filter(|seen| now.since(seen.at) < MINUTE).cloned())
}

fn note(key: &str, now: Timestamp, value: Option<Vec<u8>>) {
    SEEN.with_borrow_mut(|seen| {
        if seen.len() >= REMEMBERED {
            seen.clear();
        }
        seen.insert(key.to_owned(), Seen { at: now, value });
    });
}

impl KeyValue for Workers {
    async fn get_value(&self, key: &str) -> Result<Option<Vec<u8>>, Failure> {
        let steady = object_keys::is_asked_always(key);
        if steady && let Some(seen) = seen(key, self.now()) {
            return Ok(seen.value);
        }
        self.count(|usage| usage.kv_reads += 1);
        self.ask_service("KV")?;
        let promise = self.binding::<Namespace>("CACHE")?.get(key, "arrayBuffer").map_err(|error| failure(&error))?;
        let value = JsFuture::from(promise).await.map_err(|error| failure(&error))?;
        let value = (!value.is_null()).then(|| Uint8Array::new(&value).to_vec());
        if steady {
            note(key, self.now(), value.clone());
        }
        Ok(value)
    }

    async fn put_value(&self, key: &str, value: Vec<u8>, kept: Span) -> Result<(), Failure> {
        self.count(|usage| usage.kv_writes += 1);
        self.ask_service("KV")?;
        if object_keys::is_asked_always(key) {
            note(key, self.now(), Some(value.clone()));
        }
        let options = plain_object(&format!(r#"{{"expirationTtl":{}}}"#, kept.max(SHORTEST).as_seconds()))?;
        let value = Uint8Array::from(value.as_slice());
        let promise =
            self.binding::<Namespace>("CACHE")?.put(key, &value, &options).map_err(|error| failure(&error))?;
        JsFuture::from(promise).await.map(drop).map_err(|error| failure(&error))
    }
}

fn failure(error: &JsValue) -> Failure {
    Failure::transient(format!("KV: {}", message(error)))
}
