//! Every table and its one owner: the statements that write it, and the rows they return.
//!
//! A module owns a table, or a family of tables that always move together. Its functions return single
//! statements ([`Query`](crate::platform::transaction::Query) and
//! [`Write`](crate::platform::transaction::Write)); callers put them into a
//! [`Transaction`](crate::platform::transaction::Transaction) or run them alone. Reads that join tables
//! live with the noun that they return.

#![warn(clippy::missing_errors_doc)]

pub mod archives;
pub mod chunks;
pub(crate) mod columns;
pub mod conditions;
pub mod conversations;
pub mod counters;
pub mod dead_letters;
pub mod documents;
pub mod hook_sessions;
pub mod idempotency;
pub mod jobs;
pub mod kept_vectors;
pub mod keys;
pub mod listings;
pub mod memories;
pub mod retention;
pub mod sessions;
pub mod shared_words;
pub mod uploads;
pub mod usage;
pub mod users;
