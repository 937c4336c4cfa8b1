//! Jobs and their items: the tables `jobs` and `job_items`.
//!
//! A job is what a caller asked for; its items are what stages work on, one message at a time. The
//! protocol that moves items is in [`crate::job::protocol`]; here is every statement it is made of.

pub mod cancel;
pub mod create;
pub mod documents;
pub mod items;
pub mod overview;
pub mod read;
pub mod retry;
pub mod sweep;
