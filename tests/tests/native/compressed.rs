//! Uploads that are compressed: read at once if they unfold to little, and by slices of what they unfold to if not.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use pipeline::constants;
use serde_json::{Value, json};
use tests::rig::Rig;

use crate::streamed::{LINES, items, lines, objects_of_uploads, send, upload};

const GZIP: &str = "application/gzip";

pub(crate) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// A source file whose every line is another: it is compressed to about a fourth.
fn source(file: usize, lines: usize) -> String {
    let mut number = file as u64 + 1;
    let mut text = format!("//! number{file}\n");
    for _ in 0..lines {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text += &format!("    let value{} = compute({});\n", number >> 52, number >> 30);
    }
    text
}

/// A folder of so many files, each of so many lines.
pub(crate) fn folder(files: usize, lines: usize) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for file in 0..files {
        let content = source(file, lines);
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        archive.append_data(&mut header, format!("src/file{file}.rs"), content.as_bytes()).unwrap();
    }
    archive.into_inner().unwrap()
}

/// The texts of what was unpacked, by the clients' names.
fn originals(rig: &Rig, files: usize) -> Vec<String> {
    let original = |file: usize| {
        let path = format!("/api/documents?external_id=src/file{file}.rs");
        let listed = rig.request("GET", &path, &Value::Null).body;
        let id = listed["items"][0]["id"].as_str().unwrap().to_owned();
        rig.request("GET", &format!("/api/documents/{id}/original"), &Value::Null).body.as_str().unwrap().to_owned()
    };
    (0..files).map(original).collect()
}

#[test]
fn a_compressed_folder_is_unpacked_as_a_plain_one_whatever_it_is_called() {
    let plain = folder(150, 300);
    let body = gzip(&plain);
    assert!(body.len() > constants::READ_AT_ONCE_BYTES, "{} bytes are read at once", body.len());
    for media_type in [GZIP, "application/x-gtar", "application/x-tar"] {
        let rig = Rig::new(1);
        let job = upload(&rig, media_type, &body);
        rig.drain();
        let view = rig.job(&job);
        assert_eq!((&view["status"], &view["items"]["done"]), (&json!("succeeded"), &json!(150)), "{view}");
        assert_eq!((&view["stages"][0]["done"], &view["upload"]["broken"]), (&json!(body.len()), &Value::Null));
        let listed = items(&rig, &job, "");
        assert!(listed.iter().enumerate().all(|(index, item)| item["index"] == index && item["status"] == "done"));
        assert!(originals(&rig, 150).iter().enumerate().all(|(file, text)| *text == source(file, 300)));
        assert_eq!(objects_of_uploads(&rig), 0);
    }
}

#[test]
fn lines_with_a_content_encoding_are_inflated_and_other_encodings_refused() {
    let rig = Rig::new(1);
    let (small, large) = ("{\"content\":\"small\"}\n{\"content\":\"another\"}", lines(300, 2_000));
    let send = |encoding: &str, body: &[u8]| {
        let headers = [("content-type", LINES), ("content-encoding", encoding)];
        rig.request_with_headers("POST", "/api/index", &headers, body)
    };
    let at_once = send("gzip", &gzip(small.as_bytes()));
    assert_eq!(at_once.body["items"].as_array().unwrap().len(), 2, "{}", at_once.body);
    let job = send("gzip", &gzip(large.as_bytes())).body["job_id"].as_str().unwrap().to_owned();
    rig.drain();
    assert_eq!(rig.job(&job)["items"]["done"], 300, "{}", rig.job(&job));
    assert_eq!(send("br", small.as_bytes()).status, 415);
    assert_eq!(send("br", large.as_bytes()).status, 415);
}

#[test]
fn a_small_archive_is_read_at_once_and_one_that_unfolds_to_much_is_not() {
    let rig = Rig::new(1);
    let small = send(&rig, GZIP, &gzip(&folder(3, 20)));
    assert_eq!((small.status, small.body["items"].as_array().unwrap().len()), (202, 3), "{}", small.body);
    let body = gzip(&folder(20, 600));
    assert!(body.len() < constants::READ_AT_ONCE_BYTES, "{} bytes", body.len());
    let headers = [("content-type", GZIP), ("idempotency-key", "once")];
    let answer = rig.request_with_headers("POST", "/api/index", &headers, &body);
    assert_eq!((answer.status, &answer.body["items"]), (202, &json!([])), "{}", answer.body);
    let again = rig.request_with_headers("POST", "/api/index", &headers, &body);
    assert_eq!((again.status, &again.body), (202, &answer.body));
    let dry = rig.request_with_headers("POST", "/api/index?dry_run=true", &headers[..1], &body);
    assert_eq!(dry.status, 413, "{}", dry.body);
    rig.drain();
    let job = answer.body["job_id"].as_str().unwrap();
    assert_eq!(rig.job(job)["items"]["done"], 20, "{}", rig.job(job));
    assert_eq!(objects_of_uploads(&rig), 0);
    let damaged = [&body[..body.len() / 2], &[0; 9]].concat();
    assert_eq!(send(&rig, GZIP, &damaged[..10_000]).status, 400);
}

