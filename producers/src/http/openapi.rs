//! `GET /openapi.json`: the API described by the table that routes it.
//!
//! Paths and methods come from [`ROUTES`]; the names and limits in the schemas from the constants
//! the code checks against.

use http::{Method, StatusCode};
use pipeline::{chat::catalogue::RouteName, constants};
use serde_json::{Map, Value, json};

use crate::{
    api::{index::validate::KINDS, memories},
    http::{
        operations::{ROUTES, Route},
        reply::Reply,
    },
};

/// The description as an answer.
pub fn openapi() -> Reply {
    Reply::json(StatusCode::OK, &description())
}

fn description() -> Value {
    let mut paths = Map::new();
    for (path, route, methods) in ROUTES {
        let operations = methods.iter().map(|method| (method.as_str().to_lowercase(), operation(path, route, method)));
        paths.insert(path.to_owned(), Value::Object(operations.collect()));
    }
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Claude's Friend", "version": env!("CARGO_PKG_VERSION") },
        "security": [{ "key": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": { "key": { "type": "http", "scheme": "bearer" } },
            "schemas": schemas(),
        },
    })
}

fn operation(path: &str, route: Route, method: &Method) -> Value {
    let problem = json!({ "description": "what is wrong", "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } } });
    let mut operation = json!({ "summary": summary(route, method), "responses": { "default": problem } });
    let (status, media_type) = success(route, method);
    operation["responses"][status] = json!({ "description": "success", "content": { media_type: {} } });
    if path.contains("{id}") {
        operation["parameters"] =
            json!([{ "name": "id", "in": "path", "required": true, "schema": { "type": "string" } }]);
    }
    let schema = |name: &str| {
        let reference = format!("#/components/schemas/{name}");
        json!({ "content": { "application/json": { "schema": { "$ref": reference } } } })
    };
    match (route, method == Method::POST) {
        (Route::Index, _) => {
            let one_or_many = json!({ "oneOf": [
                { "$ref": "#/components/schemas/Document" },
                { "type": "array", "maxItems": constants::DOCUMENTS_PER_REQUEST, "items": { "$ref": "#/components/schemas/Document" } },
                { "type": "object", "properties": { "documents": { "type": "array", "items": { "$ref": "#/components/schemas/Document" } } } },
            ]});
            operation["requestBody"] = json!({ "content": {
                "application/json": { "schema": one_or_many },
                "application/x-ndjson": {},
                "multipart/form-data": {},
            }});
        }
        (Route::Search, _) => operation["requestBody"] = schema("Search"),
        (Route::Chat, _) => operation["requestBody"] = schema("Chat"),
        (Route::Memories, true) => operation["requestBody"] = schema("Memory"),
        _ => {}
    }
    if matches!(route, Route::Health | Route::OpenApi | Route::SessionJoin) {
        operation["security"] = json!([]);
    }
    operation
}

const fn summary(route: Route, method: &Method) -> &'static str {
    match (route, method) {
        (Route::Health, _) => "Liveness, and the age of unfinished work",
        (Route::OpenApi, _) => "This description",
        (Route::Index, _) => "Index documents; ?dry_run=true estimates only; Prefer: wait=N waits",
        (Route::Jobs, _) => "List jobs, the newest first",
        (Route::Job, _) => "How far a job is",
        (Route::JobEvents, _) => "The same as server-sent events",
        (Route::JobCancel, _) => "Stop a job",
        (Route::JobRetry, _) => "Try a job's failed items again",
        (Route::Documents, _) => "List documents",
        (Route::Document, &Method::DELETE) => "Delete a document everywhere",
        (Route::Document, _) => "A document and its chunks; ?text=true with their text",
        (Route::DocumentOriginal, _) => "A document's bytes as uploaded",
        (Route::Search, _) => "Find chunks by words and by meaning",
        (Route::Keys, &Method::POST) => "Issue an API key",
        (Route::Keys, _) => "List API keys",
        (Route::Key, _) => "Revoke an API key",
        (Route::Usage, _) => "Today against every allowance of the Free plan",
        (Route::DeadLetters, _) => "What failed for good, and why",
        (Route::DeadLetterReplay, _) => "Try one of them again",
        (Route::Chat, _) => "Ask; Prefer: wait=N waits for the answer",
        (Route::Conversations, _) => "List conversations, the newest first",
        (Route::Conversation, &Method::DELETE) => "Delete a conversation and all that was said in it",
        (Route::Conversation, _) => "A conversation's messages",
        (Route::Memories, &Method::POST) => "Remember something, once",
        (Route::Memories, _) => "Recall what fits ?query=, or list everything remembered",
        (Route::Memory, &Method::DELETE) => "Forget at once, everywhere",
        (Route::Memory, _) => "Something remembered",
        (Route::MemoryConfirm, _) => "Remember what was proposed",
        (Route::Me, &Method::PUT) => "Set profile and preferences",
        (Route::Me, _) => "Who the caller is: profile and preferences",
        (Route::Sessions, &Method::POST) => "Open a live session",
        (Route::Sessions, _) => "List live sessions",
        (Route::Session, &Method::DELETE) => "Close a session for everybody",
        (Route::Session, _) => "A session: who is there, the shared text, the log's end",
        (Route::SessionTickets, _) => "Invite somebody: a ticket that is good once, for half a minute",
        (Route::SessionJoin, _) => "Join a session by WebSocket, with a ticket as Sec-WebSocket-Protocol or with a key",
        (Route::Completions, _) => "Chat in the words of OpenAI's API",
        (Route::Models, _) => "The models that /v1/chat/completions takes",
    }
}

fn success(route: Route, method: &Method) -> (&'static str, &'static str) {
    match route {
        Route::Index | Route::JobRetry | Route::DeadLetterReplay | Route::Chat => ("202", "application/json"),
        Route::Document if *method == Method::DELETE => ("202", "application/json"),
        Route::Keys | Route::Memories | Route::Sessions if *method == Method::POST => ("201", "application/json"),
        Route::SessionTickets => ("201", "application/json"),
        Route::Key => ("204", "application/json"),
        Route::Memory | Route::Session if *method == Method::DELETE => ("204", "application/json"),
        Route::SessionJoin => ("101", "application/json"),
        Route::JobEvents => ("200", "text/event-stream"),
        Route::DocumentOriginal => ("200", "text/plain"),
        _ => ("200", "application/json"),
    }
}

fn schemas() -> Value {
    let text = |bytes: usize| json!({ "type": "string", "maxLength": bytes });
    json!({
        "Document": { "type": "object", "required": ["content"], "properties": {
            "external_id": text(constants::TITLE_BYTES), "title": text(constants::TITLE_BYTES),
            "content": text(constants::DOCUMENT_BYTES), "type": { "enum": KINDS }, "language": text(constants::TAG_BYTES),
            "media_type": { "type": "string" },
            "tags": { "type": "array", "maxItems": constants::TAGS, "items": text(constants::TAG_BYTES) },
            "metadata": { "type": "object" }, "created_at": { "type": "string", "format": "date-time" },
        }},
        "Search": { "type": "object", "required": ["query"], "properties": {
            "query": text(constants::QUERY_BYTES),
            "top_k": { "type": "integer", "minimum": 1, "maximum": constants::TOP_K, "default": 10 },
            "mode": { "enum": ["hybrid", "vector", "keyword"], "default": "hybrid" },
            "group_by": { "enum": ["document"] }, "after": { "type": "string" },
            "filters": { "type": "object", "properties": {
                "type": { "enum": KINDS }, "language": { "type": "string" },
                "tags": { "type": "array", "items": { "type": "string" } },
                "document_ids": { "type": "array", "items": { "type": "string" } },
                "created_after": { "type": "string", "format": "date-time" },
                "created_before": { "type": "string", "format": "date-time" },
            }},
        }},
        "Chat": { "type": "object", "required": ["message"], "properties": {
            "message": text(constants::CHAT_MESSAGE_BYTES), "conversation_id": { "type": "string" }, "session_id": { "type": "string" },
            "route": { "enum": RouteName::ALL.map(RouteName::name) }, "filters": { "type": "object" },
            "use_memory": { "type": "boolean", "default": true }, "max_tokens": { "type": "integer", "minimum": 1 },
        }},
        "Memory": { "type": "object", "required": ["text"], "properties": {
            "text": text(constants::MEMORY_BYTES), "kind": { "enum": memories::KINDS, "default": "fact" }, "source": { "type": "string" },
            "confidence": { "type": "number", "minimum": 0, "maximum": 1, "default": 1 },
            "supersedes": { "type": "string" }, "pinned": { "type": "boolean", "default": false },
        }},
        "Problem": { "type": "object", "required": ["type", "title", "status", "detail", "code"], "properties": {
            "type": { "type": "string" }, "title": { "type": "string" }, "status": { "type": "integer" },
            "detail": { "type": "string" }, "code": { "type": "string" }, "instance": { "type": "string" },
            "request_id": { "type": "string" },
            "errors": { "type": "array", "items": { "type": "object", "properties": { "pointer": { "type": "string" }, "detail": { "type": "string" } } } },
        }},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_and_method_is_described() {
        let description = description();
        for (path, _, methods) in ROUTES {
            for method in methods {
                let operation = &description["paths"][path][method.as_str().to_lowercase()];
                assert!(operation["summary"].is_string(), "{method} {path}");
            }
        }
    }
}
