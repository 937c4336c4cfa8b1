//! HTTP: the table of operations, and what every request goes through.

pub mod api_key;
pub mod authenticate;
pub mod body;
pub mod call;
pub mod cors;
pub mod handle;
pub mod idempotency;
pub mod known_parameters;
pub mod named;
pub mod openai_problem;
pub mod openapi;
pub mod operation;
pub mod operations;
pub mod paging;
pub mod parameters;
pub mod query;
pub mod rate_limit;
pub mod reply;
pub mod routing;
