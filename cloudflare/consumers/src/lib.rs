//! The consumer Worker: queues, their dead letters, and cron. Thin: the stages are in `consumers`.

use cloudflare::{Deliveries, Delivery, Workers, log};
use consumers::{Report, consume, dead_letter, query_budget};
use pipeline::{
    budget::{ledger::Entry, purpose::Purpose},
    job::{
        message::{Decoded, Message},
        outcome::Outcome,
    },
    platform::ports::{Clock as _, Meter as _},
    time::Span,
};
use producers::schedule::Schedule;
use serde_json::json;
use wasm_bindgen::{JsCast, JsValue, prelude::wasm_bindgen};
use worker::{Env, ScheduleContext, ScheduledEvent, event};

#[event(start)]
fn start() {
    cloudflare::install_panic_hook();
}

/// Exported by hand: an error is then a rejection, where the macro's would reset the isolate.
///
/// Always succeeds: ack and retry are said message by message. All messages that are delivered together share one
/// invocation: those that it has no more queries for go back as they came.
#[wasm_bindgen(js_sys = worker::js_sys, wasm_bindgen_futures = worker::wasm_bindgen_futures)]
pub async fn queue(deliveries: Deliveries, env: Env, _context: JsValue) -> Result<JsValue, JsValue> {
    let queue = deliveries.queue();
    let invocation = Workers::new(env);
    for delivery in deliveries.messages().iter() {
        let delivery: Delivery = delivery.unchecked_into();
        if query_budget::allows_another_message(invocation.asked()) {
            process(&queue, &delivery, &invocation).await;
        } else {
            delivery.retry_after(Span::ZERO);
        }
    }
    Ok(JsValue::UNDEFINED)
}

async fn process(queue: &str, delivery: &Delivery, invocation: &Workers) {
    let platform = invocation.for_message(&format!("{}-{}", delivery.id(), delivery.attempts()));
    let started = platform.now();
    let body = delivery.body().as_string().unwrap_or_else(|| "(not text)".to_owned());
    let report = if queue.ends_with("-dlq") {
        let outcome = dead_letter::record(&platform, &delivery.id(), &body, delivery.attempts()).await;
        Report { item: None, user: None, outcome }
    } else {
        consume(&platform, &delivery.id(), &body, delivery.attempts()).await
    };
    platform.count_delivery(&body, !matches!(report.outcome, Outcome::Retry { .. }));
    acknowledge(delivery, &report.outcome);
    log(&json!({
        "message": delivery.id(), "queue": queue, "attempt": delivery.attempts(),
        "user": report.user, "item": report.item, "outcome": report.outcome.name(), "why": report.outcome.why(),
        "ms": platform.now().since(started).as_milliseconds(), "used": platform.usage(),
        "asked": platform.asked(),
    }));
    let (source, purpose) = match Message::decode(&body) {
        Decoded::Known(message) => (message.stage.name(), message.stage.purpose()),
        _ => ("unreadable", Purpose::Interactive),
    };
    platform.record(Entry { user: report.user.as_ref(), key: None, source, purpose }).await;
}

/// D1 holds what is parked or dead; only a retry keeps the message.
fn acknowledge(delivery: &Delivery, outcome: &Outcome) {
    match outcome {
        Outcome::Retry { after, .. } => delivery.retry_after(*after),
        Outcome::Done | Outcome::Park { .. } | Outcome::Dead { .. } => delivery.ack(),
    }
}

#[event(scheduled)]
async fn scheduled(event: ScheduledEvent, env: Env, _context: ScheduleContext) {
    let platform = Workers::new(env);
    let started = platform.now();
    let platform = platform.named(&format!("cron-{}-{}", event.cron(), started.milliseconds()));
    let (report, done) = producers::schedule::run(&platform, Schedule::of(&event.cron())).await;
    let failure = done.err().map(|failure| failure.to_string());
    log(&json!({
        "cron": event.cron(), "report": report, "failure": failure,
        "ms": platform.now().since(started).as_milliseconds(), "used": platform.usage(),
        "asked": platform.asked(),
    }));
    platform.record(Entry { user: None, key: None, source: "cron", purpose: Purpose::Interactive }).await;
}
