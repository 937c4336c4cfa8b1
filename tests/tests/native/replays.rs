//! Answers say what is: when a request is sent again, when it was waited for, and in lists.
#![expect(clippy::unwrap_used, reason = "tests")]

use pipeline::platform::ports::Clock as _;
use serde_json::{Value, json};
use tests::rig::{Answer, Rig};

const JSON: (&str, &str) = ("content-type", "application/json");
const KEY: (&str, &str) = ("idempotency-key", "one");

fn post(rig: &Rig, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
    rig.request_with_headers("POST", path, &[&[JSON], headers].concat(), body.to_string().as_bytes())
}

fn get(rig: &Rig, path: &str) -> Value {
    let answer = rig.request("GET", path, &Value::Null);
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    answer.body
}

/// The client's names of what a list of documents holds.
fn names(rig: &Rig, query: &str) -> Vec<String> {
    let listed = get(rig, &format!("/api/documents{query}"));
    listed["items"].as_array().unwrap().iter().map(|item| item["external_id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn an_upload_that_is_sent_again_is_answered_as_it_is_now() {
    let rig = Rig::new(1);
    let upload = json!([{"external_id": "a.md", "content": "apples"}, {"external_id": "b.md"}]);
    let first = post(&rig, "/api/index", &[KEY], &upload);
    assert_eq!((first.status, &first.body["items"][0]["status"]), (202, &json!("queued")));
    let again = post(&rig, "/api/index", &[KEY], &upload);
    assert_eq!((again.status, &again.body["status"]), (202, &json!("queued")), "{}", again.body);
    rig.drain();
    for headers in [&[KEY][..], &[KEY, ("prefer", "wait=5")]] {
        let again = post(&rig, "/api/index", headers, &upload);
        assert!(again.headers.contains_key("idempotency-replayed"));
        assert_eq!((again.status, &again.body["status"]), (200, &json!("partial")), "{}", again.body);
        assert_eq!(again.body["job"]["items"]["done"], 1, "{}", again.body);
        let states = [&again.body["items"][0]["status"], &again.body["items"][1]["status"]];
        assert_eq!(states, [&json!("done"), &json!("rejected")]);
        assert_eq!(again.body["consistency_token"], first.body["consistency_token"]);
    }
}

#[test]
fn a_question_that_is_sent_again_is_answered() {
    let rig = Rig::new(1);
    let question = json!({"message": "Who sings?"});
    let first = post(&rig, "/api/chat", &[KEY], &question);
    assert_eq!(first.status, 202);
    assert_eq!(post(&rig, "/api/chat", &[KEY], &question).body, first.body);
    rig.drain();
    let again = post(&rig, "/api/chat", &[KEY], &question);
    assert_eq!((again.status, &again.body["turn_id"]), (200, &first.body["turn_id"]), "{}", again.body);
    assert!(again.body["answer"].is_string() && again.headers.contains_key("idempotency-replayed"), "{}", again.body);
}

#[test]
fn an_estimate_has_nothing_to_do_with_a_key() {
    let rig = Rig::new(1);
    post(&rig, "/api/index", &[KEY], &json!([{"external_id": "a.md", "content": "apples"}]));
    let other = json!([{"external_id": "b.md", "content": "pears"}]);
    let estimate = post(&rig, "/api/index?dry_run=true", &[KEY], &other);
    assert_eq!((estimate.status, &estimate.body["status"]), (200, &json!("dry_run")), "{}", estimate.body);
    // Nor does one claim a key.
    let new = ("idempotency-key", "two");
    post(&rig, "/api/index?dry_run=true", &[new], &other);
    assert_eq!(post(&rig, "/api/index", &[new], &other).status, 202);
    for unclear in ["?dry_run=1", "?dry_run=TRUE", "?dry_run", "?dryrun=true", "?dry_run=true&dry_run=false"] {
        let answer = post(&rig, &format!("/api/index{unclear}"), &[], &other);
        assert_eq!((answer.status, &answer.body["code"]), (422, &json!("invalid")), "{unclear}: {}", answer.body);
    }
}

#[test]
fn a_job_with_rejected_documents_has_not_succeeded() {
    let rig = Rig::new(1);
    let job = rig.upload(&json!([{"external_id": "a.md", "content": "apples"}, {"external_id": "b.md", "tag": "x"}]));
    rig.drain();
    let view = rig.job(&job);
    assert_eq!((&view["status"], &view["items"]["rejected"]), (&json!("partial"), &json!(1)), "{view}");
    let listed = get(&rig, "/api/jobs");
    assert_eq!((&listed["items"][0]["status"], &listed["items"][0]["rejected"]), (&json!("partial"), &json!(1)));
    // What was rejected is to be sent again: nothing here can try it again.
    let retried = post(&rig, &format!("/api/jobs/{job}/retry"), &[], &Value::Null);
    assert_eq!((retried.status, &retried.body["code"]), (409, &json!("conflict")), "{}", retried.body);
}

#[test]
fn jobs_are_listed_by_kind_and_status() {
    let rig = Rig::new(1);
    let upload = rig.upload(&json!([{"external_id": "a.md", "content": "apples"}]));
    rig.drain();
    let question = rig.ask(&json!({"message": "Who sings?"})).body["job_id"].as_str().unwrap().to_owned();
    let ids = |query: &str| -> Vec<String> {
        let listed = get(&rig, &format!("/api/jobs{query}"));
        listed["items"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(""), [question.clone(), upload.clone()]);
    assert_eq!(ids("?kind=chat"), ids("?status=queued"));
    assert_eq!(ids("?status=queued"), [question]);
    assert_eq!(ids("?status=succeeded&kind=index"), [upload]);
    assert!(ids("?status=failed").is_empty());
    assert_eq!(rig.request("GET", "/api/jobs?status=done", &Value::Null).status, 422);
}

#[test]
fn documents_are_listed_the_newest_first_and_by_name_and_status() {
    let rig = Rig::new(1);
    for name in ["src/a.rs", "src/b.rs", "docs/c.md"] {
        rig.upload(&json!([{"external_id": name, "content": format!("about {name}")}]));
        rig.memory.advance(pipeline::time::SECOND);
    }
    assert_eq!(names(&rig, ""), ["docs/c.md", "src/b.rs", "src/a.rs"]);
    assert_eq!(names(&rig, "?prefix=src/"), ["src/b.rs", "src/a.rs"]);
    assert_eq!(names(&rig, "?status=indexing&limit=1"), ["docs/c.md"]);
    assert!(names(&rig, "?status=indexed").is_empty());
    rig.drain();
    assert_eq!(names(&rig, "?status=indexed").len(), 3);
    assert!(names(&rig, "?created_before=2000-01-01T00:00:00Z").is_empty());
    assert_eq!(names(&rig, "?created_after=2000-01-01T00:00:00Z").len(), 3);
    // Page by page each of them stands there once, in the same order.
    let mut found = Vec::new();
    let mut page = get(&rig, "/api/documents?limit=1");
    loop {
        assert_eq!((page["items"].as_array().unwrap().len(), &page["limit"]), (1, &json!(1)));
        found.push(page["items"][0]["external_id"].as_str().unwrap().to_owned());
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        page = get(&rig, &format!("/api/documents?limit=1&cursor={cursor}"));
    }
    assert_eq!(found, ["docs/c.md", "src/b.rs", "src/a.rs"]);
    for query in ["?status=done", "?type=poem", "?created_after=soon", "?tags=x"] {
        let answer = rig.request("GET", &format!("/api/documents{query}"), &Value::Null);
        assert_eq!(answer.status, 422, "{query}: {}", answer.body);
    }
}

#[test]
fn a_search_waits_for_the_upload_that_it_names() {
    let rig = Rig::new(1);
    let accepted = post(&rig, "/api/index", &[], &json!([{"external_id": "a.md", "content": "about apples"}])).body;
    let search = json!({"query": "apples", "mode": "keyword", "after": accepted["consistency_token"]});
    let before = rig.memory.now();
    let waited = post(&rig, "/api/search", &[("prefer", "wait=3")], &search);
    assert_eq!((waited.status, waited.headers["preference-applied"].to_str().unwrap()), (200, "wait=3"));
    assert!(rig.memory.now().since(before) >= pipeline::time::Span::seconds(3), "nothing came");
    rig.drain();
    let before = rig.memory.now();
    // However long somebody wants to wait: as long as may be, and no longer than it takes.
    let found = post(&rig, "/api/search", &[("prefer", "wait=99999999999999")], &search);
    assert_eq!((&found.body["freshness"], found.body["hits"].as_array().unwrap().len()), (&json!("complete"), 1));
    assert!(rig.memory.now().since(before) < pipeline::time::SECOND);
}

#[test]
fn a_cursor_of_no_list_is_refused() {
    let rig = Rig::new(1);
    for list in ["jobs", "documents", "conversations", "memory", "session", "keys", "dead-letters"] {
        let answer = rig.request("GET", &format!("/api/{list}?cursor=abc"), &Value::Null);
        let error = &answer.body["errors"][0]["pointer"];
        assert_eq!((answer.status, error), (422, &json!("cursor")), "{list}: {}", answer.body);
    }
}

#[test]
fn what_a_client_has_already_is_not_sent_again() {
    let rig = Rig::new(1);
    let job = rig.upload(&json!([{"external_id": "a.md", "content": "apples"}]));
    let path = format!("/api/jobs/{job}");
    let tag = rig.request("GET", &path, &Value::Null).headers["etag"].to_str().unwrap().to_owned();
    for given in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
        assert_eq!(rig.request_with_headers("GET", &path, &[("if-none-match", &given)], b"").status, 304, "{given}");
    }
    assert_eq!(rig.request_with_headers("GET", &path, &[("if-none-match", "\"other\"")], b"").status, 200);
}
