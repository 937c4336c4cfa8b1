//! Dead letters: what no stage could do, kept where its owner can see and replay it.
//!
//! In: any message of a dead-letter queue, or a body that cannot be read.
//! Does: 1. records it in D1 under the message's id; 2. fails the item it names.
//! Sends on: nothing.

use pipeline::{
    failure::Failure,
    job::{
        message::{Decoded, Message},
        outcome::{Outcome, backoff},
        protocol,
    },
    platform::ports::{Clock, Database, Queue},
    store::dead_letters,
};

/// What is kept of an unreadable body.
const KEPT_BYTES: usize = 1_024;
const WHY_EXHAUSTED: &str = "its message could not be processed and was given up by the queue";

/// Takes a message that the platform gave up on: usually its worker died on it every time.
pub async fn record<P: Database + Queue + Clock>(ports: &P, message_id: &str, body: &str) -> Outcome {
    let failed = match Message::decode(body) {
        // Idempotent: a terminal item stays as it is, and its dead letter has one id.
        Decoded::Known(message) => {
            protocol::fail(ports, message.item, &message.user, WHY_EXHAUSTED, None).await.map(drop)
        }
        Decoded::TooNew { version } => {
            record_body(ports, message_id, body, &format!("message version {version} is newer than this code")).await
        }
        Decoded::Malformed { why } => record_body(ports, message_id, body, &why).await,
    };
    match failed {
        Ok(()) => Outcome::Done,
        Err(failure) => Outcome::Retry { after: backoff(4, u8::MAX), why: failure.why },
    }
}

/// Records a body that cannot be read, then lets the message go.
pub async fn record_unreadable<P: Database + Clock>(ports: &P, message_id: &str, body: &str, why: &str) -> Outcome {
    match record_body(ports, message_id, body, why).await {
        Ok(()) => Outcome::Dead { why: why.to_owned() },
        Err(failure) => Outcome::Retry { after: backoff(4, u8::MAX), why: failure.why },
    }
}

/// Idempotent: the message id is the primary key.
async fn record_body<P: Database + Clock>(ports: &P, message_id: &str, body: &str, why: &str) -> Result<(), Failure> {
    let mut end = body.len().min(KEPT_BYTES);
    while !body.is_char_boundary(end) {
        end -= 1;
    }
    dead_letters::record_unreadable(message_id, why, &body[..end], ports.now()).run(ports).await.map(drop)
}
