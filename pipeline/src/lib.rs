//! The vocabulary that producers and consumers share.
//!
//! Everything here is plain data and plain functions. The platform appears only as the
//! [`platform::ports`], small traits that `cloudflare/` implements over bindings and that
//! `tests/platform` implements in memory.

pub mod archive_format;
pub mod budget;
pub mod chat;
pub mod constants;
pub mod date;
pub mod failure;
pub mod filters;
pub mod fingerprint;
pub mod identifiers;
pub mod ids;
pub mod indexed;
pub mod insertion_sort;
pub mod job;
pub mod merge_patch;
pub mod model;
pub mod namespace;
pub mod nearest;
pub mod normal_form;
pub mod plan;
pub mod platform;
pub mod problem;
pub mod project;
pub mod restore;
pub mod schema;
pub mod scope;
pub mod secrets;
pub mod statements;
pub mod store;
pub mod strict_json;
pub mod symbols;
pub mod tenant;
pub mod time;
pub mod unspaced;
pub mod vectors;
