//! One queue message, from its body to its outcome.

use pipeline::{
    failure::Failure,
    ids::UserId,
    item::{self, Claim},
    message::{Decoded, Message, Stage},
    outcome::{Outcome, fate},
    ports::{Clock, Database, Embedder, ObjectStore, Queue, Random, VectorIndex},
};

use crate::{chunk, dead_letter, embed, retire, upsert};

/// Seconds before a message from newer code is delivered again: a deployment takes less.
const NEWER_CODE_RETRY_SECONDS: u32 = 60;

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

/// Consumes one message body of a stage's queue.
///
/// 1. Decode: newer code's message waits, an unreadable one is recorded and gone.
/// 2. Claim the item: nothing to claim means nothing to do.
/// 3. Run the stage.
/// 4. A failed attempt gives the claim back in D1 as its kind demands, and the outcome tells the
///    batch loop the same, so that queue and D1 agree on when to try again.
///
/// Every step may be the last: an unsettled claim runs out, and the sweeper sends a new message.
pub async fn consume<P>(ports: &P, message_id: &str, body: &str) -> Report
where
    P: Database + ObjectStore + Queue + Embedder + VectorIndex + Clock + Random,
{
    let message = match Message::decode(body) {
        Decoded::Known(message) => message,
        Decoded::TooNew { version } => {
            let why = format!("message version {version} is newer than this code");
            let outcome = Outcome::Retry { after: NEWER_CODE_RETRY_SECONDS, why };
            return Report { item: None, user: None, outcome };
        }
        Decoded::Malformed { why } => {
            let outcome = dead_letter::record_unreadable(ports, message_id, body, &why).await;
            return Report { item: None, user: None, outcome };
        }
    };
    let outcome = attempt(ports, &message).await;
    Report { item: Some(message.item.0), user: Some(message.user), outcome }
}

async fn attempt<P>(ports: &P, message: &Message) -> Outcome
where
    P: Database + ObjectStore + Queue + Embedder + VectorIndex + Clock + Random,
{
    let claim = match item::claim(ports, message).await {
        Ok(Some(claim)) => claim,
        Ok(None) => return Outcome::Done,
        Err(failure) => return decide(ports, &failure, 1),
    };
    match run(ports, &claim).await {
        Ok(outcome) => outcome,
        Err(failure) => {
            let outcome = decide(ports, &failure, claim.attempts);
            match item::release(ports, &claim, &outcome).await {
                Ok(()) => outcome,
                // The lease runs out and the sweeper takes over; the queue may try before.
                Err(unreleased) => decide(ports, &unreleased, 1),
            }
        }
    }
}

async fn run<P>(ports: &P, claim: &Claim) -> Result<Outcome, Failure>
where
    P: Database + ObjectStore + Queue + Embedder + VectorIndex + Clock + Random,
{
    match claim.stage {
        Stage::Chunk => chunk::chunk(ports, claim).await,
        Stage::Embed => embed::embed(ports, claim).await,
        Stage::Upsert => upsert::upsert(ports, claim).await,
        Stage::Retire => retire::retire(ports, claim).await,
    }
}

fn decide<P: Clock + Random>(ports: &P, failure: &Failure, attempts: i64) -> Outcome {
    let [jitter] = ports.bytes::<1>();
    fate(failure, attempts, ports.now(), jitter)
}
