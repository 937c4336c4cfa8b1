//! The product on the real workerd, used over HTTP as a client would.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use consumers::chunk::split::{Structure, split};
use local_dev::{
    client::{Client, Upload},
    configuration::Profile,
    demo,
    language_model::LanguageModel,
    product::{Product, root},
    schedule::Schedule,
};
use pipeline::constants::CHUNK_SLICE_BYTES;
use serde_json::{Value, json};
use tests::{
    corpus,
    stored::{Stored, stored},
};

use crate::started::{DEADLINE, shared};

/// A product that nobody else writes into, and that needs no words.
fn start(name: &str) -> Product {
    crate::started::start(name, Profile::default(), LanguageModel::None)
}

fn upload_all(client: &Client, files: &[Upload]) -> String {
    let answer = client.upload(files, "").unwrap();
    assert_eq!(answer.status, 202, "{}", String::from_utf8_lossy(&answer.bytes));
    answer.json()["job_id"].as_str().unwrap().to_owned()
}

/// Two hundred real files end `succeeded`; sentences from their middle find them; then the same
/// under faults, duplicates and kills leaves exactly the same behind.
#[test]
fn two_hundred_files_clean_and_under_fire() {
    let files = corpus::mixed(200);
    let clean = {
        let product = start("clean");
        let client = product.client().unwrap();
        let job = upload_all(&client, &files);
        let view = client.follow(&job, DEADLINE, |_| {}).unwrap();
        assert_eq!((view["status"].as_str(), view["items"]["done"].as_i64()), (Some("succeeded"), Some(200)), "{view}");
        find_needles(&client, &files);
        assert_eq!(product.model_use().unwrap()["truncated"], 0, "a text was longer than the model's window");
        stored(&product).unwrap()
    };
    let under_fire = under_fire(&files);
    assert_eq!(clean.chunks, under_fire.chunks);
    assert_eq!(clean.documents, under_fire.documents);
    assert_eq!(clean.vectors, under_fire.vectors);
    assert_eq!(clean.objects, under_fire.objects);
    assert_eq!(clean.counts, under_fire.counts);
}

fn find_needles(client: &Client, files: &[Upload]) {
    let needles = corpus::needles(files);
    let mut exact = 0;
    let mut missed = Vec::new();
    for needle in &needles {
        let rank = |mode: &str| {
            let answer = client
                .search(&json!({"query": needle.sentence, "mode": mode, "top_k": 10, "group_by": "document"}))
                .unwrap();
            let hits = answer["hits"].as_array().unwrap();
            hits.iter().position(|hit| hit["external_id"].as_str() == Some(needle.path.as_str()))
        };
        let (keyword, hybrid) = (rank("keyword"), rank("hybrid"));
        if keyword == Some(0) && hybrid.is_some_and(|rank| rank < 3) {
            exact += 1;
        } else {
            missed.push((needle.clone(), keyword, hybrid));
        }
    }
    println!(
        "needles: {exact} of {} found first by keyword and within three by hybrid; others: {missed:?}",
        needles.len()
    );
    assert!(exact >= 20, "only {exact} of {} sentences found their file: {missed:?}", needles.len());
}

fn under_fire(files: &[Upload]) -> Stored {
    let mut product = start("under-fire");
    let client = product.client().unwrap();
    product
        .set_faults(
            &json!({"ai_fails": 0.1, "ai_answers_lost": 0.1, "vectorize_fails": 0.1, "vectorize_answers_lost": 0.1}),
        )
        .unwrap();
    let job = upload_all(&client, files);
    for chunks in [20, 60] {
        let done = |view: &Value| {
            view["stages"].as_array().into_iter().flatten().filter_map(|stage| stage["done"].as_i64()).sum::<i64>()
        };
        let end = std::time::Instant::now() + DEADLINE;
        while client.get(&format!("/api/jobs/{job}")).map_or(0, |answer| done(&answer.json())) < chunks {
            assert!(std::time::Instant::now() < end, "no progress");
            std::thread::sleep(Duration::from_millis(20));
        }
        product.duplicate_messages().unwrap();
        product.kill_workers();
        product.restart_workers().unwrap();
        product.duplicate_messages().unwrap();
    }
    let view = client.follow(&job, DEADLINE, |_| {}).unwrap();
    assert_eq!((view["status"].as_str(), view["items"]["done"].as_i64()), (Some("succeeded"), Some(200)), "{view}");
    // What a crash left in the vectors' waiting room goes with the next run of the schedule.
    product.run_cron(Schedule::Frequent).unwrap();
    let end = std::time::Instant::now() + DEADLINE;
    while product.object_keys().unwrap().iter().any(|key| key.starts_with("vectors/")) {
        assert!(std::time::Instant::now() < end, "vectors are left in R2");
        product.run_cron(Schedule::Frequent).unwrap();
        std::thread::sleep(Duration::from_millis(200));
    }
    stored(&product).unwrap()
}

