//! What a change of the API's description breaks for clients that were made for an earlier one.
//!
//! A client may send what it sent before, and is answered what it was answered before: operations, parameters, fields
//! and statuses of success stay, nothing becomes required or narrower in requests, nothing becomes optional or wider in
//! answers. What is added breaks nobody: clients ignore fields that they do not know. Statuses of problems may come and
//! go, since clients go by a problem's `code`.

mod schema;

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use self::schema::{Comparison, Direction};

/// What of a description clients depend on: without its words and examples.
pub fn compact(description: &Value) -> Value {
    let without_words = match description {
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(name, value)| !is_for_people(name, value));
            let compacted = fields.map(|(name, value)| {
                // A default is a value, whatever its fields are called.
                let value = if name == "default" { value.clone() } else { compact(value) };
                (name.clone(), value)
            });
            Value::Object(compacted.collect())
        }
        Value::Array(items) => items.iter().map(compact).collect(),
        other => other.clone(),
    };
    match without_words {
        Value::Object(mut fields) if fields.contains_key("openapi") => {
            fields.retain(|name, _| ["paths", "components", "security"].contains(&name.as_str()));
            if let Some(components) = fields.get_mut("components").and_then(Value::as_object_mut) {
                components.retain(|name, _| name == "schemas");
            }
            Value::Object(fields)
        }
        other => other,
    }
}

/// True for words and examples, and for references to what has nothing but words; a field may be called like them, and
/// is a schema.
fn is_for_people(name: &str, value: &Value) -> bool {
    match name {
        "description" | "summary" | "title" => value.is_string(),
        "example" | "examples" | "headers" | "tags" => !value.is_object() || value.get("type").is_none(),
        "$ref" => value.as_str().is_some_and(|reference| reference.contains("/components/responses/")),
        _ => false,
    }
}

/// The compact form as text: a line for each operation and each schema, so that a change of one is a change of a line.
pub fn lines(compact: &Value) -> String {
    let mut text = format!("{{\"security\": {},\n\"paths\": {{\n", compact["security"]);
    let mut list = |entries: &Map<String, Value>, end: &str| {
        let lines: Vec<String> = entries.iter().map(|(name, entry)| format!("{}: {entry}", json!(name))).collect();
        let _ = write!(text, "{}{end}", lines.join(",\n"));
    };
    let empty = Map::new();
    list(compact["paths"].as_object().unwrap_or(&empty), "},\n\"components\": {\"schemas\": {\n");
    list(compact["components"]["schemas"].as_object().unwrap_or(&empty), "}}}\n");
    text
}

/// What of the description `before` the description `after` does not keep, a sentence each.
pub fn incompatibilities(before: &Value, after: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for (path, operations) in before["paths"].as_object().into_iter().flatten() {
        for (method, operation) in operations.as_object().into_iter().flatten() {
            let name = format!("{} {path}", method.to_uppercase());
            let now = &after["paths"][path][method];
            if now.is_null() {
                found.push(format!("{name} is gone"));
                continue;
            }
            let mut comparison = Comparison::new(before, after, &mut found);
            compare_security(&mut comparison, &name, (operation, before), (now, after));
            compare_parameters(&mut comparison, &name, operation, now);
            compare_bodies(&mut comparison, &name, &operation["requestBody"], &now["requestBody"]);
            compare_answers(&mut comparison, &name, &operation["responses"], &now["responses"]);
        }
    }
    found
}

fn compare_security(comparison: &mut Comparison<'_>, name: &str, before: (&Value, &Value), after: (&Value, &Value)) {
    let ways = |(operation, description): (&Value, &Value)| -> Vec<Value> {
        let own = operation.get("security").unwrap_or(&description["security"]);
        own.as_array().cloned().unwrap_or_default()
    };
    let (before, after) = (ways(before), ways(after));
    // Nothing is asked of anybody.
    if after.is_empty() {
        return;
    }
    if before.is_empty() || before.iter().any(|way| !after.contains(way)) {
        comparison.find(format!("{name} lets in fewer than before"));
    }
}

