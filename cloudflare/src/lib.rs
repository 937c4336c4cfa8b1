//! The only place that knows Workers: the ports over bindings.
//!
//! Everything crosses into JavaScript as text, bytes or numbers. Maps would arrive as `Map`, which
//! D1, Vectorize and AI ignore silently, so structured data is JSON text that `JSON.parse` turns
//! into plain objects. Every call is counted where it is made.

mod ai;
mod channels;
mod clock;
mod d1;
mod deployment;
mod generation;
mod kv;
mod log;
mod outside;
mod queues;
mod r2;
mod rate_limiter;
mod vectorize;

use std::{cell::Cell, rc::Rc};

use pipeline::{
    budget::{
        ledger::{self, Entry},
        usage::Usage,
    },
    failure::Failure,
    platform::ports::Meter,
    time::Span,
};
use wasm_bindgen::{JsCast, JsValue};
use worker::{
    Env,
    js_sys::{self, Reflect},
};

pub use log::log;
pub use queues::{Batch, Delivery};

/// The platform as one invocation sees it: its bindings, and a count of what it used of them.
#[derive(Clone)]
pub struct Workers {
    env: Env,
    invocation: Rc<str>,
    clock_shift: Span,
    usage: Rc<Cell<Usage>>,
    reserved: Rc<Cell<bool>>,
}

impl Workers {
    /// The platform of an invocation with these bindings.
    pub fn new(env: Env) -> Self {
        let clock_shift = clock::shift(&env);
        Self { env, invocation: Rc::from(""), clock_shift, usage: Rc::default(), reserved: Rc::default() }
    }

    /// The same, named for the ledger: the name must be the invocation's own.
    #[must_use]
    pub fn named(self, invocation: &str) -> Self {
        Self { invocation: Rc::from(invocation), ..self }
    }

    /// Counts operations that the platform makes by itself, such as a message's delivery.
    pub fn count(&self, add: impl FnOnce(&mut Usage)) {
        let mut usage = self.usage.get();
        add(&mut usage);
        self.usage.set(usage);
    }

    /// Ends the invocation in the ledger. If that fails a statistic is lost; neurons it had reserved
    /// stay counted.
    pub async fn record(&self, entry: Entry<'_>) {
        if let Err(failure) = ledger::record(self, entry).await {
            log(&serde_json::json!({ "unrecorded": &*self.invocation, "failure": failure.to_string() }));
        }
    }

    fn binding<T: JsCast>(&self, name: &str) -> Result<T, Failure> {
        let value = Reflect::get(&self.env, &JsValue::from_str(name)).unwrap_or(JsValue::UNDEFINED);
        if value.is_undefined() {
            return Err(Failure::bug(format!("the binding {name} is missing")));
        }
        Ok(value.unchecked_into())
    }
}

impl Meter for Workers {
    fn invocation(&self) -> String {
        self.invocation.to_string()
    }

    fn usage(&self) -> Usage {
        self.usage.get()
    }

    fn has_reserved(&self) -> bool {
        self.reserved.get()
    }

    fn note_reservation(&self) {
        self.reserved.set(true);
    }
}

/// The words of a JavaScript error.
fn message(error: &JsValue) -> String {
    error
        .dyn_ref::<js_sys::Error>()
        .map(|error| String::from(error.message()))
        .or_else(|| error.as_string())
        .unwrap_or_else(|| "an error without a message".to_owned())
}

/// JSON text to a plain object.
fn plain_object(text: &str) -> Result<JsValue, Failure> {
    js_sys::JSON::parse(text).map_err(|error| Failure::bug(format!("not JSON: {}", message(&error))))
}

/// Makes a panic say where it happened. Runs in global scope: no I/O.
pub fn install_panic_hook() {
    console_error_panic_hook::set_once();
}