/// Every kind of request a careful client makes, and what a careless one gets.
#[test]
fn a_session_with_the_api() {
    let product = &shared().product;
    let client = product.new_user("client").unwrap();
    bad_input_is_told_what_is_wrong(&client);
    users_see_only_their_own(product);
    events_and_waiting(&client);
    demonstration(&client);
    small_files_are_cheap(product);
}

fn small_files_are_cheap(product: &Product) {
    let client = &product.new_user("thousand").unwrap();
    let files: Vec<Upload> = (0..1_000)
        .map(|number| {
            let mut content = format!("# Note {number}\n\nThis is note number {number} of a thousand. ");
            while content.len() < 2_048 {
                content.push_str("Small files must be cheap to index, however many there are. ");
            }
            content.truncate(2_048);
            Upload { path: format!("notes/{number}.md"), content: content.into_bytes() }
        })
        .collect();
    let job = upload_all(client, &files);
    let view = client.follow(&job, DEADLINE, |_| {}).unwrap();
    assert_eq!(view["items"]["done"], 1_000, "{view}");
    // The usage row of the last message is written after the job's end.
    let end = std::time::Instant::now() + DEADLINE;
    let operations = || -> i64 {
        let rows = product
            .query(
                "SELECT sum(queue_operations), count(*) FILTER (WHERE source = 'upsert') FROM usage_log
                 WHERE user_id = (SELECT id FROM users WHERE name = 'thousand')",
            )
            .unwrap();
        let finished = rows[0][1].parse::<i64>().unwrap() >= 28;
        if finished { rows[0][0].parse().unwrap() } else { 0 }
    };
    while operations() == 0 && std::time::Instant::now() < end {
        std::thread::sleep(Duration::from_millis(100));
    }
    let operations = operations();
    println!("1,000 files of 2 KB: {operations} queue operations");
    // 84 packs, 28 batches, two messages a batch, three operations a message; a retry costs one more. It is unpacked
    // in 16 ranges, a message each, whose packs and batches are not all full.
    assert!((420..620).contains(&operations), "{operations} queue operations for 1,000 files");
}

