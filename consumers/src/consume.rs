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

use crate::{archive, capture, chat, chunk, dead_letter, embed, purge, unpack, upsert};

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
    let is_ingest = matches!(claim.stage, Stage::Unpack | Stage::Chunk | Stage::Embed | Stage::Upsert | Stage::Capture);
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
        Stage::Capture => capture::capture(ports, claim).await,
    }
}

fn decide<P: Clock + Random>(ports: &P, failure: &Failure, attempts: i64) -> Outcome {
    let [jitter] = ports.bytes::<1>();
    fate(failure, attempts, ports.now(), jitter)
}

#[cfg(test)]
mod tests {
    use pipeline::{ids::ItemId, time::MINUTE};
    use test_platform::{Service, ready};

    use super::*;
    use crate::fixture::Index;

    const LETTERS: &str = "SELECT count(*) AS n FROM dead_letters";

    /// An index with a pack to be chunked.
    fn with_pack() -> (Index, ItemId) {
        let index = Index::new();
        let pack = index.upload(&[("a.md", "ships sail")]);
        (index, pack)
    }

    /// Consumes the message of an item, delivered so many times.
    fn delivered(index: &Index, item: ItemId, times: u32) -> Outcome {
        let body = index.message(Stage::Chunk, item).encode();
        ready(consume(&index.memory, "a message", &body, times)).outcome
    }

    #[test]
    fn a_message_that_cannot_be_read_is_recorded_and_gone() {
        let index = Index::new();
        let report = ready(consume(&index.memory, "a message", "no message", 1));
        assert!(matches!(report.outcome, Outcome::Dead { .. }));
        assert_eq!((report.item, report.user, index.number(LETTERS)), (None, None, 1));
    }

    #[test]
    fn a_message_of_newer_code_comes_again() {
        let index = Index::new();
        let report = ready(consume(&index.memory, "a message", r#"{"v":99}"#, 1));
        assert!(matches!(report.outcome, Outcome::Retry { after, .. } if after == NEWER_CODE_RETRY));
        assert_eq!(index.number(LETTERS), 0);
    }

    #[test]
    fn a_report_names_the_item_and_its_owner() {
        let (index, pack) = with_pack();
        let report = index.consume(Stage::Chunk, pack);
        assert_eq!((report.item, report.user.as_ref()), (Some(pack.0), Some(&index.user)));
    }

    #[test]
    fn a_message_without_anything_to_do_may_go() {
        let (index, pack) = with_pack();
        assert_eq!(delivered(&index, ItemId(99), 1), Outcome::Done);
        assert_eq!(delivered(&index, pack, 1), Outcome::Done);
        // It is done, and comes again.
        assert_eq!(delivered(&index, pack, 2), Outcome::Done);
    }

    #[test]
    fn a_message_whose_item_another_holds_comes_again_when_that_claim_has_run_out() {
        let (index, pack) = with_pack();
        let _held = index.claim(Stage::Chunk, pack).unwrap();
        let Outcome::Retry { after, .. } = delivered(&index, pack, 1) else { panic!("it is held") };
        assert!(after > constants::LEASE);
        // Not for ever: then the sweep sends another.
        assert_eq!(delivered(&index, pack, constants::DELIVERIES_BEFORE_SWEEP), Outcome::Done);
        index.memory.advance(after);
        assert_eq!(delivered(&index, pack, 2), Outcome::Done);
        assert_eq!(index.number("SELECT count(*) AS n FROM chunks"), 1);
    }

    #[test]
    fn a_failed_attempt_is_given_back_with_its_reason_and_tried_again() {
        let (index, pack) = with_pack();
        index.memory.put_out(Service::Objects, MINUTE);
        let Outcome::Retry { after, why } = delivered(&index, pack, 1) else { panic!("R2 is out") };
        let row = &index.memory.look("SELECT state, error, attempts FROM job_items ORDER BY id LIMIT 1")[0];
        assert_eq!((row["state"].as_str(), row["error"].as_str()), (Some("queued"), Some(why.as_str())));
        assert_eq!(row["attempts"], 1);
        // Before its time it waits.
        assert!(matches!(delivered(&index, pack, 2), Outcome::Retry { .. }));
        index.memory.advance(MINUTE + after);
        assert_eq!(delivered(&index, pack, 3), Outcome::Done);
    }

    #[test]
    fn an_item_without_attempts_is_given_up() {
        let (index, pack) = with_pack();
        index.memory.change("UPDATE job_items SET attempts = 16, lease = 0, state = 'running' WHERE stage = 'chunk'");
        assert!(matches!(delivered(&index, pack, 1), Outcome::Dead { .. }));
        assert_eq!(index.number(LETTERS), 1);
    }

    #[test]
    fn while_the_database_is_out_no_attempt_is_counted() {
        let (index, pack) = with_pack();
        index.memory.put_out(Service::Database, MINUTE);
        assert!(matches!(delivered(&index, pack, 1), Outcome::Retry { .. }));
        index.memory.advance(MINUTE);
        assert_eq!(index.number("SELECT max(attempts) AS n FROM job_items"), 0);
        assert_eq!(delivered(&index, pack, 2), Outcome::Done);
    }

    #[test]
    fn indexing_is_parked_until_tomorrow_when_the_day_is_nearly_spent() {
        let (index, pack) = with_pack();
        index.memory.change(
            r#"INSERT INTO budget (day, neurons, ingest_neurons, used)
               VALUES (1795305600000, 0, 0, '{"d1_rows_written": 95000}')"#,
        );
        assert!(
            matches!(delivered(&index, pack, 1), Outcome::Park { until, .. } if until == index.memory.now().next_day())
        );
        assert_eq!(index.memory.look("SELECT state FROM job_items WHERE stage = 'chunk'")[0]["state"], "parked");
    }
}
