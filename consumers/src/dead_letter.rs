//! Dead letters: what no stage could do, kept where its owner can see and replay it.
//!
//! In: any message of a dead-letter queue, or a body that cannot be read.
//! Does: 1. records a body that cannot be read in D1, under the message's id; 2. gives the item of a readable one
//! up, if D1 says that it has no attempts left and that nobody holds it. A queue that gives a message up knows
//! neither: the message may have met nothing but an outage. Then its item is left as it is, for the sweep.
//! Sends on: nothing.

use pipeline::{
    failure::Failure,
    job::{
        message::{Decoded, Message},
        outcome::{Outcome, wait_for_database},
        protocol,
    },
    platform::ports::{Clock, Database, Queue, Random},
    store::dead_letters,
};

/// What is kept of an unreadable body.
const KEPT_BYTES: usize = 1_024;

/// Takes a message that its queue gave up, delivered by the dead-letter queue for the `deliveries`th time.
pub async fn record<P>(ports: &P, message_id: &str, body: &str, deliveries: u32) -> Outcome
where
    P: Database + Queue + Clock + Random,
{
    match Message::decode(body) {
        Decoded::Known(message) => give_up(ports, &message, deliveries).await,
        Decoded::TooNew { version } => {
            let why = format!("message version {version} is newer than this code");
            record_unreadable(ports, message_id, body, &why, deliveries).await
        }
        Decoded::Malformed { why } => record_unreadable(ports, message_id, body, &why, deliveries).await,
    }
}

/// Gives a message's item up if it has no attempts left and nobody holds it. Otherwise the message may go: what is
/// left to do the sweep sends again.
pub async fn give_up<P>(ports: &P, message: &Message, deliveries: u32) -> Outcome
where
    P: Database + Queue + Clock + Random,
{
    match protocol::give_up(ports, message.item, &message.user).await {
        Ok(true) => Outcome::Dead { why: "it has no attempts left".to_owned() },
        Ok(false) => Outcome::Done,
        Err(failure) => wait_for_database(ports, failure, deliveries),
    }
}

/// Records a body that cannot be read; its message does not come again.
pub async fn record_unreadable<P: Database + Clock + Random>(
    ports: &P,
    message_id: &str,
    body: &str,
    why: &str,
    deliveries: u32,
) -> Outcome {
    match record_body(ports, message_id, body, why).await {
        Ok(()) => Outcome::Dead { why: why.to_owned() },
        Err(failure) => keep(ports, failure, deliveries),
    }
}

/// Nothing but the queue has an unreadable body: it is kept there for as long as the queue does.
fn keep<P: Clock + Random>(ports: &P, failure: Failure, deliveries: u32) -> Outcome {
    wait_for_database(ports, Failure::transient(failure.why), deliveries)
}

/// Idempotent: the message id is the primary key.
async fn record_body<P: Database + Clock>(ports: &P, message_id: &str, body: &str, why: &str) -> Result<(), Failure> {
    let kept = &body[..body.floor_char_boundary(KEPT_BYTES)];
    dead_letters::record_unreadable(message_id, why, kept, ports.now()).run(ports).await.map(drop)
}

#[cfg(test)]
mod tests {
    use pipeline::{ids::ItemId, job::message::Stage};
    use test_platform::{Service, ready};

    use super::*;
    use crate::fixture::Index;

    const LETTERS: &str = "SELECT count(*) AS n FROM dead_letters";

    fn record(index: &Index, body: &str) -> Outcome {
        ready(super::record(&index.memory, "a message", body, 1))
    }

    /// An index with a pack to be chunked, and the message of that.
    fn with_pack() -> (Index, ItemId, String) {
        let index = Index::new();
        let pack = index.upload(&[("a.md", "ships sail")]);
        let body = index.message(Stage::Chunk, pack).encode();
        (index, pack, body)
    }

    #[test]
    fn a_body_that_cannot_be_read_is_kept_once_and_in_part() {
        let index = Index::new();
        let body = "ä".repeat(KEPT_BYTES);
        for _ in 0..2 {
            assert!(matches!(record(&index, &body), Outcome::Dead { .. }));
        }
        assert_eq!(index.number(LETTERS), 1);
        assert_eq!(index.number("SELECT length(CAST(body AS BLOB)) AS n FROM dead_letters"), 1_024);
        assert_eq!(index.number("SELECT count(*) AS n FROM dead_letters WHERE id = 'a message'"), 1);
    }

    #[test]
    fn a_message_of_newer_code_is_kept_as_it_is() {
        let index = Index::new();
        assert!(matches!(record(&index, r#"{"v":99}"#), Outcome::Dead { why } if why.contains("newer")));
        assert_eq!(index.memory.look("SELECT body FROM dead_letters")[0]["body"], r#"{"v":99}"#);
    }

    #[test]
    fn an_item_that_has_attempts_left_is_left_as_it_is() {
        let (index, pack, body) = with_pack();
        assert_eq!(record(&index, &body), Outcome::Done);
        assert_eq!(index.number(LETTERS), 0);
        assert!(index.claim(Stage::Chunk, pack).is_some());
    }

    #[test]
    fn an_item_without_attempts_is_given_up_unless_somebody_holds_it() {
        let (index, pack, body) = with_pack();
        let _held = index.claim(Stage::Chunk, pack).unwrap();
        index.memory.change("UPDATE job_items SET attempts = 16 WHERE state = 'running'");
        assert_eq!((record(&index, &body), index.number(LETTERS)), (Outcome::Done, 0));
        index.memory.change("UPDATE job_items SET lease = 0");
        assert!(matches!(record(&index, &body), Outcome::Dead { .. }));
        assert_eq!(index.number("SELECT count(*) AS n FROM dead_letters WHERE stage = 'chunk'"), 1);
        assert_eq!(index.number("SELECT count(*) AS n FROM job_items WHERE state = 'failed'"), 1);
    }

    #[test]
    fn while_the_database_is_out_the_message_is_kept() {
        let (index, _, body) = with_pack();
        index.memory.put_out(Service::Database, pipeline::time::MINUTE);
        for body in [body.as_str(), "no message"] {
            assert!(matches!(record(&index, body), Outcome::Retry { .. }), "{body}");
        }
        index.memory.advance(pipeline::time::MINUTE);
        assert!(matches!(record(&index, "no message"), Outcome::Dead { .. }));
        assert_eq!(index.number(LETTERS), 1);
    }
}
