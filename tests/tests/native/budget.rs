//! The budget, over ports in memory: what is reserved, spent, refused, parked, told.
#![expect(clippy::unwrap_used, reason = "tests")]

use pipeline::{
    constants,
    platform::ports::{Burst, Clock as _, Webhook},
    time::{DAY, HOUR, MINUTE},
};
use producers::schedule::Schedule;
use serde_json::{Value, json};
use test_platform::Fate;
use tests::rig::{Rig, prose};

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

/// The day's neurons in the ledger, and the sum of all usage rows.
fn ledger(rig: &Rig) -> (f64, f64, f64) {
    let day = rig.memory.look("SELECT total(neurons) AS neurons FROM budget");
    let rows = rig.memory.look(
        "SELECT (SELECT total(neurons) FROM usage_log) + (SELECT total(neurons) FROM usage_hourly)
                + (SELECT total(neurons) FROM usage_daily) AS neurons",
    );
    let reserved = rig.memory.look("SELECT total(neurons) AS neurons FROM reservations");
    (number(&day[0]["neurons"]), number(&rows[0]["neurons"]), number(&reserved[0]["neurons"]))
}

fn usage(rig: &Rig) -> Value {
    rig.request("GET", "/api/usage", &Value::Null).body
}

fn resource<'a>(usage: &'a Value, name: &str) -> &'a Value {
    usage["resources"].as_array().unwrap().iter().find(|resource| resource["name"] == name).unwrap()
}

fn measure_now(rig: &Rig) {
    rig.run_cron(Schedule::Frequent).1.unwrap();
}

#[test]
fn neurons_of_the_ledger_are_those_the_models_worked_for() {
    let rig = Rig::new(1);
    rig.upload(&json!([{"external_id": "tides.md", "content": prose("tides", 60)}]));
    rig.drain();
    rig.search(&json!({"query": "tides and their numbers"}));
    rig.chat(&json!({"message": "What is part 7 of the tides about?"}));
    let (day, rows, reserved) = ledger(&rig);
    assert!(day > 1.0, "{day}");
    assert!((day - rows).abs() < 1e-9 && reserved.abs() < 1e-9, "{day} {rows} {reserved}");
    assert!((day - rig.memory.billed()).abs() < 1e-9, "{day} {}", rig.memory.billed());
    let view = usage(&rig);
    assert!((number(&resource(&view, "neurons")["used"]) - day).abs() < 1e-9);
    assert!(number(&view["ingest"]["neurons"]) > 0.0 && number(&view["ingest"]["neurons"]) < day);
}

