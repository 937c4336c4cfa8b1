//! Questions and answers: turns, models, and the channels on which answers are published.

pub mod arguments;
pub mod catalogue;
pub mod channel;
pub mod client;
pub mod generation;
pub mod guests;
pub mod profile;
pub mod prompt;
pub mod tools;
pub mod turn;
pub mod verdict;
