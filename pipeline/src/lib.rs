//! The vocabulary that producers and consumers share.
//!
//! Everything here is plain data and plain functions. The platform appears only as the
//! [`ports`], small traits that `cloudflare/` implements over bindings and that tests implement
//! in memory.

pub mod allowances;
pub mod api_key;
pub mod archive;
pub mod budget;
pub mod catalogue;
pub mod chat;
pub mod failure;
pub mod filters;
pub mod fingerprint;
pub mod garbage;
pub mod generation;
pub mod identifiers;
pub mod ids;
pub mod index_version;
pub mod item;
pub mod ledger;
pub mod limits;
pub mod message;
pub mod model;
pub mod object_keys;
pub mod outcome;
pub mod ports;
pub mod problem;
pub mod profile;
pub mod room;
pub mod scope;
pub mod statement;
pub mod tenant;
#[cfg(feature = "testing")]
pub mod testing;
pub mod time;
pub mod usage;
pub mod vectors;
pub mod webhook;
