//! What `wrangler.toml` says and what the code believes are the same.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use consumers::query_budget::QUERIES_OF_DEAD_LETTER;
use local_dev::configuration::{check_deployed, limits_of};
use pipeline::{
    budget::allowances::{Allowances, Resource},
    constants::{self, D1_QUERIES_PER_INVOCATION},
    failure::Failure,
    job::{
        message::Stage,
        outcome::{Outcome, wait_for_database},
    },
    time::{HOUR, Span},
};
use producers::schedule::Schedule;
use test_platform::InMemory;
use toml::{Table, Value};

fn configuration(name: &str) -> Table {
    std::fs::read_to_string(local_dev::product::root().join(name)).unwrap().parse().unwrap()
}

fn strings(value: &Value, field: &str) -> Vec<String> {
    value.as_array().unwrap().iter().map(|entry| entry[field].as_str().unwrap().to_owned()).collect()
}

fn strings_of(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|entry| entry.as_str().unwrap()).collect()
}

#[test]
fn bursts_are_those_the_code_tells() {
    let gateway = configuration("wrangler.toml");
    let limiters: Vec<(String, i64, i64)> = gateway["ratelimits"]
        .as_array()
        .unwrap()
        .iter()
        .map(|limiter| {
            let number = |field: &str| limiter["simple"][field].as_integer().unwrap();
            (limiter["name"].as_str().unwrap().to_owned(), number("limit"), number("period"))
        })
        .collect();
    let expected = [
        ("BURST_ADDRESS", constants::BURST_PER_ADDRESS, constants::BURST_PERIOD.as_seconds()),
        ("BURST_KEY", constants::BURST_PER_KEY, constants::BURST_PERIOD.as_seconds()),
        ("BURST_REFUSED", constants::REFUSALS_BEFORE_BAN, 60),
    ];
    assert_eq!(limiters, expected.map(|(name, limit, period)| (name.to_owned(), i64::from(limit), period)));
}

#[test]
fn every_trigger_is_known_and_there_are_no_more_than_the_plan_gives() {
    let consumers = configuration("wrangler.consumers.toml");
    let crons = strings_of(&consumers["triggers"]["crons"]);
    assert_eq!(crons, Schedule::CRONS.map(|(_, cron)| cron));
    assert!(crons.len() <= 5);
    for (schedule, cron) in Schedule::CRONS {
        assert_eq!(Schedule::of(cron), schedule);
    }
}

#[test]
fn every_stage_has_its_queue_and_its_dead_letters() {
    let consumers = configuration("wrangler.consumers.toml");
    let consumed = strings(&consumers["queues"]["consumers"], "queue");
    for stage in Stage::ALL {
        let queue = format!("friend-{}", stage.name());
        assert!(consumed.contains(&queue) && consumed.contains(&format!("{queue}-dlq")), "{queue}");
        for name in ["wrangler.toml", "wrangler.consumers.toml"] {
            assert!(
                strings(&configuration(name)["queues"]["producers"], "queue").contains(&queue),
                "{queue} in {name}"
            );
        }
    }
}

/// How long a message waits in all that D1 does not answer.
fn delays(retries: u32) -> Span {
    let memory = InMemory::new(1);
    let delay = |delivery| match wait_for_database(&memory, Failure::transient("D1"), delivery) {
        Outcome::Retry { after, .. } => after,
        other => panic!("{other:?}"),
    };
    (1..=retries).fold(Span::ZERO, |all, delivery| all + delay(delivery))
}

#[test]
fn a_message_outlasts_an_outage_of_hours_and_no_queue_gives_it_up_sooner() {
    let consumers = configuration("wrangler.consumers.toml");
    for queue in consumers["queues"]["consumers"].as_array().unwrap() {
        let retries = u32::try_from(queue["max_retries"].as_integer().unwrap()).unwrap();
        assert_eq!(retries, constants::QUEUE_RETRIES, "{queue}");
        assert!(retries > constants::DELIVERIES_BEFORE_SWEEP, "{queue}");
    }
    assert!(delays(constants::QUEUE_RETRIES) > 2 * HOUR);
}

