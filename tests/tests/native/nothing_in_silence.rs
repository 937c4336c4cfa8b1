//! What is sent is done or refused: no parameter, field or body is passed over, and no answer says what was not done.

use pipeline::time::Span;
use serde_json::{Value, json};
use tests::{
    described,
    rig::{Answer, Rig},
};

fn get(rig: &Rig, path: &str) -> Answer {
    rig.request("GET", path, &Value::Null)
}

fn post(rig: &Rig, path: &str, body: &Value) -> Answer {
    rig.request("POST", path, body)
}

/// The status of an answer, and which field or parameter it is about.
fn refusal(answer: &Answer) -> (u16, String) {
    (answer.status, answer.body["errors"][0]["pointer"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn a_parameter_that_is_one_of_some_is_none_other() {
    let rig = Rig::new(1);
    let mut tried = 0;
    for (path, operations) in described::description()["paths"].as_object().unwrap() {
        let parameters = operations["get"]["parameters"].as_array().into_iter().flatten();
        for parameter in parameters.filter(|parameter| parameter["schema"]["enum"].is_array()) {
            let name = parameter["name"].as_str().unwrap();
            let path = path.replace("{id}", "job_x");
            assert_eq!(get(&rig, &format!("{path}?{name}=magic")).status, 422, "{path}?{name}");
            tried += 1;
        }
    }
    assert!(tried > 4, "{tried}");
}

#[test]
fn what_a_recall_does_not_heed_it_refuses() {
    let rig = Rig::new(1);
    for number in 0..4 {
        assert_eq!(post(&rig, "/api/memory", &json!({"text": format!("Tea number {number}")})).status, 201);
    }
    let few = get(&rig, "/api/memory?query=tea&limit=3").body;
    assert_eq!((few["items"].as_array().unwrap().len(), &few["limit"]), (3, &json!(3)));
    for (parameter, at) in [("limit=abc", "limit"), ("state=active", "state"), ("cursor=abc", "cursor")] {
        let refused = get(&rig, &format!("/api/memory?query=tea&{parameter}"));
        assert_eq!(refusal(&refused), (422, at.to_owned()), "{}", refused.body);
    }
}

#[test]
fn a_profile_is_not_emptied_by_null() {
    let rig = Rig::new(1);
    let whole = json!({"about": "Ada", "preferences": {"accept_memories": true, "style": "short"},
                       "retention": {"document_days": null, "conversation_days": null, "memory_days": null}});
    assert_eq!(rig.request("PUT", "/api/me", &whole).status, 200);
    for pointer in ["/about", "/preferences", "/preferences/style", "/preferences/accept_memories", "/retention"] {
        let mut emptied = whole.clone();
        *emptied.pointer_mut(pointer).unwrap() = Value::Null;
        let refused = rig.request("PUT", "/api/me", &emptied);
        assert_eq!(refused.status, 422, "{pointer}: {}", refused.body);
        assert!(refusal(&refused).1.starts_with(pointer), "{pointer}: {}", refused.body);
    }
    assert_eq!(get(&rig, "/api/me").body["about"], "Ada");
}

#[test]
fn a_body_where_none_is_read_is_refused_and_nothing_is_done() {
    let rig = Rig::new(1);
    rig.upload(&json!([{"external_id": "a.md", "content": "apples"}]));
    rig.drain();
    let id = get(&rig, "/api/documents").body["items"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/api/documents/{id}");
    let refused = rig.request("DELETE", &path, &json!({"dry_run": true}));
    assert_eq!(refused.status, 422, "{}", refused.body);
    assert_eq!(get(&rig, &path).status, 200);
    // Clients that always send a body send one that says nothing.
    assert_eq!(rig.request("DELETE", &path, &json!({})).status, 202);
}

#[test]
fn an_upload_of_known_and_wrong_documents_is_partial() {
    let rig = Rig::new(1);
    rig.upload(&json!([{"external_id": "a.md", "content": "apples"}]));
    rig.drain();
    let again =
        post(&rig, "/api/index", &json!([{"external_id": "a.md", "content": "apples"}, {"external_id": "b.md"}]));
    assert_eq!((again.status, &again.body["status"], &again.body["job_id"]), (200, &json!("partial"), &Value::Null));
    let known = post(&rig, "/api/index", &json!([{"external_id": "a.md", "content": "apples"}]));
    assert_eq!(known.body["status"], "succeeded");
}

#[test]
fn documents_that_are_no_array_are_refused_by_name() {
    let rig = Rig::new(1);
    let refused = post(&rig, "/api/index", &json!({"documents": {"content": "apples"}}));
    assert_eq!(refusal(&refused), (422, "/documents".to_owned()), "{}", refused.body);
}

#[test]
fn a_search_that_waits_for_nobodys_job_is_not_complete() {
    let rig = Rig::new(1);
    let upload = post(&rig, "/api/index", &json!([{"external_id": "a.md", "content": "apples"}])).body;
    rig.drain();
    let token = upload["consistency_token"].as_str().unwrap();
    let freshness = |token: &str| {
        post(&rig, "/api/search", &json!({"query": "apples", "mode": "keyword", "after": token})).body["freshness"]
            .clone()
    };
    assert_eq!(freshness(token), "complete");
    rig.memory.change("UPDATE jobs SET user_id = 'another'");
    assert_eq!(freshness(token), "partial");
}

#[test]
fn a_key_stands_for_a_request_with_its_parameters() {
    let rig = Rig::new(1);
    let upload =
        json!([{"external_id": ".env", "content": "PASSWORD=x"}, {"external_id": "a.md", "content": "apples"}]);
    let send = |path: &str| rig.request_with_key("POST", path, Some("one"), &upload);
    assert_eq!(send("/api/index").body["items"][0]["status"], "rejected");
    let other = send("/api/index?allow_secrets=true");
    assert_eq!((other.status, &other.body["code"]), (422, &json!("idempotency_key_reused")), "{}", other.body);
    for key in ["two\twords", "t\u{e9}a", ""] {
        let refused = rig.request_with_key("POST", "/api/index", Some(key), &upload);
        assert_eq!(refusal(&refused), (422, "Idempotency-Key".to_owned()), "{key:?}: {}", refused.body);
    }
    assert_eq!(rig.request_with_key("POST", "/api/index", Some(&"x".repeat(300)), &upload).status, 413);
}

#[test]
fn filters_mean_the_same_in_every_mode_and_list_whatever_the_case() {
    let rig = Rig::new(1);
    rig.upload(&json!([{"external_id": "a.md", "content": "The fox.", "language": "Rust", "tags": ["Den"]}]));
    rig.drain();
    rig.memory.advance(pipeline::constants::VECTORS_VISIBLE_AFTER);
    for (language, tag) in [("rust", "den"), ("RUST", "DEN"), ("Rust", "Den")] {
        for mode in ["keyword", "vector", "hybrid"] {
            let query = json!({"query": "fox", "mode": mode, "filters": {"language": language, "tags": [tag]}});
            assert_eq!(rig.search(&query), ["a.md"], "{mode} {language} {tag}");
        }
        let listed = get(&rig, &format!("/api/documents?language={language}&tag={tag}"));
        assert_eq!(listed.body["items"].as_array().unwrap().len(), 1, "{language} {tag}");
    }
}

#[test]
fn a_cursor_that_was_changed_is_none() {
    let rig = Rig::new(1);
    let documents: Vec<Value> =
        (0..3).map(|n| json!({"external_id": format!("{n}.md"), "content": format!("{n}")})).collect();
    rig.upload(&json!(documents));
    post(&rig, "/api/memory", &json!({"text": "I drink tea"}));
    post(&rig, "/api/memory", &json!({"text": "I drink coffee"}));
    for list in ["/api/documents", "/api/memory"] {
        let cursor = get(&rig, &format!("{list}?limit=1")).body["next_cursor"].as_str().unwrap().to_owned();
        assert_eq!(get(&rig, &format!("{list}?limit=1&cursor={cursor}")).status, 200);
        for changed in [format!("{cursor}z"), cursor[..cursor.len() - 2].to_owned(), format!("-{cursor}")] {
            assert_eq!(
                refusal(&get(&rig, &format!("{list}?cursor={changed}"))),
                (422, "cursor".to_owned()),
                "{changed}"
            );
        }
    }
}

#[test]
fn a_job_without_a_list_of_documents_says_so() {
    let rig = Rig::new(1);
    let job = post(&rig, "/api/index", &json!({"content": "The fox."})).body["job_id"].as_str().unwrap().to_owned();
    let refused = get(&rig, &format!("/api/jobs/{job}/items"));
    assert_eq!((refused.status, &refused.body["code"]), (409, &json!("conflict")), "{}", refused.body);
}

#[test]
fn a_name_of_no_characters_is_none() {
    let rig = Rig::new(1);
    let upload = post(&rig, "/api/index", &json!([{"external_id": "", "content": "The fox."}]));
    assert_eq!(refusal(&upload), (422, "/0/external_id".to_owned()));
}

#[test]
fn a_key_that_is_none_is_refused_by_an_estimate_too() {
    let rig = Rig::new(1);
    let body = json!({"content": "The fox."});
    let estimate = |key: &str| rig.request_with_key("POST", "/api/index?dry_run=true", Some(key), &body);
    assert_eq!(estimate("mine").status, 200);
    assert_eq!(refusal(&estimate("t\u{e9}a")), (422, "Idempotency-Key".to_owned()));
}

#[test]
fn a_delete_goes_on_and_a_second_replay_says_that_nothing_failed() {
    let rig = Rig::new(1);
    rig.upload(&json!([{"external_id": "a.md", "content": "apples"}]));
    rig.drain();
    let id = get(&rig, "/api/documents").body["items"][0]["id"].as_str().unwrap().to_owned();
    let deleted = rig.request("DELETE", &format!("/api/documents/{id}"), &Value::Null).body;
    let cancelled = post(&rig, &format!("/api/jobs/{}/cancel", deleted["job_id"].as_str().unwrap()), &Value::Null);
    assert_eq!(cancelled.status, 409, "{}", cancelled.body);
    rig.drain();

    let job = rig.upload(&json!([{"external_id": "b.md", "content": "pears"}]));
    rig.use_up_attempts(&rig.memory.receive().unwrap());
    rig.converge();
    let letter = get(&rig, "/api/dead-letters").body["items"][0]["id"].as_str().unwrap().to_owned();
    let replay = || post(&rig, &format!("/api/dead-letters/{letter}/replay"), &Value::Null);
    let noted = || rig.memory.look("SELECT replayed_at FROM dead_letters")[0]["replayed_at"].clone();
    assert_eq!(replay().status, 202);
    let first = noted();
    rig.memory.advance(Span::seconds(1));
    assert_eq!((replay().status, noted()), (409, first), "what is refused is not noted");
    rig.converge();
    assert_eq!((rig.job(&job)["status"].clone(), replay().status), (json!("succeeded"), 409));
}

#[test]
fn dates_are_the_same_in_query_strings_and_forms() {
    let rig = Rig::new(1);
    let form = |date: &str| {
        let body = format!(
            "--x\r\nContent-Disposition: form-data; name=\"created_at\"\r\n\r\n{date}\r\n\
             --x\r\nContent-Disposition: form-data; name=\"files\"; filename=\"a.md\"\r\n\r\nabout {date}\r\n--x--\r\n"
        );
        let headers = [("content-type", "multipart/form-data; boundary=x")];
        rig.request_with_headers("POST", "/api/index", &headers, body.as_bytes())
    };
    for (date, status) in
        [("1700000000000", 200), ("2026-11-22T10:00:00Z", 200), ("0000-01-01T00:00:00Z", 422), ("soon", 422)]
    {
        let listed = get(&rig, &format!("/api/documents?created_after={date}"));
        assert_eq!(listed.status, status, "{date}: {}", listed.body);
        let uploaded = form(date);
        assert_eq!(uploaded.status == 202, status == 200, "{date}: {}", uploaded.body);
    }
}

#[test]
fn a_question_that_is_waited_for_in_vain_says_how_far_it_is() {
    let rig = Rig::new(1);
    let question = json!({"message": "Who sings?"});
    let first = rig.request_with_key("POST", "/api/chat", Some("one"), &question);
    assert_eq!((first.status, &first.body["status"]), (202, &json!("queued")));
    let worker = rig.hold(&rig.memory.receive().unwrap(), 3);
    let again = rig.request_with_key("POST", "/api/chat", Some("one"), &question);
    assert_eq!((again.status, &again.body["status"]), (202, &json!("running")), "{}", again.body);
    drop(worker);
}

#[test]
fn a_ticket_of_the_owner_is_nobody_elses() {
    let rig = Rig::new(1);
    let session = post(&rig, "/api/session", &Value::Null).body["id"].as_str().unwrap().to_owned();
    let invite = |body: Value| post(&rig, &format!("/api/session/{session}/tickets"), &body);
    assert_eq!(refusal(&invite(json!({"role": "owner", "name": "Bob"}))), (422, "/role".to_owned()));
    assert_eq!(invite(json!({"role": "owner"})).status, 201);
    assert_eq!(invite(json!({"role": "editor", "name": "Bob"})).status, 201);
}
