//! What a memory corrects, and by which it was corrected: of one matter one thing holds.
#![expect(clippy::unwrap_used, reason = "tests")]

use pipeline::{
    constants::{MEMORIES, SUPERSEDED_MEMORIES},
    time::DAY,
};
use producers::schedule::Schedule;
use serde_json::{Value, json};
use test_platform::{InMemory, ready};
use tests::rig::{Answer, Rig};

use crate::remembered::{create, remember};

fn correct(rig: &Rig, text: &str, corrected: &str) -> Answer {
    remember(rig, &json!({"text": text, "supersedes": corrected}))
}

/// What holds, by its text; and is found by its words.
fn holding(rig: &Rig) -> Vec<String> {
    let rows = rig.memory.look("SELECT text FROM memories WHERE state <> 'superseded' ORDER BY text");
    let indexed = rig.memory.look(
        "SELECT (SELECT count(*) FROM memories_fts_1) AS indexed,
                (SELECT count(*) FROM memories WHERE state = 'active') AS active",
    );
    assert_eq!(indexed[0]["indexed"], indexed[0]["active"]);
    rows.iter().map(|row| row["text"].as_str().unwrap().to_owned()).collect()
}

fn read(rig: &Rig, id: &str) -> Value {
    rig.request("GET", &format!("/api/memory/{id}"), &Value::Null).body
}

/// Ada lives in Wien, in Bern, in Rome: each corrects the one before.
fn moved_twice(rig: &Rig) -> [String; 3] {
    let wien = create(rig, &json!({"text": "Ada lives in Wien"}));
    let bern = create(rig, &json!({"text": "Ada lives in Bern", "supersedes": wien}));
    let rome = create(rig, &json!({"text": "Ada lives in Rome", "supersedes": bern}));
    assert_eq!(holding(rig), ["Ada lives in Rome"]);
    [wien, bern, rome]
}

#[test]
fn a_second_correction_of_the_same_memory_is_a_conflict_that_names_the_first() {
    let rig = Rig::new(1);
    let wien = create(&rig, &json!({"text": "Ada lives in Wien"}));
    let bern = create(&rig, &json!({"text": "Ada lives in Bern", "supersedes": wien}));
    let refused = correct(&rig, "Ada lives in Rome", &wien);
    assert_eq!((refused.status, &refused.body["errors"][0]["pointer"]), (409, &json!("/supersedes")));
    let detail = refused.body["detail"].as_str().unwrap();
    assert!(detail.contains(&bern) && detail.contains("Ada lives in Bern"), "{detail}");
    assert_eq!(holding(&rig), ["Ada lives in Bern"]);
    assert_eq!((&read(&rig, &wien)["superseded_by"], &read(&rig, &bern)["supersedes"]), (&json!(bern), &json!(wien)));
    // The first, sent again since its answer was lost, is no second one.
    let again = correct(&rig, "Ada lives in Bern", &wien);
    assert_eq!((again.status, &again.body["outcome"], &again.body["id"]), (200, &json!("duplicate"), &json!(bern)));
    let changed = rig.request("PATCH", &format!("/api/memory/{wien}"), &json!({"pinned": true}));
    assert_eq!(changed.status, 409, "{}", changed.body);
    assert!(changed.body["detail"].as_str().unwrap().contains(&bern));
    assert_eq!(rig.request("POST", &format!("/api/memory/{wien}/confirm"), &Value::Null).status, 409);
}

#[test]
fn of_two_corrections_at_the_same_time_one_holds_and_the_other_is_told() {
    let mut met = 0;
    for call in 1.. {
        let rig = Rig::new(1);
        let wien = create(&rig, &json!({"text": "Ada lives in Wien"}));
        let body = json!({"text": "Ada lives in Bern", "supersedes": wien});
        let Some(held) = rig.hold_request("POST", "/api/memory", &body, call) else { break };
        let between = correct(&rig, "Ada lives in Rome", &wien);
        let held = ready(held);
        let mut statuses = [(between.status, "Ada lives in Rome"), (held.status, "Ada lives in Bern")];
        statuses.sort_unstable();
        assert_eq!((statuses[0].0, statuses[1].0), (201, 409), "held at call {call}");
        assert_eq!(holding(&rig), [statuses[0].1], "held at call {call}");
        met += 1;
    }
    assert!(met >= 4, "{met}");
}

