//! What starts work: HTTP requests and the schedule become rows and messages.
//!
//! [`http::operations`] is the map of the API, [`api`] holds its handlers, one file for each noun, and
//! [`schedule`] is what cron starts. What both ask for stands beside them: [`remove`].

pub mod api;
pub mod http;
pub mod remove;
pub mod schedule;
