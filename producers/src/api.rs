//! The operations of the API: one file for each noun.

pub mod chat;
pub mod conversations;
pub mod dead_letters;
pub mod documents;
pub mod health;
pub mod hooks;
pub mod index;
pub mod jobs;
pub mod keys;
pub mod mcp;
pub mod me;
pub mod memories;
pub mod openai;
pub mod problems;
pub mod search;
pub mod sessions;
pub mod usage;
