//! What is read, what is not and why, and that a body is the same read at once and range by range.

use proptest::prelude::*;
use test_platform::ready;

use super::*;

fn read(content_type: &str, body: &str) -> Result<Vec<Item>, Problem> {
    let mut headers = HeaderMap::new();
    headers.insert(http::header::CONTENT_TYPE, content_type.parse().unwrap());
    ready(parse(&headers, &Bytes::copy_from_slice(body.as_bytes())))
}

#[test]
fn one_document_an_array_wrapped_and_lines() {
    for (content_type, body, count) in [
        ("application/json", r#"{"content":"a","metadata":{"any":{}}}"#, 1),
        ("application/json; charset=utf-8", r#" [{"content":"a"},{"content":"b"}]"#, 2),
        ("application/json", r#"{"documents":[{"content":"a"}]}"#, 1),
        ("application/x-ndjson", "{\"content\":\"a\"}\n\n{\"content\":\"b\"}\r\n", 2),
    ] {
        let items = read(content_type, body).unwrap();
        assert_eq!(items.len(), count, "{body}");
        assert!(items.iter().all(|item| item.document.is_ok()), "{body}");
    }
}

#[test]
fn a_bad_item_fails_alone_and_names_its_field() {
    let items = read(
        "application/json",
        r#"[{"content":"a"},{"content":"b","tags":[1]},{"title":"x"},7,{"content":"c","tag":"x"},["d"]]"#,
    )
    .unwrap();
    assert!(items[0].document.is_ok());
    let pointer = |index: usize| items[index].document.as_ref().unwrap_err().errors[0].pointer.clone();
    assert_eq!(pointer(1), "/1/tags/0");
    assert_eq!(pointer(2), "/2/content");
    assert_eq!(pointer(3), "/3");
    assert_eq!(pointer(4), "/4/tag");
    assert_eq!(pointer(5), "/5");
}

#[test]
fn files_and_shared_fields() {
    let body = "--X\r\nContent-Disposition: form-data; name=\"files\"; filename=\"src/a.rs\"\r\n\
        Content-Type: application/octet-stream\r\n\r\nfn a() {}\r\n\
        --X\r\nContent-Disposition: form-data; name=\"tags\"\r\n\r\none, two\r\n\
        --X\r\nContent-Disposition: form-data; name=\"files\"; filename=\"empty.md\"\r\n\r\n\r\n--X--\r\n";
    let items = read("multipart/form-data; boundary=X", body).unwrap();
    let documents: Vec<_> = items.iter().map(|item| item.document.as_ref().unwrap()).collect();
    assert_eq!(documents[0].external_id.as_deref(), Some("src/a.rs"));
    assert_eq!(documents[0].tags, ["one", "two"]);
    assert!(documents[1].content.0.is_empty());
}

#[test]
fn a_file_whose_name_cannot_be_read_is_refused_alone_and_not_passed_over() {
    let part = |disposition: &[u8], content: &str| {
        [b"--X\r\nContent-Disposition: ", disposition, b"\r\n\r\n", content.as_bytes(), b"\r\n"].concat()
    };
    for named in [
        &b"form-data; name=\"files\"; filename=\"\xe9.md\""[..],
        b"form-data; name=\"files\"; filename*=UTF-8''star.md",
        b"FORM-DATA; NAME=\"files\"; FILENAME=\"upper.md\"",
    ] {
        let kept = part(b"form-data; name=\"files\"; filename=\"kept.md\"", "kept");
        let body = Bytes::from([part(named, "named"), kept, b"--X--\r\n".to_vec()].concat());
        let mut headers = HeaderMap::new();
        headers.insert(http::header::CONTENT_TYPE, "multipart/form-data; boundary=X".parse().unwrap());
        let items = ready(parse(&headers, &body)).unwrap();
        assert_eq!(items.len(), 2, "{}", String::from_utf8_lossy(named));
        assert!(items[1].document.is_ok());
    }
}

#[test]
fn a_field_that_is_called_filename_is_no_file() {
    let body = "--X\r\nContent-Disposition: form-data; name=\"filename\"\r\n\r\na.md\r\n\
        --X\r\nContent-Disposition: form-data; name=\"files\"; filename=\"a.md\"\r\n\r\ntext\r\n--X--\r\n";
    let problem = read("multipart/form-data; boundary=X", body).unwrap_err();
    assert!(problem.detail.starts_with("there is no field \"filename\""), "{}", problem.detail);
}

/// A form of these parts: each the rest of its disposition, and its content.
fn form(parts: &[(&str, &str)]) -> String {
    let parts = parts
        .iter()
        .map(|(named, content)| format!("--X\r\nContent-Disposition: form-data; {named}\r\n\r\n{content}\r\n"));
    format!("{}--X--\r\n", parts.collect::<String>())
}

#[test]
fn fields_of_a_form_describe_its_files() {
    let body = form(&[
        ("name=\"title\"", "A title"),
        ("name=\"metadata\"", r#"{"author": "Ada"}"#),
        ("name=\"external_id\"", "notes/1"),
        ("name=\"created_at\"", "2026-01-31T12:00:00Z"),
        ("name=\"file\"; filename=\"a.md\"", "text"),
    ]);
    let items = read("multipart/form-data; boundary=X", &body).unwrap();
    let document = items[0].document.as_ref().unwrap();
    assert_eq!((document.title.as_deref(), document.external_id.as_deref()), (Some("A title"), Some("notes/1")));
    assert_eq!(document.metadata.as_ref().unwrap()["author"], "Ada");
    assert_eq!(document.created_at.unwrap().to_rfc3339(), "2026-01-31T12:00:00.000Z");
    assert_eq!(streamed("multipart/form-data; boundary=X", body.as_bytes(), 20).0[0].document.as_ref(), Ok(document));
}

#[test]
fn a_field_of_a_form_that_would_be_passed_over_is_refused() {
    let file = ("name=\"file\"; filename=\"a.md\"", "text");
    for (field, content, pointer) in [
        ("name=\"tag\"", "x", "tag"),
        ("name=\"file\"", "content without a file name", "file"),
        ("name=\"metadata\"", "[1]", "metadata"),
        ("name=\"created_at\"", "soon", "created_at"),
    ] {
        let body = form(&[(field, content), file]);
        let problem = read("multipart/form-data; boundary=X", &body).unwrap_err();
        assert_eq!(problem.errors[0].pointer, pointer, "{}", problem.detail);
        // In ranges it is refused alone: what is whole stays.
        let (items, _) = streamed("multipart/form-data; boundary=X", body.as_bytes(), 20);
        assert_eq!(items.iter().map(|item| item.document.is_ok()).collect::<Vec<_>>(), [false, true], "{field}");
    }
    let twice = form(&[("name=\"title\"", "a"), ("name=\"title\"", "b"), file]);
    assert!(read("multipart/form-data; boundary=X", &twice).unwrap_err().detail.contains("twice"));
    // A field behind a file goes for it where the form is read at once, and cannot any more where it is not.
    let behind = form(&[file, ("name=\"tags\"", "x")]);
    let items = read("multipart/form-data; boundary=X", &behind).unwrap();
    assert_eq!(items[0].document.as_ref().unwrap().tags, ["x"]);
    let (items, _) = streamed("multipart/form-data; boundary=X", behind.as_bytes(), 20);
    assert!(items[1].document.as_ref().unwrap_err().detail.contains("behind a file"));
}

#[test]
fn a_quotation_mark_in_a_name_is_one() {
    let body = form(&[("name=\"file\"; filename=\"src/a %22b%22.md\"", "text")]);
    let items = read("multipart/form-data; boundary=X", &body).unwrap();
    assert_eq!(items[0].document.as_ref().unwrap().external_id.as_deref(), Some("src/a \"b\".md"));
}

#[test]
fn documents_beside_the_content_of_one_are_refused() {
    let both = r#"{"documents":[{"external_id":"in","content":"inner"}],"content":"outer"}"#;
    assert_eq!(read("application/json", both).unwrap_err().errors[0].pointer, "/content");
}

#[test]
fn bodies_that_are_nothing() {
    let status = |content_type: &str, body: &str| read(content_type, body).unwrap_err().status;
    assert_eq!(status("application/json", ""), 400);
    assert_eq!(status("application/json", "hello"), 400);
    assert_eq!(status("application/json", &("[".repeat(100_000))), 400);
    assert_eq!(status("application/json", "[]"), 422);
    assert_eq!(status("text/plain", "hello"), 415);
    assert_eq!(status("multipart/form-data", "x"), 400);
    assert_eq!(status("multipart/form-data; boundary=X", "no parts"), 400);
    let many = format!("[{}]", vec!["{}"; constants::DOCUMENTS_PER_REQUEST + 1].join(","));
    assert_eq!(status("application/json", &many), 413);
}

proptest! {
    #[test]
    fn parsing_never_panics(body in "\\PC*", multipart: bool) {
        let _ = read(if multipart { "multipart/form-data; boundary=X" } else { "application/json" }, &body);
    }
}

/// Reads a body range by range, as the unpack stage does; why it could not be read on, if it could not.
fn streamed(content_type: &str, body: &[u8], length: usize) -> (Vec<Item>, Option<String>) {
    let format = Format::of(content_type).unwrap();
    let (mut cursor, mut offset, mut size) = (Inside::default(), 0, length);
    let mut items = Vec::new();
    loop {
        let end = (offset + size).min(body.len());
        let bytes = &body[offset..end];
        let mut inside = cursor.clone();
        let window = Window { bytes, is_last: end == body.len(), is_longest: false };
        let found = split::split(&format, &mut inside, window, 3);
        if found.wants_more() {
            assert!(!window.is_last, "no step at {offset}");
            size *= 2;
            continue;
        }
        for found in found.pieces {
            let Piece::Whole(range) = found else { panic!("too long") };
            items.extend(ready(piece(&format, items.len(), &bytes[range], &mut inside)));
        }
        match found.end {
            End::More => {}
            End::Done => return (items, None),
            End::Broken(why) => return (items, Some(why)),
        }
        (cursor, size) = (inside, length);
        offset += usize::try_from(found.next).unwrap();
    }
}

fn archive() -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, content) in [("./src/a~/b.rs", "fn a() {}"), ("empty.md", "")] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        archive.append_data(&mut header, name, content.as_bytes()).unwrap();
    }
    archive.into_inner().unwrap()
}

/// Bodies of every form, whole ones, odd ones and some that are nothing.
fn bodies() -> Vec<(&'static str, Vec<u8>)> {
    let texts = [
        r#"{"content":"a","title":7}"#,
        r#" [{"content":"a"}, {"content":"b","tags":[1]}, {"title":"x"}, 7, "a ]"] "#,
        r#" {"documents" : [{"content":"a"},{"content":7}] } "#,
        r#"{"more":[1],"documents":[{"content":"a"}]}"#,
        r#"{"documents":[{"content":"a"}],"note":{"b":"]}"}}"#,
        r#"{"documents":[{"content":"a"}],"content":"b"}"#,
        r#"{"content":"a"} {"content":"b"}"#,
        r#"[{"content":"a"}] [{"content":"b"}]"#,
        r#"[{"content":"a"}]]"#,
        r#"{"documents":[{"content":"a"}]} more"#,
        r#"{"documents":[{"content":"a"}]]"#,
        r#"{"documents":[{"content":"a"}],"note":{"#,
        r#"[{"content":"a"}"#,
        "[]",
        "hello",
    ];
    let marked = |text: &str| format!("\u{feff}{text}\n").into_bytes();
    let plain = texts.iter().map(|text| ("application/json", text.as_bytes().to_vec()));
    let mut bodies: Vec<_> = plain.chain(texts.iter().map(|text| ("application/json", marked(text)))).collect();
    let lines = "{\"content\":\"a\"}\n\n{\"content\":\"b\",\"title\":7}\r\n{\"content\":\"c\"} more\n7\n{}";
    bodies.extend([("application/x-ndjson", lines.as_bytes().to_vec()), ("application/x-ndjson", marked(lines))]);
    let form = "--X\r\nContent-Disposition: form-data; name=\"tags\"\r\n\r\none, two\r\n\
        --X\r\nContent-Disposition: form-data; name=\"files\"; filename=\"src/a.rs\"\r\n\r\nfn a() {}\r\n\
        --X\r\nContent-Disposition: form-data; name=\"files\"; filename=\"b.md\"\r\n\r\n\r\n--X--\r\n";
    bodies.extend([("multipart/form-data; boundary=X", form.into()), ("application/x-tar", archive())]);
    bodies
}

#[test]
fn a_body_is_the_same_whether_it_is_read_at_once_or_in_ranges() {
    let (mut whole, mut refused) = (0, 0);
    for (content_type, body) in bodies() {
        let mut headers = HeaderMap::new();
        headers.insert(http::header::CONTENT_TYPE, content_type.parse().unwrap());
        let at_once = ready(parse(&headers, &Bytes::from(body.clone())));
        for length in [1, 7, 100_000] {
            let (items, broken) = streamed(content_type, &body, length);
            let text = String::from_utf8_lossy(&body);
            match &at_once {
                Ok(expected) => {
                    let comparable = |items: &[Item]| format!("{items:?}");
                    assert_eq!((comparable(&items), broken), (comparable(expected), None), "{text}");
                    whole += 1;
                }
                // What was whole before may stay.
                Err(problem) => {
                    let is_refused = broken.is_some() || items.iter().all(|item| item.document.is_err());
                    assert!(is_refused, "{text} is accepted in ranges of {length}, and not at once: {problem:?}");
                    refused += 1;
                }
            }
        }
    }
    assert!(whole >= 30 && refused >= 48, "{whole} whole, {refused} refused");
}

#[test]
fn the_refusal_of_a_document_is_short_however_long_it_is() {
    let long = "x".repeat(200_000);
    let items = read("application/json", &format!(r#"["{long}",{{"content":"a","metadata":{{"{long}":1e999}}}}]"#));
    for item in items.unwrap() {
        let problem = item.document.unwrap_err();
        let error = &problem.errors[0];
        assert!(problem.detail.len() < 300 && error.pointer.len() < 300 && error.detail == problem.detail);
        assert!(problem.detail.starts_with("expected"), "{}", problem.detail);
    }
}
