//! [`KeyValue`] over KV.

use pipeline::{failure::Failure, ports::KeyValue};
use wasm_bindgen::prelude::*;
use worker::{
    js_sys::{Promise, Uint8Array},
    wasm_bindgen_futures::JsFuture,
};

use crate::{Workers, message, plain_object};

#[wasm_bindgen]
extern "C" {
    type Namespace;
    #[wasm_bindgen(method, catch)]
    fn get(this: &Namespace, key: &str, kind: &str) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn put(this: &Namespace, key: &str, value: &Uint8Array, options: &JsValue) -> Result<Promise, JsValue>;
}

/// KV refuses to forget sooner. <https://developers.cloudflare.com/kv/api/write-key-value-pairs>/
const SHORTEST_SECONDS: u32 = 60;

impl KeyValue for Workers {
    async fn get_value(&self, key: &str) -> Result<Option<Vec<u8>>, Failure> {
        self.count(|usage| usage.kv_reads += 1);
        let promise = self.binding::<Namespace>("CACHE")?.get(key, "arrayBuffer").map_err(|error| failure(&error))?;
        let value = JsFuture::from(promise).await.map_err(|error| failure(&error))?;
        Ok((!value.is_null()).then(|| Uint8Array::new(&value).to_vec()))
    }

    async fn put_value(&self, key: &str, value: Vec<u8>, seconds: u32) -> Result<(), Failure> {
        self.count(|usage| usage.kv_writes += 1);
        let options = plain_object(&format!(r#"{{"expirationTtl":{}}}"#, seconds.max(SHORTEST_SECONDS)))?;
        let value = Uint8Array::from(value.as_slice());
        let promise =
            self.binding::<Namespace>("CACHE")?.put(key, &value, &options).map_err(|error| failure(&error))?;
        JsFuture::from(promise).await.map(drop).map_err(|error| failure(&error))
    }
}

fn failure(error: &JsValue) -> Failure {
    Failure::transient(format!("KV: {}", message(error)))
}
