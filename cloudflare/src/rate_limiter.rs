//! [`RateLimiter`] over the rate-limit bindings, and in the isolate's memory while they do not answer.

use std::cell::RefCell;

use pipeline::platform::{
    bursts::Bursts,
    ports::{Burst, Clock as _, RateLimiter},
};
use wasm_bindgen::prelude::*;
use worker::{js_sys::Promise, wasm_bindgen_futures::JsFuture};

use crate::workers::{Workers, plain_object};

#[wasm_bindgen]
extern "C" {
    type Limiter;
    #[wasm_bindgen(method, catch)]
    fn limit(this: &Limiter, options: &JsValue) -> Result<Promise, JsValue>;

    type Verdict;
    #[wasm_bindgen(method, getter)]
    fn success(this: &Verdict) -> bool;
}

thread_local! {
    /// What this isolate counts itself.
    static COUNTED: RefCell<Bursts> = const { RefCell::new(Bursts::new()) };
}

impl RateLimiter for Workers {
    async fn admit(&self, burst: Burst, caller: &str) -> bool {
        match self.verdict(burst, caller).await {
            Some(is_admitted) => is_admitted,
            None => COUNTED.with_borrow_mut(|bursts| bursts.admit(burst, caller, self.now())),
        }
    }
}

impl Workers {
    /// `None` if the binding is missing or fails.
    async fn verdict(&self, burst: Burst, caller: &str) -> Option<bool> {
        let binding = match burst {
            Burst::Address => "BURST_ADDRESS",
            Burst::Key => "BURST_KEY",
            Burst::Refused => "BURST_REFUSED",
        };
        let limiter: Limiter = self.binding(binding).ok()?;
        let options = plain_object(&serde_json::json!({ "key": caller }).to_string()).ok()?;
        let promise = limiter.limit(&options).ok()?;
        let verdict: Verdict = JsFuture::from(promise).await.ok()?.unchecked_into();
        Some(verdict.success())
    }
}
