//! What a channel asks of D1: to keep what outlives it, to give that back, and what the day has left.

use pipeline::{
    budget::{allowances::Resource, day::Level, user_day},
    failure::Failure,
    ids::{SessionId, UserId},
    platform::ports::{Clock, Database, Deployment, Isolate, KeyValue},
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

/// True while the day, and the owner's share of it, has rows of Durable Objects left for what participants of a
/// session say and write, and its owner's requests would be answered.
pub async fn may_write<P>(ports: &P, owner: &UserId) -> Result<bool, Failure>
where
    P: Database + KeyValue + Deployment + Isolate + Clock,
{
    let day = budget::day(ports.now()).first(ports).await?.unwrap_or_default();
    let budget = user_day::budget_for(ports, &day, owner).await;
    let resource = Resource::ObjectRowsWritten;
    let is_spent = budget.level(resource) >= Level::Scarce || budget.own_share(resource) >= 1.0;
    Ok(!is_spent && budget.refuses_user().is_none())
}

/// What is kept of a session whose channel is new, or has forgotten all it knew; `None` if it was closed since whoever
/// comes was let in.
pub async fn rest<P: Database>(ports: &P, user: &UserId, session: &SessionId) -> Result<Option<ChannelRest>, Failure> {
    let Some(row) = sessions::session(user, session).first(ports).await? else {
        return Ok(Some(ChannelRest::default()));
    };
    Ok((row.state == "open").then(|| ChannelRest {
        scratch: row.scratch.unwrap_or_default(),
        scratch_revision: row.scratch_revision,
        last_sequence: row.last_sequence,
    }))
}
