//! What cron triggers, and what the schedule asks of the platform.

use pipeline::{
    platform::ports::{Clock, Database, Deployment, KeyValue, Meter, ObjectStore, Outside, Queue, Random, VectorIndex},
    port_set,
};

port_set! {
    /// Everything the schedule asks of the platform.
    pub trait SchedulePorts:
        Database + ObjectStore + KeyValue + Queue + VectorIndex + Deployment + Outside + Meter + Clock + Random
}

/// A trigger of `wrangler.consumers.toml`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// Every five minutes: what somebody may be waiting for.
    Frequent,
    /// Every hour: sums, and free space in the index.
    Hourly,
    /// Every night: what is old; and what is due every hour, for a deployment without a trigger left for it.
    Daily,
}

impl Schedule {
    /// The triggers as they are configured.
    pub const CRONS: [(Self, &'static str); 3] =
        [(Self::Frequent, "*/5 * * * *"), (Self::Hourly, "7 * * * *"), (Self::Daily, "23 3 * * *")];

    /// The schedule of a trigger; one this code does not know runs what is most urgent.
    pub fn of(cron: &str) -> Self {
        Self::CRONS.into_iter().find(|(_, known)| *known == cron).map_or(Self::Frequent, |(schedule, _)| schedule)
    }
}
