//! The job protocol: what is to be done, who may do it, and what became of it.

#![warn(clippy::missing_errors_doc)]

pub mod cursors;
pub mod item;
pub mod kind;
pub mod message;
pub mod outcome;
pub mod protocol;
pub mod purge;
