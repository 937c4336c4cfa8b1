//! Chunks and their full-text index: the table `chunks` and one of each
//! user ([`words`](super::users::words)).
//!
//! A chunk is numbered by its pack and its place in it ([`ChunkRow`](crate::ids::ChunkRow)), so that a
//! repeated message writes the same rows. A chunk and its full-text row come and go in one transaction.

pub mod read;
pub mod search;
pub mod write;
