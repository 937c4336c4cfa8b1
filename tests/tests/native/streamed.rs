//! Uploads too large to be read at once: streamed into R2, unpacked range by range, exactly once.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fmt::Write as _;

use pipeline::{
    constants::{self, READ_AT_ONCE_BYTES},
    job::outcome::Outcome,
    time::{HOUR, MINUTE},
};
use producers::schedule::Schedule;
use serde_json::{Value, json};
use tests::rig::{Answer, Rig};

pub(crate) const LINES: &str = "application/x-ndjson";

/// So many documents of about this size, a line each.
pub(crate) fn lines(count: usize, bytes: usize) -> String {
    let mut text = String::new();
    for index in 0..count {
        let filler = "words that fill it ".repeat(bytes / 19);
        let document = json!({"external_id": format!("{index}.md"), "content": format!("number{index} {filler}")});
        let _ = writeln!(text, "{document}");
    }
    assert!(text.len() > READ_AT_ONCE_BYTES, "{} bytes are read at once", text.len());
    text
}

pub(crate) fn send(rig: &Rig, media_type: &str, body: &[u8]) -> Answer {
    rig.request_with_headers("POST", "/api/index", &[("content-type", media_type)], body)
}

pub(crate) fn upload(rig: &Rig, media_type: &str, body: &[u8]) -> String {
    let answer = send(rig, media_type, body);
    assert_eq!(answer.status, 202, "{}", answer.body);
    assert_eq!(answer.body["items"], json!([]), "nothing is read so far");
    answer.body["job_id"].as_str().unwrap().to_owned()
}

/// Every page of a job's items.
pub(crate) fn items(rig: &Rig, job: &str, state: &str) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = rig.request("GET", &format!("/api/jobs/{job}/items?limit=37{state}{cursor}"), &Value::Null);
        assert_eq!(page.status, 200, "{}", page.body);
        all.extend(page.body["items"].as_array().unwrap().iter().cloned());
        let Some(next) = page.body["next_cursor"].as_str() else { return all };
        cursor = format!("&cursor={next}");
    }
}

pub(crate) fn objects_of_uploads(rig: &Rig) -> usize {
    rig.memory.object_keys().iter().filter(|key| key.starts_with("uploads/")).count()
}

#[test]
fn a_large_upload_is_unpacked_and_every_document_accounted_for() {
    let rig = Rig::new(1);
    let job = upload(&rig, LINES, lines(300, 2_000).as_bytes());
    assert_eq!(objects_of_uploads(&rig), 1);
    rig.drain();
    let view = rig.job(&job);
    assert_eq!(view["status"], "succeeded", "{view}");
    assert_eq!((&view["items"]["done"], &view["upload"]["queued"]), (&json!(300), &json!(300)));
    assert_eq!(view["stages"][0]["name"], "unpack");
    assert_eq!(view["stages"][0]["done"], view["upload"]["bytes"]);
    let listed = items(&rig, &job, "");
    let indexes: Vec<u64> = listed.iter().map(|item| item["index"].as_u64().unwrap()).collect();
    assert_eq!(indexes, (0..300).collect::<Vec<_>>());
    assert!(listed.iter().all(|item| item["status"] == "done" && item["document_id"].is_string()));
    assert_eq!(objects_of_uploads(&rig), 0, "the raw upload goes with its last range");
    assert_eq!(rig.search(&json!({"query": "number217", "mode": "keyword"}))[0], "217.md");
}

