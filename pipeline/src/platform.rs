//! What the pure crates ask of the platform, as plain traits and data.

#![warn(clippy::missing_errors_doc)]

pub mod asked;
pub mod bursts;
pub mod errors;
pub mod isolate;
pub mod object_keys;
pub mod parameters;
pub mod ports;
pub mod statement;
pub mod transaction;
