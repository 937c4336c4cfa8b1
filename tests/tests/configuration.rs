//! What `wrangler.toml` says and what the code believes are the same.
#![expect(clippy::unwrap_used, reason = "tests")]

use pipeline::{limits, message::Stage};
use producers::cron::Schedule;
use toml::{Table, Value};

fn configuration(name: &str) -> Table {
    std::fs::read_to_string(local_dev::product::root().join(name)).unwrap().parse().unwrap()
}

fn strings(value: &Value, field: &str) -> Vec<String> {
    value.as_array().unwrap().iter().map(|entry| entry[field].as_str().unwrap().to_owned()).collect()
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
        ("BURST_ADDRESS", limits::BURST_PER_ADDRESS, limits::BURST_SECONDS),
        ("BURST_KEY", limits::BURST_PER_KEY, limits::BURST_SECONDS),
        ("BURST_REFUSED", limits::REFUSALS_BEFORE_BAN, 60),
    ];
    assert_eq!(limiters, expected.map(|(name, limit, period)| (name.to_owned(), i64::from(limit), period)));
}

#[test]
fn every_trigger_is_known_and_there_are_no_more_than_the_plan_gives() {
    let consumers = configuration("wrangler.consumers.toml");
    let crons: Vec<&str> =
        consumers["triggers"]["crons"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
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
