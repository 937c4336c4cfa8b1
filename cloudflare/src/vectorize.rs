//! [`VectorIndex`] over Vectorize.

use pipeline::{
    failure::Failure,
    platform::{
        errors,
        ports::{VectorIndex, VectorMatch, VectorRecord},
    },
};
use wasm_bindgen::prelude::*;
use worker::{
    js_sys::{Array, Float32Array, Promise, Reflect},
    wasm_bindgen_futures::JsFuture,
};

use crate::workers::{Workers, message, plain_object};

#[wasm_bindgen]
extern "C" {
    type Index;
    #[wasm_bindgen(method, catch)]
    fn upsert(this: &Index, vectors: &Array) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn query(this: &Index, vector: &Float32Array, options: &JsValue) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch, js_name = deleteByIds)]
    fn delete_by_ids(this: &Index, ids: &Array) -> Result<Promise, JsValue>;

    type Matches;
    #[wasm_bindgen(method, getter)]
    fn matches(this: &Matches) -> Array;

    type Match;
    #[wasm_bindgen(method, getter)]
    fn id(this: &Match) -> String;
    #[wasm_bindgen(method, getter)]
    fn score(this: &Match) -> f64;
}

impl VectorIndex for Workers {
    async fn upsert(&self, namespace: &str, vectors: &[VectorRecord]) -> Result<(), Failure> {
        if vectors.is_empty() {
            return Ok(());
        }
        let records = Array::new();
        for vector in vectors {
            let id = serde_json::Value::from(vector.id.as_str());
            let namespace = serde_json::Value::from(namespace);
            let record =
                plain_object(&format!(r#"{{"id":{id},"namespace":{namespace},"metadata":{}}}"#, vector.metadata))?;
            let values = Float32Array::from(vector.values.as_slice());
            Reflect::set(&record, &JsValue::from_str("values"), &values).map_err(|error| failure(&error))?;
            records.push(&record);
        }
        self.count(|usage| usage.vectors_upserted += vectors.len() as u64);
        self.ask_service("Vectorize")?;
        resolve(self.binding::<Index>("VECTORIZE")?.upsert(&records)).await.map(drop)
    }

    async fn query(
        &self,
        namespace: &str,
        vector: &[f32],
        top_k: usize,
        filter: Option<String>,
    ) -> Result<Vec<VectorMatch>, Failure> {
        let namespace = serde_json::Value::from(namespace);
        let filter = filter.map(|filter| format!(r#","filter":{filter}"#)).unwrap_or_default();
        let options = format!(
            r#"{{"topK":{top_k},"namespace":{namespace},"returnMetadata":"none","returnValues":false{filter}}}"#
        );
        self.count(|usage| usage.vectors_queried += 1);
        self.ask_service("Vectorize")?;
        let index: Index = self.binding("VECTORIZE")?;
        let found: Matches =
            resolve(index.query(&Float32Array::from(vector), &plain_object(&options)?)).await?.unchecked_into();
        let to_match = |found: Match| VectorMatch { id: found.id(), score: found.score() };
        Ok(found.matches().iter().map(|found| to_match(found.unchecked_into())).collect())
    }

    async fn remove(&self, ids: &[String]) -> Result<(), Failure> {
        if ids.is_empty() {
            return Ok(());
        }
        self.ask_service("Vectorize")?;
        let ids: Array = ids.iter().map(|id| JsValue::from_str(id)).collect();
        resolve(self.binding::<Index>("VECTORIZE")?.delete_by_ids(&ids)).await.map(drop)
    }
}

async fn resolve(promise: Result<Promise, JsValue>) -> Result<JsValue, Failure> {
    let promise = promise.map_err(|error| failure(&error))?;
    JsFuture::from(promise).await.map_err(|error| failure(&error))
}

/// What a call that failed means.
fn failure(error: &JsValue) -> Failure {
    errors::of_vectorize(&message(error))
}
