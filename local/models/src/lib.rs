//! The model server behind the local stand-ins.
//!
//! [`embedding`] runs a real sentence-embedding model on the CPU; [`index`] is a Vectorize that
//! keeps every documented limit; [`faults`] makes both fail as asked; [`server`] puts them behind HTTP.

pub mod ai;
pub mod chat;
pub mod embedding;
pub mod faults;
pub mod index;
pub mod language_model;
pub mod server;
pub mod stand_ins;
mod tools;
pub mod vector_cache;
