//! `make smoke` against the product on workerd: the journey that a real deployment is tried with.

use local_dev::smoke::{PATIENCE, Patience, Verdict, table, travel};

use crate::started::{DEADLINE, shared};

#[test]
fn the_journey_holds_here_and_leaves_nothing_behind() {
    let client = shared().product.new_user("smoke").unwrap();
    // Beside seven other tests on two cores nothing is seen of how fast it is.
    let patience = Patience { visible_within: DEADLINE, deadline: DEADLINE };
    let checks = travel(&client, patience).unwrap();
    assert!(checks.len() >= 10 && checks.iter().all(|check| check.verdict == Verdict::Holds), "{}", table(&checks));
    let left = |path: &str| client.get(path).unwrap().json();
    assert_eq!(left("/api/documents")["data"].as_array().map(Vec::len), Some(0));
    assert_eq!(left("/api/memory")["data"].as_array().map(Vec::len), Some(0), "{}", left("/api/memory"));
    assert_eq!(left("/api/conversations")["data"].as_array().map(Vec::len), Some(0));
    // Whoever has no key learns that at the first step that needs one.
    let refused = travel(&client.with_key("cf_local_aaaa_bbbb"), PATIENCE);
    assert!(refused.is_err_and(|why| why.to_string().contains("401")), "a wrong key is told");
}
