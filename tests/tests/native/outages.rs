//! Any one binding is out for a minute, five or sixty: nothing is lost, and nothing has failed that a user
//! would have to repair.
//!
//! `OUTAGE=D1 MINUTES=5 SEED=3 cargo test -p tests --test native -- --ignored one_outage` tells one of them.
#![expect(clippy::print_stdout, reason = "tests; a history is told")]

use pipeline::time::MINUTE;
use test_platform::Service;
use tests::{
    quietly, report,
    simulation::{self, Outage, Tally},
};

const MINUTES: [i64; 3] = [1, 5, 60];
/// Histories of each outage.
const SEEDS: u64 = 10;

fn seeds() -> u64 {
    std::env::var("OUTAGE_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(SEEDS)
}

fn outlived(service: Service) {
    let mut tally = Tally::default();
    let mut broken = Vec::new();
    for minutes in MINUTES {
        let outage = Outage { service, span: minutes * MINUTE };
        for seed in 1..=seeds() {
            match quietly(|| simulation::run_through(seed, outage)) {
                Ok(history) => tally.add(history),
                Err(violation) => broken.push(format!("{} for {minutes} minutes, {violation}", service.name())),
            }
        }
    }
    assert!(broken.is_empty(), "{} histories:\n{}", broken.len(), broken.join("\n"));
    report(&format!(
        "{} out for 1, 5 and 60 minutes: {} histories, {} deliveries, 0 violations",
        service.name(),
        tally.seeds,
        tally.deliveries
    ));
}

#[test]
fn an_outage_of_d1_loses_and_fails_nothing() {
    outlived(Service::Database);
}

#[test]
fn an_outage_of_r2_loses_and_fails_nothing() {
    outlived(Service::Objects);
}

#[test]
fn an_outage_of_kv_loses_and_fails_nothing() {
    outlived(Service::Values);
}

#[test]
fn an_outage_of_the_queues_loses_and_fails_nothing() {
    outlived(Service::Queue);
}

#[test]
fn an_outage_of_workers_ai_loses_and_fails_nothing() {
    outlived(Service::Models);
}

#[test]
fn an_outage_of_vectorize_loses_and_fails_nothing() {
    outlived(Service::Vectors);
}

#[test]
fn an_outage_of_durable_objects_loses_and_fails_nothing() {
    outlived(Service::Channels);
}

#[test]
#[ignore = "tells one history: OUTAGE, MINUTES and SEED say which"]
fn one_outage_is_told() {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let service = Service::BINDINGS.into_iter().find(|service| service.name() == variable("OUTAGE"));
    let Some(service) = service else { panic!("OUTAGE is none of {:?}", Service::BINDINGS.map(Service::name)) };
    let span = variable("MINUTES").parse().unwrap_or(5) * MINUTE;
    println!("{}", simulation::replay_through(variable("SEED").parse().unwrap_or(1), Outage { service, span }));
}
