//! Documents and their revisions: the tables `documents` and `garbage`.
//!
//! A document is one row across its revisions. `latest` is the highest revision that was ever given out
//! and lies in the pack `latest_item`; `current` is the one that searches see, in `current_item`.
//! Publishing copies one to the other. A revision that is neither any more is superseded: it is noted in
//! `garbage`, under the purge item that removes it. `decided` says when its owner last said what it holds ([`order`]).

pub mod delete;
pub(in crate::store) mod description;
pub mod eviction;
pub mod filter;
pub mod manifest;
pub mod order;
pub mod publish;
pub mod read;
pub mod superseded;
pub mod upload;
