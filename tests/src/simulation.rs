//! A deterministic simulation of the whole product: one seed is one history of clients, workers,
//! crashes, pauses, duplicates, losses and time; afterwards everything that was promised is checked.
//!
//! Real routes, real stages, real SQL. Workers run interleaved: a call may pause its worker while
//! others go on, past its lease. A client that did not hear back asks again. What a worker has left
//! behind when it dies is whatever it left.
#![expect(clippy::unwrap_used, reason = "a simulation that cannot go on fails")]

mod clients;
mod draw;
mod failure;
mod forgetting;
mod history;
mod outage;
mod plan;
mod promises;
mod queues;
mod streamed;
mod streams;
mod tally;
mod trace;
mod without;

pub use self::{
    failure::{Broken, explain, replay},
    history::{Simulation, run},
    outage::{replay_through, run_through},
    plan::Outage,
    tally::Tally,
    without::{Without, run_without, statements},
};
