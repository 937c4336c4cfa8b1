use pipeline::constants;
use test_platform::InMemory;

use super::*;
use crate::http::operations::operations;

/// The name of the schema of some content.
fn name(content: &Value) -> String {
    let Some(content) = content.as_object() else { return "nothing".to_owned() };
    let names = content.iter().map(|(media_type, content)| match content["schema"]["$ref"].as_str() {
        Some(reference) => reference.trim_start_matches("#/components/schemas/").to_owned(),
        None => media_type.clone(),
    });
    names.collect::<Vec<_>>().join(" | ")
}

/// The statuses of what is refused.
fn refusals(responses: &Value) -> String {
    let responses = responses.as_object().unwrap().iter();
    let refused = responses.filter(|(_, answer)| answer["$ref"].is_string()).map(|(status, _)| status.as_str());
    refused.collect::<Vec<_>>().join(" ")
}

#[test]
fn the_operations() {
    let operations = operations::<InMemory>();
    let description = describe(operations);
    let lines = operations.iter().map(|operation| {
        let described = &description["paths"][operation.path][method(&operation.method)];
        let answers = described["responses"].as_object().unwrap().iter();
        let answers: Vec<String> = answers
            .filter(|(_, answer)| !answer["$ref"].is_string())
            .map(|(status, answer)| format!("{status} {}", name(&answer["content"])))
            .collect();
        format!(
            "{} {} -> {}, {:?}, {} -> {}; {}",
            operation.method,
            operation.path,
            described["operationId"].as_str().unwrap(),
            operation.named.handler.access(),
            name(&described["requestBody"]["content"]),
            answers.join(", "),
            refusals(&described["responses"]),
        )
    });
    insta::with_settings!({ snapshot_path => "../../snapshots" }, {
        insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"));
    });
}

#[test]
fn every_parameter_and_header_is_described() {
    let description = describe(operations::<InMemory>());
    let operations = description["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap());
    for (_, operation) in operations {
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            assert!(parameter["description"].as_str().unwrap().ends_with('.'), "{parameter}");
            let schema = &parameter["schema"];
            assert!(schema["type"].is_string() || schema["anyOf"].is_array(), "{parameter}");
        }
    }
    for (name, header) in description["components"]["headers"].as_object().unwrap() {
        assert!(header["description"].as_str().unwrap().ends_with('.'), "{name}");
    }
}

#[test]
fn every_group_of_operations_is_described_and_has_some() {
    let groups: Vec<&str> = words::TAGS.iter().map(|(name, _)| *name).collect();
    for operation in operations::<InMemory>() {
        assert!(groups.contains(&operation.named.module), "{}", operation.named.module);
    }
    for group in groups {
        assert!(operations::<InMemory>().iter().any(|operation| operation.named.module == group), "{group}");
    }
}

#[test]
fn what_is_said_of_an_operation_is_said_of_one_that_there_is() {
    for (id, _) in words::DESCRIPTIONS {
        assert!(operations::<InMemory>().iter().any(|operation| operation.id() == id), "{id}");
    }
}

#[test]
fn schemas_are_named_after_one_type_each() {
    let description = describe(operations::<InMemory>());
    // A second type of the same name would have a number.
    let names: Vec<&String> = description["components"]["schemas"].as_object().unwrap().keys().collect();
    assert!(names.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_alphabetic())), "{names:?}");
}

#[test]
fn limits_are_those_that_are_checked() {
    let schemas = describe(operations::<InMemory>())["components"]["schemas"].take();
    let limit = |pointer: &str| schemas.pointer(pointer).and_then(Value::as_u64).map(usize::try_from);
    for (pointer, expected) in [
        ("/Document/properties/content/maxLength", constants::DOCUMENT_BYTES),
        ("/Document/properties/external_id/maxLength", constants::TITLE_BYTES),
        ("/Document/properties/tags/maxItems", constants::TAGS),
        ("/Document/properties/tags/items/maxLength", constants::TAG_BYTES),
        ("/Documents/oneOf/1/maxItems", constants::DOCUMENTS_PER_REQUEST),
        ("/Search/properties/query/maxLength", constants::QUERY_BYTES),
        ("/Search/properties/top_k/maximum", constants::TOP_K),
        ("/Chat/properties/message/maxLength", constants::CHAT_MESSAGE_BYTES),
        ("/NewMemory/properties/text/maxLength", constants::MEMORY_BYTES),
        ("/NewMemory/properties/text/x-max-bytes", constants::MEMORY_BYTES),
    ] {
        assert_eq!(limit(pointer), Some(Ok(expected)), "{pointer}");
    }
    let required = schemas["IndexAnswerWithJob"]["required"].as_array().unwrap();
    assert_eq!(required.iter().filter(|name| *name == "status").count(), 1);
}

fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|field| references(field, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let description = describe(operations::<InMemory>());
    let mut found = Vec::new();
    references(&description, &mut found);
    assert!(found.len() > 100, "{}", found.len());
    for reference in found {
        assert!(description.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
    }
}

#[test]
fn a_type_that_is_read_and_written_has_the_same_fields_in_both() {
    let mut description = Description::new();
    for operation in operations::<InMemory>() {
        description.operation(operation);
    }
    let answers = description.answers.take_definitions(true);
    let fields = |schema: &Value| schema["properties"].as_object().map(|fields| fields.keys().cloned().collect());
    for (name, schema) in description.requests.take_definitions(true) {
        let of_answer: Option<Option<Vec<String>>> = answers.get(&name).map(fields);
        assert!(of_answer.is_none_or(|of_answer| of_answer == fields(&schema)), "{name}");
    }
}

#[test]
fn what_is_read_has_no_other_fields_unless_its_clients_are_not_ours() {
    let schemas = describe(operations::<InMemory>())["components"]["schemas"].take();
    for name in ["Search", "Chat", "Document", "NewMemory", "MemoryPatch", "NewSession", "Filters"] {
        assert_eq!(schemas[name]["additionalProperties"], false, "{name}");
    }
    assert!(schemas["ChatCompletionMessage"]["additionalProperties"].is_null());
    assert_eq!(schemas["Search"]["properties"]["top_k"]["type"], serde_json::json!(["integer", "null"]));
    assert!(schemas["Search"]["properties"]["filters"].get("default").is_none());
}
