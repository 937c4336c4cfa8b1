//! The only place that knows Workers: the ports over bindings.
//!
//! Everything crosses into JavaScript as text, bytes or numbers. Maps would arrive as `Map`, which
//! D1, Vectorize and AI ignore silently, so structured data is JSON text that `JSON.parse` turns
//! into plain objects. Every call is counted where it is made.

mod ai;
mod clock;
mod d1;
mod generation;
mod kv;
mod log;
mod queues;
mod r2;
mod rooms;
mod vectorize;

use std::{cell::Cell, rc::Rc};

use pipeline::{failure::Failure, ids::UserId, ports::Database, usage::Usage};
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
    usage: Rc<Cell<Usage>>,
}

impl Workers {
    /// For an invocation with these bindings.
    pub fn new(env: Env) -> Self {
        Self { env, usage: Rc::new(Cell::new(Usage::default())) }
    }

    /// What has been used so far.
    pub fn usage(&self) -> Usage {
        self.usage.get()
    }

    /// Counts operations that the platform makes by itself, such as a message's delivery.
    pub fn count(&self, add: impl FnOnce(&mut Usage)) {
        let mut usage = self.usage.get();
        add(&mut usage);
        self.usage.set(usage);
    }

    /// Writes the invocation's usage row; its own row is in it. A failure loses a statistic only.
    pub async fn record_usage(&self, id: &str, user: Option<&UserId>, source: &str) {
        use pipeline::ports::Clock as _;
        self.count(|usage| usage.d1_rows_written += 1);
        let row = self.usage().row(self.now(), id, user, source);
        let _ = self.batch(vec![row]).await;
    }

    fn binding<T: JsCast>(&self, name: &str) -> Result<T, Failure> {
        let value = Reflect::get(&self.env, &JsValue::from_str(name)).unwrap_or(JsValue::UNDEFINED);
        if value.is_undefined() {
            return Err(Failure::bug(format!("the binding {name} is missing")));
        }
        Ok(value.unchecked_into())
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
