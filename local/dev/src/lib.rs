//! The development kit: starts the whole product on one machine, and uses it as a client would.
//!
//! [`product`] starts and stops; [`client`] speaks the API; [`corpus`] reads folders; [`demo`],
//! [`evaluation`] with [`evaluation::answers`] and [`evaluation::memories`], [`benchmark`] and [`smoke`] are what
//! `make demo`, `make eval`, `make eval-answers`, `make eval-memories`, `make bench` and `make smoke` run.

pub mod benchmark;
mod chat_benchmark;
pub mod client;
pub mod configuration;
pub mod corpus;
mod cpu_benchmark;
mod cpu_profile;
pub mod demo;
pub mod evaluation;
mod inspector;
pub mod language_model;
mod migrations;
pub mod process;
pub mod product;
pub mod schedule;
pub mod smoke;
mod upload_benchmark;

/// Anything that can go wrong on the way.
pub type Error = Box<dyn std::error::Error + Send + Sync>;
