//! What a day may cost, what it has cost so far, and what follows from that.

pub mod allowances;
pub mod channel_usage;
pub mod day;
pub mod ledger;
pub mod purpose;
pub mod shares;
pub mod usage;
pub mod user_day;
