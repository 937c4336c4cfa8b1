//! What an upload holds: its documents, found, read, checked and packed.
//!
//! A request that is read at once goes through [`parse`], [`prepare()`] and [`plan`] in the gateway. One that
//! lies in R2 goes through the same in the unpack stage, range by range, once [`split`] has found which
//! documents of the range are whole.

pub mod format;
pub mod media;
pub mod pack;
pub mod parse;
pub mod plan;
pub mod prepare;
pub mod split;
pub mod validate;

pub use format::Format;
pub use parse::{Documents, Item};
pub use prepare::{Checked, ItemAnswer, prepare};
pub use validate::Prepared;