#[test]
fn a_memory_supersedes_no_other_by_itself() {
    let rig = Rig::new(1);
    let wien = create(&rig, &json!({"text": "Ada lives in Wien"}));
    let refused = correct(&rig, "ada lives in WIEN", &wien);
    assert_eq!((refused.status, &refused.body["errors"][0]["pointer"]), (422, &json!("/supersedes")));
    assert_eq!(holding(&rig), ["Ada lives in Wien"]);
    assert_eq!(correct(&rig, "Ada lives in Bern", "mem_none").status, 404);
    let other = Rig::new(2);
    let others = create(&other, &json!({"text": "Another's"}));
    assert_eq!(correct(&rig, "Ada lives in Bern", &others).status, 404);
    assert_eq!(holding(&rig), ["Ada lives in Wien"]);
}

#[test]
fn what_was_corrected_and_is_said_again_corrects_its_correction() {
    for said in 0..2 {
        let rig = Rig::new(1);
        let ids = moved_twice(&rig);
        let text = ["ada lives in wien", "Ada lives in BERN"][said];
        let again = remember(&rig, &json!({"text": text, "pinned": true}));
        assert_eq!((again.status, &again.body["outcome"]), (200, &json!("restored")), "{}", again.body);
        assert_eq!((&again.body["id"], &again.body["state"]), (&json!(ids[said]), &json!("active")));
        assert_eq!((&again.body["supersedes"], &again.body["superseded_by"]), (&json!(ids[2]), &Value::Null));
        assert_eq!(again.body["pinned"], true);
        assert_eq!(holding(&rig).len(), 1, "no second truth");
        assert_eq!(read(&rig, &ids[2])["superseded_by"], json!(ids[said]));
        // And back again, as often as somebody changes their mind.
        let back = remember(&rig, &json!({"text": "Ada lives in Rome"}));
        assert_eq!((&back.body["outcome"], holding(&rig)), (&json!("restored"), vec!["Ada lives in Rome".to_owned()]));
        assert_eq!(back.body["supersedes"], json!(ids[said]));
        remember(&rig, &json!({ "text": text }));
        assert_eq!(holding(&rig).len(), 1);
    }
}

#[test]
fn what_is_said_again_may_name_what_it_corrects() {
    let rig = Rig::new(1);
    let [wien, _, rome] = moved_twice(&rig);
    let again = correct(&rig, "Ada lives in Wien", &rome);
    assert_eq!(
        (&again.body["outcome"], &again.body["supersedes"]),
        (&json!("restored"), &json!(rome)),
        "{}",
        again.body
    );
    assert_eq!(holding(&rig), ["Ada lives in Wien"]);
    // It corrects another matter as well as what corrected it.
    let job = create(&rig, &json!({"text": "Ada works in Graz"}));
    correct(&rig, "Ada lives in Rome", &job);
    assert_eq!(holding(&rig), ["Ada lives in Rome"]);
    assert_eq!((&read(&rig, &wien)["superseded_by"], &read(&rig, &job)["superseded_by"]), (&json!(rome), &json!(rome)));
}

#[test]
fn of_two_who_say_old_texts_again_at_the_same_time_one_is_last() {
    let mut met = 0;
    for call in 1.. {
        let rig = Rig::new(1);
        moved_twice(&rig);
        let Some(held) = rig.hold_request("POST", "/api/memory", &json!({"text": "Ada lives in Wien"}), call) else {
            break;
        };
        let between = remember(&rig, &json!({"text": "Ada lives in Bern"}));
        let held = ready(held);
        assert_eq!((between.body["outcome"].clone(), held.status), (json!("restored"), 200), "{}", held.body);
        assert_eq!(holding(&rig).len(), 1, "held at call {call}");
        met += 1;
    }
    assert!(met >= 4, "{met}");
}

