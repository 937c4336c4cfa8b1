//! The same request again joins the turn that it began: SDKs send a request again by themselves when it fails or
//! takes long, and each would be another job.
//!
//! A turn is known by its API key, path and body, in a row of `idempotency_keys` whose name no header can have. It
//! is joined while it goes on; one that has ended, if a request waited for it in vain. Closing the stream of a turn
//! that nobody joined stops it.

use http::header;
use pipeline::{
    failure::Failure,
    fingerprint,
    ids::{JobId, UserId},
    platform::{
        ports::{Channels, Clock, Database, Meter, Queue, Sha256},
        transaction::Transaction,
    },
    store::idempotency,
    time::Span,
};

use crate::{
    api::{
        chat::{self, Begun, Checked},
        jobs::{TurnState, cancel, turn_of, turn_state},
    },
    http::{
        call::{Call, RequestPorts},
        idempotency::{Key, in_flight},
        reply::Refusal,
    },
};

/// How long after its beginning a turn is joined.
pub const JOINED_WITHIN: Span = Span::minutes(10);

/// What of a turn is followed: its beginning, or one that others began.
#[derive(Debug)]
pub(super) struct Joined {
    pub(super) begun: Begun,
    /// What the turn is known by.
    pub(super) key: String,
    /// This request began it.
    pub(super) is_new: bool,
}

/// Begins a turn, or joins the one that the same request began.
pub(super) async fn begin<P: RequestPorts>(ports: &P, call: &Call<'_>, checked: Checked) -> Result<Joined, Refusal> {
    let key = key(ports, call).await?;
    if let Some(begun) = chat::begin_unless_known(ports, &call.tenant, checked, Some(&key), "openai").await? {
        return Ok(Joined { begun, key: key.key, is_new: true });
    }
    let begun = join(ports, &call.tenant.user, &key.key).await?;
    Ok(Joined { begun, key: key.key, is_new: false })
}

async fn key<P: Sha256>(ports: &P, call: &Call<'_>) -> Result<Key, Failure> {
    let body_hash = data_encoding::HEXLOWER.encode(&ports.sha256(call.request.body()).await?);
    let caller = call.request.headers().get(header::AUTHORIZATION).map_or(&b""[..], |value| value.as_bytes());
    let name = fingerprint::of(&[caller, call.request.uri().path().as_bytes(), body_hash.as_bytes()]);
    // No header holds a line break.
    Ok(Key { key: format!("v1\n{name}"), body_hash, joined_within: Some(JOINED_WITHIN) })
}

async fn join<P: RequestPorts>(ports: &P, user: &UserId, key: &str) -> Result<Begun, Refusal> {
    let mut transaction = Transaction::default();
    let row = transaction.query(idempotency::find(user, key));
    transaction.write(idempotency::note_joined(user, key));
    let row = transaction.commit(ports).await?.first(row)?.ok_or_else(in_flight)?;
    let job = row.job_id;
    let turn = turn_of(ports, user, &job).await?.ok_or_else(in_flight)?;
    let result = match turn_state(ports, user, &job).await? {
        TurnState::Answered(result) => Some(*result),
        _ => None,
    };
    Ok(Begun { job, turn, result })
}

/// D1 queries that stopping a turn takes.
const QUERIES_OF_STOP: u64 = 10;

/// Stops a turn whose stream its client has closed, unless somebody else follows it or may come back for it.
pub async fn close<P>(ports: &P, user: &UserId, job: &JobId, key: &str) -> Result<(), Failure>
where
    P: Database + Queue + Channels + Meter + Clock,
{
    if ports.asked().queries_left() < QUERIES_OF_STOP {
        return Ok(());
    }
    let row = idempotency::find(user, key).first(ports).await?;
    if row.is_none_or(|row| row.job_id != *job || row.is_shared()) {
        return Ok(());
    }
    cancel::cancel_turn(ports, user, job).await
}

/// Notes that a request did not see the end of its turn: the same one again gets it.
pub(super) async fn note_waited_out<P: Database>(ports: &P, user: &UserId, key: &str) -> Result<(), Failure> {
    idempotency::note_waited_out(user, key).run(ports).await.map(drop)
}
