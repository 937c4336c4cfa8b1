//! What starts work: HTTP routes and cron turn requests into rows and messages.
//!
//! [`routes`] is the map of the API: one file per noun. [`cron`] is the clockwork.

pub mod authenticate;
pub mod body;
pub mod chat;
pub mod conversations;
pub mod cron;
pub mod dead_letters;
pub mod documents;
pub mod health;
pub mod idempotency;
pub mod index;
pub mod jobs;
pub mod keys;
pub mod memory;
pub mod openai;
pub mod openapi;
pub mod profile;
pub mod rate_limit;
pub mod reply;
pub mod routes;
pub mod search;
pub mod sessions;
pub mod usage;

pub use routes::{Platform, Settings, handle};
