//! API keys: nobody locks themselves out unawares, and whoever did is let in again.
#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::{Value, json};
use test_platform::ready;
use tests::rig::Rig;

/// The ids of the first user's keys.
fn keys(rig: &Rig) -> Vec<String> {
    let keys = rig.request("GET", "/api/keys", &Value::Null).body;
    keys["items"].as_array().unwrap().iter().map(|key| key["id"].as_str().unwrap().to_owned()).collect()
}

fn revoke(rig: &Rig, id: &str, query: &str) -> u16 {
    rig.request("DELETE", &format!("/api/keys/{id}{query}"), &Value::Null).status
}

fn good(rig: &Rig) -> usize {
    rig.memory.look("SELECT id FROM api_keys WHERE revoked_at IS NULL").len()
}

#[test]
fn the_last_key_is_revoked_only_by_force() {
    let rig = Rig::new(1);
    // Another's key is no key of one's own.
    rig.new_user();
    let id = keys(&rig).remove(0);
    let refused = rig.request("DELETE", &format!("/api/keys/{id}"), &Value::Null);
    assert_eq!(refused.status, 409, "{}", refused.body);
    assert!(refused.body["detail"].as_str().unwrap().contains("?force=true"), "{}", refused.body);
    assert_eq!(revoke(&rig, &id, "?force=false"), 409);
    assert_eq!(revoke(&rig, &id, "?force=yes"), 422);
    assert_eq!(good(&rig), 2);
    let other = rig.request("POST", "/api/keys", &json!({"name": "laptop"})).body;
    assert_eq!(revoke(&rig, other["id"].as_str().unwrap(), ""), 204);
    assert_eq!(revoke(&rig, other["id"].as_str().unwrap(), ""), 404, "revoked before");
    assert_eq!(revoke(&rig, &id, ""), 409, "one that was revoked is none");
    assert_eq!(revoke(&rig, &id, "?force=true"), 204);
    assert_eq!(rig.request("GET", "/api/keys", &Value::Null).status, 401);
}

#[test]
fn of_the_last_two_keys_one_remains_whoever_revokes_both_at_once() {
    let mut met = 0;
    for call in 1.. {
        let rig = Rig::new(1);
        let first = keys(&rig).remove(0);
        let second = rig.request("POST", "/api/keys", &Value::Null).body;
        let id = second["id"].as_str().unwrap();
        let Some(held) = rig.hold_request("DELETE", &format!("/api/keys/{id}"), &Value::Null, call) else { break };
        let path = format!("/api/keys/{first}");
        let between = rig.request_as(second["key"].as_str().unwrap(), "DELETE", &path, &[], b"").status;
        let statuses = [between, ready(held).status];
        // Whoever revoked the key of the other before that one was let in refuses it.
        assert!([[204, 409], [409, 204], [204, 401]].contains(&statuses), "held at call {call}: {statuses:?}");
        assert_eq!(good(&rig), 1, "held at call {call}");
        met += usize::from(statuses.contains(&409));
    }
    assert!(met >= 1, "{met}");
}

#[test]
fn the_administrator_lets_in_again_who_has_no_key_left() {
    let rig = Rig::new(1);
    let me = rig.user();
    rig.request("POST", "/api/memory", &json!({"text": "Ada drinks tea"}));
    assert_eq!(revoke(&rig, &keys(&rig)[0], "?force=true"), 204);
    let issued = rig.administer("POST", "/api/keys", &json!({"user_id": me, "name": "again"}));
    assert_eq!((issued.status, &issued.body["user_id"]), (201, &json!(me)), "{}", issued.body);
    let key = issued.body["key"].as_str().unwrap();
    let memories = rig.request_as(key, "GET", "/api/memory", &[], b"").body;
    assert_eq!(memories["items"][0]["text"], "Ada drinks tea", "{memories}");
    assert_eq!(rig.memory.look("SELECT id FROM users").len(), 1, "no new user");
    for nobody in ["usr_nobody", &me.as_str().replace("usr_", "con_"), ""] {
        let refused = rig.administer("POST", "/api/keys", &json!({ "user_id": nobody }));
        let pointer = &refused.body["errors"][0]["pointer"];
        assert_eq!((refused.status, pointer), (404, &json!("/user_id")), "{}", refused.body);
    }
    assert_eq!(rig.memory.look("SELECT id FROM users").len(), 1);
}

#[test]
fn a_user_issues_keys_of_their_own_alone() {
    let rig = Rig::new(1);
    let me = rig.user();
    let other = rig.administer("POST", "/api/keys", &json!({"name": "another"})).body["user_id"].clone();
    let refused = rig.request("POST", "/api/keys", &json!({ "user_id": other }));
    assert_eq!((refused.status, &refused.body["errors"][0]["pointer"]), (403, &json!("/user_id")), "{}", refused.body);
    assert_eq!(good(&rig), 2);
    let issued = rig.request("POST", "/api/keys", &json!({ "user_id": me }));
    assert_eq!((issued.status, &issued.body["user_id"]), (201, &json!(me)), "{}", issued.body);
}
