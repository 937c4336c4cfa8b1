//! `make smoke` against what `make dev` starts, on workerd: the journey that a real deployment is tried with.

use local_dev::smoke::{PATIENCE, Patience, Verdict, judge, read, table, travel};
use pipeline::plan::Plan;
use serde_json::{Value, json};
use tests::scripted_model::ScriptedModel;

use crate::started::{DEADLINE, start, words_alone};

#[test]
fn the_journey_holds_here_and_leaves_nothing_behind() {
    let model = ScriptedModel::start();
    let product = start("smoke", words_alone().as_deployed(), model.as_language_model());
    let client = product.client().unwrap();
    let faults: Value =
        ureq::get(format!("{}/faults", product.model_server)).call().unwrap().body_mut().read_json().unwrap();
    assert!(faults["visible_after_ms"].as_u64() > Some(0), "what `make dev` starts is as slow as production: {faults}");
    // Beside seven other tests on two cores nothing is seen of how fast it is.
    let patience = Patience { visible_within: DEADLINE, deadline: DEADLINE };
    let checks = travel(&client, patience).unwrap();
    assert!(checks.len() >= 10 && checks.iter().all(|check| check.verdict == Verdict::Holds), "{}", table(&checks));
    let left = |path: &str| client.get(path).unwrap().json();
    assert_eq!(left("/api/documents")["items"].as_array().map(Vec::len), Some(0));
    assert_eq!(left("/api/memory")["items"].as_array().map(Vec::len), Some(0), "{}", left("/api/memory"));
    assert_eq!(left("/api/conversations")["items"].as_array().map(Vec::len), Some(0));
    // Whoever has no key learns that at the first step that needs one.
    let refused = travel(&client.with_key("cf_local_aaaa_bbbb"), PATIENCE);
    assert!(refused.is_err_and(|why| why.to_string().contains("401")), "a wrong key is told");
    // What both Workers logged meanwhile is read as a tail of theirs would be.
    let checks = judge(&read(&tailed(&std::fs::read_to_string(product.log()).unwrap())), Plan::Free);
    let queries = checks.iter().find(|check| check.assumption.starts_with("D1 takes the queries")).unwrap();
    assert_eq!(queries.verdict, Verdict::Holds, "{}", table(&checks));
}

/// Lines of a log as events of a tail: each is all that an invocation logged.
fn tailed(log: &str) -> String {
    let lines = log.lines().filter_map(|line| line.get(line.find('{')?..));
    let lines = lines.filter(|line| serde_json::from_str::<Value>(line).is_ok());
    lines.map(|line| json!({ "outcome": "ok", "logs": [{ "message": [line] }] }).to_string()).collect()
}