#[test]
fn the_list_grows_while_the_upload_is_unpacked_and_knows_states() {
    let rig = Rig::new(1);
    let job = upload(&rig, LINES, lines(300, 2_000).as_bytes());
    assert!(items(&rig, &job, "").is_empty());
    let first = rig.memory.receive().unwrap();
    rig.process(&first);
    let listed = items(&rig, &job, "&status=queued").len();
    assert!((30..100).contains(&listed), "{listed} documents in the first range");
    assert!(items(&rig, &job, "&status=done").is_empty());
    assert_eq!(rig.job(&job)["status"], "running");
    assert_eq!(rig.request("GET", &format!("/api/jobs/{job}/items?status=lost"), &Value::Null).status, 422);
    let other = rig.new_user();
    let answer = rig.request_as(&other, "GET", &format!("/api/jobs/{job}/items"), &[], b"");
    assert_eq!(answer.status, 404);
}

#[test]
fn documents_that_are_there_or_stand_twice_or_cannot_be_read_are_told() {
    let rig = Rig::new(1);
    rig.upload(&json!([{"external_id": "there.md", "content": "the same"}]));
    rig.drain();
    let mut text = lines(200, 2_000);
    text.insert_str(0, "{\"external_id\":\"there.md\",\"content\":\"the same\"}\nnonsense\n");
    // Far behind the range of the first, with another content.
    text.push_str("{\"external_id\":\"0.md\",\"content\":\"another\"}\n{\"content\":\"a\\u0000b\"}\n{\"content\":");
    let job = upload(&rig, LINES, text.as_bytes());
    rig.drain();
    let view = rig.job(&job);
    assert_eq!(view["status"], "partial", "{view}");
    assert_eq!((&view["upload"]["duplicates"], &view["upload"]["rejected"]), (&json!(1), &json!(4)));
    let rejected = items(&rig, &job, "&status=rejected");
    let codes: Vec<&str> = rejected.iter().map(|item| item["error"]["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["invalid", "duplicate_in_request", "unsupported_type", "invalid"]);
    let twice = rejected[1]["error"]["detail"].as_str().unwrap();
    assert!(twice.contains("\"0.md\"") && twice.contains("external_id each, or paths"), "{twice}");
    assert_eq!(items(&rig, &job, "&status=duplicate")[0]["external_id"], "there.md");
    assert_eq!(rig.search(&json!({"query": "another", "mode": "keyword"})), [] as [String; 0]);
}

#[test]
fn the_same_upload_again_costs_nothing() {
    let rig = Rig::new(1);
    let text = lines(200, 2_000);
    upload(&rig, LINES, text.as_bytes());
    rig.drain();
    let (state, embedded) = (rig.state(), rig.memory.embedded());
    let job = upload(&rig, LINES, text.as_bytes());
    rig.drain();
    assert_eq!(rig.job(&job)["upload"]["duplicates"], 200);
    assert_eq!(rig.job(&job)["status"], "succeeded");
    assert_eq!((rig.state(), rig.memory.embedded()), (state, embedded));
}

#[test]
fn an_array_keeps_what_was_whole_and_says_where_it_broke() {
    let rig = Rig::new(1);
    let documents: Vec<Value> = (0..200)
        .map(|index| json!({"external_id": format!("{index}.md"), "content": "in an array ".repeat(200)}))
        .collect();
    let text = json!({ "documents": documents }).to_string();
    let job = upload(&rig, "application/json", text.as_bytes());
    rig.drain();
    assert_eq!(rig.job(&job)["items"]["done"], 200);
    let middle = text.rfind("{\"content\"").unwrap();
    let rig = Rig::new(1);
    let job = upload(&rig, "application/json", &text.as_bytes()[..middle + 20]);
    rig.drain();
    let view = rig.job(&job);
    assert_eq!((&view["status"], &view["items"]["done"]), (&json!("partial"), &json!(199)));
    assert_eq!(view["upload"]["broken"]["byte"], middle);
    assert_eq!(view["upload"]["broken"]["document"], 199);
    assert!(view["errors"][0]["detail"].as_str().unwrap().contains("after 199 documents"), "{view}");
}

#[test]
fn a_document_longer_than_a_range_is_indexed_and_one_longer_than_any_is_not() {
    let rig = Rig::new(1);
    let long = "a long one ".repeat(60_000);
    let too_long = "x".repeat(2 * constants::DOCUMENT_BYTES + 300_000);
    let text =
        [json!({"external_id": "long.md", "content": long}), json!({"content": too_long}), json!({"content": "end"})]
            .map(|document| document.to_string())
            .join("\n");
    let job = upload(&rig, LINES, text.as_bytes());
    rig.drain();
    let statuses: Vec<Value> = items(&rig, &job, "").iter().map(|item| item["status"].clone()).collect();
    assert_eq!(statuses, ["done", "rejected", "done"]);
    assert!(rig.search(&json!({"query": "long", "mode": "keyword"})).contains(&"long.md".to_owned()));
}

#[test]
fn two_documents_of_one_name_are_told_apart_however_often_they_are_sent() {
    let rig = Rig::new(1);
    let far = |content: &str| json!({"external_id": "far", "content": content}).to_string();
    let between = json!({"external_id": "between", "content": "a long one ".repeat(30_000)}).to_string();
    let text = [far("FIRST of the two"), between, far("SECOND of the two")].join("\n");
    for time in 1..=3 {
        let job = upload(&rig, LINES, text.as_bytes());
        rig.drain();
        let became = items(&rig, &job, "");
        assert_eq!(became[2]["status"], "rejected", "sent {time} times: {became:?}");
        assert_eq!(became[2]["error"]["code"], "duplicate_in_request");
        let document = rig.request("GET", "/api/documents?external_id=far", &Value::Null);
        assert_eq!(document.body["items"][0]["revision"], 1, "sent {time} times");
    }
}

#[test]
fn a_form_and_an_archive_are_unpacked_as_they_are_read_at_once() {
    let files: Vec<(String, String)> = (0..150)
        .map(|index| (format!("src/file{index}.rs"), format!("fn number{index}() {{}}\n").repeat(120)))
        .collect();
    let mut form = "--X\r\nContent-Disposition: form-data; name=\"tags\"\r\n\r\none\r\n".to_owned();
    let mut archive = tar::Builder::new(Vec::new());
    for (path, content) in &files {
        let _ = write!(
            form,
            "--X\r\nContent-Disposition: form-data; name=\"files\"; filename=\"{path}\"\r\n\r\n{content}\r\n"
        );
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        archive.append_data(&mut header, path, content.as_bytes()).unwrap();
    }
    form.push_str("--X--\r\n");
    for (media_type, body, tags) in [
        ("multipart/form-data; boundary=X", form.into_bytes(), json!(["one"])),
        ("application/x-tar", archive.into_inner().unwrap(), json!([])),
    ] {
        let rig = Rig::new(1);
        let job = upload(&rig, media_type, &body);
        rig.drain();
        let view = rig.job(&job);
        assert_eq!((&view["status"], &view["items"]["done"]), (&json!("succeeded"), &json!(150)), "{view}");
        let document = rig.request("GET", "/api/documents?external_id=src/file77.rs", &Value::Null);
        assert_eq!(document.body["items"][0]["tags"], tags, "{media_type}");
        assert_eq!(document.body["items"][0]["language"], "rust");
    }
}

#[test]
fn an_upload_without_documents_is_told_that_it_holds_none() {
    let blank = " ".repeat(READ_AT_ONCE_BYTES);
    let mut folders = tar::Builder::new(Vec::new());
    for index in 0..READ_AT_ONCE_BYTES / 512 {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_size(0);
        folders.append_data(&mut header, format!("folder{index}/"), std::io::empty()).unwrap();
    }
    for (media_type, body) in [
        (LINES, "\n".repeat(READ_AT_ONCE_BYTES + 1).into_bytes()),
        ("application/json", format!("[{blank}]").into_bytes()),
        ("application/json", format!("{{\"documents\":[{blank}]}}").into_bytes()),
        ("multipart/form-data; boundary=X", format!("--X--\r\n{blank}").into_bytes()),
        ("application/x-tar", folders.into_inner().unwrap()),
    ] {
        let rig = Rig::new(1);
        let job = upload(&rig, media_type, &body);
        rig.drain();
        let view = rig.job(&job);
        assert_eq!(view["status"], "failed", "{media_type}: {view}");
        assert!(view["errors"][0]["detail"].as_str().unwrap().contains("holds no documents"), "{view}");
        assert_eq!(view["stages"][0]["done"], view["upload"]["bytes"], "{media_type}: {view}");
        assert_eq!(objects_of_uploads(&rig), 0);
    }
}

#[test]
fn what_holds_hardly_a_document_is_not_read_to_its_end() {
    let rig = Rig::new(1);
    let good = json!({"external_id": "good.md", "content": "words"}).to_string();
    let text = format!("{good}\n{}", "{\"text\": \"no content\"}\n".repeat(25_000));
    let job = upload(&rig, LINES, text.as_bytes());
    rig.drain();
    let view = rig.job(&job);
    assert_eq!((&view["status"], &view["items"]["done"]), (&json!("partial"), &json!(1)), "{view}");
    let rejected = view["upload"]["rejected"].as_u64().unwrap();
    assert!((constants::REJECTED_PER_UPLOAD..11_000).contains(&rejected), "{view}");
    let why = view["upload"]["broken"]["why"].as_str().unwrap();
    assert!(why.contains("rejected") && why.contains("the rest is not read"), "{why}");
    assert_eq!(objects_of_uploads(&rig), 0);
}

#[test]
fn what_cannot_be_streamed_is_refused_before_a_byte_is_stored() {
    let rig = Rig::new(1);
    let body = lines(200, 2_000);
    for (path, media_type, status) in [
        ("/api/index", "text/plain", 415),
        ("/api/index", "application/zip", 415),
        ("/api/index", "multipart/form-data", 400),
        ("/api/index?dry_run=true", LINES, 413),
    ] {
        let answer = rig.request_with_headers("POST", path, &[("content-type", media_type)], body.as_bytes());
        assert_eq!(answer.status, status, "{}", answer.body);
    }
    assert_eq!(objects_of_uploads(&rig), 0);
    let too_large = vec![b' '; constants::UPLOAD_BYTES + 1];
    assert_eq!(send(&rig, LINES, &too_large).status, 413);
}

#[test]
fn an_upload_that_breaks_off_or_is_not_stored_is_no_job() {
    let rig = Rig::new(1);
    rig.memory.break_body_off();
    let answer = send(&rig, LINES, lines(200, 2_000).as_bytes());
    assert_eq!(answer.status, 503, "{}", answer.body);
    assert!(rig.memory.look("SELECT id FROM jobs").is_empty());
    assert_eq!(objects_of_uploads(&rig), 0);
}

#[test]
fn a_key_replays_its_answer_and_refuses_another_body() {
    let rig = Rig::new(1);
    let (text, other) = (lines(200, 2_000), lines(201, 2_000));
    let send = |body: &str| {
        let headers = [("content-type", LINES), ("idempotency-key", "once")];
        rig.request_with_headers("POST", "/api/index", &headers, body.as_bytes())
    };
    let first = send(&text);
    let again = send(&text);
    assert_eq!((first.status, again.status), (202, 202));
    assert_eq!(first.body, again.body);
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(send(&other).status, 422);
    assert_eq!(send("{\"content\":\"small\"}").status, 422);
    assert_eq!(objects_of_uploads(&rig), 1, "what came again is not kept");
    assert_eq!(rig.memory.look("SELECT id FROM jobs").len(), 1);
}

#[test]
fn a_cancel_in_the_middle_stops_it_and_removes_the_upload() {
    let rig = Rig::new(1);
    let job = upload(&rig, LINES, lines(300, 2_000).as_bytes());
    for _ in 0..3 {
        let message = rig.memory.receive().unwrap();
        rig.process(&message);
    }
    let cancelled = rig.request("POST", &format!("/api/jobs/{job}/cancel"), &Value::Null);
    assert_eq!(cancelled.body["status"], "cancelled");
    assert_eq!(objects_of_uploads(&rig), 0);
    assert!(rig.converge());
    rig.memory.advance(2 * constants::MAX_WRITER_LIFE);
    assert!(rig.converge());
    assert_eq!(rig.memory.look("SELECT id FROM documents WHERE current IS NOT NULL").len(), 0);
    assert!(rig.memory.object_keys().is_empty(), "{:?}", rig.memory.object_keys());
}

#[test]
fn an_upload_that_was_given_up_is_kept_for_a_day_and_can_be_tried_again() {
    let rig = Rig::new(1);
    let job = upload(&rig, LINES, lines(300, 2_000).as_bytes());
    let message = rig.memory.receive().unwrap();
    rig.memory.change("UPDATE job_items SET attempts = 16, error = 'no luck' WHERE stage = 'unpack'");
    rig.memory.advance(2 * MINUTE);
    let _ = rig.run_cron(Schedule::Frequent);
    assert_eq!(rig.process(&message).outcome, Outcome::Done);
    assert_eq!(rig.job(&job)["status"], "failed", "{}", rig.job(&job));
    rig.memory.advance(HOUR);
    let _ = rig.run_cron(Schedule::Frequent);
    assert_eq!(objects_of_uploads(&rig), 1);
    assert_eq!(rig.request("POST", &format!("/api/jobs/{job}/retry"), &Value::Null).status, 202);
    rig.drain();
    assert_eq!(rig.job(&job)["status"], "succeeded");
    assert_eq!(rig.job(&job)["items"]["done"], 300);
}

/// Serde quotes what it did not expect, and a document may be called anything until somebody looks.
#[test]
fn a_document_that_cannot_be_read_harms_no_other_however_long_it_is() {
    let long = "x".repeat(2_000_000);
    let bad = [
        json!(long[..1_000_000]).to_string(),
        json!({"external_id": long, "content": "named"}).to_string(),
        format!("{{\"content\":\"a\",\"metadata\":{{\"{}\":1e999}}}}", &long[..1_000_000]),
    ];
    let rig = Rig::new(1);
    let text = format!("{}{}\n{}", lines(150, 2_000), bad.join("\n"), lines(300, 2_000));
    let job = upload(&rig, LINES, text.as_bytes());
    rig.drain();
    let view = rig.job(&job);
    assert_eq!((&view["status"], &view["upload"]["broken"]), (&json!("partial"), &Value::Null), "{view}");
    assert_eq!((&view["items"]["done"], &view["upload"]["rejected"]), (&json!(300), &json!(153)), "{view}");
    let rejected = items(&rig, &job, "&status=rejected");
    assert!(rejected.iter().all(|item| item.to_string().len() < 4_000), "an answer as long as what was sent");
    assert_eq!(rejected[1]["external_id"], long[..constants::TITLE_BYTES]);
    let detail = rejected[0]["error"]["detail"].as_str().unwrap();
    assert!(detail.starts_with("expected an object, not a text (\"xxx"), "{detail}");
    // What is read at once is answered at once.
    let long = "x".repeat(200_000);
    let refused = [(422, json!(long)), (413, json!({"external_id": long, "content": "named"}))];
    for (index, (status, document)) in refused.into_iter().enumerate() {
        let answer =
            send(&rig, "application/json", json!([document, {"content": format!("b{index}")}]).to_string().as_bytes());
        assert!(answer.status == 202 && answer.body.to_string().len() < 4_000, "{}", answer.status);
        let answer = send(&rig, "application/json", json!([document]).to_string().as_bytes());
        assert!(answer.status == status && answer.body.to_string().len() < 4_000, "{}", answer.status);
    }
}

#[test]
fn names_of_files_are_answered_as_far_as_a_name_may_be_long() {
    let mut archive = tar::Builder::new(Vec::new());
    let names = [format!("{}.md", "n".repeat(100_000)), "long.md".to_owned(), "last.md".to_owned()];
    for (name, size) in names.iter().zip([300_000, constants::DOCUMENT_BYTES + 1, 100]) {
        let mut header = tar::Header::new_gnu();
        header.set_size(size as u64);
        let content = "words ".repeat(size / 6 + 1);
        archive.append_data(&mut header, name, &content.as_bytes()[..size]).unwrap();
    }
    let whole = archive.into_inner().unwrap();
    let rig = Rig::new(1);
    let job = upload(&rig, "application/x-tar", &whole);
    rig.drain();
    let listed = items(&rig, &job, "");
    assert!(listed[0]["external_id"] == names[0][..constants::TITLE_BYTES], "it is longer");
    assert_eq!((&listed[1]["external_id"], &listed[1]["status"]), (&json!("long.md"), &json!("rejected")));
    assert_eq!(listed[1]["error"]["errors"][0]["pointer"], "/files/1/content");
    assert_eq!((&listed[2]["external_id"], &listed[2]["status"]), (&json!("last.md"), &json!("done")));
    let job = upload(&rig, "application/x-tar", &whole[..290_000]);
    rig.drain();
    let view = rig.job(&job);
    assert!(view["upload"]["broken"]["why"].as_str().unwrap().len() < 500, "{view}");
}

#[test]
fn a_range_that_grew_for_a_long_document_holds_no_other() {
    let documents = [vec![200_000], vec![10_000; 40]].concat();
    let mut text = String::new();
    let mut archive = tar::Builder::new(Vec::new());
    for (index, size) in documents.into_iter().enumerate() {
        let content = "several words ".repeat(size / 14);
        let _ = writeln!(text, "{}", json!({"external_id": format!("{index}.md"), "content": content}));
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        archive.append_data(&mut header, format!("{index}.md"), content.as_bytes()).unwrap();
    }
    let mut stored = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    std::io::Write::write_all(&mut stored, &archive.into_inner().unwrap()).unwrap();
    for (media_type, body) in [(LINES, text.into_bytes()), ("application/gzip", stored.finish().unwrap())] {
        let rig = Rig::new(1);
        let job = upload(&rig, media_type, &body);
        rig.process(&rig.memory.receive().unwrap());
        assert_eq!(items(&rig, &job, "").len(), 1, "{media_type}");
        rig.drain();
        assert_eq!(rig.job(&job)["items"]["done"], 41);
    }
}

/// What a form's files share is stored with the place at which the next range begins.
#[test]
fn a_form_whose_fields_are_too_long_rejects_its_files_and_ends() {
    let field =
        |name: &str, value: &str| format!("--X\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    let mut file = "--X\r\nContent-Disposition: form-data; name=\"files\"; filename=\"a.md\"\r\n\r\n".to_owned();
    file += &format!("{}\r\n", "several words ".repeat(25_000));
    let long = "t".repeat(2_500_000);
    for (name, value, pointer) in [
        ("tags", "t,".repeat(1_250_000), "/files/0/tags"),
        ("tags", long.clone(), "/files/0/tags/0"),
        ("type", long.clone(), "/files/0/type"),
        ("language", long, "/files/0/language"),
    ] {
        let rig = Rig::new(1);
        let form = format!("{}{file}{file}--X--\r\n", field(name, &value));
        let job = upload(&rig, "multipart/form-data; boundary=X", form.as_bytes());
        rig.drain();
        let listed = items(&rig, &job, "&status=rejected");
        assert_eq!((listed.len(), &rig.job(&job)["upload"]["rejected"]), (2, &json!(2)), "{name}");
        assert_eq!(listed[0]["error"]["errors"][0]["pointer"], pointer);
    }
}