#[test]
fn indexing_parks_when_its_share_is_spent_and_goes_on_the_next_day() {
    let rig = Rig::new(2);
    // About 40 chunks of 400 word pieces: 30 neurons. Half of 20 is for indexing.
    rig.memory.set_limits(r#"{"neurons": 20, "ingest_share": 0.5}"#);
    let job = rig.upload(&json!([{"external_id": "tides.md", "content": prose("tides", 60)}]));
    rig.drain();
    let view = rig.job(&job);
    assert_eq!(view["status"], "parked", "{view}");
    let midnight = rig.memory.now().next_day().to_rfc3339();
    assert_eq!(view["parked_until"], midnight, "{view}");
    assert!(view["parked_why"].as_str().unwrap().contains("neurons for indexing"), "{view}");
    let (day, ..) = ledger(&rig);
    assert!(day > 8.0 && day <= 10.0, "{day}: the share is used to its end, and not beyond");
    // What is chunked is found; what is left of the day answers.
    assert_eq!(rig.search(&json!({"query": "tides 7", "mode": "keyword"}))[0], "tides.md");
    let answer = rig.request("POST", "/api/search", &json!({"query": "numbers of the tides"}));
    assert!(answer.headers["x-budget"].to_str().unwrap().contains("of its share of the neurons"));
    // Several days later all of it is done, and nothing was embedded twice.
    for _ in 0..10 {
        rig.memory.advance(rig.memory.now().next_day().since(rig.memory.now()));
        rig.converge();
    }
    assert_eq!(rig.job(&job)["status"], "succeeded");
    let unlimited = Rig::new(2);
    unlimited.upload(&json!([{"external_id": "tides.md", "content": prose("tides", 60)}]));
    unlimited.drain();
    let queries = 1;
    assert_eq!(rig.memory.embedded(), unlimited.memory.embedded() + queries);
    assert_eq!(rig.memory.vector_ids().len(), unlimited.memory.vector_ids().len());
}

#[test]
fn a_day_without_neurons_still_searches_and_answers_and_says_so() {
    let rig = Rig::new(3);
    rig.upload(&json!([{"external_id": "tides.md", "content": prose("tides", 4)}]));
    rig.drain();
    let (spent, ..) = ledger(&rig);
    rig.memory.set_limits(&json!({ "neurons": spent }).to_string());
    let before = rig.memory.billed();
    let found = rig.request("POST", "/api/search", &json!({"query": "the number of tides 2"}));
    assert_eq!((found.status, found.body["mode"].as_str()), (200, Some("keyword")), "{}", found.body);
    assert!(found.headers["x-degraded"].to_str().unwrap().contains("neurons are spent"));
    assert!(found.headers["x-budget"].to_str().unwrap().starts_with("neurons at 100%"));
    let turn = rig.chat(&json!({"message": "What is the number of tides 2?"}));
    assert!(turn["answer"].as_str().unwrap().contains("quote"), "{turn}");
    assert!(turn["degraded"].as_str().unwrap().contains("allowance"), "{turn}");
    assert!(!turn["citations"].as_array().unwrap().is_empty());
    assert!((rig.memory.billed() - before).abs() < 1e-9, "no neuron was spent");
    assert_eq!(resource(&usage(&rig), "neurons")["level"], "spent");
}

#[test]
fn near_its_end_the_smallest_model_answers_and_no_cache_is_written() {
    let rig = Rig::new(4);
    rig.upload(&json!([{"external_id": "tides.md", "content": prose("tides", 4)}]));
    rig.drain();
    let (spent, ..) = ledger(&rig);
    // 93 % are spent, and the rest pays for a small answer.
    rig.memory.set_limits(&json!({ "neurons": 2_000.0 }).to_string());
    rig.memory.look("SELECT 1");
    assert!(spent < 50.0);
    rig.memory.change("UPDATE budget SET neurons = 1860");
    let turn =
        rig.chat(&json!({"message": "Compare tides 1 and tides 2: why do they differ, and what is the trade-off?"}));
    assert_eq!(turn["route"]["name"], "simple", "{turn}");
    assert!(turn["degraded"].as_str().unwrap().contains("smallest model"), "{turn}");
    let written = rig.memory.look("SELECT total(kv_writes) AS writes FROM usage_log WHERE source = 'chat'");
    assert!(number(&written[0]["writes"]).abs() < 1e-9);
}

#[test]
fn what_everything_needs_parks_indexing_before_it_runs_out() {
    let rig = Rig::new(5);
    rig.memory.set_limits(r#"{"d1_rows_written": 60}"#);
    for number in 0..6 {
        rig.upload(&json!([{"external_id": format!("{number}.md"), "content": prose("tides", 1)}]));
    }
    measure_now(&rig);
    let job = rig.upload(&json!([{"external_id": "late.md", "content": prose("tides", 1)}]));
    rig.drain();
    let view = rig.job(&job);
    assert_eq!(view["status"], "parked", "{view}");
    assert!(view["parked_why"].as_str().unwrap().contains("d1_rows_written"), "{view}");
    rig.memory.set_limits("{}");
    rig.memory.advance(DAY);
    assert!(rig.converge());
    assert_eq!(rig.job(&job)["status"], "succeeded");
}

/// Hundreds of jobs may wait for tomorrow, and the sweep runs 288 times a day.
#[test]
fn the_sweep_does_not_read_what_is_parked() {
    let rig = Rig::new(9);
    rig.memory.set_limits(r#"{"neurons": 0.001}"#);
    let reads = || {
        measure_now(&rig);
        let rows = rig
            .memory
            .look("SELECT d1_rows_read AS rows FROM usage_log WHERE source = 'cron' ORDER BY at DESC, id DESC LIMIT 1");
        number(&rows[0]["rows"])
    };
    let parked = |jobs: usize| {
        for number in 0..jobs {
            rig.upload(
                &json!([{"external_id": format!("{}-{number}", rig.memory.now().milliseconds()), "content": "Tides."}]),
            );
        }
        rig.drain();
        rig.memory.advance(MINUTE);
        // Documents are counted when that is due, and it would be with each look at so few.
        rig.memory.change(
            "INSERT OR REPLACE INTO counters (name, value)
             VALUES ('documents', 1000000), ('stored_counted_at', 1795309200000)",
        );
        // The usage rows it sums up are read by time, and there are more of them every time.
        rig.memory.change("DELETE FROM usage_log");
        reads()
    };
    let (few, many) = (parked(10), parked(100));
    assert_eq!(rig.memory.look("SELECT id FROM job_items WHERE state = 'parked'").len(), 110);
    assert!((many - few).abs() < 10.0, "{few} rows read with 10 parked jobs, {many} with 110");
}

#[test]
fn parked_work_comes_back_one_of_each_user_in_turn() {
    let rig = Rig::new(6);
    let other = rig.new_user();
    rig.memory.set_limits(r#"{"neurons": 0.001}"#);
    let upload = |key: &str, name: String| {
        let body = json!({"documents": [{"external_id": name, "content": prose("tides", 1)}]}).to_string();
        let answer =
            rig.request_as(key, "POST", "/api/index", &[("content-type", "application/json")], body.as_bytes());
        assert_eq!(answer.status, 202, "{}", answer.body);
    };
    for number in 0..3 {
        rig.upload(&json!([{"external_id": format!("first-{number}"), "content": prose("tides", 1)}]));
    }
    upload(&other, "second-0".to_owned());
    rig.drain();
    assert_eq!(rig.memory.look("SELECT id FROM job_items WHERE state = 'parked'").len(), 4);
    rig.memory.advance(DAY);
    measure_now(&rig);
    let mut users = Vec::new();
    while let Some(message) = rig.memory.receive() {
        users.push(message.user.to_string());
    }
    assert_eq!(users.len(), 4);
    assert_ne!(users[0], users[1], "the second user does not wait behind the first");
    assert_eq!(users[2], users[3]);
}

#[test]
fn concurrent_reservations_never_pass_the_share_together() {
    use pipeline::budget::{ledger, purpose::Purpose};
    use test_platform::ready;
    let rig = Rig::new(7);
    rig.memory.set_limits(r#"{"neurons": 100, "ingest_share": 0.7}"#);
    let user = rig.user();
    let reserve = |name: &str, purpose, neurons| {
        rig.memory.begin(name);
        ready(ledger::reserve(&rig.memory, purpose, &user, neurons))
    };
    let granted = (0..20).filter(|worker| reserve(&format!("w{worker}"), Purpose::Ingest, 9.0).is_ok()).count();
    assert_eq!(granted, 7, "63 of 70");
    assert!(reserve("chat", Purpose::Interactive, 30.0).is_ok(), "the rest is for who waits");
    let refused = reserve("chat 2", Purpose::Interactive, 8.0).unwrap_err();
    assert_eq!(refused.why, "today's neurons are spent: 93 of 100, and this needs 8.0");
    // None of them ever says what it spent: taken for spent, once.
    rig.memory.advance(constants::MAX_WRITER_LIFE + MINUTE);
    measure_now(&rig);
    measure_now(&rig);
    let (day, rows, reserved) = ledger(&rig);
    assert_eq!((day, rows, reserved), (93.0, 93.0, 0.0));
}

#[test]
fn usage_rows_become_hours_and_days_and_count_once_whatever_breaks_off() {
    for fate in [Fate::Works, Fate::Fails, Fate::AnswerLost, Fate::Crashes, Fate::CrashesAfter] {
        let rig = Rig::new(8);
        rig.upload(&json!([{"external_id": "tides.md", "content": prose("tides", 10)}]));
        rig.drain();
        let sums = |rig: &Rig| {
            rig.memory.look(
                "SELECT sum(invocations) AS invocations, total(neurons) AS neurons, sum(read) AS read,
                        sum(queue) AS queue
                 FROM (
                     SELECT invocations, neurons, d1_rows_read AS read, queue_operations AS queue FROM usage_hourly
                     UNION ALL SELECT invocations, neurons, d1_rows_read, queue_operations FROM usage_daily
                     UNION ALL SELECT 1, neurons, d1_rows_read, queue_operations FROM usage_log
                     WHERE source <> 'cron')",
            )
        };
        let before = sums(&rig);
        for _ in 0..4 {
            let mut call = 0;
            rig.memory.set_fates(move || {
                call += 1;
                if call % 2 == 1 { fate } else { Fate::Works }
            });
            rig.memory.begin("aggregation");
            let _ = test_platform::ready(producers::schedule::aggregate_usage::aggregate(&rig.memory));
            rig.memory.heal();
            rig.memory.advance(HOUR);
        }
        rig.memory.advance(2 * DAY);
        rig.memory.begin("aggregation");
        test_platform::ready(producers::schedule::aggregate_usage::aggregate(&rig.memory)).unwrap();
        assert_eq!(sums(&rig), before, "{fate:?}");
        assert!(rig.memory.look("SELECT * FROM usage_log").is_empty());
        assert!(rig.memory.look("SELECT * FROM usage_hourly").is_empty());
        assert!(!rig.memory.look("SELECT * FROM usage_daily").is_empty());
    }
}

#[test]
fn thresholds_are_told_once_signed_and_again_until_they_are_taken() {
    let rig = Rig::new(9);
    rig.memory.set_webhook(Webhook {
        url: "https://hooks.test/friend".to_owned(),
        secret: concat!("whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").to_owned(),
    });
    rig.memory.set_limits(r#"{"neurons": 100}"#);
    rig.upload(&json!([{"external_id": "tides.md", "content": prose("tides", 1)}]));
    rig.drain();
    rig.memory.change("UPDATE budget SET neurons = 91");
    // The first delivery fails.
    rig.memory.fail_outside(1);
    measure_now(&rig);
    measure_now(&rig);
    let told = |rig: &Rig| rig.memory.posted().iter().map(|told| told.headers[1].1.clone()).collect::<Vec<_>>();
    assert_eq!(told(&rig).len(), 1, "80 % was not taken, 90 % was: {:?}", told(&rig));
    rig.memory.advance(MINUTE);
    measure_now(&rig);
    measure_now(&rig);
    let posted = rig.memory.posted();
    assert_eq!(posted.len(), 2);
    let date = rig.memory.now().to_rfc3339()[..10].to_owned();
    let mut ids = told(&rig);
    ids.sort_unstable();
    assert_eq!(ids, [format!("{date}-neurons-scarce"), format!("{date}-neurons-tight")]);
    let alert: Value = serde_json::from_str(&posted[0].body).unwrap();
    assert_eq!(alert["type"], "budget.threshold_passed");
    assert_eq!(alert["data"]["percent"], 91.0);
    assert!(posted[0].headers.iter().any(|(name, value)| *name == "webhook-signature" && value.starts_with("v1,")));
    assert_eq!(usage(&rig)["alerts"].as_array().unwrap().len(), 2);
}

#[test]
fn a_burst_is_refused_and_who_hammers_is_banned_with_one_write() {
    let rig = Rig::new(10);
    let ask = || rig.request("GET", "/api/documents", &Value::Null);
    let calm = ask();
    assert_eq!(calm.status, 200);
    assert_eq!(calm.headers["ratelimit-policy"], "\"burst\";q=100;w=10, \"day\";q=20000;w=86400");
    assert!(calm.headers["ratelimit"].to_str().unwrap().starts_with("\"day\";r=20000;t="));
    rig.memory.refuse_bursts(&[Burst::Key]);
    let refused = ask();
    assert_eq!((refused.status, refused.body["code"].as_str()), (429, Some("rate_limited")));
    assert_eq!(
        (refused.headers["retry-after"].as_bytes(), refused.headers["ratelimit"].as_bytes()),
        (&b"10"[..], &b"\"burst\";r=0;t=10"[..])
    );
    let writes = || number(&rig.memory.look("SELECT total(kv_writes) AS writes FROM usage_log")[0]["writes"]);
    assert!(writes().abs() < 1e-9);
    rig.memory.refuse_bursts(&[Burst::Key, Burst::Refused]);
    assert_eq!(ask().status, 429);
    rig.memory.refuse_bursts(&[]);
    for _ in 0..5 {
        let banned = ask();
        assert_eq!((banned.status, banned.headers["retry-after"].as_bytes()), (429, &b"601"[..]));
    }
    assert!((writes() - 1.0).abs() < 1e-9, "one write for the whole ban");
    rig.memory.advance(constants::BAN + MINUTE);
    assert_eq!(ask().status, 200);
}

#[test]
fn a_key_has_a_quota_of_the_day() {
    let rig = Rig::new(11);
    rig.memory.set_limits(r#"{"requests_per_key": 10}"#);
    let ask = || rig.request("GET", "/api/documents", &Value::Null);
    for _ in 0..10 {
        assert_eq!(ask().status, 200);
    }
    measure_now(&rig);
    let refused = ask();
    assert_eq!(refused.status, 429);
    assert!(refused.body["detail"].as_str().unwrap().contains("10 requests of the day"));
    rig.memory.advance(DAY);
    assert_eq!(ask().status, 200);
}

#[test]
fn limits_that_do_not_hold_together_are_not_in_force_and_health_says_so() {
    let rig = Rig::new(12);
    rig.memory.set_limits(r#"{"neurons": -5}"#);
    let health = rig.request("GET", "/health", &Value::Null).body;
    assert!(health["configuration"].as_str().unwrap().contains("neurons must be a number above 0"), "{health}");
    assert_eq!(resource(&usage(&rig), "neurons")["allowance"], 10_000.0);
    rig.memory.set_limits("{}");
    rig.memory.set_value("config:limits", br#"{"neurons": 77}"#);
    rig.memory.advance(2 * MINUTE);
    assert_eq!(resource(&usage(&rig), "neurons")["allowance"], 77.0);
}
