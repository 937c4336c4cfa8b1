//! What a user says about themselves: set as a whole, or changed in parts.

use serde_json::{Value, json};
use test_platform::ready;
use tests::rig::Rig;

fn profile(rig: &Rig) -> Value {
    rig.request("GET", "/api/me", &Value::Null).body
}

fn whole() -> Value {
    json!({
        "about": "A poet",
        "preferences": {"accept_memories": true, "style": "short"},
        "retention": {"document_days": 30, "conversation_days": 20, "memory_days": 10},
    })
}

fn with_whole_profile() -> Rig {
    let rig = Rig::new(1);
    assert_eq!(rig.request("PUT", "/api/me", &whole()).status, 200);
    rig
}

#[test]
fn a_put_that_leaves_something_out_changes_nothing_and_names_it() {
    let rig = with_whole_profile();
    let before = profile(&rig);
    let without = |path: &[&str]| {
        let mut body = whole();
        let (name, parents) = path.split_last().unwrap();
        let parent = parents.iter().fold(&mut body, |value, name| &mut value[*name]);
        parent.as_object_mut().unwrap().remove(*name);
        body
    };
    for path in [
        &["about"][..],
        &["preferences"],
        &["retention"],
        &["preferences", "style"],
        &["preferences", "accept_memories"],
        &["retention", "document_days"],
        &["retention", "conversation_days"],
        &["retention", "memory_days"],
    ] {
        let refused = rig.request("PUT", "/api/me", &without(path));
        let pointer = format!("/{}", path.join("/"));
        assert_eq!((refused.status, &refused.body["errors"][0]["pointer"]), (422, &json!(pointer)), "{}", refused.body);
        let detail = refused.body["detail"].as_str().unwrap();
        assert!(detail.contains(&pointer) && detail.contains("PATCH"), "{detail}");
        assert_eq!(profile(&rig), before);
    }
    let refused = rig.request("PUT", "/api/me", &json!({"about": "B"}));
    assert_eq!(refused.body["errors"].as_array().unwrap().len(), 2, "{}", refused.body);
    assert_eq!(rig.request("PUT", "/api/me", &json!([])).status, 422);
    assert_eq!(rig.request("PATCH", "/api/me", &json!([])).status, 422);
    assert_eq!(profile(&rig), before);
}

#[test]
fn what_is_read_can_be_put_again() {
    let rig = with_whole_profile();
    let mut read = profile(&rig);
    read["about"] = json!("A painter");
    read["retention"]["memory_days"] = Value::Null;
    let put = rig.request("PUT", "/api/me", &read);
    assert_eq!((put.status, &put.body), (200, &read));
    assert_eq!(profile(&rig), read);
    read["user_id"] = json!("usr_another");
    let refused = rig.request("PUT", "/api/me", &read);
    assert_eq!((refused.status, &refused.body["errors"][0]["pointer"]), (422, &json!("/user_id")), "{}", refused.body);
}

#[test]
fn a_patch_changes_what_it_names_and_null_removes() {
    let rig = with_whole_profile();
    let mut expected = profile(&rig);
    let mut patch = |change: Value, expect: &dyn Fn(&mut Value)| {
        expect(&mut expected);
        let answer = rig.request("PATCH", "/api/me", &change);
        assert_eq!((answer.status, &answer.body), (200, &expected), "{change}");
        assert_eq!(profile(&rig), expected, "{change}");
    };
    patch(json!({"about": "B"}), &|profile| profile["about"] = json!("B"));
    patch(json!({}), &|_| {});
    patch(json!({"preferences": {"style": "in rhyme"}}), &|profile| {
        profile["preferences"]["style"] = json!("in rhyme");
    });
    patch(json!({"retention": {"document_days": null}}), &|profile| {
        profile["retention"]["document_days"] = Value::Null;
    });
    patch(json!({"retention": {"document_days": 5}, "about": null}), &|profile| {
        profile["retention"]["document_days"] = json!(5);
        profile["about"] = json!("");
    });
    patch(json!({"preferences": null}), &|profile| {
        profile["preferences"] = json!({"accept_memories": false, "style": ""});
    });
    for (wrong, pointer) in [
        (json!({"retention": {"document_days": 0}}), "/retention/document_days"),
        (json!({"preferences": {"accept_memories": "yes"}}), "/preferences/accept_memories"),
        (json!({"about": 7}), "/about"),
    ] {
        let refused = rig.request("PATCH", "/api/me", &wrong);
        assert_eq!(
            (refused.status, refused.body["errors"][0]["pointer"].as_str()),
            (422, Some(pointer)),
            "{}",
            refused.body
        );
    }
    let long = json!({"about": "x".repeat(8 * 1024 - 200)});
    assert_eq!(rig.request("PATCH", "/api/me", &long).status, 200);
    let before = profile(&rig);
    let refused = rig.request("PATCH", "/api/me", &json!({"preferences": {"style": "y".repeat(300)}}));
    assert_eq!((refused.status, profile(&rig)), (413, before), "the whole of it would be too long");
}

#[test]
fn a_first_patch_needs_no_profile_before_it() {
    let rig = Rig::new(1);
    let answer = rig.request("PATCH", "/api/me", &json!({"preferences": {"accept_memories": true}}));
    assert_eq!((answer.status, &answer.body["preferences"]["accept_memories"]), (200, &json!(true)), "{}", answer.body);
    rig.memory.change("UPDATE users SET profile = 'no profile'");
    let answer = rig.request("PATCH", "/api/me", &json!({"about": "A poet"}));
    assert_eq!((answer.status, &profile(&rig)["about"]), (200, &json!("A poet")), "one that cannot be read is none");
}

#[test]
fn of_two_changes_at_the_same_time_none_is_lost() {
    let mut met = 0;
    for call in 1.. {
        let rig = with_whole_profile();
        let Some(held) = rig.hold_request("PATCH", "/api/me", &json!({"about": "B"}), call) else { break };
        rig.request("PATCH", "/api/me", &json!({"retention": {"memory_days": 3}}));
        assert_eq!(ready(held).status, 200);
        let profile = profile(&rig);
        assert_eq!((&profile["about"], &profile["retention"]["memory_days"]), (&json!("B"), &json!(3)), "call {call}");
        met += 1;
    }
    assert!(met >= 3, "{met}");
}