fn bad_input_is_told_what_is_wrong(client: &Client) {
    let json_type = [("content-type", "application/json")];
    let problem = |answer: local_dev::client::Answer, status: u16, about: &str| {
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (status, Some("application/problem+json")),
            "{about}: {}",
            String::from_utf8_lossy(&answer.bytes)
        );
        let body = answer.json();
        assert!(
            body["request_id"].is_string() && body["detail"].is_string() && body["code"].is_string(),
            "{about}: {body}"
        );
        body
    };
    let index = |body: &[u8]| client.send("POST", "/api/index", &json_type, body).unwrap();
    problem(index(b""), 400, "empty body");
    problem(index(b"{"), 400, "broken JSON");
    problem(index(&[0xff, 0xfe, b'{']), 400, "a body that is not UTF-8");
    problem(index("[".repeat(200_000).as_bytes()), 400, "deeply nested JSON");
    problem(index(br#"{"content":""}"#), 422, "an empty document");
    problem(
        index(br#"{"content":"x","metadata":{"a":{"b":{"c":[[[[[[]]]]]]}}},"title":"a\u0000b"}"#),
        422,
        "a NUL byte in a title",
    );
    let many = serde_json::to_vec(&vec![json!({"content": "x"}); 10_000]).unwrap();
    assert!(problem(index(&many), 413, "10,000 items")["detail"].as_str().unwrap().contains("1000"));
    problem(
        client.send("POST", "/api/index", &[("content-type", "text/plain")], b"hello").unwrap(),
        415,
        "a wrong content type",
    );
    a_huge_document_is_told_its_limit_where_it_is_read(client);
    let mixed = [
        Upload { path: "good.md".into(), content: b"a good document".to_vec() },
        Upload { path: "empty.md".into(), content: Vec::new() },
        Upload { path: "image.png".into(), content: b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec() },
        Upload { path: "wide.txt".into(), content: "hi".encode_utf16().flat_map(u16::to_le_bytes).collect() },
        Upload { path: "good.md".into(), content: b"the same name again".to_vec() },
        Upload { path: "latin.txt".into(), content: b"caf\xe9".to_vec() },
        Upload { path: "line.txt".into(), content: vec![b'y'; 128 * 1024] },
    ];
    let answer = client.upload(&mixed, "").unwrap();
    assert_eq!(answer.status, 202);
    let items = answer.json()["items"].clone();
    let statuses: Vec<&str> = items.as_array().unwrap().iter().map(|item| item["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["queued", "rejected", "rejected", "rejected", "rejected", "rejected", "queued"], "{items}");
    assert!(items[2]["error"]["detail"].as_str().unwrap().contains("image/png"), "{}", items[2]);
    assert_eq!(items[2]["error"]["status"], 415);
    let job = answer.json()["job_id"].as_str().unwrap().to_owned();
    assert_eq!(client.follow(&job, DEADLINE, |_| {}).unwrap()["status"], "partial", "five were rejected");
    let search = |body: &[u8]| client.send("POST", "/api/search", &json_type, body).unwrap();
    problem(search(br#"{"query":""}"#), 422, "an empty query");
    problem(search(br#"{"query":"a","top_k":-1}"#), 422, "a negative top_k");
    problem(search(format!(r#"{{"query":"{}"}}"#, "q".repeat(100 * 1024)).as_bytes()), 413, "a query of 100 KB");
    for query in ["\"", "*", "a NEAR b", "(unbalanced", "title:x", "a AND", "^", "\u{0}", "' OR 1=1 --", "{}[]"] {
        let answer = client.post("/api/search", &json!({ "query": query })).unwrap();
        assert_eq!(answer.status, 200, "{query}: {}", String::from_utf8_lossy(&answer.bytes));
    }
    problem(client.get("/api/jobs/job_nothing").unwrap(), 404, "no such job");
    problem(client.get("/api/nothing").unwrap(), 404, "no such path");
    problem(client.send("PUT", "/api/index", &[], b"").unwrap(), 405, "a wrong method");
    problem(client.with_key("").get("/api/documents").unwrap(), 401, "no key");
    problem(client.with_key("cf_local_aaaa_bbbb").get("/api/documents").unwrap(), 401, "no real key");
}

/// An upload of 25 MB is streamed: what is wrong with its document is told by the job's items.
fn a_huge_document_is_told_its_limit_where_it_is_read(client: &Client) {
    let huge = Upload { path: "huge.txt".into(), content: vec![b'x'; 25 * 1024 * 1024] };
    let job = upload_all(client, &[huge]);
    let view = client.follow(&job, DEADLINE, |_| {}).unwrap();
    let items = client.get(&format!("/api/jobs/{job}/items")).unwrap().json()["items"].clone();
    assert_eq!((items[0]["status"].as_str(), &items[1]), (Some("rejected"), &Value::Null), "{view} {items}");
    assert_eq!(items[0]["error"]["status"], 413, "{items}");
    assert!(items[0]["error"]["detail"].as_str().unwrap().contains("4194304"), "{items}");
}

fn users_see_only_their_own(product: &Product) {
    let (alice, bob) = (product.new_user("alice").unwrap(), product.new_user("bob").unwrap());
    let content = |owner: &str| format!("The same words for both, and {owner} alone.");
    let document = |owner: &str| json!({"external_id": "same.md", "content": content(owner)});
    let mut jobs = Vec::new();
    for (client, owner) in [(&alice, "alice"), (&bob, "bob")] {
        let answer = client.post("/api/index", &document(owner)).unwrap().success().unwrap();
        jobs.push((
            answer["job_id"].as_str().unwrap().to_owned(),
            answer["items"][0]["document_id"].as_str().unwrap().to_owned(),
        ));
        client.follow(&jobs[jobs.len() - 1].0, DEADLINE, |_| {}).unwrap();
    }
    for (client, other, (job, document)) in [(&alice, "bob", &jobs[1]), (&bob, "alice", &jobs[0])] {
        for mode in ["keyword", "vector", "hybrid"] {
            let hits = client.search(&json!({"query": "the same words for both", "mode": mode})).unwrap();
            assert_eq!(hits["hits"].as_array().unwrap().len(), 1, "{mode}");
            assert!(!hits["hits"][0]["text"].as_str().unwrap().contains(other), "{mode}");
        }
        assert_eq!(client.get("/api/documents").unwrap().json()["items"].as_array().unwrap().len(), 1);
        for path in [
            format!("/api/jobs/{job}"),
            format!("/api/jobs/{job}/events"),
            format!("/api/documents/{document}"),
            format!("/api/documents/{document}/original"),
        ] {
            assert_eq!(client.get(&path).unwrap().status, 404, "{path}");
        }
        assert_eq!(client.delete(&format!("/api/documents/{document}")).unwrap().status, 404);
        for action in ["cancel", "retry"] {
            assert_eq!(client.post(&format!("/api/jobs/{job}/{action}"), &Value::Null).unwrap().status, 404);
        }
    }
    let gone = alice.send("DELETE", &format!("/api/documents/{}", jobs[0].1), &[("prefer", "wait=20")], &[]).unwrap();
    assert_eq!((gone.status, &gone.json()["job"]["receipt"]["vectors"]), (200, &json!(1)), "{}", gone.json());
    assert!(alice.search(&json!({"query": "the same words"})).unwrap()["hits"].as_array().unwrap().is_empty());
    assert_eq!(bob.search(&json!({"query": "the same words"})).unwrap()["hits"].as_array().unwrap().len(), 1);
}

fn events_and_waiting(client: &Client) {
    let headers = [("content-type", "application/json"), ("prefer", "wait=30"), ("idempotency-key", "once")];
    let body = json!({"external_id": "events.md", "content": "events flow by"}).to_string();
    let first = client.send("POST", "/api/index", &headers, body.as_bytes()).unwrap();
    assert_eq!((first.status, first.json()["status"].as_str()), (200, Some("succeeded")), "{}", first.json());
    let again = client.send("POST", "/api/index", &headers, body.as_bytes()).unwrap();
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    let job = first.json()["job_id"].as_str().unwrap().to_owned();
    let events = client.get(&format!("/api/jobs/{job}/events")).unwrap();
    assert!(String::from_utf8_lossy(&events.bytes).starts_with("event: job\nid: "));
    let view = client.get(&format!("/api/jobs/{job}")).unwrap();
    let etag = view.header("etag").unwrap().to_owned();
    let unchanged = client.send("GET", &format!("/api/jobs/{job}"), &[("if-none-match", &etag)], &[]).unwrap();
    assert_eq!(unchanged.status, 304);
    let dry = client.send("POST", "/api/index?dry_run=true", &headers[..1], body.as_bytes()).unwrap();
    assert!(dry.status == 200 && dry.json()["estimate"]["tokens"].is_u64() && dry.json()["job_id"].is_null());
}

fn demonstration(client: &Client) {
    let files = local_dev::corpus::read(&root().join("pipeline/src/job"), 30).unwrap();
    let summary = demo::index(client, &files).unwrap();
    assert_eq!((summary.failed, summary.rejected), (0, 0), "{summary}");
    let hits = client.search(&json!({"query": "ClaimToken lease fence", "top_k": 3})).unwrap();
    let found: Vec<&str> =
        hits["hits"].as_array().unwrap().iter().filter_map(|hit| hit["external_id"].as_str()).collect();
    assert!(found.contains(&"item.rs"), "{found:?}");
    // No machine here has a reranking model: what it would have put in order stays, and says so.
    let search = json!({"query": "ClaimToken lease fence", "top_k": 3, "rerank": true});
    let answer = client.post("/api/search", &search).unwrap();
    assert_eq!((answer.status, &answer.json()["reranked"]), (200, &json!(false)), "{}", answer.json());
    assert_eq!(answer.json()["hits"], hits["hits"]);
    assert_eq!(answer.header("x-degraded"), Some("the reranking model is not available; not reranked"));
}

/// In wasm a size has 32 bits: tokens and cuts must be the same there, in any script and for endless words.
#[test]
fn a_text_of_any_script_is_cut_on_workerd_as_it_is_natively() {
    let product = &shared().product;
    let pieces = [
        " The quick",
        " fox's DON'T",
        " 1234567.89",
        "漢字とかな。",
        " นำ้ไหล",
        "ﷺ ½ Ⅷ",
        "\r\n\r\n",
        "\u{3000}\u{a0} ",
        " 😀👩\u{200d}👧",
        " हिन्दी",
        "e\u{301}",
        "--=={}[]",
        "ſ'ſ",
        " snake_case_name",
        "\n\n",
        " Straße",
        "\t\t\t",
        "слово ",
    ];
    let endless = ["a", "漢", "=", "xyz"].map(|piece| piece.repeat(400)).concat();
    let places = (0..1_800).map(|place: usize| pieces[(place * place + place / 7) % pieces.len()]);
    let text = endless + &places.collect::<String>();
    assert!(text.len() < CHUNK_SLICE_BYTES, "a longer one is cut between slices too: {} bytes", text.len());
    let client = product.new_user("scripts").unwrap();
    let job = upload_all(&client, &[Upload { path: "scripts.txt".to_owned(), content: text.clone().into_bytes() }]);
    let view = client.follow(&job, DEADLINE, |_| {}).unwrap();
    assert_eq!(view["status"], "succeeded", "{view}");
    let rows = product.query(
        "SELECT start, \"end\" FROM chunks JOIN documents ON documents.id = chunks.document_id \
         WHERE external_id = 'scripts.txt' ORDER BY start",
    );
    let there: Vec<Vec<String>> = rows.unwrap();
    let here = split(&text, Structure::Prose).into_iter().map(|range| vec![range.start, range.end]);
    let here: Vec<Vec<String>> = here.map(|range| range.iter().map(usize::to_string).collect()).collect();
    assert!(here.len() > 5, "{here:?}");
    assert_eq!(there, here);
}