#[test]
fn what_was_whole_before_a_stream_broke_stays_and_the_job_says_why() {
    let plain = folder(150, 300);
    let whole = gzip(&plain);
    let mut wrong_checksum = whole.clone();
    let place = whole.len() - 6;
    wrong_checksum[place] ^= 1;
    let mut two_members = gzip(&plain[..400_000]);
    two_members.extend(gzip(&plain[400_000..]));
    let mut garbage = whole.clone();
    garbage.extend_from_slice(b"garbage");
    for (body, status, done, why) in [
        (whole[..whole.len() / 2].to_vec(), "partial", 60..90, "ends in its middle"),
        (wrong_checksum, "partial", 150..151, "checksum is wrong"),
        (two_members, "succeeded", 150..151, ""),
        (garbage, "partial", 150..151, "what follows what is compressed is not"),
    ] {
        let rig = Rig::new(1);
        let job = upload(&rig, GZIP, &body);
        rig.drain();
        let view = rig.job(&job);
        assert_eq!(view["status"], status, "{why}: {view}");
        assert!(done.contains(&view["items"]["done"].as_i64().unwrap()), "{why}: {view}");
        assert!(view["upload"]["broken"]["why"].as_str().unwrap_or_default().contains(why), "{view}");
        let listed = items(&rig, &job, "").len();
        assert_eq!(view["items"]["done"], listed, "all that was found is accounted for");
    }
}

/// A file that unfolds to more than all uploads may: what stands before it is indexed.
#[test]
fn a_bomb_ends_where_the_limit_is_and_costs_no_message_more_than_its_share() {
    let mut archive = tar::Builder::new(Vec::new());
    let filler = source(0, 14_000);
    for (name, size) in [("first.rs", filler.len()), ("bomb.txt", 150_000_000), ("last.rs", 10)] {
        let mut header = tar::Header::new_ustar();
        header.set_size(size as u64);
        let content = filler.as_bytes().iter().copied().chain(std::iter::repeat(b' ')).take(size).collect::<Vec<u8>>();
        archive.append_data(&mut header, name, content.as_slice()).unwrap();
    }
    let body = gzip(&archive.into_inner().unwrap());
    let rig = Rig::new(1);
    let job = upload(&rig, GZIP, &body);
    rig.drain();
    let view = rig.job(&job);
    assert_eq!(view["status"], "partial", "{view}");
    assert!(view["upload"]["broken"]["why"].as_str().unwrap().contains("more than 100000000 bytes"), "{view}");
    let statuses: Vec<Value> = items(&rig, &job, "").iter().map(|item| item["status"].clone()).collect();
    assert_eq!(statuses, ["done", "rejected"]);
}

/// One that is too long, but not too much, is left out alone, however many messages that takes.
#[test]
fn a_file_that_is_too_long_is_passed_by_in_slices() {
    let mut archive = tar::Builder::new(Vec::new());
    let filler = source(0, 300_000);
    for (name, size) in [("long.rs", 9_000_000), ("last.rs", 10)] {
        let mut header = tar::Header::new_ustar();
        header.set_size(size as u64);
        archive.append_data(&mut header, name, &filler.as_bytes()[..size]).unwrap();
    }
    let rig = Rig::new(1);
    let job = upload(&rig, GZIP, &gzip(&archive.into_inner().unwrap()));
    let mut messages = 0;
    while let Some(message) = rig.memory.receive() {
        messages += usize::from(message.stage == pipeline::job::message::Stage::Unpack);
        rig.process(&message);
    }
    assert!((8..15).contains(&messages), "{messages} messages for 9 MB of about 1 MB each");
    let listed = items(&rig, &job, "");
    let statuses: Vec<&Value> = listed.iter().map(|item| &item["status"]).collect();
    assert_eq!(statuses, ["rejected", "done"]);
    assert_eq!(listed[0]["external_id"], "long.rs");
    assert_eq!(listed[0]["error"]["errors"][0]["pointer"], "/files/0/content");
}

/// What is repeated is one block of half a megabyte and more, and the range of what follows begins in its middle.
#[test]
fn files_that_cannot_be_compressed_are_read_behind_one_that_was_compressed_well() {
    for rows in [9_000, 11_000, 14_000, 16_000] {
        let mut archive = tar::Builder::new(Vec::new());
        let row = |row: usize| format!("{{\"id\": {row}, \"name\": \"a row as all others are\", \"value\": 0}},\n");
        let table = (0..rows).map(row).collect::<Vec<_>>().concat();
        let mut number = 1_u64;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            number.to_be_bytes()[0]
        })
        .take(3_000_000)
        .collect();
        let files = [table.as_bytes(), &noise, &noise[1..], &noise[2..], b"the last"];
        for (index, content) in files.into_iter().enumerate() {
            let mut header = tar::Header::new_ustar();
            header.set_size(content.len() as u64);
            archive.append_data(&mut header, format!("{index}.txt"), content).unwrap();
        }
        let rig = Rig::new(1);
        let job = upload(&rig, GZIP, &gzip(&archive.into_inner().unwrap()));
        rig.drain();
        let broken = &rig.job(&job)["upload"]["broken"];
        assert_eq!(*broken, Value::Null, "{rows} rows");
        let statuses: Vec<Value> = items(&rig, &job, "").iter().map(|item| item["status"].clone()).collect();
        assert_eq!(statuses, ["done", "rejected", "rejected", "rejected", "done"], "{rows} rows");
    }
}
