//! Ports in memory, for native tests: the real migrations and the real SQL on `SQLite`, and faults of
//! both kinds at every call.

mod call;
mod channels;
mod connection;
mod database;
mod fate;
mod in_memory;
mod limits;
mod models;
mod mutation;
mod outside;
mod service;
mod stores;

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};

pub use self::{
    fate::{Fate, Judgement, Script},
    in_memory::{Delivered, InMemory, Shared},
    mutation::Mutation,
    service::Service,
};

/// Runs a future that never waits for anything outside of it.
///
/// # Panics
/// If it does wait.
#[expect(clippy::panic, reason = "a test that would hang must fail")]
pub fn ready<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..1_000_000 {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
    panic!("a future that waits for something outside of the test");
}
