//! What an upload holds: its documents, found, read, checked and packed.
//!
//! A request that is read at once goes through the same steps in the gateway as one that lies in R2 in the unpack
//! stage, range by range, once [`split`] has found which documents of the range are whole: [`parse`] reads
//! documents, [`withhold`] refuses those that hold secrets, [`prepare()`] checks them ([`validate`]) and takes their
//! fingerprints, [`pack`] plans packs and batches, [`packed`] makes the rows and objects of these.

pub mod format;
pub mod inflate;
pub mod media;
pub mod pack;
pub mod packed;
pub mod parse;
pub mod prepare;
pub mod split;
pub mod validate;
pub mod withheld;

pub use format::{Announced, Format};
pub use parse::{Documents, Item};
pub use prepare::{ItemAnswer, Prepared, PreparedDocument, named_twice_in_upload, prepare};
pub use withheld::{is_withheld, withhold};
