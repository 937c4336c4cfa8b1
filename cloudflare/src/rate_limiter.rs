//! [`RateLimiter`] over the rate-limit bindings, and in the isolate's memory while they do not answer.

use std::cell::{Cell, RefCell};

use pipeline::platform::{
    bursts::Bursts,
    ports::{Burst, Clock as _, RateLimiter},
};
use wasm_bindgen::prelude::*;
use worker::{js_sys::Promise, wasm_bindgen_futures::JsFuture};

use crate::{
    log::log,
    workers::{Workers, plain_object},
};

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
    /// True while the binding does not answer.
    static COUNTS_ITSELF: Cell<bool> = const { Cell::new(false) };
}

impl RateLimiter for Workers {
    async fn admit(&self, burst: Burst, caller: &str) -> bool {
        let verdict = self.verdict(burst, caller).await;
        note(verdict.is_none());
        match verdict {
            Some(is_admitted) => is_admitted,
            None => COUNTED.with_borrow_mut(|bursts| bursts.admit(burst, caller, self.now())),
        }
    }
}

/// Logs for operators, once each time, that the binding ceases to answer or answers again.
fn note(counts_itself: bool) {
    if COUNTS_ITSELF.replace(counts_itself) != counts_itself {
        let counted = if counts_itself { "in this isolate" } else { "by the binding" };
        log(&serde_json::json!({ "bursts_are_counted": counted }));
    }
}

impl Workers {
    /// `None` if the binding is missing or fails.
    async fn verdict(&self, burst: Burst, caller: &str) -> Option<bool> {
        self.strictness.admit("Rate limiting", Ok(()), self.now()).ok()?;
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