fn compare_parameters(comparison: &mut Comparison<'_>, name: &str, before: &Value, after: &Value) {
    let parameters = |operation: &Value| operation["parameters"].as_array().cloned().unwrap_or_default();
    let is_same = |one: &Value, other: &Value| one["name"] == other["name"] && one["in"] == other["in"];
    let (before, after) = (parameters(before), parameters(after));
    for parameter in &before {
        let place = format!("{name}, parameter {}", parameter["name"].as_str().unwrap_or_default());
        match after.iter().find(|other| is_same(parameter, other)) {
            None => comparison.find(format!("{place} is gone")),
            Some(now) => {
                if now["required"] == true && parameter["required"] != true {
                    comparison.find(format!("{place} has become required"));
                }
                comparison.schemas(&place, Direction::Request, &parameter["schema"], &now["schema"]);
            }
        }
    }
    for new in after.iter().filter(|new| !before.iter().any(|old| is_same(old, new)) && new["required"] == true) {
        let parameter = new["name"].as_str().unwrap_or_default();
        comparison.find(format!("{name}, parameter {parameter} is new and required"));
    }
}

fn compare_bodies(comparison: &mut Comparison<'_>, name: &str, before: &Value, after: &Value) {
    let place = format!("{name}, request");
    if after["required"] == true && before["required"] != true {
        comparison.find(format!("{place} has become required"));
    }
    compare_contents(comparison, &place, Direction::Request, &before["content"], &after["content"]);
}

fn compare_answers(comparison: &mut Comparison<'_>, name: &str, before: &Value, after: &Value) {
    for (status, answer) in before.as_object().into_iter().flatten() {
        if !status.starts_with(['1', '2', '3']) {
            continue;
        }
        let place = format!("{name}, {status}");
        match after.get(status) {
            None => comparison.find(format!("{place} is gone")),
            Some(now) => {
                compare_contents(comparison, &place, Direction::Answer, &answer["content"], &now["content"]);
            }
        }
    }
}

