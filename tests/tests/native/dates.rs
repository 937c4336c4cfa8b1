//! Dates that clients give: what is taken can be read again.

use serde_json::{Value, json};
use tests::rig::{Rig, prose};

const WRONG: [&str; 9] = [
    "1e300",
    "-1e300",
    "1.5",
    "253402300800000",
    "-62135596800001",
    r#""0000-12-31T00:00:00Z""#,
    r#""10000-01-01T00:00:00Z""#,
    r#""2026-11-22""#,
    "true",
];

#[test]
fn a_document_has_a_date_from_year_1_to_9999_or_is_rejected() {
    let rig = Rig::new(1);
    for (number, wrong) in WRONG.iter().enumerate() {
        let date: Value = serde_json::from_str(wrong).unwrap();
        let document = json!({"external_id": format!("{number}.md"), "content": prose("tides", 1), "created_at": date});
        let alone = rig.request("POST", "/api/index", &document);
        assert_eq!(alone.status, 422, "{wrong}: {}", alone.body);
        let other =
            json!({"external_id": format!("other {number}.md"), "content": prose(&format!("tide {number}"), 1)});
        let beside = rig.request("POST", "/api/index", &json!([other, document]));
        let error = &beside.body["items"][1]["error"];
        assert_eq!((beside.status, &error["status"]), (202, &json!(422)), "{wrong}: {}", beside.body);
        assert!(error.to_string().contains("year 1 to 9999"), "{wrong}: {error}");
        assert!(!error.to_string().contains("untagged"), "{wrong}: {error}");
    }
}

#[test]
fn a_date_comes_back_as_it_was_given() {
    let rig = Rig::new(1);
    for (number, (date, written)) in [
        (json!("2026-11-22T10:00:00+01:00"), "2026-11-22T09:00:00Z"),
        (json!(0), "1970-01-01T00:00:00Z"),
        (json!(1_700_000_000_000_i64), "2023-11-14T22:13:20Z"),
        (json!("0001-01-01T00:00:00Z"), "0001-01-01T00:00:00Z"),
        (json!("9999-12-31T23:59:59Z"), "9999-12-31T23:59:59Z"),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("{number}.md");
        rig.upload(&json!([{"external_id": name, "content": prose(&name, 1), "created_at": date}]));
        rig.drain();
        let found = rig.request("GET", &format!("/api/documents?external_id={name}"), &Value::Null).body;
        let created = found["items"][0]["created_at"].as_str().unwrap();
        assert!(created.starts_with(written.trim_end_matches('Z')), "{date}: {created}");
    }
}

#[test]
fn a_filter_of_dates_takes_no_other() {
    let rig = Rig::new(1);
    for wrong in WRONG {
        let date: Value = serde_json::from_str(wrong).unwrap();
        for name in ["created_after", "created_before"] {
            let refused = rig.request("POST", "/api/search", &json!({"query": "tides", "filters": {name: date}}));
            let pointer = format!("/filters/{name}");
            assert_eq!((refused.status, &refused.body["errors"][0]["pointer"]), (422, &json!(pointer)), "{wrong}");
            assert!(refused.body["detail"].as_str().unwrap().contains("year 1 to 9999"), "{}", refused.body);
        }
    }
}

#[test]
fn a_date_that_an_earlier_version_kept_is_still_a_date() {
    let rig = Rig::new(1);
    rig.upload(&json!([{"external_id": "a.md", "content": prose("tides", 1)}]));
    rig.drain();
    rig.memory.change("UPDATE documents SET created_at = 9223372036854775807");
    let found = rig.request("GET", "/api/documents?external_id=a.md", &Value::Null).body;
    assert_eq!(found["items"][0]["created_at"], "9999-12-31T23:59:59.999Z", "{found}");
}
