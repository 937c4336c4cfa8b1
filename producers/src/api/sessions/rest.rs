//! What a channel asks of D1: to keep what outlives it, to give that back, and what the day has left.

use pipeline::{
    budget::{
        allowances::{Allowances, Resource},
        day::{Budget, Level},
    },
    failure::Failure,
    ids::{SessionId, UserId},
    platform::ports::{Clock, Database, Deployment, KeyValue},
    store::{
        sessions::{self, ChannelRest},
        usage::budget,
    },
};

/// Keeps what a channel that fell idle knows.
pub async fn persist<P: Database + Clock>(
    ports: &P,
    user: &UserId,
    session: &SessionId,
    rest: &ChannelRest,
) -> Result<(), Failure> {
    sessions::keep_rest(user, session, rest, ports.now()).run(ports).await.map(drop)
}

/// True while the day has rows of Durable Objects left for what participants say and write.
pub async fn may_write<P: Database + KeyValue + Deployment + Clock>(ports: &P) -> Result<bool, Failure> {
    let day = budget::day(ports.now()).first(ports).await?.unwrap_or_default();
    let budget = Budget::new(Allowances::load(ports).await.allowances, &day);
    Ok(budget.level(Resource::ObjectRowsWritten) < Level::Scarce)
}

/// What is kept of a session whose channel is new, or has forgotten all it knew.
pub async fn rest<P: Database>(ports: &P, user: &UserId, session: &SessionId) -> Result<ChannelRest, Failure> {
    let row = sessions::session(user, session).first(ports).await?;
    Ok(row.map_or_else(ChannelRest::default, |row| ChannelRest {
        scratch: row.scratch.unwrap_or_default(),
        scratch_revision: row.scratch_revision,
        last_sequence: row.last_sequence,
    }))
}
