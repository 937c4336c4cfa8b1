//! The only place that knows Workers: the ports over bindings.
//!
//! Everything crosses into JavaScript as text, bytes or numbers. Maps would arrive as `Map`, which
//! D1, Vectorize and AI ignore silently, so structured data is JSON text that `JSON.parse` turns
//! into plain objects. Every call is counted where it is made.

mod ai;
mod channels;
mod clock;
mod d1;
mod database_size;
mod deployment;
mod generation;
mod kv;
mod log;
mod outside;
mod queues;
mod r2;
mod rate_limiter;
mod strict;
mod vectorize;
mod workers;

pub use channels::{CHANNEL_USAGE_HEADER, EVENTS_PATH, PUBLISH_PATH, SAY_PATH};
pub use log::log;
pub use queues::{Deliveries, Delivery};
pub use workers::Workers;

/// Makes a panic say where it happened. Runs in global scope: no I/O.
pub fn install_panic_hook() {
    console_error_panic_hook::set_once();
}