#[test]
fn what_is_said_while_it_is_corrected_is_never_a_second_truth() {
    let mut met = 0;
    for call in 1.. {
        let rig = Rig::new(1);
        let wien = create(&rig, &json!({"text": "Ada lives in Wien"}));
        let again = json!({"text": "Ada lives in Wien", "pinned": true});
        let Some(held) = rig.hold_request("POST", "/api/memory", &again, call) else { break };
        correct(&rig, "Ada lives in Bern", &wien);
        assert_eq!(ready(held).status, 200);
        assert_eq!(holding(&rig), ["Ada lives in Wien"], "held at call {call}");
        met += 1;
    }
    assert!(met >= 3, "{met}");
}

#[test]
fn a_forgotten_correction_stands_in_nobodys_way() {
    let rig = Rig::new(1);
    let wien = create(&rig, &json!({"text": "Ada lives in Wien"}));
    let bern = create(&rig, &json!({"text": "Ada lives in Bern", "supersedes": wien}));
    assert_eq!(rig.request("DELETE", &format!("/api/memory/{bern}"), &Value::Null).status, 204);
    assert!(holding(&rig).is_empty(), "to forget is not to bring back");
    let changed = rig.request("PATCH", &format!("/api/memory/{wien}"), &json!({"pinned": true}));
    assert_eq!(changed.status, 409, "{}", changed.body);
    assert_eq!(correct(&rig, "Ada lives in Rome", &wien).status, 201);
    let again = remember(&rig, &json!({"text": "Ada lives in Wien"}));
    assert_eq!((&again.body["outcome"], holding(&rig)), (&json!("restored"), vec!["Ada lives in Wien".to_owned()]));
}

#[test]
fn a_proposal_is_corrected_as_any_memory_is() {
    let rig = Rig::new(1);
    let offered = rig.chat(&json!({"message": "I live in Wien. What is a queue?"}))["offered"][0].clone();
    assert_eq!(offered["state"], "proposed", "{offered}");
    assert_eq!(correct(&rig, "I live in Bern", offered["id"].as_str().unwrap()).status, 201);
    assert_eq!(holding(&rig), ["I live in Bern"]);
    let confirm = format!("/api/memory/{}/confirm", offered["id"].as_str().unwrap());
    assert_eq!(rig.request("POST", &confirm, &Value::Null).status, 409, "it was corrected meanwhile");
    assert_eq!(holding(&rig), ["I live in Bern"]);
}

/// As many others as may hold beside those that do, or as many that were corrected.
fn fill(rig: &Rig, state: &str, up_to: i64) {
    rig.memory.run_script(&format!(
        "WITH RECURSIVE n (n) AS (
             SELECT 1 UNION ALL SELECT n + 1 FROM n
             WHERE n < {up_to} - (SELECT count(*) FROM memories WHERE state = '{state}'))
         INSERT INTO memories (id, user_id, kind, text, hash, confidence, state, pinned, created_at)
         SELECT 'mem_' || '{state}' || n, (SELECT id FROM users), 'fact', '{state} ' || n, '{state} ' || n, 1,
                '{state}', 0, 1 FROM n"
    ));
}