#[test]
fn messages_delivered_together_fit_what_one_invocation_may_ask_of_d1() {
    let consumers = configuration("wrangler.consumers.toml")["queues"]["consumers"].clone();
    for consumer in consumers.as_array().unwrap() {
        let name = consumer["queue"].as_str().unwrap();
        let queries = if name.ends_with("-dlq") { QUERIES_OF_DEAD_LETTER } else { D1_QUERIES_PER_INVOCATION };
        let messages = consumer["max_batch_size"].as_integer().unwrap().unsigned_abs();
        assert!(messages * queries <= D1_QUERIES_PER_INVOCATION, "{name}: {messages} messages of {queries} queries");
    }
}

/// Queues starts up to 250 consumers of a queue at once, and D1 has one writer.
/// <https://developers.cloudflare.com/queues/configuration/consumer-concurrency/>
#[test]
fn only_what_somebody_waits_for_runs_as_often_at_once_as_the_platform_likes() {
    let consumers = configuration("wrangler.consumers.toml");
    for queues in [&consumers["queues"], &consumers["env"]["staging"]["queues"]] {
        for queue in queues["consumers"].as_array().unwrap() {
            let name = queue["queue"].as_str().unwrap();
            let most = queue.get("max_concurrency").and_then(Value::as_integer);
            let is_bounded = !name.ends_with("-dlq") && !name.ends_with("-chat");
            assert_eq!(most, is_bounded.then_some(5), "{name}");
        }
    }
}

/// What an environment must repeat, because wrangler inherits none of it.
const REPEATED: [&str; 10] = [
    "name",
    "kv_namespaces",
    "r2_buckets",
    "vectorize",
    "ai",
    "d1_databases",
    "queues",
    "ratelimits",
    "durable_objects",
    "vars",
];

/// A configuration without what staging has of its own, its names changed.
fn comparable(value: &Value, friend: &str) -> Value {
    let own = ["id", "database_id", "namespace_id", "LIMITS", "ENVIRONMENT"];
    match value {
        Value::String(text) => Value::String(text.replace("friend", friend)),
        Value::Array(entries) => Value::Array(entries.iter().map(|entry| comparable(entry, friend)).collect()),
        Value::Table(fields) => Value::Table(
            fields
                .iter()
                .filter(|(name, _)| !own.contains(&name.as_str()))
                .map(|(name, value)| (name.clone(), comparable(value, friend)))
                .collect(),
        ),
        other => other.clone(),
    }
}

#[test]
fn staging_is_what_is_live_with_names_and_limits_of_its_own() {
    for name in ["wrangler.toml", "wrangler.consumers.toml"] {
        let live = configuration(name);
        let staging = live["env"]["staging"].as_table().unwrap();
        for field in REPEATED.into_iter().filter(|field| live.contains_key(*field)) {
            assert_eq!(
                comparable(&live[field], "friend-staging"),
                comparable(&staging[field], "friend"),
                "{field} in {name}"
            );
        }
        let known = |field: &String| REPEATED.contains(&field.as_str()) || field == "triggers";
        assert!(staging.keys().all(known), "{name} has something that live has not");
    }
}

#[test]
fn staging_has_a_tenth_of_the_day_and_the_triggers_that_live_leaves() {
    let root = local_dev::product::root();
    let limits = limits_of(&root, "staging").unwrap();
    let (live, staging) = (Allowances::default(), Allowances::default().overlaid(limits.as_bytes()).unwrap());
    for resource in Resource::ALL {
        let share = staging.of(resource) / live.of(resource);
        assert!((0.09..=0.1).contains(&share), "{}: {share}", resource.name());
    }
    let consumers = configuration("wrangler.consumers.toml");
    assert_eq!(consumers["env"]["staging"]["vars"]["LIMITS"].as_str(), Some(limits.as_str()));
    check_deployed(&root, "staging").unwrap();
    let crons = strings_of(&consumers["env"]["staging"]["triggers"]["crons"]);
    assert_eq!(crons.iter().map(|cron| Schedule::of(cron)).collect::<Vec<_>>(), [Schedule::Frequent, Schedule::Daily]);
    assert!(crons.len() + Schedule::CRONS.len() <= 5, "an account of the Free plan has five");
    assert!(limits_of(&root, "nowhere").is_err());
}