fn compare_contents(comparison: &mut Comparison<'_>, place: &str, direction: Direction, before: &Value, after: &Value) {
    for (media_type, content) in before.as_object().into_iter().flatten() {
        match after.get(media_type) {
            None => comparison.find(format!("{place}, {media_type} is gone")),
            Some(now) => comparison.schemas(place, direction, &content["schema"], &now["schema"]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A description of one operation.
    fn description(operation: &Value) -> Value {
        json!({ "security": [{ "key": [] }], "paths": { "/a": { "post": operation } } })
    }

    fn operation() -> Value {
        json!({
            "parameters": [{ "name": "limit", "in": "query", "schema": { "type": "integer", "maximum": 100 } }],
            "requestBody": { "required": false, "content": { "application/json": { "schema": {
                "type": "object",
                "required": ["text"],
                "properties": { "text": { "type": "string", "maxLength": 10 }, "kind": { "enum": ["a", "b"] } },
            } } } },
            "responses": { "200": { "content": { "application/json": { "schema": {
                "type": "object",
                "required": ["id"],
                "properties": { "id": { "type": "string" }, "note": { "type": ["string", "null"] } },
            } } } } },
        })
    }

    /// What is found when a value of the operation is replaced.
    fn after(pointer: &str, value: Value) -> Vec<String> {
        let mut changed = operation();
        *changed.pointer_mut(pointer).unwrap() = value;
        incompatibilities(&description(&operation()), &description(&changed))
    }

    const REQUEST: &str = "/requestBody/content/application~1json/schema";
    const ANSWER: &str = "/responses/200/content/application~1json/schema";

    #[test]
    fn what_stays_or_is_added_breaks_nobody() {
        let same = description(&operation());
        assert_eq!(incompatibilities(&same, &same), [""; 0]);
        let optional = json!([
            { "name": "limit", "in": "query", "schema": { "type": "integer", "maximum": 200 } },
            { "name": "new", "in": "query", "schema": { "type": "string" } },
        ]);
        assert_eq!(after("/parameters", optional), [""; 0]);
        let wider = json!({ "type": ["string", "null"], "maxLength": 20 });
        assert_eq!(after(&format!("{REQUEST}/properties/text"), wider), [""; 0]);
        assert_eq!(after(&format!("{REQUEST}/properties/kind"), json!({ "enum": ["a", "b", "c"] })), [""; 0]);
        assert_eq!(after(&format!("{REQUEST}/required"), json!([])), [""; 0]);
        assert_eq!(after(&format!("{ANSWER}/properties/note"), json!({ "type": "string" })), [""; 0]);
        assert_eq!(after(&format!("{ANSWER}/required"), json!(["id", "note"])), [""; 0]);
    }

    #[test]
    fn what_goes_or_becomes_narrower_in_requests_is_found() {
        let nothing = json!({ "security": [{ "key": [] }], "paths": {} });
        assert_eq!(incompatibilities(&description(&operation()), &nothing), ["POST /a is gone"]);
        let required = json!({ "name": "new", "in": "query", "required": true });
        for (pointer, value, found) in [
            ("/parameters".to_owned(), json!([]), "parameter limit is gone"),
            ("/parameters/0".to_owned(), required, "parameter new is new and required"),
            ("/parameters/0/schema/maximum".to_owned(), json!(50), "maximum is 50, and was 100"),
            ("/parameters/0/schema/type".to_owned(), json!("string"), "may not be integer any more"),
            ("/requestBody/required".to_owned(), json!(true), "request has become required"),
            ("/requestBody/content".to_owned(), json!({}), "application/json is gone"),
            (format!("{REQUEST}/required"), json!(["text", "kind"]), "/kind has become required"),
            (format!("{REQUEST}/properties/text/maxLength"), json!(5), "maxLength is 5, and was 10"),
            (format!("{REQUEST}/properties/text"), json!({ "type": "string", "pattern": "a" }), "has another pattern"),
            (format!("{REQUEST}/properties/kind/enum"), json!(["a"]), "may not be \"b\" any more"),
            (format!("{REQUEST}/properties"), json!({ "text": { "type": "string" } }), "/kind is gone"),
        ] {
            let all = after(&pointer, value);
            assert!(all.iter().any(|sentence| sentence.contains(found)), "{pointer}: {all:?}");
        }
    }

    #[test]
    fn what_goes_or_becomes_wider_in_answers_is_found() {
        let id = json!({ "type": "string" });
        for (pointer, value, found) in [
            ("/responses".to_owned(), json!({ "202": {} }), "POST /a, 200 is gone"),
            (format!("{ANSWER}/properties"), json!({ "id": id }), "/note is gone"),
            (format!("{ANSWER}/required"), json!([]), "/id may be missing"),
            (format!("{ANSWER}/properties/id/type"), json!(["string", "null"]), "may be null"),
            (format!("{ANSWER}/properties/id/type"), json!("integer"), "may be integer"),
        ] {
            let all = after(&pointer, value);
            assert!(all.iter().any(|sentence| sentence.contains(found)), "{pointer}: {all:?}");
        }
    }

    #[test]
    fn who_is_let_in_no_longer_is_found() {
        let mut open = operation();
        open["security"] = json!([]);
        let found = incompatibilities(&description(&open), &description(&operation()));
        assert_eq!(found, ["POST /a lets in fewer than before"]);
        assert_eq!(incompatibilities(&description(&operation()), &description(&open)), [""; 0]);
    }

    #[test]
    fn references_are_followed_once_where_they_lead_back() {
        let with = |leaf: &str| {
            let schema = json!({ "$ref": "#/components/schemas/Tree" });
            let tree = json!({ "type": "object", "properties": {
                "leaf": { "type": leaf }, "branches": { "type": "array", "items": schema },
            } });
            let answer = json!({ "responses": { "200": { "content": { "application/json": { "schema": schema } } } } });
            json!({ "paths": { "/a": { "get": answer } }, "components": { "schemas": { "Tree": tree } } })
        };
        assert_eq!(incompatibilities(&with("string"), &with("string")), [""; 0]);
        let found = incompatibilities(&with("string"), &with("integer"));
        assert_eq!(found, ["GET /a, 200: /leaf may be integer, and was string"]);
    }

    #[test]
    fn words_are_no_part_of_what_is_kept() {
        let mut worded = operation();
        worded["summary"] = json!("words");
        let title = json!({ "type": "string", "description": "words" });
        worded["responses"]["200"]["content"]["application/json"]["schema"]["properties"]["title"] = title;
        worded["responses"]["401"] = json!({ "$ref": "#/components/responses/unauthorized" });
        let mut whole = description(&worded);
        whole["openapi"] = json!("3.1.0");
        let compact = compact(&whole);
        assert!(!compact.to_string().contains("words") && !compact.to_string().contains("components/responses"));
        let read: Value = serde_json::from_str(&lines(&compact)).unwrap_or_default();
        let title = "/paths/~1a/post/responses/200/content/application~1json/schema/properties/title";
        assert_eq!(read.pointer(title), Some(&json!({ "type": "string" })));
        assert_eq!(incompatibilities(&read, &whole), [""; 0]);
    }
}