#[test]
fn what_was_corrected_does_not_count_to_the_most_there_may_be() {
    let rig = Rig::new(1);
    let [_, _, rome] = moved_twice(&rig);
    fill(&rig, "active", MEMORIES);
    let holding =
        || rig.memory.look("SELECT count(*) AS count FROM memories WHERE state = 'active'")[0]["count"].clone();
    assert_eq!(holding(), MEMORIES);
    let refused = remember(&rig, &json!({"text": "One too many"}));
    assert_eq!((refused.status, refused.body["detail"].as_str().unwrap().contains("1000")), (413, true));
    // What takes the place of another needs none of its own, and what is known has one.
    let oslo = correct(&rig, "Ada lives in Oslo", &rome);
    assert_eq!(oslo.status, 201, "{}", oslo.body);
    assert_eq!(remember(&rig, &json!({"text": "Ada lives in Oslo", "pinned": true})).status, 200);
    assert_eq!(remember(&rig, &json!({"text": "Ada lives in Wien"})).body["outcome"], "restored");
    assert_eq!(holding(), MEMORIES);
    let wien = remember(&rig, &json!({"text": "Ada lives in Wien"})).body["id"].as_str().unwrap().to_owned();
    rig.request("DELETE", &format!("/api/memory/{wien}"), &Value::Null);
    create(&rig, &json!({"text": "One more"}));
}

#[test]
fn of_what_was_corrected_the_oldest_go() {
    let rig = Rig::new(1);
    let [wien, _, rome] = moved_twice(&rig);
    fill(&rig, "superseded", SUPERSEDED_MEMORIES);
    let count =
        || rig.memory.look("SELECT count(*) AS count FROM memories WHERE state = 'superseded'")[0]["count"].clone();
    assert_eq!(count(), SUPERSEDED_MEMORIES);
    assert_eq!(correct(&rig, "Ada lives in Oslo", &rome).status, 201);
    assert_eq!(count(), SUPERSEDED_MEMORIES);
    assert_eq!(rig.request("GET", &format!("/api/memory/{wien}"), &Value::Null).status, 404);
}

#[test]
fn what_holds_again_is_as_old_as_when_it_was_said_again() {
    let rig = Rig::new(1);
    rig.request("PATCH", "/api/me", &json!({"retention": {"memory_days": 10}}));
    let wien = create(&rig, &json!({"text": "Ada lives in Wien"}));
    rig.memory.advance(8 * DAY);
    correct(&rig, "Ada lives in Bern", &wien);
    assert_eq!(remember(&rig, &json!({"text": "Ada lives in Wien"})).body["outcome"], "restored");
    rig.memory.advance(4 * DAY);
    rig.run_cron(Schedule::Daily).1.unwrap();
    assert_eq!(holding(&rig), ["Ada lives in Wien"]);
    rig.memory.advance(8 * DAY);
    rig.run_cron(Schedule::Daily).1.unwrap();
    assert!(holding(&rig).is_empty());
}

/// How many migrations there were before memories named their corrections.
const BEFORE: usize = 18;

#[test]
fn what_was_corrected_before_the_update_names_its_newest_correction() {
    let memory = InMemory::upgraded(
        1,
        BEFORE,
        "INSERT INTO users (id, name, created_at) VALUES ('usr_1', 'me', 1), ('usr_2', 'another', 1);
         INSERT INTO memories (id, user_id, kind, text, hash, confidence, state, pinned, supersedes, created_at) VALUES
             ('mem_a', 'usr_1', 'fact', 'a', 'a', 1, 'superseded', 0, NULL, 1),
             ('mem_b', 'usr_1', 'fact', 'b', 'b', 1, 'superseded', 0, 'mem_a', 1),
             ('mem_c', 'usr_1', 'fact', 'c', 'c', 1, 'active', 0, 'mem_a', 1),
             ('mem_d', 'usr_1', 'fact', 'd', 'd', 1, 'active', 0, 'mem_b', 1),
             ('mem_e', 'usr_2', 'fact', 'e', 'e', 1, 'active', 0, 'mem_a', 1);",
    );
    let rows = memory.look("SELECT id, superseded_by AS by FROM memories ORDER BY id");
    let by: Vec<&Value> = rows.iter().map(|row| &row["by"]).collect();
    assert_eq!(by, [&json!("mem_c"), &json!("mem_d"), &Value::Null, &Value::Null, &Value::Null]);
}
