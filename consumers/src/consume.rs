//! One queue message, from its body to its outcome.

use pipeline::{
    budget::user_day,
    constants,
    failure::Failure,
    ids::UserId,
    job::{
        item::{Claim, ItemState},
        message::{Decoded, Message, Stage},
        outcome::{Outcome, fate, wait_for_database},
        protocol,
    },
    platform::ports::{
        Channels, Clock, Database, Deployment, Embedder, Generator, Isolate, KeyValue, Meter, ObjectStore, Queue,
        Random, Sha256, VectorIndex,
    },
    port_set,
    store::jobs::items,
    time::Span,
};

use crate::{archive, chat, chunk, dead_letter, embed, purge, unpack, upsert};

port_set! {
    /// Everything the stages ask of the platform.
    pub trait StagePorts:
        Database
        + ObjectStore
        + KeyValue
        + Queue
        + Embedder
        + Generator
        + VectorIndex
        + Channels
        + Deployment
        + Meter
        + Isolate
        + Clock
        + Random
        + Sha256
}

/// How long until a message from newer code is delivered again: a deployment takes less.
const NEWER_CODE_RETRY: Span = Span::minutes(1);

/// What the log line says of a message.
#[derive(Clone, Debug)]
pub struct Report {
    /// Its item, if it could be read.
    pub item: Option<i64>,
    /// Its owner, if it could be read.
    pub user: Option<UserId>,
    /// What became of it.
    pub outcome: Outcome,
}

/// Consumes one message body of a stage's queue, delivered for the `deliveries`th time.
///
/// 1. Decode: newer code's message waits, an unreadable one is recorded and gone.
/// 2. Claim the item: what cannot be claimed for a while comes again after it, or there is nothing to do.
/// 3. If the day is too far spent for it, park the item.
/// 4. Run the stage.
/// 5. A failed attempt gives the claim back in D1 as its kind demands, and the outcome says the same to
///    whoever acknowledges the delivery, so that queue and D1 agree on when to try again.
///
/// Every step may be the last: a claim that is not given back runs out, and the message comes again for it, or
/// the sweep sends a new one. While D1 does not answer the queue keeps the message, longer each time, and no
/// attempt is counted.
pub async fn consume<P: StagePorts>(ports: &P, message_id: &str, body: &str, deliveries: u32) -> Report {
    let message = match Message::decode(body) {
        Decoded::Known(message) => message,
        Decoded::TooNew { version } => {
            let why = format!("message version {version} is newer than this code");
            let outcome = Outcome::Retry { after: NEWER_CODE_RETRY, why };
            return Report { item: None, user: None, outcome };
        }
        Decoded::Malformed { why } => {
            let outcome = dead_letter::record_unreadable(ports, message_id, body, &why, deliveries).await;
            return Report { item: None, user: None, outcome };
        }
    };
    let outcome = attempt(ports, &message, deliveries).await;
    Report { item: Some(message.item.0), user: Some(message.user), outcome }
}

async fn attempt<P: StagePorts>(ports: &P, message: &Message, deliveries: u32) -> Outcome {
    let claim = match protocol::claim(ports, message).await {
        Ok(Some(claim)) => claim,
        Ok(None) => return unclaimed(ports, message, deliveries).await,
        Err(failure) => return wait_for_database(ports, failure, deliveries),
    };
    let done = match waits_for_tomorrow(ports, &claim).await {
        Some(why) => Err(Failure::exhausted(why)),
        None => run(ports, &claim).await,
    };
    match done {
        Ok(outcome) => outcome,
        Err(failure) => {
            let outcome = decide(ports, &failure, claim.attempts);
            match protocol::release(ports, &claim, &outcome).await {
                Ok(held) => {
                    // Only whose claim held may say how the turn ended, and not before D1 does.
                    if let (true, Stage::Chat, Outcome::Dead { why }) = (held, claim.stage, &outcome) {
                        chat::publish_failure(ports, &claim, why).await;
                    }
                    outcome
                }
                // The claim may hold on until its lease runs out; the message comes again until it can be had.
                Err(unreleased) => wait_for_database(ports, unreleased, deliveries),
            }
        }
    }
}

/// A message that finds nothing to claim may go. What only waits for a time comes again after it: the lease of
/// a worker that may be dead, or the delay of an attempt that failed. Not for ever: the sweep owns liveness.
///
/// An item that nobody holds and that still cannot be claimed has no attempts left.
async fn unclaimed<P: Database + Queue + Clock + Random>(ports: &P, message: &Message, deliveries: u32) -> Outcome {
    let standing = match items::standing(message).first(ports).await {
        Ok(Some(standing)) => standing,
        Ok(None) => return Outcome::Done,
        Err(failure) => return wait_for_database(ports, failure, deliveries),
    };
    let (until, why) = match standing.state {
        ItemState::Running => (standing.lease, "another worker holds it"),
        ItemState::Queued => (standing.next_at, "it is not due yet"),
        _ => return Outcome::Done,
    };
    let left = until.since(ports.now());
    if left < Span::ZERO {
        return dead_letter::give_up(ports, message, deliveries).await;
    }
    if deliveries >= constants::DELIVERIES_BEFORE_SWEEP {
        return Outcome::Done;
    }
    Outcome::Retry { after: Span::seconds(left.as_seconds() + 1), why: why.to_owned() }
}

/// Indexing gives way when the day is nearly spent, or its user's share of it; nobody waits for it.
async fn waits_for_tomorrow<P: StagePorts>(ports: &P, claim: &Claim) -> Option<String> {
    let is_ingest = matches!(claim.stage, Stage::Unpack | Stage::Chunk | Stage::Embed | Stage::Upsert);
    // Without a count there is nothing to judge.
    if !is_ingest || claim.day.used.is_none() {
        return None;
    }
    user_day::budget_for(ports, &claim.day, &claim.user).await.parks_ingest()
}

async fn run<P: StagePorts>(ports: &P, claim: &Claim) -> Result<Outcome, Failure> {
    match claim.stage {
        Stage::Unpack => unpack::unpack(ports, claim).await,
        Stage::Chunk => chunk::chunk(ports, claim).await,
        Stage::Embed => embed::embed(ports, claim).await,
        Stage::Upsert => upsert::upsert(ports, claim).await,
        Stage::Purge => purge::purge(ports, claim).await,
        Stage::Chat => chat::chat(ports, claim).await,
        Stage::Archive => archive::archive(ports, claim).await,
    }
}

fn decide<P: Clock + Random>(ports: &P, failure: &Failure, attempts: i64) -> Outcome {
    let [jitter] = ports.bytes::<1>();
    fate(failure, attempts, ports.now(), jitter)
}
