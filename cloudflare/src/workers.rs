//! The platform as one invocation sees it, and how values cross into JavaScript.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use pipeline::{
    budget::{
        ledger::{self, Entry},
        usage::Usage,
    },
    failure::Failure,
    plan::Plan,
    platform::{
        asked::Asked,
        isolate::IsolateMemory,
        ports::{Clock as _, Isolate, Meter},
    },
    time::Span,
};
use wasm_bindgen::{JsCast, JsValue, prelude::wasm_bindgen};
use worker::{
    Env,
    js_sys::{self, JsString, Reflect, Uint8Array},
};

use crate::{database_size, log::log, strict::Strictness};

/// The platform as one invocation sees it: its bindings, and a count of what it used of them.
#[derive(Clone)]
pub struct Workers {
    pub(crate) env: Env,
    /// By how much its clock is wrong on purpose.
    pub(crate) clock_shift: Span,
    invocation: Rc<str>,
    /// The body of the request that is being answered, until it is taken.
    pub(crate) body: Rc<RefCell<Option<JsValue>>>,
    usage: Rc<Cell<Usage>>,
    asked: Rc<Cell<Asked>>,
    pub(crate) strictness: Rc<Strictness>,
    reserved: Rc<Cell<bool>>,
}

impl Workers {
    /// The platform of an invocation with these bindings.
    pub fn new(env: Env) -> Self {
        let clock_shift = clock_shift(&env);
        let plan = Plan::parse(&plan_name(&env)).unwrap_or_default();
        let strictness = Rc::new(Strictness::of(&env, plan));
        Self {
            env,
            invocation: Rc::from(""),
            clock_shift,
            body: Rc::default(),
            usage: Rc::default(),
            asked: Rc::new(Cell::new(Asked::on(plan))),
            strictness,
            reserved: Rc::default(),
        }
    }

    /// The same, named for the ledger: the name must be the invocation's own.
    #[must_use]
    pub fn named(self, invocation: &str) -> Self {
        Self { invocation: Rc::from(invocation), ..self }
    }

    /// The same, answering a request with this body, a stream that nobody reads so far.
    #[must_use]
    pub fn answering(self, body: Option<JsValue>) -> Self {
        *self.body.borrow_mut() = body;
        self
    }

    /// One of the messages that were delivered to the invocation, named for the ledger: it is counted by itself, and
    /// what it asks of the platform is asked by the invocation.
    #[must_use]
    pub fn for_message(&self, message: &str) -> Self {
        Self { invocation: Rc::from(message), usage: Rc::default(), reserved: Rc::default(), ..self.clone() }
    }

    /// Counts a request before it is made; a strict deployment refuses what production would.
    pub(crate) fn ask(
        &self,
        service: &str,
        count: impl FnOnce(&mut Asked) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut asked = self.asked.get();
        let admitted = count(&mut asked);
        self.asked.set(asked);
        self.strictness.admit(service, admitted, self.now())
    }

    /// As [`ask`](Self::ask), for one of Cloudflare's services other than D1.
    pub(crate) fn ask_service(&self, service: &str) -> Result<(), Failure> {
        self.ask(service, Asked::count_subrequest)
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

    pub(crate) fn binding<T: JsCast>(&self, name: &str) -> Result<T, Failure> {
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

    fn asked(&self) -> Asked {
        self.asked.get()
    }

    fn database_bytes(&self) -> u64 {
        database_size::last()
    }

    fn has_reserved(&self) -> bool {
        self.reserved.get()
    }

    fn note_reservation(&self) {
        self.reserved.set(true);
    }
}

thread_local! {
    static MEMORY: RefCell<IsolateMemory> = RefCell::default();
}

impl Isolate for Workers {
    fn with_memory<T>(&self, work: impl FnOnce(&mut IsolateMemory) -> T) -> T {
        MEMORY.with_borrow_mut(work)
    }
}

/// The words of a JavaScript error.
pub(crate) fn message(error: &JsValue) -> String {
    error
        .dyn_ref::<js_sys::Error>()
        .map(|error| String::from(error.message()))
        .or_else(|| error.as_string())
        .unwrap_or_else(|| "an error without a message".to_owned())
}

#[wasm_bindgen]
extern "C" {
    type TextEncoder;
    #[wasm_bindgen(constructor)]
    fn new() -> TextEncoder;
    #[wasm_bindgen(method)]
    fn encode(this: &TextEncoder, text: &JsString) -> Uint8Array;
}

/// Characters from which on the runtime copies a text faster than what wasm-bindgen generates, which looks at each
/// of them in JavaScript: for a megabyte that takes more than a millisecond.
const LONG_TEXT: u32 = 2 * 1024;

/// A text of JavaScript's.
pub(crate) fn copied(text: &JsString) -> String {
    if text.length() < LONG_TEXT {
        return String::from(text);
    }
    // What the runtime encodes is UTF-8.
    String::from_utf8(TextEncoder::new().encode(text).to_vec()).unwrap_or_default()
}

/// JSON text to a plain object.
pub(crate) fn plain_object(text: &str) -> Result<JsValue, Failure> {
    js_sys::JSON::parse(text).map_err(|error| Failure::bug(format!("not JSON: {}", message(&error))))
}

/// The variable `PLAN`; nothing, if there is none.
pub(crate) fn plan_name(env: &Env) -> String {
    env.var("PLAN").map(|name| name.to_string()).unwrap_or_default()
}

/// By how much a local deployment's clock is wrong on purpose: tests begin another day by
/// `CLOCK_SHIFT_SECONDS`. A deployment that is not local has the right time.
fn clock_shift(env: &Env) -> Span {
    let variable = |name: &str| env.var(name).map(|value| value.to_string()).unwrap_or_default();
    if variable("ENVIRONMENT") != "local" {
        return Span::ZERO;
    }
    Span::seconds(variable("CLOCK_SHIFT_SECONDS").parse().unwrap_or(0))
}
