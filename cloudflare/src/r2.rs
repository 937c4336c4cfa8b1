//! [`ObjectStore`] over R2.

use futures_util::future::join;
use pipeline::{
    failure::Failure,
    platform::ports::{Object, ObjectStore, PutIf, UnreadBody},
};
use wasm_bindgen::prelude::*;
use worker::{
    js_sys::{Array, Promise, Uint8Array},
    wasm_bindgen_futures::JsFuture,
};

use crate::workers::{Workers, message, plain_object};

#[wasm_bindgen]
extern "C" {
    type R2;
    #[wasm_bindgen(method, catch)]
    fn get(this: &R2, key: &str, options: &JsValue) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn put(this: &R2, key: &str, value: &JsValue, options: &JsValue) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn delete(this: &R2, keys: &Array) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn list(this: &R2, options: &JsValue) -> Result<Promise, JsValue>;

    type R2Object;
    #[wasm_bindgen(method, getter)]
    fn etag(this: &R2Object) -> String;
    #[wasm_bindgen(method, getter)]
    fn key(this: &R2Object) -> String;
    #[wasm_bindgen(method, catch, js_name = arrayBuffer)]
    fn array_buffer(this: &R2Object) -> Result<Promise, JsValue>;

    type Readable;
    #[wasm_bindgen(method, catch, js_name = pipeTo)]
    fn pipe_to(this: &Readable, writable: &JsValue) -> Result<Promise, JsValue>;

    /// R2 takes a stream only of a known length, and this one fails where it has another.
    type FixedLengthStream;
    #[wasm_bindgen(constructor, catch)]
    fn new(length: f64) -> Result<FixedLengthStream, JsValue>;
    #[wasm_bindgen(method, getter)]
    fn readable(this: &FixedLengthStream) -> JsValue;
    #[wasm_bindgen(method, getter)]
    fn writable(this: &FixedLengthStream) -> JsValue;

    type R2Objects;
    #[wasm_bindgen(method, getter)]
    fn objects(this: &R2Objects) -> Array;
}

impl ObjectStore for Workers {
    async fn get(&self, key: &str, range: Option<(u64, u64)>) -> Result<Option<Object>, Failure> {
        let options = match range {
            Some((start, end)) => format!(r#"{{"range":{{"offset":{start},"length":{}}}}}"#, end.saturating_sub(start)),
            None => "{}".to_owned(),
        };
        self.count(|usage| usage.r2_class_b += 1);
        self.ask_service("R2")?;
        let found = resolve(self.binding::<R2>("BUCKET")?.get(key, &plain_object(&options)?)).await?;
        if found.is_null() {
            return Ok(None);
        }
        let object: R2Object = found.unchecked_into();
        let buffer = resolve(object.array_buffer()).await?;
        Ok(Some(Object { bytes: Uint8Array::new(&buffer).to_vec(), etag: object.etag() }))
    }

    async fn put(&self, key: &str, bytes: Vec<u8>, condition: PutIf) -> Result<bool, Failure> {
        let options = match condition {
            PutIf::Always => "{}".to_owned(),
            PutIf::Absent => r#"{"onlyIf":{"etagDoesNotMatch":"*"}}"#.to_owned(),
            PutIf::Unchanged(etag) => format!(r#"{{"onlyIf":{{"etagMatches":{}}}}}"#, serde_json::Value::from(etag)),
        };
        self.count(|usage| usage.r2_class_a += 1);
        self.ask_service("R2")?;
        let value = Uint8Array::from(bytes.as_slice());
        let stored = resolve(self.binding::<R2>("BUCKET")?.put(key, &value, &plain_object(&options)?)).await?;
        Ok(!stored.is_null())
    }

    async fn delete(&self, keys: &[String]) -> Result<(), Failure> {
        self.ask_service("R2")?;
        let keys: Array = keys.iter().map(|key| JsValue::from_str(key)).collect();
        resolve(self.binding::<R2>("BUCKET")?.delete(&keys)).await.map(drop)
    }

    async fn list(&self, prefix: &str, start_after: Option<&str>) -> Result<Vec<String>, Failure> {
        let prefix = serde_json::Value::from(prefix);
        let options = match start_after {
            Some(start) => format!(r#"{{"prefix":{prefix},"startAfter":{}}}"#, serde_json::Value::from(start)),
            None => format!(r#"{{"prefix":{prefix}}}"#),
        };
        self.count(|usage| usage.r2_class_a += 1);
        self.ask_service("R2")?;
        let page: R2Objects =
            resolve(self.binding::<R2>("BUCKET")?.list(&plain_object(&options)?)).await?.unchecked_into();
        Ok(page.objects().iter().map(|object| object.unchecked_into::<R2Object>().key()).collect())
    }
}

/// From the client into R2 without a byte in wasm: both ends are the runtime's own.
impl UnreadBody for Workers {
    async fn store_body(&self, key: &str, length: u64) -> Result<String, Failure> {
        let body = self.body.borrow_mut().take();
        let body: Readable = body.ok_or_else(|| Failure::bug("the body was taken before"))?.unchecked_into();
        #[expect(clippy::cast_precision_loss, reason = "a request's length is below 2^53")]
        let fixed = FixedLengthStream::new(length as f64).map_err(|error| Failure::bug(message(&error)))?;
        let bucket = self.binding::<R2>("BUCKET")?;
        self.count(|usage| usage.r2_class_a += 1);
        self.ask_service("R2")?;
        let sent = async {
            let piped = JsFuture::from(body.pipe_to(&fixed.writable())?).await;
            piped.map(drop)
        };
        let stored = resolve(bucket.put(key, &fixed.readable(), &plain_object("{}")?));
        let (sent, stored) = join(sent, stored).await;
        match (sent, stored) {
            (_, Ok(object)) => Ok(object.unchecked_into::<R2Object>().etag()),
            // Whichever end gave up first, the other did with it.
            (Err(error), Err(failure)) => {
                Err(Failure::transient(format!("{}; the body: {}", failure.why, message(&error))))
            }
            (Ok(()), Err(failure)) => Err(failure),
        }
    }
}

async fn resolve(promise: Result<Promise, JsValue>) -> Result<JsValue, Failure> {
    let failure = |error: JsValue| Failure::transient(format!("R2: {}", message(&error)));
    JsFuture::from(promise.map_err(failure)?).await.map_err(failure)
}
