//! What does work: one file per stage, named by its verb.
//!
//! [`unpack`] -> [`chunk`] -> [`embed`] -> [`upsert`] -> [`purge`]; what none of them could do ends in
//! [`dead_letter`]. Questions go through [`chat`], old conversations into the [`archive`], what was said in
//! sessions of Claude Code through [`capture`]. [`consume()`] is the one entrance.

pub mod archive;
pub mod capture;
pub mod chat;
pub mod chunk;
pub mod consume;
pub mod dead_letter;
pub mod embed;
#[cfg(test)]
mod fixture;
pub mod purge;
pub mod query_budget;
pub mod tokens;
pub mod unpack;
pub mod upsert;

pub use consume::{Report, consume};
