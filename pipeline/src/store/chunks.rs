//! Chunks and their full-text index: the tables `chunks` and `chunks_fts`.
//!
//! A chunk is numbered by its pack and its place in it ([`ChunkRow`](crate::ids::ChunkRow)), so that a
//! repeated message writes the same rows. A chunk and its full-text row come and go in one transaction.

pub mod read;
pub mod search;
pub mod write;
