//! What starts work: HTTP requests and the schedule become rows and messages.
//!
//! [`http::operations`] is the map of the API, [`api`] holds its handlers, one file for each noun, and
//! [`schedule`] is what cron starts.

pub mod api;
pub mod http;
pub mod schedule;
